/* SPDX-License-Identifier: MIT */
/*
 * Floor 3: where a library is. Knows names and directories; opens nothing but
 * directories' entries and the cache, decides nothing about what is loaded already.
 *
 * Search order of a name without a slash (ld.so(8)): DT_RPATH of the image that needs it
 * and of those that needed that one, unless it has DT_RUNPATH; LD_LIBRARY_PATH;
 * DT_RUNPATH of the image itself; /etc/ld.so.cache; default directories. $ORIGIN, $LIB
 * and $PLATFORM are expanded. Each directory is tried with the glibc-hwcaps
 * subdirectories that this processor can use, best first, then glibc 2.36's legacy ones.
 */
#ifndef UMOD_FIND_H
#define UMOD_FIND_H

#include "base/base.h"

struct find_config; /* one per context: paths, cache, directories known to be missing */

struct find_asker;
struct find_options {
	const char *library_path; /* NULL: LD_LIBRARY_PATH unless in secure execution */
	const char *cache_path;   /* NULL: /etc/ld.so.cache; "": none */
	const char *root;         /* prefix of absolute directories, or NULL */
	/* The main program, whose DT_RPATH counts for everybody, or NULL; copied. Without
	 * it only the askers of a search tell of it. */
	const struct find_asker *program;
	bool late_cache; /* read when a search first needs it; a damaged one is then none
			  */
};
/* 0, -ENOMEM, or -EINVAL for a damaged cache (a missing one is no error). */
int find_config_new(const struct find_options *options, struct find_config **out,
	struct umod_error *error);
void find_config_free(struct find_config *config);

/* Who asks: the image that has the need, and through loader the one that needed that. */
struct find_asker {
	const char *path;            /* of its file, for $ORIGIN; NULL: no origin */
	const char *soname;          /* for messages, or NULL */
	const char *rpath, *runpath; /* DT_RPATH, DT_RUNPATH as in the file; NULL: none */
	bool no_default_lib;         /* DF_1_NODEFLIB */
	bool is_main; /* the main program: its DT_RPATH counts for everybody */
	const struct find_asker *loader; /* NULL: nobody */
};

enum find_how {
	FIND_PATH, /* the name has a slash */
	FIND_RPATH,
	FIND_LIBRARY_PATH,
	FIND_RUNPATH,
	FIND_CACHE,
	FIND_DEFAULT,
};
const char *find_how_name(enum find_how how);

/* What was found: an open regular file, not yet validated. */
struct find_result {
	int fd;     /* the caller's, to be closed */
	char *path; /* allocated, the caller's */
	struct stat st;
	enum find_how how;
	uint8_t head[1024]; /* the first bytes of the file */
	size_t head_bytes;
};

/*
 * Finds @name for @asker. As ld.so does, an ELF file found on the way that is not ELF64
 * of this machine is passed over; one that is no ELF file ends the search, and is given
 * out for validation to name the fault. On success 0. On failure -ENOENT with the chain
 * of askers and the places searched in the message, -ENOMEM, or the errno of the file
 * that was named by a path; nothing is left open. Thread-safe under the load lock of the
 * caller.
 */
int find_library(struct find_config *config, const char *name,
	const struct find_asker *asker, struct find_result *out,
	struct umod_error *error);

/*
 * Calls @visit for each directory that a search for @asker tries by itself, in order,
 * with its @length bytes, not ended by NUL; ends when it returns non-zero, and returns
 * that. Else 0 or -ENOMEM.
 */
typedef int find_place(const char *dir, size_t length, enum find_how how, void *data);
int find_places(struct find_config *config, const struct find_asker *asker,
	find_place *visit, void *data);

/* Closes and frees what a result holds. */
void find_result_clear(struct find_result *result);

/*
 * Expands $ORIGIN, $LIB, $PLATFORM and their ${} forms in @text. *@out is allocated.
 * -ENOENT when $ORIGIN is not known or not allowed (secure execution).
 */
int find_expand(const char *text, const char *asker_path, char **out);

/* ---- /etc/ld.so.cache (cache.c): format glibc-ld.so.cache1.1 ---- */
struct find_cache;
int find_cache_open(const char *path, struct find_cache **out, struct umod_error *error);
/* From bytes in memory that stay; for tests and the fuzzer. */
int find_cache_open_buffer(const void *bytes, size_t count, struct find_cache **out,
	struct umod_error *error);
void find_cache_free(struct find_cache *cache);
/* Best path for @name on this processor, borrowed, or NULL. */
const char *find_cache_lookup(const struct find_cache *cache, const char *name);
/* The file behind @cache is no longer the one that was read (a stat). */
bool find_cache_is_stale(const struct find_cache *cache);
unsigned find_cache_count(const struct find_cache *cache);

/* The processor's glibc-hwcaps names, best first ("x86-64-v4", ...), NULL at the end. */
const char *const *find_hwcaps(void);
/* AT_PLATFORM, e.g. "haswell" or "x86_64", and what $LIB means on this system. */
const char *find_platform(void);
const char *find_lib(void);

#endif
