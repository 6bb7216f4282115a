/* SPDX-License-Identifier: MIT */
/*
 * A well-formed ELF64 shared object for x86-64, made in memory without a compiler: one
 * struct that is the file, byte for byte, so that a test can break any field of it by its
 * name. It holds every table that a loader reads, and ld.so loads it too. The builder
 * itself makes no defects.
 */
#ifndef TESTS_ELF_BUILDER_H
#define TESTS_ELF_BUILDER_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#ifndef DT_RELR
#define DT_RELRSZ  35
#define DT_RELR    36
#define DT_RELRENT 37
#endif

/* Program headers, in the order of the file. */
enum {
	BUILDER_PH_PHDR,
	BUILDER_PH_READ, /* PT_LOAD: headers and tables */
	BUILDER_PH_TEXT, /* PT_LOAD: code */
	BUILDER_PH_DATA, /* PT_LOAD: thread template, arrays, dynamic section, GOT, data,
			    bss */
	BUILDER_PH_DYNAMIC,
	BUILDER_PH_NOTE,
	BUILDER_PH_PROPERTY,
	BUILDER_PH_TLS,
	BUILDER_PH_EH_FRAME,
	BUILDER_PH_STACK,
	BUILDER_PH_RELRO,
	BUILDER_PH_SPARE, /* PT_NULL */
	BUILDER_PH_COUNT
};

/* Symbols: those that it needs, then those that it offers, by GNU hash bucket. */
enum {
	BUILDER_SYM_NULL,
	BUILDER_SYM_GETPID,   /* of libc, GLIBC_2.2.5 */
	BUILDER_SYM_ENVIRON,  /* of libc, GLIBC_2.2.5 */
	BUILDER_SYM_OPTIONAL, /* weak, defined nowhere */
	BUILDER_SYM_HASHED,
	BUILDER_SYM_VALUE = BUILDER_SYM_HASHED, /* fixture_value@@FIXTURE_2: returns 42 */
	BUILDER_SYM_VALUE_OLD,                  /* fixture_value@FIXTURE_1: returns 1 */
	BUILDER_SYM_STATE,                      /* a word of data */
	BUILDER_SYM_CHOICE,                     /* STT_GNU_IFUNC, gives fixture_value */
	BUILDER_SYM_ONCE,                       /* STB_GNU_UNIQUE */
	BUILDER_SYM_ABSOLUTE,                   /* SHN_ABS, 0x1234 */
	BUILDER_SYM_THREAD,                     /* STT_TLS */
	BUILDER_SYM_SOFT, /* weak function, returns the process's id */
	BUILDER_SYM_COUNT
};

enum {
	BUILDER_RELA_RELATIVE,
	BUILDER_RELA_RELATIVE_2,
	BUILDER_RELA_64,
	BUILDER_RELA_GLOB_DAT,
	BUILDER_RELA_WEAK,
	BUILDER_RELA_TLS_ID,
	BUILDER_RELA_TLS_OFFSET,
	BUILDER_RELA_TLS_OWN_ID, /* symbol 0: local dynamic */
	BUILDER_RELA_TLSDESC,
	BUILDER_RELA_UNIQUE,
	BUILDER_RELA_SIZE,
	BUILDER_RELA_FUNCTION,
	BUILDER_RELA_CHOICE, /* R_X86_64_64 against the IFUNC */
	BUILDER_RELA_IRELATIVE,
	BUILDER_RELA_COUNT
};

enum { BUILDER_PLT_GETPID, BUILDER_PLT_VALUE, BUILDER_PLT_COUNT };

enum {
	BUILDER_DYN_NEEDED,
	BUILDER_DYN_SONAME,
	BUILDER_DYN_RUNPATH,
	BUILDER_DYN_INIT,
	BUILDER_DYN_FINI,
	BUILDER_DYN_INIT_ARRAY,
	BUILDER_DYN_INIT_ARRAYSZ,
	BUILDER_DYN_FINI_ARRAY,
	BUILDER_DYN_FINI_ARRAYSZ,
	BUILDER_DYN_GNU_HASH,
	BUILDER_DYN_HASH,
	BUILDER_DYN_STRTAB,
	BUILDER_DYN_STRSZ,
	BUILDER_DYN_SYMTAB,
	BUILDER_DYN_SYMENT,
	BUILDER_DYN_PLTGOT,
	BUILDER_DYN_JMPREL,
	BUILDER_DYN_PLTRELSZ,
	BUILDER_DYN_PLTREL,
	BUILDER_DYN_RELA,
	BUILDER_DYN_RELASZ,
	BUILDER_DYN_RELAENT,
	BUILDER_DYN_RELACOUNT,
	BUILDER_DYN_RELR,
	BUILDER_DYN_RELRSZ,
	BUILDER_DYN_RELRENT,
	BUILDER_DYN_VERSYM,
	BUILDER_DYN_VERDEF,
	BUILDER_DYN_VERDEFNUM,
	BUILDER_DYN_VERNEED,
	BUILDER_DYN_VERNEEDNUM,
	BUILDER_DYN_FLAGS,
	BUILDER_DYN_FLAGS_1,
	BUILDER_DYN_TLSDESC_PLT,
	BUILDER_DYN_TLSDESC_GOT,
	BUILDER_DYN_SPARE, /* DT_CHECKSUM, which nobody reads; to be made another tag */
	BUILDER_DYN_NULL,
	BUILDER_DYN_COUNT
};

struct builder_gnu_hash {
	uint32_t bucket_count, symbol_offset, bloom_words, bloom_shift;
	uint64_t bloom[2];
	uint32_t buckets[2];
	uint32_t chains[BUILDER_SYM_COUNT - BUILDER_SYM_HASHED];
};

struct builder_sysv_hash {
	uint32_t bucket_count, chain_count;
	uint32_t buckets[3];
	uint32_t chains[BUILDER_SYM_COUNT];
};

struct builder_verdef {
	Elf64_Verdef def;
	Elf64_Verdaux names[2]; /* its own, and the one that it follows */
};

struct builder_verneed {
	Elf64_Verneed need;
	Elf64_Vernaux versions[3]; /* GLIBC_2.2.5, a weak one, what DT_RELR needs */
};

struct builder_eh_frame {
	uint8_t header[12]; /* version and encodings, address of the frames, count */
	int32_t table[2];
	uint8_t cie[24], fde[24], end[8];
};

/* Pages that differ in their permissions. Text and data do not lie at their offsets. */
#define BUILDER_PAGE       0x1000u
#define BUILDER_TEXT_BIAS  0x1000u /* vaddr - offset */
#define BUILDER_DATA_BIAS  0x2000u
#define BUILDER_BSS_BYTES  0x1800u
#define BUILDER_DATA_WORDS 48

struct builder_tables {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[BUILDER_PH_COUNT];
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint32_t type, bytes, value, pad;
	} property;
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint8_t id[20];
	} build_id;
	struct builder_gnu_hash gnu_hash __attribute__((aligned(8)));
	struct builder_sysv_hash sysv_hash __attribute__((aligned(8)));
	Elf64_Sym symbols[BUILDER_SYM_COUNT];
	char strings[256];
	uint16_t versym[BUILDER_SYM_COUNT];
	struct builder_verdef verdefs[3] __attribute__((aligned(8)));
	struct builder_verneed verneed __attribute__((aligned(8)));
	Elf64_Rela rela[BUILDER_RELA_COUNT];
	Elf64_Rela plt[BUILDER_PLT_COUNT];
	uint64_t relr[4]; /* the arrays of functions, then words of the data */
	struct builder_eh_frame eh_frame;
};

struct builder_relro {
	uint64_t tls[2];
	uint64_t init_array[2], fini_array[2];
	Elf64_Dyn dynamic[BUILDER_DYN_COUNT];
	uint64_t got[16];
};

struct builder_file {
	union {
		struct builder_tables t;
		uint8_t read_page[BUILDER_PAGE];
	};
	uint8_t text[BUILDER_PAGE];
	union {
		struct builder_relro r;
		uint8_t relro_page[BUILDER_PAGE];
	};
	uint64_t data[BUILDER_DATA_WORDS];
	uint64_t plt_got[3 + BUILDER_PLT_COUNT]; /* behind what becomes read-only */
};

/* The offset of a member, given as @t.rela and the like, and its address in the image. */
#define BUILDER_AT(member)         offsetof(struct builder_file, member)
#define BUILDER_DATA_VADDR(member) (BUILDER_AT(member) + BUILDER_DATA_BIAS)
#define BUILDER_END_VADDR \
	(sizeof(struct builder_file) + BUILDER_DATA_BIAS + BUILDER_BSS_BYTES)
#define BUILDER_TEXT_VADDR(at) (BUILDER_AT(text) + BUILDER_TEXT_BIAS + (at))

/* Where code lies in the text page. */
enum {
	BUILDER_CODE_INIT = 0x00,
	BUILDER_CODE_FINI = 0x10,
	BUILDER_CODE_VALUE = 0x20,
	BUILDER_CODE_VALUE_OLD = 0x30,
	BUILDER_CODE_RESOLVER = 0x40,
	BUILDER_CODE_SOFT = 0x50,
	BUILDER_CODE_PLT = 0x80, /* 16 bytes each: the common one first */
};

/* Fills *@file with the sound object. */
void builder_make(struct builder_file *file);

/* What the sound object must answer. */
#define BUILDER_SONAME   "libfixture.so.1"
#define BUILDER_VALUE    42
#define BUILDER_STATE    0x5354415445u
#define BUILDER_THREAD   0x544c53u
#define BUILDER_ABSOLUTE 0x1234u
#define BUILDER_DATA_STATE                                          \
	16 /* index into data of fixture_state, and of fixture_once \
	    */
#define BUILDER_DATA_ONCE 17

#endif
