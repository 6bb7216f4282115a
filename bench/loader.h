/* SPDX-License-Identifier: MIT */
/*
 * bench/loader.h: the few verbs that are measured, once for each loader.
 *
 * The same programs are compiled twice; BENCH_UMOD chooses whose verbs they get. The
 * verbs are inline, so that neither loader pays for a wrapper. A verb that fails ends the
 * program with the loader's own message: a figure of something half done is worth
 * nothing.
 */
#ifndef BENCH_LOADER_H
#define BENCH_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum loader_flag {
	LOADER_LAZY = 1,
	LOADER_GLOBAL = 2,
	LOADER_NO_INIT = 4, /* umod only */
};

/* What a load tells about itself; what the loader does not tell stays 0. */
struct loader_report {
	uint64_t stage_ns[32]; /* named by loader_stage_name */
	uint64_t init_ns;
};

#define loader_die(...)                       \
	do {                                  \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr);          \
		exit(2);                      \
	} while (0)

#ifdef BENCH_UMOD
#include "loader_umod.h"
#else
#include "loader_glibc.h"
#endif

#endif
