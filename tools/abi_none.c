/* SPDX-License-Identifier: MIT */
/* Stands in for what reads debug information where umod is built without libdw. */
#include "abi.h"

bool abi_read(struct abi_file *file, struct abi_table *table, bool want_types)
{
	(void)table, (void)want_types;
	tool_error("%s: umod was built without libdw, which reads debug information",
		file->path);
	return false;
}
