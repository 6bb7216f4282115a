/* SPDX-License-Identifier: MIT */
/*
 * 2,001 damaged copies of real libraries, always the same ones for the same libraries:
 * one to eight bytes changed in one region, or cut short.
 */
#ifndef TESTS_ELF_MUTANTS_H
#define TESTS_ELF_MUTANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUTANT_COUNT 2001u

enum mutant_region {
	MUTANT_ELF_HEADER,
	MUTANT_PROGRAM_HEADERS,
	MUTANT_DYNAMIC,
	MUTANT_HASH,
	MUTANT_SYMBOLS,
	MUTANT_STRINGS,
	MUTANT_VERSIONS,
	MUTANT_RELOCATIONS,
	MUTANT_ANYWHERE,
	MUTANT_CUT_SHORT,
	MUTANT_REGIONS
};
extern const char *const mutant_region_names[MUTANT_REGIONS];

struct mutant {
	const char *library; /* the path of the sound one */
	enum mutant_region region;
	uint8_t *bytes; /* malloc'ed */
	size_t count;
};

/* Reads the libraries that are there. False: fewer than three. */
bool mutants_open(void);
void mutants_close(void);
/* Makes the @index-th, to be cleared with free(bytes). */
void mutants_make(unsigned index, struct mutant *out);

#endif
