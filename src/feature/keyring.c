/* SPDX-License-Identifier: MIT */
/*
 * Keyrings: the certificates that a signer may have, from memory or from a directory of
 * DER and PEM files. A certificate is trusted for being here; chains are not followed, as
 * the kernel does not follow them for modules.
 */
#include "feature/signature.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define fail(...) base_error(error, UMOD_STAGE_VERIFY, __VA_ARGS__)
/* The most that a file of certificates may hold. */
#define FILE_LIMIT_BYTES ((uint64_t)1 << 20)

struct feature_keyring {
	struct feature_certificate **items;
	unsigned count, capacity;
};

int feature_keyring_new(struct feature_keyring **out)
{
	*out = base_zalloc(sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void feature_keyring_free(struct feature_keyring *keyring)
{
	if (!keyring)
		return;
	for (unsigned i = 0; i < keyring->count; i++) {
		feature_crypto_free_certificate(atomic_load(&keyring->items[i]->x509));
		base_free(keyring->items[i]);
	}
	base_free(keyring->items);
	base_free(keyring);
}

size_t feature_keyring_count(const struct feature_keyring *keyring)
{
	return keyring->count;
}

struct feature_certificate *feature_keyring_at(
	const struct feature_keyring *keyring, size_t index)
{
	return index < keyring->count ? keyring->items[index] : NULL;
}

/* ---- adding ---- */

/* A copy with its bytes and its file's name behind it. */
static int add_der(struct feature_keyring *keyring, struct feature_span der,
	const char *file, struct umod_error *error)
{
	struct feature_certificate found, *item;
	size_t name_bytes = strlen(file) + 1;

	if (!feature_certificate_parse(der, &found))
		return fail(-EBADMSG, file, "is no certificate, or a damaged one");
	for (unsigned i = 0; i < keyring->count; i++) {
		if (feature_span_same(keyring->items[i]->der, found.der))
			return 0;
	}
	if (base_grow(&keyring->items, keyring->count, &keyring->capacity,
		    sizeof(struct feature_certificate *)))
		return fail(-ENOMEM, file, "no memory for a certificate");
	item = base_alloc(sizeof(*item) + found.der.count + name_bytes);
	if (!item)
		return fail(-ENOMEM, file, "no memory for a certificate");
	uint8_t *bytes = (uint8_t *)(item + 1);
	memcpy(bytes, found.der.bytes, found.der.count);
	memcpy(bytes + found.der.count, file, name_bytes);
	/* Once more, so that its parts lie in the copy. */
	feature_certificate_parse((struct feature_span){ bytes, found.der.count }, item);
	item->file = (const char *)bytes + found.der.count;
	keyring->items[keyring->count++] = item;
	return 0;
}

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Text between the lines of a PEM certificate to bytes; -1: that is none. */
static int64_t base64(const char *text, size_t count, uint8_t *out)
{
	uint32_t word = 0;
	unsigned bits = 0, padding = 0;
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (strchr(" \t\r\n", text[i]) && text[i])
			continue;
		int value = base64_value(text[i]);
		if (text[i] == '=' && ++padding <= 2)
			continue;
		if (value < 0 || padding)
			return -1;
		word = word << 6 | (uint32_t)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[used++] = (uint8_t)(word >> bits);
		}
	}
	return (int64_t)used;
}

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END   "-----END CERTIFICATE-----"

static int add_pem(struct feature_keyring *keyring, const char *text, size_t count,
	const char *file, struct umod_error *error)
{
	const char *end = text + count, *at = text;
	BASE_AUTO_FREE uint8_t *der = base_alloc(count + 1);
	unsigned found = 0;
	int result = 0;

	if (!der)
		return fail(-ENOMEM, file, "no memory for a certificate");
	while (result == 0 && (at = memmem(at, (size_t)(end - at), PEM_BEGIN,
				       strlen(PEM_BEGIN))) != NULL) {
		at += strlen(PEM_BEGIN);
		const char *stop =
			memmem(at, (size_t)(end - at), PEM_END, strlen(PEM_END));
		int64_t bytes = stop ? base64(at, (size_t)(stop - at), der) : -1;
		if (bytes < 0)
			return fail(-EBADMSG, file, "has a damaged PEM certificate");
		result = add_der(keyring, (struct feature_span){ der, (size_t)bytes },
			file, error);
		found++;
		at = stop;
	}
	if (result == 0 && found == 0)
		return fail(-EBADMSG, file, "has no certificate");
	return result;
}

int feature_keyring_add(struct feature_keyring *keyring, const void *bytes, size_t count,
	const char *file, struct umod_error *error)
{
	struct feature_der der;
	struct feature_span in = { bytes, count };

	if (count && *(const uint8_t *)bytes == 0x30 &&
		feature_der_take(&in, 0x30, &der)) {
		if (in.count)
			return fail(-EBADMSG, file, "has more than a certificate in DER");
		return add_der(keyring, der.whole, file, error);
	}
	return add_pem(keyring, bytes, count, file, error);
}

/* ---- directories ---- */

/* What others can change, a privileged process must not trust. */
static int check_owner(const struct stat *st, const char *path, struct umod_error *error)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return fail(-EPERM, path, "belongs to user %u, not to root or the caller",
			(unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return fail(-EPERM, path, "others than its owner may write to it");
	return 0;
}

static int add_file(struct feature_keyring *keyring, int directory, const char *name,
	const char *path, bool guard, struct umod_error *error)
{
	struct feature_buffer buffer = { 0 };
	struct stat st;
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result;

	if (fd < 0)
		return fail(-errno, path, "cannot be opened: %s", strerror(errno));
	result = base_sys_fstat(fd, &st);
	if (result)
		fail(result, path, "cannot be read: %s", strerror(-result));
	else if (!S_ISREG(st.st_mode))
		result = fail(-EINVAL, path, "is no regular file");
	if (result == 0 && guard)
		result = check_owner(&st, path, error);
	if (result == 0)
		result = feature_read(fd, path, FILE_LIMIT_BYTES, &buffer, NULL, error);
	if (result == 0)
		result = feature_keyring_add(
			keyring, buffer.bytes, buffer.count, path, error);
	feature_buffer_free(&buffer);
	base_sys_close(fd);
	return result;
}

static int is_certificate(const struct dirent *entry)
{
	static const char *const suffixes[] = { ".pem", ".crt", ".cer", ".der", ".x509" };
	const char *dot = strrchr(entry->d_name, '.');

	if (entry->d_name[0] == '.' || !dot)
		return 0;
	for (size_t i = 0; i < base_array_count(suffixes); i++) {
		if (strcmp(dot, suffixes[i]) == 0)
			return 1;
	}
	return 0;
}

static int add_directory(struct feature_keyring *keyring, int fd, const char *path,
	bool guard, struct umod_error *error)
{
	struct dirent **names = NULL;
	int count = scandirat(fd, ".", &names, is_certificate, alphasort), result = 0;

	if (count < 0)
		return fail(-errno, path, "cannot be listed: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		char *whole = base_printf("%s/%s", path, names[i]->d_name);
		int one = whole ? add_file(keyring, fd, names[i]->d_name, whole, guard,
					  error)
				: fail(-ENOMEM, path, "no memory");
		result = result ? result : one;
		base_free(whole);
		free(names[i]);
	}
	free(names);
	return result;
}

int feature_keyring_read(struct feature_keyring *keyring, const char *path, bool guard,
	struct umod_error *error)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;

	if (fd < 0)
		return fail(-errno, path, "cannot be opened: %s", strerror(errno));
	if (fstat(fd, &st) != 0)
		result = fail(-errno, path, "cannot be read: %s", strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		result = add_file(keyring, AT_FDCWD, path, path, guard, error);
	else if (!guard || (result = check_owner(&st, path, error)) == 0)
		result = add_directory(keyring, fd, path, guard, error);
	base_sys_close(fd);
	return result;
}

char *feature_certificate_pem(const struct feature_certificate *certificate)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = certificate->der.bytes;
	size_t count = certificate->der.count, lines = (count + 47) / 48;
	char *text = base_alloc(
		sizeof(PEM_BEGIN) + sizeof(PEM_END) + (count + 2) / 3 * 4 + lines + 1);

	if (!text)
		return NULL;
	char *to = stpcpy(text, PEM_BEGIN "\n");
	for (size_t i = 0; i < count; i += 3) {
		size_t left = count - i;
		uint32_t word = (uint32_t)p[i] << 16 |
				(left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
				(left > 2 ? p[i + 2] : 0);
		*to++ = digits[word >> 18];
		*to++ = digits[word >> 12 & 63];
		*to++ = left > 1 ? digits[word >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[word & 63] : '=';
		if (i % 48 == 45 || left <= 3)
			*to++ = '\n';
	}
	strcpy(to, PEM_END "\n");
	return text;
}
