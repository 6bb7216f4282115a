/* SPDX-License-Identifier: MIT */
/*
 * Unloading: a load backwards. What goes is found first; fini functions run, dependents
 * before what they need; then everything is taken out of what is searched, and unmapped.
 */
#include "load/load.h"

/*
 * A lazily bound image looks its symbols up in the scope of the root that it came with.
 * If that root goes and the image stays, its own needs are its scope from now on.
 */
static void rescope(struct umod_namespace *space)
{
	for (struct umod_module *m = space->first; m; m = m->next) {
		struct link_scope *old = m->image.scope, *closure, *own;
		bool stale = false;
		if (!old || m->state == UMOD_STATE_GOING)
			continue;
		for (unsigned i = 0; !stale && i < old->count; i++)
			stale = registry_module(old->images[i])->state ==
				UMOD_STATE_GOING;
		if (!stale)
			continue;
		closure = registry_closure(m);
		own = closure ? link_scope_new(old->lent, old->globals, closure->images,
					closure->count, old->local_first)
			      : NULL;
		/* For want of memory the closure, made at the load, without what is
		 * global. */
		if (!own && closure)
			own = link_scope_ref(closure);
		__atomic_store_n(&m->image.scope, own, __ATOMIC_RELEASE);
		base_reader_wait();
		link_scope_unref(old);
	}
}

/*
 * libstdc++ keeps 72 kB for exceptions without memory, which it gives back only to
 * memory checkers, by a function made for them. A copy that goes takes it along.
 */
static void free_pools(struct umod_module *module)
{
	struct elf_reference reference;
	struct link_definition definition;
	if (!module->image.view.soname ||
		strncmp(module->image.view.soname, "libstdc++.so", 12) != 0)
		return;
	link_reference(&reference, "_ZN9__gnu_cxx9__freeresEv", NULL);
	if (link_image_find(&module->image, &reference, &definition))
		((void (*)(void))link_definition_address(&definition))();
}

/* What came with @root and stays has its own needs for its scope from now on. */
static void leave_behind(struct umod_module *root)
{
	const struct link_scope *closure = atomic_load(&root->closure);
	for (unsigned i = 0; closure && i < closure->count; i++) {
		struct umod_module *module = registry_module(closure->images[i]);
		if (module->came_with == root)
			module->came_with = NULL;
	}
}

static void take_down(struct umod_module **going, unsigned count)
{
	bool has_lazy = false;
	for (unsigned i = 0; i < count; i++)
		going[i]->state = UMOD_STATE_GOING;
	for (unsigned i = 0; i < count; i++) {
		struct umod_module *module = going[i];
		if (module->no_init || !module->image.init_done)
			continue;
		base_trace(BASE_TRACE_INIT, "%s: fini", module->path);
		link_run_fini(&module->image);
		free_pools(module);
	}
	for (unsigned i = 0; i < count; i++)
		has_lazy |= going[i]->space->lazy_count != 0;
	if (has_lazy)
		rescope(going[0]->space);
	for (unsigned i = 0; i < count; i++) {
		leave_behind(going[i]);
		registry_drop_edges(going[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		base_trace(BASE_TRACE_UNLOAD, "%s: unloaded", going[i]->path);
		registry_module_free(going[i]);
		atomic_fetch_add(&registry_statistics.unloads, 1);
	}
	link_publish_done();
}

/* 0: it went; else as registry_collect, with 1 where that says 0. */
static int unload(struct umod_module *module, struct umod_error *why)
{
	struct umod_module **going = NULL;
	int count = registry_collect(module, &going, why);
	if (count <= 0)
		return count ? count : 1;
	take_down(going, (unsigned)count);
	base_free(going);
	return 0;
}

/* Those that could not go before may be able to now; each is tried once. */
static void try_pending(void)
{
	for (unsigned left = registry_pending_count(); left; left--) {
		struct umod_module *module = registry_pending_take();
		if (!module)
			return;
		if (atomic_load(&module->references) == 0 &&
			unload(module, NULL) == -EBUSY)
			registry_pending_add(module);
	}
}

/*
 * Nobody references @module any more. What a fini function lets go of goes when the
 * unload under way is done, as with ld.so.
 */
static int unload_last(struct umod_module *module, struct umod_error *error)
{
	static bool under_way; /* under the lock */
	if (under_way) {
		registry_pending_add(module);
		return 1;
	}
	under_way = true;
	int result = unload(module, error);
	if (result == 1)
		base_trace(BASE_TRACE_UNLOAD, "%s: stays, others need it", module->path);
	if (result == -EBUSY)
		registry_pending_add(module);
	uint64_t before;
	do {
		before = atomic_load(&registry_statistics.unloads);
		try_pending();
	} while (registry_pending_count() &&
		 before != atomic_load(&registry_statistics.unloads));
	under_way = false;
	return result;
}

int load_unref(struct umod_module *module, struct umod_error *error)
{
	registry_lock();
	if (atomic_load(&module->references) == 0) {
		registry_unlock();
		return base_error(error, UMOD_STAGE_UNLOAD, -EINVAL, module->path,
			"is let go of more often than it was taken");
	}
	unsigned left = atomic_fetch_sub(&module->references, 1) - 1;
	int result = 1;
	if (module->host) {
		result = left ? 1
			      : base_error(error, UMOD_STAGE_UNLOAD, -EBUSY, module->path,
					"stays: it is the host's, loaded by ld.so");
	} else if (left == 0) {
		result = unload_last(module, error);
	}
	registry_unlock();
	return result;
}
