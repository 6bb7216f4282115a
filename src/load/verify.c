/* SPDX-License-Identifier: MIT */
/*
 * Stages decompress and verify of one item. What is packed is unpacked into memory of
 * umod's own; what must be signed is taken there once, and judged there: the file is not
 * read again, so what was verified is what is mapped. An ordinary file, in a context that
 * asks for no signatures, passes without a system call.
 */
#include "feature/signature.h"
#include "load/load.h"

static atomic_bool all_enforced;

void load_enforce_signatures(struct umod_context *context)
{
	if (context)
		atomic_store(&context->signatures, UMOD_SIGNATURES_ENFORCE);
	else
		atomic_store(&all_enforced, true);
}

static enum umod_signatures policy_of(const struct load *load)
{
	/* Back ends would need one another; they are libraries of umod itself. */
	if (atomic_load(&all_enforced) && load->space != feature_backend_space())
		return UMOD_SIGNATURES_ENFORCE;
	return atomic_load(&load->context->signatures);
}

/* From here on the item is as one that came from memory. */
static void take(struct load_item *item, struct feature_buffer *bytes)
{
	load_item_forget_bytes(item);
	item->taken = *bytes;
	item->buffer = bytes->bytes;
	item->file_bytes = item->head_bytes = bytes->count;
	if (item->fd >= 0 && item->fd_is_ours)
		base_sys_close(item->fd);
	item->fd = -1;
}

bool load_is_packed(const struct load *load, const struct load_item *item)
{
	return feature_compression_of(item->buffer ? item->buffer : item->head,
		       item->head_bytes) != FEATURE_PLAIN;
}

/* Needs: head or buffer, fd. The identity of the file, item->st, stays. */
int load_decompress(struct load *load, struct load_item *item)
{
	const char *path = item->module->path;
	const uint64_t limit = load->context->unpack_limit_bytes;
	struct feature_buffer out = { 0 };
	int result = item->buffer ? feature_unpack(item->buffer, item->file_bytes, path,
					    limit, &out, NULL, load->error)
				  : feature_read_whole(item->fd, path, limit, &out, NULL,
					    load->error);
	if (result) {
		feature_buffer_free(&out);
		return result;
	}
	base_trace(BASE_TRACE_FILES, "%s: unpacked to %zu bytes", path, out.count);
	take(item, &out);
	return 0;
}

/* All of the file, read once. */
static int take_file(struct load *load, struct load_item *item)
{
	const char *path = item->module->path;
	struct feature_buffer bytes = { 0 };
	int result = feature_buffer_reserve(&bytes, item->file_bytes + 1);
	if (result)
		return base_error(load->error, UMOD_STAGE_VERIFY, -ENOMEM, path,
			"no memory for its %lu bytes", item->file_bytes);
	int64_t got = base_sys_pread(item->fd, bytes.bytes, item->file_bytes, 0);
	if (got != (int64_t)item->file_bytes) {
		feature_buffer_free(&bytes);
		return base_error(load->error, UMOD_STAGE_VERIFY,
			got < 0 ? (int)got : -EBUSY, path, "cannot be read: %s",
			got < 0 ? strerror((int)-got) : "the file became shorter");
	}
	bytes.count = (size_t)got;
	take(item, &bytes);
	return 0;
}

static int keep_signer(struct load *load, struct umod_module *module,
	const struct feature_verification *found)
{
	struct feature_span name =
		found->by ? found->by->subject_name : (struct feature_span){ 0 };
	module->signature = UMOD_SIGNATURE_VERIFIED;
	module->signer =
		base_strndup(name.bytes ? (const char *)name.bytes : "", name.count);
	return module->signer ? 0
			      : base_error(load->error, UMOD_STAGE_VERIFY, -ENOMEM,
					module->path, "no memory for its signer's name");
}

/*
 * What is damaged or does not fit is fatal in any case. What nobody vouches for is let in
 * unless signatures are enforced, where it is -EKEYREJECTED, both as in the kernel.
 */
static int judge(struct load *load, struct umod_module *module, bool enforced,
	const struct feature_verification *found, const struct umod_error *why)
{
	const char *path = module->path;
	int code = -EKEYREJECTED;
	switch (found->verdict) {
	case FEATURE_VERIFIED:
		return keep_signer(load, module, found);
	case FEATURE_BAD_TRAILER:
	case FEATURE_BAD_CMS:
		return base_error(load->error, UMOD_STAGE_VERIFY, -EBADMSG, path, "%s",
			why->message);
	case FEATURE_MISMATCH:
		return base_error(
			load->error, UMOD_STAGE_VERIFY, code, path, "%s", why->message);
	case FEATURE_NOT_CHECKED:
		code = load->context->keyring ? -ENOTSUP : -EKEYREJECTED;
		break;
	case FEATURE_EXPIRED:
		code = -EKEYEXPIRED;
		module->signature = UMOD_SIGNATURE_UNSIGNED;
		break;
	default:
		module->signature = UMOD_SIGNATURE_UNSIGNED;
	}
	if (enforced)
		return base_error(load->error, UMOD_STAGE_VERIFY, code, path,
			"%s; the policy asks for a signature by a key of the keyring",
			why->message);
	base_trace(BASE_TRACE_FILES, "%s: %s", path, why->message);
	return 0;
}

bool load_is_judged(const struct load *load, const struct load_item *item)
{
	return policy_of(load) != UMOD_SIGNATURES_OFF;
}

/* Needs: fd or buffer. Bytes behind what was signed are not looked at any more. */
int load_verify(struct load *load, struct load_item *item)
{
	const bool enforced = policy_of(load) == UMOD_SIGNATURES_ENFORCE;
	struct umod_module *module = item->module;
	struct feature_verification found;
	struct umod_error why = { 0 };
	int result = item->buffer ? 0 : take_file(load, item);
	if (result)
		return result;
	const struct elf_bytes bytes = { .bytes = item->buffer,
		.count = item->file_bytes };
	const struct feature_verify_options options = {
		.allow_expired = !load->context->refuse_expired_signer
	};
	feature_verify(
		load->context->keyring, &bytes, module->path, &options, &found, &why);
	if (found.verdict == FEATURE_VERIFIED && load->counts_as_unsigned &&
		item == load->items[0]) {
		found.verdict = FEATURE_UNSIGNED;
		base_error(&why, UMOD_STAGE_VERIFY, -ENODATA, module->path,
			"is signed, but counts as unsigned where versions are ignored");
	}
	result = judge(load, module, enforced, &found, &why);
	if (!result)
		item->file_bytes = item->head_bytes = found.body_bytes;
	return result;
}
