/* SPDX-License-Identifier: MIT */
/*
 * What a module says of itself, in .modinfo and by its sections, in a relocatable object
 * as in a shared one. The text is copied: the file may go.
 */
#include "life/life.h"

const char *life_about_get(const struct life_about *about, const char *key)
{
	return feature_info_get(&about->info, key);
}

bool life_about_has(const struct life_about *about, const char *key, const char *value)
{
	struct feature_field field;
	size_t cursor = 0;
	while (feature_info_next(&about->info, &cursor, &field))
		if (feature_field_is(&field, key) && strcmp(field.value, value) == 0)
			return true;
	return false;
}

bool life_license_is_gpl(const char *license)
{
	static const char *const known[] = { "GPL", "GPL v2", "GPL and additional rights",
		"Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL" };
	for (unsigned i = 0; license && i < base_array_count(known); i++)
		if (strcmp(license, known[i]) == 0)
			return true;
	return false;
}

/* ---- exports ---- */

const struct life_rule *life_about_export(
	const struct life_about *about, const struct elf_reference *reference)
{
	size_t cursor = 0;
	uintptr_t number;
	while ((number = (uintptr_t)base_map_next(
			&about->by_name, reference->hash, &cursor))) {
		const struct life_rule *rule = &about->exports[number - 1];
		if (rule->name_bytes == reference->length &&
			memcmp(rule->name, reference->name, rule->name_bytes) == 0)
			return rule;
	}
	return NULL;
}

static int add_export(
	struct life_about *about, const char *value, bool gpl_only, bool spaced)
{
	size_t length = spaced ? strcspn(value, ":") : strlen(value);
	if (base_grow(&about->exports, about->export_count, &about->export_capacity,
		    sizeof(*about->exports)))
		return -ENOMEM;
	about->exports[about->export_count++] = (struct life_rule){ .name = value,
		.name_bytes = length,
		.space = spaced && value[length] ? value + length + 1 : NULL,
		.gpl_only = gpl_only };
	return base_map_put(&about->by_name, base_gnu_hash(value, length),
		(void *)(uintptr_t)about->export_count);
}

static int read_exports(struct life_about *about)
{
	static const struct {
		const char *key;
		bool gpl_only, spaced;
	} kinds[] = { { "export", false, false }, { "export_gpl", true, false },
		{ "export_ns", false, true }, { "export_gpl_ns", true, true } };
	struct feature_field field;
	size_t cursor = 0;
	int result = 0;
	while (!result && feature_info_next(&about->info, &cursor, &field))
		for (unsigned k = 0; k < base_array_count(kinds); k++)
			if (feature_field_is(&field, kinds[k].key))
				result = add_export(about, field.value, kinds[k].gpl_only,
					kinds[k].spaced);
	return result;
}

/* ---- all of it ---- */

static struct life_section section_of(const struct elf_object *object, const char *name)
{
	struct elf_section section;
	if (!elf_object_find(object, name, &section) || !(section.flags & SHF_ALLOC))
		return (struct life_section){ 0 };
	return (struct life_section){ section.index, section.address, section.bytes };
}

int life_about_read(struct life_about *about, const struct elf_object *object,
	struct umod_error *error)
{
	*about = (struct life_about){ 0 };
	int result = feature_info_open(object, &about->info, error);
	if (result)
		return result;
	about->text = base_alloc(about->info.count + 1);
	if (!about->text)
		return base_error(error, UMOD_STAGE_DESCRIBE, -ENOMEM, object->name,
			"no memory for its information");
	if (about->info.count)
		memcpy(about->text, about->info.bytes, about->info.count);
	about->info.bytes = about->text;
	about->this_module = section_of(object, ".gnu.linkonce.this_module");
	about->parameters = section_of(object, "__param");
	if (read_exports(about))
		return base_error(error, UMOD_STAGE_DESCRIBE, -ENOMEM, object->name,
			"no memory for its exports");
	return 0;
}

void life_about_free(struct life_about *about)
{
	base_free(about->exports);
	base_map_free(&about->by_name);
	base_free(about->text);
	*about = (struct life_about){ 0 };
}
