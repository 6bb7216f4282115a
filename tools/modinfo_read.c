/* SPDX-License-Identifier: MIT */
/* modinfo: reads the fields of a module's file, and of its signature. */
#include "modinfo.h"

#include <errno.h>
#include <string.h>

/* Most modules are smaller, and are read by one call. */
#define FIRST_BYTES ((size_t)40 << 10)
/* Memory that a large module leaves behind is given back from here on. */
#define KEEP_BYTES ((size_t)4 << 20)
/* Bytes of a signature in a line, as kmod has them. */
#define LINE_BYTES 20

void modinfo_add(struct modinfo *info, const char *key, size_t key_bytes,
	const char *value, size_t value_bytes)
{
	if (info->count == info->capacity) {
		info->capacity = info->capacity ? info->capacity * 2 : 64;
		info->fields =
			tool_realloc(info->fields, info->capacity, sizeof(*info->fields));
	}
	info->fields[info->count++] =
		(struct modinfo_field){ key, value, key_bytes, value_bytes };
}

static void add(
	struct modinfo *info, const char *key, const char *value, size_t value_bytes)
{
	modinfo_add(info, key, strlen(key), value, value_bytes);
}

/* @bytes as "0A:1B", in lines; returns where it ends. */
static char *put_hex(char *to, struct feature_span bytes)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.count; i++) {
		*to++ = digits[bytes.bytes[i] >> 4];
		*to++ = digits[bytes.bytes[i] & 15];
		if (i + 1 == bytes.count)
			break;
		*to++ = ':';
		if (i % LINE_BYTES == LINE_BYTES - 1)
			to = mempcpy(to, "\n\t\t", 3);
	}
	return to;
}

static void add_signature(struct modinfo *info, const struct feature_signer *signer)
{
	struct feature_span key = signer->key_id;
	size_t room = (key.count + signer->value.count) * 4 + 8;

	/* A serial number, not its encoding. */
	while (signer->issuer.count && key.count && key.bytes[0] == 0) {
		key.bytes++;
		key.count--;
	}
	if (info->text_bytes < room) {
		info->text = tool_realloc(info->text, room, 1);
		info->text_bytes = room;
	}
	char *middle = put_hex(info->text, key);
	char *end = put_hex(middle, signer->value);
	const char *hash = signer->hash ? signer->hash : "unknown";
	add(info, "sig_id", signer->id_type, strlen(signer->id_type));
	add(info, "signer",
		signer->signer.count ? (const char *)signer->signer.bytes : "",
		strnlen((const char *)signer->signer.bytes, signer->signer.count));
	add(info, "sig_key", info->text, (size_t)(middle - info->text));
	add(info, "sig_hashalgo", hash, strlen(hash));
	add(info, "signature", middle, (size_t)(end - middle));
}

static void verify_module(struct modinfo *info, const struct elf_bytes *bytes,
	const struct modinfo_verify *verify)
{
	const struct feature_verification *v = &info->verification;

	info->verified = true;
	memset(&info->verify_error, 0, sizeof(info->verify_error));
	feature_verify(verify->keyring, bytes, info->path, &verify->options,
		&info->verification, &info->verify_error);
	const char *text = v->verdict ? feature_verdict_name(v->verdict)
				      : info->verify_error.message;
	add(info, "verified", text, strlen(text));
	if (v->verdict != FEATURE_VERIFIED)
		add(info, "reason", info->verify_error.message,
			strlen(info->verify_error.message));
}

void modinfo_not_checked(struct modinfo *info)
{
	const char *text = feature_verdict_name(FEATURE_NOT_CHECKED);

	info->verified = true;
	memset(&info->verification, 0, sizeof(info->verification));
	memset(&info->verify_error, 0, sizeof(info->verify_error));
	base_error(&info->verify_error, UMOD_STAGE_VERIFY, -ENOTSUP, info->name,
		"it is part of the kernel, and has no signature of its own");
	add(info, "verified", text, strlen(text));
	add(info, "reason", info->verify_error.message,
		strlen(info->verify_error.message));
}

static int read_fields(
	struct modinfo *info, const struct elf_bytes *bytes, struct umod_error *error)
{
	struct elf_object object;
	struct feature_info section;
	struct feature_field field;
	int result = elf_object_open_any(&object, info->path, bytes, error);

	if (result == 0)
		result = feature_info_open(&object, &section, error);
	if (result)
		return result;
	if (!section.bytes)
		return base_error(error, UMOD_STAGE_DESCRIBE, -ENOENT, info->path,
			"it has no section .modinfo");
	for (size_t cursor = 0; feature_info_next(&section, &cursor, &field);)
		modinfo_add(
			info, field.key, field.key_bytes, field.value, field.value_bytes);
	return 0;
}

int modinfo_read(struct modinfo *info, int fd, const struct modinfo_verify *verify,
	struct umod_error *error)
{
	struct elf_bytes bytes;
	struct feature_signature at;
	struct feature_signer signer;

	feature_buffer_trim(&info->file.buffer, KEEP_BYTES);
	int result = feature_partial_open(&info->file, fd, info->path,
		verify->keyring != NULL, FIRST_BYTES, &bytes, error);
	if (result == 0)
		result = read_fields(info, &bytes, error);
	/* What is wrong with a signature is no reason to tell nothing. */
	if (result == 0 && feature_signature_find(&bytes, info->path, &at, NULL) == 0 &&
		at.bytes &&
		feature_signer_read(&bytes, info->path, &at, &signer, NULL) == 0)
		add_signature(info, &signer);
	if (result == 0 && verify->keyring)
		verify_module(info, &bytes, verify);
	return result;
}
