/* SPDX-License-Identifier: MIT */
/*
 * Modules: their names, the edges between them, their dependency closure, and what can go
 * when nobody holds one any more. No list of all modules is walked here.
 */
#include "registry/registry.h"

#include <stdlib.h>

struct umod_module *registry_module_new(struct umod_namespace *space, char *path)
{
	struct umod_module *module = path ? base_zalloc(sizeof(*module)) : NULL;
	if (!module) {
		base_free(path);
		return NULL;
	}
	module->space = space;
	module->path = path;
	module->image.owner = module;
	module->image.path = module->image.name = path;
	module->image.map.l_name = path;
	module->image.shown.space_id = space->id;
	module->image.shown.space_name = (uintptr_t)space->name;
	module->state = UMOD_STATE_UNFORMED;
	return module;
}

int registry_module_add_name(struct umod_module *module, const char *name)
{
	size_t length = strlen(name);
	uint64_t key = base_hash_bytes(name, length);
	for (struct registry_name *n = module->names; n; n = n->next)
		if (n->key == key && strcmp(n->text, name) == 0)
			return 0;
	struct registry_name *entry = base_alloc(sizeof(*entry) + length + 1);
	if (!entry)
		return -ENOMEM;
	memcpy(entry->text, name, length + 1);
	entry->key = key;
	if (base_map_put(&module->space->by_name, key, module)) {
		base_free(entry);
		return -ENOMEM;
	}
	entry->next = module->names;
	module->names = entry;
	return 0;
}

static uint64_t file_key(const struct umod_module *module)
{
	return base_mix((uint64_t)module->inode + base_mix((uint64_t)module->device));
}

int registry_module_enter(struct umod_module *module)
{
	struct umod_namespace *space = module->space;
	if (module->inode && !module->is_private &&
		base_map_put(&space->by_file, file_key(module), module))
		return -ENOMEM;
	if (module->host) {
		module->next = space->hosts;
		if (space->hosts)
			space->hosts->previous = module;
		space->hosts = module;
		return 0;
	}
	static uint64_t serial;
	registry_namespace_ref(space);
	module->serial = ++serial;
	module->previous = space->last;
	if (space->last)
		space->last->next = module;
	else
		space->first = module;
	space->last = module;
	atomic_fetch_add(&registry_statistics.modules, 1);
	return 0;
}

static bool is_entered(const struct umod_module *module)
{
	const struct umod_namespace *space = module->space;
	return module->previous || space->first == module || space->hosts == module;
}

static void leave_list(struct umod_module *module)
{
	struct umod_namespace *space = module->space;
	if (module->previous)
		module->previous->next = module->next;
	else if (space->first == module)
		space->first = module->next;
	else
		space->hosts = module->next;
	if (module->next)
		module->next->previous = module->previous;
	else if (space->last == module)
		space->last = module->previous;
	if (!module->host)
		atomic_fetch_sub(&registry_statistics.modules, 1);
}

static void drop_uniques(struct umod_module *module)
{
	while (module->uniques) {
		struct registry_unique *unique = module->uniques;
		module->uniques = unique->next_of_module;
		base_map_remove(&module->space->uniques, unique->key, unique);
		base_free(unique);
	}
}

void registry_drop_edges(struct umod_module *module)
{
	for (unsigned i = 0; i < module->edge_count; i++)
		module->edges[i]->users--;
	module->edge_count = module->need_count = module->filtee_count = 0;
}

static struct umod_module *pending; /* by next_pending */

static void leave_pending(struct umod_module *module)
{
	struct umod_module **at = &pending;
	while (*at != module)
		at = &(*at)->next_pending;
	*at = module->next_pending;
	module->is_pending = false;
}

static const struct registry_heirs *heirs;

void registry_set_heirs(const struct registry_heirs *to)
{
	heirs = to;
}

void registry_end_space(struct umod_namespace *space)
{
	if (space->life)
		heirs->space(space->life);
}

static void (*goodbye)(void *object);

void registry_set_goodbye(void (*function)(void *object))
{
	goodbye = function;
}

void registry_say_goodbye(void *object)
{
	if (goodbye)
		goodbye(object);
}

void registry_module_free(struct umod_module *module)
{
	if (module->has_handle)
		registry_say_goodbye(module);
	struct umod_namespace *space = module->space;
	struct link_image *image = &module->image;
	bool entered = is_entered(module);
	/* First out of everything that is searched, then the memory. */
	link_globals_remove(space->globals, image);
	link_index_remove(space->index, image);
	drop_uniques(module);
	if (!module->host)
		link_unpublish(image);
	if (module->life) /* while its code is there */
		heirs->module(module);
	while (module->names) {
		struct registry_name *name = module->names;
		module->names = name->next;
		base_map_remove(&space->by_name, name->key, module);
		base_free(name);
	}
	if (module->inode)
		base_map_remove(&space->by_file, file_key(module), module);
	registry_drop_edges(module);
	base_free(module->edges);
	if (module->is_pending)
		leave_pending(module);
	link_scope_unref(atomic_load(&module->closure));
	link_bind_clear(image);
	if (!module->host) {
		base_free((void *)image->substitutes);
		link_tls_unregister(image);
		link_unmap(image);
		elf_view_clear(&image->view);
	}
	if (entered)
		leave_list(module);
	base_free(module->absolute);
	base_free(module->signer);
	base_free(module->path);
	if (image->lazy && module->state == UMOD_STATE_GOING)
		space->lazy_count--;
	bool holds = entered && !module->host;
	base_free(module);
	if (holds)
		registry_namespace_unref(space);
}

int registry_add_edge(
	struct umod_module *user, struct umod_module *on, enum registry_edge kind)
{
	for (unsigned i = 0; kind == REGISTRY_BOUND && i < user->edge_count; i++)
		if (user->edges[i] == on)
			return 0;
	if (base_grow(&user->edges, user->edge_count, &user->edge_capacity,
		    sizeof(*user->edges)))
		return -ENOMEM;
	user->edges[user->edge_count++] = on;
	on->users++;
	if (kind == REGISTRY_FILTEE)
		user->filtee_count = user->edge_count;
	if (kind != REGISTRY_BOUND)
		user->need_count = user->edge_count;
	return 0;
}

/* ---- the closure ---- */

struct images {
	struct link_image **items;
	unsigned count, capacity;
};

/* Filtees come before the image that they stand in for. */
static int append(struct images *images, struct umod_module *module, uint32_t visit)
{
	if (module->visit == visit)
		return 0;
	module->visit = visit;
	for (unsigned i = 0; i < module->filtee_count; i++) {
		int result = append(images, module->edges[i], visit);
		if (result)
			return result;
	}
	if (base_grow(&images->items, images->count, &images->capacity,
		    sizeof(*images->items)))
		return -ENOMEM;
	images->items[images->count++] = &module->image;
	return 0;
}

struct link_scope *registry_closure(struct umod_module *module)
{
	struct link_scope *scope =
		atomic_load_explicit(&module->closure, memory_order_acquire);
	if (scope)
		return scope;
	registry_lock();
	struct images images = { 0 };
	uint32_t visit = registry_next_visit();
	int result = append(&images, module, visit);
	for (unsigned i = 0; !result && i < images.count; i++) {
		const struct umod_module *user = registry_module(images.items[i]);
		for (unsigned k = user->filtee_count; !result && k < user->need_count;
			k++)
			result = append(&images, user->edges[k], visit);
	}
	scope = atomic_load(&module->closure);
	if (!result && !scope) {
		scope = link_scope_new(NULL, NULL, images.items, images.count, false);
		atomic_store_explicit(&module->closure, scope, memory_order_release);
	}
	base_free(images.items);
	registry_unlock();
	return scope;
}

/* ---- what can go ---- */

struct set {
	struct umod_module **items;
	unsigned count, capacity;
};

static int add_to_set(struct set *set, struct umod_module *module, uint32_t visit)
{
	if (module->visit == visit || module->host || module->state == UMOD_STATE_GOING)
		return 0;
	module->visit = visit;
	module->internal_users = 0;
	module->kept = false;
	if (base_grow(&set->items, set->count, &set->capacity, sizeof(*set->items)))
		return -ENOMEM;
	set->items[set->count++] = module;
	return 0;
}

/* Everything that can be reached from @module, with its users counted inside the set. */
static int reach(struct set *set, struct umod_module *module)
{
	uint32_t visit = registry_next_visit();
	int result = add_to_set(set, module, visit);
	for (unsigned i = 0; !result && i < set->count; i++) {
		struct umod_module *user = set->items[i];
		for (unsigned k = 0; !result && k < user->edge_count; k++) {
			result = add_to_set(set, user->edges[k], visit);
			user->edges[k]
				->internal_users++; /* of no meaning outside the set */
		}
	}
	return result;
}

static void keep(struct umod_module *module)
{
	if (module->kept || module->host)
		return;
	module->kept = true;
	for (unsigned i = 0; i < module->edge_count; i++)
		keep(module->edges[i]);
}

static int reason(
	const struct umod_module *module, const struct set *set, struct umod_error *why)
{
	if (atomic_load(&module->references) || module->users > module->internal_users)
		return 0;
	if (module->pinned)
		return base_error(why, UMOD_STAGE_UNLOAD, -EBUSY, module->path,
			"stays: it is pinned (%s)",
			module->image.view.flags_1 & DF_1_NODELETE
				? "DF_1_NODELETE"
				: "as asked at its load");
	unsigned waiting = atomic_load(&module->image.tls_destructors);
	if (waiting)
		return base_error(why, UMOD_STAGE_UNLOAD, -EBUSY, module->path,
			"stays: %u destructors of thread-local variables are still to "
			"run at "
			"the end of their threads",
			waiting);
	for (unsigned i = 0; i < set->count; i++) {
		const struct umod_module *other = set->items[i];
		for (unsigned k = 0;
			other != module && other->kept && k < other->edge_count; k++)
			if (other->edges[k] == module)
				return base_error(why, UMOD_STAGE_UNLOAD, -EBUSY,
					module->path,
					"stays: %s, which stays, is bound to it",
					other->path);
	}
	return 0;
}

static int by_serial(const void *a, const void *b)
{
	uint64_t x = (*(struct umod_module *const *)a)->serial;
	uint64_t y = (*(struct umod_module *const *)b)->serial;
	return x < y ? -1 : x > y ? 1 : 0;
}

int registry_collect(
	struct umod_module *module, struct umod_module ***list, struct umod_error *why)
{
	struct set set = { 0 };
	int result = reach(&set, module);
	if (result) {
		base_free(set.items);
		return base_error(why, UMOD_STAGE_UNLOAD, result, module->path,
			"no memory to find what goes with it");
	}
	for (unsigned i = 0; i < set.count; i++) {
		struct umod_module *m = set.items[i];
		if (atomic_load(&m->references) || m->users > m->internal_users)
			keep(m);
	}
	bool held = module->kept; /* by callers, perhaps through a circle */
	for (unsigned i = 0; i < set.count; i++) {
		struct umod_module *m = set.items[i];
		if (m->pinned || atomic_load(&m->image.tls_destructors) ||
			m->state == UMOD_STATE_UNFORMED || m->state == UMOD_STATE_COMING)
			keep(m);
	}
	unsigned going = 0;
	result = module->kept && !held ? reason(module, &set, why) : 0;
	for (unsigned i = 0; !module->kept && i < set.count; i++)
		if (!set.items[i]->kept)
			set.items[going++] = set.items[i];
	if (going == 0) {
		base_free(set.items);
		return result;
	}
	qsort(set.items, going, sizeof(*set.items), by_serial);
	registry_fini_order(set.items, going);
	*list = set.items;
	return (int)going;
}

/* ---- those that wait ---- */

void registry_pending_add(struct umod_module *module)
{
	struct umod_module **end = &pending;
	if (module->is_pending || module->pinned)
		return;
	while (*end)
		end = &(*end)->next_pending;
	module->is_pending = true;
	module->next_pending = NULL;
	*end = module;
}

unsigned registry_pending_count(void)
{
	unsigned count = 0;
	for (const struct umod_module *m = pending; m; m = m->next_pending)
		count++;
	return count;
}

struct umod_module *registry_pending_take(void)
{
	struct umod_module *module = pending;
	if (module) {
		pending = module->next_pending;
		module->is_pending = false;
	}
	return module;
}
