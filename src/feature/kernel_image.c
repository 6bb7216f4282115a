/* SPDX-License-Identifier: MIT */
/*
 * Finds the certificates that a kernel was built with in its image: unpacks what is
 * packed (bzImage, EFI zboot, a packed Image) and looks for certificates in DER. Images
 * are untrusted: a certificate is what parses as one, of plausible size.
 */
#include "feature/signature.h"

#define fail(...)             base_error(error, UMOD_STAGE_VERIFY, __VA_ARGS__)
#define CERTIFICATE_MIN_BYTES 128
#define CERTIFICATE_MAX_BYTES 65536

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* Adds each certificate in @in. Those that a certificate holds are not looked for. */
static int scan(struct feature_keyring *keyring, struct feature_span in, const char *file,
	struct umod_error *error)
{
	while (in.count >= CERTIFICATE_MIN_BYTES) {
		/* A sequence of 256 to 65535 bytes, that begins with one. */
		const uint8_t *p = memmem(in.bytes, in.count, "\x30\x82", 2);
		struct feature_certificate certificate;
		if (!p)
			break;
		in.count -= (size_t)(p - in.bytes);
		in.bytes = p;
		struct feature_span here = { p, in.count < CERTIFICATE_MAX_BYTES
							? in.count
							: CERTIFICATE_MAX_BYTES };
		size_t used = 1;
		if (feature_certificate_parse(here, &certificate) &&
			certificate.der.count >= CERTIFICATE_MIN_BYTES) {
			int result = feature_keyring_add(
				keyring, p, certificate.der.count, file, error);
			if (result)
				return result;
			used = certificate.der.count;
		}
		in.bytes += used;
		in.count -= used;
	}
	return 0;
}

/*
 * Without the table of certificates at the end of a PE file: those signed the image for
 * Secure Boot, and the kernel does not trust them for modules.
 */
static struct feature_span without_table(struct feature_span in)
{
	const uint64_t optional_bytes = 24, security = 112 + 4 * 8;

	if (in.count < 64 || memcmp(in.bytes, "MZ", 2) != 0)
		return in;
	uint64_t pe = word(in.bytes + 60), table = pe + optional_bytes + security;
	if (!base_range_fits(table, 8, in.count) ||
		memcmp(in.bytes + pe, "PE\0\0", 4) != 0)
		return in;
	uint64_t offset = word(in.bytes + table), bytes = word(in.bytes + table + 4);
	if (offset && bytes && base_range_fits(offset, bytes, in.count))
		in.count = offset;
	return in;
}

/* Where the packed kernel is in @in; empty: this is no such image. */
static struct feature_span payload(struct feature_span in)
{
	struct feature_span none = { 0 };
	uint64_t offset, bytes;

	if (in.count >= 0x250 && memcmp(in.bytes + 0x202, "HdrS", 4) == 0) {
		/* Documentation/arch/x86/boot.rst: behind setup's sectors. */
		unsigned sectors = in.bytes[0x1f1] ? in.bytes[0x1f1] : 4;
		offset = (sectors + 1) * (uint64_t)512 + word(in.bytes + 0x248);
		bytes = word(in.bytes + 0x24c);
	} else if (in.count >= 64 && memcmp(in.bytes, "MZ\0\0zimg", 8) == 0) {
		/* drivers/firmware/efi/libstub/zboot-header.S */
		offset = word(in.bytes + 8);
		bytes = word(in.bytes + 12);
	} else if (feature_compression_of(in.bytes, in.count) != FEATURE_PLAIN) {
		return in;
	} else {
		return none;
	}
	if (!base_range_fits(offset, bytes, in.count))
		return none;
	return (struct feature_span){ in.bytes + offset, bytes };
}

static const char *other_packing(struct feature_span in)
{
	if (in.count < 6)
		return NULL;
	if (memcmp(in.bytes, "\x02\x21\x4c\x18", 4) == 0)
		return "LZ4";
	if (memcmp(in.bytes, "BZh", 3) == 0)
		return "bzip2";
	if (memcmp(in.bytes, "\x5d\0\0", 3) == 0)
		return "LZMA";
	return memcmp(in.bytes, "\x89LZO", 4) == 0 ? "LZO" : NULL;
}

int feature_keyring_add_kernel(struct feature_keyring *keyring, const void *bytes,
	size_t count, const char *file, struct umod_error *error)
{
	struct feature_buffer unpacked = { 0 };
	struct feature_span whole = without_table((struct feature_span){ bytes, count });
	struct feature_span packed = payload(whole);
	size_t before = feature_keyring_count(keyring);
	int result;

	if (packed.count && other_packing(packed))
		return fail(-ENOTSUP, file, "is packed by %s, which umod does not unpack",
			other_packing(packed));
	if (feature_compression_of(packed.bytes, packed.count) != FEATURE_PLAIN) {
		/* All but gzip, which has it anyway, end with the unpacked size. */
		if (packed.bytes != whole.bytes && packed.count > 4 &&
			feature_compression_of(packed.bytes, packed.count) !=
				FEATURE_GZIP)
			packed.count -= 4;
		result = feature_unpack(packed.bytes, packed.count, file,
			FEATURE_LIMIT_BYTES, &unpacked, NULL, error);
		if (result)
			return result;
		whole = (struct feature_span){ unpacked.bytes, unpacked.count };
	}
	result = scan(keyring, whole, file, error);
	feature_buffer_free(&unpacked);
	if (result == 0 && feature_keyring_count(keyring) == before)
		result = fail(-ENOKEY, file, "has no certificate in it");
	return result;
}
