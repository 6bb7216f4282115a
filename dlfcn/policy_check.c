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

const char *policy_check_file(const struct umod_file *file, void *data)
{
	static char why[PATH_MAX + 256];
	const struct policy *policy = data;
	const struct stat *st = file->status;
	char path[PATH_MAX];
	bool known = real_path(file, path);
	const char *rule = NULL;
	if (policy_list_matches(&policy->refuse, known ? path : file->path))
		rule = "[load] refuse names it";
	else if (policy->directories.count &&
		 (!known || !lies_in(&policy->directories, path)))
		rule = "it lies in none of the places of [files] directory";
	else if (policy->owners.count && !is_owner(&policy->owners, st->st_uid))
		rule = "its owner is none of [files] owner";
	else if (policy->writable != POLICY_WRITABLE_ANY && st->st_mode & S_IWOTH)
		rule = "others may write it, which [files] writable-by forbids";
	else if (policy->writable == POLICY_WRITABLE_OWNER && st->st_mode & S_IWGRP)
		rule = "its group may write it, which [files] writable-by forbids";
	if (!rule)
		return NULL;
	snprintf(why, sizeof(why), "is refused by the policy %s: %s", policy->path, rule);
	return why;
}
