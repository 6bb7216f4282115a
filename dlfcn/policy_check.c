/* SPDX-License-Identifier: MIT */
/*
 * What a policy says of a file that is open, by its descriptor: the place where it lies,
 * its owner, who may write it. What was judged is then what is mapped, whatever becomes
 * of its name.
 */
#include "policy.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the file lies, without links. */
static bool real_path(const struct umod_file *file, char *out)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file->descriptor);
	int64_t got = base_sys_readlink(link, out, PATH_MAX - 1);
	if (got > 0) {
		out[got] = 0;
		return true;
	}
	return realpath(file->path, out) != NULL; /* /proc is not there */
}

static bool lies_in(const struct policy_list *directories, const char *path)
{
	for (unsigned i = 0; i < directories->count; i++) {
		const char *item = directories->items[i];
		size_t length = strlen(item);
		while (length && item[length - 1] == '/')
			length--;
		if (strncmp(path, item, length) == 0 && path[length] == '/')
			return true;
	}
	return false;
}

bool policy_owner(const char *word, uid_t *out)
{
	char *end;
	errno = 0;
	unsigned long number = strtoul(word, &end, 10);
	bool is_number = word[0] >= '0' && word[0] <= '9' && !*end && !errno &&
			 number < (uid_t)-1; /* which means none */
	bool is_self = strcmp(word, "self") == 0;
	*out = is_self ? geteuid() : is_number ? (uid_t)number : 0;
	return is_self || is_number || strcmp(word, "root") == 0;
}

static bool is_owner(const struct policy_list *owners, uid_t owner)
{
	for (unsigned i = 0; i < owners->count; i++) {
		uid_t allowed;
		if (policy_owner(owners->items[i], &allowed) && owner == allowed)
			return true;
	}
	return false;
}

bool policy_judges_files(const struct policy *policy)
{
	return policy->refuse.count || policy->directories.count ||
	       policy->owners.count || policy->writable != POLICY_WRITABLE_ANY;
}

/* What the two keys say of an owner and a mode. */
static const char *judge(const struct policy *policy, const struct stat *st)
{
	/* In a sticky directory others cannot replace what is not theirs. */
	bool sticky = S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX;
	if (policy->owners.count && !is_owner(&policy->owners, st->st_uid))
		return "its owner is none of [files] owner";
	if (policy->writable == POLICY_WRITABLE_ANY || sticky)
		return NULL;
	if (st->st_mode & S_IWOTH)
		return "others may write it, which [files] writable-by forbids";
	if (policy->writable == POLICY_WRITABLE_OWNER && st->st_mode & S_IWGRP)
		return "its group may write it, which [files] writable-by forbids";
	return NULL;
}

/* The directory where @path lies, and each above it; @path is cut to the culprit. */
static const char *judge_parents(const struct policy *policy, char *path)
{
	struct stat st;
	for (;;) {
		char *slash = strrchr(path, '/');
		if (!slash)
			return NULL;
		slash[slash == path] = 0;
		const char *why = base_sys_stat(path, &st)
					  ? "it cannot be asked for its owner"
					  : judge(policy, &st);
		if (why || slash == path)
			return why;
	}
}

const char *policy_check_file(const struct umod_file *file, void *data)
{
	static char why[PATH_MAX + 256];
	const struct policy *policy = data;
	char path[PATH_MAX];
	bool known = real_path(file, path);
	const char *rule = NULL;
	if (policy_list_matches(&policy->refuse, known ? path : file->path))
		rule = "[load] refuse names it";
	else if (policy->directories.count &&
		 (!known || !lies_in(&policy->directories, path)))
		rule = "it lies in none of the places of [files] directory";
	else
		rule = judge(policy, file->status);
	if (rule) {
		snprintf(why, sizeof(why), "is refused by the policy %s: %s",
			policy->path, rule);
		return why;
	}
	if (!policy->parents)
		return NULL;
	rule = known ? judge_parents(policy, path) : "where it lies is not known";
	if (!rule)
		return NULL;
	snprintf(why, sizeof(why), "is refused by the policy %s: %s: %s", policy->path,
		known ? path : "[files] parents", rule);
	return why;
}
