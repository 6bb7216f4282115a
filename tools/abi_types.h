/* SPDX-License-Identifier: MIT */
/*
 * From DIEs to canonical text: what of umod abi runs in the child that reads debug
 * information. See umod-abi(1) for what the text tells and what it leaves out.
 */
#ifndef UMOD_ABI_TYPES_H
#define UMOD_ABI_TYPES_H

#include "abi.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>

/* ---- libdw, loaded at its first use (abi_libdw.c) ---- */

/* clang-format off */
#define ABI_FUNCTIONS(F) \
	F(dwarf_attr) \
	F(dwarf_attr_integrate) \
	F(dwarf_child) \
	F(dwarf_diecu) \
	F(dwarf_formblock) \
	F(dwarf_formflag) \
	F(dwarf_formref_die) \
	F(dwarf_formsdata) \
	F(dwarf_formstring) \
	F(dwarf_formudata) \
	F(dwarf_get_units) \
	F(dwarf_getlocation) \
	F(dwarf_lowpc) \
	F(dwarf_ranges) \
	F(dwarf_siblingof) \
	F(dwarf_srclang) \
	F(dwarf_tag) \
	F(dwarf_whatform) \
	F(dwfl_begin) \
	F(dwfl_errmsg) \
	F(dwfl_module_getdwarf) \
	F(dwfl_module_getsym_info) \
	F(dwfl_module_getsymtab) \
	F(dwfl_offline_section_address) \
	F(dwfl_report_end) \
	F(dwfl_report_offline) \
	F(dwfl_standard_find_debuginfo)
/* clang-format on */
struct abi_libdw {
#define ABI_MEMBER(name) __typeof__(&name) name;
	ABI_FUNCTIONS(ABI_MEMBER)
#undef ABI_MEMBER
};
extern struct abi_libdw abi_libdw;
/* 0, or -ENOTSUP with the reason. */
int abi_libdw_load(struct umod_error *error);

/* ---- attributes (abi_libdw.c) ---- */

/* These follow no DW_AT_specification or DW_AT_abstract_origin... */
bool abi_has(Dwarf_Die *die, unsigned attribute);
const char *abi_string(Dwarf_Die *die, unsigned attribute);
bool abi_number(Dwarf_Die *die, unsigned attribute, uint64_t *out);
bool abi_flag(Dwarf_Die *die, unsigned attribute);
bool abi_die(Dwarf_Die *die, unsigned attribute, Dwarf_Die *out);
/* A constant, or the argument of a location's one operation. */
bool abi_offset(Dwarf_Die *die, unsigned attribute, uint64_t *out);
/* ... and these do. */
const char *abi_whole_string(Dwarf_Die *die, unsigned attribute);
bool abi_whole_flag(Dwarf_Die *die, unsigned attribute);
bool abi_whole_die(Dwarf_Die *die, unsigned attribute, Dwarf_Die *out);

/* ---- names (abi_names.c) ---- */

struct abi_scopes {
	struct base_map by_die;  /* address of a DIE: its scope */
	struct base_map by_name; /* hash of a name with its scope: struct abi_named */
	struct base_map units;   /* those that were scanned */
};
/* "ns::Class" for what stands there; "" at the top, and in C. Owned by @scopes. */
const char *abi_scope_of(struct abi_scopes *scopes, Dwarf_Die *die);
/* Makes *@die, a declaration of @name, its definition in the same unit. False: none. */
bool abi_scope_definition(struct abi_scopes *scopes, const char *name, Dwarf_Die *die);
/*
 * The name of a base type, the same for each compiler, with size and encoding where those
 * are not x86-64's; in @buffer.
 */
const char *abi_base_name(Dwarf_Die *die, char *buffer, size_t bytes);

/* ---- types (abi_types.c, abi_members.c) ---- */

/* A named type. */
struct abi_node {
	Dwarf_Die die;
	struct abi_shared *text; /* with its newline; NULL: not yet there */
	unsigned *refs;          /* nodes that it names */
	unsigned ref_count;
	unsigned key;       /* equal for types of one name */
	bool declared_only; /* its contents are not known */
};
/* One text, however many units have it. */
struct abi_shared {
	char *text;
	const char *key;
	size_t bytes;
	uint32_t crc, shift;
	unsigned id;
};
struct abi_types {
	struct abi_node *nodes;
	unsigned count, capacity, done;
	struct abi_shared **shared;
	unsigned shared_count, shared_capacity;
	struct base_map by_die, by_text, by_key;
	char **keys;
	unsigned key_count, key_capacity;
	unsigned *stamps, stamp; /* by key: the last walk that met it */
	struct abi_scopes scopes;
	/* What is being spelled. */
	unsigned *refs, ref_count, ref_capacity;
	unsigned depth, indent;
	uint64_t steps, spelled_bytes;
	const char *problem; /* told in place of a result; static */
};
#define ABI_QUALIFIER_CONST    1u
#define ABI_QUALIFIER_VOLATILE 2u
#define ABI_QUALIFIER_RESTRICT 4u
#define ABI_QUALIFIER_NONE     8u /* not spelled */

/*
 * DW_AT_type of @die, also through what it is an instance of. False: it has none, which
 * means void; or it leads nowhere, then ->problem is set.
 */
bool abi_type_of(struct abi_types *types, Dwarf_Die *die, Dwarf_Die *out);
/* Counts a step of the work; false: there were too many, ->problem is set. */
bool abi_step(struct abi_types *types);
/* The children of @die that can be walked in bounded time. */
bool abi_first_child(struct abi_types *types, Dwarf_Die *die, Dwarf_Die *child);
bool abi_next_sibling(struct abi_types *types, Dwarf_Die *die);
/*
 * "int *const NAME [4]" for DW_AT_type of @die, NULL-safe; @declarator is what stands in
 * the place of the name. Allocated. Named types become refs.
 */
char *abi_spell(struct abi_types *types, Dwarf_Die *type, unsigned qualifiers,
	const char *declarator);
/* The same for the type that DW_AT_type of @die names, void if it has none. */
char *abi_spell_of(struct abi_types *types, Dwarf_Die *die, const char *declarator);
/* "(int, struct a *)": parameters of a function or of its type. Allocated. */
char *abi_spell_parameters(struct abi_types *types, Dwarf_Die *die, bool is_method);
/* "struct { ... }" and "enum { ... }" with what is in it. */
void abi_spell_body(struct abi_types *types, Dwarf_Die *die, struct abi_text *out);
void abi_spell_enum(struct abi_types *types, Dwarf_Die *die, struct abi_text *out);
/* The same text with integers in it spelled as abi_base_name() has them. Allocated. */
char *abi_plain_name(const char *name);
/* "struct ns::a", or NULL: it has no name. Allocated. */
char *abi_type_name(struct abi_types *types, Dwarf_Die *die);

/* The declaration of a function or variable, with a newline; types->refs are its own. */
char *abi_spell_symbol(struct abi_types *types, Dwarf_Die *die, const char *name);
/* Writes texts of all nodes that wait for it. */
void abi_types_finish(struct abi_types *types);
/*
 * Walks what types->refs reach, the nearest first: each name once. @visit is told the
 * text.
 */
void abi_types_walk(struct abi_types *types, const unsigned *refs, unsigned count,
	void (*visit)(struct abi_shared *text, void *data), void *data);

/* ---- searching (abi_dwarf.c) ---- */

/*
 * Finds the exports of @table in the file's debug information and writes to @out, from
 * its beginning, either 0 and a message, or 1 and for each export what abi_read.c takes.
 * Ends the process.
 */
void abi_search(const struct abi_file *file, const struct abi_table *table,
	bool want_types, FILE *out) __attribute__((noreturn));

#endif
