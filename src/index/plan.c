/* SPDX-License-Identifier: MIT */
/*
 * What is loaded for a module, in which order: before each module what it depends on and
 * its softdeps of "pre:", after it those of "post:". Decides nothing of what is loaded
 * already, and runs nothing.
 *
 * A softdep goes its own way: what fails there is left out. What the module itself
 * depends on is required, and a forbidden module there ends the plan.
 */
#include "feature/feature.h"
#include "index/index.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_LIMIT 256
/* A module's fields are most often among so many bytes. */
#define FIRST_BYTES ((size_t)40 << 10)

/* A module that the plan has come by; its alias is part of what it is. */
struct seen {
	uint64_t key;
	const char *name, *alias;
};

struct plan {
	const struct index_tree *tree;
	struct umod_modlist *list;
	struct umod_error *error;
	struct seen *seen;
	unsigned seen_count, seen_capacity;
	struct base_map map;                 /* by key, to index + 1 in seen */
	const struct umod_modlist *required; /* what the module depends on */
	const struct umod_modlist_item *asked;
	unsigned depth;
};

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* 1 if it was seen before, 0 and it is noted if not. */
static int see(struct plan *plan, const struct umod_modlist_item *module)
{
	uint64_t key = base_hash_bytes(module->name, strlen(module->name));
	size_t cursor = 0;
	void *value;

	if (module->alias)
		key ^= base_mix(base_hash_bytes(module->alias, strlen(module->alias)));
	while ((value = base_map_next(&plan->map, key, &cursor)) != NULL) {
		const struct seen *seen = &plan->seen[(uintptr_t)value - 1];
		if (strcmp(seen->name, module->name) == 0 &&
			same(seen->alias, module->alias))
			return 1;
	}
	if (base_grow(&plan->seen, plan->seen_count, &plan->seen_capacity,
		    sizeof(*plan->seen)) != 0)
		return -ENOMEM;
	struct index_pool *pool = &plan->list->pool;
	struct seen seen = { key,
		index_pool_copy(pool, module->name, strlen(module->name)),
		module->alias
			? index_pool_copy(pool, module->alias, strlen(module->alias))
			: NULL };
	if (!seen.name || (module->alias && !seen.alias))
		return -ENOMEM;
	plan->seen[plan->seen_count++] = seen;
	return base_map_put(&plan->map, key, (void *)(uintptr_t)plan->seen_count);
}

static bool is_required(const struct plan *plan, const struct umod_modlist_item *module)
{
	if (strcmp(module->name, plan->asked->name) == 0 &&
		same(module->alias, plan->asked->alias))
		return true;
	if (module->alias)
		return false;
	for (unsigned i = 0; i < plan->required->count; i++) {
		if (strcmp(plan->required->items[i].name, module->name) == 0)
			return true;
	}
	return false;
}

/* ---- what is forbidden ---- */

static int forbidden_name(struct plan *plan, const char *name, const char *needed_by)
{
	const struct index_config_line *line =
		index_config_find(&plan->tree->config, INDEX_CONFIG_FORBID, name);

	if (!line)
		return 0;
	return base_error(plan->error, UMOD_STAGE_ADMIT, -EPERM, name,
		"%s%s%s%s is forbidden by %s line %u", name, needed_by ? ", which " : "",
		needed_by ? needed_by : "", needed_by ? " depends on," : "", line->file,
		line->line);
}

/* @name is that of the file at @path, whatever the path is. */
static int forbidden_content(struct plan *plan, const char *name, const char *path)
{
	const struct index_config_line *line =
		index_config_find(&plan->tree->config, INDEX_CONFIG_FORBID, name);

	if (!line)
		return 0;
	return base_error(plan->error, UMOD_STAGE_ADMIT, -EPERM, name,
		"%s, which is what %s holds, is forbidden by %s line %u", name, path,
		line->file, line->line);
}

/* The name that the module in @fd has of itself, folded; "" if it has none. */
static int name_inside(
	int fd, const char *path, char *out, size_t bytes, struct umod_error *error)
{
	struct feature_partial partial = { 0 };
	struct elf_bytes file;
	struct elf_object object;
	struct feature_info info;
	const char *name = NULL;
	int err = feature_partial_open(
		&partial, fd, path, false, FIRST_BYTES, &file, error);

	out[0] = '\0';
	if (!err && elf_object_open_any(&object, path, &file, NULL) == 0 &&
		feature_info_open(&object, &info, NULL) == 0)
		name = feature_info_get(&info, "name");
	if (name)
		index_fold_name(name, out, bytes);
	feature_buffer_free(&partial.buffer);
	return err;
}

/* A link or a copy under another name is what it is all the same. */
static int forbidden_file(struct plan *plan, const char *path)
{
	char name[INDEX_NAME_BYTES];
	struct umod_error why = { 0 };
	int err = 0;
	char *real = realpath(path, NULL);
	BASE_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (real && index_name_of_path(real, name, sizeof(name)) > 0)
		err = forbidden_content(plan, name, path);
	free(real); /* libc's */
	if (err || fd < 0)
		return err;
	err = name_inside(fd, path, name, sizeof(name), &why);
	if (err == -ENOMEM)
		return err;
	/* The kernel may be able to unpack what cannot be unpacked here. */
	if (err && why.stage == UMOD_STAGE_DECOMPRESS)
		return base_error(plan->error, UMOD_STAGE_ADMIT, -EPERM, path,
			"%s cannot be unpacked, so it is not known whether it is "
			"forbidden: %s",
			path, why.message);
	return name[0] ? forbidden_content(plan, name, path) : 0;
}

static int forbidden(
	struct plan *plan, const char *name, const char *path, const char *needed_by)
{
	int err;

	if (plan->tree->config.lines[INDEX_CONFIG_FORBID].count == 0)
		return 0;
	err = forbidden_name(plan, name, needed_by);
	return err || !path ? err : forbidden_file(plan, path);
}

/* ---- the list ---- */

/* Adds @module itself, with its path, options and command. */
static int append(struct plan *plan, const struct umod_modlist_item *module,
	const char *path, bool ignore_command)
{
	struct umod_modlist_item *item =
		index_list_add(plan->list, module->name, module->alias);

	if (!item)
		return -ENOMEM;
	if (path) {
		item->path = index_pool_copy(&plan->list->pool, path, strlen(path));
		if (!item->path)
			return -ENOMEM;
	}
	item->builtin =
		module->builtin || (!path && index_is_builtin(plan->tree, item->name));
	item->required = is_required(plan, item);
	if (!ignore_command) {
		const struct index_config_line *line = index_config_find(
			&plan->tree->config, INDEX_CONFIG_INSTALL, item->name);
		if (line) {
			item->command = index_pool_copy(
				&plan->list->pool, line->value, strlen(line->value));
			if (!item->command)
				return -ENOMEM;
		}
	}
	return index_list_options(
		plan->list, &plan->tree->config, item->name, item->alias, &item->options);
}

static int visit(
	struct plan *plan, const struct umod_modlist_item *module, bool ignore_commands);

/* The softdeps of one kind; a forbidden one is told and left out: it has added nothing.
 */
static int visit_softdeps(struct plan *plan, const char *module, enum umod_softdep which)
{
	struct umod_modlist wanted = { 0 };
	struct umod_error *outer = plan->error;
	int err = index_softdeps(plan->tree, module, which, &wanted);

	for (unsigned i = 0; !err && i < wanted.count; i++) {
		struct umod_error why = { 0 };
		plan->error = &why;
		err = visit(plan, &wanted.items[i], false);
		plan->error = outer;
		if (err == -EPERM) {
			index_complain(&plan->tree->complaints,
				"softdep %s of %s is left out: %s", wanted.items[i].name,
				module, why.message);
			err = 0;
		} else if (err && why.code) {
			base_error(plan->error, why.stage, err, why.subject, "%s",
				why.message);
		}
	}
	index_list_free(&wanted);
	return err;
}

static int append_with_softdeps(
	struct plan *plan, const struct umod_modlist_item *module, const char *path)
{
	int err = visit_softdeps(plan, module->name, UMOD_SOFTDEP_PRE);

	if (!err)
		err = append(plan, module, path, false);
	if (!err)
		err = visit_softdeps(plan, module->name, UMOD_SOFTDEP_POST);
	return err;
}

static int visit(
	struct plan *plan, const struct umod_modlist_item *module, bool ignore_commands)
{
	struct umod_modlist needs = { 0 };
	const char *path = NULL;
	int err = see(plan, module);

	if (err)
		return err < 0 ? err : 0;
	if (plan->depth == DEPTH_LIMIT)
		return base_error(plan->error, UMOD_STAGE_ADMIT, -ELOOP, module->name,
			"softdeps are nested more than %d deep at %s", DEPTH_LIMIT,
			module->name);
	plan->depth++;
	if (!module->builtin)
		err = index_dependencies(plan->tree, module->name, &needs, &path);
	if (module == plan->asked)
		plan->required = &needs;
	if (module->path)
		path = module->path;
	/* Before anything is added for it. */
	if (!err)
		err = forbidden(plan, module->name, path, NULL);
	for (unsigned i = 0; !err && i < needs.count; i++)
		err = forbidden(
			plan, needs.items[i].name, needs.items[i].path, module->name);
	for (unsigned i = 0; !err && i < needs.count; i++)
		err = append_with_softdeps(plan, &needs.items[i], needs.items[i].path);
	if (!err)
		err = ignore_commands ? append(plan, module, path, true)
				      : append_with_softdeps(plan, module, path);
	if (module == plan->asked)
		plan->required = NULL;
	index_list_free(&needs);
	plan->depth--;
	return err;
}

int index_plan(const struct index_tree *tree, const char *module, const char *alias,
	const char *path, unsigned flags, struct umod_modlist *list,
	struct umod_error *error)
{
	struct umod_modlist_item asked = { .name = module, .alias = alias, .path = path };
	struct plan plan = {
		.tree = tree, .list = list, .error = error, .asked = &asked
	};
	struct umod_error why = { 0 };

	plan.error = &why;
	int err = visit(&plan, &asked, flags & UMOD_PLAN_IGNORE_COMMANDS);
	base_free(plan.seen);
	base_map_free(&plan.map);
	if (err)
		return base_error(error, why.code ? why.stage : UMOD_STAGE_ADMIT, err,
			module, "%s", why.code ? why.message : strerror(-err));
	return 0;
}
