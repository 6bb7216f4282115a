/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: depmod. Reads every module of a tree once, works out who needs whom, and
 * writes the tree's index files, or shows them. What is wrong with one module is told,
 * and the rest still done.
 *
 * One run is one call; several may go on at once, each with its own options. Messages
 * come from the calling thread alone.
 */
#ifndef UMOD_INDEX_DEPMOD_H
#define UMOD_INDEX_DEPMOD_H

#include "base/base.h"

enum index_level {
	INDEX_ERROR,
	INDEX_WARNING,
	INDEX_INFO, /* for who asked to be told more */
	INDEX_SHOW, /* "A needs SYMBOL: B" */
};

/* What is made of a tree. */
enum index_depmod_target {
	INDEX_TO_FILES, /* in `output` */
	INDEX_TO_TEXT,  /* the text files, one after the other, through `emit` */
	INDEX_TO_VISIT, /* each module, through `visit` */
};

/* What is known of a module. Strings and arrays last until `visit` returns. */
struct index_depmod_module {
	const char *name;
	const char *path;         /* as in modules.dep */
	const char *const *needs; /* paths, all of them, in the order of modules.dep */
	const char *const
		*values; /* aliases, then softdeps, then weakdeps, then exports */
	unsigned need_count, alias_count, softdep_count, weakdep_count, export_count;
	const char *error; /* it could not be read, or not all of it; or NULL */
};

struct index_depmod_options {
	const char *directory; /* of the tree, as "/lib/modules/6.1.0" */
	const char *output;    /* where files are written; NULL: in directory */
	const char *release;   /* what patterns of depmod.d are matched with */
	/* Configuration files or directories, ended by NULL; NULL: depmod.d as kmod. */
	const char *const *config_paths;
	/* Module files with absolute paths, ended by NULL, in place of all; or NULL. */
	const char *const *files;
	const char *symvers, *system_map; /* the kernel's own symbols; or NULL */
	char symbol_prefix;               /* '\0': none */
	bool report_unknown, warn_duplicates, show_needs;
	/* Take what has not changed since the last such run from modules.umod in output,
	 * and leave it there. */
	bool incremental;
	enum index_depmod_target target;
	unsigned threads; /* 0: as many as help */

	/* Each may be NULL. */
	void (*say)(void *data, enum index_level level, const char *message);
	void (*progress)(void *data, unsigned done, unsigned total);
	/* 0, or a negative errno, which ends the run. */
	int (*emit)(void *data, const char *bytes, size_t count);
	int (*visit)(void *data, const struct index_depmod_module *module);
	void *data;
};

/* What a run did. */
struct index_depmod_result {
	unsigned modules, read, reused, failed, cyclic;
};

/*
 * Runs. 0, also when single modules could not be read; or a negative errno when nothing
 * was written, with the reason in @error: -ENOENT no such tree, -ELOOP dependency cycles
 * (each told by `say`), -ENOMEM, -EIO and others of writing.
 */
int index_depmod_run(const struct index_depmod_options *options,
	struct index_depmod_result *result, struct umod_error *error);

/*
 * Whether modules.dep in options->output is at least as new as each module of the tree.
 * 1 or 0, or a negative errno.
 */
int index_depmod_is_current(const struct index_depmod_options *options);

#endif
