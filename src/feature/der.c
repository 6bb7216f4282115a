/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of DER (X.690): tag, length, content, each bound checked. It allocates
 * nothing. Long tags and indefinite lengths are refused: no signature or certificate that
 * the kernel takes has them.
 */
#include "feature/signature.h"

bool feature_der_next(struct feature_span *in, struct feature_der *out)
{
	const uint8_t *p = in->bytes;
	size_t head = 2, length;

	if (in->count < 2 || (p[0] & 0x1f) == 0x1f)
		return false;
	length = p[1];
	if (length >= 0x80) {
		size_t more = length & 0x7f;
		if (more == 0 || more > 4 || in->count < 2 + more)
			return false;
		length = 0;
		for (size_t i = 0; i < more; i++)
			length = length << 8 | p[2 + i];
		/* The shortest form alone: one value, one encoding. */
		if (length < 0x80 || (more > 1 && p[2] == 0))
			return false;
		head += more;
	}
	if (length > in->count - head)
		return false;
	out->tag = p[0];
	out->content = (struct feature_span){ p + head, length };
	out->whole = (struct feature_span){ p, head + length };
	in->bytes += head + length;
	in->count -= head + length;
	return true;
}

bool feature_der_take(struct feature_span *in, uint8_t tag, struct feature_der *out)
{
	return in->count && in->bytes[0] == tag && feature_der_next(in, out);
}

struct feature_span feature_der_common_name(struct feature_span name)
{
	static const uint8_t common_name[] = { 0x55, 0x04, 0x03 }; /* 2.5.4.3 */
	struct feature_der set, pair, oid, value;
	struct feature_span found = { 0 };

	/* Name: a sequence of sets of pairs. */
	while (feature_der_take(&name, 0x31, &set)) {
		while (feature_der_take(&set.content, 0x30, &pair)) {
			if (!feature_der_take(&pair.content, 0x06, &oid) ||
				!feature_der_next(&pair.content, &value))
				continue;
			if (oid.content.count == sizeof(common_name) &&
				memcmp(oid.content.bytes, common_name,
					sizeof(common_name)) == 0)
				found = value.content;
		}
	}
	return found;
}

const char *feature_der_hash(struct feature_span algorithm)
{
	static const struct {
		const char *oid, *name;
	} hashes[] = {
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x01", "sha256" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x02", "sha384" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x03", "sha512" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x04", "sha224" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x08", "sha3-256" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x09", "sha3-384" },
		{ "\x60\x86\x48\x01\x65\x03\x04\x02\x0a", "sha3-512" },
		{ "\x2b\x0e\x03\x02\x1a", "sha1" },
		{ "\x2a\x86\x48\x86\xf7\x0d\x02\x04", "md4" },
		{ "\x2a\x86\x48\x86\xf7\x0d\x02\x05", "md5" },
		{ "\x2b\x24\x03\x02\x01", "rmd160" },
		{ "\x2a\x81\x1c\xcf\x55\x01\x83\x11", "sm3" },
	};
	struct feature_der oid;

	if (!feature_der_take(&algorithm, 0x06, &oid))
		return NULL;
	for (size_t i = 0; i < base_array_count(hashes); i++) {
		if (strlen(hashes[i].oid) == oid.content.count &&
			memcmp(hashes[i].oid, oid.content.bytes, oid.content.count) == 0)
			return hashes[i].name;
	}
	return NULL;
}
