/* SPDX-License-Identifier: MIT */
/* Hands each module with all that is known of it to who asked: for JSON. */
#include "index/depmod_internal.h"

/* Fields of one kind; returns how many. */
static unsigned add_fields(const struct depmod_module *module,
	enum depmod_field_kind kind, const char **values)
{
	unsigned count = 0;
	for (unsigned i = 0; i < module->field_count; i++) {
		if (module->fields[i].kind == kind)
			values[count++] = module->fields[i].value;
	}
	return count;
}

static int visit(struct depmod *depmod, uint32_t index, struct depmod_closure *closure)
{
	const struct depmod_module *module = &depmod->modules[index];
	depmod_closure_fill(depmod, index, closure);
	BASE_AUTO_FREE const char **needs =
		base_array((size_t)closure->count + 1, sizeof(*needs));
	BASE_AUTO_FREE const char **values = base_array(
		(size_t)module->field_count + module->export_count + 1, sizeof(*values));
	struct index_depmod_module out = { .name = module->name,
		.path = module->shown,
		.needs = needs,
		.values = values,
		.need_count = closure->count,
		.export_count = module->export_count,
		.error = module->message };

	if (!needs || !values)
		return -ENOMEM;
	for (unsigned i = 0; i < closure->count; i++)
		needs[i] = depmod->modules[closure->items[i]].shown;
	const char **at = values;
	at += out.alias_count = add_fields(module, DEPMOD_ALIAS, at);
	at += out.softdep_count = add_fields(module, DEPMOD_SOFTDEP, at);
	at += out.weakdep_count = add_fields(module, DEPMOD_WEAKDEP, at);
	for (unsigned i = 0; i < module->export_count; i++)
		*at++ = module->exports[i].name;
	return depmod->options->visit(depmod->options->data, &out);
}

int depmod_visit(struct depmod *depmod)
{
	struct depmod_closure closure;
	int result = depmod_closure_setup(depmod, &closure);

	for (uint32_t i = 0; i < depmod->module_count && result == 0; i++)
		result = visit(depmod, i, &closure);
	depmod_closure_free(&closure);
	return result;
}
