/* SPDX-License-Identifier: MIT */
/*
 * Whether a module may use what it imports: the licence, the export namespaces, and
 * whether who offers it is there for good. Finds each import as binding will, once more.
 */
#include "life/life.h"

struct checking {
	struct load *load;
	struct umod_module *module;
	const struct module_description *about;
};

static int check_rule(const struct checking *check, const char *name, const char *space,
	bool gpl_only, const char *provider)
{
	const struct module_description *about = check->about;
	const char *own = check->module->life->name;
	struct umod_error *error = check->load->error;
	if (gpl_only && !about->gpl_compatible)
		return base_error(error, UMOD_STAGE_BIND, -ENOENT, own,
			"unknown symbol %s: %s exports it to modules of a licence that "
			"is "
			"compatible with the GPL, which %s is not",
			name, provider, about->license ? about->license : "none");
	if (module_space_admits(space, own, &about->imports))
		return 0;
	return base_error(error, UMOD_STAGE_BIND, -EINVAL, own,
		"uses %s of the export namespace %s of %s, which it %s", name, space,
		provider,
		strncmp(space, "module:", 7) == 0 ? "is not for" : "does not import");
}

static int check_provider(const struct checking *check,
	const struct elf_reference *reference, struct umod_module *provider)
{
	struct umod_error *error = check->load->error;
	if (!provider->life)
		return 0;
	struct life_try *try = check->load->data;
	if (provider->state == UMOD_STATE_COMING) {
		try->is_blocked = true;
		return base_error(error, UMOD_STAGE_BIND, -EBUSY,
			check->module->life->name,
			"needs %s of %s, which is still coming", reference->name,
			provider->life->name);
	}
	if (provider->state == UMOD_STATE_GOING)
		return base_error(error, UMOD_STAGE_BIND, -ENOENT,
			check->module->life->name, "unknown symbol %s: %s is going",
			reference->name, provider->life->name);
	const struct module_export *rule =
		module_description_export(&provider->life->about, reference->name);
	return rule ? check_rule(check, reference->name, rule->space, rule->gpl_only,
			      provider->life->name)
		    : 0;
}

static int check_import(const struct checking *check, const char *name, bool weak)
{
	struct elf_reference reference;
	struct link_definition definition;
	struct load *load = check->load;
	link_reference(&reference, name, NULL);
	if (link_scope_find(load->scope, &reference, NULL, &definition))
		return definition.image->owner &&
				       definition.image != &check->module->image
			       ? check_provider(
					 check, &reference, definition.image->owner)
			       : 0;
	const struct umod_host_export *item = life_host_export(load->space, &reference);
	if (item)
		return check_rule(
			check, name, item->export_space, item->gpl_only, "the host");
	if (weak || load_finds_elsewhere(load, &reference))
		return 0;
	struct life_try *try = load->data;
	snprintf(try->missing, sizeof(try->missing), "symbol:%s", name);
	return base_error(load->error, UMOD_STAGE_BIND, -ENOENT,
		check->module->life->name, "unknown symbol %s", name);
}

int life_imports(struct load *load)
{
	struct umod_module *module = load->root;
	const struct elf_view *view = &module->image.view;
	struct checking check = { load, module, &module->life->about };
	int result = 0;
	/* Of an object too: what its linker provides is not among them. */
	for (uint64_t i = 1; !result && i < view->symbol_count; i++) {
		const char *name = elf_view_string(view, view->symbols[i].st_name);
		if (view->symbols[i].st_shndx == SHN_UNDEF && name && name[0])
			result = check_import(&check, name,
				ELF64_ST_BIND(view->symbols[i].st_info) == STB_WEAK);
	}
	return result;
}
