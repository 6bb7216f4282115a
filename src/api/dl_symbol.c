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

/* RTLD_DEFAULT: the global scope of its namespace, then its own. */
static bool by_default(struct umod_module *module, const char *name, const char *version,
	void **address, struct umod_error *error)
{
	return in_space(module->space, name, version, address, error) ||
	       umod_module_symbol(module, name, version, address, error) == 0;
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

static bool holds(const struct link_scope *scope, const struct link_image *image)
{
	for (unsigned i = 0; i < scope->count; i++)
		if (scope->images[i] == image)
			return true;
	return false;
}

/* The needs of the first that was asked for and needs @module: what it came with. */
static struct link_scope *loader_scope(struct umod_module *module)
{
	for (struct umod_module *m = module->space->first; m; m = m->next) {
		struct link_scope *closure = m->is_root ? registry_closure(m) : NULL;
		if (closure && holds(closure, &module->image))
			return closure;
	}
	return registry_closure(module);
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
			      : in_process(face, name, version, address);
	}
	if (is_program(handle))
		return in_process(face, name, version, address);
	if (!dl_handle_is_known(handle))
		return false;
	if (dl_handle_space(handle))
		return in_space(dl_handle_space(handle), name, version, address, error);
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
