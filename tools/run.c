/* SPDX-License-Identifier: MIT */
/*
 * umod run: start a program whose plugins umod loads. Sets the environment that the
 * drop-in library goes by and becomes the program; checks the policy first, since the
 * program might never tell what was wrong with it. The library does the rest.
 */
#include "base/base.h"
#include "dlfcn/policy.h"
#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef RUN_LIBRARY
#define RUN_LIBRARY "/usr/local/lib/libumod-dl.so"
#endif

enum { RUN_CANNOT = 126, RUN_NOT_FOUND = 127 }; /* as env(1) and shells have it */

struct run {
	char library[PATH_MAX];
	const char *policy;
	char *isolate; /* patterns, by colons */
	bool trace;
};

/* ---- the library ---- */

static bool is_there(char *path, size_t bytes, const char *folder, const char *name)
{
	char joined[PATH_MAX], *real;
	if (snprintf(joined, sizeof(joined), "%s/%s", folder, name) >= PATH_MAX)
		return false;
	real = realpath(joined, NULL);
	bool fits = real && strlen(real) < bytes;
	if (fits)
		strcpy(path, real);
	free(real);
	return fits;
}

/* Beside the tool, as in a folder that it was built in or moved to; else as installed. */
static bool find_library(struct run *run)
{
	static const char *const places[] = { "../dlfcn/libumod-dl.so",
		"../" RUN_LIBDIR "/libumod-dl.so" };
	char own[PATH_MAX];
	ssize_t got = readlink("/proc/self/exe", own, sizeof(own) - 1);
	if (got > 0) {
		own[got] = 0;
		*strrchr(own, '/') = 0;
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
			if (is_there(run->library, sizeof(run->library), own, places[i]))
				return true;
	}
	return is_there(run->library, sizeof(run->library), "/", RUN_LIBRARY);
}

/* @list: paths between colons or blanks, as LD_PRELOAD. */
static bool is_in(const char *list, const char *path)
{
	size_t length = strlen(path);
	for (; *list; list += strspn(list, ": ")) {
		size_t word = strcspn(list, ": ");
		if (word == length && memcmp(list, path, length) == 0)
			return true;
		list += word;
	}
	return false;
}

static int set_preload(const struct run *run)
{
	const char *old = getenv("LD_PRELOAD");
	char *value;
	if (strpbrk(run->library, " :")) {
		tool_error("%s: a blank or a colon in its path cannot stand in "
			   "LD_PRELOAD",
			run->library);
		return TOOL_FAILED;
	}
	if (old && is_in(old, run->library))
		return TOOL_OK;
	value = base_printf(
		"%s%s%s", run->library, old && old[0] ? ":" : "", old ? old : "");
	int result = value && setenv("LD_PRELOAD", value, 1) == 0 ? TOOL_OK : TOOL_FAILED;
	base_free(value);
	return result;
}

/* ---- the policy ---- */

/* Read now, so that a mistake in it is told before the program runs. */
static int set_policy(const struct run *run)
{
	struct policy policy;
	struct umod_error error = { 0 };
	char *path = realpath(run->policy, NULL);
	if (!path) {
		tool_error("%s: %s", run->policy, strerror(errno));
		return TOOL_FAILED;
	}
	int result = policy_parse(&policy, path, false, &error);
	if (result)
		tool_error("%s: %s", error.subject, error.message);
	else
		policy_clear(&policy);
	if (!result && setenv("UMOD_POLICY", path, 1))
		result = -ENOMEM;
	free(path);
	return result ? TOOL_FAILED : TOOL_OK;
}

static void add_pattern(struct run *run, const char *pattern)
{
	size_t old = run->isolate ? strlen(run->isolate) : 0;
	run->isolate = tool_realloc(run->isolate, old + strlen(pattern) + 2, 1);
	sprintf(run->isolate + old, "%s%s", old ? ":" : "", pattern);
}

static int set_isolate(struct run *run)
{
	const char *old = getenv("UMOD_ISOLATE");
	if (old && old[0])
		add_pattern(run, old);
	return setenv("UMOD_ISOLATE", run->isolate, 1) ? TOOL_FAILED : TOOL_OK;
}

static int set_trace(void)
{
	const char *old = getenv("UMOD_DEBUG");
	char *value = base_printf(
		"%s%sfiles,init,unload", old ? old : "", old && old[0] ? "," : "");
	int result = value && setenv("UMOD_DEBUG", value, 1) == 0 ? TOOL_OK : TOOL_FAILED;
	base_free(value);
	return result;
}

/* ---- the program ---- */

/* ld.so preloads nothing into a program that it does not start. */
static bool is_static(const char *path)
{
	struct umod_image *image;
	struct umod_image_info info = { .size_bytes = sizeof(info) };
	if (umod_image_open(path, &image, NULL))
		return false; /* a script, or for others to judge */
	umod_image_info_get(image, &info);
	bool none = !info.interpreter;
	umod_image_close(image);
	return none;
}

static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	if (strchr(name, '/'))
		return tool_strdup(name);
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (true) {
		size_t length = strcspn(path, ":");
		char *joined = base_printf(
			"%.*s%s%s", (int)length, path, length ? "/" : "./", name);
		struct stat st;
		if (joined && access(joined, X_OK) == 0 && stat(joined, &st) == 0 &&
			S_ISREG(st.st_mode))
			return joined;
		base_free(joined);
		if (!path[length])
			return NULL;
		path += length + 1;
	}
}

static int start(char **argv)
{
	char *program = find_program(argv[0]);
	struct stat st;
	if (!program) {
		tool_error("%s: there is no such program in PATH", argv[0]);
		return RUN_NOT_FOUND;
	}
	if (is_static(program)) {
		tool_error("%s: is linked statically: it has no dlopen to be served",
			program);
		base_free(program);
		return RUN_CANNOT;
	}
	if (stat(program, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID) &&
		(st.st_uid != geteuid() || st.st_mode & S_ISGID))
		tool_error("%s: changes its user or group: ld.so does not preload umod "
			   "into it, unless that is in a system directory and "
			   "set-user-ID itself",
			program);
	execvp(program, argv); /* what has no "#!" is the shell's, as with env(1) */
	int code = errno;
	tool_error("%s: %s", program, strerror(code));
	base_free(program);
	return code == ENOENT ? RUN_NOT_FOUND : RUN_CANNOT;
}

static int set_environment(struct run *run)
{
	int result = set_preload(run);
	if (result == TOOL_OK && run->policy)
		result = set_policy(run);
	if (result == TOOL_OK && run->isolate)
		result = set_isolate(run);
	if (result == TOOL_OK && run->trace)
		result = set_trace();
	return result;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "policy", required_argument, NULL,
							 'p' },
		{ "isolate", required_argument, NULL, 'i' },
		{ "trace", no_argument, NULL, 't' }, TOOL_COMMON_OPTIONS };
	struct run run = { .policy = NULL };
	int option;

	/* "+": what follows the program is the program's. */
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		else if (option == 'p')
			run.policy = optarg;
		else if (option == 'i')
			add_pattern(&run, optarg);
		else if (option == 't')
			run.trace = true;
		else
			return tool_usage(NULL);
	}
	if (optind == argc)
		return tool_usage("a program is missing");
	if (!find_library(&run)) {
		tool_error("libumod-dl.so is neither beside this program nor "
			   "in " RUN_LIBRARY);
		return TOOL_FAILED;
	}
	int result = set_environment(&run);
	free(run.isolate);
	return result == TOOL_OK ? start(argv + optind) : result;
}

const struct tool_command tool_run = {
	.name = "run",
	.summary = "Start a program whose plugins umod loads",
	.usage = "[--policy FILE] [--isolate PATTERN]... [--trace] PROGRAM [ARGUMENT]...",
	.help = "What the program opens with dlopen is loaded by umod.\n\n"
		"  --policy FILE      As FILE says, see umod-policy(5)\n"
		"  --isolate PATTERN  Files that match get a namespace of their own\n"
		"  --trace            Tell on standard error what is loaded and "
		"unloaded\n"
		"  --help             This text\n",
	.run = run,
};
