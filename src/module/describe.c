/* SPDX-License-Identifier: MIT */
/*
 * Reads what a file says of itself into a description: which kind of module it is, its
 * name, its fields, and where its parts lie. Exports are describe_exports.c's matter.
 * Decides nothing about whether the module may be loaded.
 */
#include "module/internal.h"

#define fail(...) base_error(error, UMOD_STAGE_DESCRIBE, __VA_ARGS__)

static int out_of_memory(const struct elf_object *object, struct umod_error *error)
{
	return fail(-ENOMEM, object->name, "out of memory");
}

/* ---- sections ---- */

/* The sections that tell something. Index 0: there is none. */
enum { INFO, THIS_MODULE, PARAMETERS, PART_COUNT };
static const char *const part_names[] = { ".modinfo", ".gnu.linkonce.this_module",
	"__param" };

static int find_parts(const struct elf_object *object, struct elf_section *parts,
	struct umod_error *error)
{
	struct elf_section section;

	memset(parts, 0, PART_COUNT * sizeof(*parts));
	for (unsigned i = 1; i < object->section_count; i++) {
		elf_object_section(object, i, &section);
		for (unsigned j = 0; j < PART_COUNT; j++) {
			if (strcmp(section.name, part_names[j]) != 0)
				continue;
			if (parts[j].index)
				return fail(-ENOEXEC, object->name,
					"it has two sections %s", part_names[j]);
			parts[j] = section;
		}
	}
	return 0;
}

/* Where @section will lie, for something that is read there as it is. */
static int place(const struct elf_object *object, const struct elf_section *section,
	struct module_place *out, struct umod_error *error)
{
	if (!(section->flags & SHF_ALLOC) || section->type != SHT_PROGBITS)
		return fail(
			-ELIBBAD, object->name, "%s: it is not loaded", section->name);
	if (object->type != ET_REL &&
		(section->address % sizeof(void *) ||
			section->address > UINT64_MAX - section->bytes))
		return fail(-ELIBBAD, object->name, "%s: it lies at %#llx", section->name,
			(unsigned long long)section->address);
	if (object->type == ET_REL && section->align < sizeof(void *))
		return fail(-ELIBBAD, object->name, "%s: it is aligned to %llu",
			section->name, (unsigned long long)section->align);
	out->section = section->index;
	out->address = object->type == ET_REL ? 0 : section->address;
	out->bytes = section->bytes;
	return 0;
}

/* ---- kind and name ---- */

static int take_this_module(const struct elf_object *object,
	const struct elf_section *section, struct module_description *out,
	struct umod_error *error)
{
	struct umod_this_module this;
	struct umod_error own = { 0 };
	const uint8_t *bytes = elf_object_data(object, section, &own);

	if (own.code)
		return fail(own.code, object->name, "%s", own.message);
	out->kind = MODULE_KERNEL;
	if (bytes && section->bytes == sizeof(this)) {
		memcpy(&this, bytes, sizeof(this));
		if (this.size_bytes == sizeof(this))
			out->kind = MODULE_UMOD;
	}
	if (out->kind == MODULE_KERNEL)
		return object->type == ET_REL
			       ? 0
			       : fail(-ENOEXEC, object->name,
					 "%s: %llu bytes, which is no module of umod's",
					 section->name,
					 (unsigned long long)section->bytes);
	if (this.abi != UMOD_AUTHOR_ABI)
		return fail(-ENOEXEC, object->name,
			"it was made for version %u of umod's modules, not %u", this.abi,
			UMOD_AUTHOR_ABI);
	if (!(section->flags & SHF_WRITE))
		return fail(
			-ELIBBAD, object->name, "%s: it is not writable", section->name);
	size_t length = strnlen(this.name, sizeof(this.name));
	out->name_is_its_own = length > 0;
	if (length && !module_name_fold(this.name, length, out->name))
		return fail(-ENOEXEC, object->name,
			"%s: its name is none that a module may have", section->name);
	return place(object, section, &out->this_module, error);
}

static int find_kind(const struct elf_object *object, const struct elf_section *section,
	struct module_description *out, struct umod_error *error)
{
	static const char *const exports[] = { "export", "export_gpl", "export_ns",
		"export_gpl_ns" };

	if (section->index)
		return take_this_module(object, section, out, error);
	for (unsigned i = 0; i < base_array_count(exports); i++) {
		if (feature_info_get(&out->fields, exports[i]))
			out->kind = MODULE_UMOD;
	}
	return 0;
}

/* The field counts where this_module says nothing; then the file's name. */
static int find_name(const struct elf_object *object, const char *path,
	struct module_description *out, struct umod_error *error)
{
	const char *name = feature_info_get(&out->fields, "name");

	if (out->name[0])
		return 0;
	if (name && out->kind != MODULE_PLAIN) {
		out->name_is_its_own = true;
		if (module_name_fold(name, strlen(name), out->name))
			return 0;
		return fail(-ENOEXEC, object->name,
			"its name '%.64s' is none that a module may have: 1 to %d of "
			"A-Z a-z 0-9 _ - . +",
			name, UMOD_MODULE_NAME_BYTES - 1);
	}
	module_name_of_path(path, out->name);
	return 0;
}

/* ---- fields ---- */

static int read_fields(const struct elf_object *object, const struct elf_section *section,
	struct module_description *out, struct umod_error *error)
{
	struct umod_error own = { 0 };
	const uint8_t *bytes = elf_object_data(object, section, &own);
	size_t count = bytes ? section->bytes : 0;

	if (own.code)
		return fail(own.code, object->name, "%s", own.message);
	/* A last string without its NUL is no string. */
	while (count && bytes[count - 1] != '\0')
		count--;
	if (!count)
		return 0;
	out->text = base_alloc(count);
	out->words = base_alloc(count);
	if (!out->text || !out->words)
		return out_of_memory(object, error);
	memcpy(out->text, bytes, count);
	memcpy(out->words, bytes, count);
	out->fields = (struct feature_info){ .bytes = out->text, .count = count };
	return 0;
}

static int add(struct module_strings *list, const char *string)
{
	int result = base_grow(
		&list->items, list->count, &list->capacity, sizeof(*list->items));

	if (result == 0)
		list->items[list->count++] = string;
	return result;
}

/* Adds the name of @length bytes at @word, which is changed. */
static int add_name(const struct elf_object *object, struct module_strings *list,
	const char *field, char *word, size_t length, struct umod_error *error)
{
	char name[UMOD_MODULE_NAME_BYTES];

	if (!module_name_fold(word, length, name))
		return fail(-ENOEXEC, object->name,
			"%s: '%.*s' is no name that a module may have", field,
			(int)(length < 64 ? length : 64), word);
	memcpy(word, name, length + 1);
	return add(list, word) ? out_of_memory(object, error) : 0;
}

/*
 * The words in @words, which is cut up, with one of @separators between them. "pre:" and
 * "post:" choose among @lists[1] and [2]; words before that go to [0], if there is one.
 * Unless they must be @names they may be aliases.
 */
static int add_words(const struct elf_object *object, struct module_strings *lists[3],
	const char *field, char *words, const char *separators, bool names,
	struct umod_error *error)
{
	struct module_strings *list = lists[0];
	int result = 0;

	while (result == 0 && *words) {
		words += strspn(words, separators);
		size_t length = strcspn(words, separators);
		char *next = words + length + (words[length] != '\0');
		words[length] = '\0';
		if (lists[1] && strcmp(words, "pre:") == 0)
			list = lists[1];
		else if (lists[2] && strcmp(words, "post:") == 0)
			list = lists[2];
		else if (length && list && names)
			result = add_name(object, list, field, words, length, error);
		else if (length && list)
			result = add(list, words) ? out_of_memory(object, error) : 0;
		words = next;
	}
	return result;
}

#define BLANKS " \t\n\v\f\r"

static int take_field(const struct elf_object *object, struct module_description *out,
	const struct feature_field *field, struct umod_error *error)
{
	const struct {
		const char *key;
		const char **value;
	} singles[] = { { "license", &out->license }, { "version", &out->version },
		{ "srcversion", &out->srcversion }, { "vermagic", &out->vermagic },
		{ "runtime", &out->runtime }, { "author", &out->author },
		{ "description", &out->description } };
	char *words = out->words + (field->value - out->text);
	struct module_strings *depends[3] = { &out->depends, NULL, NULL };
	struct module_strings *soft[3] = { NULL, &out->before, &out->after };
	struct module_strings *weak[3] = { &out->weak, NULL, NULL };

	/* Most fields: exports, and what parameters are for. */
	if (field->key[0] == 'e' || field->key[0] == 'p')
		return 0;
	for (unsigned i = 0; i < base_array_count(singles); i++) {
		if (feature_field_is(field, singles[i].key)) {
			if (!*singles[i].value)
				*singles[i].value = field->value;
			return 0;
		}
	}
	if (feature_field_is(field, "livepatch"))
		out->livepatch = true;
	if (feature_field_is(field, "alias") && field->value_bytes)
		return add(&out->aliases, field->value) ? out_of_memory(object, error)
							: 0;
	if (feature_field_is(field, "import_ns") && field->value_bytes)
		return add(&out->imports, field->value) ? out_of_memory(object, error)
							: 0;
	if (feature_field_is(field, "needed") && field->value_bytes &&
		object->type == ET_REL)
		return add(&out->needed, field->value) ? out_of_memory(object, error) : 0;
	if (feature_field_is(field, "depends"))
		return add_words(
			object, depends, "depends", words, "," BLANKS, true, error);
	if (feature_field_is(field, "softdep"))
		return add_words(object, soft, "softdep", words, BLANKS, false, error);
	if (feature_field_is(field, "weakdep"))
		return add_words(
			object, weak, "weakdep", words, "," BLANKS, false, error);
	return 0;
}

/* ---- parameters ---- */

static int find_parameters(const struct elf_object *object,
	const struct elf_section *section, struct module_description *out,
	struct umod_error *error)
{
	if (!section->bytes || out->kind != MODULE_UMOD)
		return 0;
	if (section->bytes % sizeof(struct umod_parameter) ||
		section->bytes / sizeof(struct umod_parameter) > INT32_MAX)
		return fail(-ELIBBAD, object->name,
			"__param: %llu bytes are no whole parameters",
			(unsigned long long)section->bytes);
	out->parameter_count = (unsigned)(section->bytes / sizeof(struct umod_parameter));
	return place(object, section, &out->parameters, error);
}

/* ---- all of it ---- */

static int describe(const struct elf_object *object, const char *path,
	struct module_description *out, struct umod_error *error)
{
	struct feature_field field;
	struct elf_section parts[PART_COUNT];
	size_t cursor = 0;
	int result = find_parts(object, parts, error);

	if (result == 0)
		result = read_fields(object, &parts[INFO], out, error);
	if (result == 0)
		result = find_kind(object, &parts[THIS_MODULE], out, error);
	if (result == 0)
		result = find_name(object, path, out, error);
	while (result == 0 && feature_info_next(&out->fields, &cursor, &field))
		result = take_field(object, out, &field, error);
	if (result == 0)
		result = find_parameters(object, &parts[PARAMETERS], out, error);
	if (result == 0 && out->kind != MODULE_PLAIN)
		result = module_read_exports(object, out, error);
	out->gpl_compatible = module_license_is_gpl(out->license);
	out->offers_exports_alone = out->kind != MODULE_PLAIN;
	return result;
}

int module_describe(const struct elf_object *object, const char *path,
	struct module_description *out, struct umod_error *error)
{
	*out = (struct module_description){ 0 };
	int result = describe(object, path ? path : object->name, out, error);
	if (result)
		module_description_free(out);
	return result;
}

void module_description_free(struct module_description *description)
{
	base_free(description->aliases.items);
	base_free(description->depends.items);
	base_free(description->before.items);
	base_free(description->after.items);
	base_free(description->weak.items);
	base_free(description->imports.items);
	base_free(description->needed.items);
	base_free(description->exports);
	base_map_free(&description->exports_map);
	base_free(description->text);
	base_free(description->words);
	base_free(description->tables);
	*description = (struct module_description){ 0 };
}
