/* SPDX-License-Identifier: MIT */
/*
 * The end of the program: fini functions of all that is loaded, in ld.so's order: what
 * was loaded first goes first, but nothing before what needs it. Unmaps nothing: threads
 * may still run.
 */
#include "load/load.h"

#include <stdlib.h>

struct finish {
	struct umod_module **all; /* in load order */
	unsigned count, capacity;
	struct umod_module **order; /* from order_first on */
	unsigned order_first;
	struct step { /* a module on the way down, and its next edge */
		struct umod_module *module;
		unsigned edge;
	} * stack;
	uint32_t visit;
};

/* Not ld.so's, whose images are lent to modules too. */
static bool has_fini(const struct umod_module *module)
{
	return !module->host && module->image.init_done && !module->no_init;
}

static void gather(struct finish *f, bool process)
{
	for (struct umod_namespace *s = registry_first_namespace(); s; s = s->next)
		for (struct umod_module *m = s->is_process == process ? s->first : NULL;
			m; m = m->next)
			if (has_fini(m) && !base_grow(&f->all, f->count, &f->capacity,
						   sizeof(*f->all))) {
				/* A fini function may let go of any other: none goes. */
				m->pinned = true;
				f->all[f->count++] = m;
			}
}

/* Depth first: @module takes its place before all that it needs, which lie behind it. */
static void place(struct finish *f, struct umod_module *module)
{
	unsigned depth = 0;
	if (module->visit == f->visit)
		return;
	module->visit = f->visit;
	f->stack[depth++] = (struct step){ module, 0 };
	while (depth) {
		struct step *step = &f->stack[depth - 1];
		if (step->edge == step->module->edge_count) {
			struct umod_module *done = step->module;
			depth--;
			f->order[--f->order_first] = done;
			continue;
		}
		struct umod_module *on = step->module->edges[step->edge++];
		if (on->visit == f->visit || !has_fini(on))
			continue;
		on->visit = f->visit;
		f->stack[depth++] = (struct step){ on, 0 };
	}
}

static void run(struct umod_module *module)
{
	if (!module->image.init_done)
		return;
	module->image.init_done = false;
	base_trace(BASE_TRACE_INIT, "%s: fini at exit", module->path);
	link_run_fini(&module->image);
}

void load_finish(void)
{
	struct finish f = { 0 };
	registry_lock();
	gather(&f, false);
	gather(&f, true);
	f.order = base_array(f.count + 1, sizeof(struct umod_module *));
	f.stack = base_array(f.count + 1, sizeof(*f.stack));
	f.visit = registry_next_visit();
	f.order_first = f.order && f.stack ? f.count : 0;
	for (unsigned i = f.count; i-- && f.order && f.stack;)
		place(&f, f.all[i]);
	/* For want of memory in load order. */
	struct umod_module **list = f.order && f.stack ? f.order : f.all;
	for (unsigned i = 0; i < f.count; i++)
		run(list[i]);
	base_free(f.all);
	base_free(f.order);
	base_free(f.stack);
	registry_unlock();
}

void load_finish_at_exit(void)
{
	static atomic_bool registered;
	if (!atomic_exchange(&registered, true))
		atexit(load_finish);
}
