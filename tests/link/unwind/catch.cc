// SPDX-License-Identifier: MIT
// An image that catches what another image throws.
#include "images.h"

#include <stdexcept>
#include <string.h>

extern "C" int catch_across(int number)
{
	int destroyed = 0;
	try {
		throw_number(number, &destroyed);
	} catch (int caught) {
		return caught + destroyed;
	}
	return -1;
}

extern "C" int catch_text_across(const char *text)
{
	int destroyed = 0;
	try {
		throw_text(text, &destroyed);
	} catch (const std::exception &e) {
		return destroyed == 1 && strstr(e.what(), text) == e.what() &&
		       strstr(e.what(), "from the image");
	}
	return 0;
}
