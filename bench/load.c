/* SPDX-License-Identifier: MIT */
/*
 * bench/load.c: one load (of a library, or of many plugins, or into namespaces), and
 * its end. The process is fresh: whatever a loader prepares lazily is paid for here.
 */
#include "bench.h"
#include "loader.h"

#include <string.h>

static void start(void)
{
	uint64_t cpu = bench_cpu_ns();

	loader_start();
	bench_print("context_ns", (double)(bench_cpu_ns() - cpu));
}

/* Arguments before the last are words or libraries to load before, kept. */
int bench_load(int argc, char **argv)
{
	struct loader_report report = { 0 };
	unsigned flags = 0, objects;
	uint64_t cpu, wall, cpu_end, wall_end;
	long faults;
	void *module;

	if (argc < 1)
		loader_die("load: no path");
	start();
	for (int i = 0; i < argc - 1; i++) {
		if (strcmp(argv[i], "no-init") == 0)
			flags |= LOADER_NO_INIT;
		else if (strcmp(argv[i], "lazy") == 0)
			flags |= LOADER_LAZY;
		else
			bench_open(argv[i], flags & LOADER_NO_INIT);
	}
	objects = loader_count();
	faults = bench_minor_faults();
	wall = bench_wall_ns();
	cpu = bench_cpu_ns();
	module = loader_try_open(argv[argc - 1], flags, &report);
	cpu_end = bench_cpu_ns();
	wall_end = bench_wall_ns();
	if (!module)
		loader_die("open: %s", loader_reason());
	bench_print("cpu_ns", (double)(cpu_end - cpu));
	bench_print("wall_ns", (double)(wall_end - wall));
	bench_print("init_ns", (double)report.init_ns);
	bench_print("faults", (double)(bench_minor_faults() - faults));
	bench_print("objects", (double)(loader_count() - objects));
	for (unsigned i = 0; i < sizeof(report.stage_ns) / sizeof(*report.stage_ns);
		i++) {
		char key[48];

		snprintf(key, sizeof(key), "stage_%s_ns", loader_stage_name(i));
		if (report.stage_ns[i])
			bench_print(key, (double)report.stage_ns[i]);
	}
	cpu = bench_cpu_ns();
	loader_close(module);
	bench_print("close_ns", (double)(bench_cpu_ns() - cpu));
	return 0;
}

/* Times of tenths of a long series. */
struct tenths {
	uint64_t first_ns, last_ns, total_ns;
};

static void count_tenth(
	struct tenths *tenths, uint64_t *since, unsigned i, unsigned count)
{
	unsigned tenth = count < 10 ? 1 : count / 10;
	uint64_t now;

	if ((i + 1) % tenth != 0 && i + 1 != count)
		return;
	now = bench_cpu_ns();
	if (i + 1 == tenth)
		tenths->first_ns = now - *since;
	if (i + 1 == count)
		tenths->last_ns = now - *since;
	tenths->total_ns += now - *since;
	*since = now;
}

static void print_tenths(const char *what, const struct tenths *tenths, unsigned count)
{
	unsigned tenth = count < 10 ? 1 : count / 10;
	char key[32];

	snprintf(key, sizeof(key), "%s_ns", what);
	bench_print(key, (double)tenths->total_ns);
	snprintf(key, sizeof(key), "%s_first_ns", what);
	bench_print(key, (double)tenths->first_ns / tenth);
	snprintf(key, sizeof(key), "%s_last_ns", what);
	bench_print(key, (double)tenths->last_ns / tenth);
}

static void *open_plugin(const char *folder, unsigned i, unsigned flags)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/p%05u.so", folder, i);
	return loader_try_open(path, flags, NULL);
}

/* Opens the plugins of a folder, then closes them, the first first. */
int bench_plugins(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 0, flags = 0, opened = 0;
	struct tenths open = { 0 }, close = { 0 };
	unsigned mappings = bench_mappings();
	long dirty = bench_private_dirty_kb();
	void **modules = calloc(count + 1, sizeof(*modules));
	bool keep = false;
	uint64_t since;

	for (int i = 2; i < argc; i++) {
		flags |= strcmp(argv[i], "global") == 0 ? LOADER_GLOBAL : 0;
		keep |= strcmp(argv[i], "keep") == 0;
	}
	start();
	since = bench_cpu_ns();
	for (; opened < count; opened++) {
		modules[opened] = open_plugin(argv[0], opened, flags);
		if (!modules[opened])
			break;
		count_tenth(&open, &since, opened, count);
	}
	open.total_ns += opened < count ? bench_cpu_ns() - since : 0;
	bench_print("opened", opened);
	bench_print("mappings", bench_mappings() - mappings);
	bench_print("private_dirty_kb", (double)(bench_private_dirty_kb() - dirty));
	if (opened < count) {
		printf("reason %s\n", loader_reason());
		if (!keep)
			return 2;
	}
	print_tenths("open", &open, count);
	since = bench_cpu_ns();
	for (unsigned i = 0; i < opened && !keep; i++) {
		loader_close(modules[i]);
		count_tenth(&close, &since, i, count);
	}
	print_tenths("close", &close, count);
	bench_print("mappings_left", (double)bench_mappings() - (double)mappings);
	return 0;
}

/* ---- relocatable objects ---- */

#define SERIES 100

static void *open_object(const char *folder, unsigned i)
{
	char path[512];
	void *module;

	snprintf(path, sizeof(path), "%s/p%05u.o", folder, i);
	module = loader_try_open(path, 0, NULL);
	if (!module)
		loader_die("open: %s", loader_reason());
	return module;
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_median(const char *what, const char *when, uint64_t *times)
{
	char key[48];

	qsort(times, SERIES, sizeof(*times), by_time);
	snprintf(key, sizeof(key), "%s_%s_ns", what, when);
	bench_print(key, (double)times[SERIES / 2]);
}

/* Loads a hundred from @first on, looks up in each, unloads each; then loads them again.
 */
static void time_series(const char *folder, unsigned first, const char *when)
{
	uint64_t load[SERIES], look_up[SERIES], unload[SERIES], since;
	void *modules[SERIES];
	char name[32];

	for (unsigned i = 0; i < SERIES; i++) {
		since = bench_wall_ns();
		modules[i] = open_object(folder, first + i);
		load[i] = bench_wall_ns() - since;
	}
	for (unsigned i = 0; i < SERIES; i++) {
		snprintf(name, sizeof(name), "unique_%05u", first + i);
		since = bench_wall_ns();
		if (!loader_symbol(modules[i], name))
			loader_die("no %s", name);
		look_up[i] = bench_wall_ns() - since;
	}
	for (unsigned i = 0; i < SERIES; i++) {
		since = bench_wall_ns();
		loader_close(modules[i]);
		unload[i] = bench_wall_ns() - since;
	}
	for (unsigned i = 0; i < SERIES; i++)
		open_object(folder, first + i);
	print_median("load", when, load);
	print_median("lookup", when, look_up);
	print_median("unload", when, unload);
}

/* All modules of a folder; those from 100 on and the last hundred are timed. */
int bench_objects(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	unsigned mappings = bench_mappings();

	start();
	if (count < 3 * SERIES)
		loader_die("objects: at least %u", 3 * SERIES);
	for (unsigned i = 0; i < count; i++) {
		if (i != SERIES && i != count - SERIES) {
			open_object(argv[0], i);
			continue;
		}
		time_series(argv[0], i, i == SERIES ? "early" : "late");
		i += SERIES - 1;
	}
	bench_print("mappings", bench_mappings() - mappings);
	return 0;
}

/* A plugin with its private dependency, each time in a namespace of its own. */
int bench_spaces(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 0, opened = 0;
	void **modules = calloc(count + 1, sizeof(*modules));
	struct tenths open = { 0 }, close = { 0 };
	unsigned mappings;
	uint64_t since;
	long dirty;

	start();
	dirty = bench_private_dirty_kb();
	mappings = bench_mappings();
	since = bench_cpu_ns();
	for (; opened < count; opened++) {
		int (*run)(void);

		modules[opened] = loader_try_space(argv[0]);
		if (!modules[opened])
			break;
		/* Each copy counts its own calls: 1 at the first, or it is no copy. */
		run = (int (*)(void))loader_symbol(modules[opened], "plugin_run");
		if (!run || run() != 1)
			loader_die("spaces: copy %u is not its own", opened);
		count_tenth(&open, &since, opened, count);
	}
	bench_print("opened", opened);
	if (opened < count)
		printf("reason %s\n", loader_reason());
	if (opened == 0)
		return 2;
	open.total_ns += opened < count ? bench_cpu_ns() - since : 0;
	print_tenths("open", &open, count);
	bench_print("each_ns", (double)open.total_ns / opened);
	bench_print("mappings_each", (double)(bench_mappings() - mappings) / opened);
	bench_print("private_dirty_kb_each",
		(double)(bench_private_dirty_kb() - dirty) / opened);
	since = bench_cpu_ns();
	for (unsigned i = 0; i < opened; i++) {
		loader_close_space(modules[i]);
		count_tenth(&close, &since, i, count);
	}
	print_tenths("close", &close, count);
	return 0;
}

/* What opening the last of many again costs, with its close. */
int bench_reopen(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1, rounds = 2000;
	uint64_t cpu;

	start();
	for (unsigned i = 0; i < count; i++)
		if (!open_plugin(argv[0], i, 0))
			loader_die("open: %s", loader_reason());
	cpu = bench_cpu_ns();
	for (unsigned i = 0; i < rounds; i++)
		loader_close(open_plugin(argv[0], count - 1, 0));
	bench_print("reopen_ns", (double)(bench_cpu_ns() - cpu) / rounds);
	return 0;
}
