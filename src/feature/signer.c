/* SPDX-License-Identifier: MIT */
/*
 * Reads what a module's signature says of itself: signer, key, hash (RFC 5652, and the
 * kernel's older kinds). Verifies nothing and needs no library, so that it is fast.
 */
#include "feature/signature.h"

#define fail(...) base_error(error, UMOD_STAGE_VERIFY, __VA_ARGS__)

static const char *const id_types[] = { "PGP", "X509", "PKCS#7" };
static const char *const old_hashes[] = { "md4", "md5", "sha1", "rmd160", "sha256",
	"sha384", "sha512", "sha224", "sm3" };

/* The older kinds: names, key and signature lie one behind the other. */
static void read_old(const struct elf_bytes *file, const struct feature_signature *at,
	struct feature_signer *out)
{
	const uint8_t *p = file->bytes + at->body_bytes;

	out->signer = (struct feature_span){ p, at->signer_bytes };
	out->key_id = (struct feature_span){ p + at->signer_bytes, at->key_id_bytes };
	out->value = (struct feature_span){ file->bytes + at->offset, at->bytes };
	if (at->hash < base_array_count(old_hashes))
		out->hash = old_hashes[at->hash];
}

/* ML-DSA (FIPS 204): 2.16.840.1.101.3.4.3.17 to .19. */
static bool is_post_quantum(struct feature_span algorithm)
{
	static const uint8_t prefix[] = { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3 };
	struct feature_der oid;

	return feature_der_take(&algorithm, 0x06, &oid) &&
	       oid.content.count == sizeof(prefix) + 1 &&
	       memcmp(oid.content.bytes, prefix, sizeof(prefix)) == 0 &&
	       oid.content.bytes[8] >= 17 && oid.content.bytes[8] <= 19;
}

/* SignerInfo's content. NULL, or what is wrong. */
static const char *read_signer_info(struct feature_span in, struct feature_signer *out)
{
	struct feature_der version, who, item, issuer;

	if (!feature_der_take(&in, 0x02, &version))
		return "it has no version";
	if (feature_der_take(&in, 0x30, &who)) {
		if (!feature_der_take(&who.content, 0x30, &issuer) ||
			!feature_der_take(&who.content, 0x02, &item) || who.content.count)
			return "the issuer is malformed";
		out->issuer = issuer.whole;
		out->signer = feature_der_common_name(issuer.content);
		out->key_id = item.content;
	} else if (feature_der_take(&in, 0x80, &who)) {
		out->key_id = who.content;
	} else {
		return "it does not say who signed";
	}
	if (!feature_der_take(&in, 0x30, &item))
		return "the hash is malformed";
	out->hash = feature_der_hash(item.content);
	out->has_attributes = feature_der_take(&in, 0xa0, &item);
	if (!feature_der_take(&in, 0x30, &item))
		return "the algorithm is malformed";
	out->post_quantum = is_post_quantum(item.content);
	if (!feature_der_take(&in, 0x04, &item))
		return "the signature's value is malformed";
	out->value = item.content;
	(void)feature_der_take(&in, 0xa1, &item);
	return in.count ? "something follows the signer" : NULL;
}

static const char *read_cms(struct feature_span in, struct feature_signer *out)
{
	static const uint8_t signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7,
		2 };
	struct feature_der content, oid, data, item, info;
	const char *wrong = NULL;

	if (!feature_der_take(&in, 0x30, &content) || in.count)
		return "it is no DER, or something follows it";
	if (!feature_der_take(&content.content, 0x06, &oid) ||
		oid.content.count != sizeof(signed_data) ||
		memcmp(oid.content.bytes, signed_data, sizeof(signed_data)) != 0)
		return "it holds no signed data";
	if (!feature_der_take(&content.content, 0xa0, &item) || content.content.count ||
		!feature_der_take(&item.content, 0x30, &data) || item.content.count)
		return "its signed data are malformed";
	in = data.content;
	if (!feature_der_take(&in, 0x02, &item) || !feature_der_take(&in, 0x31, &item) ||
		!feature_der_take(&in, 0x30, &info) ||
		!feature_der_take(&info.content, 0x06, &oid))
		return "its signed data are malformed";
	out->is_detached = info.content.count == 0;
	(void)feature_der_take(&in, 0xa0, &item); /* certificates */
	(void)feature_der_take(&in, 0xa1, &item); /* revocations */
	if (!feature_der_take(&in, 0x31, &item) || in.count)
		return "its signers are malformed";
	while (!wrong && feature_der_take(&item.content, 0x30, &info)) {
		if (out->signers++ == 0)
			wrong = read_signer_info(info.content, out);
	}
	if (!wrong && (item.content.count || out->signers == 0))
		wrong = "its signers are malformed";
	return wrong;
}

int feature_signer_read(const struct elf_bytes *file, const char *name,
	const struct feature_signature *at, struct feature_signer *out,
	struct umod_error *error)
{
	int result = 0;

	*out = (struct feature_signer){ 0 };
	if (at->id_type >= base_array_count(id_types))
		return fail(-ENOTSUP, name, "its signature is of the unknown kind %u",
			at->id_type);
	out->id_type = id_types[at->id_type];
	if (file->fetch)
		result = file->fetch(file->data, at->body_bytes,
			at->offset + at->bytes - at->body_bytes);
	if (result)
		return fail(result, name, "cannot be read: %s", strerror(-result));
	if (at->id_type != 2) {
		read_old(file, at, out);
		return 0;
	}
	out->cms = (struct feature_span){ file->bytes + at->offset, at->bytes };
	const char *wrong = read_cms(out->cms, out);
	return wrong ? fail(-EBADMSG, name, "its signature is malformed: %s", wrong) : 0;
}
