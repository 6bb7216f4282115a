// SPDX-License-Identifier: MIT
// An image that throws: what is caught elsewhere, and what it catches itself.
#include "images.h"

#include <stdexcept>
#include <string>

struct counted {
	int *count;
	~counted()
	{
		++*count;
	}
};

extern "C" void throw_number(int number, int *destroyed)
{
	counted here{ destroyed };
	throw number;
}

extern "C" void throw_text(const char *text, int *destroyed)
{
	counted here{ destroyed };
	throw std::runtime_error(std::string(text) + " from the image");
}

extern "C" int catch_inside(int number)
{
	int destroyed = 0;
	try {
		throw_number(number, &destroyed);
	} catch (int caught) {
		return caught + destroyed;
	}
	return -1;
}

extern "C" void call_back(void (*function)(void *), void *data, int *destroyed)
{
	counted here{ destroyed };
	function(data);
}
