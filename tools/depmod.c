/* SPDX-License-Identifier: MIT */
/*
 * depmod: its options, its messages and what it prints. What index files hold and how
 * they are made is the index floor's.
 */
#include "kmod.h"

#include "index/depmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	JSON = 256,
	INCREMENTAL,
	THREADS,
	OLD_MAP,
};

static const struct option long_options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "quick", no_argument, NULL, 'A' },
	{ "basedir", required_argument, NULL, 'b' },
	{ "moduledir", required_argument, NULL, 'm' },
	{ "outdir", required_argument, NULL, 'o' },
	{ "config", required_argument, NULL, 'C' },
	{ "symvers", required_argument, NULL, 'E' },
	{ "filesyms", required_argument, NULL, 'F' },
	{ "errsyms", no_argument, NULL, 'e' },
	{ "unresolved-error", no_argument, NULL, 'u' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "root", no_argument, NULL, 'r' },
	{ "map", no_argument, NULL, OLD_MAP },
	{ "verbose", no_argument, NULL, 'v' },
	{ "show", no_argument, NULL, 'n' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "symbol-prefix", required_argument, NULL, 'P' },
	{ "warn", no_argument, NULL, 'w' },
	{ "json", no_argument, NULL, JSON },
	{ "incremental", no_argument, NULL, INCREMENTAL },
	{ "threads", required_argument, NULL, THREADS },
	{ "version", no_argument, NULL, 'V' },
	TOOL_COMMON_OPTIONS,
};

/* What the command line says. */
struct request {
	struct index_depmod_options run;
	char *root, *output_root;
	const char *module_directory, *release;
	const char **config_paths;
	size_t config_count;
	bool all, quick;
	bool progress_shown;
};

static int help(const char *name)
{
	printf("Usage:\n\t%s -[aA] [options] [forced_version]\n\n"
	       "If no arguments (except options) are given, \"depmod -a\" is assumed\n\n"
	       "depmod will output a dependency list suitable for the modprobe "
	       "utility.\n\n"
	       "Options:\n"
	       "\t-a, --all            Probe all modules\n"
	       "\t-A, --quick          Only does the work if there's a new module\n"
	       "\t-e, --errsyms        Report not supplied symbols\n"
	       "\t-n, --show           Write the dependency file on stdout only\n"
	       "\t-P, --symbol-prefix  Architecture symbol prefix\n"
	       "\t-C, --config=PATH    Read configuration from PATH\n"
	       "\t-v, --verbose        Enable verbose mode\n"
	       "\t-w, --warn           Warn on duplicates\n"
	       "\t    --incremental    Read only modules that changed since the last "
	       "run\n"
	       "\t                     with this option\n"
	       "\t    --json           Write what is known of each module on stdout "
	       "only\n"
	       "\t    --threads=N      Read modules with N threads\n"
	       "\t-V, --version        show version\n"
	       "\t-h, --help           show this help\n\n"
	       "The following options are useful for people managing distributions:\n"
	       "\t-b, --basedir=DIR    Use an image of a module tree.\n"
	       "\t-m, --moduledir=DIR  Use DIR in place of /lib/modules.\n"
	       "\t-o, --outdir=DIR     Write the files below DIR, not the base "
	       "directory.\n"
	       "\t-F, --filesyms=FILE  Use the file instead of the\n"
	       "\t                     current kernel symbols.\n"
	       "\t-E, --symvers=FILE   Use Module.symvers file to check\n"
	       "\t                     symbol versions.\n",
		name);
	return TOOL_OK;
}

/* ---- what a run tells ---- */

/* A line that is written over: only where a person looks. */
static void progress(void *data, unsigned done, unsigned total)
{
	struct request *request = data;
	static unsigned shown;

	if (done != total && done - shown < total / 50 + 1)
		return;
	shown = done;
	request->progress_shown = done != total;
	fprintf(stderr, "\r\033[K");
	if (done != total)
		fprintf(stderr, "%u of %u modules", done, total);
}

static void say(void *data, enum index_level level, const char *message)
{
	struct request *request = data;
	static const int levels[] = {
		[INDEX_ERROR] = LOG_ERR,
		[INDEX_WARNING] = LOG_WARNING,
		[INDEX_INFO] = LOG_INFO,
	};

	if (request->progress_shown)
		fprintf(stderr, "\r\033[K");
	request->progress_shown = false;
	if (level == INDEX_SHOW)
		puts(message);
	else
		kmod_log(levels[level], "%s", message);
}

static int emit(void *data, const char *bytes, size_t count)
{
	fflush(stdout);
	while (count) {
		ssize_t wrote = write(STDOUT_FILENO, bytes, count);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		bytes += wrote;
		count -= (size_t)wrote;
	}
	return 0;
}

static const char *const *json_list(
	const char *key, const char *const *values, unsigned count)
{
	json_open(key, '[');
	for (unsigned i = 0; i < count; i++)
		json_string(NULL, values[i]);
	json_close(']');
	return values + count;
}

static int visit(void *data, const struct index_depmod_module *module)
{
	const char *const *values = module->values;

	json_open(NULL, '{');
	json_string("name", module->name);
	json_string("path", module->path);
	json_list("depends", module->needs, module->need_count);
	values = json_list("aliases", values, module->alias_count);
	values = json_list("softdeps", values, module->softdep_count);
	values = json_list("weakdeps", values, module->weakdep_count);
	json_list("exports", values, module->export_count);
	if (module->error)
		json_string("error", module->error);
	json_close('}');
	return tool_output_failed() ? -EIO : 0;
}

/* ---- options ---- */

static char *absolute(const char *path)
{
	char *here, *whole;

	if (path[0] == '/')
		return tool_strdup(path);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&whole, "%s/%s", here, path) < 0)
		whole = tool_strdup(path);
	free(here);
	return whole;
}

static void add_config(struct request *request, const char *path)
{
	request->config_paths = tool_realloc((void *)request->config_paths,
		request->config_count + 2, sizeof(*request->config_paths));
	request->config_paths[request->config_count++] = path;
	request->config_paths[request->config_count] = NULL;
}

static int take_number(const char *text, unsigned *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value == 0 || value > 1024) {
		kmod_error("--threads takes a number from 1 on, not %s", text);
		return TOOL_FAILED;
	}
	*out = (unsigned)value;
	return -1;
}

/* What is read, and where; false: it is another option. */
static bool take_place(struct request *request, int option)
{
	struct index_depmod_options *run = &request->run;

	switch (option) {
	case 'a':
		request->all = true;
		return true;
	case 'A':
		request->quick = true;
		return true;
	case 'b':
		free(request->root);
		request->root = absolute(optarg);
		return true;
	case 'o':
		free(request->output_root);
		request->output_root = absolute(optarg);
		return true;
	case 'm':
		request->module_directory = optarg;
		return true;
	case 'C':
		add_config(request, optarg);
		return true;
	case 'E':
		run->symvers = optarg;
		return true;
	case 'F':
		run->system_map = optarg;
		return true;
	default:
		return false;
	}
}

/* One option; -1: go on, else the exit status. */
static int take_option(struct request *request, int option, const char *name)
{
	struct index_depmod_options *run = &request->run;

	if (take_place(request, option))
		return -1;
	switch (option) {
	case 'e':
		run->report_unknown = true;
		break;
	case 'v':
		kmod_verbosity++;
		run->show_needs = true;
		break;
	case 'n':
		run->target = INDEX_TO_TEXT;
		break;
	case JSON:
		run->target = INDEX_TO_VISIT;
		break;
	case INCREMENTAL:
		run->incremental = true;
		break;
	case THREADS:
		return take_number(optarg, &run->threads);
	case 'P':
		if (strlen(optarg) != 1) {
			kmod_log(LOG_CRIT, "-P only takes a single char");
			return TOOL_FAILED;
		}
		run->symbol_prefix = optarg[0];
		break;
	case 'w':
		run->warn_duplicates = true;
		break;
	case 'u':
	case 'q':
	case 'r':
		kmod_log(LOG_WARNING, "Ignored deprecated option -%c", option);
		break;
	case OLD_MAP:
		kmod_log(LOG_WARNING, "Ignored deprecated option --map");
		break;
	case 'h':
		return help(name);
	case 'V':
		return kmod_print_version();
	default:
		return TOOL_FAILED;
	}
	return -1;
}

/* The rest of the command line: a release, then files. */
static int take_arguments(struct request *request, int argc, char **argv)
{
	static struct utsname system;
	unsigned major, minor;

	if (optind < argc) {
		request->release = argv[optind];
		if (sscanf(request->release, "%u.%u", &major, &minor) != 2) {
			kmod_error("Bad version passed %s", request->release);
			return TOOL_FAILED;
		}
		optind++;
	} else {
		if (uname(&system) < 0) {
			kmod_log(LOG_CRIT, "uname() failed: %s", strerror(errno));
			return TOOL_FAILED;
		}
		request->release = system.release;
	}
	if (optind < argc && !request->all)
		request->run.files = (const char *const *)argv + optind;
	return -1;
}

/* ---- the run ---- */

static char *tree_path(const struct request *request, const char *root)
{
	const char *modules = request->module_directory;
	char *path;

	if (asprintf(&path, "%s%s%s/%s", root ? root : "", modules[0] == '/' ? "" : "/",
		    modules, request->release) < 0) {
		kmod_log(LOG_CRIT, "out of memory");
		return NULL;
	}
	return path;
}

/* The last part of the output path, and what lacks above it. */
static int make_directory(const char *path)
{
	char *copy = tool_strdup(path);
	int result = 0;

	for (char *c = copy + 1;; c++) {
		if (*c != '/' && *c != '\0')
			continue;
		char kept = *c;
		*c = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			result = -errno;
		*c = kept;
		if (!kept)
			break;
	}
	free(copy);
	if (result)
		kmod_log(LOG_CRIT, "could not create directory %s: %s", path,
			strerror(-result));
	return result;
}

static int run(struct request *request)
{
	struct index_depmod_options *run = &request->run;
	struct umod_error error = { 0 };

	if (request->quick) {
		/* Files that cannot be looked at are no reason not to. */
		if (run->target != INDEX_TO_FILES || index_depmod_is_current(run) == 1)
			return TOOL_OK;
		run->files = NULL;
	}
	if (run->report_unknown && !run->symvers && !run->system_map) {
		kmod_log(LOG_WARNING, "-e needs -E or -F");
		run->report_unknown = false;
	}
	if (run->target == INDEX_TO_FILES && request->output_root &&
		make_directory(run->output) != 0)
		return TOOL_FAILED;
	if (isatty(STDERR_FILENO))
		run->progress = progress;
	if (run->target == INDEX_TO_VISIT) {
		json_open(NULL, '{');
		json_string("directory", run->directory);
		json_open("modules", '[');
	}
	int result = index_depmod_run(run, NULL, &error);
	if (request->progress_shown)
		fprintf(stderr, "\r\033[K");
	if (run->target == INDEX_TO_VISIT) {
		json_close(']');
		json_close('}');
	}
	/* Cycles have been told, one by one. */
	if (result && result != -ELOOP)
		kmod_log(LOG_CRIT, "%s: %s", error.subject, error.message);
	return result ? TOOL_FAILED : TOOL_OK;
}

static int depmod(int argc, char **argv)
{
	struct request request = { .module_directory = "/lib/modules" };
	int option, status = -1;

	kmod_begin(argv[0], LOG_WARNING);
	while (status < 0 &&
		(option = getopt_long(argc, argv, "aAb:m:o:C:E:F:euqrvnP:wVh",
			 long_options, NULL)) != -1)
		status = take_option(&request, option, argv[0]);
	if (status < 0)
		status = take_arguments(&request, argc, argv);
	if (status < 0) {
		const char *output =
			request.output_root ? request.output_root : request.root;
		char *directory = tree_path(&request, request.root);
		char *output_directory = tree_path(&request, output);
		request.run.directory = directory;
		request.run.output = output_directory;
		request.run.release = request.release;
		request.run.config_paths = request.config_paths;
		request.run.say = say;
		request.run.emit = emit;
		request.run.visit = visit;
		request.run.data = &request;
		status = directory && output_directory ? run(&request) : TOOL_FAILED;
		free(directory);
		free(output_directory);
	}
	free(request.root);
	free(request.output_root);
	free((void *)request.config_paths);
	return status;
}

const struct tool_command tool_depmod = {
	.name = "depmod",
	.summary = "Work out dependencies of kernel modules",
	.usage = "[OPTION]... [RELEASE [FILE...]]",
	.help = "Options are those of kmod's depmod; umod depmod --help lists them.\n",
	.run = depmod,
	.plain = true,
};
