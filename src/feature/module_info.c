/* SPDX-License-Identifier: MIT */
/*
 * What a module in the kernel's format says of itself: its fields (.modinfo), the
 * versions of what it imports, and where its signature lies. Reads only; what the fields
 * mean is the caller's matter, and a signature is not verified here.
 */
#include "feature/feature.h"

#define fail(...) base_error(error, UMOD_STAGE_DESCRIBE, __VA_ARGS__)

/* ---- fields ---- */

int feature_info_open(const struct elf_object *object, struct feature_info *out,
	struct umod_error *error)
{
	struct elf_section section;
	struct umod_error own = { 0 };

	*out = (struct feature_info){ 0 };
	if (!elf_object_find(object, ".modinfo", &section))
		return 0;
	const uint8_t *bytes = elf_object_data(object, &section, &own);
	if (own.code) {
		if (error && !error->code)
			*error = own;
		return own.code;
	}
	if (!bytes)
		return 0;
	/* A last string without its NUL is no string. */
	while (section.bytes && bytes[section.bytes - 1] != '\0')
		section.bytes--;
	out->bytes = (const char *)bytes;
	out->count = section.bytes;
	return 0;
}

bool feature_info_next(
	const struct feature_info *info, size_t *cursor, struct feature_field *out)
{
	/* NULs between strings are padding. */
	while (*cursor < info->count && info->bytes[*cursor] == '\0')
		++*cursor;
	if (*cursor >= info->count)
		return false;
	const char *text = info->bytes + *cursor;
	size_t length = strlen(text);
	const char *equals = memchr(text, '=', length);

	*cursor += length + 1;
	out->key = text;
	out->key_bytes = equals ? (size_t)(equals - text) : length;
	out->value = equals ? equals + 1 : text + length;
	out->value_bytes = (size_t)(text + length - out->value);
	return true;
}

bool feature_field_is(const struct feature_field *field, const char *key)
{
	return strlen(key) == field->key_bytes &&
	       memcmp(key, field->key, field->key_bytes) == 0;
}

const char *feature_info_get(const struct feature_info *info, const char *key)
{
	struct feature_field field;
	size_t cursor = 0;

	while (feature_info_next(info, &cursor, &field)) {
		if (feature_field_is(&field, key))
			return field.value;
	}
	return NULL;
}

/* ---- versions ---- */

#define VERSION_BYTES 64 /* u64 crc, char name[56] */

static const uint8_t *section_of(const struct elf_object *object, const char *name,
	uint64_t *bytes, struct umod_error *error)
{
	struct elf_section section;
	*bytes = 0;
	if (!elf_object_find(object, name, &section))
		return NULL;
	const uint8_t *data = elf_object_data(object, &section, error);
	*bytes = data ? section.bytes : 0;
	return data;
}

/* CRCs and, in another section, their names; *@out stays empty where one is missing. */
static int open_extended(const struct elf_object *object, const char *crc_section,
	const char *name_section, struct feature_versions *out, struct umod_error *error)
{
	struct umod_error own = { 0 };
	uint64_t bytes, name_bytes;

	*out = (struct feature_versions){ 0 };
	const uint8_t *crcs = section_of(object, crc_section, &bytes, &own);
	const uint8_t *names = section_of(object, name_section, &name_bytes, &own);
	if (!crcs || !names || own.code)
		return 0;
	if (bytes % 4 || names[name_bytes - 1] != '\0')
		return fail(-ELIBBAD, object->name, "its extended versions are damaged");
	out->crcs = crcs;
	out->names = (const char *)names;
	out->name_bytes = name_bytes;
	out->count = bytes / 4;
	return 0;
}

int feature_export_versions_open(const struct elf_object *object,
	struct feature_versions *out, struct umod_error *error)
{
	return open_extended(
		object, "__export_ext_crcs", "__export_ext_names", out, error);
}

int feature_versions_open(const struct elf_object *object, struct feature_versions *out,
	struct umod_error *error)
{
	struct umod_error own = { 0 };
	uint64_t bytes;

	/* The extended tables hold every version, long names too: then they count alone.
	 */
	int result = open_extended(
		object, "__version_ext_crcs", "__version_ext_names", out, error);
	if (result || out->crcs)
		return result;
	const uint8_t *entries = section_of(object, "__versions", &bytes, &own);
	if (own.code) {
		if (error && !error->code)
			*error = own;
		return own.code;
	}
	if (entries && bytes % VERSION_BYTES)
		return fail(-ELIBBAD, object->name,
			"__versions has %llu bytes, not whole entries",
			(unsigned long long)bytes);
	out->entries = entries;
	out->count = entries ? bytes / VERSION_BYTES : 0;
	return 0;
}

bool feature_versions_next(const struct feature_versions *versions, size_t *index,
	size_t *offset, struct feature_version *out)
{
	if (*index >= versions->count)
		return false;
	if (versions->crcs) {
		uint32_t crc;
		if (*offset >= versions->name_bytes)
			return false;
		memcpy(&crc, versions->crcs + *index * 4, 4);
		out->crc = crc;
		out->name = versions->names + *offset;
		out->name_bytes = strlen(out->name);
		*offset += out->name_bytes + 1;
	} else {
		const uint8_t *entry = versions->entries + *index * VERSION_BYTES;
		memcpy(&out->crc, entry, 8);
		out->name = (const char *)entry + 8;
		out->name_bytes = strnlen(out->name, FEATURE_VERSION_NAME_BYTES);
	}
	++*index;
	return true;
}

/* ---- the signature's place ---- */

/* The 12 bytes before the magic: algo, hash, id_type, lengths, pad[3], be32 sig_len. */
#define TRAILER_BYTES 12

int feature_signature_find(const struct elf_bytes *file, const char *name,
	struct feature_signature *out, struct umod_error *error)
{
	uint64_t tail = FEATURE_SIGNATURE_MAGIC_BYTES;
	int result = 0;

	memset(out, 0, sizeof(*out));
	if (file->count < tail)
		return -ENODATA;
	if (file->fetch)
		result = file->fetch(file->data, file->count - tail, tail);
	if (result)
		return fail(result, name, "cannot be read: %s", strerror(-result));
	if (memcmp(file->bytes + file->count - tail, FEATURE_SIGNATURE_MAGIC, tail) != 0)
		return -ENODATA;
	tail += TRAILER_BYTES;
	if (file->count < tail)
		return fail(-EBADMSG, name, "the signature's trailer is cut");
	if (file->fetch)
		result = file->fetch(file->data, file->count - tail, TRAILER_BYTES);
	if (result)
		return fail(result, name, "cannot be read: %s", strerror(-result));
	const uint8_t *t = file->bytes + file->count - tail;
	out->algo = t[0];
	out->hash = t[1];
	out->id_type = t[2];
	out->signer_bytes = t[3];
	out->key_id_bytes = t[4];
	out->bytes = (uint64_t)t[8] << 24 | t[9] << 16 | t[10] << 8 | t[11];
	if (out->bytes > file->count - tail)
		return fail(
			-EBADMSG, name, "its signature would be longer than the file");
	out->offset = file->count - tail - out->bytes;
	/* The older kinds have the signer's name and key before the signature. */
	uint64_t ids = (uint64_t)out->signer_bytes + out->key_id_bytes;
	if (ids > out->offset)
		return fail(
			-EBADMSG, name, "its signature would be longer than the file");
	out->body_bytes = out->offset - ids;
	if (file->fetch)
		result = file->fetch(file->data, out->offset, out->bytes);
	return result ? fail(result, name, "cannot be read: %s", strerror(-result)) : 0;
}
