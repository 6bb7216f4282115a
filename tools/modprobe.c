/* SPDX-License-Identifier: MIT */
/*
 * modprobe: its options, from the command line and from MODPROBE_OPTIONS, and what they
 * choose. Loading, removing and showing stand in files of their own.
 */
#include "kmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the options say besides struct modprobe. */
struct request {
	struct modprobe m;
	const char *root, *release, *host;
	const char **config_paths;
	size_t config_count;
	bool all, remove, show_config, show_versions, show_exports, use_syslog;
};

enum {
	FORCE_VERMAGIC = 256,
	FORCE_MODVERSION,
	FIRST_TIME,
	SHOW_VERSIONS,
	SHOW_EXPORTS,
	REMOVE_HOLDERS,
	HOST,
};

static const struct option long_options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "config", required_argument, NULL, 'C' },
	{ "dirname", required_argument, NULL, 'd' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "dump-modversions", no_argument, NULL, SHOW_VERSIONS },
	{ "first-time", no_argument, NULL, FIRST_TIME },
	{ "force", no_argument, NULL, 'f' },
	{ "force-modversion", no_argument, NULL, FORCE_MODVERSION },
	{ "force-vermagic", no_argument, NULL, FORCE_VERMAGIC },
	{ "host", required_argument, NULL, HOST },
	{ "ignore-install", no_argument, NULL, 'i' },
	{ "ignore-remove", no_argument, NULL, 'i' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "remove", no_argument, NULL, 'r' },
	{ "remove-dependencies", no_argument, NULL, REMOVE_HOLDERS },
	{ "remove-holders", no_argument, NULL, REMOVE_HOLDERS },
	{ "resolve-alias", no_argument, NULL, 'R' },
	{ "set-version", required_argument, NULL, 'S' },
	{ "show", no_argument, NULL, 'n' },
	{ "show-alias", no_argument, NULL, 'R' },
	{ "show-config", no_argument, NULL, 'c' },
	{ "show-depends", no_argument, NULL, 'D' },
	{ "show-exports", no_argument, NULL, SHOW_EXPORTS },
	{ "show-modversions", no_argument, NULL, SHOW_VERSIONS },
	{ "showconfig", no_argument, NULL, 'c' },
	{ "syslog", no_argument, NULL, 's' },
	{ "use-blacklist", no_argument, NULL, 'b' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "wait", required_argument, NULL, 'w' },
	TOOL_COMMON_OPTIONS,
};

static int help(const char *name)
{
	static const char *const forms[] = { "[-i] [-b] modulename",
		"-a [-i] [-b] modulename [modulename...]", "-r [-i] modulename",
		"-r -a [-i] modulename [modulename...]", "-c",
		"--show-modversions filename" };

	puts("Usage:");
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		printf("\t%s [options] %s\n", name, forms[i]);
	puts("Management Options:\n"
	     "\t-a, --all                   Consider every non-argument to\n"
	     "\t                            be a module name to be inserted\n"
	     "\t                            or removed (-r)\n"
	     "\t-r, --remove                Remove modules instead of inserting\n"
	     "\t    --remove-holders        Also remove module holders (use together "
	     "with "
	     "-r)\n"
	     "\t-w, --wait <MSEC>           When removing a module, wait up to MSEC for\n"
	     "\t                            module's refcount to become 0 so it can be\n"
	     "\t                            removed (use together with -r)\n"
	     "\t    --first-time            Fail if module already inserted or removed\n"
	     "\t-i, --ignore-install        Ignore install commands\n"
	     "\t-i, --ignore-remove         Ignore remove commands\n"
	     "\t-b, --use-blacklist         Apply blacklist to resolved alias.\n"
	     "\t-f, --force                 Force module insertion or removal.\n"
	     "\t                            implies --force-modversion and\n"
	     "\t                            --force-vermagic\n"
	     "\t    --force-modversion      Ignore module's version\n"
	     "\t    --force-vermagic        Ignore module's version magic\n\n"
	     "Query Options:\n"
	     "\t-R, --show-alias            Only lookup and print alias and exit\n"
	     "\t-D, --show-depends          Only print module dependencies and exit\n"
	     "\t-c, --show-config           Print out known configuration and exit\n"
	     "\t    --show-modversions      Dump module symbol version and exit\n"
	     "\t    --show-exports          Only print module exported symbol versions "
	     "and exit\n\n"
	     "General Options:\n"
	     "\t-n, --dry-run               Do not execute operations, just print out\n"
	     "\t-C, --config=FILE           Use FILE instead of default search paths\n"
	     "\t-d, --dirname=DIR           Use DIR as filesystem root for /lib/modules\n"
	     "\t-S, --set-version=VERSION   Use VERSION instead of `uname -r`\n"
	     "\t-s, --syslog                print to syslog, not stderr\n"
	     "\t-q, --quiet                 disable messages\n"
	     "\t-v, --verbose               enables more messages\n"
	     "\t-V, --version               show version\n"
	     "\t-h, --help                  show this help\n\n"
	     "Old spellings: --dump-modversions, --remove-dependencies, "
	     "--resolve-alias,\n"
	     "--show (of -n), --showconfig");
	return TOOL_OK;
}

/* ---- MODPROBE_OPTIONS ---- */

/*
 * The words of @text, where quotes hold blanks together, in front of @argv's. Returns the
 * new array; what it points to lives as long as the program.
 */
static char **prepend(char *text, int *argc, char **argv)
{
	char **words =
		tool_realloc(NULL, (size_t)*argc + strlen(text) + 2, sizeof(*words));
	int count = 1;

	words[0] = argv[0];
	while (*text) {
		text += strspn(text, " \t");
		if (!*text)
			break;
		char quote = '\0', *to = text;
		words[count++] = text;
		for (; *text && (quote || (*text != ' ' && *text != '\t')); text++) {
			if (quote ? *text == quote : *text == '"' || *text == '\'')
				quote = quote ? '\0' : *text;
			else
				*to++ = *text;
		}
		bool more = *text;
		*to = '\0';
		text += more;
	}
	memcpy(words + count, argv + 1, (size_t)*argc * sizeof(*argv));
	*argc += count - 1;
	return words;
}

/* ---- options ---- */

static void add_config_path(struct request *r, const char *path)
{
	r->config_paths = tool_realloc(
		r->config_paths, r->config_count + 2, sizeof(*r->config_paths));
	r->config_paths[r->config_count++] = path;
	r->config_paths[r->config_count] = NULL;
	kmod_pass_on("-C", path);
}

static bool parse_wait(struct request *r, const char *text)
{
	char *end;

	errno = 0;
	r->m.wait_ms = strtoul(text, &end, 0);
	if (*text && !*end && errno == 0)
		return true;
	kmod_error("unexpected wait value '%s'.", text);
	return false;
}

/* What there is one of for long and short options; false: not known here. */
static bool set_flag(struct request *r, int option)
{
	struct {
		int option;
		bool *flag;
	} flags[] = { { 'r', &r->remove }, { REMOVE_HOLDERS, &r->m.remove_holders },
		{ FIRST_TIME, &r->m.first_time }, { 'i', &r->m.ignore_commands },
		{ 'b', &r->m.use_blacklist }, { 'f', &r->m.force },
		{ FORCE_MODVERSION, &r->m.force_modversion },
		{ FORCE_VERMAGIC, &r->m.force_vermagic }, { 'R', &r->m.lookup_only },
		{ 'c', &r->show_config }, { SHOW_VERSIONS, &r->show_versions },
		{ SHOW_EXPORTS, &r->show_exports }, { 'n', &r->m.dry_run } };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (flags[i].option == option) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

/* -1 to go on, or the exit status. */
static int take_option(struct request *r, int option, const char *name)
{
	if (set_flag(r, option))
		return -1;
	switch (option) {
	case 'a':
		r->all = true;
		r->m.log_level = LOG_WARNING;
		return -1;
	case 'w':
		return parse_wait(r, optarg) ? -1 : TOOL_FAILED;
	case 'D':
		r->m.ignore_loaded = r->m.dry_run = r->m.show = true;
		return -1;
	case 'C':
		add_config_path(r, optarg);
		return -1;
	case 'd':
		r->root = optarg;
		return -1;
	case HOST:
		r->host = optarg;
		return -1;
	case 'S':
		r->release = optarg;
		return -1;
	case 's':
		kmod_pass_on("-s", NULL);
		r->use_syslog = true;
		return -1;
	case 'q':
		kmod_pass_on("-q", NULL);
		kmod_verbosity = LOG_EMERG;
		return -1;
	case 'v':
		kmod_pass_on("-v", NULL);
		kmod_verbosity++;
		return -1;
	case 'V':
		return kmod_print_version();
	case 'h':
		return help(name);
	default:
		return TOOL_FAILED;
	}
}

/* ---- what is asked for ---- */

/* Parameters of the command line as one string; values with blanks are quoted. */
static char *join_parameters(char **words, int count)
{
	size_t bytes = 1;

	for (int i = 0; i < count; i++)
		bytes += strlen(words[i]) + 3;
	char *text = tool_realloc(NULL, bytes, 1), *p = text;
	for (int i = 0; i < count; i++) {
		const char *value = strchr(words[i], '=');
		p = stpcpy(p, i ? " " : "");
		if (!value || value[1] == '"' || value[1] == '\'' ||
			!strchr(value, ' ')) {
			p = stpcpy(p, words[i]);
			continue;
		}
		p = mempcpy(p, words[i], (size_t)(value + 1 - words[i]));
		*p++ = '"';
		p = stpcpy(p, value + 1);
		*p++ = '"';
	}
	*p = '\0';
	return text;
}

static int run_each(const struct request *r, char **words, int count)
{
	int err = 0;

	for (int i = 0; i < count; i++) {
		int one = r->remove ? modprobe_remove(&r->m, words[i])
				    : modprobe_insert(&r->m, words[i], NULL);
		err = one ? one : err;
	}
	return err;
}

static int run_request(struct request *r, char **words, int count)
{
	if (!r->show_config && count == 0) {
		kmod_error("missing parameters. See -h.");
		return -EINVAL;
	}
	if (r->host && !kmod_use_host(r->host))
		return -ENOTCONN;
	if (r->show_versions && !r->show_config)
		return modprobe_show_versions(words[0]);
	if (r->show_exports && !r->show_config)
		return modprobe_show_exports(words[0]);
	r->m.tree = kmod_open_tree(r->root, r->release, r->config_paths,
		r->m.lookup_only && !r->remove && !r->show_config);
	if (!r->m.tree)
		return -EINVAL;
	if (r->show_config)
		return modprobe_show_config(&r->m);
	if (r->remove || r->all)
		return run_each(r, words, count);
	char *options = join_parameters(words + 1, count - 1);
	int err = modprobe_insert(&r->m, words[0], options);
	free(options);
	return err;
}

static int run(int argc, char **argv)
{
	struct request r = { .m.log_level = LOG_CRIT };
	const char *given = getenv("MODPROBE_OPTIONS");
	int option, status = -1;
	char **words = argv;
	char *copy = NULL;

	kmod_begin(argv[0], LOG_WARNING);
	if (given) {
		copy = tool_strdup(given);
		words = prepend(copy, &argc, argv);
	}
	while (status < 0 && (option = getopt_long(argc, words, "arw:RibfDcnC:d:S:sqvVh",
				      long_options, NULL)) != -1)
		status = take_option(&r, option, argv[0]);
	if (status < 0) {
		kmod_use_syslog(r.use_syslog);
		status = run_request(&r, words + optind, argc - optind) ? TOOL_FAILED
									: TOOL_OK;
	}
	/* The process ends now, which frees the tree faster than umod_modtree_unref. */
	free(r.config_paths);
	if (words != argv)
		free(words);
	free(copy);
	return status;
}

const struct tool_command tool_modprobe = {
	.name = "modprobe",
	.summary = "Load and remove kernel modules with what they need",
	.usage = "[OPTION]... MODULE [PARAMETER=VALUE]...",
	.help = "  See modprobe --help.\n",
	.run = run,
	.plain = true,
};
