/* SPDX-License-Identifier: MIT */
/* What decides about a file: everything is umod's. */
#include "face.h"

int policy_read(struct umod_error *error)
{
	return 0;
}

enum dl_choice policy_choose(const char *file, struct umod_error *error)
{
	return DL_UMOD;
}

const struct umod_namespace_options *policy_sharing(void)
{
	static const struct umod_namespace_options none = UMOD_NAMESPACE_OPTIONS_INIT;
	return &none;
}

bool policy_falls_back(void)
{
	return false;
}
