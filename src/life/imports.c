/* SPDX-License-Identifier: MIT */
/*
 * Whether a module was built for this host and may use what it imports: the licence, the
 * export namespaces, and whether who offers it is there for good. Finds each import as
 * binding will, once more.
 */
#include "life/life.h"

/* ---- versions ---- */

/* The strings are the file's, which goes before the module. */
static int copy_text(struct life *life)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < life->wanted.count; i++) {
		const struct module_version *item = &life->wanted.items[i];
		bytes += item->name_bytes;
		bytes += item->declaration ? strlen(item->declaration) + 1 : 0;
	}
	char *at = life->wanted_text = base_alloc(bytes + 1);
	for (unsigned i = 0; at && i < life->wanted.count; i++) {
		struct module_version *item = &life->wanted.items[i];
		memcpy(at, item->name, item->name_bytes);
		item->name = at;
		at += item->name_bytes;
		if (!item->declaration)
			continue;
		size_t length = strlen(item->declaration) + 1;
		memcpy(at, item->declaration, length);
		item->declaration = at;
		at += length;
	}
	return at ? 0 : -ENOMEM;
}

int life_read_versions(
	struct life *life, const struct elf_object *object, struct umod_error *error)
{
	int result = module_imports_versions(object, &life->wanted, error);
	if (!result && life->wanted.count && copy_text(life))
		result = base_error(error, UMOD_STAGE_DESCRIBE, -ENOMEM, object->name,
			"no memory for the versions of its imports");
	return result;
}

void life_free_versions(struct life *life)
{
	module_versions_free(&life->wanted);
	base_free(life->wanted_text);
}

/* ---- what it was built for ---- */

/* The version of the kernel's own struct module, for which the kernel has no import. */
static int check_layout(struct load *load, struct umod_module *module)
{
	const struct life_try *try = load->data;
	const struct life *life = module->life;
	struct elf_reference reference;
	link_reference(&reference, "module_layout", NULL);
	const struct umod_host_export *host = life_host_export(load->space, &reference);
	const struct module_version *wanted =
		module_versions_find(&life->wanted, reference.name);
	if (life->about.kind != MODULE_KERNEL || !wanted || !host || !host->has_crc ||
		wanted->crc == host->crc)
		return 0;
	if (!(try->options->flags & UMOD_INSERT_IGNORE_MODVERSIONS))
		return base_error(load->error, UMOD_STAGE_ADMIT, -ENOEXEC, life->name,
			"disagrees about the version of symbol module_layout: it was "
			"built for 0x%08x; the host has 0x%08x",
			wanted->crc, host->crc);
	life_taint(module, LIFE_TAINT_FORCED_MODULE);
	return 0;
}

/* What it was built for. An object that says no more than its licence is not checked. */
int life_built_for(struct load *load, struct umod_module *module)
{
	const struct life_try *try = load->data;
	const struct life *life = module->life;
	const char *should_be = try->options->vermagic;
	enum module_version_answer answer;
	if (!should_be && life->about.kind != MODULE_KERNEL)
		should_be = UMOD_VERMAGIC;
	int result = check_layout(load, module);
	if (result || life->about.kind == MODULE_PLAIN)
		return result;
	result = module_vermagic_check(life->name, life->about.vermagic, should_be,
		life->wanted.count > 0, try->options->flags & UMOD_INSERT_IGNORE_VERMAGIC,
		&answer, load->error);
	if (!result && answer == MODULE_VERSION_IGNORED)
		life_taint(module, LIFE_TAINT_FORCED_MODULE);
	return result;
}

/* ---- rules ---- */

struct checking {
	struct load *load;
	struct umod_module *module;
	const struct module_description *about;
};

static int check_version(const struct checking *check, const char *name, bool has_crc,
	uint32_t crc, const char *declaration, const char *provider)
{
	const struct life_try *try = check->load->data;
	const struct life *life = check->module->life;
	const struct module_version offered = { .name = name,
		.name_bytes = (uint32_t)strlen(name),
		.crc = crc,
		.declaration = declaration };
	enum module_version_answer answer;
	int result = module_version_check(life->name,
		module_versions_find(&life->wanted, name), provider,
		has_crc ? &offered : NULL,
		try->options->flags & UMOD_INSERT_IGNORE_MODVERSIONS, &answer,
		check->load->error);
	if (!result && answer == MODULE_VERSION_IGNORED)
		life_taint(check->module, LIFE_TAINT_FORCED_MODULE);
	return result;
}

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
		/* Not for what this very thread is at. */
		try->is_blocked = !pthread_equal(provider->life->loader, pthread_self());
		return base_error(error, UMOD_STAGE_BIND, -EBUSY,
			check->module->life->name,
			"needs %s of %s, which is still coming", reference->name,
			provider->life->name);
	}
	if (provider->state == UMOD_STATE_GOING)
		return base_error(error, UMOD_STAGE_BIND, -ENOENT,
			check->module->life->name, "unknown symbol %s: %s is going",
			reference->name, provider->life->name);
	const char *name = provider->life->name;
	if (provider->life->never_runs && !check->module->life->never_runs)
		return base_error(error, UMOD_STAGE_BIND, -EPERM,
			check->module->life->name,
			"uses %s of %s, which was inserted to run no code of it",
			reference->name, name);
	const struct module_export *rule =
		module_description_export(&provider->life->about, reference->name);
	if (!rule)
		return 0;
	int result =
		check_rule(check, reference->name, rule->space, rule->gpl_only, name);
	return result ? result
		      : check_version(check, reference->name, rule->has_crc, rule->crc,
				rule->declaration, name);
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
	if (item) {
		int result = check_rule(
			check, name, item->export_space, item->gpl_only, "the host");
		return result ? result
			      : check_version(check, name, item->has_crc, item->crc,
					item->declaration, "the host");
	}
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
	struct life_try *try = load->data;
	int result = 0;
	try->image_bytes = module->image.end - module->image.start;
	/* Of an object too: what its linker provides is not among them. */
	for (uint64_t i = 1; !result && i < view->symbol_count; i++) {
		const char *name = elf_view_string(view, view->symbols[i].st_name);
		if (view->symbols[i].st_shndx == SHN_UNDEF && name && name[0])
			result = check_import(&check, name,
				ELF64_ST_BIND(view->symbols[i].st_info) == STB_WEAK);
	}
	return result;
}
