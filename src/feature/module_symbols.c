/* SPDX-License-Identifier: MIT */
/*
 * What a module in the kernel's format exports and imports. Exports are read where the
 * kernel reads them, from __ksymtab and its kin, through the relocations that fill those
 * in: the string table beside them also holds the names of export namespaces, which are
 * no exports. Resolves nothing.
 */
#include "feature/feature.h"

#include <stdio.h>

#define fail(...) base_error(error, UMOD_STAGE_DESCRIBE, __VA_ARGS__)

static int pass(const struct umod_error *own, struct umod_error *error)
{
	if (error && !error->code)
		*error = *own;
	return own->code;
}

/* ---- exports ---- */

/* What the reading of one table needs. */
struct table {
	const struct elf_object *object;
	struct elf_symbols symbols;
	struct elf_section section;
	struct elf_relocations relocations;
	unsigned field_bytes; /* 4: relative; 8: absolute */
	unsigned field_count; /* 3: value, name, namespace; 2: before there were those */
	const uint8_t *crcs;  /* __kcrctab: relative to nothing, 4 bytes each; or NULL */
	uint64_t crc_bytes;
	const uint8_t *flags; /* __kflagstab: 1 byte each; or NULL */
	uint64_t flag_bytes;
	bool gpl_only;
	/* The last section of strings that was met: nearly always the same. */
	unsigned string_section;
	const char *strings;
	uint64_t string_bytes;
};

#define FLAG_GPL_ONLY 1

/* Field widths follow from the types of relocations that fill them. */
static unsigned width_of(uint16_t machine, uint32_t type)
{
	if (machine == EM_X86_64)
		return type == R_X86_64_64 ? 8 : 4;
	if (machine == EM_AARCH64)
		return type == R_AARCH64_ABS64 || type == R_AARCH64_PREL64 ? 8 : 4;
	return type == R_RISCV_64 ? 8 : 4;
}

/* The string that symbol @index plus @addend points at; NULL: it points at none. */
static const char *string_at(struct table *table, uint64_t index, int64_t addend)
{
	Elf64_Sym symbol;

	if (index >= table->symbols.count)
		return NULL;
	elf_symbol_read(&table->symbols, index, &symbol);
	if (symbol.st_shndx == SHN_UNDEF ||
		symbol.st_shndx >= table->object->section_count)
		return NULL;
	if (symbol.st_shndx != table->string_section) {
		struct elf_section section;
		elf_object_section(table->object, symbol.st_shndx, &section);
		if (strcmp(section.name, "__ksymtab_strings") != 0)
			return NULL;
		const uint8_t *bytes = elf_object_data(table->object, &section, NULL);
		if (!bytes || bytes[section.bytes - 1] != '\0')
			return NULL;
		table->string_section = symbol.st_shndx;
		table->strings = (const char *)bytes;
		table->string_bytes = section.bytes;
	}
	uint64_t offset = symbol.st_value + (uint64_t)addend;
	return offset < table->string_bytes ? table->strings + offset : NULL;
}

/* Two or three fields to an entry: whether the third points at a string or at code. */
static void find_layout(struct table *table)
{
	Elf64_Rela first, other;

	elf_relocation_read(&table->relocations, 0, &first);
	table->field_bytes = width_of(table->object->machine, ELF64_R_TYPE(first.r_info));
	table->field_count = 2;
	for (uint64_t i = 0; i < table->relocations.count && i < 8; i++) {
		elf_relocation_read(&table->relocations, i, &other);
		if (other.r_offset == 2 * table->field_bytes &&
			string_at(table, ELF64_R_SYM(other.r_info), other.r_addend))
			table->field_count = 3;
	}
}

/* A CRC is a word of __kcrctab; older modules have it as the value of __crc_NAME. */
static void set_version(
	struct table *table, unsigned index, struct feature_export *export)
{
	uint32_t crc;

	if (table->crcs && index < table->crc_bytes / 4) {
		memcpy(&crc, table->crcs + (size_t)index * 4, 4);
		export->crc = crc;
		export->has_crc = true;
	}
	export->gpl_only = table->gpl_only;
	if (table->flags && index < table->flag_bytes)
		export->gpl_only = table->flags[index] & FLAG_GPL_ONLY;
}

static int read_entries(
	struct table *table, struct feature_exports *out, struct umod_error *error)
{
	unsigned entry_bytes = table->field_bytes * table->field_count;
	uint64_t count = table->section.bytes / entry_bytes;
	unsigned start = out->count;

	if (table->section.bytes % entry_bytes || count > table->relocations.count)
		return fail(-ELIBBAD, table->object->name,
			"%s: %llu bytes are no whole entries", table->section.name,
			(unsigned long long)table->section.bytes);
	for (uint64_t i = 0; i < count; i++) {
		int result = base_grow(
			&out->items, out->count, &out->capacity, sizeof(*out->items));
		if (result)
			return fail(result, table->object->name, "out of memory");
		out->items[out->count] = (struct feature_export){ 0 };
		set_version(table, (unsigned)i, &out->items[out->count++]);
	}
	for (uint64_t i = 0; i < table->relocations.count; i++) {
		Elf64_Rela rela;
		elf_relocation_read(&table->relocations, i, &rela);
		if (rela.r_offset >= table->section.bytes ||
			rela.r_offset % table->field_bytes)
			continue;
		unsigned field = (unsigned)(rela.r_offset / table->field_bytes);
		struct feature_export *export =
			&out->items[start + field / table->field_count];
		if (field % table->field_count == 1)
			export->name =
				string_at(table, ELF64_R_SYM(rela.r_info), rela.r_addend);
		else if (field % table->field_count == 2)
			export->space =
				string_at(table, ELF64_R_SYM(rela.r_info), rela.r_addend);
	}
	for (unsigned i = start; i < out->count; i++) {
		if (!out->items[i].name || !out->items[i].name[0])
			return fail(-ELIBBAD, table->object->name,
				"%s: entry %u has no name", table->section.name,
				i - start);
	}
	return 0;
}

static const uint8_t *companion(const struct table *table, const char *name,
	uint64_t *bytes, struct umod_error *error)
{
	struct elf_section section;
	*bytes = 0;
	if (!elf_object_find(table->object, name, &section))
		return NULL;
	const uint8_t *data = elf_object_data(table->object, &section, error);
	*bytes = data ? section.bytes : 0;
	return data;
}

static int read_table(
	struct table *table, struct feature_exports *out, struct umod_error *error)
{
	struct umod_error own = { 0 };
	const char *suffix = table->section.name + strlen("__ksymtab");
	char name[32];
	int result = elf_object_relocations_of(
		table->object, table->section.index, &table->relocations, error);

	if (result)
		return result;
	if (table->relocations.count == 0)
		return table->section.bytes
			       ? fail(-ELIBBAD, table->object->name,
					 "%s has no relocations", table->section.name)
			       : 0;
	table->gpl_only = strcmp(suffix, "_gpl") == 0;
	snprintf(name, sizeof(name), "__kcrctab%s", suffix);
	table->crcs = companion(table, name, &table->crc_bytes, &own);
	/* One table of flags took the place of a second table of exports. */
	table->flags = table->gpl_only ? NULL
				       : companion(table, "__kflagstab",
						 &table->flag_bytes, &own);
	if (own.code)
		return pass(&own, error);
	find_layout(table);
	return read_entries(table, out, error);
}

/* "NAME", or "NAME:NAMESPACE" in the keys that end with _ns. */
static int add_field(struct feature_exports *out, const struct feature_info *info,
	const struct feature_field *field)
{
	bool gpl = feature_field_is(field, "export_gpl") ||
		   feature_field_is(field, "export_gpl_ns");
	bool spaced = feature_field_is(field, "export_ns") ||
		      feature_field_is(field, "export_gpl_ns");
	char *name = out->words + (field->value - info->bytes);
	char *colon = spaced ? strchr(name, ':') : NULL;
	if (base_grow(&out->items, out->count, &out->capacity, sizeof(*out->items)))
		return -ENOMEM;
	if (colon)
		*colon = 0;
	out->items[out->count++] = (struct feature_export){
		.name = name, .space = colon ? colon + 1 : NULL, .gpl_only = gpl
	};
	return 0;
}

static struct feature_export *find_export(const struct base_map *map,
	const struct feature_exports *exports, const char *name)
{
	uint64_t key = base_hash_bytes(name, strlen(name));
	size_t cursor = 0;
	void *value;
	while ((value = base_map_next(map, key, &cursor)) != NULL) {
		struct feature_export *item = &exports->items[(uintptr_t)value - 1];
		if (strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

/* Gives exports by field their CRCs; where a name stands twice, the first of it. */
static int add_export_versions(const struct elf_object *object,
	struct feature_exports *out, struct umod_error *error)
{
	struct feature_versions versions;
	struct feature_version version;
	struct base_map map = { 0 };
	size_t index = 0, offset = 0;
	int result = feature_export_versions_open(object, &versions, error);

	for (unsigned i = 0; i < out->count && result == 0 && versions.count; i++) {
		const char *name = out->items[i].name;
		if (!find_export(&map, out, name))
			result = base_map_put(&map, base_hash_bytes(name, strlen(name)),
				(void *)(uintptr_t)(i + 1));
	}
	while (result == 0 &&
		feature_versions_next(&versions, &index, &offset, &version)) {
		struct feature_export *item = find_export(&map, out, version.name);
		if (item && !item->has_crc) {
			item->crc = version.crc;
			item->has_crc = true;
		}
	}
	base_map_free(&map);
	return result;
}

static int read_fields(const struct elf_object *object, struct feature_exports *out,
	struct umod_error *error)
{
	struct feature_info info;
	struct feature_field field;
	size_t cursor = 0;
	int result = feature_info_open(object, &info, error);
	while (!result && feature_info_next(&info, &cursor, &field)) {
		if (field.key_bytes < 6 || memcmp(field.key, "export", 6) != 0 ||
			!(field.key_bytes == 6 ||
				feature_field_is(&field, "export_gpl") ||
				feature_field_is(&field, "export_ns") ||
				feature_field_is(&field, "export_gpl_ns")))
			continue;
		if (!out->words) {
			out->words = base_alloc(info.count);
			if (!out->words)
				return -ENOMEM;
			memcpy(out->words, info.bytes, info.count);
		}
		result = add_field(out, &info, &field);
	}
	if (!result && out->count)
		result = add_export_versions(object, out, error);
	return result;
}

int feature_exports_read(const struct elf_object *object, struct feature_exports *out,
	struct umod_error *error)
{
	static const char *const tables[] = { "__ksymtab", "__ksymtab_gpl" };
	struct table table = { .object = object };
	bool symbols = false;

	out->count = 0;
	base_free(out->words);
	out->words = NULL;
	for (unsigned i = 0; i < base_array_count(tables); i++) {
		if (!elf_object_find(object, tables[i], &table.section) ||
			table.section.bytes == 0)
			continue;
		int result =
			symbols ? 0 : elf_object_symbols(object, &table.symbols, error);
		symbols = true;
		if (result == 0)
			result = read_table(&table, out, error);
		if (result) {
			out->count = 0;
			return result;
		}
	}
	return symbols ? 0 : read_fields(object, out, error);
}

void feature_exports_free(struct feature_exports *exports)
{
	base_free(exports->words);
	base_free(exports->items);
	*exports = (struct feature_exports){ 0 };
}

/* ---- imports ---- */

/* Gives the imports their CRCs; versions of what is no symbol become imports too. */
static int add_versions(const struct elf_object *object, struct feature_imports *out,
	struct umod_error *error)
{
	struct feature_versions versions;
	struct feature_version version;
	struct base_map map = { 0 };
	size_t index = 0, offset = 0;
	unsigned symbols = out->count;
	int result = feature_versions_open(object, &versions, error);

	for (unsigned i = 0; i < symbols && result == 0; i++) {
		const char *name = out->items[i].name;
		result = base_map_put(&map, base_hash_bytes(name, strlen(name)),
			(void *)(uintptr_t)(i + 1));
	}
	while (result == 0 &&
		feature_versions_next(&versions, &index, &offset, &version)) {
		uint64_t key = base_hash_bytes(version.name, version.name_bytes);
		size_t cursor = 0;
		bool found = false;
		void *value;
		while (!found && (value = base_map_next(&map, key, &cursor)) != NULL) {
			struct feature_import *item = &out->items[(uintptr_t)value - 1];
			found = strncmp(item->name, version.name, version.name_bytes) ==
					0 &&
				item->name[version.name_bytes] == '\0';
			if (found && !item->has_crc) {
				item->crc = version.crc;
				item->has_crc = true;
			}
		}
		/* "module_layout" is such a one; a name that fills its field has no end.
		 */
		if (found || version.name_bytes == 0 ||
			(versions.entries &&
				version.name_bytes == FEATURE_VERSION_NAME_BYTES))
			continue;
		result = base_grow(
			&out->items, out->count, &out->capacity, sizeof(*out->items));
		if (result == 0)
			out->items[out->count++] = (struct feature_import){
				.name = version.name, .crc = version.crc, .has_crc = true
			};
	}
	base_map_free(&map);
	return result == -ENOMEM ? fail(result, object->name, "out of memory") : result;
}

int feature_imports_read(const struct elf_object *object, bool want_crcs,
	struct feature_imports *out, struct umod_error *error)
{
	struct elf_symbols symbols;
	int result = elf_object_symbols(object, &symbols, error);

	out->count = 0;
	if (result)
		return result;
	/* Undefined symbols are global: they come after the local ones. */
	for (uint64_t i = symbols.first_global ? symbols.first_global : 1;
		i < symbols.count; i++) {
		Elf64_Sym symbol;
		elf_symbol_read(&symbols, i, &symbol);
		if (symbol.st_shndx != SHN_UNDEF)
			continue;
		const char *name = elf_symbol_name(&symbols, &symbol);
		if (!name)
			return fail(-ELIBBAD, object->name,
				"symbol %llu: its name is out of bounds",
				(unsigned long long)i);
		if (name[0] == '\0')
			continue;
		if (out->count == out->capacity) {
			result = base_grow(&out->items, out->count, &out->capacity,
				sizeof(*out->items));
			if (result)
				return fail(result, object->name, "out of memory");
		}
		out->items[out->count++] = (struct feature_import){
			.name = name,
			.weak = ELF64_ST_BIND(symbol.st_info) == STB_WEAK,
		};
	}
	return want_crcs ? add_versions(object, out, error) : 0;
}

void feature_imports_free(struct feature_imports *imports)
{
	base_free(imports->items);
	*imports = (struct feature_imports){ 0 };
}
