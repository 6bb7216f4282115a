/* SPDX-License-Identifier: MIT */
/*
 * umod/error.h: how a umod function says that it failed.
 *
 * Functions return 0 or a negative errno. Their last parameter is a caller-owned
 * struct umod_error, NULL allowed, which holds the stage that failed, the code, the
 * subject (a file, a symbol, a relocation) and one sentence for a person. The struct has
 * a fixed size and owns nothing: it needs no release and may be copied. Where several
 * things fail, the first is kept. Any thread may use its own struct at any time.
 */
#ifndef UMOD_ERROR_H
#define UMOD_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The stages of a load, in their order, after those that are no part of one. */
enum umod_stage {
	UMOD_STAGE_NONE = 0, /* in no load: a wrong argument, a context without memory */
	UMOD_STAGE_OPEN,     /* search, open, permissions */
	UMOD_STAGE_DECOMPRESS, /* unpack by magic */
	UMOD_STAGE_VERIFY,     /* signature */
	UMOD_STAGE_VALIDATE,   /* headers, tables and strings in bounds */
	UMOD_STAGE_DESCRIBE,   /* needs, versions, module information */
	UMOD_STAGE_ADMIT,      /* policy and dependencies */
	UMOD_STAGE_MAP,        /* lay out and reserve */
	UMOD_STAGE_BIND,       /* resolve and relocate */
	UMOD_STAGE_PROTECT,    /* final permissions */
	UMOD_STAGE_PUBLISH,    /* address tree, unwinder, debugger */
	UMOD_STAGE_PARAMETERS, /* parameters */
	UMOD_STAGE_INIT,       /* init functions */
	UMOD_STAGE_SETTLE,     /* read-only after init, init memory freed */
	UMOD_STAGE_LIVE,       /* offered to others */
	UMOD_STAGE_UNLOAD,     /* going */
	UMOD_STAGE_LOOKUP,     /* a symbol or an address is looked up */
	UMOD_STAGE_COUNT
};

#define UMOD_ERROR_SUBJECT_BYTES 256
#define UMOD_ERROR_MESSAGE_BYTES 1024

/* What failed. All strings end with a NUL; what was too long is cut with "...". */
struct umod_error {
	enum umod_stage stage;
	int code; /* negative errno; 0 while nothing failed */
	char subject[UMOD_ERROR_SUBJECT_BYTES];
	char message[UMOD_ERROR_MESSAGE_BYTES];
};

/* Sets @error to "nothing failed". NULL does nothing. Since 0.1. */
void umod_error_clear(struct umod_error *error);

/*
 * The stage's name ("open", "bind", ...), static. A number that is no stage gives
 * "unknown". Since 0.1.
 */
const char *umod_stage_name(enum umod_stage stage);

/*
 * Writes "STAGE: SUBJECT: MESSAGE" into @buffer of @bytes, always ended with a NUL when
 * @bytes > 0. Returns the length of the whole text in bytes, as snprintf(3). Since 0.1.
 */
int umod_error_format(const struct umod_error *error, char *buffer, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
