// SPDX-License-Identifier: MIT
// A C++ library: exceptions, thread_local objects, symbols with versions, libstdc++.
#include <map>
#include <stdexcept>
#include <string>

namespace
{
struct keeper {
	std::string text = "kept";
	~keeper()
	{
		text.clear();
	}
};
thread_local keeper kept;
std::map<std::string, int> values{ { "one", 1 }, { "two", 2 } };
} // namespace

extern "C" int library_run(int value)
{
	try {
		if (values.at("one") + values.at("two") != 3 || kept.text != "kept")
			return -1;
		throw std::runtime_error(std::to_string(value));
	} catch (const std::exception &error) {
		return std::stoi(error.what());
	}
}
