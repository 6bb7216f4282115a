/* SPDX-License-Identifier: MIT */
/* lsmod: what is loaded in the running kernel, from one reading of /proc/modules. */
#include "kmod.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int print(const struct umod_kernel_module *module, void *data)
{
	(void)data;
	printf("%-19s %8" PRIu64 "  %" PRId64, module->name, module->size_bytes,
		module->references < 0 ? -2 : module->references);
	if (module->users[0])
		printf(" %s", module->users);
	putchar('\n');
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "syslog", no_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "host", required_argument, NULL, 1 }, TOOL_COMMON_OPTIONS };
	struct umod_error error = { 0 };
	bool use_syslog = false;
	const char *host = NULL;
	int option;

	kmod_begin(argv[0], LOG_ERR);
	while ((option = getopt_long(argc, argv, "svVh", options, NULL)) != -1) {
		switch (option) {
		case 's':
			use_syslog = true;
			break;
		case 'v':
			kmod_verbosity++;
			break;
		case 'V':
			return kmod_print_version();
		case 'h':
			printf("Usage:\n\t%s [options]\nOptions:\n"
			       "\t-s, --syslog      print to syslog, not stderr\n"
			       "\t-v, --verbose     enables more messages\n"
			       "\t-V, --version     show version\n"
			       "\t-h, --help        show this help\n",
				argv[0]);
			return TOOL_OK;
		case 1:
			host = optarg;
			break;
		default:
			return TOOL_FAILED;
		}
	}
	kmod_use_syslog(use_syslog);
	if (host && !kmod_use_host(host))
		return TOOL_FAILED;
	if (optind < argc) {
		fprintf(stderr, "Usage: %s\n", argv[0]);
		return TOOL_FAILED;
	}
	puts("Module                  Size  Used by");
	if (kmod_target->visit(print, NULL, &error) == 0)
		return TOOL_OK;
	kmod_error("could not get list of modules: %s", error.message);
	return TOOL_FAILED;
}

const struct tool_command tool_lsmod = {
	.name = "lsmod",
	.summary = "Show the modules of the running kernel",
	.usage = "[-s] [-v]",
	.help = "  See lsmod --help.\n",
	.run = run,
	.plain = true,
};
