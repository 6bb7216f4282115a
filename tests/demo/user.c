/* SPDX-License-Identifier: MIT */
/*
 * A library that uses a base: the same names in every build, its own global and, through
 * it, its base's. Built twice, each time with another base. The runner defines the same
 * names as well: a look-up that left the namespace would show.
 */
#include <stdio.h>

#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#endif

int base_version(void);
extern int base_global_value;

int global_value = VERSION;

int version(void)
{
	return VERSION;
}

/* Writes the four values into @text. */
int fullname(char *text, size_t bytes)
{
	return snprintf(text, bytes,
		"my_glob='%d', my_version=%d, base_glob='%d', base_version=%d",
		global_value, version(), base_global_value, base_version());
}
