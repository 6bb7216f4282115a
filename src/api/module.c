/* SPDX-License-Identifier: MIT */
/* Modules, as callers see them: load, look up, describe, let go. */
#include "api/api.h"

int api_check_source(const struct umod_source *source, struct umod_error *error)
{
	int ways = (source->buffer != NULL) + (source->has_descriptor ? 1 : 0);
	if (ways > 1 || (ways == 0 && (!source->path || !source->path[0])))
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, source->path,
			"a source is a path, a descriptor or a buffer: exactly one of "
			"them");
	return 0;
}

UMOD_EXPORT int umod_load_source(struct umod_namespace *space,
	const struct umod_source *source, const struct umod_load_options *options,
	struct umod_module **out, struct umod_error *error)
{
	struct umod_source own_source;
	struct umod_load_options own;
	umod_error_clear(error);
	*out = NULL;
	int result = api_take_options(&own_source, sizeof(own_source), source, error);
	if (!result)
		result = api_take_options(&own, sizeof(own), options, error);
	if (!result)
		result = api_check_source(&own_source, error);
	if (result)
		return result;
	struct load load = { .space = space,
		.context = space->context,
		.flags = own.flags,
		.source = &own_source,
		.caller = own.caller,
		.stage_ns = own.stage_ns,
		.error = error };
	if (own.stage_ns)
		memset(own.stage_ns, 0, UMOD_STAGE_COUNT * sizeof(*own.stage_ns));
	registry_lock();
	result = load_run(&load);
	registry_unlock();
	if (!result)
		*out = load.root;
	return result;
}

UMOD_EXPORT int umod_load(struct umod_namespace *space, const char *path,
	const struct umod_load_options *options, struct umod_module **out,
	struct umod_error *error)
{
	struct umod_source source = { .size_bytes = sizeof(source), .path = path };
	return umod_load_source(space, &source, options, out, error);
}

UMOD_EXPORT struct umod_module *umod_module_ref(struct umod_module *module)
{
	atomic_fetch_add(&module->references, 1);
	return module;
}

UMOD_EXPORT int umod_module_unref(struct umod_module *module, struct umod_error *error)
{
	umod_error_clear(error);
	return module ? load_unref(module, error) : 0;
}

/* ---- look-ups ---- */

static int not_found(const struct umod_module *module, const char *name,
	const char *version, struct umod_error *error)
{
	return base_error(error, UMOD_STAGE_LOOKUP, -ENOENT, module->path,
		"undefined symbol: %s%s%s", name, version ? ", version " : "",
		version ? version : "");
}

UMOD_EXPORT int umod_module_symbol(struct umod_module *module, const char *name,
	const char *version, void **address, struct umod_error *error)
{
	struct elf_reference reference;
	struct link_definition definition;
	/* The caller's reference keeps the closure: no reader's mark is needed. */
	const struct link_scope *closure =
		atomic_load_explicit(&module->closure, memory_order_acquire);
	umod_error_clear(error);
	if (base_unlikely(!closure))
		closure = registry_closure(module);
	if (!closure)
		return base_error(error, UMOD_STAGE_LOOKUP, -ENOMEM, module->path,
			"no memory for its scope");
	link_reference(&reference, name, version);
	for (unsigned i = 0; i < closure->count; i++) {
		const struct link_image *image = closure->images[i];
		if (link_image_find(image, &reference, &definition)) {
			*address = link_definition_address(&definition);
			return 0;
		}
	}
	*address = NULL;
	return not_found(module, name, version, error);
}

UMOD_EXPORT int umod_module_own_symbol(struct umod_module *module, const char *name,
	const char *version, void **address, struct umod_error *error)
{
	struct elf_reference reference;
	struct link_definition definition;
	umod_error_clear(error);
	link_reference(&reference, name, version);
	if (link_image_find(&module->image, &reference, &definition)) {
		*address = link_definition_address(&definition);
		return 0;
	}
	*address = NULL;
	return not_found(module, name, version, error);
}

/* ---- descriptions ---- */

UMOD_EXPORT void umod_module_info_get(
	struct umod_module *module, struct umod_module_info *out)
{
	registry_lock();
	const struct link_image *image = &module->image;
	struct umod_module_info info = { .name = image->name,
		.path = module->path,
		.space = module->space,
		.state = module->state,
		.references = atomic_load(&module->references),
		.users = module->users,
		.load_bias = image->bias,
		.start = image->start,
		.end = image->end,
		.file_bytes = module->file_bytes,
		.tls_id = image->tls_id,
		.global = image->global_order != 0,
		.pinned = module->pinned,
		.in_arena = image->home == LINK_HOME_ARENA,
		.from_host = module->host != NULL,
		.relative = image->relative_done,
		.symbolic = image->symbolic_done,
		.signature = module->signature,
		.signer = module->signer };
	registry_unlock();
	api_fill(out, out->size_bytes, &info, sizeof(info));
}

UMOD_EXPORT struct umod_module *umod_module_need(
	struct umod_module *module, unsigned index)
{
	registry_lock();
	unsigned at = module->filtee_count + index;
	struct umod_module *need = index < module->need_count && at < module->need_count
					   ? module->edges[at]
					   : NULL;
	registry_unlock();
	return need;
}

UMOD_EXPORT int umod_modules_visit(struct umod_namespace *space,
	int (*visit)(struct umod_module *module, void *data), void *data)
{
	int result = 0;
	registry_lock();
	struct umod_namespace *at = space ? space : registry_first_namespace();
	for (; at && !result; at = space ? NULL : at->next)
		for (struct umod_module *m = at->first, *next; m && !result; m = next) {
			next = m->next;
			result = visit(m, data);
		}
	registry_unlock();
	return result;
}
