/* SPDX-License-Identifier: MIT */
/* Who bears a name, which is folded, in a namespace. */
#include "life/life.h"

uint64_t life_key(const char *folded)
{
	return base_hash_bytes(folded, strlen(folded));
}

struct umod_module *life_by_name(const struct umod_namespace *space, const char *folded)
{
	size_t cursor = 0;
	struct umod_module *module;
	while (space->life && (module = base_map_next(
				       &space->life->by_name, life_key(folded), &cursor)))
		if (strcmp(module->life->name, folded) == 0)
			return module;
	return NULL;
}

int life_list(struct umod_module *module)
{
	struct life_space *space;
	struct life *life = module->life;
	if (life_space_get(module->space, &space, NULL) ||
		base_map_put(&space->by_name, life_key(life->name), module))
		return -ENOMEM;
	life->is_listed = true;
	return 0;
}

void life_unlist(struct umod_module *module)
{
	struct life *life = module->life;
	if (life->is_listed)
		base_map_remove(
			&module->space->life->by_name, life_key(life->name), module);
	life->is_listed = false;
}
