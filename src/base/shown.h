/* SPDX-License-Identifier: MIT */
/*
 * What a process with umod in it shows to others that may read its memory: umod maps. It
 * stands behind umod's node in the list that the program's DT_DEBUG starts, after a
 * struct r_debug_extended of glibc's. Layout only; who reads it must believe nothing.
 */
#ifndef UMOD_BASE_SHOWN_H
#define UMOD_BASE_SHOWN_H

#include <stdint.h>

#define SHOWN_MAGIC   "umod shows this" /* with its NUL 16 bytes */
#define SHOWN_VERSION 1

struct shown_process {
	char magic[16];
	uint32_t version;
	uint32_t image_offset;  /* of a struct shown_image from its link_map */
	uint64_t counters;      /* address of a struct shown_counters; 0: none */
	uint64_t counter_count; /* of uint64_t that it has; later ones have more */
};

enum shown_home {
	SHOWN_HOME_NONE,
	SHOWN_HOME_FILE,
	SHOWN_HOME_MEMORY,
	SHOWN_HOME_ARENA,
};

struct shown_image {
	uint64_t start, end;
	uint64_t space_id;   /* of its namespace; 0: the process's own */
	uint64_t space_name; /* address of a string */
	uint32_t home;       /* enum shown_home */
	uint32_t unused;
};

/* Calls of dlopen and dlmopen under libumod-dl: who answered. */
struct shown_counters {
	uint64_t umod,
		isolated;   /* umod, with a handle; of those, by the policy isolated */
	uint64_t host;      /* for what ld.so held already */
	uint64_t ldso;      /* left to ld.so by the policy */
	uint64_t fallbacks; /* given to ld.so because umod failed */
	uint64_t failures;
};

#endif
