/* SPDX-License-Identifier: MIT */
/*
 * What the files of umod abi share: the exports of a file, versions of them as debug
 * information tells, and texts. Memory is got by tool_realloc; strings that a struct
 * holds are its own, but for what points into the file.
 */
#ifndef UMOD_ABI_H
#define UMOD_ABI_H

#include "feature/feature.h"
#include "tool.h"

/* ---- text that grows (abi_text.c) ---- */

struct abi_text {
	char *bytes; /* ended, or NULL */
	size_t count, capacity;
};
void abi_text_add(struct abi_text *text, const char *s, size_t count);
void abi_text_put(struct abi_text *text, const char *format, ...) TOOL_PRINTF(2, 3);
void abi_text_free(struct abi_text *text);
/* Allocated; to be freed with free(3). */
char *abi_format(const char *format, ...) TOOL_PRINTF(1, 2);

/*
 * CRC-32 as the kernel's genksyms and zlib have it, from 0 on. abi_crc_join() gives that
 * of two texts one after the other from that of each, where @shift is
 * abi_crc_shift(bytes of the second).
 */
uint32_t abi_crc(uint32_t crc, const void *bytes, size_t count);
uint32_t abi_crc_shift(size_t count);
uint32_t abi_crc_join(uint32_t first, uint32_t second, uint32_t shift);

/* ---- a file (abi_file.c) ---- */

struct abi_type {
	char *name; /* "struct foo", "typedef bar" */
	char *text; /* a declaration with all that is in it */
};
struct abi_export {
	char *name;
	char *space; /* export namespace; NULL: none */
	bool gpl_only, known;
	bool placed; /* value is where it lies, as debug information has it */
	uint64_t value;
	uint32_t crc;      /* if known */
	char *declaration; /* of one line; NULL: not known */
	unsigned *types;   /* indexes into types of the table, the first reached first */
	unsigned type_count; /* 0 unless they were asked for */
};
/* A second name of an export's place: its debug information stands for the export's. */
struct abi_alternate {
	char *name;
	unsigned export;
};
struct abi_table {
	struct abi_export *exports;
	unsigned count, capacity;
	struct abi_alternate *alternates;
	unsigned alternate_count, alternate_capacity;
	struct abi_type *types; /* named ones that are reached */
	unsigned type_count;
	struct base_map map; /* by name; see abi_table_find */
};
struct abi_file {
	const char *path;
	char *module; /* its name */
	struct feature_buffer buffer;
	struct elf_object object;
	mode_t mode;
};
/* How exports are chosen. */
struct abi_choice {
	bool all;                 /* every global definition */
	const char *list;         /* a file of names; NULL: none */
	struct tool_files wanted; /* these alone, if any */
};
/* Reads the file whole and checks it. False: told. */
bool abi_file_open(struct abi_file *file, const char *path);
void abi_file_close(struct abi_file *file);
/* Whether it is an ELF file by its magic; false also if it cannot be read. */
bool abi_file_is_elf(const char *path);
/* Finds out what the file exports. False: told. */
bool abi_file_exports(
	struct abi_file *file, const struct abi_choice *choice, struct abi_table *out);
/* Adds the file's undefined symbols to @out. */
bool abi_file_imports(struct abi_file *file, struct tool_files *out);
/* Versions that `umod abi --write` has stored in the file; none is no error. */
bool abi_file_stored(struct abi_file *file, struct abi_table *out);

struct abi_export *abi_table_add(struct abi_table *table, const char *name);
struct abi_export *abi_table_find(const struct abi_table *table, const char *name);
void abi_table_free(struct abi_table *table);

/* ---- Module.symvers (abi_symvers.c) ---- */

bool abi_symvers_read(const char *path, struct abi_table *out);
void abi_symvers_print(FILE *out, const struct abi_table *table, const char *module);

/* ---- debug information (abi_read.c; abi_none.c where it is built off) ---- */

/*
 * Fills CRCs and declarations of @table's exports, and if @want_types their types. A
 * child process reads the debug information, so that what is damaged harms nobody. An
 * export of which it tells nothing stays unknown. False: told.
 */
bool abi_read(struct abi_file *file, struct abi_table *table, bool want_types);

/* ---- storing (abi_write.c) ---- */

/*
 * Stores the known of @exports and @imports in the file, in place of what it has; the
 * new file is written beside it and renamed. False: told.
 */
bool abi_write(struct abi_file *file, const struct abi_table *exports,
	const struct abi_table *imports);

/* ---- showing (abi_print.c) ---- */

void abi_print_list(const struct abi_table *table);
void abi_print_dump(const struct abi_table *table);
void abi_print_json(const struct abi_file *file, const struct abi_table *table);
/* Returns how many symbols changed or went. */
unsigned abi_print_diff(const struct abi_table *old, const struct abi_table *new);
unsigned abi_print_diff_json(const struct abi_table *old, const struct abi_table *new);

#endif
