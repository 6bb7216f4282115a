/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the search share: a temporary folder with programs and libraries that
 * the compiler has just made, ld.so's answer for them, and the search's own.
 */
#ifndef UMOD_TEST_PLACES_H
#define UMOD_TEST_PLACES_H

#include "test.h"

#include "cache_builder.h"
#include "find/internal.h"

#define WANT "libwant.so.1" /* the library that is looked for */
#ifndef TEST_CC
#define TEST_CC "cc"
#endif

/* What a program's or library's dynamic section says of directories. */
enum { NONE, RPATH, RUNPATH, KINDS };
extern const char *const kinds[];

extern char base[64]; /* the folder of this run; WANT is in it, and A, B and L */

/* A shell command, which must succeed. */
bool run(const char *format, ...) BASE_PRINTF(1, 2);
/* A formatted path, for the next few calls. */
char *text(const char *format, ...) BASE_PRINTF(1, 2);
/* Puts WANT into a folder under base, takes it away. */
void put(const char *dir);
void clear(const char *dir);

/* Where ld.so finds @wanted for that program; "" where it does not. */
const char *ask_loader(const char *program, const char *library_path, const char *wanted);
/* What the search gives, or "" and the message in @error. */
const char *ask_find(const struct find_options *options, const char *name,
	const struct find_asker *asker, struct umod_error *error);
/* How it was found and where (@path of PATH_MAX bytes), or -1. */
int how_found(struct find_config *config, const char *name,
	const struct find_asker *asker, char *path);
/* base/cache, as another file if it is @renamed. */
void write_cache(const struct cache_entry *entries, unsigned count, bool renamed);
/* @should NULL: the expansion is refused. */
void check_expansion(const char *in, const char *asker, const char *should);

/* What a set-user-ID copy of the program does: the exit status, 77 where it is none. */
int secure_main(void);

#endif
