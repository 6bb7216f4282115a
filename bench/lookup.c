/* SPDX-License-Identifier: MIT */
/*
 * bench/lookup.c: look-ups by name and by address, and calls, hot. Every answer that is
 * timed is checked once before.
 */
#include "bench.h"
#include "loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 9, NAMES = 2000 };

static int compare_doubles(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The median of ROUNDS calls of @round, each of @calls operations, ns for one. */
static double median_ns(
	void (*round)(unsigned calls, const void *data), unsigned calls, const void *data)
{
	double times[ROUNDS];

	round(calls / 10 + 1, data);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t since = bench_wall_ns();

		round(calls, data);
		times[i] = (double)(bench_wall_ns() - since) / calls;
	}
	qsort(times, ROUNDS, sizeof(*times), compare_doubles);
	return times[ROUNDS / 2];
}

struct reader {
	void *module;
	const char *name;
	unsigned calls;
	pthread_barrier_t *barrier;
	double ns;
};

static void find_by_handle(unsigned calls, const void *data)
{
	const struct reader *reader = data;

	for (unsigned i = 0; i < calls; i++)
		if (!loader_symbol(reader->module, reader->name))
			loader_die("handle: %s is lost", reader->name);
}

static void *read_names(void *data)
{
	struct reader *reader = data;

	pthread_barrier_wait(reader->barrier);
	reader->ns = median_ns(find_by_handle, reader->calls, reader);
	pthread_barrier_wait(reader->barrier);
	return NULL;
}

struct writer {
	const char *path;
	atomic_bool stop;
	unsigned loads;
};

static void *load_and_unload(void *data)
{
	struct writer *writer = data;

	for (; !atomic_load_explicit(&writer->stop, memory_order_relaxed);
		writer->loads++)
		loader_close(bench_open(writer->path, 0));
	return NULL;
}

/* One name from each of several threads; optionally while another loads and unloads. */
int bench_handle(int argc, char **argv)
{
	unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct writer writer = { .path = argc > 2 ? argv[2] : NULL };
	struct reader readers[16];
	pthread_t handles[16], writing;
	pthread_barrier_t barrier;
	double sum = 0;

	if (threads < 1 || threads > 16)
		loader_die("handle: 1 to 16 threads");
	loader_start();
	pthread_barrier_init(&barrier, NULL, threads);
	if (writer.path)
		pthread_create(&writing, NULL, load_and_unload, &writer);
	for (unsigned i = 0; i < threads; i++) {
		readers[i] = (struct reader){ bench_open(argv[0], 0), "lookup_1000",
			threads > 1 ? 200000 : 500000, &barrier, 0 };
		pthread_create(&handles[i], NULL, read_names, &readers[i]);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(handles[i], NULL);
		sum += readers[i].ns;
	}
	atomic_store(&writer.stop, true);
	if (writer.path)
		pthread_join(writing, NULL);
	/* A thread that waits for a core is no slower at looking up. */
	if ((long)threads > cores)
		sum = sum * (double)cores / threads;
	bench_print("handle_ns", sum / threads);
	bench_print("loads", writer.loads);
	return 0;
}

static void find_globally(unsigned calls, const void *name)
{
	for (unsigned i = 0; i < calls; i++) {
		void *address = loader_global(name);

		__asm__ volatile("" : : "r"(address));
	}
}

/* In the last of many global plugins, and in none of them. */
int bench_global(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	unsigned calls = LOADER_NAME[0] == 'u' ? 200000 : 200000000 / (count + 2000) / 20;
	char name[512];

	loader_start();
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/p%05u.so", argv[0], i);
		bench_open(name, LOADER_GLOBAL);
	}
	snprintf(name, sizeof(name), "unique_%05u", count - 1);
	if (!loader_global(name) || loader_global("unique_nowhere"))
		loader_die("global: wrong answer");
	bench_print("last_ns", median_ns(find_globally, calls, name));
	bench_print("nowhere_ns", median_ns(find_globally, calls, "unique_nowhere"));
	bench_print("libc_ns", median_ns(find_globally, 100000, "strlen"));
	return 0;
}

static void name_address(unsigned calls, const void *address)
{
	for (unsigned i = 0; i < calls; i++) {
		const char *name = loader_address_symbol(address);

		__asm__ volatile("" : : "r"(name));
	}
}

struct span {
	const char *start;
	size_t bytes;
};

/* A thousand addresses scattered over the code, in turn. */
static void name_scattered(unsigned calls, const void *data)
{
	const struct span *span = data;

	for (unsigned i = 0; i < calls; i++) {
		uint64_t step = (uint64_t)(i % 1000) * 2654435761u;

		name_address(1, span->start + step % span->bytes);
	}
}

static void expect_name(const void *address, const char *name)
{
	const char *found = loader_address_symbol(address);

	if (!found || strcmp(found, name) != 0)
		loader_die(
			"symbols: %s is taken for %s", name, found ? found : "nothing");
}

/* From address to symbol in a large library, and in libc. */
int bench_symbols(int argc, char **argv)
{
	unsigned calls = LOADER_NAME[0] == 'u' ? 100000 : 20;
	struct span span;
	uint64_t cpu;
	char *large;
	void *libc;

	if (argc < 2)
		loader_die("symbols: which?");
	loader_start();
	large = loader_symbol(bench_open(argv[0], LOADER_NO_INIT), argv[1]);
	libc = loader_global("qsort");
	if (!large || !libc)
		loader_die("symbols: %s is not there", argv[1]);
	cpu = bench_cpu_ns();
	expect_name(large, argv[1]);
	bench_print("large_first_ns", (double)(bench_cpu_ns() - cpu));
	cpu = bench_cpu_ns();
	expect_name(libc, "qsort");
	bench_print("libc_first_ns", (double)(bench_cpu_ns() - cpu));
	bench_print("large_ns", median_ns(name_address, calls, large + 1));
	span = (struct span){ large, 8 << 20 };
	bench_print("scattered_ns", median_ns(name_scattered, calls, &span));
	bench_print("libc_ns", median_ns(name_address, calls * 10, libc));
	return 0;
}

static void find_module(unsigned calls, const void *address)
{
	for (unsigned i = 0; i < calls; i++) {
		bool found = loader_address_module(address);

		__asm__ volatile("" : : "r"(found));
	}
}

/* From address to module, in the last of many. */
int bench_modules(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	void *module = NULL, *address;
	char name[512];

	loader_start();
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/p%05u.so", argv[0], i);
		module = bench_open(name, 0);
	}
	snprintf(name, sizeof(name), "unique_%05u", count - 1);
	address = module ? loader_symbol(module, name) : NULL;
	if (!address || !loader_address_module(address))
		loader_die("modules: the last is not found");
	bench_print("module_ns", median_ns(find_module, 1000000, address));
	bench_print("symbol_ns",
		median_ns(name_address, LOADER_NAME[0] == 'u' ? 100000 : 500, address));
	return 0;
}

struct caller {
	void (*run)(unsigned long calls);
};

static void call(unsigned calls, const void *data)
{
	const struct caller *caller = data;

	caller->run(calls);
}

/* A call between modules, by PLT and by GOT, and the call of what a look-up gave. */
int bench_call(int argc, char **argv)
{
	static const char *const kinds[] = { "plt", "got", "direct" };
	void *module;

	if (argc < 1)
		loader_die("call: no path");
	loader_start();
	module = bench_open(argv[0], 0);
	for (unsigned i = 0; i < 3; i++) {
		char name[32];
		struct caller caller;

		snprintf(name, sizeof(name), "call_%s", kinds[i]);
		caller.run = (void (*)(unsigned long))loader_symbol(module, name);
		if (!caller.run)
			loader_die("call: no %s", name);
		snprintf(name, sizeof(name), "%s_ns", kinds[i]);
		bench_print(name, median_ns(call, 5000000, &caller));
	}
	return 0;
}
