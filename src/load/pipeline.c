/* SPDX-License-Identifier: MIT */
/*
 * The stages of a load, in their order. Those of the first list are done for one new
 * module at a time, breadth first; those of the second for all of them together.
 */
#include "load/load.h"

#include <dlfcn.h>
#include <stdlib.h>

/* ---- time and trace ---- */

static void start_clock(struct load *load)
{
	load->clock_ns =
		load->stage_ns || base_trace_mask & BASE_TRACE_STAGES ? base_now_ns() : 0;
}

static void end_stage(struct load *load, enum umod_stage stage, const char *subject)
{
	if (!load->clock_ns)
		return;
	uint64_t now = base_now_ns(), spent = now - load->clock_ns;
	if (load->stage_ns)
		load->stage_ns[stage] += spent;
	base_trace(BASE_TRACE_STAGES, "%s: %s took %lu.%03lu us", subject,
		umod_stage_name(stage), spent / 1000, spent % 1000);
	load->clock_ns = base_now_ns();
}

/* ---- stages of all items together ---- */

static struct link_image *find_needed(const char *name, void *data)
{
	/* The needs of a module are few: those of its edges that are called so. */
	struct umod_module *module = data;
	for (unsigned i = 0; i < module->need_count; i++) {
		struct umod_module *on = module->edges[i];
		if (on->image.view.soname && strcmp(on->image.view.soname, name) == 0)
			return &on->image;
	}
	struct umod_module *other = registry_find_name(module->space, name);
	return other ? &other->image : NULL;
}

static int depend(struct link_image *user, struct link_image *on, void *data)
{
	return on->owner ? registry_add_edge(registry_module(user), registry_module(on),
				   REGISTRY_BOUND)
			 : 0;
}

/*
 * Host objects stay, and so does what the user needs, which is told without the lock so
 * that a thread can bind that an init function waits for.
 */
static bool is_kept(struct link_image *user, struct link_image *on)
{
	const struct link_scope *closure = atomic_load_explicit(
		&registry_module(user)->closure, memory_order_acquire);
	if (!on->owner || registry_module(on)->host)
		return true;
	for (unsigned i = 0; closure && i < closure->count; i++)
		if (closure->images[i] == on)
			return true;
	return false;
}

static int unique(struct link_definition *definition, const char *name, void *data)
{
	return registry_unique(((struct load *)data)->space, definition, name);
}

/*
 * The process namespace sees what the program made global later through ld.so: only
 * ld.so knows that.
 */
static bool in_late(const struct elf_reference *reference, void **address)
{
	/* ld.so's lock is not taken unless it can matter: see docs, Locks. */
	if (reference->version || !registry_host_has_late())
		return false;
	*address = link_real()->symbol(RTLD_DEFAULT, reference->name);
	if (!*address)
		link_real()->error(); /* what we looked for is not the program's affair */
	return *address != NULL;
}

/* What the scope of a namespace does not have. */
static bool in_process(const struct elf_reference *reference,
	struct link_definition *definition, const struct umod_namespace *space)
{
	static struct link_image host = { .home = LINK_HOME_HOST,
		.path = "the host",
		.name = "the host",
		.bound = true };
	void *address;
	if (!space->is_process && !space->use_process)
		return false;
	if (!space->is_process && link_globals_find(space->context->process->globals,
					  reference, NULL, definition))
		return true;
	if (!in_late(reference, &address))
		return false;
	*definition = (struct link_definition){ .image = &host, .address = address };
	return true;
}

bool load_finds_elsewhere(struct load *load, const struct elf_reference *reference)
{
	struct link_definition definition;
	return !load->is_freestanding && in_process(reference, &definition, load->space);
}

static bool last_resort(const struct elf_reference *reference,
	struct link_definition *definition, void *data)
{
	struct load *load = data;
	return (load->convention &&
		       load->convention->lend(load, reference, definition)) ||
	       (!load->is_freestanding && in_process(reference, definition, load->space));
}

static bool late_last_resort(const struct elf_reference *reference,
	struct link_definition *definition, struct link_image *user)
{
	return in_process(reference, definition, registry_module(user)->space);
}

static const struct link_keeper keeper = { is_kept, registry_lock, registry_unlock,
	depend, late_last_resort };

static int make_scope(struct load *load)
{
	struct link_scope *closure = registry_closure(load->root);
	if (closure)
		load->scope = link_scope_new(load->space->lent, load->space->globals,
			closure->images, closure->count,
			load->flags & UMOD_LOAD_DEEPBIND);
	if (!load->scope)
		return base_error(load->error, UMOD_STAGE_BIND, -ENOMEM, load->root->path,
			"no memory for its scope");
	load->bind = (struct link_bind_options){ .scope = load->scope,
		.keeper = &keeper,
		.index = load->space->index,
		.mark = registry_next_visit(),
		.lazy = load->flags & UMOD_LOAD_LAZY,
		.no_resolvers = load->no_resolvers,
		.depend = depend,
		.unique = unique,
		.last_resort = load->no_needs ? NULL : last_resort,
		.data = load };
	for (unsigned i = 0; i < load->count; i++) {
		load->order[i]->came_with = load->root;
		load->order[i]->deep = load->scope->local_first;
	}
	link_mark_scope(&load->bind);
	for (unsigned i = 0; i < load->scope->count; i++)
		base_trace(BASE_TRACE_SCOPES, "%s: scope %u: %s", load->root->path, i,
			load->scope->images[i]->path);
	return 0;
}

static int bind_ifuncs(struct load *load)
{
	int result = 0;
	for (unsigned i = 0; !result && i < load->count; i++)
		result = link_protect_text(&load->order[i]->image, load->error);
	for (unsigned i = 0; !result && i < load->count; i++) {
		struct link_image *image = &load->order[i]->image;
		if (link_has_deferred(image))
			result = link_bind_ifuncs(image, &load->bind, load->error);
		image->bound = true;
	}
	return result;
}

/* A file that was cut short while it was read gave zeros: nothing of it may run. */
static int end_guards(struct load *load)
{
	int result = 0;
	for (unsigned i = load->count; i-- > 0;) {
		struct load_item *item = load->items[i];
		if (!item->guarded)
			continue;
		item->guarded = false;
		if (!elf_guard_end(&item->guard))
			continue;
		/* Whatever the zeros led to is not what was wrong. */
		umod_error_clear(load->error);
		result = base_error(load->error, UMOD_STAGE_BIND, -EBUSY,
			item->module->path, "the file was cut short while it was read");
	}
	return result;
}

/* Known while the guards are held: zeros stand for what was read of a file. */
static bool was_cut(const struct load *load)
{
	for (unsigned i = 0; i < load->count; i++)
		if (load->items[i]->guarded && load->items[i]->guard.hit)
			return true;
	return false;
}

/* Needs: every item mapped. Relocates all, dependencies first. */
static int do_bind(struct load *load)
{
	int result = load_order(load);
	if (!result)
		result = make_scope(load);
	for (unsigned i = 0; !result && i < load->count; i++) {
		struct umod_module *module = load->order[i];
		if (module->image.view.tls_memory_bytes)
			result = link_tls_register(&module->image, load->error);
		if (!result)
			result = link_check_versions(
				&module->image, find_needed, module, load->error);
	}
	if (!result && load->convention)
		result = load->convention->imports(load);
	for (unsigned i = 0; !result && i < load->count; i++) {
		result = link_bind(&load->order[i]->image, &load->bind, load->error);
		if (load->order[i]->image.lazy)
			registry_closure(load->order[i]); /* for is_kept, and rescope */
		load->has_deferred |= link_has_deferred(&load->order[i]->image);
		if (!load->has_deferred)
			load->order[i]->image.bound = true;
	}
	/* Resolvers run: not those of a file that was cut short. */
	if (!result && load->has_deferred && !was_cut(load))
		result = bind_ifuncs(load);
	/* It writes a page of the file that may not have been touched yet. */
	for (unsigned i = 0; !result && i < load->count; i++)
		link_relocate_dynamic(&load->order[i]->image);
	int guarded = end_guards(load);
	for (unsigned i = 0; !result && !guarded && i < load->count; i++)
		if (load->order[i]->image.tls_id)
			result = link_tls_publish(&load->order[i]->image, load->error);
	return guarded ? guarded : result;
}

static int do_protect(struct load *load)
{
	int result = load->convention ? load->convention->bound(load) : 0;
	for (unsigned i = 0; !result && i < load->count; i++)
		result = link_protect(&load->order[i]->image, load->error);
	return result;
}

/* In the process namespace on request; elsewhere what comes first is what all see. */
static bool becomes_global(const struct load *load)
{
	return load->flags & UMOD_LOAD_GLOBAL ||
	       (!load->space->is_process &&
		       link_globals_count(load->space->globals) == 0);
}

static int make_global(struct load *load)
{
	if (load->convention) /* what a module needs is no export of it */
		return link_globals_add(load->space->globals, &load->root->image)
			       ? base_error(load->error, UMOD_STAGE_PUBLISH, -ENOMEM,
					 load->root->path,
					 "no memory for the global scope")
			       : 0;
	for (unsigned i = 0; i < load->scope->count; i++)
		if (link_globals_add(load->space->globals, load->scope->images[i]))
			return base_error(load->error, UMOD_STAGE_PUBLISH, -ENOMEM,
				load->root->path, "no memory for the global scope");
	return 0;
}

/* Needs: final permissions. Addresses are found, exceptions pass, a debugger is told. */
static int do_publish(struct load *load)
{
	int result = 0;
	for (unsigned i = 0; !result && i < load->count; i++)
		result = link_publish(&load->order[i]->image, load->error);
	if (result)
		return result;
	link_publish_done();
	if (becomes_global(load))
		result = make_global(load);
	if (!result && load->convention)
		result = load->convention->coming(load);
	return result;
}

/* Cannot fail: what an init function does is its own affair. */
static int do_init(struct load *load)
{
	for (unsigned i = 0; i < load->count; i++)
		load->order[i]->state = UMOD_STATE_COMING;
	for (unsigned i = 0; i < load->count; i++) {
		struct umod_module *module = load->order[i];
		if (!module->no_init && !load->no_resolvers) {
			base_trace(BASE_TRACE_INIT, "%s: init", module->path);
			link_run_init(&module->image);
		}
		module->image.init_done = true;
		if (!load->convention || module != load->root)
			module->state = UMOD_STATE_LIVE;
	}
	return 0;
}

/*
 * Cannot fail: init cannot be undone. Modules that did not run wait for start_late, and
 * the root of a convention for whoever makes it live.
 */
static int do_settle(struct load *load)
{
	for (unsigned i = 0; i < load->count; i++) {
		struct umod_module *module = load->order[i];
		if (!module->no_init && !(load->convention && module == load->root))
			link_object_settle(&module->image);
	}
	return 0;
}

static int do_live(struct load *load)
{
	for (unsigned i = 0; i < load->count; i++) {
		const struct link_image *image = &load->order[i]->image;
		load->space->lazy_count += image->lazy;
		atomic_fetch_add(&registry_statistics.relative, image->relative_done);
		atomic_fetch_add(&registry_statistics.symbolic, image->symbolic_done);
		atomic_fetch_add(&registry_statistics.lookups, image->lookups_done);
	}
	atomic_fetch_add(&registry_statistics.loads, 1);
	base_trace(BASE_TRACE_STATISTICS,
		"%s: %u new modules; in all %lu modules, %lu relative and %lu symbolic "
		"relocations, %lu look-ups, %lu bytes mapped",
		load->root->path, load->count, atomic_load(&registry_statistics.modules),
		atomic_load(&registry_statistics.relative),
		atomic_load(&registry_statistics.symbolic),
		atomic_load(&registry_statistics.lookups), link_mapped_bytes());
	return 0;
}

/* ---- the two lists ---- */

static const struct {
	enum umod_stage stage;
	int (*run)(struct load *load, struct load_item *item);
	bool (*wanted)(const struct load *load, const struct load_item *item);
} item_stages[] = {
	/* UMOD_STAGE_OPEN made the item: load_open */
	{ UMOD_STAGE_DECOMPRESS, load_decompress, load_is_packed },
	{ UMOD_STAGE_VERIFY, load_verify, load_is_judged },
	{ UMOD_STAGE_VALIDATE, load_validate, NULL },
	{ UMOD_STAGE_DESCRIBE, load_describe, NULL },
	{ UMOD_STAGE_ADMIT, load_admit, NULL },
	{ UMOD_STAGE_MAP, load_map, NULL },
};

static const struct {
	enum umod_stage stage;
	int (*run)(struct load *load);
} load_stages[] = {
	{ UMOD_STAGE_BIND, do_bind },
	{ UMOD_STAGE_PROTECT, do_protect },
	{ UMOD_STAGE_PUBLISH, do_publish },
	{ UMOD_STAGE_INIT, do_init },
	{ UMOD_STAGE_SETTLE, do_settle },
	{ UMOD_STAGE_LIVE, do_live },
};

static int run_item(struct load *load, struct load_item *item)
{
	int result = 0;
	for (unsigned s = 0; !result && s < base_array_count(item_stages); s++) {
		if (item_stages[s].wanted && !item_stages[s].wanted(load, item))
			continue;
		result = item_stages[s].run(load, item);
		end_stage(load, item_stages[s].stage, item->module->path);
	}
	return result;
}

/* Back to where it began: items go, the newest first, and with them all they entered. */
static void undo(struct load *load)
{
	bool published = false;
	for (unsigned i = load->count; i-- > 0;) {
		struct umod_module *module = load->items[i]->module;
		/* The guard is gone: read nothing of a file that may be shorter now. */
		published |= module->image.published;
		registry_drop_edges(module);
	}
	for (unsigned i = load->count; i-- > 0;) {
		registry_module_free(load->items[i]->module);
		load->items[i]->module = NULL;
	}
	if (published)
		link_publish_done();
}

static int run(struct load *load)
{
	struct umod_module *found = NULL;
	start_clock(load);
	int result = load_open_source(load, &found);
	end_stage(load, UMOD_STAGE_OPEN,
		load->source->path ? load->source->path : "memory");
	if (result || found) {
		load->root = found;
		return result;
	}
	load->root = load->items[0]->module;
	for (unsigned i = 0; !result && i < load->count; i++)
		result = run_item(load, load->items[i]);
	for (unsigned s = 0; !result && s < base_array_count(load_stages); s++) {
		result = load_stages[s].run(load);
		end_stage(load, load_stages[s].stage, load->root->path);
	}
	return result;
}

/* What was loaded without running its code, and is now asked for with it. */
static void start_late(struct link_scope *closure)
{
	for (unsigned i = closure->count; i-- > 0;) {
		struct umod_module *module = registry_module(closure->images[i]);
		if (!module->no_init)
			continue;
		module->no_init = false;
		base_trace(BASE_TRACE_INIT, "%s: init", module->path);
		link_run_init(&module->image);
		link_object_settle(&module->image);
	}
}

/* A module that is there: what the flags ask of it now. */
static int upgrade(struct load *load)
{
	int result = 0;
	if (load->flags & UMOD_LOAD_PINNED)
		load->root->pinned = true;
	bool starts = load->root->no_init && !(load->flags & UMOD_LOAD_NO_INIT);
	if (!(load->flags & UMOD_LOAD_GLOBAL) && !starts)
		return 0;
	struct link_scope *closure = registry_closure(load->root);
	if (closure && starts)
		start_late(closure);
	if (closure && !(load->flags & UMOD_LOAD_GLOBAL))
		return 0;
	for (unsigned i = 0; closure && !result && i < closure->count; i++)
		result = link_globals_add(load->space->globals, closure->images[i]);
	return closure && !result
		       ? 0
		       : base_error(load->error, UMOD_STAGE_LIVE, -ENOMEM,
				 load->root->path, "no memory for the global scope");
}

int load_run(struct load *load)
{
	struct umod_error own = { 0 };
	if (!load->error)
		load->error = &own;
	int result = registry_host_refresh(load->error);
	if (!result) {
		load_set_asker(load);
		result = run(load);
	}
	if (!result && load->count == 0)
		result = upgrade(load);
	if (result) {
		int cut = end_guards(load);
		result = cut ? cut : result;
		atomic_fetch_add(&registry_statistics.failures[load->error->stage], 1);
		base_trace(BASE_TRACE_STAGES, "%s: failed in %s: %s",
			load->source->path ? load->source->path : "memory",
			umod_stage_name(load->error->stage), load->error->message);
		undo(load);
	} else {
		load->root->is_root = true;
		atomic_fetch_add(&load->root->references, 1);
	}
	for (unsigned i = 0; i < load->count; i++) {
		if (load->items[i]->module)
			link_object_free(&load->items[i]->module->image);
		load_item_free(load->items[i]);
	}
	base_free(load->items);
	base_free(load->order);
	link_scope_unref(load->scope);
	return result;
}
