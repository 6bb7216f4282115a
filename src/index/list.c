/* SPDX-License-Identifier: MIT */
/*
 * Lists of modules, as look-ups and plans answer with. A list owns its strings, so that
 * it outlives the tree.
 */
#include "index/index.h"

struct umod_modlist_item *index_list_add(
	struct umod_modlist *list, const char *name, const char *alias)
{
	struct umod_modlist_item item = { 0 };

	if (base_grow(&list->items, list->count, &list->capacity, sizeof(*list->items)) !=
		0)
		return NULL;
	item.name = index_pool_copy(&list->pool, name, strlen(name));
	if (alias)
		item.alias = index_pool_copy(&list->pool, alias, strlen(alias));
	if (!item.name || (alias && !item.alias))
		return NULL;
	list->items[list->count] = item;
	return &list->items[list->count++];
}

void index_list_free(struct umod_modlist *list)
{
	base_free(list->items);
	index_pool_free(&list->pool);
	memset(list, 0, sizeof(*list));
}

static bool means(
	const struct index_config_line *line, const char *name, const char *alias)
{
	return line->value[0] && (strcmp(line->name, name) == 0 ||
					 (alias && strcmp(line->name, alias) == 0));
}

int index_list_options(struct umod_modlist *list, const struct index_config *config,
	const char *name, const char *alias, const char **out)
{
	const struct index_config_lines *lines = &config->lines[INDEX_CONFIG_OPTIONS];
	size_t bytes = 0, used = 0;

	*out = NULL;
	for (unsigned i = 0; i < lines->count; i++) {
		if (means(&lines->items[i], name, alias))
			bytes += strlen(lines->items[i].value) + 1;
	}
	if (!bytes)
		return 0;
	BASE_AUTO_FREE char *text = base_alloc(bytes);
	if (!text)
		return -ENOMEM;
	for (unsigned i = 0; i < lines->count; i++) {
		if (!means(&lines->items[i], name, alias))
			continue;
		size_t length = strlen(lines->items[i].value);
		if (used)
			text[used++] = ' ';
		memcpy(text + used, lines->items[i].value, length);
		used += length;
	}
	*out = index_pool_copy(&list->pool, text, used);
	return *out ? 0 : -ENOMEM;
}
