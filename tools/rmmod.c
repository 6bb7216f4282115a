/* SPDX-License-Identifier: MIT */
/* rmmod: removes modules from the running kernel, each by itself; follows no dependency.
 */
#include "kmod.h"

#include "index/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int help(const char *name)
{
	printf("Usage:\n\t%s [options] modulename ...\nOptions:\n"
	       "\t-f, --force       forces a module unload and may crash your\n"
	       "\t                  machine. This requires Forced Module Removal\n"
	       "\t                  option in your kernel. DANGEROUS\n"
	       "\t-s, --syslog      print to syslog, not stderr\n"
	       "\t-v, --verbose     enables more messages\n"
	       "\t-V, --version     show version\n"
	       "\t-h, --help        show this help\n",
		name);
	return TOOL_OK;
}

static int join_holder(const char *holder, void *data)
{
	char **text = data, *more = NULL;

	if (asprintf(&more, "%s %s", *text ? *text : "", holder) < 0)
		return -ENOMEM;
	free(*text);
	*text = more;
	return 0;
}

/* Whether nothing uses it; tells what does. 0 or a negative errno. */
static int check(const char *name)
{
	char *holders = NULL;
	int state = kmod_target->state(name), count;

	/* What can be no module's name is none's. */
	if (state == UMOD_KERNEL_ABSENT || state < 0) {
		struct umod_modtree *tree = kmod_open_tree(NULL, NULL, NULL, true);
		bool builtin = tree && umod_modtree_is_builtin(tree, name);
		kmod_error(builtin ? "Module %s is builtin."
				   : "Module %s is not currently loaded",
			name);
		return -ENOENT;
	}
	kmod_target->holders(name, join_holder, &holders);
	if (holders) {
		kmod_error("Module %s is in use by:%s", name, holders);
		free(holders);
		return -EBUSY;
	}
	count = kmod_target->references(name);
	if (count > 0) {
		kmod_error("Module %s is in use", name);
		return -EBUSY;
	}
	if (count == -ENOENT)
		kmod_error("Module unloading is not supported");
	return count < 0 ? count : 0;
}

/* A name as kmod takes it: up to the first dot. */
static int name_of(const char *argument, char *name, size_t bytes)
{
	if (strlen(argument) >= bytes)
		return -ENAMETOOLONG;
	index_fold_name(argument, name, bytes);
	name[strcspn(name, ".")] = '\0';
	return 0;
}

static int remove_module(const char *argument, bool force)
{
	struct umod_error error = { 0 };
	char name[INDEX_NAME_BYTES];
	int err;

	if (access(argument, F_OK) == 0 &&
		index_name_of_path(argument, name, sizeof(name)) > 0)
		err = 0;
	else
		err = name_of(argument, name, sizeof(name));
	if (err) {
		kmod_error("could not use module %s: %s", argument, strerror(-err));
		return err;
	}
	if (!force)
		err = check(name);
	if (err)
		return err;
	err = kmod_target->remove(name, force ? UMOD_KERNEL_FORCE : 0, &error);
	if (err)
		kmod_error("could not remove module %s: %s", argument, strerror(-err));
	return err;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "force", no_argument, NULL, 'f' },
		{ "host", required_argument, NULL, 1 },
		{ "syslog", no_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' }, TOOL_COMMON_OPTIONS };
	bool use_syslog = false, force = false;
	const char *host = NULL;
	int option, status = TOOL_OK;

	kmod_begin(argv[0], LOG_ERR);
	while ((option = getopt_long(argc, argv, "fsvVwh", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			force = true;
			break;
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
		case 1:
			host = optarg;
			break;
		case 'w':
			kmod_error("'Wait' behavior is targeted for removal from "
				   "kernel.\nWe will now sleep for 10s, and then "
				   "continue.");
			sleep(10);
			break;
		default:
			return TOOL_FAILED;
		}
	}
	kmod_use_syslog(use_syslog);
	if (host && !kmod_use_host(host))
		return TOOL_FAILED;
	if (optind >= argc) {
		kmod_error("missing module name.");
		return TOOL_FAILED;
	}
	for (int i = optind; i < argc; i++) {
		if (remove_module(argv[i], force) != 0)
			status = TOOL_FAILED;
	}
	return status;
}

const struct tool_command tool_rmmod = {
	.name = "rmmod",
	.summary = "Remove modules from the running kernel",
	.usage = "[OPTION]... MODULE...",
	.help = "  See rmmod --help.\n",
	.run = run,
	.plain = true,
};
