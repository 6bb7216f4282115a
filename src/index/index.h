/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: module trees on disk, the reading side: index files, configuration, and which
 * modules a name means (the kmod side). The writing side is index/write.h.
 *
 * A tree is one immutable snapshot: it opens its files once, and nothing of it changes
 * until it is freed, so that any number of threads may ask it at once. Bytes of indexes
 * are untrusted: each offset is bounded where it is followed, and a search visits no more
 * nodes than the file has bytes, so that loops end.
 */
#ifndef UMOD_INDEX_INDEX_H
#define UMOD_INDEX_INDEX_H

#include "base/base.h"
#include "index/format.h"

#include <umod/kernel.h>
#include <umod/modtree.h>

/* ---- strings that live as long as their owner (pool.c) ---- */

struct index_pool {
	struct index_chunk *last;
	size_t left;
};
/* @length bytes and a NUL; NULL: no memory. */
char *index_pool_copy(struct index_pool *pool, const char *text, size_t length);
void index_pool_free(struct index_pool *pool);
/*
 * The texts in a row, ended by NULL, as one; NULL: no memory. printf would do, but drags
 * in pages that a look-up by a fresh process has no other use for.
 */
char *index_join(const char *first, ...) __attribute__((sentinel));
/* As base_sys_open, by libc's own function, which a shim may stand in for. */
int index_open(const char *path);

/* ---- patterns (pattern.c) ---- */

/*
 * Whether @text matches @pattern as fnmatch(3) without flags does in the C locale, in
 * time bounded by the product of their lengths.
 */
bool index_match(const char *pattern, const char *text);

/* ---- index files (file.c, trie.c, text.c) ---- */

enum index_kind {
	INDEX_DEP,
	INDEX_ALIAS,
	INDEX_SYMBOLS,
	INDEX_BUILTIN,
	INDEX_BUILTIN_ALIAS,
	INDEX_KIND_COUNT,
};

/* What an index answered. Strings are in a pool of the caller's. */
struct index_values {
	struct index_value {
		const char *text;
		uint32_t priority;
	} * items;
	unsigned count, capacity;
	struct index_pool pool;
};
void index_values_free(struct index_values *values);
/* Keeps them sorted as kmod does: by priority, the latest of equals first. */
int index_values_add(
	struct index_values *values, const char *text, size_t length, uint32_t priority);

struct index_file;
/* Memory of a file: a copy, or a mapping that each use guards against SIGBUS. */
struct index_bytes {
	const uint8_t *bytes;
	size_t count;
	bool mapped;
};
typedef int (*index_visit)(const char *key, const char *value, void *data);

/*
 * Opens the index @kind in @directory: its .bin, or, if that is not there or damaged, the
 * text that it was made from. -ENOENT: neither. What was wrong with the .bin is in
 * *@error even on success.
 */
int index_file_open(const char *directory, enum index_kind kind, bool map,
	struct index_file **out, struct umod_error *error);
/* The text alone. */
int index_file_open_text(const char *directory, enum index_kind kind, bool map,
	struct index_file **out, struct umod_error *error);
bool index_file_is_text(const struct index_file *file);
/* Borrowed. */
const char *index_file_path(const struct index_file *file);
/* From bytes that must stay: for tests. */
int index_file_open_buffer(enum index_kind kind, bool is_text, const void *bytes,
	size_t count, struct index_file **out, struct umod_error *error);
void index_file_free(struct index_file *file);
/* "dep", "alias", ...; static. */
const char *index_kind_name(enum index_kind kind);
/* The first value of @key: 1 and it added to @out, 0 for none, -ELIBBAD, -ENOMEM. */
int index_file_find(const struct index_file *file, const char *key,
	struct index_values *out, struct umod_error *error);
/* All values of keys that match @text as patterns. 0, -ELIBBAD, -ENOMEM. */
int index_file_search(const struct index_file *file, const char *text,
	struct index_values *out, struct umod_error *error);
/* Every key with every value, in the order of keys. What @visit returns ends it. */
int index_file_walk(const struct index_file *file, index_visit visit, void *data,
	struct umod_error *error);

/* One format: what file.c chooses from. @bytes are guarded already. */
struct index_format {
	int (*check)(const struct index_bytes *bytes, struct umod_error *error);
	int (*find)(const struct index_bytes *bytes, enum index_kind kind,
		const char *key, struct index_values *out, struct umod_error *error);
	int (*search)(const struct index_bytes *bytes, enum index_kind kind,
		const char *text, struct index_values *out, struct umod_error *error);
	int (*walk)(const struct index_bytes *bytes, enum index_kind kind,
		index_visit visit, void *data, struct umod_error *error);
};
extern const struct index_format index_trie_format, index_text_format;

/* ---- configuration (config.c, config_parse.c) ---- */

enum index_directive {
	INDEX_CONFIG_ALIAS,
	INDEX_CONFIG_BLACKLIST,
	INDEX_CONFIG_FORBID,
	INDEX_CONFIG_INSTALL,
	INDEX_CONFIG_OPTIONS,
	INDEX_CONFIG_REMOVE,
	INDEX_CONFIG_SOFTDEP,
	INDEX_CONFIG_WEAKDEP,
	INDEX_CONFIG_COUNT,
};
struct index_config_line {
	const char *name;  /* folded; a pattern in all but blacklist and options */
	const char *value; /* NULL where there is none */
	const char *file;  /* where it stands */
	unsigned line;
};
/* A file or directory as it was when it was read. */
struct index_stamp {
	const char *path;
	struct timespec changed;
	dev_t device;
	ino_t inode; /* 0: was not there */
	off_t bytes;
};
struct index_config {
	struct index_config_lines {
		struct index_config_line *items;
		unsigned count, capacity;
	} lines[INDEX_CONFIG_COUNT];
	struct index_stamp *stamps;
	unsigned stamp_count, stamp_capacity;
	struct index_pool pool;
};
/* Who is told what is wrong; never NULL as a pointer. */
struct index_complaints {
	void (*complain)(void *data, const char *message);
	void *data;
};
void index_complain(const struct index_complaints *to, const char *format, ...)
	BASE_PRINTF(2, 3);

/*
 * Reads @paths, NULL for the default directories, and modules.softdep and modules.weakdep
 * of @directory, unless that is NULL, among them. A bad line is passed over, a file too.
 * 0 or -ENOMEM.
 */
int index_config_read(struct index_config *config, const char *const *paths,
	const char *directory, const char *command_line,
	const struct index_complaints *complaints);
void index_config_free(struct index_config *config);
/* Notes what @path is now, @st or, where that is NULL, by a look at it. */
int index_config_stamp(
	struct index_config *config, const char *path, const struct stat *st);
/*
 * The next line at *@text, which moves behind it, ended with a NUL: in place, so that
 * @end[0] is written too. A backslash before the end of a line joins the next, and before
 * anything else stands for what follows it. @lines is how many it was.
 */
char *index_config_line(char **text, const char *end, unsigned *lines);
/* One file's bytes, which end with a NUL at bytes[count]; they are changed. */
int index_config_parse(struct index_config *config, const char *file, char *bytes,
	size_t count, const struct index_complaints *complaints);
/* A kernel command line; changed too. */
int index_config_parse_command_line(struct index_config *config, char *text);
const char *index_directive_name(enum index_directive directive);
/* The first line of @directive whose name, a pattern, matches @module; or NULL. */
const struct index_config_line *index_config_find(const struct index_config *config,
	enum index_directive directive, const char *module);

/* A whole file, with a NUL behind it. The caller frees *@out. */
int index_read_file(const char *path, char **out, size_t *count, struct stat *st);

/* ---- trees (tree.c) ---- */

struct index_tree {
	atomic_uint references;
	char *directory;
	/* Opened with the tree, or, if they are mapped, at their first use, by lock. */
	struct index_slot {
		_Atomic(struct index_file *) file; /* NULL: not there */
		struct index_file *damaged;        /* its text is read instead, by lock */
		atomic_bool tried;
	} slots[INDEX_KIND_COUNT];
	bool map;
	pthread_mutex_t lock;
	struct index_config config;
	struct index_complaints complaints;
};
int index_tree_new(const struct umod_modtree_options *options, struct index_tree **out,
	struct umod_error *error);
void index_tree_unref(struct index_tree *tree);
bool index_tree_is_stale(const struct index_tree *tree);
/* NULL: it is not there. */
struct index_file *index_tree_file(
	const struct index_tree *tree, enum index_kind kind, int *error);
/*
 * As index_file_find and _search. Where a .bin proves damaged its text is asked instead,
 * from then on; where there is none, or the index is missing, it has nothing.
 */
int index_tree_find(const struct index_tree *tree, enum index_kind kind, const char *key,
	struct index_values *out);
int index_tree_search(const struct index_tree *tree, enum index_kind kind,
	const char *text, struct index_values *out);
/* As index_file_walk; a damaged .bin is given up before anything of it is visited. */
int index_tree_walk(const struct index_tree *tree, enum index_kind kind,
	index_visit visit, void *data, struct umod_error *error);
int index_builtin_info(const struct index_tree *tree, const char *module,
	index_visit visit, void *data, struct umod_error *error);

/* ---- lists (list.c) ---- */

struct umod_modlist {
	struct umod_modlist_item *items;
	unsigned count, capacity;
	struct index_pool pool;
};
/* Adds an item; strings are copied; NULL: no memory. */
struct umod_modlist_item *index_list_add(
	struct umod_modlist *list, const char *name, const char *alias);
void index_list_free(struct umod_modlist *list);
/*
 * The options of the configuration for @name and @alias (may be NULL), joined, in the
 * list's pool: 0 and *@out, NULL where there are none; or -ENOMEM.
 */
int index_list_options(struct umod_modlist *list, const struct index_config *config,
	const char *name, const char *alias, const char **out);

/* ---- resolving (resolve.c, plan.c) ---- */

/* Appends what @name means to @list. -ENOENT: nothing; -EINVAL: brackets. */
int index_resolve(const struct index_tree *tree, const char *name,
	struct umod_modlist *list, struct umod_error *error);
int index_resolve_name(const struct index_tree *tree, const char *name,
	struct umod_modlist *list, struct umod_error *error);
/* @path of a module, in the list's pool or NULL, and what it depends on, appended. */
int index_dependencies(const struct index_tree *tree, const char *module,
	struct umod_modlist *list, const char **path);
int index_softdeps(const struct index_tree *tree, const char *module,
	enum umod_softdep which, struct umod_modlist *list);
bool index_is_builtin(const struct index_tree *tree, const char *module);
bool index_is_blacklisted(const struct index_tree *tree, const char *module);
int index_plan(const struct index_tree *tree, const char *module, const char *alias,
	const char *path, unsigned flags, struct umod_modlist *list,
	struct umod_error *error);

#endif
