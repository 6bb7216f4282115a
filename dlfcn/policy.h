/* SPDX-License-Identifier: MIT */
/*
 * A policy: what umod does with each file that a program opens, as a file in the form of
 * umod-policy(5) says. Reads and judges; loads nothing but the parser. Also part of
 * umod run, which checks a policy before it starts a program.
 */
#ifndef UMOD_DLFCN_POLICY_H
#define UMOD_DLFCN_POLICY_H

#include "base/base.h"

#include <umod/umod.h>

/* The system's, which counts where no other is named, and alone in secure execution. */
#define POLICY_SYSTEM_PATH "/etc/umod/policy.conf"

/* Patterns of fnmatch(3), ended by NULL. */
struct policy_list {
	char **items;
	unsigned count, capacity;
};

enum policy_writable {
	POLICY_WRITABLE_ANY,   /* not looked at */
	POLICY_WRITABLE_GROUP, /* by its owner and its group, but not by others */
	POLICY_WRITABLE_OWNER, /* by its owner alone */
};

struct policy {
	char *path;
	struct policy_list umod, ldso, refuse;         /* [load] */
	bool falls_back;                               /* [load] fallback */
	struct policy_list isolate, share, is_private; /* [isolate] */
	struct policy_list directories, owners;        /* [files] */
	enum policy_writable writable;                 /* [files] writable-by */
	bool parents;                                  /* [files] parents */
	enum umod_signatures signatures;               /* [signature] check */
	struct policy_list keyrings;                   /* [signature] keyring */
	bool refuses_expired;                          /* [signature] expired */
};

/*
 * Fills @policy from the file @path. @trusted: the file must be root's, and nobody else's
 * to write. On failure a negative errno, with file and line in @error, and an empty
 * policy. Loads libinih for the time of the call.
 */
int policy_parse(
	struct policy *policy, const char *path, bool trusted, struct umod_error *error);
void policy_clear(struct policy *policy);

void policy_list_clear(struct policy_list *list);
/* Adds the words of @text, which commas, blanks and, if @colons, colons part. -ENOMEM. */
int policy_list_add(struct policy_list *list, const char *text, bool colons);
/*
 * Whether a pattern of @list means the file @name: one without a slash its last part, one
 * with a slash all of it; in both cases as given or as realpath(3) has it.
 */
bool policy_list_matches(const struct policy_list *list, const char *name);

/* The user that a word of [files] owner means; false: none. */
bool policy_owner(const char *word, uid_t *out);

/* Whether policy_check_file can refuse anything. */
bool policy_judges_files(const struct policy *policy);
/* NULL, or why [load] refuse or [files] forbid the open file; static, for the caller's
 * thread under the load lock. To be a context's file_check; @data is the policy. */
const char *policy_check_file(const struct umod_file *file, void *data);

#endif
