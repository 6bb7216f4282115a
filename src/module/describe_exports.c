/* SPDX-License-Identifier: MIT */
/*
 * What a module exports: from its own fields, or, for the kernel's modules, from the
 * kernel's tables; with their versions. Says nothing of who may use it.
 */
#include "module/internal.h"
#include "module/version.h"

#define fail(...) base_error(error, UMOD_STAGE_DESCRIBE, __VA_ARGS__)

static uint64_t key_of(const char *name)
{
	return base_hash_bytes(name, strlen(name));
}

static struct module_export *find(
	const struct module_description *description, const char *name)
{
	size_t cursor = 0;
	uint64_t key = key_of(name);
	void *value;

	while ((value = base_map_next(&description->exports_map, key, &cursor)) != NULL) {
		struct module_export *item = &description->exports[(uintptr_t)value - 1];
		if (strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

const struct module_export *module_description_export(
	const struct module_description *description, const char *name)
{
	return find(description, name);
}

static int add(const struct elf_object *object, struct module_description *out,
	const struct module_export *item, struct umod_error *error)
{
	if (!item->name[0])
		return fail(-ENOEXEC, object->name, "an export has no name");
	if (find(out, item->name))
		return fail(
			-ENOEXEC, object->name, "it exports symbol %s twice", item->name);
	int result = base_grow(&out->exports, out->export_count, &out->export_capacity,
		sizeof(*out->exports));
	if (result == 0)
		result = base_map_put(&out->exports_map, key_of(item->name),
			(void *)(uintptr_t)(out->export_count + 1));
	if (result)
		return fail(result, object->name, "out of memory");
	out->exports[out->export_count++] = *item;
	return 0;
}

/* ---- fields ---- */

static int take_field(const struct elf_object *object, struct module_description *out,
	const struct feature_field *field, struct umod_error *error)
{
	char *value = out->words + (field->value - out->text);
	struct module_export item = { .name = value };
	bool spaced = false;

	if (feature_field_is(field, "export_gpl_ns"))
		item.gpl_only = spaced = true;
	else if (feature_field_is(field, "export_gpl"))
		item.gpl_only = true;
	else if (feature_field_is(field, "export_ns"))
		spaced = true;
	else if (!feature_field_is(field, "export"))
		return 0;
	if (spaced) {
		char *colon = strchr(value, ':');
		if (!colon || !colon[1])
			return fail(-ENOEXEC, object->name,
				"%.*s=%.200s: it names no namespace",
				(int)field->key_bytes, field->key, field->value);
		*colon = '\0';
		item.space = colon + 1;
	}
	return add(object, out, &item, error);
}

/* Marks the exports that @symbols define. */
static int mark_defined(const struct elf_object *object,
	const struct module_description *description, const struct elf_symbols *symbols,
	bool *defined, struct umod_error *error)
{
	for (uint64_t i = symbols->first_global; i < symbols->count; i++) {
		Elf64_Sym symbol;
		elf_symbol_read(symbols, i, &symbol);
		const char *name = elf_symbol_name(symbols, &symbol);
		if (!name)
			return fail(-ELIBBAD, object->name,
				"symbol %llu: its name is out of bounds",
				(unsigned long long)i);
		const struct module_export *item =
			symbol.st_shndx == SHN_UNDEF ? NULL : find(description, name);
		if (item)
			defined[item - description->exports] = true;
	}
	return 0;
}

static int check_defined(const struct elf_object *object,
	const struct module_description *description, struct umod_error *error)
{
	struct elf_symbols symbols;
	bool relocatable = object->type == ET_REL;
	int result = relocatable ? elf_object_symbols(object, &symbols, error)
				 : elf_object_dynamic_symbols(object, &symbols, error);

	if (result || !description->export_count)
		return result;
	BASE_AUTO_FREE bool *defined = base_array(description->export_count, 1);
	if (!defined)
		return fail(-ENOMEM, object->name, "out of memory");
	result = mark_defined(object, description, &symbols, defined, error);
	for (unsigned i = 0; result == 0 && i < description->export_count; i++) {
		if (!defined[i])
			result = fail(-ENOEXEC, object->name,
				"it exports symbol %s, which is not among its %s%s",
				description->exports[i].name,
				relocatable ? "global symbols" : "dynamic symbols",
				relocatable ? ""
					    : ": is it hidden, by -fvisibility or a "
					      "version script?");
	}
	return result;
}

/* ---- the kernel's tables ---- */

static int copy_tables(const struct elf_object *object, struct module_description *out,
	const struct feature_exports *exports, struct umod_error *error)
{
	size_t bytes = 0;
	int result = 0;

	for (unsigned i = 0; i < exports->count; i++) {
		const struct feature_export *item = &exports->items[i];
		bytes += strlen(item->name) + 1 +
			 (item->space ? strlen(item->space) + 1 : 0);
	}
	char *to = out->tables = base_alloc(bytes ? bytes : 1);
	if (!to)
		return fail(-ENOMEM, object->name, "out of memory");
	for (unsigned i = 0; i < exports->count && result == 0; i++) {
		const struct feature_export *item = &exports->items[i];
		struct module_export export = { .name = to,
			.crc = (uint32_t)item->crc,
			.has_crc = item->has_crc,
			.gpl_only = item->gpl_only };
		to = stpcpy(to, item->name) + 1;
		if (item->space && item->space[0]) {
			export.space = to;
			to = stpcpy(to, item->space) + 1;
		}
		result = add(object, out, &export, error);
	}
	return result;
}

static int read_tables(const struct elf_object *object, struct module_description *out,
	struct umod_error *error)
{
	struct feature_exports exports = { 0 };
	int result = feature_exports_read(object, &exports, error);

	if (result == 0)
		result = copy_tables(object, out, &exports, error);
	feature_exports_free(&exports);
	return result;
}

/* ---- versions ---- */

/* Declarations are copied: the object's bytes go. */
static int add_versions(const struct elf_object *object, struct module_description *out,
	struct umod_error *error)
{
	struct module_versions versions;
	size_t bytes = 0;
	int result = module_exports_versions(object, &versions, error);

	if (result)
		return result;
	for (unsigned i = 0; i < versions.count; i++)
		bytes += versions.items[i].declaration
				 ? strlen(versions.items[i].declaration) + 1
				 : 0;
	char *to = out->tables = base_alloc(bytes ? bytes : 1);
	if (!to) {
		module_versions_free(&versions);
		return fail(-ENOMEM, object->name, "out of memory");
	}
	for (unsigned i = 0; i < out->export_count; i++) {
		const struct module_version *version =
			module_versions_find(&versions, out->exports[i].name);
		if (!version)
			continue;
		out->exports[i].crc = version->crc;
		out->exports[i].has_crc = true;
		if (version->declaration) {
			out->exports[i].declaration = to;
			to = stpcpy(to, version->declaration) + 1;
		}
	}
	module_versions_free(&versions);
	return 0;
}

int module_read_exports(const struct elf_object *object, struct module_description *out,
	struct umod_error *error)
{
	struct feature_field field;
	size_t cursor = 0;
	int result = 0;

	if (out->kind == MODULE_KERNEL)
		return read_tables(object, out, error);
	while (result == 0 && feature_info_next(&out->fields, &cursor, &field)) {
		if (field.key[0] == 'e')
			result = take_field(object, out, &field, error);
	}
	if (result == 0)
		result = check_defined(object, out, error);
	return result || !out->export_count ? result : add_versions(object, out, error);
}
