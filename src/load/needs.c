/* SPDX-License-Identifier: MIT */
/*
 * What an item needs: DT_NEEDED, DT_FILTER and DT_AUXILIARY of a shared object. A
 * relocatable object has no such list: it needs the C library, the C++ library if it uses
 * that, and what fields "needed=SONAME" of its .modinfo name.
 */
#include "feature/feature.h"
#include "load/load.h"

/* A need is there already, or becomes an item of its own. */
static int add_need(struct load *load, struct load_item *item, const char *name,
	enum registry_edge kind, bool optional)
{
	struct umod_module *module = item->module, *on = NULL;
	char *expanded = NULL;
	struct umod_error ignored = { 0 }, *error = load->error;
	unsigned before = load->count;
	int result = 0;
	if (load->no_needs || !name)
		return 0;
	if (strchr(name, '$')) {
		result = find_expand(name, item->asker.path, &expanded);
		if (result && !optional)
			return base_error(error, UMOD_STAGE_ADMIT, result, module->path,
				"needs %s, whose $ORIGIN is not known or not allowed",
				name);
		name = expanded;
	}
	if (optional)
		load->error = &ignored;
	if (!result)
		result = load_open(load, name, &item->asker, &on);
	load->error = error;
	if (!result && !on && load->count > before) {
		on = load->items[load->count - 1]->module;
		/* Known by name at once: the next that needs it finds it. */
		result = registry_module_add_name(on, name);
	}
	if (!result && on)
		result = registry_add_edge(module, on, kind);
	if (!result || result == -ENOMEM || !optional) {
		base_free(expanded);
		return result == -ENOMEM
			       ? base_error(error, UMOD_STAGE_ADMIT, result, module->path,
					 "no memory for its needs")
			       : result;
	}
	base_free(expanded);
	return 0;
}

static int add_dynamic(struct load *load, struct load_item *item)
{
	static const struct {
		int64_t tag;
		enum registry_edge kind;
		bool optional;
	} kinds[] = { { DT_FILTER, REGISTRY_FILTEE, false },
		{ DT_AUXILIARY, REGISTRY_FILTEE, true },
		{ DT_NEEDED, REGISTRY_NEED, false } };
	const struct elf_view *view = &item->module->image.view;
	for (unsigned k = 0; k < base_array_count(kinds); k++)
		for (unsigned i = 0; i < view->dynamic_count; i++) {
			if (view->dynamic[i].d_tag != kinds[k].tag)
				continue;
			int result = add_need(load, item,
				elf_view_string(view, view->dynamic[i].d_un.d_val),
				kinds[k].kind, kinds[k].optional);
			if (result)
				return result;
		}
	return 0;
}

/* ---- relocatable objects ---- */

/* The C++ ABI's names, and those of the standard library. */
static bool is_of_cxx(const char *name)
{
	static const char *const starts[] = { "__gxx_personality", "__cxa_", "_ZSt",
		"_ZNSt", "_ZNKSt", "_ZTVN10__cxxabiv1", "_ZTISt", "_Znw", "_Zna", "_Zdl",
		"_Zda" };
	for (unsigned i = 0; i < base_array_count(starts); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static int uses_cxx(const struct elf_object *file, bool *uses, struct umod_error *error)
{
	struct elf_symbols symbols;
	int result = elf_object_symbols(file, &symbols, error);
	*uses = false;
	for (uint64_t i = symbols.first_global; !result && !*uses && i < symbols.count;
		i++) {
		Elf64_Sym symbol;
		elf_symbol_read(&symbols, i, &symbol);
		const char *name = elf_symbol_name(&symbols, &symbol);
		*uses = symbol.st_shndx == SHN_UNDEF && name && name[0] == '_' &&
			is_of_cxx(name);
	}
	return result;
}

static int add_named(
	struct load *load, struct load_item *item, const struct elf_object *file)
{
	struct feature_info info;
	struct feature_field field;
	size_t cursor = 0;
	int result = feature_info_open(file, &info, load->error);
	while (!result && feature_info_next(&info, &cursor, &field))
		if (feature_field_is(&field, "needed"))
			result = add_need(load, item, field.value, REGISTRY_NEED, false);
	return result;
}

static int add_implied(struct load *load, struct load_item *item)
{
	const struct elf_object *file = link_object_file(item->module->image.object);
	bool cxx;
	int result = uses_cxx(file, &cxx, load->error);
	if (!result && cxx)
		result = add_need(load, item, "libstdc++.so.6", REGISTRY_NEED, false);
	if (!result && !load->space->is_process) /* that has it */
		result = add_need(load, item, "libc.so.6", REGISTRY_NEED, false);
	return result ? result : add_named(load, item, file);
}

int load_needs(struct load *load, struct load_item *item)
{
	if (load->is_freestanding)
		return 0;
	return item->module->image.object ? add_implied(load, item)
					  : add_dynamic(load, item);
}
