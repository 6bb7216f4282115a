/* SPDX-License-Identifier: MIT */
/* A plugin: needs dep.c and libc, has functions to run at its start and end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int dep_add(int value);
extern int dep_counter;
extern __thread int dep_thread;
extern int plugin_missing(void) __attribute__((weak));

int plugin_started, *plugin_pointer = &dep_counter;
static __thread char plugin_thread[64] = "thread";
static int (*const functions[])(int) = { dep_add, abs };

__attribute__((constructor)) static void start(void)
{
	plugin_started = 1;
}

__attribute__((destructor)) static void end(void)
{
	plugin_started = 0;
}

int plugin_run(int value);
int plugin_run(int value)
{
	char text[32];
	if (!plugin_started || plugin_missing || strcmp(plugin_thread, "thread") != 0)
		return -1;
	snprintf(text, sizeof(text), "%d", functions[1](-value));
	dep_counter = 0;
	return functions[0](atoi(text)) + *plugin_pointer - dep_counter + dep_thread - 5;
}
