/* SPDX-License-Identifier: MIT */
/*
 * The order in which fini functions run, which is ld.so's. A walk over edges, depth
 * first, whose memory is in the modules: it cannot fail.
 */
#include "registry/registry.h"

struct walk {
	uint32_t member, done; /* visit of those still to be placed, and of those on the
				  way or placed */
	bool needs_only;
	struct umod_module *first; /* of those that have their place */
};

static struct umod_module *next_edge(const struct walk *walk, struct umod_module *module)
{
	unsigned count = walk->needs_only ? module->need_count : module->edge_count;
	while (module->walk_edge < count) {
		struct umod_module *on = module->edges[module->walk_edge++];
		if (on->visit == walk->member)
			return on;
	}
	return NULL;
}

/* @module takes its place before all that it needs, which lie behind it already. */
static void place(struct walk *walk, struct umod_module *module)
{
	module->walk_parent = NULL;
	while (module) {
		if (module->visit == walk->member) {
			module->visit = walk->done;
			module->walk_edge = 0;
		}
		struct umod_module *on = next_edge(walk, module);
		if (on) {
			on->walk_parent = module;
			module = on;
			continue;
		}
		module->walk_next = walk->first;
		walk->first = module;
		module = module->walk_parent;
	}
}

static void sort(struct umod_module **modules, unsigned count, bool needs_only)
{
	struct walk walk = { .member = registry_next_visit(), .needs_only = needs_only };
	walk.done = registry_next_visit();
	for (unsigned i = 0; i < count; i++)
		modules[i]->visit = walk.member;
	for (unsigned i = count; i-- > 0;)
		if (modules[i]->visit == walk.member)
			place(&walk, modules[i]);
	for (unsigned i = 0; i < count; i++, walk.first = walk.first->walk_next)
		modules[i] = walk.first;
}

void registry_fini_order(struct umod_module **modules, unsigned count)
{
	bool has_bound = false;
	for (unsigned i = 0; i < count; i++)
		has_bound |= modules[i]->edge_count > modules[i]->need_count;
	sort(modules, count, false);
	/* Of a circle, what only was bound to gives way. */
	if (has_bound)
		sort(modules, count, true);
}
