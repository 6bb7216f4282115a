/* SPDX-License-Identifier: MIT */
/*
 * Makes the files of the defect tables. Tries and judges nothing.
 */
#include "defects.h"
#include <string.h>

const struct defect_table *const defect_tables[] = { &defects_of_headers,
	&defects_of_program_headers, &defects_of_dynamic, &defects_of_hash,
	&defects_of_symbols, &defects_of_versions, &defects_of_relocations, NULL };

void defect_make(struct builder_file *file, const struct defect *defect)
{
	builder_make(file);
	memcpy((char *)file + defect->offset, &defect->value, defect->bytes);
	memcpy((char *)file + defect->also_offset, &defect->also_value,
		defect->also_bytes);
}
