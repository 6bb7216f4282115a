/* SPDX-License-Identifier: MIT */
/*
 * The program umod: finds the command that was asked for, by its first argument or by the
 * name that it was started with, and runs it. Commands stand in files of their own.
 */
#include "kmod.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static const struct tool_command *const commands[] = {
	&tool_check,
	&tool_tree,
	&tool_info,
	&tool_symbols,
	&tool_features,
	&tool_run,
	&tool_maps,
	&tool_new,
	&tool_depmod,
	&tool_modinfo,
	&tool_modprobe,
	&tool_insmod,
	&tool_rmmod,
	&tool_lsmod,
	&tool_show,
	&tool_static_nodes,
	&tool_keyring,
	&tool_sign,
	&tool_abi,
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* Names under which a link to umod is one of its commands, besides umod-COMMAND. */
static const struct {
	const char *link_name;
	const struct tool_command *command;
} links[] = {
	{ "kmod", &tool_kmod },
	{ "depmod", &tool_depmod },
	{ "modprobe", &tool_modprobe },
	{ "insmod", &tool_insmod },
	{ "rmmod", &tool_rmmod },
	{ "lsmod", &tool_lsmod },
	{ "modinfo", &tool_modinfo },
	{ NULL, NULL },
};

static const struct tool_command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static const struct tool_command *find_link(const char *argv0)
{
	static const char prefix[] = "umod-";
	const char *slash = strrchr(argv0, '/');
	const char *name = slash ? slash + 1 : argv0;

	for (size_t i = 0; links[i].link_name; i++) {
		if (strcmp(links[i].link_name, name) == 0)
			return links[i].command;
	}
	if (strncmp(name, prefix, strlen(prefix)) == 0)
		return find_command(name + strlen(prefix));
	return NULL;
}

static void print_help(void)
{
	puts("Usage: umod COMMAND [OPTION]... [ARGUMENT]...\n"
	     "Load, check and describe shared objects.\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
	puts("  help         Tell more about a command\n\n"
	     "  --help     This text\n"
	     "  --version  The version\n\n"
	     "Exit status: 0 all is well, 1 something failed, 2 wrong usage.\n"
	     "UMOD_DEBUG=help lists what can be traced.");
}

static int run(const struct tool_command *command, bool is_link, int argc, char **argv)
{
	char name[64];

	tool_current = command;
	if (!command->plain)
		tool_text_setup();
	if (command->plain && is_link) {
		char *slash = strrchr(argv[0], '/');
		argv[0] = slash ? slash + 1 : argv[0];
	} else {
		snprintf(name, sizeof(name), "umod %s", command->name);
		argv[0] = name;
	}
	return command->run(argc, argv);
}

static int help(int argc, char **argv)
{
	if (argc > 2)
		return tool_usage("help takes one command");
	if (argc < 2) {
		print_help();
		return TOOL_OK;
	}
	const struct tool_command *command = find_command(argv[1]);
	if (!command)
		return tool_usage("there is no command '%s'", argv[1]);
	if (!command->plain)
		return tool_help(command);
	char option[] = "--help", *words[] = { argv[0], option, NULL };
	return run(command, false, 2, words);
}

static int dispatch(int argc, char **argv)
{
	const struct tool_command *command = argc > 0 ? find_link(argv[0]) : NULL;

	if (command)
		return run(command, true, argc, argv);
	command = argc < 2 ? NULL : find_command(argv[1]);
	if (command)
		return run(command, false, argc - 1, argv + 1);
	tool_text_setup();
	if (argc < 2)
		return tool_usage("a command is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return TOOL_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("umod %s\n", umod_version());
		return TOOL_OK;
	}
	if (strcmp(argv[1], "help") == 0)
		return help(argc - 1, argv + 1);
	return tool_usage(
		"there is no %s '%s'", argv[1][0] == '-' ? "option" : "command", argv[1]);
}

int main(int argc, char **argv)
{
	return tool_finish(dispatch(argc, argv));
}
