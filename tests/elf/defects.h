/* SPDX-License-Identifier: MIT */
/*
 * Defects of a shared object, one field each: what is written over the sound object of
 * builder.h, and what a loader must say to it. Tables only; defects.c tries them.
 */
#ifndef TESTS_ELF_DEFECTS_H
#define TESTS_ELF_DEFECTS_H

#include "builder.h"

#include <umod/error.h>

/* What is expected. Those from UMOD_STAGE_VALIDATE on are refused at that stage. */
#define DEFECT_ACCEPTED UMOD_STAGE_NONE /* no loader needs the field: @text tells why */

struct defect {
	const char *field; /* as the specification names it */
	const char *how;   /* what is wrong with it */
	size_t offset;     /* where @value is written, @bytes wide */
	unsigned bytes;
	uint64_t value;
	enum umod_stage stage;
	const char *text; /* names the field in the message; or why it is accepted */
	/* A second word that the defect needs to show, such as a hash table to take away.
	 */
	size_t also_offset;
	unsigned also_bytes;
	uint64_t also_value;
};

struct defect_table {
	const char *name;
	const struct defect *defects;
	unsigned count;
};
/* All of them, NULL at the end (defects.c). */
extern const struct defect_table *const defect_tables[];
/* The sound object with @defect in it. */
void defect_make(struct builder_file *file, const struct defect *defect);
/*
 * Whether @code and @error, of trying @defect, are what it says. @last is the last stage
 * that was tried: a defect of a later one must pass. Notes a failure of the test if not,
 * and prints a line of a table if the environment has UMOD_TEST_VERBOSE.
 */
void defect_judge(const char *way, const struct defect_table *table,
	const struct defect *defect, enum umod_stage last, int code,
	const struct umod_error *error);

extern const struct defect_table defects_of_headers, defects_of_program_headers,
	defects_of_dynamic, defects_of_hash, defects_of_symbols, defects_of_versions,
	defects_of_relocations;

#define DEFECT_AT(member) \
	offsetof(struct builder_file, member), sizeof(((struct builder_file *)0)->member)
#define DEFECT_PH(which, member)   DEFECT_AT(t.phdrs[BUILDER_PH_##which].member)
#define DEFECT_VALUE(which)        DEFECT_AT(r.dynamic[BUILDER_DYN_##which].d_un.d_val)
#define DEFECT_TAG(which)          DEFECT_AT(r.dynamic[BUILDER_DYN_##which].d_tag)
#define DEFECT_SYM(which, member)  DEFECT_AT(t.symbols[BUILDER_SYM_##which].member)
#define DEFECT_RELA(which, member) DEFECT_AT(t.rela[BUILDER_RELA_##which].member)
#define DEFECT_PLT(which, member)  DEFECT_AT(t.plt[BUILDER_PLT_##which].member)
#define DEFECT_TABLE(title, list)                             \
	{                                                     \
		title, list, sizeof(list) / sizeof((list)[0]) \
	}

/* An offset or address that no object of this size has. */
#define DEFECT_FAR   0x7ffffff0u
#define DEFECT_WILD  0x7ffffffff000ul
#define DEFECT_WRAPS 0xfffffffffffffff8ul

#endif
