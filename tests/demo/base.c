/* SPDX-License-Identifier: MIT */
/*
 * The library at the bottom of the demo: a version that is compiled in and a global that
 * starts as that version. Built three times.
 */
int base_version(void);
extern int base_global_value;

int base_version(void)
{
	return VERSION;
}

int base_global_value = VERSION;
