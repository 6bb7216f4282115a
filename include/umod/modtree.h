/* SPDX-License-Identifier: MIT */
/*
 * umod/modtree.h: the tree of a kernel's modules on disk (/lib/modules/RELEASE): its
 * indexes, as depmod writes them, and the configuration of modprobe.d. Which modules a
 * name or an alias means, what they need, with which options and commands they are
 * loaded.
 *
 * A tree is one snapshot: its indexes and its configuration are read when it is made, and
 * do not change afterwards. It is reference counted; any number of threads may ask one
 * tree at the same time. Nothing here loads a module; see umod/kernel.h.
 *
 * Names of modules are compared as kmod does: '-' means '_'.
 */
#ifndef UMOD_MODTREE_H
#define UMOD_MODTREE_H

#include <umod/context.h>
#include <umod/error.h>

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct umod_modtree;
struct umod_modlist;

/* Later versions only add members at the end. Strings are copied. */
struct umod_modtree_options {
	size_t size_bytes;
	/* Directory in which lib/modules is; NULL: "/". */
	const char *root;
	/* Kernel release; NULL: the running kernel's. */
	const char *release;
	/* The tree itself, in place of ROOT/lib/modules/RELEASE; NULL: that. */
	const char *directory;
	/* Configuration files or directories, first wins, ended by NULL, in place of
	 * modprobe.d in /etc, /run, /usr/local/lib, /usr/lib and /lib. NULL: those. */
	const char *const *config_paths;
	/* The kernel's command line; NULL: /proc/cmdline. "" for none. */
	const char *command_line;
	/* Map each index at its first use rather than read all into memory now: cheaper
	 * for few look-ups. An index that depmod replaces before is then the new one, and
	 * a file that is cut short meanwhile counts as damaged. */
	bool map_indexes;
	/* Read no configuration at all. */
	bool no_config;
	/* Only names will be looked up: read neither the softdeps of the tree, nor the
	 * kernel's command line. */
	bool only_names;
	/* Told what is wrong in a file that is then passed over: a bad line, a damaged
	 * index. One sentence, without a newline. May be called from any call that takes
	 * the tree, by the thread that calls. NULL: nobody is. */
	void (*complain)(void *data, const char *message);
	void *data;
};
#define UMOD_MODTREE_OPTIONS_INIT UMOD_OPTIONS_INIT(struct umod_modtree_options)

/*
 * Reads a tree. @options NULL: the defaults. On success 0, and *@out holds one reference;
 * on failure -ENOMEM, -EINVAL or -ENAMETOOLONG, and *@out is NULL. Indexes that are not
 * there, or damaged, count as empty. Since 0.1.
 */
int umod_modtree_new(const struct umod_modtree_options *options,
	struct umod_modtree **out, struct umod_error *error);
/* Takes one more reference and returns @tree. Since 0.1. */
struct umod_modtree *umod_modtree_ref(struct umod_modtree *tree);
/* Gives one reference back. NULL is ignored. Since 0.1. */
void umod_modtree_unref(struct umod_modtree *tree);
/* The tree's directory; borrowed. Since 0.1. */
const char *umod_modtree_directory(const struct umod_modtree *tree);
/*
 * True when a file or directory that the tree was read from has changed since, so that a
 * new tree would answer otherwise. Since 0.1.
 */
bool umod_modtree_is_stale(const struct umod_modtree *tree);

/* A module in a list. Strings are borrowed from the list. */
struct umod_modlist_item {
	const char *name;
	/* What it was found under, if that was an alias; else NULL. */
	const char *alias;
	/* Its file; NULL: built into the kernel, or unknown. */
	const char *path;
	/* Options of the configuration, joined; NULL: none. */
	const char *options;
	/* The command that stands for its loading; NULL: none, or passed over. */
	const char *command;
	bool builtin;
	/* Asked for, or needed by what was; else only wanted by a softdep. */
	bool required;
};

/* Borrowed from @list; NULL past the last. Since 0.1. */
const struct umod_modlist_item *umod_modlist_item(
	const struct umod_modlist *list, size_t index);
/* NULL has none. Since 0.1. */
size_t umod_modlist_count(const struct umod_modlist *list);
/* NULL is ignored. Since 0.1. */
void umod_modlist_free(struct umod_modlist *list);

/*
 * The modules that @name, a module's name or an alias, means, in the order of loading.
 * Asked in this order, the first that knows it answers: aliases of the configuration,
 * modules.dep, modules.symbols (for "symbol:NAME"), install and remove commands,
 * modules.alias, built-in modules, aliases of built-in modules. Items have name, alias,
 * builtin. On success 0, and *@out is the caller's. -ENOENT: unknown; -EINVAL: brackets
 * without a partner; -ENOMEM. Since 0.1.
 */
int umod_modtree_lookup(const struct umod_modtree *tree, const char *name,
	struct umod_modlist **out, struct umod_error *error);
/* The same, but only by a module's own name: modules.dep, then built-in. Since 0.1. */
int umod_modtree_lookup_name(const struct umod_modtree *tree, const char *name,
	struct umod_modlist **out, struct umod_error *error);

/* umod_modtree_plan: the module's own commands and softdeps do not count. */
#define UMOD_PLAN_IGNORE_COMMANDS 1u

/*
 * What must be loaded for @module, a name from a lookup, in this order: what it depends
 * on, softdeps, itself. @alias: what it was looked up by, or NULL; @path: its file, or
 * NULL for that of modules.dep. -EPERM: the configuration forbids a module in it;
 * -ELOOP: softdeps nested too deeply; -ENOMEM. *@out is the caller's. Since 0.1.
 */
int umod_modtree_plan(const struct umod_modtree *tree, const char *module,
	const char *alias, const char *path, unsigned flags, struct umod_modlist **out,
	struct umod_error *error);

/* What @module depends on, by modules.dep, in the order of loading. Since 0.1. */
int umod_modtree_dependencies(const struct umod_modtree *tree, const char *module,
	struct umod_modlist **out, struct umod_error *error);

enum umod_softdep {
	UMOD_SOFTDEP_PRE,
	UMOD_SOFTDEP_POST,
	UMOD_SOFTDEP_WEAK, /* of weakdep lines */
};
/* The modules that softdeps of @module mean, all such lines together. Since 0.1. */
int umod_modtree_softdeps(const struct umod_modtree *tree, const char *module,
	enum umod_softdep which, struct umod_modlist **out, struct umod_error *error);

/* The file of @module by modules.dep, to be freed with free(3), or NULL. Since 0.1. */
char *umod_modtree_path(const struct umod_modtree *tree, const char *module);
/* The command of `remove` for @module; borrowed from @tree, or NULL. Since 0.1. */
const char *umod_modtree_remove_command(
	const struct umod_modtree *tree, const char *module);
/* Since 0.1. */
bool umod_modtree_is_builtin(const struct umod_modtree *tree, const char *module);
/* Named by a `blacklist` line. Since 0.1. */
bool umod_modtree_is_blacklisted(const struct umod_modtree *tree, const char *module);

/*
 * Calls @visit for each line of configuration of one directive, "alias", "options",
 * "install", "remove", "blacklist", "softdep", "weakdep" or "forbid", in their order,
 * until it returns something else than 0, which is returned. @value is NULL for blacklist
 * and forbid. -EINVAL: no directive. Since 0.1.
 */
int umod_modtree_config_visit(const struct umod_modtree *tree, const char *directive,
	int (*visit)(const char *name, const char *value, void *data), void *data);

/*
 * Calls @visit for each entry of an index, "dep", "alias", "symbols", "builtin" or
 * "builtin.alias", sorted by key, as umod_modtree_config_visit. Since 0.1.
 */
int umod_modtree_index_visit(const struct umod_modtree *tree, const char *index,
	int (*visit)(const char *key, const char *value, void *data), void *data,
	struct umod_error *error);

/*
 * Calls @visit for each field of a built-in module, from modules.builtin.modinfo, which
 * is read for each call. -ENOENT: it has none. Since 0.1.
 */
int umod_modtree_builtin_info(const struct umod_modtree *tree, const char *module,
	int (*visit)(const char *key, const char *value, void *data), void *data,
	struct umod_error *error);

#ifdef __cplusplus
}
#endif
#endif
