/* SPDX-License-Identifier: MIT */
/* A plugin that a debugger is to stop in. */
int plugin_global = 1234;

int plugin_function(int x);
int plugin_function(int x)
{
	plugin_global += x;
	return plugin_global;
}
