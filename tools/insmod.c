/* SPDX-License-Identifier: MIT */
/* insmod: loads one file into the running kernel; reads no index and no configuration. */
#include "kmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int help(const char *name)
{
	printf("Usage:\n\t%s [options] filename [module options]\nOptions:\n"
	       "\t-f, --force            Force module insertion. Implies\n"
	       "\t                       --force-modversion and --force-vermagic\n"
	       "\t    --force-modversion Ignore module's version\n"
	       "\t    --force-vermagic   Ignore module's version magic\n"
	       "\t-s, --syslog           Print to syslog, not stderr\n"
	       "\t-v, --verbose          Enable more messages\n"
	       "\t-V, --version          Show version\n"
	       "\t-h, --help             Show this help\n",
		name);
	return TOOL_OK;
}

/* The words behind the file, with one blank between them. The caller's. */
static char *join(char **words, int count)
{
	size_t bytes = 1;

	for (int i = 0; i < count; i++)
		bytes += strlen(words[i]) + 1;
	char *text = tool_realloc(NULL, bytes, 1), *p = text;
	for (int i = 0; i < count; i++)
		p = stpcpy(stpcpy(p, i ? " " : ""), words[i]);
	*p = '\0';
	return text;
}

static int insert(char **words, int count, unsigned flags)
{
	struct umod_error error = { 0 };
	char *options = join(words + 1, count - 1);
	int err = kmod_target->insert(words[0], options, flags, &error);

	free(options);
	if (err == 0)
		return TOOL_OK;
	if (error.stage == UMOD_STAGE_OPEN)
		kmod_error("could not load module %s: %s", words[0], error.message);
	else if (error.stage == UMOD_STAGE_INIT && err != -ENOTSUP &&
		 !kmod_target->tells_why)
		kmod_error("could not insert module %s: %s", words[0],
			kmod_insert_reason(err));
	else
		kmod_error("could not insert module %s: %s", words[0], error.message);
	return TOOL_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "force", no_argument, NULL, 'f' },
		{ "force-modversion", no_argument, NULL, 2 },
		{ "force-vermagic", no_argument, NULL, 1 },
		{ "host", required_argument, NULL, 3 },
		{ "syslog", no_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' }, TOOL_COMMON_OPTIONS };
	bool use_syslog = false;
	const char *host = NULL;
	unsigned flags = 0;
	int option;

	kmod_begin(argv[0], LOG_ERR);
	/* Options of the module stand behind its file: they are not ours. */
	while ((option = getopt_long(argc, argv, "+fpsvVh", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			flags |= UMOD_KERNEL_IGNORE_MODVERSIONS |
				 UMOD_KERNEL_IGNORE_VERMAGIC;
			break;
		case 2:
			flags |= UMOD_KERNEL_IGNORE_MODVERSIONS;
			break;
		case 1:
			flags |= UMOD_KERNEL_IGNORE_VERMAGIC;
			break;
		case 3:
			host = optarg;
			break;
		case 'p':
			break; /* of insmod's old days */
		case 's':
			use_syslog = true;
			break;
		case 'v':
			kmod_verbosity++;
			break;
		case 'V':
			return kmod_print_version();
		case 'h':
			return help(argv[0]);
		default:
			return TOOL_FAILED;
		}
	}
	kmod_use_syslog(use_syslog);
	if (host && !kmod_use_host(host))
		return TOOL_FAILED;
	if (optind >= argc) {
		kmod_error("missing filename.");
		return TOOL_FAILED;
	}
	if (strcmp(argv[optind], "-") == 0) {
		kmod_error("this tool does not support loading from stdin!");
		return TOOL_FAILED;
	}
	return insert(argv + optind, argc - optind, flags);
}

const struct tool_command tool_insmod = {
	.name = "insmod",
	.summary = "Load a module file into the running kernel",
	.usage = "[OPTION]... FILE [PARAMETER=VALUE]...",
	.help = "  See insmod --help.\n",
	.run = run,
	.plain = true,
};
