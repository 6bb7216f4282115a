/* SPDX-License-Identifier: MIT */
/*
 * The policy of this process: where it comes from, and what it says of a file that a
 * program wants opened. What does not name a readable policy gets no file at all: an
 * error there must not let in what the policy was to keep out.
 */
#include "face.h"

static struct policy policy; /* written once, under face.c's lock */
static bool is_read;
static int result_of_reading;
static struct umod_error error_of_reading;
static struct umod_namespace_options sharing = UMOD_NAMESPACE_OPTIONS_INIT;

/* UMOD_POLICY, empty for none; else the system's, if there is one. */
static int parse(struct umod_error *error)
{
	struct stat st;
	const char *path = base_getenv("UMOD_POLICY");
	if (path)
		return path[0] ? policy_parse(&policy, path, false, error) : 0;
	if (base_sys_stat(POLICY_SYSTEM_PATH, &st) == -ENOENT)
		return 0;
	return policy_parse(&policy, POLICY_SYSTEM_PATH, true, error);
}

/* UMOD_ISOLATE and UMOD_SHARING add to what the file says. */
static int add_environment(void)
{
	const char *isolate = base_getenv("UMOD_ISOLATE");
	const char *words = base_getenv("UMOD_SHARING");
	struct policy_list list = { 0 };
	int result = isolate ? policy_list_add(&policy.isolate, isolate, true) : 0;
	if (!result && words)
		result = policy_list_add(&list, words, true);
	for (unsigned i = 0; !result && i < list.count; i++) {
		const char *word = list.items[i];
		result = word[0] == '-'
				 ? policy_list_add(&policy.is_private, word + 1, true)
				 : policy_list_add(&policy.share, word, true);
	}
	policy_list_clear(&list);
	return result;
}

int policy_read(struct umod_error *error)
{
	if (!is_read) {
		int result = parse(&error_of_reading);
		if (!result && add_environment())
			result = base_error(&error_of_reading, UMOD_STAGE_NONE, -ENOMEM,
				NULL, "no memory for UMOD_ISOLATE and UMOD_SHARING");
		sharing.share = (const char *const *)policy.share.items;
		sharing.keep_private = (const char *const *)policy.is_private.items;
		result_of_reading = result;
		is_read = true;
	}
	if (result_of_reading && error && !error->code)
		*error = error_of_reading;
	return result_of_reading;
}

void policy_fill(struct umod_context_options *options)
{
	options->signatures = policy.signatures;
	options->keyrings = (const char *const *)policy.keyrings.items;
	options->refuse_expired_signer = policy.refuses_expired;
	if (!policy_judges_files(&policy))
		return;
	options->file_check = policy_check_file;
	options->file_check_data = &policy;
}

enum dl_choice policy_choose(const char *file, struct umod_error *error)
{
	if (policy_list_matches(&policy.refuse, file)) {
		base_error(error, UMOD_STAGE_ADMIT, -EPERM, file,
			"is refused by the policy %s: [load] refuse names it",
			policy.path);
		return DL_REFUSE;
	}
	if (policy_list_matches(&policy.isolate, file))
		return DL_ISOLATE;
	if (policy_list_matches(&policy.ldso, file) ||
		(policy.umod.count && !policy_list_matches(&policy.umod, file)))
		return DL_LDSO;
	return DL_UMOD;
}

const struct umod_namespace_options *policy_sharing(void)
{
	return &sharing;
}

bool policy_falls_back(void)
{
	return policy.falls_back;
}
