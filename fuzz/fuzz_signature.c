/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the input is a signed module, a kernel's image, and a certificate. Its
 * trailer and CMS are taken apart, verified by a key that signed nothing, and searched
 * for certificates; whatever it is, the answer has its sentence, and is never "verified".
 */
#include "fuzz.h"

#include "feature/signature.h"

/* Inside the input, or nothing. */
static void expect_inside(struct feature_span part, const uint8_t *data, size_t size)
{
	if (part.count && (part.bytes < data || part.bytes + part.count > data + size))
		abort();
}

static void read_signer(const struct elf_bytes *file)
{
	struct feature_signature at;
	struct feature_signer signer;
	struct umod_error error = { 0 };

	int result = feature_signature_find(file, "input", &at, &error);
	if (result == 0)
		result = feature_signer_read(file, "input", &at, &signer, &error);
	if (result && result != -ENODATA && !error.message[0])
		abort();
	if (result)
		return;
	const struct feature_span parts[] = { signer.signer, signer.key_id, signer.value,
		signer.issuer, signer.cms };
	for (size_t i = 0; i < base_array_count(parts); i++)
		expect_inside(parts[i], file->bytes, file->count);
}

static void verify(struct feature_keyring *keyring, const struct elf_bytes *file)
{
	struct feature_verification out;
	struct umod_error error = { 0 };

	int result = feature_verify(keyring, file, "input", NULL, &out, &error);
	if (result == 0 || out.verdict == FEATURE_VERIFIED || error.code != result ||
		!error.message[0] || out.body_bytes > file->count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feature_keyring *keyring;
	struct feature_certificate *one;
	struct umod_error error = { 0 };
	uint8_t *bytes = malloc(size ? size : 1);

	if (!bytes)
		return 0;
	if (size)
		memcpy(bytes, data, size);
	const struct elf_bytes file = { .bytes = bytes, .count = size };
	if (feature_keyring_new(&keyring) == 0) {
		read_signer(&file);
		verify(NULL, &file);
		verify(keyring, &file);
		if (feature_keyring_add(keyring, bytes, size, "input", &error) &&
			!error.message[0])
			abort();
		/* Packed images would only fuzz other people's libraries. */
		if (feature_compression_of(bytes, size) == FEATURE_PLAIN)
			(void)feature_keyring_add_kernel(
				keyring, bytes, size, "input", NULL);
		for (size_t i = 0; (one = feature_keyring_at(keyring, i)) != NULL; i++) {
			expect_inside(one->serial, one->der.bytes, one->der.count);
			free(feature_certificate_pem(one));
		}
		feature_keyring_free(keyring);
	}
	free(bytes);
	return 0;
}
