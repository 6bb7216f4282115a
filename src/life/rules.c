/* SPDX-License-Identifier: MIT */
/* What must never come in, what the host offers, and what a namespace keeps of both. */
#include "index/index.h"
#include "life/life.h"

struct forbidden {
	char name[LIFE_NAME_BYTES];
	char *reason; /* or NULL */
};

static void end_module(struct umod_module *module);
static void end_space(struct life_space *life);

static atomic_bool is_disabled;

void life_disable(void)
{
	atomic_store(&is_disabled, true);
}

int life_space_get(
	struct umod_namespace *space, struct life_space **out, struct umod_error *error)
{
	static const struct registry_heirs heirs = { end_module, end_space };
	registry_set_heirs(&heirs);
	if (!space->life)
		space->life = base_zalloc(sizeof(*space->life));
	*out = space->life;
	if (!*out)
		return base_error(error, UMOD_STAGE_NONE, -ENOMEM, space->name,
			"no memory for what its modules need");
	return 0;
}

/* ---- forbidden ---- */

static struct forbidden *find_forbidden(const struct life_space *life, const char *name)
{
	struct forbidden *entry;
	size_t cursor = 0;
	while ((entry = base_map_next(&life->forbidden, life_key(name), &cursor)))
		if (strcmp(entry->name, name) == 0)
			return entry;
	return NULL;
}

int life_forbid(struct umod_namespace *space, const char *name, const char *reason)
{
	struct life_space *life;
	char folded[LIFE_NAME_BYTES];
	int result = module_name_fold(name, strlen(name), folded) ? 0 : -EINVAL;
	registry_lock();
	if (!result)
		result = life_space_get(space, &life, NULL);
	if (!result && !find_forbidden(life, folded)) {
		struct forbidden *entry = base_zalloc(sizeof(*entry));
		char *copy = reason ? base_strdup(reason) : NULL;
		if (!entry || (reason && !copy) ||
			base_map_put(&life->forbidden, life_key(folded), entry)) {
			base_free(entry);
			base_free(copy);
			result = -ENOMEM;
		} else {
			strcpy(entry->name, folded);
			entry->reason = copy;
		}
	}
	registry_unlock();
	return result;
}

int life_may_insert(const char *name, struct umod_error *error)
{
	return atomic_load(&is_disabled)
		       ? base_error(error, UMOD_STAGE_ADMIT, -EPERM, name,
				 "loading of modules is disabled in this process, for "
				 "good")
		       : 0;
}

int life_may_come(
	const struct umod_namespace *space, const char *name, struct umod_error *error)
{
	const struct forbidden *entry =
		space->life ? find_forbidden(space->life, name) : NULL;
	if (entry)
		return base_error(error, UMOD_STAGE_ADMIT, -EPERM, name,
			"is forbidden%s%s", entry->reason ? ": " : "",
			entry->reason ? entry->reason : "");
	return life_may_insert(name, error);
}

/* ---- exports of the host ---- */

const struct umod_host_export *life_host_export(
	const struct umod_namespace *space, const struct elf_reference *reference)
{
	const struct umod_host_export *item;
	size_t cursor = 0;
	while (space->life &&
		(item = base_map_next(&space->life->exports, reference->hash, &cursor)))
		if (strcmp(item->name, reference->name) == 0)
			return item;
	return NULL;
}

static void free_export(struct umod_host_export *item)
{
	if (!item)
		return;
	base_free((char *)item->name);
	base_free((char *)item->export_space);
	base_free((char *)item->declaration);
	base_free(item);
}

static struct umod_host_export *copy_export(const struct umod_host_export *item)
{
	struct umod_host_export *copy = base_alloc(sizeof(*copy));
	if (!copy)
		return NULL;
	*copy = *item;
	copy->name = base_strdup(item->name);
	copy->export_space = item->export_space ? base_strdup(item->export_space) : NULL;
	copy->declaration = item->declaration ? base_strdup(item->declaration) : NULL;
	if (copy->name && (copy->export_space || !item->export_space) &&
		(copy->declaration || !item->declaration))
		return copy;
	free_export(copy);
	return NULL;
}

int life_export(struct umod_namespace *space, const struct umod_host_export *item,
	struct umod_error *error)
{
	struct elf_reference reference;
	struct life_space *life;
	struct umod_host_export *copy = NULL;
	if (!item->name || !item->name[0])
		return base_error(
			error, UMOD_STAGE_NONE, -EINVAL, NULL, "an export has a name");
	link_reference(&reference, item->name, NULL);
	registry_lock();
	int result = life_space_get(space, &life, error);
	if (!result && life_host_export(space, &reference))
		result = base_error(error, UMOD_STAGE_NONE, -EEXIST, item->name,
			"is exported by the host already");
	if (!result && (!(copy = copy_export(item)) ||
			       base_map_put(&life->exports, reference.hash, copy))) {
		free_export(copy);
		result = base_error(error, UMOD_STAGE_NONE, -ENOMEM, item->name,
			"no memory to export it");
	}
	registry_unlock();
	return result;
}

/* ---- the end of a module, of a namespace ---- */

static void end_module(struct umod_module *module)
{
	life_unlist(module);
	module_parameters_free(module->life->parameters);
	life_free_versions(module->life);
	base_free(module->life->sections);
	module_description_free(&module->life->about);
	base_free(module->life);
	module->life = NULL;
	module->image.name = module->path;
}

static void free_values(struct base_map *map, void (*free_value)(void *value))
{
	for (size_t i = 0; map->entries && i <= map->mask; i++)
		if (map->entries[i].value && map->entries[i].value != BASE_MAP_GONE)
			free_value(map->entries[i].value);
	base_map_free(map);
}

static void free_forbidden(void *value)
{
	base_free(((struct forbidden *)value)->reason);
	base_free(value);
}

static void free_lent(void *value)
{
	free_export(value);
}

static void end_space(struct life_space *life)
{
	life_cleaner_stop(life);
	free_values(&life->exports, free_lent);
	free_values(&life->forbidden, free_forbidden);
	base_map_free(&life->by_name);
	life_statistics_free(&life->statistics);
	if (life->tree)
		index_tree_unref(life->tree);
	base_free(life);
}
