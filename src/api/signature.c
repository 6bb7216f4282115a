/* SPDX-License-Identifier: MIT */
/* Signatures, as callers see them: keys, and the policy that only grows stricter. */
#include "api/api.h"
#include "feature/signature.h"

static int make_keyring(struct umod_context *context, struct umod_error *error)
{
	if (!context->keyring && feature_keyring_new(&context->keyring))
		return base_error(
			error, UMOD_STAGE_NONE, -ENOMEM, NULL, "no memory for a keyring");
	return 0;
}

int api_signatures_fill(struct umod_context *context,
	const struct umod_context_options *options, struct umod_error *error)
{
	if ((unsigned)options->signatures > UMOD_SIGNATURES_ENFORCE)
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, NULL,
			"signatures is neither off, nor warn, nor enforce");
	atomic_init(&context->signatures, options->signatures);
	context->refuse_expired_signer = options->refuse_expired_signer;
	context->unpack_limit_bytes = options->unpack_limit_bytes
					      ? options->unpack_limit_bytes
					      : FEATURE_LIMIT_BYTES;
	int result = 0;
	for (unsigned i = 0; !result && options->keyrings && options->keyrings[i]; i++) {
		result = make_keyring(context, error);
		if (!result)
			result = feature_keyring_read(
				context->keyring, options->keyrings[i], true, error);
	}
	return result;
}

UMOD_EXPORT int umod_key_add(struct umod_context *context, const void *bytes,
	size_t count, const char *name, struct umod_error *error)
{
	umod_error_clear(error);
	if (!bytes || !count)
		return base_error(
			error, UMOD_STAGE_NONE, -EINVAL, name, "a key has bytes");
	registry_lock();
	int result = make_keyring(context, error);
	if (!result)
		result = feature_keyring_add(
			context->keyring, bytes, count, name ? name : "memory", error);
	registry_unlock();
	return result;
}

UMOD_EXPORT void umod_signature_enforce(struct umod_context *context)
{
	/* A load that is under way has been judged already, or will be by this. */
	registry_lock();
	load_enforce_signatures(context);
	registry_unlock();
}
