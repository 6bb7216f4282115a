/* SPDX-License-Identifier: MIT */
/*
 * The end of the program: fini functions of all that is loaded, in ld.so's order: what
 * was loaded first goes first, but nothing before what needs it. Unmaps nothing: threads
 * may still run, and load, while a fini function waits for them.
 */
#include "load/load.h"

#include <stdlib.h>

struct finish {
	struct umod_module **all;
	unsigned count, capacity;
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

/* Without the lock, as ld.so: a fini function may wait for a thread that needs it. */
static void run(struct umod_module *module)
{
	registry_lock();
	bool due = module->image.init_done;
	module->image.init_done = false;
	registry_unlock();
	if (!due)
		return;
	base_trace(BASE_TRACE_INIT, "%s: fini at exit", module->path);
	link_run_fini(&module->image);
}

void load_finish(void)
{
	struct finish f = { 0 };
	registry_lock();
	gather(&f, false);
	gather(&f, true);
	registry_fini_order(f.all, f.count);
	registry_unlock();
	for (unsigned i = 0; i < f.count; i++)
		run(f.all[i]);
	base_free(f.all);
}

void load_finish_at_exit(void)
{
	static atomic_bool registered;
	if (!atomic_exchange(&registered, true))
		atexit(load_finish);
}
