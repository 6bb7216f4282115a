/* SPDX-License-Identifier: MIT */
/*
 * umod show: what a program tells of the modules that umod inserted into it, through its
 * control socket, as it comes.
 */
#include "kmod.h"

#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "host", required_argument, NULL, 1 },
		TOOL_COMMON_OPTIONS };
	struct umod_error error = { 0 };
	const char *host = NULL;
	char *text = NULL;
	size_t bytes = 0;
	int option;

	kmod_begin(argv[0], LOG_ERR);
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		if (option != 1)
			return TOOL_USAGE;
		host = optarg;
	}
	if (!host)
		return tool_usage("which program is to be asked: --host SOCKET");
	if (optind >= argc)
		return tool_usage("nothing to show was named");
	bool sys = strcmp(argv[optind], "sys") == 0;
	if (argc - optind > (sys ? 2 : 1))
		return tool_usage("'%s' is more than is shown at once", argv[argc - 1]);
	if (!kmod_use_host(host))
		return TOOL_FAILED;
	const char *what =
		sys ? (optind + 1 < argc ? argv[optind + 1] : "") : argv[optind];
	if (kmod_host_read(sys ? "file" : "text", what, &text, &bytes, &error)) {
		tool_error("%s: %s", error.subject, error.message);
		return TOOL_FAILED;
	}
	fwrite(text, 1, bytes, stdout);
	free(text);
	return tool_finish(TOOL_OK);
}

const struct tool_command tool_show = {
	.name = "show",
	.summary = "Show what a program tells of its modules",
	.usage = "--host SOCKET WHAT | sys [PATH]",
	.help = "Print what the program that listens at SOCKET tells of the modules that "
		"umod\n"
		"inserted into it: modules, lsmod, kallsyms, ksyms, stats, "
		"unloaded-tainted,\n"
		"or json; or with sys the file PATH of a tree as that of /sys/module.\n\n"
		"  --host SOCKET  The program's control socket\n"
		"  --help         This text\n",
	.run = run,
};
