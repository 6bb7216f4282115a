/* SPDX-License-Identifier: MIT */
/*
 * Fills the struct of builder.h: a sound shared object. Each table has a function; their
 * order does not matter but that the hash tables come after the names.
 */
#include "builder.h"

#include <stdio.h>
#include <string.h>

/* Offsets in the string table. The order of the names is that of the symbols. */
struct names {
	unsigned symbols[BUILDER_SYM_COUNT];
	unsigned soname, libc, runpath, glibc_225, glibc_weak, glibc_relr, fixture_1,
		fixture_2;
};

static unsigned add_name(struct builder_file *file, unsigned *used, const char *name)
{
	unsigned at = *used;
	memcpy(file->t.strings + at, name, strlen(name) + 1);
	*used += strlen(name) + 1;
	return at;
}

static void make_strings(struct builder_file *file, struct names *names)
{
	static const char *const symbols[BUILDER_SYM_COUNT] = {
		[BUILDER_SYM_GETPID] = "getpid",
		[BUILDER_SYM_ENVIRON] = "environ",
		[BUILDER_SYM_OPTIONAL] = "fixture_optional",
		[BUILDER_SYM_VALUE] = "fixture_value",
		[BUILDER_SYM_STATE] = "fixture_state",
		[BUILDER_SYM_CHOICE] = "fixture_choice",
		[BUILDER_SYM_ONCE] = "fixture_once",
		[BUILDER_SYM_ABSOLUTE] = "fixture_absolute",
		[BUILDER_SYM_THREAD] = "fixture_thread",
		[BUILDER_SYM_SOFT] = "fixture_soft",
	};
	unsigned used = 1;
	for (unsigned i = 1; i < BUILDER_SYM_COUNT; i++)
		if (symbols[i])
			names->symbols[i] = add_name(file, &used, symbols[i]);
	names->symbols[BUILDER_SYM_VALUE_OLD] = names->symbols[BUILDER_SYM_VALUE];
	names->soname = add_name(file, &used, BUILDER_SONAME);
	names->libc = add_name(file, &used, "libc.so.6");
	names->runpath = add_name(file, &used, "$ORIGIN");
	names->glibc_225 = add_name(file, &used, "GLIBC_2.2.5");
	names->glibc_weak = add_name(file, &used, "GLIBC_0.99");
	names->glibc_relr = add_name(file, &used, "GLIBC_ABI_DT_RELR");
	names->fixture_1 = add_name(file, &used, "FIXTURE_1");
	names->fixture_2 = add_name(file, &used, "FIXTURE_2");
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;
	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static uint32_t sysv_hash(const char *name)
{
	uint32_t hash = 0;
	for (; *name; name++) {
		hash = (hash << 4) + (unsigned char)*name;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	return hash;
}

static void make_header(struct builder_file *file)
{
	file->t.ehdr = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			EV_CURRENT, ELFOSABI_GNU },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = BUILDER_AT(t.phdrs),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = BUILDER_PH_COUNT,
		.e_shentsize = sizeof(Elf64_Shdr),
	};
}

static void set_header(struct builder_file *file, unsigned at, uint32_t type,
	uint32_t flags, uint64_t offset, uint64_t bias, uint64_t bytes, uint64_t align)
{
	file->t.phdrs[at] = (Elf64_Phdr){ type, flags, offset, offset + bias,
		offset + bias, bytes, bytes, align };
}

static void make_program_headers(struct builder_file *file)
{
	set_header(file, BUILDER_PH_PHDR, PT_PHDR, PF_R, BUILDER_AT(t.phdrs), 0,
		sizeof(file->t.phdrs), 8);
	set_header(file, BUILDER_PH_READ, PT_LOAD, PF_R, 0, 0, sizeof(file->t),
		BUILDER_PAGE);
	set_header(file, BUILDER_PH_TEXT, PT_LOAD, PF_R | PF_X, BUILDER_AT(text),
		BUILDER_TEXT_BIAS, 0x100, BUILDER_PAGE);
	set_header(file, BUILDER_PH_DATA, PT_LOAD, PF_R | PF_W, BUILDER_AT(r),
		BUILDER_DATA_BIAS, sizeof(*file) - BUILDER_AT(r), BUILDER_PAGE);
	file->t.phdrs[BUILDER_PH_DATA].p_memsz += BUILDER_BSS_BYTES;
	set_header(file, BUILDER_PH_DYNAMIC, PT_DYNAMIC, PF_R | PF_W,
		BUILDER_AT(r.dynamic), BUILDER_DATA_BIAS, sizeof(file->r.dynamic), 8);
	set_header(file, BUILDER_PH_NOTE, PT_NOTE, PF_R, BUILDER_AT(t.build_id), 0,
		sizeof(file->t.build_id), 4);
	set_header(file, BUILDER_PH_PROPERTY, PT_GNU_PROPERTY, PF_R,
		BUILDER_AT(t.property), 0, sizeof(file->t.property), 8);
	/* The second word of the template is zero, so the file need not hold it. */
	set_header(file, BUILDER_PH_TLS, PT_TLS, PF_R, BUILDER_AT(r.tls),
		BUILDER_DATA_BIAS, sizeof(uint64_t), 16);
	file->t.phdrs[BUILDER_PH_TLS].p_memsz = sizeof(file->r.tls);
	set_header(file, BUILDER_PH_EH_FRAME, PT_GNU_EH_FRAME, PF_R,
		BUILDER_AT(t.eh_frame), 0, offsetof(struct builder_eh_frame, cie), 4);
	set_header(file, BUILDER_PH_STACK, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 16);
	set_header(file, BUILDER_PH_RELRO, PT_GNU_RELRO, PF_R, BUILDER_AT(r),
		BUILDER_DATA_BIAS, BUILDER_PAGE, 1);
	set_header(file, BUILDER_PH_SPARE, PT_NULL, 0, 0, 0, 0, 0);
}

static void make_notes(struct builder_file *file)
{
	file->t.property.header = (Elf64_Nhdr){ 4, 16, NT_GNU_PROPERTY_TYPE_0 };
	memcpy(file->t.property.name, "GNU", 4);
	file->t.property.type = 0xc0000002; /* GNU_PROPERTY_X86_FEATURE_1_AND */
	file->t.property.bytes = 4;
	file->t.property.value = 3; /* IBT, SHSTK */
	file->t.build_id.header = (Elf64_Nhdr){ 4, 20, NT_GNU_BUILD_ID };
	memcpy(file->t.build_id.name, "GNU", 4);
	memset(file->t.build_id.id, 0xb1, sizeof(file->t.build_id.id));
}

static void set_symbol(struct builder_file *file, unsigned at, unsigned bind,
	unsigned type, uint16_t section, uint64_t value, uint64_t bytes)
{
	Elf64_Sym *symbol = &file->t.symbols[at];
	symbol->st_info = ELF64_ST_INFO(bind, type);
	symbol->st_shndx = section;
	symbol->st_value = value;
	symbol->st_size = bytes;
}

static void make_symbols(struct builder_file *file, const struct names *names)
{
	uint64_t state = BUILDER_DATA_VADDR(data) + 8 * BUILDER_DATA_STATE;
	uint64_t once = BUILDER_DATA_VADDR(data) + 8 * BUILDER_DATA_ONCE;
	for (unsigned i = 0; i < BUILDER_SYM_COUNT; i++)
		file->t.symbols[i].st_name = names->symbols[i];
	set_symbol(file, BUILDER_SYM_GETPID, STB_GLOBAL, STT_FUNC, SHN_UNDEF, 0, 0);
	set_symbol(file, BUILDER_SYM_ENVIRON, STB_GLOBAL, STT_OBJECT, SHN_UNDEF, 0, 8);
	set_symbol(file, BUILDER_SYM_OPTIONAL, STB_WEAK, STT_NOTYPE, SHN_UNDEF, 0, 0);
	set_symbol(file, BUILDER_SYM_VALUE, STB_GLOBAL, STT_FUNC, 1,
		BUILDER_TEXT_VADDR(BUILDER_CODE_VALUE), 6);
	set_symbol(file, BUILDER_SYM_VALUE_OLD, STB_GLOBAL, STT_FUNC, 1,
		BUILDER_TEXT_VADDR(BUILDER_CODE_VALUE_OLD), 6);
	set_symbol(file, BUILDER_SYM_STATE, STB_GLOBAL, STT_OBJECT, 2, state, 8);
	set_symbol(file, BUILDER_SYM_CHOICE, STB_GLOBAL, STT_GNU_IFUNC, 1,
		BUILDER_TEXT_VADDR(BUILDER_CODE_RESOLVER), 8);
	set_symbol(file, BUILDER_SYM_ONCE, STB_GNU_UNIQUE, STT_OBJECT, 2, once, 8);
	set_symbol(file, BUILDER_SYM_ABSOLUTE, STB_GLOBAL, STT_NOTYPE, SHN_ABS,
		BUILDER_ABSOLUTE, 0);
	set_symbol(file, BUILDER_SYM_THREAD, STB_GLOBAL, STT_TLS, 3, 0, 8);
	set_symbol(file, BUILDER_SYM_SOFT, STB_WEAK, STT_FUNC, 1,
		BUILDER_TEXT_VADDR(BUILDER_CODE_SOFT), 5);
}

static void make_gnu_hash(struct builder_file *file)
{
	struct builder_gnu_hash *table = &file->t.gnu_hash;
	table->bucket_count = 2;
	table->symbol_offset = BUILDER_SYM_HASHED;
	table->bloom_words = 2;
	table->bloom_shift = 6;
	for (unsigned i = BUILDER_SYM_HASHED; i < BUILDER_SYM_COUNT; i++) {
		uint32_t hash = gnu_hash(file->t.strings + file->t.symbols[i].st_name);
		uint32_t *bucket = &table->buckets[hash % 2];
		table->bloom[hash / 64 % 2] |= 1ul << hash % 64 | 1ul << (hash >> 6) % 64;
		if (*bucket == 0)
			*bucket = i;
		/* The last of a bucket has bit 0 set: the next one's bucket decides. */
		uint32_t next = i + 1 < BUILDER_SYM_COUNT
					? gnu_hash(file->t.strings +
						   file->t.symbols[i + 1].st_name)
					: ~hash;
		table->chains[i - BUILDER_SYM_HASHED] =
			(hash & ~1u) | (hash % 2 != next % 2);
	}
}

static void make_sysv_hash(struct builder_file *file)
{
	struct builder_sysv_hash *table = &file->t.sysv_hash;
	table->bucket_count = 3;
	table->chain_count = BUILDER_SYM_COUNT;
	for (unsigned i = BUILDER_SYM_COUNT - 1; i > 0; i--) {
		uint32_t hash = sysv_hash(file->t.strings + file->t.symbols[i].st_name);
		table->chains[i] = table->buckets[hash % 3];
		table->buckets[hash % 3] = i;
	}
}

static void set_version(struct builder_verdef *def, unsigned index, unsigned flags,
	const char *strings, unsigned name, unsigned follows)
{
	def->def = (Elf64_Verdef){ 1, flags, index, follows ? 2 : 1,
		sysv_hash(strings + name), sizeof(def->def), sizeof(*def) };
	def->names[0] = (Elf64_Verdaux){ name, follows ? sizeof(def->names[0]) : 0 };
	def->names[1] = (Elf64_Verdaux){ follows, 0 };
}

static void make_versions(struct builder_file *file, const struct names *names)
{
	static const uint16_t versym[BUILDER_SYM_COUNT] = { 0, 4, 4, 1, 3, 2 | 0x8000, 3,
		3, 3, 3, 3, 3 };
	const char *strings = file->t.strings;
	struct builder_verneed *need = &file->t.verneed;
	memcpy(file->t.versym, versym, sizeof(versym));
	set_version(&file->t.verdefs[0], 1, VER_FLG_BASE, strings, names->soname, 0);
	set_version(&file->t.verdefs[1], 2, 0, strings, names->fixture_1, 0);
	set_version(
		&file->t.verdefs[2], 3, 0, strings, names->fixture_2, names->fixture_1);
	file->t.verdefs[2].def.vd_next = 0;
	need->need = (Elf64_Verneed){ 1, 3, names->libc, sizeof(need->need), 0 };
	need->versions[0] = (Elf64_Vernaux){ sysv_hash(strings + names->glibc_225), 0, 4,
		names->glibc_225, sizeof(need->versions[0]) };
	/* A weak one that no libc has: it may be missing. */
	need->versions[1] = (Elf64_Vernaux){ sysv_hash(strings + names->glibc_weak),
		VER_FLG_WEAK, 5, names->glibc_weak, sizeof(need->versions[0]) };
	need->versions[2] = (Elf64_Vernaux){ sysv_hash(strings + names->glibc_relr), 0, 6,
		names->glibc_relr, 0 };
}

static void set_rela(
	Elf64_Rela *rela, uint64_t at, uint64_t symbol, uint64_t type, int64_t addend)
{
	*rela = (Elf64_Rela){ at, ELF64_R_INFO(symbol, type), addend };
}

static void make_relocations(struct builder_file *file)
{
	Elf64_Rela *rela = file->t.rela;
	uint64_t got = BUILDER_DATA_VADDR(r.got), data = BUILDER_DATA_VADDR(data);
	set_rela(&rela[BUILDER_RELA_RELATIVE], data, 0, R_X86_64_RELATIVE, (int64_t)data);
	set_rela(&rela[BUILDER_RELA_RELATIVE_2], data + 8, 0, R_X86_64_RELATIVE,
		BUILDER_TEXT_VADDR(BUILDER_CODE_VALUE));
	set_rela(&rela[BUILDER_RELA_64], data + 16, BUILDER_SYM_STATE, R_X86_64_64, 0);
	set_rela(&rela[BUILDER_RELA_GLOB_DAT], got, BUILDER_SYM_ENVIRON,
		R_X86_64_GLOB_DAT, 0);
	set_rela(&rela[BUILDER_RELA_WEAK], got + 8, BUILDER_SYM_OPTIONAL,
		R_X86_64_GLOB_DAT, 0);
	set_rela(&rela[BUILDER_RELA_TLS_ID], got + 16, BUILDER_SYM_THREAD,
		R_X86_64_DTPMOD64, 0);
	set_rela(&rela[BUILDER_RELA_TLS_OFFSET], got + 24, BUILDER_SYM_THREAD,
		R_X86_64_DTPOFF64, 0);
	set_rela(&rela[BUILDER_RELA_TLS_OWN_ID], got + 32, 0, R_X86_64_DTPMOD64, 0);
	set_rela(&rela[BUILDER_RELA_TLSDESC], got + 48, BUILDER_SYM_THREAD,
		R_X86_64_TLSDESC, 0);
	set_rela(&rela[BUILDER_RELA_UNIQUE], data + 24, BUILDER_SYM_ONCE, R_X86_64_64, 0);
	set_rela(&rela[BUILDER_RELA_SIZE], data + 32, BUILDER_SYM_STATE, R_X86_64_SIZE64,
		0);
	set_rela(&rela[BUILDER_RELA_FUNCTION], data + 40, BUILDER_SYM_VALUE, R_X86_64_64,
		0);
	set_rela(&rela[BUILDER_RELA_CHOICE], data + 48, BUILDER_SYM_CHOICE, R_X86_64_64,
		0);
	set_rela(&rela[BUILDER_RELA_IRELATIVE], data + 56, 0, R_X86_64_IRELATIVE,
		BUILDER_TEXT_VADDR(BUILDER_CODE_RESOLVER));
	set_rela(&file->t.plt[BUILDER_PLT_GETPID], BUILDER_DATA_VADDR(plt_got) + 24,
		BUILDER_SYM_GETPID, R_X86_64_JUMP_SLOT, 0);
	set_rela(&file->t.plt[BUILDER_PLT_VALUE], BUILDER_DATA_VADDR(plt_got) + 32,
		BUILDER_SYM_VALUE, R_X86_64_JUMP_SLOT, 0);
	/* Four words of the arrays; then word 8 of the data, and 9 and 11 by a bitmap. */
	file->t.relr[0] = BUILDER_DATA_VADDR(r.init_array);
	file->t.relr[1] = 1 | 7 << 1;
	file->t.relr[2] = data + 64;
	file->t.relr[3] = 1 | 1 << 1 | 1 << 3;
	file->data[8] = data;
	file->data[9] = data + 8;
	file->data[11] = BUILDER_TEXT_VADDR(BUILDER_CODE_VALUE);
}

static void make_dynamic(struct builder_file *file, const struct names *names)
{
	Elf64_Dyn dynamic[BUILDER_DYN_COUNT] = {
		[BUILDER_DYN_NEEDED] = { DT_NEEDED, { names->libc } },
		[BUILDER_DYN_SONAME] = { DT_SONAME, { names->soname } },
		[BUILDER_DYN_RUNPATH] = { DT_RUNPATH, { names->runpath } },
		[BUILDER_DYN_INIT] = { DT_INIT,
			{ BUILDER_TEXT_VADDR(BUILDER_CODE_INIT) } },
		[BUILDER_DYN_FINI] = { DT_FINI,
			{ BUILDER_TEXT_VADDR(BUILDER_CODE_FINI) } },
		[BUILDER_DYN_INIT_ARRAY] = { DT_INIT_ARRAY,
			{ BUILDER_DATA_VADDR(r.init_array) } },
		[BUILDER_DYN_INIT_ARRAYSZ] = { DT_INIT_ARRAYSZ, { 16 } },
		[BUILDER_DYN_FINI_ARRAY] = { DT_FINI_ARRAY,
			{ BUILDER_DATA_VADDR(r.fini_array) } },
		[BUILDER_DYN_FINI_ARRAYSZ] = { DT_FINI_ARRAYSZ, { 16 } },
		[BUILDER_DYN_GNU_HASH] = { DT_GNU_HASH, { BUILDER_AT(t.gnu_hash) } },
		[BUILDER_DYN_HASH] = { DT_HASH, { BUILDER_AT(t.sysv_hash) } },
		[BUILDER_DYN_STRTAB] = { DT_STRTAB, { BUILDER_AT(t.strings) } },
		[BUILDER_DYN_STRSZ] = { DT_STRSZ, { sizeof(file->t.strings) } },
		[BUILDER_DYN_SYMTAB] = { DT_SYMTAB, { BUILDER_AT(t.symbols) } },
		[BUILDER_DYN_SYMENT] = { DT_SYMENT, { sizeof(Elf64_Sym) } },
		[BUILDER_DYN_PLTGOT] = { DT_PLTGOT, { BUILDER_DATA_VADDR(plt_got) } },
		[BUILDER_DYN_JMPREL] = { DT_JMPREL, { BUILDER_AT(t.plt) } },
		[BUILDER_DYN_PLTRELSZ] = { DT_PLTRELSZ, { sizeof(file->t.plt) } },
		[BUILDER_DYN_PLTREL] = { DT_PLTREL, { DT_RELA } },
		[BUILDER_DYN_RELA] = { DT_RELA, { BUILDER_AT(t.rela) } },
		[BUILDER_DYN_RELASZ] = { DT_RELASZ, { sizeof(file->t.rela) } },
		[BUILDER_DYN_RELAENT] = { DT_RELAENT, { sizeof(Elf64_Rela) } },
		[BUILDER_DYN_RELACOUNT] = { DT_RELACOUNT, { 2 } },
		[BUILDER_DYN_RELR] = { DT_RELR, { BUILDER_AT(t.relr) } },
		[BUILDER_DYN_RELRSZ] = { DT_RELRSZ, { sizeof(file->t.relr) } },
		[BUILDER_DYN_RELRENT] = { DT_RELRENT, { 8 } },
		[BUILDER_DYN_VERSYM] = { DT_VERSYM, { BUILDER_AT(t.versym) } },
		[BUILDER_DYN_VERDEF] = { DT_VERDEF, { BUILDER_AT(t.verdefs) } },
		[BUILDER_DYN_VERDEFNUM] = { DT_VERDEFNUM, { 3 } },
		[BUILDER_DYN_VERNEED] = { DT_VERNEED, { BUILDER_AT(t.verneed) } },
		[BUILDER_DYN_VERNEEDNUM] = { DT_VERNEEDNUM, { 1 } },
		[BUILDER_DYN_FLAGS] = { DT_FLAGS, { 0 } },
		[BUILDER_DYN_FLAGS_1] = { DT_FLAGS_1, { 0 } },
		[BUILDER_DYN_TLSDESC_PLT] = { DT_TLSDESC_PLT,
			{ BUILDER_TEXT_VADDR(BUILDER_CODE_PLT) } },
		[BUILDER_DYN_TLSDESC_GOT] = { DT_TLSDESC_GOT,
			{ BUILDER_DATA_VADDR(r.got) + 8 * 8 } },
		[BUILDER_DYN_SPARE] = { DT_CHECKSUM, { 0 } },
	};
	memcpy(file->r.dynamic, dynamic, sizeof(dynamic));
}

static void put_rip(uint8_t *code, uint64_t vaddr, uint64_t target)
{
	/* The displacement counts from the end of its four bytes. */
	int32_t away = (int32_t)(target - (vaddr + 4));
	memcpy(code, &away, sizeof(away));
}

static void make_text(struct builder_file *file)
{
	uint8_t *text = file->text;
	uint64_t plt_got = BUILDER_DATA_VADDR(plt_got);
	memset(text, 0xcc, sizeof(file->text));
	text[BUILDER_CODE_INIT] = text[BUILDER_CODE_FINI] = 0xc3;   /* ret */
	memcpy(text + BUILDER_CODE_VALUE, "\xb8\x2a\0\0\0\xc3", 6); /* mov eax, 42; ret */
	memcpy(text + BUILDER_CODE_VALUE_OLD, "\xb8\1\0\0\0\xc3", 6);
	memcpy(text + BUILDER_CODE_RESOLVER, "\x48\x8d\x05\0\0\0\0\xc3",
		8); /* lea rax, [rip] */
	put_rip(text + BUILDER_CODE_RESOLVER + 3,
		BUILDER_TEXT_VADDR(BUILDER_CODE_RESOLVER + 3),
		BUILDER_TEXT_VADDR(BUILDER_CODE_VALUE));
	memcpy(text + BUILDER_CODE_SOFT, "\xe9\0\0\0\0", 5); /* jmp to getpid's entry */
	put_rip(text + BUILDER_CODE_SOFT + 1, BUILDER_TEXT_VADDR(BUILDER_CODE_SOFT + 1),
		BUILDER_TEXT_VADDR(BUILDER_CODE_PLT + 16));
	memcpy(text + BUILDER_CODE_PLT, "\xff\x35\0\0\0\0\xff\x25\0\0\0\0", 12);
	put_rip(text + BUILDER_CODE_PLT + 2, BUILDER_TEXT_VADDR(BUILDER_CODE_PLT + 2),
		plt_got + 8);
	put_rip(text + BUILDER_CODE_PLT + 8, BUILDER_TEXT_VADDR(BUILDER_CODE_PLT + 8),
		plt_got + 16);
	for (unsigned i = 0; i < BUILDER_PLT_COUNT; i++) {
		unsigned at = BUILDER_CODE_PLT + 16 * (i + 1);
		/* jmp [slot]; push number; jmp common */
		memcpy(text + at, "\xff\x25\0\0\0\0\x68\0\0\0\0\xe9\0\0\0\0", 16);
		put_rip(text + at + 2, BUILDER_TEXT_VADDR(at + 2), plt_got + 8 * (3 + i));
		text[at + 7] = (uint8_t)i;
		put_rip(text + at + 12, BUILDER_TEXT_VADDR(at + 12),
			BUILDER_TEXT_VADDR(BUILDER_CODE_PLT));
		file->plt_got[3 + i] = BUILDER_TEXT_VADDR(at + 6);
	}
	file->plt_got[0] = BUILDER_DATA_VADDR(r.dynamic);
}

static void make_frames(struct builder_file *file)
{
	struct builder_eh_frame *frame = &file->t.eh_frame;
	uint64_t header = BUILDER_AT(t.eh_frame), text = BUILDER_TEXT_VADDR(0);
	uint64_t fde = BUILDER_AT(t.eh_frame.fde);
	int32_t words[4] = { 20, (int32_t)(fde + 4 - BUILDER_AT(t.eh_frame.cie)),
		(int32_t)(text - (fde + 8)), 0x100 };
	uint32_t count = 1;
	memcpy(frame->header, "\1\x1b\3\x3b", 4);
	put_rip(frame->header + 4, header, BUILDER_AT(t.eh_frame.cie));
	memcpy(frame->header + 8, &count, 4);
	frame->table[0] = (int32_t)(text - header);
	frame->table[1] = (int32_t)(fde - header);
	memcpy(frame->cie, "\x14\0\0\0\0\0\0\0\1zR\0\1\x78\x10\1\x1b\x0c\7\x08\x90\1\0\0",
		24);
	memcpy(frame->fde, words, sizeof(words));
}

void builder_make(struct builder_file *file)
{
	struct names names;
	memset(&names, 0, sizeof(names));
	memset(file, 0, sizeof(*file));
	make_strings(file, &names);
	make_header(file);
	make_program_headers(file);
	make_notes(file);
	make_symbols(file, &names);
	make_gnu_hash(file);
	make_sysv_hash(file);
	make_versions(file, &names);
	make_relocations(file);
	make_dynamic(file, &names);
	make_text(file);
	make_frames(file);
	for (unsigned i = 0; i < 2; i++) {
		file->r.init_array[i] = BUILDER_TEXT_VADDR(BUILDER_CODE_INIT);
		file->r.fini_array[i] = BUILDER_TEXT_VADDR(BUILDER_CODE_FINI);
	}
	file->r.tls[0] = BUILDER_THREAD;
	file->data[BUILDER_DATA_STATE] = BUILDER_STATE;
	file->data[BUILDER_DATA_ONCE] = BUILDER_STATE + 1;
}
