/* SPDX-License-Identifier: MIT */
/*
 * What a name means: the order in which configuration and indexes are asked, and what
 * modules.dep and softdeps say of a module. What is loaded in which order is plan.c's.
 */
#include "index/index.h"

static int add_item(
	struct umod_modlist *list, const char *name, const char *alias, bool builtin)
{
	struct umod_modlist_item *item = index_list_add(list, name, alias);

	if (!item)
		return -ENOMEM;
	item->builtin = builtin;
	return 0;
}

/* Each: the number of modules added, or a negative errno. */

static int ask_config_aliases(
	const struct index_tree *tree, const char *name, struct umod_modlist *list)
{
	const struct index_config_lines *lines = &tree->config.lines[INDEX_CONFIG_ALIAS];
	int added = 0;

	for (unsigned i = 0; i < lines->count; i++) {
		const struct index_config_line *line = &lines->items[i];
		if (!index_match(line->name, name))
			continue;
		if (add_item(list, line->value, line->name, false) != 0)
			return -ENOMEM;
		added++;
	}
	return added;
}

static int ask_exact(const struct index_tree *tree, enum index_kind kind,
	const char *name, bool builtin, struct umod_modlist *list)
{
	struct index_values values = { 0 };

	/* No module has a colon in its name, but most aliases have. */
	if (strchr(name, ':'))
		return 0;
	int found = index_tree_find(tree, kind, name, &values);
	index_values_free(&values);
	if (found <= 0)
		return found;
	return add_item(list, name, NULL, builtin) ? -ENOMEM : 1;
}

static int ask_aliases(const struct index_tree *tree, enum index_kind kind,
	const char *name, bool builtin, struct umod_modlist *list)
{
	struct index_values values = { 0 };
	int err = index_tree_search(tree, kind, name, &values);

	for (unsigned i = 0; !err && i < values.count; i++)
		err = add_item(list, values.items[i].text, name, builtin);
	int added = err ? err : (int)values.count;
	index_values_free(&values);
	return added;
}

static int ask_commands(
	const struct index_tree *tree, const char *name, struct umod_modlist *list)
{
	static const enum index_directive directives[] = { INDEX_CONFIG_INSTALL,
		INDEX_CONFIG_REMOVE };

	for (unsigned d = 0; d < base_array_count(directives); d++) {
		const struct index_config_lines *lines =
			&tree->config.lines[directives[d]];
		for (unsigned i = 0; i < lines->count; i++) {
			if (strcmp(lines->items[i].name, name) == 0)
				return add_item(list, name, NULL, false) ? -ENOMEM : 1;
		}
	}
	return 0;
}

static int ask(const struct index_tree *tree, const char *name, struct umod_modlist *list)
{
	int added = ask_config_aliases(tree, name, list);

	if (!added)
		added = ask_exact(tree, INDEX_DEP, name, false, list);
	if (!added && strncmp(name, "symbol:", 7) == 0)
		added = ask_aliases(tree, INDEX_SYMBOLS, name, false, list);
	if (!added)
		added = ask_commands(tree, name, list);
	if (!added)
		added = ask_aliases(tree, INDEX_ALIAS, name, false, list);
	if (!added)
		added = ask_exact(tree, INDEX_BUILTIN, name, true, list);
	if (!added)
		added = ask_aliases(tree, INDEX_BUILTIN_ALIAS, name, true, list);
	return added;
}

static int unknown(int added, const char *name, struct umod_error *error)
{
	if (added > 0)
		return 0;
	if (added < 0)
		return base_error(
			error, UMOD_STAGE_LOOKUP, added, name, "%s", strerror(-added));
	return base_error(
		error, UMOD_STAGE_LOOKUP, -ENOENT, name, "no module is called so");
}

int index_resolve(const struct index_tree *tree, const char *name,
	struct umod_modlist *list, struct umod_error *error)
{
	char folded[INDEX_NAME_BYTES];
	int length = index_fold_alias(name, folded, sizeof(folded));

	if (length < 0)
		return base_error(error, UMOD_STAGE_LOOKUP, length, name,
			length == -EINVAL ? "a bracket has no partner"
					  : "the name is too long");
	return unknown(ask(tree, folded, list), name, error);
}

int index_resolve_name(const struct index_tree *tree, const char *name,
	struct umod_modlist *list, struct umod_error *error)
{
	char folded[INDEX_NAME_BYTES];

	if (index_fold_name(name, folded, sizeof(folded)) == 0)
		return unknown(0, name, error);
	/* As kmod does, which cuts a suffix off so. */
	folded[strcspn(folded, ".")] = '\0';
	int added = ask_exact(tree, INDEX_DEP, folded, false, list);
	if (!added)
		added = ask_exact(tree, INDEX_BUILTIN, folded, true, list);
	if (!added)
		added = ask_aliases(tree, INDEX_BUILTIN_ALIAS, folded, true, list);
	return unknown(added, name, error);
}

/* ---- modules.dep ---- */

/* @path of modules.dep as a path of this system, in the list's pool. */
static const char *full_path(
	const struct index_tree *tree, const char *path, struct umod_modlist *list)
{
	if (path[0] == '/')
		return index_pool_copy(&list->pool, path, strlen(path));
	BASE_AUTO_FREE char *full = index_join(tree->directory, "/", path, NULL);
	return full ? index_pool_copy(&list->pool, full, strlen(full)) : NULL;
}

/* "path: dependency dependency", the last to be loaded first. @line is changed. */
static int parse_line(const struct index_tree *tree, char *line,
	struct umod_modlist *list, const char **path)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return 0;
	*colon = '\0';
	*path = full_path(tree, line, list);
	if (!*path)
		return -ENOMEM;
	char *start = colon + 1, *p = start + strlen(start);
	while (p > start) {
		char name[INDEX_NAME_BYTES];
		while (p > start && (p[-1] == ' ' || p[-1] == '\t'))
			*--p = '\0';
		while (p > start && p[-1] != ' ' && p[-1] != '\t')
			p--;
		if (!*p || index_name_of_path(p, name, sizeof(name)) == 0)
			continue;
		struct umod_modlist_item *item = index_list_add(list, name, NULL);
		if (!item)
			return -ENOMEM;
		item->path = full_path(tree, p, list);
		if (!item->path)
			return -ENOMEM;
		*p = '\0';
	}
	return 0;
}

int index_dependencies(const struct index_tree *tree, const char *module,
	struct umod_modlist *list, const char **path)
{
	struct index_values values = { 0 };
	int found = index_tree_find(tree, INDEX_DEP, module, &values), err = 0;

	*path = NULL;
	if (found < 0)
		err = found;
	else if (found) {
		BASE_AUTO_FREE char *line = base_strdup(values.items[0].text);
		err = line ? parse_line(tree, line, list, path) : -ENOMEM;
	}
	index_values_free(&values);
	return err;
}

/* ---- softdeps ---- */

/* Looks each word up of the parts of @text that are for @which. */
static int add_softdeps(const struct index_tree *tree, const char *text,
	enum umod_softdep which, struct umod_modlist *list)
{
	BASE_AUTO_FREE char *copy = base_strdup(text);
	char *rest = copy, *word;
	bool ours = which == UMOD_SOFTDEP_WEAK;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	while (!err && (word = strsep(&rest, " ")) != NULL) {
		if (which != UMOD_SOFTDEP_WEAK && strcmp(word, "pre:") == 0) {
			ours = which == UMOD_SOFTDEP_PRE;
		} else if (which != UMOD_SOFTDEP_WEAK && strcmp(word, "post:") == 0) {
			ours = which == UMOD_SOFTDEP_POST;
		} else if (ours && *word) {
			err = index_resolve(tree, word, list, NULL);
			/* What is not there is not wanted. */
			if (err == -ENOENT || err == -EINVAL || err == -ENAMETOOLONG)
				err = 0;
		}
	}
	return err;
}

int index_softdeps(const struct index_tree *tree, const char *module,
	enum umod_softdep which, struct umod_modlist *list)
{
	enum index_directive directive =
		which == UMOD_SOFTDEP_WEAK ? INDEX_CONFIG_WEAKDEP : INDEX_CONFIG_SOFTDEP;
	const struct index_config_lines *lines = &tree->config.lines[directive];
	int err = 0;

	for (unsigned i = 0; !err && i < lines->count; i++) {
		if (index_match(lines->items[i].name, module))
			err = add_softdeps(tree, lines->items[i].value, which, list);
	}
	return err;
}

/* ---- what a module is ---- */

bool index_is_builtin(const struct index_tree *tree, const char *module)
{
	struct index_values values = { 0 };
	int found = index_tree_find(tree, INDEX_BUILTIN, module, &values);

	index_values_free(&values);
	return found > 0;
}

bool index_is_blacklisted(const struct index_tree *tree, const char *module)
{
	const struct index_config_lines *lines =
		&tree->config.lines[INDEX_CONFIG_BLACKLIST];

	for (unsigned i = 0; i < lines->count; i++) {
		if (strcmp(lines->items[i].name, module) == 0)
			return true;
	}
	return false;
}
