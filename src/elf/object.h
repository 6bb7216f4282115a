/* SPDX-License-Identifier: MIT */
/*
 * Floor 2: a read-only view of a relocatable object (ET_REL, ELF64 little-endian), as
 * kernel modules are. As with view.h, each bound is checked here and nowhere else.
 *
 * elf_object_open() checks the header and every section header once: data and names of
 * sections in bounds, links and entry sizes of symbol and relocation tables right. What
 * is many - symbols, relocations, strings - is checked where it is read, by the functions
 * below, each of which reads it once.
 *
 * The bytes lie in memory: a buffer that the whole file was read into, or one that a
 * `fetch` fills piece by piece, so that a reader of a few sections need not read all. A
 * mapping of the file will do where elf_guard holds; else a file that is cut short would
 * end the process.
 *
 * A view owns nothing and allocates nothing. Without `fetch` any number of threads may
 * read it.
 */
#ifndef UMOD_ELF_OBJECT_H
#define UMOD_ELF_OBJECT_H

#include "base/base.h"

#include <elf.h>

/* Where an object's bytes are. */
struct elf_bytes {
	const uint8_t *bytes;
	uint64_t count; /* of the file */
	/*
	 * NULL: all are there. Else makes [offset, offset + count), which is in bounds,
	 * be at bytes + offset, until the view is done with. 0 or a negative errno.
	 */
	int (*fetch)(void *data, uint64_t offset, uint64_t count);
	void *data;
};

struct elf_object {
	const char *name; /* for errors; borrowed */
	struct elf_bytes file;
	uint16_t type;    /* ET_REL, or what elf_object_open_any let in */
	uint16_t machine; /* EM_X86_64, EM_AARCH64 or EM_RISCV */
	uint32_t flags;   /* e_flags */
	uint64_t sections_offset;
	unsigned section_count; /* index 0 is the null section */
	const char *names;      /* its section names; names[name_bytes - 1] is NUL */
	uint64_t name_bytes;
	unsigned symbols_index; /* of SHT_SYMTAB; 0: none. More than one is refused */
	unsigned dynamic_index; /* of SHT_DYNSYM; 0: none */
};

struct elf_section {
	const char *name; /* in the object */
	uint32_t index, type, link, info;
	uint64_t flags, address, offset, bytes, align, entry_bytes;
};

/*
 * Makes a view of @file. @name is borrowed. Returns 0; -ENOEXEC for what is no ELF file,
 * or one of another class, byte order, type or machine; -ELIBBAD with the field in @error
 * for a damaged one; or what `fetch` returned.
 */
int elf_object_open(struct elf_object *object, const char *name,
	const struct elf_bytes *file, struct umod_error *error);

/*
 * The same for files of type ET_REL, ET_DYN and ET_EXEC: for what shared objects and
 * programs say in sections, as relocatable ones do.
 */
int elf_object_open_any(struct elf_object *object, const char *name,
	const struct elf_bytes *file, struct umod_error *error);

/* Reads section header @index, which must be less than section_count. */
void elf_object_section(
	const struct elf_object *object, unsigned index, struct elf_section *out);
/* The first section called @name. False: none. */
bool elf_object_find(
	const struct elf_object *object, const char *name, struct elf_section *out);
/*
 * The section's data, section.bytes of them; no alignment is promised. NULL: it has none
 * (SHT_NOBITS, empty), or `fetch` failed, which *@error tells.
 */
const uint8_t *elf_object_data(const struct elf_object *object,
	const struct elf_section *section, struct umod_error *error);

/* ---- symbols ---- */

/* A symbol table with its strings, ready to be read. Zeroed: no symbols. */
struct elf_symbols {
	const uint8_t *entries; /* Elf64_Sym, perhaps unaligned; entry 0 is at index 0 */
	uint64_t count;
	uint64_t first_global; /* sh_info, cut to count */
	const char *strings; /* strings[string_bytes - 1] is NUL, or string_bytes is 0 */
	uint64_t string_bytes;
	unsigned section_index, section_count; /* of the table; in the object */
};

/* Reads the symbol table; an object without one has no symbols, which is no error. */
int elf_object_symbols(const struct elf_object *object, struct elf_symbols *out,
	struct umod_error *error);
/* The same for the table of dynamic symbols. */
int elf_object_dynamic_symbols(const struct elf_object *object, struct elf_symbols *out,
	struct umod_error *error);

/* Symbol @index, which must be less than count. Its fields are as the file has them. */
static inline void elf_symbol_read(
	const struct elf_symbols *symbols, uint64_t index, Elf64_Sym *out)
{
	memcpy(out, symbols->entries + index * sizeof(*out), sizeof(*out));
}

/* The name of a symbol, or NULL when that is out of bounds. */
static inline const char *elf_symbol_name(
	const struct elf_symbols *symbols, const Elf64_Sym *symbol)
{
	return symbol->st_name < symbols->string_bytes
		       ? symbols->strings + symbol->st_name
		       : NULL;
}

/* ---- relocations ---- */

/* A relocation section (SHT_RELA), ready to be read. Zeroed: no relocations. */
struct elf_relocations {
	const uint8_t *entries; /* Elf64_Rela, perhaps unaligned */
	uint64_t count;
	unsigned target; /* section that they change; in bounds */
};

/* Reads the relocation section @index. -ELIBBAD if it is none. */
int elf_object_relocations(const struct elf_object *object, unsigned index,
	struct elf_relocations *out, struct umod_error *error);
/*
 * The relocations of section @target; none is no error. If several sections have some for
 * it, the first is meant.
 */
int elf_object_relocations_of(const struct elf_object *object, unsigned target,
	struct elf_relocations *out, struct umod_error *error);

static inline void elf_relocation_read(
	const struct elf_relocations *relocations, uint64_t index, Elf64_Rela *out)
{
	memcpy(out, relocations->entries + index * sizeof(*out), sizeof(*out));
}

#endif
