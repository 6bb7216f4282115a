/* SPDX-License-Identifier: MIT */
/*
 * The directories that a search for somebody tries, in their order, for those who ask
 * before or without one: dlinfo(3). Looks for no file.
 */
#include "find/internal.h"

struct walk {
	struct find_config *config;
	find_place *visit;
	void *data;
};

static int visit_list(
	const struct walk *walk, const struct find_list *list, enum find_how how)
{
	int result = 0;
	for (unsigned i = 0; list && !result && i < list->count; i++) {
		const struct find_dir *dir = list->dirs[i];
		size_t length = dir->length > 1 ? dir->length - 1 : dir->length;
		result = length ? walk->visit(dir->name, length, how, walk->data)
				: walk->visit(".", 1, how, walk->data);
	}
	return result;
}

static int visit_text(const struct walk *walk, const char *text,
	const struct find_asker *owner, enum find_how how)
{
	struct find_list *list;
	int result = find_list_get(walk->config, text, ":", owner->path, &list);
	return result ? result : visit_list(walk, list, how);
}

static int visit_rpaths(const struct walk *walk, const struct find_asker *asker)
{
	const struct find_asker *program = walk->config->program;
	bool did_main = false;
	int result = 0;
	for (const struct find_asker *a = asker; a && !result; a = a->loader) {
		did_main |= a->is_main;
		if (a->rpath && !a->runpath)
			result = visit_text(walk, a->rpath, a, FIND_RPATH);
	}
	if (!result && !did_main && program && program->rpath && !program->runpath)
		result = visit_text(walk, program->rpath, program, FIND_RPATH);
	return result;
}

int find_places(struct find_config *config, const struct find_asker *asker,
	find_place *visit, void *data)
{
	const struct walk walk = { config, visit, data };
	struct find_list *list = NULL;
	int result = asker->runpath ? 0 : visit_rpaths(&walk, asker);
	if (!result)
		result = find_library_list(config, &list);
	if (!result)
		result = visit_list(&walk, list, FIND_LIBRARY_PATH);
	if (!result && asker->runpath)
		result = visit_text(&walk, asker->runpath, asker, FIND_RUNPATH);
	if (!result && !asker->no_default_lib)
		result = find_default_list(config, &list);
	if (!result && !asker->no_default_lib)
		result = visit_list(&walk, list, FIND_DEFAULT);
	return result;
}
