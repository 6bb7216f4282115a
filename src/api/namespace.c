/* SPDX-License-Identifier: MIT */
/* Namespaces, as callers see them. */
#include "api/api.h"

UMOD_EXPORT int umod_namespace_new(struct umod_context *context,
	const struct umod_namespace_options *options, struct umod_namespace **out,
	struct umod_error *error)
{
	struct umod_namespace_options own;
	umod_error_clear(error);
	*out = NULL;
	int result = api_take_options(&own, sizeof(own), options, error);
	if (result)
		return result;
	return registry_namespace_new(context, &own, false, out, error);
}

UMOD_EXPORT struct umod_namespace *umod_namespace_ref(struct umod_namespace *space)
{
	registry_namespace_ref(space);
	return space;
}

UMOD_EXPORT void umod_namespace_unref(struct umod_namespace *space)
{
	registry_namespace_unref(space);
}

UMOD_EXPORT const char *umod_namespace_name(const struct umod_namespace *space)
{
	return space->name;
}

UMOD_EXPORT uint64_t umod_namespace_id(const struct umod_namespace *space)
{
	return space->id;
}

UMOD_EXPORT int umod_namespace_symbol(struct umod_namespace *space, const char *name,
	const char *version, void **address, struct umod_error *error)
{
	struct elf_reference reference;
	struct link_definition definition;
	umod_error_clear(error);
	link_reference(&reference, name, version);
	struct base_reader *reader = base_reader_enter();
	if (base_unlikely(link_globals_want_index(space->globals))) {
		/* Not as a reader: whoever holds the lock may wait for us. */
		base_reader_leave(reader);
		registry_lock();
		link_globals_index(space->globals); /* for want of memory: slower */
		registry_unlock();
		reader = base_reader_enter();
	}
	bool found =
		(space->lent && link_image_find(space->lent, &reference, &definition)) ||
		link_globals_find(space->globals, &reference, NULL, &definition);
	*address = found ? link_definition_address(&definition) : NULL;
	base_reader_leave(reader);
	if (found)
		return 0;
	return base_error(error, UMOD_STAGE_LOOKUP, -ENOENT, name,
		"undefined symbol%s%s in the global scope of namespace %s",
		version ? ", version " : "", version ? version : "", space->name);
}
