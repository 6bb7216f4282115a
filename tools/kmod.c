/* SPDX-License-Identifier: MIT */
/*
 * What the kmod-compatible commands share, and `kmod` itself, which only chooses among
 * them.
 */
#include "kmod.h"

#include "feature/feature.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The version of kmod whose options and output these commands have. */
#define KMOD_VERSION "34"

int kmod_verbosity = LOG_WARNING;
static const char *program = "kmod";
static bool to_syslog;

void kmod_begin(const char *name, int verbosity)
{
	program = name;
	kmod_verbosity = verbosity;
}

void kmod_use_syslog(bool wanted)
{
	if (!wanted && fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return;
	to_syslog = true;
	openlog(program, LOG_CONS, LOG_DAEMON);
}

static const char *level_name(int level)
{
	switch (level) {
	case LOG_CRIT:
		return "FATAL";
	case LOG_ERR:
		return "ERROR";
	case LOG_WARNING:
		return "WARNING";
	case LOG_NOTICE:
		return "NOTICE";
	case LOG_INFO:
		return "INFO";
	default:
		return "DEBUG";
	}
}

void kmod_log(int level, const char *format, ...)
{
	va_list list;
	char *text = NULL;

	if (level > kmod_verbosity)
		return;
	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	if (to_syslog) {
		syslog(level, "%s: %s", level_name(level), text ? text : "no memory");
	} else {
		fflush(stdout);
		fprintf(stderr, "%s: %s: %s\n", program, level_name(level),
			text ? text : "no memory");
	}
	free(text);
}

int kmod_print_version(void)
{
	static const struct {
		enum feature_backend backend;
		const char *name;
	} features[] = { { FEATURE_ZSTD, "ZSTD" }, { FEATURE_LZMA, "XZ" },
		{ FEATURE_ZLIB, "ZLIB" }, { FEATURE_CRYPTO, "LIBCRYPTO" } };

	printf("kmod version " KMOD_VERSION " (umod %s)\n", umod_version());
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		printf("%s%c%s", i ? " " : "",
			feature_backend_built(features[i].backend) ? '+' : '-',
			features[i].name);
	putchar('\n');
	return TOOL_OK;
}

const char *kmod_insert_reason(int code)
{
	switch (code) {
	case -ENOEXEC:
		return "Invalid module format";
	case -ENOENT:
		return "Unknown symbol in module";
	case -ESRCH:
		return "Module has wrong symbol version";
	case -EINVAL:
		return "Invalid parameters";
	default:
		return strerror(-code);
	}
}

void kmod_pass_on(const char *option, const char *value)
{
	const char *old = getenv("MODPROBE_OPTIONS");
	char *text = NULL;

	if (asprintf(&text, "%s%s%s%s%s", old ? old : "", old && *old ? " " : "", option,
		    value ? " " : "", value ? value : "") < 0 ||
		setenv("MODPROBE_OPTIONS", text, 1) != 0)
		kmod_error("could not append to $MODPROBE_OPTIONS");
	free(text);
}

static void complain(void *data, const char *message)
{
	(void)data;
	kmod_error("%s", message);
}

struct umod_modtree *kmod_open_tree(const char *root, const char *release,
	const char *const *config_paths, bool only_names)
{
	struct umod_modtree_options options = UMOD_MODTREE_OPTIONS_INIT;
	struct umod_error error = { 0 };
	/* Static: who never frees it, as the process ends, leaks nothing. */
	static struct umod_modtree *tree;

	options.root = root;
	options.release = release;
	options.config_paths = config_paths;
	options.only_names = only_names;
	options.map_indexes = true;
	options.complain = complain;
	if (umod_modtree_new(&options, &tree, &error) != 0) {
		kmod_error("%s", error.message);
		return NULL;
	}
	return tree;
}

/* ---- kmod ---- */

static const struct tool_command *const commands[] = { &tool_lsmod, &tool_static_nodes,
	&tool_insmod, &tool_rmmod, &tool_modprobe };

static int help(void)
{
	printf("kmod - Manage kernel modules: list, load, unload, etc\n"
	       "Usage:\n"
	       "\t%s [options] command [command_options]\n\n"
	       "Options:\n"
	       "\t-V, --version     show version\n"
	       "\t-h, --help        show this help\n\n"
	       "Commands:\n"
	       "  help         Show help message\n"
	       "  list         list currently loaded modules\n"
	       "  static-nodes outputs the static-node information installed with the "
	       "currently running kernel\n\n"
	       "kmod also handles gracefully if called from following symlinks:\n"
	       "  lsmod        compat lsmod command\n"
	       "  rmmod        compat rmmod command\n"
	       "  insmod       compat insmod command\n"
	       "  modinfo      compat modinfo command\n"
	       "  modprobe     compat modprobe command\n"
	       "  depmod       compat depmod command\n",
		program);
	return TOOL_OK;
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	kmod_begin(argv[0], LOG_ERR);
	if (!name) {
		fputs("missing command\n", stderr);
		help();
		return TOOL_FAILED;
	}
	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0 ||
		strcmp(name, "help") == 0)
		return help();
	if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
		return kmod_print_version();
	if (strcmp(name, "list") == 0)
		name = "lsmod";
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i]->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "invalid command '%s'\n", name);
	help();
	return TOOL_FAILED;
}

const struct tool_command tool_kmod = {
	.name = "kmod",
	.summary = "List kernel modules, static nodes: as kmod does",
	.usage = "COMMAND [OPTION]...",
	.help = "Commands: help, list, static-nodes, and those of kmod's link names.\n",
	.run = run,
	.plain = true,
};
