/* SPDX-License-Identifier: MIT */
/*
 * Errors: fills and prints struct umod_error. Allocates nothing, keeps nothing, and
 * leaves errno as it was. Which sentence fits is the caller's to know.
 */
#include "base/base.h"

#include <stdio.h>

static const char *const stage_names[UMOD_STAGE_COUNT] = {
	[UMOD_STAGE_NONE] = "none",
	[UMOD_STAGE_OPEN] = "open",
	[UMOD_STAGE_DECOMPRESS] = "decompress",
	[UMOD_STAGE_VERIFY] = "verify",
	[UMOD_STAGE_VALIDATE] = "validate",
	[UMOD_STAGE_DESCRIBE] = "describe",
	[UMOD_STAGE_ADMIT] = "admit",
	[UMOD_STAGE_MAP] = "map",
	[UMOD_STAGE_BIND] = "bind",
	[UMOD_STAGE_PROTECT] = "protect",
	[UMOD_STAGE_PUBLISH] = "publish",
	[UMOD_STAGE_PARAMETERS] = "parameters",
	[UMOD_STAGE_INIT] = "init",
	[UMOD_STAGE_SETTLE] = "settle",
	[UMOD_STAGE_LIVE] = "live",
	[UMOD_STAGE_UNLOAD] = "unload",
	[UMOD_STAGE_LOOKUP] = "lookup",
};

/* Ends a text that did not fit with "...", without leaving half a UTF-8 character. */
static void mark_cut(char *text, size_t bytes)
{
	size_t end = bytes - sizeof("...");

	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, "...", sizeof("..."));
}

static void copy_cut(char *to, size_t bytes, const char *from)
{
	size_t length = strnlen(from, bytes);

	if (length < bytes) {
		memcpy(to, from, length + 1);
		return;
	}
	memcpy(to, from, bytes);
	mark_cut(to, bytes);
}

int base_error(struct umod_error *error, enum umod_stage stage, int code,
	const char *subject, const char *format, ...)
{
	if (!error || error->code != 0)
		return code; /* nobody asks, or the first failure is already told */

	int saved = errno;
	va_list list;

	error->stage = stage;
	error->code = code;
	copy_cut(error->subject, sizeof(error->subject), subject ? subject : "");
	va_start(list, format);
	int length = vsnprintf(error->message, sizeof(error->message), format, list);
	va_end(list);
	if (length < 0)
		copy_cut(error->message, sizeof(error->message), format);
	else if ((size_t)length >= sizeof(error->message))
		mark_cut(error->message, sizeof(error->message));
	errno = saved;
	return code;
}

UMOD_EXPORT void umod_error_clear(struct umod_error *error)
{
	if (!error)
		return;
	/* The strings' first bytes are enough: nobody reads past the NUL. */
	error->stage = UMOD_STAGE_NONE;
	error->code = 0;
	error->subject[0] = '\0';
	error->message[0] = '\0';
}

UMOD_EXPORT const char *umod_stage_name(enum umod_stage stage)
{
	if ((unsigned)stage >= UMOD_STAGE_COUNT || !stage_names[stage])
		return "unknown";
	return stage_names[stage];
}

UMOD_EXPORT int umod_error_format(
	const struct umod_error *error, char *buffer, size_t bytes)
{
	const char *subject = error->subject;

	return snprintf(buffer, bytes, "%s: %s%s%s", umod_stage_name(error->stage),
		subject, subject[0] ? ": " : "", error->message);
}
