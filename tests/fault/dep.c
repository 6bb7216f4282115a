/* SPDX-License-Identifier: MIT */
/* A private dependency of plugin.c. */
int dep_counter;
static int *const pointers[] = { &dep_counter, &dep_counter };
__thread int dep_thread = 5;

int dep_add(int value);
int dep_add(int value)
{
	return *pointers[0] += value + dep_thread - 5;
}
