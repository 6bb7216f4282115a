/* SPDX-License-Identifier: MIT */
/*
 * Verifies and makes signatures in the kernel's format. Which key signed, and whether all
 * is in its place, is told here; whether the numbers are right, by libcrypto.
 */
#include "feature/signature.h"

#include <stdio.h>
#include <time.h>

#define fail(...)     base_error(error, UMOD_STAGE_VERIFY, __VA_ARGS__)
#define TRAILER_BYTES (12 + FEATURE_SIGNATURE_MAGIC_BYTES)

static const struct {
	int code;
	const char *name;
} verdicts[FEATURE_VERDICT_COUNT] = {
	[FEATURE_NOT_CHECKED] = { -ENOTSUP, "not checked" },
	[FEATURE_VERIFIED] = { 0, "verified" },
	[FEATURE_UNSIGNED] = { -ENODATA, "unsigned" },
	[FEATURE_UNKNOWN_KEY] = { -ENOKEY, "unknown key" },
	[FEATURE_EXPIRED] = { -EKEYEXPIRED, "expired" },
	[FEATURE_MISMATCH] = { -EKEYREJECTED, "mismatch" },
	[FEATURE_BAD_TRAILER] = { -EBADMSG, "bad trailer" },
	[FEATURE_BAD_CMS] = { -EBADMSG, "bad signature" },
	[FEATURE_UNSUPPORTED] = { -ENOPKG, "unsupported" },
};

const char *feature_verdict_name(enum feature_verdict verdict)
{
	return verdicts[verdict].name;
}

struct judging {
	const char *name;
	struct feature_verification *out;
	struct umod_error *error;
};

static int judge(const struct judging *j, enum feature_verdict verdict,
	const char *format, ...) BASE_PRINTF(3, 4);
static int judge(
	const struct judging *j, enum feature_verdict verdict, const char *format, ...)
{
	char text[512];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	j->out->verdict = verdict;
	return base_error(
		j->error, UMOD_STAGE_VERIFY, verdicts[verdict].code, j->name, "%s", text);
}

/* What the kernel's mod_check_sig() demands: all fields but two are zero. */
static int check_trailer(const struct judging *j, const struct elf_bytes *file,
	const struct feature_signature *at)
{
	const uint8_t *trailer = file->bytes + file->count - TRAILER_BYTES;

	if (at->id_type != 2)
		return judge(j, FEATURE_UNSUPPORTED,
			"its signature is of kind %u, not PKCS#7", at->id_type);
	if (at->algo || at->hash || at->signer_bytes || at->key_id_bytes || trailer[5] ||
		trailer[6] || trailer[7])
		return judge(j, FEATURE_BAD_TRAILER,
			"its signature's trailer has values where zeros must be");
	if (at->bytes == 0)
		return judge(j, FEATURE_BAD_TRAILER, "its signature is empty");
	return 0;
}

static int check_form(const struct judging *j, const struct feature_signer *signer)
{
	static const char *const weak[] = { "md4", "md5", "rmd160", "sha1" };

	if (signer->signers != 1)
		return judge(j, FEATURE_BAD_CMS, "it has %u signers, not one",
			signer->signers);
	if (!signer->is_detached)
		return judge(j, FEATURE_BAD_CMS, "its signature is for bytes of its own");
	if (signer->has_attributes && !signer->post_quantum)
		return judge(j, FEATURE_BAD_CMS,
			"its signature has signed attributes, which the kernel refuses");
	if (!signer->hash)
		return judge(j, FEATURE_UNSUPPORTED, "it is signed with an unknown hash");
	for (size_t i = 0; i < base_array_count(weak); i++) {
		if (strcmp(weak[i], signer->hash) == 0)
			return judge(j, FEATURE_UNSUPPORTED,
				"it is signed with %s, which is too weak", signer->hash);
	}
	return 0;
}

static struct feature_certificate *find_key(
	const struct feature_keyring *keyring, const struct feature_signer *signer)
{
	struct feature_certificate *one;

	for (size_t i = 0; (one = feature_keyring_at(keyring, i)) != NULL; i++) {
		if (signer->issuer.count
				? feature_span_same(one->issuer, signer->issuer) &&
					  feature_span_same(one->serial, signer->key_id)
				: feature_span_same(one->key_id, signer->key_id))
			return one;
	}
	return NULL;
}

static int check_time(const struct judging *j, const struct feature_certificate *by,
	const struct feature_verify_options *options)
{
	int64_t now = options && options->now ? options->now : (int64_t)time(NULL);
	time_t limit = now < by->not_before ? by->not_before : by->not_after;
	struct tm tm;
	char date[64] = "";

	if ((options && options->allow_expired) ||
		(now >= by->not_before && now <= by->not_after))
		return 0;
	if (gmtime_r(&limit, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
	return judge(j, FEATURE_EXPIRED, "its signer's certificate %s %s",
		now < by->not_before ? "is not valid before" : "expired on", date);
}

/* All but the numbers. 0: out->by is the key that they must fit. */
static int check_all(const struct judging *j, const struct feature_keyring *keyring,
	const struct elf_bytes *file, const struct feature_verify_options *options)
{
	struct feature_signature at;
	struct umod_error why = { 0 };
	int result = feature_signature_find(file, j->name, &at, &why);

	j->out->body_bytes = result ? file->count : at.body_bytes;
	if (result == -ENODATA)
		return judge(j, FEATURE_UNSIGNED, "it is not signed");
	if (result)
		return judge(j, FEATURE_BAD_TRAILER, "%s", why.message);
	result = check_trailer(j, file, &at);
	if (result)
		return result;
	if (feature_signer_read(file, j->name, &at, &j->out->signer, &why))
		return judge(j, FEATURE_BAD_CMS, "%s", why.message);
	result = check_form(j, &j->out->signer);
	if (result)
		return result;
	if (!keyring)
		return judge(j, FEATURE_NOT_CHECKED,
			"it was not checked: there is no keyring");
	struct feature_certificate *by = find_key(keyring, &j->out->signer);
	const struct feature_span name = j->out->signer.signer;
	if (!by)
		return judge(j, FEATURE_UNKNOWN_KEY,
			"it is signed by a key that is not in the keyring (%.*s)",
			name.count ? (int)(name.count < 128 ? name.count : 128) : 14,
			name.count ? (const char *)name.bytes : "no signer name");
	j->out->by = by;
	return check_time(j, by, options);
}

int feature_verify(const struct feature_keyring *keyring, const struct elf_bytes *file,
	const char *name, const struct feature_verify_options *options,
	struct feature_verification *out, struct umod_error *error)
{
	struct judging j = { name, out, error };
	struct umod_error why = { 0 };

	*out = (struct feature_verification){ 0 };
	int result = check_all(&j, keyring, file, options);
	if (result)
		return result;
	struct feature_span body = { file->bytes, out->body_bytes };
	/* The keyring is the caller's; only libcrypto's copy in it is made here. */
	result = feature_crypto_verify(
		(struct feature_certificate *)out->by, out->signer.cms, body, name, &why);
	switch (result) {
	case 0:
		out->verdict = FEATURE_VERIFIED;
		return 0;
	case -EKEYREJECTED:
		return judge(&j, FEATURE_MISMATCH, "%s", why.message);
	case -EBADMSG:
		return judge(&j, FEATURE_BAD_CMS, "%s", why.message);
	default:
		return judge(
			&j, FEATURE_NOT_CHECKED, "it was not checked: %s", why.message);
	}
}

/* ---- signing ---- */

int feature_sign(const struct feature_sign_options *options, struct feature_span body,
	uint8_t **out, size_t *count, struct umod_error *error)
{
	uint8_t *trailer;
	int result = feature_crypto_sign(options, body, out, count, TRAILER_BYTES, error);

	if (result)
		return result;
	trailer = *out + *count;
	memset(trailer, 0, 12);
	trailer[2] = 2;
	for (int i = 0; i < 4; i++)
		trailer[8 + i] = (uint8_t)(*count >> (24 - 8 * i));
	memcpy(trailer + 12, FEATURE_SIGNATURE_MAGIC, FEATURE_SIGNATURE_MAGIC_BYTES);
	*count += TRAILER_BYTES;
	return 0;
}
