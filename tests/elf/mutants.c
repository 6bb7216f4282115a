/* SPDX-License-Identifier: MIT */
/*
 * Damages copies of libraries that any Debian has. Regions are found through the dynamic
 * section, which is trusted here: the originals are sound.
 */
#include "mutants.h"

#ifndef DT_RELR
#define DT_RELR 36
#endif

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const mutant_region_names[MUTANT_REGIONS] = { "ELF header", "program headers",
	"dynamic section", "hash tables", "symbols", "strings", "versions", "relocations",
	"anywhere", "cut short" };

struct range {
	size_t at, bytes;
};

struct library {
	const char *path;
	uint8_t *bytes;
	size_t count;
	struct range regions[MUTANT_REGIONS][2]; /* a region may be in two pieces */
};

#define LIB "/usr/lib/x86_64-linux-gnu/"
static struct library libraries[] = { { LIB "libz.so.1" }, { LIB "libzstd.so.1" },
	{ LIB "liblzma.so.5" }, { LIB "libbz2.so.1.0" }, { LIB "libcrypt.so.1" },
	{ LIB "libselinux.so.1" }, { LIB "libpcre2-8.so.0" }, { LIB "libstdc++.so.6" },
	{ LIB "libgmp.so.10" } };
static struct library *present[sizeof(libraries) / sizeof(libraries[0])];
static unsigned present_count;

static bool read_file(struct library *library)
{
	FILE *file = fopen(library->path, "rb");
	if (!file)
		return false;
	fseek(file, 0, SEEK_END);
	library->count = (size_t)ftell(file);
	rewind(file);
	library->bytes = malloc(library->count);
	bool good = fread(library->bytes, 1, library->count, file) == library->count;
	fclose(file);
	return good;
}

static size_t offset_of(const struct library *library, uint64_t vaddr)
{
	const Elf64_Ehdr *header = (const void *)library->bytes;
	const Elf64_Phdr *p = (const void *)(library->bytes + header->e_phoff);
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && vaddr >= p[i].p_vaddr &&
			vaddr < p[i].p_vaddr + p[i].p_filesz)
			return vaddr - p[i].p_vaddr + p[i].p_offset;
	return 0;
}

struct tables {
	uint64_t value[DT_NUM], gnu_hash, versym, verneed;
};

static void find_tables(struct library *library, struct tables *t)
{
	const Elf64_Ehdr *header = (const void *)library->bytes;
	const Elf64_Phdr *p = (const void *)(library->bytes + header->e_phoff);
	library->regions[MUTANT_ELF_HEADER][0] = (struct range){ 0, sizeof(*header) };
	library->regions[MUTANT_PROGRAM_HEADERS][0] =
		(struct range){ header->e_phoff, header->e_phnum * sizeof(*p) };
	for (unsigned i = 0; i < header->e_phnum; i++) {
		if (p[i].p_type != PT_DYNAMIC)
			continue;
		const Elf64_Dyn *d = (const void *)(library->bytes + p[i].p_offset);
		library->regions[MUTANT_DYNAMIC][0] =
			(struct range){ p[i].p_offset, p[i].p_filesz };
		for (; d->d_tag; d++) {
			if (d->d_tag > 0 && d->d_tag < DT_NUM)
				t->value[d->d_tag] = d->d_un.d_val;
			else if (d->d_tag == DT_GNU_HASH)
				t->gnu_hash = d->d_un.d_val;
			else if (d->d_tag == DT_VERSYM)
				t->versym = d->d_un.d_val;
			else if (d->d_tag == DT_VERNEED)
				t->verneed = d->d_un.d_val;
		}
	}
}

static void find_regions(struct library *library)
{
	struct tables t = { { 0 }, 0, 0, 0 };
	find_tables(library, &t);
	size_t symbols = offset_of(library, t.value[DT_SYMTAB]);
	size_t strings = offset_of(library, t.value[DT_STRTAB]);
	size_t hash = offset_of(library, t.gnu_hash);
	size_t versym = offset_of(library, t.versym),
	       need = offset_of(library, t.verneed);
	struct range(*r)[2] = library->regions;
	/* Where no size is told, the usual order of sections bounds it well enough. */
	r[MUTANT_SYMBOLS][0] = (struct range){ symbols,
		strings > symbols ? strings - symbols : sizeof(Elf64_Sym) };
	r[MUTANT_STRINGS][0] = (struct range){ strings, t.value[DT_STRSZ] };
	r[MUTANT_HASH][0] = (struct range){ hash, symbols > hash ? symbols - hash : 64 };
	r[MUTANT_VERSIONS][0] = (struct range){ versym ? versym : strings, 64 };
	r[MUTANT_VERSIONS][1] = (struct range){ need ? need : strings, 48 };
	r[MUTANT_RELOCATIONS][0] = (struct range){ offset_of(library, t.value[DT_RELA]),
		t.value[DT_RELASZ] };
	r[MUTANT_RELOCATIONS][1] = (struct range){ offset_of(library, t.value[DT_JMPREL]),
		t.value[DT_PLTRELSZ] };
	r[MUTANT_ANYWHERE][0] = (struct range){ 0, library->count };
}

bool mutants_open(void)
{
	present_count = 0;
	for (unsigned i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (read_file(&libraries[i])) {
			find_regions(&libraries[i]);
			present[present_count++] = &libraries[i];
		}
	return present_count >= 3;
}

void mutants_close(void)
{
	while (present_count > 0)
		free(present[--present_count]->bytes);
}

void mutants_make(unsigned index, struct mutant *out)
{
	const struct library *library = present[index / MUTANT_REGIONS % present_count];
	unsigned seed = index * 2654435761u + 17;
	out->library = library->path;
	out->region = index % MUTANT_REGIONS;
	out->bytes = malloc(library->count);
	out->count = library->count;
	memcpy(out->bytes, library->bytes, library->count);
	const struct range *pieces = library->regions[out->region];
	if (out->region == MUTANT_CUT_SHORT) {
		/* Half of them where the tables are, a short file. */
		size_t limit = index & 16 ? library->count : library->count / 16;
		out->count = ((size_t)rand_r(&seed) << 8 ^ (size_t)rand_r(&seed)) % limit;
		return;
	}
	const struct range *piece = &pieces[pieces[1].bytes && rand_r(&seed) % 2];
	if (piece->bytes == 0)
		piece = &library->regions[MUTANT_DYNAMIC][0];
	for (unsigned changes = 1 + (unsigned)rand_r(&seed) % 8; changes > 0; changes--) {
		size_t random = (size_t)rand_r(&seed) << 15 ^ (size_t)rand_r(&seed);
		size_t at = piece->at + random % piece->bytes;
		/* A bit, a byte, or one of the numbers that break arithmetic. */
		static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe, 8, 0x10 };
		unsigned kind = (unsigned)rand_r(&seed) % 3;
		if (at >= out->count)
			continue;
		if (kind == 0)
			out->bytes[at] ^= (uint8_t)(1u << rand_r(&seed) % 8);
		else
			out->bytes[at] = kind == 1 ? (uint8_t)rand_r(&seed)
						   : odd[(unsigned)rand_r(&seed) % 8];
	}
}
