/* SPDX-License-Identifier: MIT */
/*
 * Floor 2: a read-only view of an ELF64 little-endian file. Only this floor reads bytes
 * of a file; each bound is checked here and nowhere else.
 *
 * A view is made in two steps. elf_view_headers() reads the ELF and program headers and
 * says what must be mapped. elf_view_tables() finds and checks every table that the
 * dynamic section names, through the file's bytes. After the image is mapped,
 * elf_view_rebase() points the tables at the image, so that the file's bytes may go.
 *
 * Headers, the dynamic section, hash tables, version tables and string ends are checked
 * once, by elf_view_tables. Entries of symbol and relocation tables are many and are
 * checked where they are used, by the inline functions below: a file that changes while
 * it is read can therefore give a wrong answer but never a wild access.
 *
 * A view owns its segment and version arrays. It may be read by any number of threads
 * once made.
 */
#ifndef UMOD_ELF_VIEW_H
#define UMOD_ELF_VIEW_H

#include "base/base.h"

#include <elf.h>

#ifndef DT_RELR
#define DT_RELRSZ  35
#define DT_RELR    36
#define DT_RELRENT 37
#endif
#define ELF_MAX_SEGMENTS 1024u

struct elf_segment {
	uint64_t vaddr, memory_bytes;
	uint64_t offset, file_bytes;
	uint64_t align; /* a power of two, at least the page */
	uint32_t flags; /* PF_R | PF_W | PF_X */
};

/* A version that symbols may carry: of a definition (file NULL) or of a need. */
struct elf_version {
	const char *name; /* in the string table */
	const char *file; /* in the string table: who must define it; NULL: this image */
	uint32_t hash;    /* SysV hash, as the table says */
	uint32_t id;      /* interned name, see elf_version_intern; 0: no such index */
	bool hidden_need; /* vna_other had the hidden bit */
	bool weak, base;
};

struct elf_gnu_hash {
	uint32_t bucket_count, symbol_offset, bloom_words, bloom_shift;
	const uint64_t *bloom;
	const uint32_t *buckets;
	const uint32_t *chains; /* chains[i] is that of symbol symbol_offset + i */
	uint64_t chain_count;   /* readable entries */
};

struct elf_sysv_hash {
	uint32_t bucket_count, chain_count;
	const uint32_t *buckets, *chains;
};

struct elf_view {
	const char *name;     /* for errors; borrowed */
	const uint8_t *bytes; /* the file while it is read; NULL afterwards */
	uint64_t byte_count;
	uintptr_t bias; /* after rebase: address - vaddr */

	/* headers */
	uint16_t type, machine;
	uint64_t entry;
	Elf64_Phdr *phdrs; /* a checked copy, owned */
	unsigned phdr_count;
	uint64_t phdr_vaddr;          /* where they lie in the image, or 0 */
	struct elf_segment *segments; /* PT_LOAD in order, owned */
	unsigned segment_count;
	uint64_t span_start, span_end; /* vaddr, page-aligned */
	uint64_t max_align;
	uint64_t dynamic_vaddr, dynamic_bytes; /* PT_DYNAMIC; 0 bytes: none */
	uint64_t tls_vaddr, tls_file_bytes, tls_memory_bytes, tls_align; /* PT_TLS */
	uint64_t relro_vaddr, relro_bytes; /* page-aligned inwards; 0: none */
	uint64_t eh_frame_hdr_vaddr, eh_frame_hdr_bytes;
	uint64_t interpreter_offset, interpreter_bytes; /* PT_INTERP */
	bool has_stack_header, executable_stack;

	/* the dynamic section */
	const Elf64_Dyn *dynamic;
	unsigned dynamic_count; /* entries before DT_NULL */
	uint64_t strings_vaddr;
	const char *strings; /* its last byte was NUL when checked */
	uint64_t string_bytes;
	uint64_t symbols_vaddr;
	const Elf64_Sym *symbols;
	uint64_t symbol_limit; /* entries that may be read: no index at or past it is used
				*/
	uint64_t symbol_count; /* entries that there are, as well as the tables tell */
	bool has_gnu_hash, has_sysv_hash;
	uint64_t gnu_hash_vaddr, sysv_hash_vaddr;
	struct elf_gnu_hash gnu;
	struct elf_sysv_hash sysv;
	uint64_t versym_vaddr;
	const uint16_t *versym;       /* symbol_limit entries, or NULL */
	struct elf_version *versions; /* by index, owned */
	unsigned version_count;
	bool defines_versions; /* DT_VERDEF present */

	uint64_t rela_vaddr, rela_count, relative_count; /* DT_RELA, DT_RELACOUNT */
	const Elf64_Rela *rela;
	uint64_t plt_vaddr, plt_count; /* DT_JMPREL */
	const Elf64_Rela *plt;
	uint64_t relr_vaddr, relr_count; /* 8-byte words */
	const uint64_t *relr;
	uint64_t plt_got_vaddr; /* DT_PLTGOT or 0 */
	uint64_t tlsdesc_plt_vaddr, tlsdesc_got_vaddr;

	uint64_t init_vaddr, fini_vaddr; /* 0: none */
	uint64_t init_array_vaddr, init_array_count;
	uint64_t fini_array_vaddr, fini_array_count;
	uint64_t preinit_array_vaddr, preinit_array_count;

	const char *soname, *rpath, *runpath; /* NULL: none */
	uint32_t flags, flags_1; /* DT_FLAGS, DT_FLAGS_1, older tags folded in */
	bool text_relocations, symbolic;
};

/*
 * Reads the ELF header and program headers from @bytes, which are the first @have bytes
 * of a file of @file_bytes. Returns 0; -EAGAIN with *@need set when more bytes from the
 * start of the file are wanted; else a negative errno with the field in @error and the
 * view empty. @name is borrowed.
 */
int elf_view_headers(struct elf_view *view, const char *name, const uint8_t *bytes,
	uint64_t have, uint64_t file_bytes, uint64_t *need, struct umod_error *error);

/*
 * Finds and checks every table, through the whole file's @bytes. The machine must be the
 * one that this process runs on, unless @any_machine.
 */
int elf_view_tables(struct elf_view *view, const uint8_t *bytes, uint64_t file_bytes,
	bool any_machine, struct umod_error *error);

/* Points every table at the image mapped with @bias. Cannot fail: tables lie in segments.
 */
void elf_view_rebase(struct elf_view *view, uintptr_t bias);

/*
 * Makes a view of an object that ld.so loaded, from its program headers in memory. Its
 * tables are trusted. 0, or -ENOMEM, -ENOEXEC (no dynamic section).
 */
int elf_view_host(struct elf_view *view, const char *name, uintptr_t bias,
	const Elf64_Phdr *phdrs, unsigned phdr_count, struct umod_error *error);

/* The first half of elf_view_host: segments, no tables. */
int elf_view_host_headers(struct elf_view *view, const char *name, uintptr_t bias,
	const Elf64_Phdr *phdrs, unsigned phdr_count, struct umod_error *error);

/* Frees what the view owns. A zeroed or half-made view is fine. */
void elf_view_clear(struct elf_view *view);

/* Bytes [vaddr, vaddr + bytes) lie in the file-backed part of one segment. */
bool elf_view_in_file(const struct elf_view *view, uint64_t vaddr, uint64_t bytes);
/* ... in the memory of one segment; its index in *segment if not NULL. */
bool elf_view_in_memory(
	const struct elf_view *view, uint64_t vaddr, uint64_t bytes, unsigned *segment);
/* vaddr is in an executable segment. */
bool elf_view_is_code(const struct elf_view *view, uint64_t vaddr);

/* The string at @offset of the string table, or NULL when that is out of bounds. */
static inline const char *elf_view_string(const struct elf_view *view, uint64_t offset)
{
	return offset < view->string_bytes ? view->strings + offset : NULL;
}

/*
 * memcmp(3) == 0, for names: inline, and the end first, because names of one hash are
 * nearly always equal and names of one prefix nearly never.
 */
static inline bool elf_bytes_equal(const char *a, const char *b, size_t length)
{
	uint64_t x, y;
	if (length < 8) {
		for (size_t i = 0; i < length; i++)
			if (a[i] != b[i])
				return false;
		return true;
	}
	memcpy(&x, a + length - 8, 8);
	memcpy(&y, b + length - 8, 8);
	if (x != y)
		return false;
	if (length > 64)
		return memcmp(a, b, length - 8) == 0;
	for (size_t i = 0; i + 8 < length; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return false;
	}
	return true;
}

/*
 * True when the string at @offset is the @length bytes of @name and then a NUL. Reads
 * nothing past the table, whatever it holds now.
 */
static inline bool elf_view_string_is(
	const struct elf_view *view, uint64_t offset, const char *name, size_t length)
{
	return base_range_fits(offset, length + 1, view->string_bytes) &&
	       elf_bytes_equal(view->strings + offset, name, length) &&
	       view->strings[offset + length] == 0;
}

/* The @index-th value of dynamic tag @tag, e.g. of DT_NEEDED; false past the last. */
bool elf_view_dynamic_value(
	const struct elf_view *view, int64_t tag, unsigned index, uint64_t *value);

/* Definition of a symbol may be bound to from outside (gABI "Symbol Table"). */
static inline bool elf_symbol_is_definition(const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	unsigned bind = ELF64_ST_BIND(symbol->st_info);
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	/* NOTYPE OBJECT FUNC COMMON TLS GNU_IFUNC */
	if (type > STT_TLS ? type != STT_GNU_IFUNC : (0x67u >> type & 1) == 0)
		return false;
	if (bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE)
		return false;
	if (visibility == STV_HIDDEN || visibility == STV_INTERNAL)
		return false;
	return symbol->st_shndx != SHN_UNDEF &&
	       (symbol->st_value != 0 || symbol->st_shndx == SHN_ABS || type == STT_TLS);
}

/* What is looked up: name, its length and hash, and the version wanted. */
struct elf_reference {
	const char *name;
	uint32_t length, hash; /* bytes without NUL; GNU hash */
	uint32_t version;      /* interned id; 0: none asked for */
	bool version_hidden;   /* only a definition of exactly this version will do */
	bool newest; /* no version asked for: the default, as dlsym; else the base, as a
			relocation without version */
};

/*
 * Finds the definition of @reference in @view's own tables: GNU hash, else SysV hash.
 * Returns its index, or 0. Follows glibc's rules of versions (do_lookup_x, check_match).
 */
uint32_t elf_view_find(
	const struct elf_view *view, const struct elf_reference *reference);
/*
 * Whether symbol @index, of the right name, has the version that @reference means. If
 * not, but it would do as the only default version of its name, *@only_versioned is set.
 */
bool elf_view_version_matches(const struct elf_view *view, uint32_t index,
	const struct elf_reference *reference, bool *only_versioned);

/* The steps of a search in the GNU hash table, for those who take them side by side. */
static inline const uint32_t *elf_gnu_bucket(const struct elf_view *view, uint32_t hash)
{
	return &view->gnu.buckets[hash % view->gnu.bucket_count];
}
/* The chain entry of symbol @index, or NULL where there is none. */
static inline const uint32_t *elf_gnu_chain(const struct elf_view *view, uint32_t index)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	return index >= gnu->symbol_offset &&
			       index - gnu->symbol_offset < gnu->chain_count
		       ? &gnu->chains[index - gnu->symbol_offset]
		       : NULL;
}
/* The first symbol from @index on, in its chain, whose hash is @hash; 0: none. */
static inline uint32_t elf_gnu_chain_find(
	const struct elf_view *view, uint32_t index, uint32_t hash)
{
	const uint32_t *chain = elf_gnu_chain(view, index);
	for (; chain; chain = elf_gnu_chain(view, ++index)) {
		uint32_t value = *chain;
		if (((value ^ hash) >> 1) == 0)
			return index;
		if (value & 1)
			break;
	}
	return 0;
}

/* All definitions of @name, of whatever version, by GNU hash; at most @room of them. */
unsigned elf_view_find_all(
	const struct elf_view *view, const char *name, uint32_t *indices, unsigned room);

/* False: certainly not there. Cheap; for scope walks. */
static inline bool elf_view_maybe_has(const struct elf_view *view, uint32_t hash)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	if (!view->has_gnu_hash)
		return view->has_sysv_hash;
	uint64_t word = gnu->bloom[hash / 64 & (gnu->bloom_words - 1)];
	return word >> (hash & 63) & word >> (hash >> gnu->bloom_shift & 63) & 1;
}

/*
 * Whether a definition has @hash, of which bit 0 is not known. Reads no names.
 */
bool elf_view_maybe_has_either(const struct elf_view *view, uint32_t hash);

/*
 * The interned id of a version name: equal names give equal ids in a process; never 0
 * but for want of memory. Strings are copied and kept. Thread-safe.
 */
uint32_t elf_version_intern(const char *name);

/* The version of symbol @index, or NULL. *@hidden: not the default. */
const struct elf_version *elf_view_symbol_version(
	const struct elf_view *view, uint64_t index, bool *hidden);

/* "DT_NEEDED" and the like, "R_X86_64_64" and the like; static, or a number. */
const char *elf_dynamic_tag_name(int64_t tag);
const char *elf_machine_name(uint16_t machine);

/* ---- reading a file that another may cut short (guard.c) ---- */

/*
 * While a guard is held, a read of the mapped file in [start, start + bytes) past its end
 * gives zeros rather than SIGBUS, and elf_guard_end() returns true. Nests by thread.
 */
struct elf_guard {
	uintptr_t start, end;
	struct elf_guard *outer;
	volatile bool hit;
};
int elf_guard_begin(struct elf_guard *guard, const void *start, size_t bytes);
bool elf_guard_end(struct elf_guard *guard);

#endif
