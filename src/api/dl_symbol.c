/* SPDX-License-Identifier: MIT */
/*
 * dlsym and dlvsym: which scope a handle means, for the program and for images of umod's.
 * The order is glibc's; what only ld.so can know is left to it.
 */
#include "api/dl.h"

static bool in_space(struct umod_namespace *space, const char *name, const char *version,
	void **address, struct umod_error *error)
{
	return umod_namespace_symbol(space, name, version, address, error) == 0;
}

/* What it was loaded with and is searched for it, or its own needs. Under the lock. */
static struct link_scope *loader_scope(struct umod_module *module)
{
	return registry_closure(module->came_with ? module->came_with : module);
}

static bool holds(const struct link_scope *scope, const struct link_image *image)
{
	for (unsigned i = 0; i < scope->count; i++)
		if (scope->images[i] == image)
			return true;
	return false;
}

/* What was loaded later and needs it is searched for it, too. */
static bool find_with_users(struct umod_module *module,
	const struct elf_reference *reference, struct link_definition *out)
{
	bool found = false;
	for (struct umod_module *m = module->users ? module->space->first : NULL;
		m && !found; m = m->next) {
		struct link_scope *scope = m->is_root ? registry_closure(m) : NULL;
		found = scope && holds(scope, &module->image) &&
			link_local_find(scope, reference, NULL, out);
	}
	return found;
}

static bool in_loader_scope(
	struct umod_module *module, const char *name, const char *version, void **address)
{
	struct elf_reference reference;
	struct link_definition definition;
	link_reference(&reference, name, version);
	struct link_scope *scope = loader_scope(module);
	bool found = (scope && link_local_find(scope, &reference, NULL, &definition)) ||
		     find_with_users(module, &reference, &definition);
	if (found)
		*address = link_definition_address(&definition);
	return found;
}

/* The module of umod's that defines what is at @address, or NULL. Under the lock. */
static struct umod_module *definer(const void *address)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)address);
	base_reader_leave(reader);
	return image && image->home != LINK_HOME_HOST ? registry_module(image) : NULL;
}

/* RTLD_DEFAULT: as its own references are bound, and as those it keeps what it finds. */
static bool by_default(struct umod_module *module, const char *name, const char *version,
	void **address, struct umod_error *error)
{
	registry_lock();
	bool found = (module->deep && in_loader_scope(module, name, version, address)) ||
		     in_space(module->space, name, version, address, NULL) ||
		     (!module->deep && in_loader_scope(module, name, version, address)) ||
		     umod_module_symbol(module, name, version, address, error) == 0;
	struct umod_module *on = found ? definer(*address) : NULL;
	if (on && on != module && registry_add_edge(module, on, REGISTRY_BOUND)) {
		base_error(error, UMOD_STAGE_LOOKUP, -ENOMEM, module->path,
			"no memory to keep what defines %s", name);
		found = false;
	}
	registry_unlock();
	return found;
}

static bool after_in_globals(struct umod_namespace *space, const struct link_image *image,
	const char *name, const char *version, void **address)
{
	struct elf_reference reference;
	struct link_definition definition;
	struct base_reader *reader = base_reader_enter();
	unsigned count = link_globals_count(space->globals);
	bool after = false, found = false;
	link_reference(&reference, name, version);
	for (unsigned i = 0; i < count && !found; i++) {
		const struct link_image *other = link_globals_at(space->globals, i);
		if (!other)
			continue;
		if (after && link_image_find(other, &reference, &definition))
			found = true;
		after |= other->start == image->start;
	}
	base_reader_leave(reader);
	if (found)
		*address = link_definition_address(&definition);
	return found;
}

static bool find_after(const struct link_scope *scope, const struct link_image *image,
	const struct elf_reference *reference, struct link_definition *definition)
{
	unsigned i = 0;
	while (i < scope->count && scope->images[i] != image)
		i++;
	while (++i < scope->count)
		if (link_image_find(scope->images[i], reference, definition))
			return true;
	return false;
}

/* RTLD_NEXT: the next definition after the calling image, in the scope it came with. */
static bool after_module(struct umod_module *module, const char *name,
	const char *version, void **address, struct umod_error *error)
{
	struct elf_reference reference;
	struct link_definition definition;
	link_reference(&reference, name, version);
	registry_lock();
	struct link_scope *scope = loader_scope(module);
	bool found = scope && find_after(scope, &module->image, &reference, &definition);
	registry_unlock();
	if (found) {
		*address = link_definition_address(&definition);
		return true;
	}
	base_error(error, UMOD_STAGE_LOOKUP, -ENOENT, module->path,
		"undefined symbol: %s after this image", name);
	return false;
}

/* RTLD_NEXT of an object of ld.so's: umod's global modules come after all of those. */
static bool after_host(const void *caller, const char *name, const char *version,
	void **address, struct umod_error *error)
{
	struct umod_context *context = dl_face()->context(error);
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)caller);
	base_reader_leave(reader);
	return context && image &&
	       after_in_globals(context->process, image, name, version, address);
}

/* Of the program's own handle: all that is global. */
static bool is_program(void *handle)
{
	return handle == _r_debug.r_map;
}

static bool in_process(
	const struct dl_face *face, const char *name, const char *version, void **address)
{
	struct umod_context *context =
		face && link_mapped_bytes() ? face->context(NULL) : NULL;
	return context && in_space(context->process, name, version, address, NULL);
}

/* RTLD_DEFAULT of the program, which goes last: so does what it found. */
static bool in_process_for_good(
	const struct dl_face *face, const char *name, const char *version, void **address)
{
	if (!in_process(face, name, version, address))
		return false;
	registry_lock();
	bool found = in_process(face, name, version, address); /* it may just have gone */
	struct umod_module *on = found ? definer(*address) : NULL;
	if (on)
		on->pinned = true;
	registry_unlock();
	return found;
}

/* False and no error: ld.so is to be asked. */
static bool look_up(void *handle, const char *name, const char *version,
	const void *caller, void **address, struct umod_error *error)
{
	const struct dl_face *face = dl_face();
	if (handle == RTLD_NEXT) {
		struct umod_module *module = dl_caller(caller);
		if (module)
			return after_module(module, name, version, address, error);
		return face && link_mapped_bytes() &&
		       after_host(caller, name, version, address, NULL);
	}
	if (handle == RTLD_DEFAULT) {
		struct umod_module *module = dl_caller(caller);
		return module ? by_default(module, name, version, address,
					module->space->is_process ? NULL : error)
			      : in_process_for_good(face, name, version, address);
	}
	if (is_program(handle))
		return in_process(face, name, version, address);
	if (!dl_handle_is_known(handle))
		return false;
	struct umod_namespace *space = dl_handle_space(handle);
	if (space) /* of dlopen(NULL): for ld.so it is the program, whoever asks */
		return in_space(space, name, version, address, NULL) ||
		       in_space(space->context->process, name, version, address, error);
	return umod_module_symbol(
		       dl_handle_module(handle), name, version, address, error) == 0;
}

bool dl_symbol(void *handle, const char *name, const char *version, const void *caller,
	void **address)
{
	struct umod_error error;
	umod_error_clear(&error); /* cheaper than to zero it */
	dl_error_clear();
	*address = NULL;
	if (look_up(handle, name, version, caller, address, &error))
		return true;
	if (!error.code) {
		dl_error_of_ldso();
		return false;
	}
	dl_error_set(&error);
	*address = NULL;
	return true;
}
