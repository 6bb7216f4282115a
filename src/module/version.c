/* SPDX-License-Identifier: MIT */
/*
 * Reads versions of symbols from an object's sections and compares those of two sides.
 * Decides nothing about what is to be ignored; its callers do, and taint.
 */
#include "module/version.h"

#include "feature/feature.h"

#include <stdio.h>

#define fail(stage, ...) base_error(error, UMOD_STAGE_##stage, __VA_ARGS__)

/* ---- tables ---- */

static int add(struct module_versions *out, const struct module_version *version)
{
	int result =
		base_grow(&out->items, out->count, &out->capacity, sizeof(*out->items));

	if (result)
		return result;
	out->items[out->count++] = *version;
	return base_map_put(&out->map,
		base_hash_bytes(version->name, version->name_bytes),
		(void *)(uintptr_t)out->count);
}

/* Section @name of strings, each with its NUL; NULL: there is none. */
static const char *strings_of(const struct elf_object *object, const char *name,
	uint64_t *bytes, int *result, struct umod_error *error)
{
	struct umod_error own = { 0 };
	struct elf_section section;

	*bytes = 0;
	if (!elf_object_find(object, name, &section))
		return NULL;
	const uint8_t *data = elf_object_data(object, &section, &own);
	if (own.code) {
		*result = fail(DESCRIBE, own.code, object->name, "%s", own.message);
		return NULL;
	}
	if (data && data[section.bytes - 1] != '\0') {
		*result = fail(DESCRIBE, -ELIBBAD, object->name,
			"%s: its last string does not end", name);
		return NULL;
	}
	*bytes = data ? section.bytes : 0;
	return (const char *)data;
}

/* The string at *@offset, which goes behind it. NULL: no more. */
static const char *next_string(
	const char *strings, uint64_t bytes, uint64_t *offset, uint32_t *length)
{
	if (!strings || *offset >= bytes)
		return NULL;
	const char *string = strings + *offset;
	size_t count = strlen(string);
	*length = (uint32_t)count;
	*offset += count + 1;
	return string;
}

static int read_extended(const struct elf_object *object, const char *prefix,
	struct module_versions *out, struct umod_error *error)
{
	char crcs_name[32], names_name[32], decls_name[32];
	struct umod_error own = { 0 };
	struct elf_section section;
	uint64_t name_bytes, decl_bytes, name_offset = 0, decl_offset = 0;
	uint32_t length = 0;
	int result = 0;

	snprintf(crcs_name, sizeof(crcs_name), "__%s_ext_crcs", prefix);
	snprintf(names_name, sizeof(names_name), "__%s_ext_names", prefix);
	snprintf(decls_name, sizeof(decls_name), "__%s_ext_decls", prefix);
	if (!elf_object_find(object, crcs_name, &section))
		return 0;
	const uint8_t *crcs = elf_object_data(object, &section, &own);
	if (own.code)
		return fail(DESCRIBE, own.code, object->name, "%s", own.message);
	if (section.bytes % 4 || (section.bytes && !crcs))
		return fail(DESCRIBE, -ELIBBAD, object->name,
			"%s: %llu bytes are no whole CRCs", crcs_name,
			(unsigned long long)section.bytes);
	const char *names = strings_of(object, names_name, &name_bytes, &result, error);
	const char *decls =
		result ? NULL
		       : strings_of(object, decls_name, &decl_bytes, &result, error);
	for (uint64_t i = 0; result == 0 && i < section.bytes / 4; i++) {
		struct module_version version = { 0 };
		memcpy(&version.crc, crcs + i * 4, 4);
		version.name =
			next_string(names, name_bytes, &name_offset, &version.name_bytes);
		if (!version.name)
			return fail(DESCRIBE, -ELIBBAD, object->name,
				"%s: fewer names than CRCs", names_name);
		version.declaration =
			decls ? next_string(decls, decl_bytes, &decl_offset, &length)
			      : NULL;
		if (version.declaration && !version.declaration[0])
			version.declaration = NULL;
		result = add(out, &version);
		if (result)
			fail(DESCRIBE, result, object->name, "out of memory");
	}
	return result;
}

int module_exports_versions(const struct elf_object *object, struct module_versions *out,
	struct umod_error *error)
{
	*out = (struct module_versions){ 0 };
	int result = read_extended(object, "export", out, error);
	if (result)
		module_versions_free(out);
	return result;
}

static int read_plain(const struct elf_object *object, struct module_versions *out,
	struct umod_error *error)
{
	struct feature_versions versions;
	struct feature_version entry;
	size_t index = 0, offset = 0;
	int result = feature_versions_open(object, &versions, error);

	if (result || !versions.entries)
		return result;
	while (result == 0 && feature_versions_next(&versions, &index, &offset, &entry)) {
		struct module_version version = { .name = entry.name,
			.name_bytes = (uint32_t)entry.name_bytes,
			.crc = (uint32_t)entry.crc };
		result = add(out, &version);
		if (result)
			fail(DESCRIBE, result, object->name, "out of memory");
	}
	return result;
}

int module_imports_versions(const struct elf_object *object, struct module_versions *out,
	struct umod_error *error)
{
	struct elf_section section;

	*out = (struct module_versions){ 0 };
	/* As the kernel: the extended ones are used alone if they are there. */
	int result = elf_object_find(object, "__version_ext_crcs", &section)
			     ? read_extended(object, "version", out, error)
			     : read_plain(object, out, error);
	if (result)
		module_versions_free(out);
	return result;
}

void module_versions_free(struct module_versions *versions)
{
	base_free(versions->items);
	base_map_free(&versions->map);
	*versions = (struct module_versions){ 0 };
}

const struct module_version *module_versions_find(
	const struct module_versions *versions, const char *name)
{
	size_t length = strlen(name), cursor = 0;
	uint64_t key = base_hash_bytes(name, length);
	const struct module_version *first = NULL;
	void *value;

	while ((value = base_map_next(&versions->map, key, &cursor)) != NULL) {
		const struct module_version *item =
			&versions->items[(uintptr_t)value - 1];
		/* If one name stands there twice, the first counts, as in the kernel. */
		if (item->name_bytes == length && memcmp(item->name, name, length) == 0 &&
			(!first || item < first))
			first = item;
	}
	return first;
}

/* ---- comparing ---- */

int module_version_check(const char *importer, const struct module_version *wanted,
	const char *provider, const struct module_version *offered, bool ignore,
	enum module_version_answer *answer, struct umod_error *error)
{
	*answer = MODULE_VERSION_NOT_CHECKED;
	if (!wanted || !offered)
		return 0;
	*answer = MODULE_VERSION_SAME;
	if (wanted->crc == offered->crc)
		return 0;
	*answer = MODULE_VERSION_IGNORED;
	if (ignore)
		return 0;
	const char *unknown = "(its declaration is not stored)";
	const char *want = wanted->declaration ? wanted->declaration : unknown;
	const char *have = offered->declaration ? offered->declaration : unknown;
	/* Neither of two long ones may push the other out of the message. */
	return fail(BIND, -EINVAL, importer,
		"disagrees about the version of symbol %.*s: it was built for 0x%08x, "
		"%.350s; %s has 0x%08x, %.350s%s",
		(int)(wanted->name_bytes < 100 ? wanted->name_bytes : 100), wanted->name,
		wanted->crc, want, provider ? provider : "the host", offered->crc, have,
		strcmp(want, have) == 0 && wanted->declaration
			? "; a type that it reaches has changed"
			: "");
}

/* What the kernel compares: without the first word where CRCs take its part. */
static const char *magic_of(const char *vermagic, bool has_crcs)
{
	return has_crcs ? vermagic + strcspn(vermagic, " ") : vermagic;
}

int module_vermagic_check(const char *module, const char *vermagic,
	const char *host_vermagic, bool has_crcs, bool ignore,
	enum module_version_answer *answer, struct umod_error *error)
{
	*answer = MODULE_VERSION_NOT_CHECKED;
	if (!host_vermagic)
		return 0;
	if (vermagic && strcmp(magic_of(vermagic, has_crcs),
				magic_of(host_vermagic, has_crcs)) == 0) {
		*answer = MODULE_VERSION_SAME;
		return 0;
	}
	*answer = MODULE_VERSION_IGNORED;
	if (ignore)
		return 0;
	return vermagic ? fail(ADMIT, -ENOEXEC, module,
				  "its vermagic is '%s', and should be '%s'", vermagic,
				  host_vermagic)
			: fail(ADMIT, -ENOEXEC, module,
				  "it has no vermagic, which should be '%s'",
				  host_vermagic);
}
