/* SPDX-License-Identifier: MIT */
/*
 * What the files of depmod share. The run goes: configuration, scan (which files), order,
 * read (threads, each with its own worker), symbols and dependencies, write.
 *
 * Files are opened and read by libc's own functions, so that depmod runs under shims and
 * in a chroot.
 *
 * Everything of a run lives in the arenas of its workers and of the run itself until the
 * run ends: nothing is freed in between, and no string is copied twice.
 */
#ifndef UMOD_INDEX_DEPMOD_INTERNAL_H
#define UMOD_INDEX_DEPMOD_INTERNAL_H

#include "feature/feature.h"
#include "index/depmod.h"
#include "index/write.h"

#include <limits.h>

#define DEPMOD_NONE UINT32_MAX
/* kmod's tables have so many chains; the order of lines follows from them. */
#define DEPMOD_NAME_CHAINS   512u
#define DEPMOD_SYMBOL_CHAINS 2048u

enum depmod_field_kind {
	DEPMOD_ALIAS,
	DEPMOD_SOFTDEP,
	DEPMOD_WEAKDEP,
	DEPMOD_FIELD_KINDS,
};
struct depmod_field {
	enum depmod_field_kind kind;
	const char *value;
};
struct depmod_export {
	const char *name;
	uint64_t crc;
};
/* An import: a number in its worker's table of names. */
#define DEPMOD_WEAK 0x80000000u

struct depmod_module {
	const char *path;  /* to open it: below the tree's directory, or absolute */
	const char *shown; /* what index files call it */
	const char *name;
	uint32_t hash;     /* of the name */
	int order;         /* line in modules.order; INT_MAX: not in it */
	size_t stem_bytes; /* of path, without ".ko" and what follows: for overrides */
	int error;         /* reading it failed; message tells */
	const char *message;

	struct depmod_worker *worker; /* that read it, and numbered its imports */
	struct depmod_export *exports;
	uint32_t *imports;
	uint64_t *import_crcs; /* if versions are checked; else NULL */
	struct depmod_field *fields;
	uint32_t export_count, import_count, field_count;
	/* For the incremental run: the file as it was when it was read. */
	uint64_t stamp[4];
	bool reused;

	uint32_t *needs; /* modules, in the order of first use; then sorted */
	uint32_t need_count, users;
	uint32_t rank; /* in the topological order */
};

/* Names of imports, each once. */
struct depmod_names {
	struct depmod_name {
		const char *text;
		uint64_t hash;
	} * items;
	unsigned count, capacity;
	uint32_t *slots; /* number + 1; 0: free */
	uint32_t slot_mask;
	uint32_t *resolved; /* symbols, or DEPMOD_NONE; once reading is over */
};

/* A thread that reads, with all that it needs: no lock between them. */
struct depmod_worker {
	struct depmod *depmod;
	pthread_t thread;
	bool started;
	struct index_arena arena;
	struct depmod_names names;
	struct feature_buffer buffer;
	struct feature_exports exports;
	struct feature_imports imports;
	int error; /* -ENOMEM: the run ends */
};

/* A symbol that a module (owner) or the kernel (DEPMOD_NONE) exports. */
struct depmod_symbol {
	const char *name;
	uint64_t crc;
	uint32_t hash, owner, next;
};

struct depmod_config {
	struct depmod_search {
		enum { DEPMOD_PATH, DEPMOD_BUILT_IN, DEPMOD_EXTERNAL } type;
		const char *path;
		size_t bytes;
	} * searches; /* the last first, as all of these */
	struct depmod_path {
		const char *path;
		size_t bytes;
	} * overrides, *externals, *excludes;
	unsigned search_count, search_capacity, override_count, override_capacity;
	unsigned external_count, external_capacity, exclude_count, exclude_capacity;
};

struct depmod {
	const struct index_depmod_options *options;
	struct index_depmod_result *result;
	struct umod_error *error;
	struct index_arena arena;
	struct depmod_config config;
	int directory; /* descriptor of the tree */
	size_t directory_bytes;

	struct depmod_module *modules;
	unsigned module_count, module_capacity;
	struct base_map by_name; /* module number + 1 by hash of its name */

	struct depmod_worker *workers;
	unsigned worker_count;
	_Atomic unsigned next_module, done_modules;
	bool any_packed;

	struct depmod_symbol *symbols;
	unsigned symbol_count, symbol_capacity;
	uint32_t *symbol_slots, symbol_mask;
	uint32_t *sorted; /* modules in topological order */
};

void depmod_say(struct depmod *depmod, enum index_level level, const char *format, ...)
	BASE_PRINTF(3, 4);
/* Fills the run's error. */
int depmod_fail(struct depmod *depmod, int code, const char *subject, const char *format,
	...) BASE_PRINTF(4, 5);

/* depmod_config.c */
int depmod_config_read(struct depmod *depmod);
void depmod_config_free(struct depmod_config *config);

/* depmod_scan.c */
int depmod_scan(struct depmod *depmod);
int depmod_order(struct depmod *depmod);
bool depmod_is_excluded(const struct depmod_config *config, const char *name);
/* Reads the input file @name of the tree; its text ends with a NUL. -ENOENT: told. */
int depmod_read_input(
	struct depmod *depmod, const char *name, struct feature_buffer *out);

/*
 * Whether versions of imports are read: to compare them, or as kmod takes what has one
 * for an import and so tells if nothing exports it.
 */
static inline bool depmod_wants_versions(const struct index_depmod_options *options)
{
	return options->symvers || (options->report_unknown && options->system_map);
}
/* depmod_read.c: reads all modules, or takes them from the cache */
int depmod_read(struct depmod *depmod);
void depmod_worker_free(struct depmod_worker *worker);
/* The number of @name, or DEPMOD_NONE without memory. The name is copied. */
uint32_t depmod_name_number(
	struct depmod_worker *worker, const char *name, size_t length);

/* depmod_symbols.c */
int depmod_symbol_add(
	struct depmod *depmod, const char *name, uint64_t crc, uint32_t owner);
uint32_t depmod_symbol_find(const struct depmod *depmod, const char *name);
int depmod_kernel_symbols(struct depmod *depmod);
int depmod_resolve(struct depmod *depmod);

/* depmod_graph.c */
int depmod_sort(struct depmod *depmod);
/* What @module needs, all of it, in the order of modules.dep; in @out. */
struct depmod_closure {
	uint32_t *items, *stack, *seen;
	unsigned count;
};
int depmod_closure_setup(struct depmod *depmod, struct depmod_closure *closure);
void depmod_closure_fill(
	struct depmod *depmod, uint32_t module, struct depmod_closure *closure);
void depmod_closure_free(struct depmod_closure *closure);

/* depmod_text.c: what files hold */
int depmod_write_dep(struct depmod *depmod, struct index_text *text);
int depmod_write_dep_bin(struct depmod *depmod, struct index_text *text);
int depmod_write_alias(struct depmod *depmod, struct index_text *text);
int depmod_write_alias_bin(struct depmod *depmod, struct index_text *text);
int depmod_write_softdep(struct depmod *depmod, struct index_text *text);
int depmod_write_weakdep(struct depmod *depmod, struct index_text *text);
int depmod_write_symbols(struct depmod *depmod, struct index_text *text);
int depmod_write_symbols_bin(struct depmod *depmod, struct index_text *text);
int depmod_write_builtin_bin(struct depmod *depmod, struct index_text *text);
int depmod_write_builtin_alias_bin(struct depmod *depmod, struct index_text *text);
int depmod_write_devname(struct depmod *depmod, struct index_text *text);

/* depmod_files.c */
int depmod_output(struct depmod *depmod);
/* depmod_visit.c */
int depmod_visit(struct depmod *depmod);

/* depmod_cache.c: what an incremental run keeps */
int depmod_cache_write(struct depmod *depmod, struct index_text *text);
/* Fills modules from the cache as far as they have not changed. */
void depmod_cache_read(struct depmod *depmod);
#define DEPMOD_CACHE_NAME "modules.umod"

#endif
