/* SPDX-License-Identifier: MIT */
/* Floor 6: what the files behind the public functions share. */
#ifndef UMOD_API_H
#define UMOD_API_H

#include "load/load.h"

#include <umod/umod.h>

/*
 * Copies as much of @from as the caller's struct, whose first member says its size, has
 * room for. Callers built against an older header keep what they do not know.
 */
void api_fill(void *to, size_t to_bytes, const void *from, size_t from_bytes);
/* Options of a caller, who may know fewer: the rest is zero. -EINVAL for no size. */
int api_take_options(
	void *to, size_t to_bytes, const void *from, struct umod_error *error);

/* That it is exactly one of the three; -EINVAL. */
int api_check_source(const struct umod_source *source, struct umod_error *error);

/* Finds what the link floor needs and sets umod's answers for libc's symbols; once. */
int api_setup(struct umod_error *error);

/* signature.c: the policy of signatures, and what else guards files, of a new context. */
int api_signatures_fill(struct umod_context *context,
	const struct umod_context_options *options, struct umod_error *error);

/* dlfcn.c: answers for calls from umod's images. */
extern const struct registry_answer api_answers[];

#endif
