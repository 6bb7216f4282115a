/* SPDX-License-Identifier: MIT */
/*
 * What the files of this floor share: the processor's subdirectories (hwcaps.c),
 * directories and lists of them (dirs.c), and the sentence for what was not found
 * (report.c). Nothing here is for other floors.
 */
#ifndef UMOD_FIND_INTERNAL_H
#define UMOD_FIND_INTERNAL_H

#include "find/find.h"

#include <limits.h>

#define FIND_CACHE_PATH "/etc/ld.so.cache"
/* The asker that stands for the main program; its origin is asked of the kernel. */
#define FIND_SELF "/proc/self/exe"

/* ---- hwcaps.c ---- */

/* x86-64-v2 is 1, v3 is 2, v4 is 3: how many levels past the first this processor has. */
unsigned find_isa_level(void);
/* Bits of entries' hwcap in the cache, as glibc 2.36 has them. */
#define FIND_HWCAP_X86_64    (1ull << 1)
#define FIND_HWCAP_AVX512_1  (1ull << 2)
#define FIND_HWCAP_HASWELL   (1ull << 48)
#define FIND_HWCAP_XEON_PHI  (1ull << 49)
#define FIND_HWCAP_PLATFORMS (FIND_HWCAP_HASWELL | FIND_HWCAP_XEON_PHI)
#define FIND_HWCAP_TLS       (1ull << 63)
/* The legacy bits of this processor; of the platforms at most one. */
uint64_t find_legacy_hwcap(void);

/* The subdirectories of each directory, in the order in which they are tried. */
#define FIND_SUBDIRS_MAX 24
struct find_subdir {
	char text[56]; /* "tls/x86_64/", the last one "" */
	unsigned length;
	unsigned top; /* index of its first component among all of them */
	unsigned top_length;
};
const struct find_subdir *find_subdirs(unsigned *count);

/* ---- expand.c ---- */

/* The directory of the file at @path into @out of PATH_MAX bytes: 0 or -ENOENT. */
int find_origin(const char *path, char *out);

/* ---- dirs.c ---- */

struct find_dir {
	size_t length;
	bool is_relative; /* what is there is not remembered */
	bool is_probed;
	uint32_t usable; /* a bit for each subdirectory that is there */
	char name[];     /* ends with '/'; "" is the current directory */
};

struct find_list {
	const char *text;   /* behind the list; so is the origin, NULL without $ */
	const char *origin; /* that it was expanded with */
	char separator;     /* the second one, or NUL */
	unsigned count;
	struct find_dir *dirs[];
};

struct find_config {
	char *root; /* without a '/' at its end; NULL: none */
	size_t root_length;
	char *cache_path; /* NULL: none */
	struct find_cache *cache;
	char *library_path;         /* NULL: none */
	struct find_asker *program; /* with its strings; NULL: not known */
	/* Filled as names are looked for; all pointers between them and into them die
	 * together in find_dirs_trim. */
	struct base_map dirs, lists;
	unsigned list_count;
	struct find_list *library_list, *default_list;
};

extern const char find_default_path[]; /* the system's directories, colons between */

/*
 * The directories that @text names, separated by any of @separators, each once; those
 * whose $ORIGIN is not known or not allowed are left out. Borrowed until the next trim.
 * 0 or -ENOMEM.
 */
int find_list_get(struct find_config *config, const char *text, const char *separators,
	const char *asker_path, struct find_list **out);
/* LD_LIBRARY_PATH (NULL: none) and the system's directories, likewise. */
int find_library_list(struct find_config *config, struct find_list **out);
int find_default_list(struct find_config *config, struct find_list **out);
/* The subdirectories of @dir that are there; a look at the disk the first time. */
uint32_t find_dir_usable(struct find_dir *dir);
/* Forgets all lists and directories when there are very many, or always. */
void find_dirs_trim(struct find_config *config, bool always);

/* ---- report.c ---- */

struct find_passed_over {
	char path[256]; /* cut if need be; "": none */
	const char *why;
};

/* The -ENOENT of find_library, with who asked and where was searched. */
int find_report_missing(struct find_config *config, const char *name,
	const struct find_asker *asker, const struct find_passed_over *passed_over,
	struct umod_error *error);

#endif
