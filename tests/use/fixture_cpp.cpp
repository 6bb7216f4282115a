/* SPDX-License-Identifier: MIT */
/*
 * Fixture: C++ exceptions. One is thrown inside libprotobuf, by its check for a fatal
 * error, and caught here through its public base class; others here and through a caller
 * of the test's. Also a thread_local with a destructor. protobuf's classes are declared
 * by hand, so that its headers need not be installed.
 */
#include <atomic>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

namespace google
{
namespace protobuf
{
enum LogLevel { LOGLEVEL_INFO, LOGLEVEL_WARNING, LOGLEVEL_ERROR, LOGLEVEL_FATAL };
namespace internal
{
class LogMessage
{
      public:
	LogMessage(LogLevel level, const char *file, int line);
	~LogMessage();
	LogMessage &operator<<(const char *text);
	LogMessage &operator<<(int number);

      private:
	alignas(16) char members[256]; // more than it has
};
class LogFinisher
{
      public:
	void operator=(LogMessage &message);
};
} // namespace internal
} // namespace protobuf
} // namespace google

#define EXPORT extern "C" __attribute__((visibility("default")))

static std::atomic<int> destroyed;

namespace
{
struct Counted {
	std::string text = "alive";
	~Counted()
	{
		destroyed += text == "used";
	}
};
thread_local Counted counted;
} // namespace

// Throws in libprotobuf; writes what was caught.
EXPORT int cpp_protobuf(int number, char *text, size_t bytes)
{
	using namespace google::protobuf;

	try {
		internal::LogMessage message(LOGLEVEL_FATAL, "fixture", 7);
		internal::LogFinisher() = message << "check failed: " << number;
	} catch (const std::exception &caught) {
		return snprintf(text, bytes, "%s", caught.what());
	}
	return -1;
}

// Throws and catches here, several types, nested.
EXPORT int cpp_own(int depth)
{
	try {
		try {
			if (depth > 0)
				return cpp_own(depth - 1) + 1;
			throw std::out_of_range("deep");
		} catch (const std::out_of_range &caught) {
			std::throw_with_nested(std::runtime_error(caught.what()));
		}
	} catch (const std::runtime_error &caught) {
		try {
			std::rethrow_if_nested(caught);
		} catch (const std::logic_error &) {
			return 1000;
		}
	}
	return -1;
}

// Throws through @call, which is C code of the host's, back to here.
EXPORT int cpp_through(void (*call)(void (*)(void *), void *), int number)
{
	try {
		call([](void *data) { throw *static_cast<int *>(data); }, &number);
	} catch (int caught) {
		return caught;
	}
	return -1;
}

// Marks this thread's variable, which counts itself when the thread ends.
EXPORT int cpp_thread_local(void)
{
	int fresh = counted.text == "alive";

	counted.text = "used";
	return fresh;
}

EXPORT int cpp_destroyed(void)
{
	return destroyed;
}
