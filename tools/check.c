/* SPDX-License-Identifier: MIT */
/*
 * umod check: load, initialise and unload files, each in a fresh child process, and tell
 * what came of it. The children are trial.c's.
 */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct check {
	struct trial_options options;
	bool json, quiet, show_progress;
	size_t files, worse, counts[TRIAL_LOADERS][TRIAL_OUTCOMES];
	uint64_t progress_tick; /* when progress was shown, in tenths of a second */
};

static const char *const outcomes[] = { "ok", "refused", "crash", "hang", "exit",
	"untried" };

/* With --compare only what dlopen does better counts. */
static bool is_failure(const struct check *check, const struct trial *trials)
{
	if (!check->options.compare)
		return trials[TRIAL_UMOD].outcome != TRIAL_OK;
	enum trial_outcome own = trials[TRIAL_UMOD].outcome;
	enum trial_outcome other = trials[TRIAL_DLOPEN].outcome;
	if (own == TRIAL_OK || own == other)
		return own == TRIAL_UNTRIED;
	/* To refuse what crashes, hangs or exits with dlopen is no worse. */
	return own != TRIAL_REFUSED || other == TRIAL_OK;
}

/* ---- for people ---- */

static void print_ms(uint64_t ns)
{
	printf("%llu.%03llu ms", (unsigned long long)(ns / 1000000),
		(unsigned long long)(ns / 1000 % 1000));
}

static void print_us(uint64_t ns)
{
	printf("%llu.%01llu us", (unsigned long long)(ns / 1000),
		(unsigned long long)(ns / 100 % 10));
}

static void print_reason(const struct check *check, const struct trial *trial,
	enum trial_loader loader, const char *path)
{
	enum umod_stage stage = trial_stage(trial);
	const struct trial_report *report = &trial->report;

	/* dlopen does not say where it was, only that it was done. */
	if (trial->outcome != TRIAL_UNTRIED && stage != UMOD_STAGE_NONE &&
		(loader == TRIAL_UMOD || stage == UMOD_STAGE_UNLOAD))
		printf(" in %s", umod_stage_name(stage));
	fputs(": ", stdout);
	switch (trial->outcome) {
	case TRIAL_OK:
		break;
	case TRIAL_REFUSED:
		if (report->error.subject[0] &&
			strcmp(report->error.subject, path) != 0) {
			tool_print(stdout, report->error.subject);
			fputs(": ", stdout);
		}
		tool_print(stdout, report->error.message);
		break;
	case TRIAL_CRASH:
		printf("%s (signal %d)", strsignal(trial->number), trial->number);
		break;
	case TRIAL_HANG:
		printf("killed after %g s", check->options.timeout_seconds);
		break;
	case TRIAL_EXIT:
		printf("it ended the process with status %d", trial->number);
		break;
	default:
		printf("no process for it: %s", strerror(trial->number));
	}
}

static void print_trial(const struct check *check, const struct trial *trial,
	enum trial_loader loader, const char *path)
{
	const struct trial_report *report = &trial->report;

	tool_colour(trial->outcome == TRIAL_OK        ? TOOL_GREEN
		    : trial->outcome == TRIAL_REFUSED ? TOOL_YELLOW
						      : TOOL_RED);
	fputs(outcomes[trial->outcome], stdout);
	tool_colour(TOOL_PLAIN);
	if (trial->outcome == TRIAL_OK) {
		fputs(", ", stdout);
		print_ms(report->load_ns + report->unload_ns);
	} else {
		print_reason(check, trial, loader, path);
	}
	if (loader == TRIAL_UMOD && trial->outcome == TRIAL_OK && report->stays) {
		fputs(", ", stdout);
		tool_print(stdout, report->stays < 0 ? report->stays_error.message
						     : "others hold it");
	}
	putchar('\n');
}

static void print_stages(const struct trial_report *report)
{
	bool first = true;

	tool_colour(TOOL_DIM);
	for (int stage = 0; stage < UMOD_STAGE_COUNT; stage++) {
		uint64_t ns = stage == UMOD_STAGE_UNLOAD ? report->unload_ns
							 : report->stage_ns[stage];
		if (!ns)
			continue;
		printf("%s%s ", first ? "    " : ", ",
			umod_stage_name((enum umod_stage)stage));
		print_us(ns);
		first = false;
	}
	tool_colour(TOOL_PLAIN);
	if (!first)
		putchar('\n');
}

static void print_file(
	const struct check *check, const char *path, const struct trial *trials)
{
	tool_print(stdout, path);
	fputs(": ", stdout);
	print_trial(check, &trials[TRIAL_UMOD], TRIAL_UMOD, path);
	if (!check->quiet)
		print_stages(&trials[TRIAL_UMOD].report);
	if (check->options.compare) {
		fputs("    dlopen: ", stdout);
		print_trial(check, &trials[TRIAL_DLOPEN], TRIAL_DLOPEN, path);
	}
}

static void print_counts(const size_t *counts)
{
	bool first = true;

	for (int i = 0; i < TRIAL_OUTCOMES; i++) {
		if (!counts[i])
			continue;
		printf("%s%zu %s", first ? "" : ", ", counts[i], outcomes[i]);
		first = false;
	}
}

static void print_summary(const struct check *check)
{
	printf("%zu file%s%s", check->files, check->files == 1 ? "" : "s",
		check->files ? ": " : "");
	print_counts(check->counts[TRIAL_UMOD]);
	if (check->options.compare && check->files) {
		fputs("; dlopen: ", stdout);
		print_counts(check->counts[TRIAL_DLOPEN]);
		printf("; worse than dlopen: %zu", check->worse);
	}
	putchar('\n');
}

/* ---- for programs ---- */

static void json_trial(
	const struct check *check, const struct trial *trial, enum trial_loader loader)
{
	const struct trial_report *report = &trial->report;
	enum umod_stage stage = trial_stage(trial);

	json_string("outcome", outcomes[trial->outcome]);
	if (loader == TRIAL_UMOD)
		json_string(
			"stage", stage == UMOD_STAGE_NONE || trial->outcome == TRIAL_OK
					 ? NULL
					 : umod_stage_name(stage));
	if (trial->outcome == TRIAL_REFUSED) {
		if (loader == TRIAL_UMOD) {
			json_signed("code", report->code);
			json_string("subject", report->error.subject);
		}
		json_string("message", report->error.message);
	} else if (trial->outcome == TRIAL_CRASH) {
		json_signed("signal", trial->number);
		json_string("message", strsignal(trial->number));
	} else if (trial->outcome == TRIAL_EXIT) {
		json_signed("status", trial->number);
	} else if (trial->outcome == TRIAL_UNTRIED) {
		json_string("message", strerror(trial->number));
	}
	json_number("load_ns", report->load_ns);
	json_number("unload_ns", report->unload_ns);
	if (loader != TRIAL_UMOD)
		return;
	json_number("context_ns", report->context_ns);
	json_open("stage_ns", '{');
	for (int i = UMOD_STAGE_OPEN; i < UMOD_STAGE_UNLOAD; i++) {
		if (report->stage_ns[i])
			json_number(
				umod_stage_name((enum umod_stage)i), report->stage_ns[i]);
	}
	json_close('}');
	if (trial->outcome == TRIAL_OK) {
		json_bool("unloaded", report->stays == 0);
		if (report->stays < 0)
			json_string("stays", report->stays_error.message);
	}
}

static void json_file(
	const struct check *check, const char *path, const struct trial *trials)
{
	json_open(NULL, '{');
	json_string("path", path);
	json_trial(check, &trials[TRIAL_UMOD], TRIAL_UMOD);
	if (check->options.compare) {
		json_open("dlopen", '{');
		json_trial(check, &trials[TRIAL_DLOPEN], TRIAL_DLOPEN);
		json_close('}');
		json_bool("worse", is_failure(check, trials));
	}
	json_close('}');
}

static void json_counts(const char *key, const size_t *counts)
{
	json_open(key, '{');
	for (int i = 0; i < TRIAL_OUTCOMES; i++)
		json_number(outcomes[i], counts[i]);
	json_close('}');
}

static void json_summary(const struct check *check)
{
	json_open("summary", '{');
	json_number("files", check->files);
	json_counts("umod", check->counts[TRIAL_UMOD]);
	if (check->options.compare) {
		json_counts("dlopen", check->counts[TRIAL_DLOPEN]);
		json_number("worse", check->worse);
	}
	json_close('}');
}

/* ---- as trials end ---- */

static void progress(size_t done, const char *path, void *data)
{
	struct check *check = data;
	const char *slash = strrchr(path, '/');
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now = (uint64_t)t.tv_sec * 10 + (uint64_t)t.tv_nsec / 100000000;
	/* Ten times a second are enough. */
	if (now == check->progress_tick)
		return;
	check->progress_tick = now;
	fprintf(stderr, "\r\033[K[%zu/%zu] ", done, check->files);
	tool_print(stderr, slash ? slash + 1 : path);
	fflush(stderr);
}

static bool tell(const char *path, const struct trial *trials, void *data)
{
	struct check *check = data;
	bool failure = is_failure(check, trials);

	check->worse += failure;
	for (int i = 0; i < (check->options.compare ? TRIAL_LOADERS : 1); i++)
		check->counts[i][trials[i].outcome]++;
	if (check->quiet && !failure)
		return true;
	if (check->show_progress)
		fputs("\r\033[K", stderr);
	if (check->json)
		json_file(check, path, trials);
	else
		print_file(check, path, trials);
	fflush(stdout);
	return !tool_output_failed();
}

static int check_files(struct check *check, const struct tool_files *files)
{
	check->files = files->count;
	check->show_progress =
		files->count > 1 && isatty(STDERR_FILENO) && !check->options.verbose;
	if (check->json) {
		json_open(NULL, '{');
		json_open("files", '[');
	}
	trial_run(files, &check->options, tell, check->show_progress ? progress : NULL,
		check);
	if (check->show_progress)
		fputs("\r\033[K", stderr);
	if (check->json) {
		json_close(']');
		json_summary(check);
		json_close('}');
	} else if (files->count != 1 && !check->quiet) {
		print_summary(check);
	}
	return check->worse ? TOOL_FAILED : TOOL_OK;
}

/* ---- options ---- */

static bool read_jobs(const char *text, unsigned *jobs)
{
	char *end;

	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value > 1024)
		return false;
	if (value == 0) {
		long online = sysconf(_SC_NPROCESSORS_ONLN);
		value = online < 1 ? 1 : online > 1024 ? 1024 : (unsigned long)online;
	}
	*jobs = (unsigned)value;
	return true;
}

static bool read_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && isfinite(*seconds) && *seconds >= 0 &&
	       *seconds <= 1e6;
}

enum {
	OPTION_NAMESPACE = 256,
	OPTION_LAZY,
	OPTION_GLOBAL,
	OPTION_DEEPBIND,
	OPTION_NO_INIT,
	OPTION_TIMEOUT,
	OPTION_JOBS,
	OPTION_FROM,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_VERBOSE,
	OPTION_COMPARE,
};

/* One option. TOOL_OK, or what the program is to end with. */
static int set_option(struct check *check, struct tool_files *files, int option)
{
	struct trial_options *o = &check->options;

	switch (option) {
	case OPTION_NAMESPACE:
		if (strcmp(optarg, "new") != 0 && strcmp(optarg, "process") != 0)
			return tool_usage(
				"--namespace takes new or process, not '%s'", optarg);
		o->private_namespace = strcmp(optarg, "new") == 0;
		break;
	case OPTION_LAZY:
		o->lazy = true;
		break;
	case OPTION_GLOBAL:
		o->global = true;
		break;
	case OPTION_DEEPBIND:
		o->deepbind = true;
		break;
	case OPTION_NO_INIT:
		o->no_init = true;
		break;
	case OPTION_TIMEOUT:
		if (!read_seconds(optarg, &o->timeout_seconds))
			return tool_usage("--timeout takes seconds, not '%s'", optarg);
		break;
	case OPTION_JOBS:
		if (!read_jobs(optarg, &o->jobs))
			return tool_usage(
				"--jobs takes a number up to 1024, not '%s'", optarg);
		break;
	case OPTION_FROM:
		return tool_files_read(files, optarg) ? TOOL_OK : TOOL_FAILED;
	case OPTION_JSON:
		check->json = true;
		break;
	case OPTION_QUIET:
		check->quiet = true;
		break;
	case OPTION_VERBOSE:
		o->verbose = true;
		break;
	case OPTION_COMPARE:
		o->compare = true;
		break;
	default:
		return tool_usage(NULL);
	}
	return TOOL_OK;
}

static int read_options(
	struct check *check, struct tool_files *files, int argc, char **argv, bool *help)
{
	static const struct option options[] = { { "namespace", required_argument, NULL,
							 OPTION_NAMESPACE },
		{ "lazy", no_argument, NULL, OPTION_LAZY },
		{ "global", no_argument, NULL, OPTION_GLOBAL },
		{ "deepbind", no_argument, NULL, OPTION_DEEPBIND },
		{ "no-init", no_argument, NULL, OPTION_NO_INIT },
		{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
		{ "jobs", required_argument, NULL, OPTION_JOBS },
		{ "from", required_argument, NULL, OPTION_FROM },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "quiet", no_argument, NULL, OPTION_QUIET },
		{ "verbose", no_argument, NULL, OPTION_VERBOSE },
		{ "compare", no_argument, NULL, OPTION_COMPARE }, TOOL_COMMON_OPTIONS };
	bool from = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		*help = option == 'h';
		if (*help)
			return tool_help(tool_current);
		from |= option == OPTION_FROM;
		int status = set_option(check, files, option);
		if (status != TOOL_OK)
			return status;
	}
	if (optind == argc && !from)
		return tool_usage("a file is missing");
	if (check->options.compare && check->options.no_init)
		return tool_usage("dlopen always runs init functions: --compare and "
				  "--no-init exclude each other");
	return TOOL_OK;
}

static int run(int argc, char **argv)
{
	struct check check = { .options = {
				       .private_namespace = true,
				       .timeout_seconds = 60,
				       .jobs = 1,
			       } };
	struct tool_files files = { 0 };
	bool help = false;
	int status = read_options(&check, &files, argc, argv, &help);

	if (status == TOOL_OK && !help) {
		for (int i = optind; i < argc; i++)
			tool_files_add(&files, argv[i]);
		for (size_t i = 0; i < files.count; i++) {
			char *path = tool_file_path(files.names[i]);
			free(files.names[i]);
			files.names[i] = path;
		}
		status = check_files(&check, &files);
	}
	tool_files_free(&files);
	return status;
}

const struct tool_command tool_check = {
	.name = "check",
	.summary = "Load, initialise and unload files, each in a process of its own",
	.usage = "[OPTION]... FILE...",
	.help = "Tells for each file: ok, refused, crash, hang or exit (its code ended "
		"the\n"
		"process), the stage, the reason and the time of each stage. The code of "
		"the\n"
		"files is run. A name without a slash that is no file here is searched "
		"for as\n"
		"a library.\n\n"
		"  --namespace new|process  Where it is loaded (default: new)\n"
		"  --lazy                   Bind functions at their first call\n"
		"  --global                 Offer its symbols to others\n"
		"  --deepbind               Its own symbols come first\n"
		"  --no-init                Run neither init nor fini functions\n"
		"  --compare                Try the same with dlopen, and tell both\n"
		"  --timeout SECONDS        For each trial (default: 60; 0: none)\n"
		"  --jobs N                 So many at a time (default: 1; 0: one for "
		"each\n"
		"                           processor)\n"
		"  --from LIST              Also the files that LIST names, one a line "
		"(-:\n"
		"                           standard input)\n"
		"  --json                   Print JSON\n"
		"  --quiet                  Tell only of what failed\n"
		"  --verbose                Let the files write to the terminal\n"
		"  --help                   This text\n\n"
		"Exit status: 0 all is well, 1 a file failed (with --compare: it did "
		"worse\n"
		"than with dlopen), 2 wrong usage.\n",
	.run = run,
};
