/* SPDX-License-Identifier: MIT */
/*
 * Public functions over a module tree: arguments are checked, names folded and lists
 * handed out; index/ does the rest.
 */
#include "index/index.h"

#define PUBLIC(tree) ((const struct index_tree *)(tree))

UMOD_EXPORT int umod_modtree_new(const struct umod_modtree_options *options,
	struct umod_modtree **out, struct umod_error *error)
{
	struct umod_modtree_options own = UMOD_MODTREE_OPTIONS_INIT;
	struct index_tree *tree;

	*out = NULL;
	if (options) {
		if (options->size_bytes < sizeof(options->size_bytes))
			return base_error(error, UMOD_STAGE_NONE, -EINVAL, NULL,
				"the options of a module tree do not tell their size");
		memcpy(&own, options,
			options->size_bytes < sizeof(own) ? options->size_bytes
							  : sizeof(own));
	}
	int err = index_tree_new(&own, &tree, error);
	if (!err)
		*out = (struct umod_modtree *)tree;
	return err;
}

UMOD_EXPORT struct umod_modtree *umod_modtree_ref(struct umod_modtree *tree)
{
	atomic_fetch_add_explicit(
		&((struct index_tree *)tree)->references, 1, memory_order_relaxed);
	return tree;
}

UMOD_EXPORT void umod_modtree_unref(struct umod_modtree *tree)
{
	if (tree)
		index_tree_unref((struct index_tree *)tree);
}

UMOD_EXPORT const char *umod_modtree_directory(const struct umod_modtree *tree)
{
	return PUBLIC(tree)->directory;
}

UMOD_EXPORT bool umod_modtree_is_stale(const struct umod_modtree *tree)
{
	return index_tree_is_stale(PUBLIC(tree));
}

/* ---- lists ---- */

UMOD_EXPORT const struct umod_modlist_item *umod_modlist_item(
	const struct umod_modlist *list, size_t index)
{
	return list && index < list->count ? &list->items[index] : NULL;
}

UMOD_EXPORT size_t umod_modlist_count(const struct umod_modlist *list)
{
	return list ? list->count : 0;
}

UMOD_EXPORT void umod_modlist_free(struct umod_modlist *list)
{
	if (!list)
		return;
	index_list_free(list);
	base_free(list);
}

static int new_list(struct umod_modlist **out, struct umod_error *error)
{
	*out = base_zalloc(sizeof(**out));
	return *out ? 0
		    : base_error(error, UMOD_STAGE_LOOKUP, -ENOMEM, NULL,
			      "no memory for a list of modules");
}

/* Hands the list out, or frees it. */
static int finish(struct umod_modlist **list, int err, struct umod_error *error)
{
	if (!err)
		return 0;
	umod_modlist_free(*list);
	*list = NULL;
	return base_error(error, UMOD_STAGE_LOOKUP, err, NULL, "%s", strerror(-err));
}

/* @name folded, or "" where it is too long to be one. */
struct folded {
	char name[INDEX_NAME_BYTES];
};
static const char *fold(const char *name, struct folded *out)
{
	index_fold_name(name, out->name, sizeof(out->name));
	return out->name;
}

/* ---- questions ---- */

UMOD_EXPORT int umod_modtree_lookup(const struct umod_modtree *tree, const char *name,
	struct umod_modlist **out, struct umod_error *error)
{
	int err = new_list(out, error);

	return err ? err
		   : finish(out, index_resolve(PUBLIC(tree), name, *out, error), error);
}

UMOD_EXPORT int umod_modtree_lookup_name(const struct umod_modtree *tree,
	const char *name, struct umod_modlist **out, struct umod_error *error)
{
	int err = new_list(out, error);

	return err ? err
		   : finish(out, index_resolve_name(PUBLIC(tree), name, *out, error),
			     error);
}

UMOD_EXPORT int umod_modtree_plan(const struct umod_modtree *tree, const char *module,
	const char *alias, const char *path, unsigned flags, struct umod_modlist **out,
	struct umod_error *error)
{
	struct folded folded;
	int err = new_list(out, error);

	if (err)
		return err;
	err = index_plan(
		PUBLIC(tree), fold(module, &folded), alias, path, flags, *out, error);
	return finish(out, err, error);
}

UMOD_EXPORT int umod_modtree_dependencies(const struct umod_modtree *tree,
	const char *module, struct umod_modlist **out, struct umod_error *error)
{
	struct folded folded;
	const char *path;
	int err = new_list(out, error);

	if (err)
		return err;
	err = index_dependencies(PUBLIC(tree), fold(module, &folded), *out, &path);
	return finish(out, err, error);
}

UMOD_EXPORT int umod_modtree_softdeps(const struct umod_modtree *tree, const char *module,
	enum umod_softdep which, struct umod_modlist **out, struct umod_error *error)
{
	struct folded folded;
	int err = new_list(out, error);

	return err ? err
		   : finish(out,
			     index_softdeps(
				     PUBLIC(tree), fold(module, &folded), which, *out),
			     error);
}

UMOD_EXPORT char *umod_modtree_path(const struct umod_modtree *tree, const char *module)
{
	struct umod_modlist list = { 0 };
	struct folded folded;
	const char *path;
	char *copy = NULL;

	if (index_dependencies(PUBLIC(tree), fold(module, &folded), &list, &path) == 0 &&
		path)
		copy = base_strdup(path);
	index_list_free(&list);
	return copy;
}

UMOD_EXPORT const char *umod_modtree_remove_command(
	const struct umod_modtree *tree, const char *module)
{
	struct folded folded;
	const struct index_config_line *line = index_config_find(
		&PUBLIC(tree)->config, INDEX_CONFIG_REMOVE, fold(module, &folded));

	return line ? line->value : NULL;
}

UMOD_EXPORT bool umod_modtree_is_builtin(
	const struct umod_modtree *tree, const char *module)
{
	struct folded folded;

	return index_is_builtin(PUBLIC(tree), fold(module, &folded));
}

UMOD_EXPORT bool umod_modtree_is_blacklisted(
	const struct umod_modtree *tree, const char *module)
{
	struct folded folded;

	return index_is_blacklisted(PUBLIC(tree), fold(module, &folded));
}

/* ---- all there is ---- */

UMOD_EXPORT int umod_modtree_config_visit(const struct umod_modtree *tree,
	const char *directive,
	int (*visit)(const char *name, const char *value, void *data), void *data)
{
	for (unsigned d = 0; d < INDEX_CONFIG_COUNT; d++) {
		const struct index_config_lines *lines = &PUBLIC(tree)->config.lines[d];
		int err = 0;
		if (strcmp(index_directive_name(d), directive) != 0)
			continue;
		for (unsigned i = 0; !err && i < lines->count; i++)
			err = visit(lines->items[i].name, lines->items[i].value, data);
		return err;
	}
	return -EINVAL;
}

UMOD_EXPORT int umod_modtree_index_visit(const struct umod_modtree *tree,
	const char *index, int (*visit)(const char *key, const char *value, void *data),
	void *data, struct umod_error *error)
{
	for (unsigned kind = 0; kind < INDEX_KIND_COUNT; kind++) {
		if (strcmp(index_kind_name(kind), index) != 0)
			continue;
		return index_tree_walk(PUBLIC(tree), kind, visit, data, error);
	}
	return base_error(
		error, UMOD_STAGE_NONE, -EINVAL, index, "there is no index %s", index);
}

UMOD_EXPORT int umod_modtree_builtin_info(const struct umod_modtree *tree,
	const char *module, int (*visit)(const char *key, const char *value, void *data),
	void *data, struct umod_error *error)
{
	return index_builtin_info(PUBLIC(tree), module, visit, data, error);
}
