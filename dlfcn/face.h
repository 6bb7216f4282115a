/* SPDX-License-Identifier: MIT */
/*
 * The drop-in library's own parts: exports.c is what programs call, face.c the context
 * that serves them, policy.c what decides about a file.
 */
#ifndef UMOD_DLFCN_FACE_H
#define UMOD_DLFCN_FACE_H

#include "policy.h"

#include "api/dl.h"

/* ---- face.c ---- */
/* Lets the program's calls come to umod; called by each that may open something. Cheap:
 * the context is made when a call needs it. */
void face_setup(void);

/* ---- policy.c ---- */
/* Reads the policy, once. 0 or a negative errno, the same at each call. */
int policy_read(struct umod_error *error);
/* What of it is the context's to do; after policy_read. */
void policy_fill(struct umod_context_options *options);
/* As the members of struct dl_face; after policy_read. */
enum dl_choice policy_choose(const char *file, struct umod_error *error);
const struct umod_namespace_options *policy_sharing(void);
bool policy_falls_back(void);

#endif
