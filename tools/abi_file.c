/* SPDX-License-Identifier: MIT */
/*
 * What a file exports and needs, by its sections and symbol tables, for umod abi. Reads
 * no debug information.
 */
#include "abi.h"

#include "module/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- tables ---- */

struct abi_export *abi_table_find(const struct abi_table *table, const char *name)
{
	size_t cursor = 0;
	void *value;

	while ((value = base_map_next(&table->map, base_hash_bytes(name, strlen(name)),
			&cursor)) != NULL) {
		struct abi_export *export = &table->exports[(uintptr_t)value - 1];
		if (strcmp(export->name, name) == 0)
			return export;
	}
	return NULL;
}

struct abi_export *abi_table_add(struct abi_table *table, const char *name)
{
	struct abi_export *export = abi_table_find(table, name);

	if (export)
		return export;
	if (table->count == table->capacity) {
		table->capacity = 2 * table->capacity + 64;
		table->exports = tool_realloc(
			table->exports, table->capacity, sizeof(*table->exports));
	}
	export = &table->exports[table->count++];
	*export = (struct abi_export){ .name = tool_strdup(name) };
	if (base_map_put(&table->map, base_hash_bytes(name, strlen(name)),
		    (void *)(uintptr_t)table->count))
		tool_realloc(NULL, SIZE_MAX, 1); /* ends the process, telling why */
	return export;
}

static int compare_exports(const void *a, const void *b)
{
	return strcmp(((const struct abi_export *)a)->name,
		((const struct abi_export *)b)->name);
}

/* By name: what a compiler or linker did to their order is no matter. */
static void sort_table(struct abi_table *table)
{
	if (table->count == 0)
		return;
	qsort(table->exports, table->count, sizeof(*table->exports), compare_exports);
	base_map_free(&table->map);
	for (unsigned i = 0; i < table->count; i++) {
		const char *name = table->exports[i].name;
		if (base_map_put(&table->map, base_hash_bytes(name, strlen(name)),
			    (void *)(uintptr_t)(i + 1)))
			tool_realloc(NULL, SIZE_MAX, 1); /* ends the process */
	}
}

void abi_table_free(struct abi_table *table)
{
	for (unsigned i = 0; i < table->count; i++) {
		free(table->exports[i].name);
		free(table->exports[i].space);
		free(table->exports[i].declaration);
		free(table->exports[i].types);
	}
	for (unsigned i = 0; i < table->alternate_count; i++)
		free(table->alternates[i].name);
	for (unsigned i = 0; i < table->type_count; i++) {
		free(table->types[i].name);
		free(table->types[i].text);
	}
	free(table->exports);
	free(table->alternates);
	free(table->types);
	base_map_free(&table->map);
	*table = (struct abi_table){ 0 };
}

/* ---- files ---- */

static bool told(const char *path, const struct umod_error *error)
{
	tool_error("%s: %s", path, error->message);
	return false;
}

static char *module_name(const struct abi_file *file)
{
	struct feature_info info;
	const char *slash = strrchr(file->path, '/');
	const char *base = slash ? slash + 1 : file->path, *name = NULL;

	if (feature_info_open(&file->object, &info, NULL) == 0)
		name = feature_info_get(&info, "name");
	if (name && name[0])
		return tool_strdup(name);
	char *copy = tool_strdup(base), *dot = strchr(copy + (copy[0] == '.'), '.');
	if (dot)
		*dot = '\0';
	return copy;
}

bool abi_file_open(struct abi_file *file, const char *path)
{
	enum feature_compression packing;
	struct umod_error error = { 0 };
	struct stat st;

	*file = (struct abi_file){ .path = path };
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		tool_error("%s: %s", path, errno ? strerror(errno) : "no regular file");
		return false;
	}
	file->mode = st.st_mode;
	if (feature_read_path(
		    AT_FDCWD, path, (uint64_t)1 << 34, &file->buffer, &packing, &error))
		return told(path, &error);
	if (packing != FEATURE_PLAIN) {
		tool_error("%s: is packed; unpack it first", path);
		return false;
	}
	struct elf_bytes bytes = { .bytes = file->buffer.bytes,
		.count = file->buffer.count };
	if (elf_object_open_any(&file->object, path, &bytes, &error))
		return told(path, &error);
	file->module = module_name(file);
	return true;
}

void abi_file_close(struct abi_file *file)
{
	feature_buffer_free(&file->buffer);
	free(file->module);
	*file = (struct abi_file){ 0 };
}

bool abi_file_is_elf(const char *path)
{
	char magic[SELFMAG];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? 0 : read(fd, magic, sizeof(magic));

	if (fd >= 0)
		close(fd);
	return count == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* ---- exports ---- */

/* "NAME", or "NAME:NAMESPACE", where a namespace may have colons of its own. */
static void add_field(const struct feature_field *field, struct abi_table *out)
{
	bool gpl = feature_field_is(field, "export_gpl") ||
		   feature_field_is(field, "export_gpl_ns");
	bool in_space = feature_field_is(field, "export_ns") ||
			feature_field_is(field, "export_gpl_ns");

	if (!gpl && !in_space && !feature_field_is(field, "export"))
		return;
	char *name = tool_strdup(field->value);
	char *colon = in_space ? strchr(name, ':') : NULL;
	if (colon)
		*colon = '\0';
	struct abi_export *export = abi_table_add(out, name);
	export->gpl_only = gpl;
	if (colon && !export->space)
		export->space = tool_strdup(colon + 1);
	free(name);
}

/* What its author said. @is_module: whether that is all there is. False: told. */
static bool add_told(struct abi_file *file, struct abi_table *out, bool *is_module)
{
	struct umod_error error = { 0 };
	struct feature_exports exports = { 0 };
	struct feature_info info;
	struct feature_field field;
	struct elf_section section;
	size_t cursor = 0;

	if (feature_info_open(&file->object, &info, &error))
		return told(file->path, &error);
	while (feature_info_next(&info, &cursor, &field))
		add_field(&field, out);
	if (file->object.type == ET_REL) {
		if (feature_exports_read(&file->object, &exports, &error))
			return told(file->path, &error);
		for (unsigned i = 0; i < exports.count; i++) {
			const struct feature_export *from = &exports.items[i];
			struct abi_export *export = abi_table_add(out, from->name);
			export->gpl_only = from->gpl_only;
			if (from->space && from->space[0] && !export->space)
				export->space = tool_strdup(from->space);
		}
		feature_exports_free(&exports);
	}
	*is_module = out->count || elf_object_find(&file->object,
					   ".gnu.linkonce.this_module", &section);
	return true;
}

static bool add_list(const char *path, struct abi_table *out)
{
	struct tool_files names = { 0 };
	bool good = tool_files_read(&names, path);

	for (size_t i = 0; i < names.count; i++) {
		char *name = names.names[i] + strspn(names.names[i], " \t");
		name[strcspn(name, " \t#\r")] = '\0';
		if (name[0])
			abi_table_add(out, name);
	}
	tool_files_free(&names);
	return good;
}

struct place {
	unsigned section;
	uint64_t value;
	const char *name;
	bool offered;
};

static bool is_offered(const Elf64_Sym *symbol)
{
	unsigned bind = ELF64_ST_BIND(symbol->st_info);
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return (bind == STB_GLOBAL || bind == STB_WEAK || bind == STB_GNU_UNIQUE) &&
	       (visibility == STV_DEFAULT || visibility == STV_PROTECTED) &&
	       (type == STT_FUNC || type == STT_OBJECT || type == STT_TLS ||
		       type == STT_COMMON || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

/* Defined symbols, sorted by place. The caller frees them. */
static struct place *read_places(
	struct abi_file *file, bool dynamic, size_t *count, struct umod_error *error)
{
	struct elf_symbols symbols;
	struct place *places;
	int result = dynamic ? elf_object_dynamic_symbols(&file->object, &symbols, error)
			     : elf_object_symbols(&file->object, &symbols, error);

	*count = 0;
	if (result)
		return NULL;
	places = tool_realloc(NULL, symbols.count, sizeof(*places));
	for (uint64_t i = 1; i < symbols.count; i++) {
		Elf64_Sym symbol;
		elf_symbol_read(&symbols, i, &symbol);
		const char *name = elf_symbol_name(&symbols, &symbol);
		unsigned type = ELF64_ST_TYPE(symbol.st_info);
		if (!name || !name[0] || symbol.st_shndx == SHN_UNDEF ||
			symbol.st_shndx == SHN_ABS || type == STT_SECTION ||
			type == STT_FILE)
			continue;
		/* In COMMON a value is an alignment. */
		bool common = symbol.st_shndx == SHN_COMMON;
		places[(*count)++] = (struct place){ symbol.st_shndx,
			common ? i : symbol.st_value, name, is_offered(&symbol) };
	}
	return places;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void add_alternate(struct abi_table *table, const char *name, unsigned export)
{
	if (table->alternate_count == table->alternate_capacity) {
		table->alternate_capacity = 2 * table->alternate_capacity + 64;
		table->alternates = tool_realloc(table->alternates,
			table->alternate_capacity, sizeof(*table->alternates));
	}
	table->alternates[table->alternate_count++] =
		(struct abi_alternate){ tool_strdup(name), export };
}

#define ALTERNATES_MOST 16

/* Aliases, and the several names of a constructor, have debug information under one. */
static void add_alternates(struct place *places, size_t count, struct abi_table *table)
{
	qsort(places, count, sizeof(*places), compare_places);
	for (size_t start = 0, end; start < count; start = end) {
		for (end = start + 1; end < count; end++) {
			if (places[end].section != places[start].section ||
				places[end].value != places[start].value)
				break;
		}
		if (end - start < 2 || end - start > ALTERNATES_MOST)
			continue;
		for (size_t i = start; i < end; i++) {
			const struct abi_export *export =
				abi_table_find(table, places[i].name);
			for (size_t k = start; export && k < end; k++) {
				if (strcmp(places[k].name, places[i].name) != 0)
					add_alternate(table, places[k].name,
						(unsigned)(export - table->exports));
			}
		}
	}
}

/* What compilers make beside what was written: no declaration describes it. */
static bool is_made_up(const char *name)
{
	return strncmp(name, "_ZT", 3) == 0 || strncmp(name, "_ZGV", 4) == 0 ||
	       strcmp(name, "_init") == 0 || strcmp(name, "_fini") == 0 ||
	       strcmp(name, "_end") == 0 || strcmp(name, "_edata") == 0 ||
	       strcmp(name, "__bss_start") == 0;
}

/* Those of one table that are offered. False: told. */
static bool add_offered(struct abi_file *file, bool dynamic, struct abi_table *out)
{
	struct umod_error error = { 0 };
	size_t count;
	struct place *places = read_places(file, dynamic, &count, &error);

	if (!places)
		return told(file->path, &error);
	for (size_t i = 0; i < count; i++) {
		/* "name@@VERSION" stands in the other table without its version. */
		if (places[i].offered && !is_made_up(places[i].name) &&
			!strchr(places[i].name, '@'))
			abi_table_add(out, places[i].name);
	}
	free(places);
	return true;
}

static bool add_symbols(struct abi_file *file, const struct abi_choice *choice,
	bool is_module, struct abi_table *out)
{
	struct umod_error error = { 0 };
	bool shared = file->object.type != ET_REL, all = choice->all;
	size_t count;

	/* One that is asked for by name need not be exported. */
	if (choice->wanted.count && !shared && !is_module)
		all = true;
	if (!choice->list && shared && (all || !is_module) &&
		!add_offered(file, true, out))
		return false;
	if (!choice->list && all && !add_offered(file, false, out))
		return false;
	sort_table(out);
	/* Aliases of other visibility stand in the whole table alone. */
	struct place *places =
		read_places(file, !file->object.symbols_index, &count, &error);
	if (!places)
		return told(file->path, &error);
	add_alternates(places, count, out);
	free(places);
	return true;
}

static bool is_wanted(const struct abi_choice *choice, const char *name)
{
	for (size_t i = 0; i < choice->wanted.count; i++) {
		if (strcmp(choice->wanted.names[i], name) == 0)
			return true;
	}
	return choice->wanted.count == 0;
}

/* Those that were asked for alone; one that is none is told. */
static bool keep_wanted(
	struct abi_file *file, const struct abi_choice *choice, struct abi_table *table)
{
	struct abi_table kept = { 0 };
	bool good = true;

	for (unsigned i = 0; i < table->count; i++) {
		if (!is_wanted(choice, table->exports[i].name))
			continue;
		struct abi_export *to = abi_table_add(&kept, table->exports[i].name);
		to->gpl_only = table->exports[i].gpl_only;
		to->space = table->exports[i].space;
		table->exports[i].space = NULL;
	}
	for (unsigned i = 0; i < table->alternate_count; i++) {
		const struct abi_export *export = abi_table_find(
			&kept, table->exports[table->alternates[i].export].name);
		if (export)
			add_alternate(&kept, table->alternates[i].name,
				(unsigned)(export - kept.exports));
	}
	for (size_t i = 0; i < choice->wanted.count; i++) {
		if (!abi_table_find(&kept, choice->wanted.names[i])) {
			tool_error("%s: has no export %s", file->path,
				choice->wanted.names[i]);
			good = false;
		}
	}
	abi_table_free(table);
	*table = kept;
	return good;
}

bool abi_file_exports(
	struct abi_file *file, const struct abi_choice *choice, struct abi_table *out)
{
	bool is_module = false;

	*out = (struct abi_table){ 0 };
	if (choice->list ? !add_list(choice->list, out)
			 : !add_told(file, out, &is_module))
		return false;
	if (!add_symbols(file, choice, is_module, out))
		return false;
	if (choice->wanted.count)
		return keep_wanted(file, choice, out);
	if (out->count == 0 && !is_module && !choice->list &&
		file->object.type == ET_REL && !choice->all) {
		tool_error("%s: says of nothing that it exports it; use --all for all "
			   "global symbols, or --exports",
			file->path);
		return false;
	}
	return true;
}

bool abi_file_imports(struct abi_file *file, struct tool_files *out)
{
	struct umod_error error = { 0 };
	struct elf_symbols symbols;
	int result =
		file->object.type == ET_REL
			? elf_object_symbols(&file->object, &symbols, &error)
			: elf_object_dynamic_symbols(&file->object, &symbols, &error);

	if (result)
		return told(file->path, &error);
	for (uint64_t i = 1; i < symbols.count; i++) {
		Elf64_Sym symbol;
		elf_symbol_read(&symbols, i, &symbol);
		const char *name = elf_symbol_name(&symbols, &symbol);
		if (symbol.st_shndx == SHN_UNDEF && name && name[0] &&
			ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
			tool_files_add(out, name);
	}
	return true;
}

bool abi_file_stored(struct abi_file *file, struct abi_table *out)
{
	struct umod_error error = { 0 };
	struct module_versions versions;

	*out = (struct abi_table){ 0 };
	if (module_exports_versions(&file->object, &versions, &error))
		return told(file->path, &error);
	for (unsigned i = 0; i < versions.count; i++) {
		const struct module_version *from = &versions.items[i];
		struct abi_export *export = abi_table_add(out, from->name);
		if (export->known)
			continue;
		export->known = true;
		export->crc = from->crc;
		if (from->declaration)
			export->declaration = tool_strdup(from->declaration);
	}
	module_versions_free(&versions);
	return true;
}
