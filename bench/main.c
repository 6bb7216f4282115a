/* SPDX-License-Identifier: MIT */
/*
 * bench/main.c: one fresh process of the benchmarks: choose a command, and lend plugins
 * the functions that they import. Decides nothing about repetitions or targets.
 */
#include "bench.h"
#include "loader.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What the generated plugins import from their host. */
__attribute__((visibility("default"))) int host_register(const char *name);
__attribute__((visibility("default"))) void host_log(const char *text);
__attribute__((visibility("default"))) void *host_alloc(unsigned long bytes);
__attribute__((visibility("default"))) void host_nothing(void);

int host_register(const char *name)
{
	return name[0];
}

void host_log(const char *text)
{
	__asm__ volatile("" : : "r"(text));
}

void *host_alloc(unsigned long bytes)
{
	return malloc(bytes);
}

void host_nothing(void)
{
	__asm__ volatile("");
}

void bench_print(const char *key, double value)
{
	printf("%s %.6g\n", key, value);
}

void *bench_open(const char *path, unsigned flags)
{
	void *module = loader_try_open(path, flags, NULL);

	if (!module)
		loader_die("open: %s", loader_reason());
	return module;
}

long bench_minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

unsigned bench_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned lines = 0;
	int c;

	if (!file)
		return 0;
	while ((c = getc_unlocked(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

long bench_private_dirty_kb(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kb = -1;

	if (!file)
		return -1;
	while (kb < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Dirty: %ld", &kb) != 1)
			kb = -1;
	fclose(file);
	return kb;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "load", bench_load, "[no-init] [lazy] [preload]... PATH" },
	{ "plugins", bench_plugins, "FOLDER COUNT [global] [keep]" },
	{ "objects", bench_objects, "FOLDER COUNT" },
	{ "spaces", bench_spaces, "PATH COUNT" },
	{ "reopen", bench_reopen, "FOLDER COUNT" },
	{ "handle", bench_handle, "PATH THREADS [PLUGIN-TO-RELOAD]" },
	{ "global", bench_global, "FOLDER COUNT" },
	{ "symbols", bench_symbols, "PATH SYMBOL" },
	{ "modules", bench_modules, "FOLDER COUNT" },
	{ "call", bench_call, "PATH" },
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++) {
		int status;

		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		status = commands[i].run(argc - 2, argv + 2);
		fflush(stdout);
		_exit(status); /* no fini functions: they were not asked for */
	}
	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stderr, "bench-%s %s %s\n", LOADER_NAME, commands[i].name,
			commands[i].usage);
	return 1;
}
