/* SPDX-License-Identifier: MIT */
/* Stands in for crypto.c where umod is built without libcrypto's headers. */
#include "feature/signature.h"

static int none(struct umod_error *error)
{
	return base_error(error, UMOD_STAGE_VERIFY, -ENOTSUP, NULL,
		"umod was built without libcrypto (package libssl3)");
}

int feature_crypto_verify(struct feature_certificate *certificate,
	struct feature_span cms, struct feature_span body, const char *name,
	struct umod_error *error)
{
	(void)certificate, (void)cms, (void)body, (void)name;
	return none(error);
}

int feature_crypto_sign(const struct feature_sign_options *options,
	struct feature_span body, uint8_t **out, size_t *count, size_t room_after,
	struct umod_error *error)
{
	(void)options, (void)body, (void)out, (void)count, (void)room_after;
	return none(error);
}

void feature_crypto_free_certificate(void *x509)
{
	(void)x509;
}
