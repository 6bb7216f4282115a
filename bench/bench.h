/* SPDX-License-Identifier: MIT */
/*
 * bench/bench.h: clocks, /proc and output shared by the measured programs.
 *
 * Each program is one process that does one thing and prints "key value" lines; the
 * driver (bench/run) starts many and takes medians.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <time.h>

static inline uint64_t bench_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* User plus system time of the process: what getrusage sums, in nanoseconds. */
static inline uint64_t bench_cpu_ns(void)
{
	return bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline uint64_t bench_wall_ns(void)
{
	return bench_clock_ns(CLOCK_MONOTONIC);
}

void bench_print(const char *key, double value);
void *bench_open(const char *path, unsigned flags);
long bench_minor_faults(void);
unsigned bench_mappings(void);
long bench_private_dirty_kb(void);

/* The commands, by argument; 0 or an exit code. */
int bench_load(int argc, char **argv);
int bench_plugins(int argc, char **argv);
int bench_objects(int argc, char **argv);
int bench_spaces(int argc, char **argv);
int bench_reopen(int argc, char **argv);
int bench_handle(int argc, char **argv);
int bench_global(int argc, char **argv);
int bench_symbols(int argc, char **argv);
int bench_modules(int argc, char **argv);
int bench_call(int argc, char **argv);

#endif
