/* SPDX-License-Identifier: MIT */
/*
 * The dynamic section and the tables that it names: found, bounded, checked. Version
 * tables are versions.c's, looking names up is lookup.c's.
 */
#include "elf/internal.h"

/* Where the tables of a view are read: the file's bytes, or the host's memory. */
const void *elf_locate(const struct elf_view *view, uint64_t vaddr, uint64_t bytes)
{
	if (!view->bytes)
		return elf_view_in_memory(view, vaddr, bytes, NULL)
			       ? (const void *)(view->bias + vaddr)
			       : NULL;
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		if (vaddr >= s->vaddr &&
			base_range_fits(vaddr - s->vaddr, bytes, s->file_bytes))
			return view->bytes + s->offset + (vaddr - s->vaddr);
	}
	return NULL;
}

/* Bytes that can be read from @vaddr to the end of its segment's file part. */
static uint64_t readable(const struct elf_view *view, uint64_t vaddr)
{
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		uint64_t size = view->bytes ? s->file_bytes : s->memory_bytes;
		if (vaddr >= s->vaddr && vaddr - s->vaddr < size)
			return size - (vaddr - s->vaddr);
	}
	return 0;
}

/* The values of the dynamic section, by tag, before they are checked. */
struct values {
	uint64_t small[DT_NUM]; /* tags below DT_NUM */
	uint64_t have;          /* bit by tag */
	uint64_t gnu_hash, versym, verdef, verdefnum, verneed, verneednum, relacount;
	uint64_t flags_1;
	bool has_gnu_hash, has_versym, has_verdef, has_verneed, has_relacount;
	uint64_t lowest_after_symbols; /* nearest table that follows the symbols */
};

static bool has(const struct values *v, int tag)
{
	return v->have >> tag & 1;
}

/* Pointers in the host's dynamic sections were relocated by ld.so: undo that. */
static uint64_t pointer(const struct elf_view *view, uint64_t value)
{
	return !view->bytes && value >= view->bias ? value - view->bias : value;
}

static void read_one(struct elf_view *view, const Elf64_Dyn *d, struct values *v)
{
	uint64_t value = d->d_un.d_val;
	switch (d->d_tag) {
	case DT_GNU_HASH:
		v->gnu_hash = pointer(view, value);
		v->has_gnu_hash = true;
		break;
	case DT_VERSYM:
		v->versym = pointer(view, value);
		v->has_versym = true;
		break;
	case DT_VERDEF:
		v->verdef = pointer(view, value);
		v->has_verdef = true;
		break;
	case DT_VERDEFNUM:
		v->verdefnum = value;
		break;
	case DT_VERNEED:
		v->verneed = pointer(view, value);
		v->has_verneed = true;
		break;
	case DT_VERNEEDNUM:
		v->verneednum = value;
		break;
	case DT_RELACOUNT:
		v->relacount = value;
		v->has_relacount = true;
		break;
	case DT_FLAGS_1:
		v->flags_1 = value;
		break;
	default:
		if (d->d_tag > 0 && d->d_tag < DT_NUM) {
			v->small[d->d_tag] = value;
			v->have |= (uint64_t)1 << d->d_tag;
		}
	}
}

static int read_dynamic(struct elf_view *view, struct values *v, struct umod_error *error)
{
	static const uint8_t addresses[] = { DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA,
		DT_INIT, DT_FINI, DT_JMPREL, DT_INIT_ARRAY, DT_FINI_ARRAY,
		DT_PREINIT_ARRAY, DT_RELR, DT_PLTGOT };
	const Elf64_Dyn *d = elf_locate(view, view->dynamic_vaddr, view->dynamic_bytes);
	unsigned limit = (unsigned)(view->dynamic_bytes / sizeof(*d)), count = 0;
	if (!d)
		return elf_fail(
			view, -ELIBBAD, "PT_DYNAMIC: its bytes are not in the file");
	for (; count < limit && d[count].d_tag != DT_NULL; count++)
		read_one(view, &d[count], v);
	if (count == limit)
		return elf_fail(view, -ELIBBAD,
			"DT_NULL: the dynamic section's %u entries have no end", limit);
	view->dynamic = d;
	view->dynamic_count = count;
	for (unsigned i = 0; i < base_array_count(addresses); i++)
		v->small[addresses[i]] = pointer(view, v->small[addresses[i]]);
	return 0;
}

static int set_strings(
	struct elf_view *view, const struct values *v, struct umod_error *error)
{
	if (!has(v, DT_STRTAB) || !has(v, DT_STRSZ) || !has(v, DT_SYMTAB))
		return elf_fail(view, -ELIBBAD, "%s: the dynamic section lacks it",
			!has(v, DT_STRTAB)  ? "DT_STRTAB"
			: !has(v, DT_STRSZ) ? "DT_STRSZ"
					    : "DT_SYMTAB");
	view->strings_vaddr = v->small[DT_STRTAB];
	view->string_bytes = v->small[DT_STRSZ];
	view->strings = elf_locate(view, view->strings_vaddr, view->string_bytes);
	if (!view->strings || view->string_bytes == 0)
		return elf_fail(view, -ELIBBAD,
			"DT_STRTAB: %#lx with DT_STRSZ %#lx is in no segment's file part",
			view->strings_vaddr, view->string_bytes);
	if (view->strings[view->string_bytes - 1] != 0)
		return elf_fail(view, -ELIBBAD,
			"DT_STRSZ: the string table's last byte is no NUL");
	return 0;
}

/* The symbol table has no size of its own: the nearest table after it bounds it. */
static int set_symbols(
	struct elf_view *view, const struct values *v, struct umod_error *error)
{
	uint64_t at = v->small[DT_SYMTAB];
	uint64_t others[] = { v->small[DT_STRTAB], v->small[DT_HASH], v->gnu_hash,
		v->versym, v->verdef, v->verneed, v->small[DT_RELA], v->small[DT_JMPREL],
		v->small[DT_RELR], v->small[DT_INIT], view->dynamic_vaddr };
	uint64_t bytes = readable(view, at);
	if (has(v, DT_SYMENT) && v->small[DT_SYMENT] != sizeof(Elf64_Sym))
		return elf_fail(view, -ELIBBAD, "DT_SYMENT: %lu, not %zu",
			v->small[DT_SYMENT], sizeof(Elf64_Sym));
	for (unsigned i = 0; i < base_array_count(others); i++)
		if (others[i] > at && others[i] - at < bytes)
			bytes = others[i] - at;
	view->symbols_vaddr = at;
	view->symbol_limit = bytes / sizeof(Elf64_Sym);
	if (view->symbol_limit > UINT32_MAX)
		view->symbol_limit = UINT32_MAX;
	view->symbols = elf_locate(view, at, view->symbol_limit * sizeof(Elf64_Sym));
	if (at % 8 || !view->symbols || view->symbol_limit == 0)
		return elf_fail(view, -ELIBBAD,
			"DT_SYMTAB: %#lx is in no segment's file part, or not aligned to "
			"8",
			at);
	view->symbol_count = view->symbol_limit;
	return 0;
}

static int set_sysv_hash(struct elf_view *view, uint64_t at, struct umod_error *error)
{
	const uint32_t *words = at % 4 ? NULL : elf_locate(view, at, 8);
	if (!words)
		return elf_fail(view, -ELIBBAD,
			"DT_HASH: %#lx is in no segment's file part, or not aligned to 4",
			at);
	uint64_t buckets = words[0], chains = words[1];
	if (buckets == 0)
		return elf_fail(view, -ELIBBAD, "nbucket of DT_HASH: 0");
	if (!elf_locate(view, at, 8 + 4 * (buckets + chains)))
		return elf_fail(view, -ELIBBAD,
			"nbucket, nchain of DT_HASH: %lu + %lu reach past the segment",
			buckets, chains);
	if (chains > view->symbol_limit)
		return elf_fail(view, -ELIBBAD,
			"nchain of DT_HASH: %lu, but there is room for %lu symbols",
			chains, view->symbol_limit);
	view->has_sysv_hash = true;
	view->sysv_hash_vaddr = at;
	view->sysv = (struct elf_sysv_hash){ (uint32_t)buckets, (uint32_t)chains,
		words + 2, words + 2 + buckets };
	/* Without a GNU hash this table is what is searched: no step may leave it. */
	for (uint64_t i = 0; !view->has_gnu_hash && i < buckets + chains; i++)
		if (words[2 + i] >= chains && words[2 + i] != 0)
			return elf_fail(view, -ELIBBAD,
				"%s %lu of DT_HASH: symbol %u of %lu",
				i < buckets ? "bucket" : "chain",
				i < buckets ? i : i - buckets, words[2 + i], chains);
	view->symbol_count = chains;
	return 0;
}

static int check_gnu_buckets(
	struct elf_view *view, uint32_t *highest, struct umod_error *error)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	uint64_t end = gnu->symbol_offset + gnu->chain_count;
	uint32_t top = 0;
	for (uint32_t i = 0; i < gnu->bucket_count; i++) {
		uint32_t first = gnu->buckets[i];
		if (first && (first < gnu->symbol_offset || first >= end))
			return elf_fail(view, -ELIBBAD,
				"bucket %u of DT_GNU_HASH: symbol %u is not in [%u, %lu)",
				i, first, gnu->symbol_offset, end);
		if (first > top)
			top = first;
	}
	*highest = top;
	return 0;
}

static int set_gnu_hash(struct elf_view *view, uint64_t at, struct umod_error *error)
{
	struct elf_gnu_hash *gnu = &view->gnu;
	const uint32_t *words = at % 8 ? NULL : elf_locate(view, at, 16);
	if (!words)
		return elf_fail(view, -ELIBBAD,
			"DT_GNU_HASH: %#lx is in no segment's file part, or not aligned "
			"to 8",
			at);
	*gnu = (struct elf_gnu_hash){ words[0], words[1], words[2], words[3], NULL, NULL,
		NULL, 0 };
	if (gnu->bucket_count == 0)
		return elf_fail(view, -ELIBBAD, "nbuckets of DT_GNU_HASH: 0");
	if (gnu->bloom_words == 0 || gnu->bloom_words & (gnu->bloom_words - 1))
		return elf_fail(view, -ELIBBAD,
			"bloom_size of DT_GNU_HASH: %u is no power of two",
			gnu->bloom_words);
	if (gnu->bloom_shift > 31)
		return elf_fail(view, -ELIBBAD, "bloom_shift of DT_GNU_HASH: %u",
			gnu->bloom_shift);
	uint64_t head =
		16 + 8 * (uint64_t)gnu->bloom_words + 4 * (uint64_t)gnu->bucket_count;
	uint64_t bytes = readable(view, at);
	if (bytes < head)
		return elf_fail(view, -ELIBBAD,
			"bloom_size, nbuckets of DT_GNU_HASH: %u, %u reach past the "
			"segment",
			gnu->bloom_words, gnu->bucket_count);
	if (gnu->symbol_offset > view->symbol_limit && gnu->symbol_offset != 1)
		return elf_fail(view, -ELIBBAD,
			"symoffset of DT_GNU_HASH: %u, but there is room for %lu symbols",
			gnu->symbol_offset, view->symbol_limit);
	gnu->bloom = (const uint64_t *)(const void *)(words + 4);
	gnu->buckets = (const uint32_t *)(const void *)(gnu->bloom + gnu->bloom_words);
	gnu->chains = gnu->buckets + gnu->bucket_count;
	gnu->chain_count = (bytes - head) / 4;
	uint64_t symbols = view->symbol_limit > gnu->symbol_offset
				   ? view->symbol_limit - gnu->symbol_offset
				   : 0;
	if (gnu->chain_count > symbols)
		gnu->chain_count = symbols;
	view->has_gnu_hash = true;
	view->gnu_hash_vaddr = at;

	uint32_t last = 0;
	int result = check_gnu_buckets(view, &last, error);
	if (result || last == 0)
		return result;
	uint64_t i = last - gnu->symbol_offset;
	while (i < gnu->chain_count && !(gnu->chains[i] & 1))
		i++;
	if (i == gnu->chain_count)
		return elf_fail(view, -ELIBBAD,
			"chain of symbol %u of DT_GNU_HASH has no end in its table",
			last);
	view->symbol_count = gnu->symbol_offset + i + 1;
	gnu->chain_count = i + 1;
	return 0;
}

static int set_relocations(
	struct elf_view *view, const struct values *v, struct umod_error *error)
{
	uint64_t bytes = has(v, DT_RELA) ? v->small[DT_RELASZ] : 0;
	uint64_t plt_bytes = has(v, DT_JMPREL) ? v->small[DT_PLTRELSZ] : 0;
	if (has(v, DT_REL) && v->small[DT_RELSZ])
		return elf_fail(view, -ENOTSUP, "DT_REL: x86-64 objects use DT_RELA");
	if (has(v, DT_RELAENT) && v->small[DT_RELAENT] != sizeof(Elf64_Rela))
		return elf_fail(view, -ELIBBAD, "DT_RELAENT: %lu, not %zu",
			v->small[DT_RELAENT], sizeof(Elf64_Rela));
	if (plt_bytes && has(v, DT_PLTREL) && v->small[DT_PLTREL] != DT_RELA)
		return elf_fail(view, -ELIBBAD, "DT_PLTREL: %lu, not DT_RELA",
			v->small[DT_PLTREL]);
	view->rela_vaddr = v->small[DT_RELA];
	view->plt_vaddr = v->small[DT_JMPREL];
	if (bytes % sizeof(Elf64_Rela) ||
		(bytes && (view->rela_vaddr % 8 ||
				  !elf_locate(view, view->rela_vaddr, bytes))))
		return elf_fail(view, -ELIBBAD,
			"DT_RELA: %#lx with DT_RELASZ %#lx is in no segment's file part, "
			"not "
			"aligned, or no whole number of entries",
			view->rela_vaddr, bytes);
	if (plt_bytes % sizeof(Elf64_Rela) ||
		(plt_bytes && (view->plt_vaddr % 8 ||
				      !elf_locate(view, view->plt_vaddr, plt_bytes))))
		return elf_fail(view, -ELIBBAD,
			"DT_JMPREL: %#lx with DT_PLTRELSZ %#lx is in no segment's file "
			"part, not "
			"aligned, or no whole number of entries",
			view->plt_vaddr, plt_bytes);
	/* Some linkers count the PLT's relocations in DT_RELASZ as well. */
	if (plt_bytes && bytes >= plt_bytes &&
		view->plt_vaddr + plt_bytes == view->rela_vaddr + bytes)
		bytes -= plt_bytes;
	view->rela_count = bytes / sizeof(Elf64_Rela);
	view->plt_count = plt_bytes / sizeof(Elf64_Rela);
	view->rela = bytes ? elf_locate(view, view->rela_vaddr, bytes) : NULL;
	view->plt = plt_bytes ? elf_locate(view, view->plt_vaddr, plt_bytes) : NULL;
	view->relative_count = v->has_relacount ? v->relacount : 0;
	if (view->relative_count > view->rela_count)
		return elf_fail(view, -ELIBBAD, "DT_RELACOUNT: %lu of %lu relocations",
			view->relative_count, view->rela_count);
	return 0;
}

static int set_relr(
	struct elf_view *view, const struct values *v, struct umod_error *error)
{
	uint64_t bytes = has(v, DT_RELR) ? v->small[DT_RELRSZ] : 0;
	if (has(v, DT_RELRENT) && v->small[DT_RELRENT] != 8)
		return elf_fail(
			view, -ELIBBAD, "DT_RELRENT: %lu, not 8", v->small[DT_RELRENT]);
	view->relr_vaddr = v->small[DT_RELR];
	view->relr_count = bytes / 8;
	view->relr = bytes ? elf_locate(view, view->relr_vaddr, bytes) : NULL;
	if (bytes % 8 || view->relr_vaddr % 8 || (bytes && !view->relr))
		return elf_fail(view, -ELIBBAD,
			"DT_RELR: %#lx with DT_RELRSZ %#lx is in no segment's file part, "
			"or not "
			"aligned to 8",
			view->relr_vaddr, bytes);
	return 0;
}

/* An array of function addresses: relocated in place, so it lies in the file part. */
static int set_array(struct elf_view *view, const struct values *v, int tag, int size_tag,
	uint64_t *vaddr, uint64_t *count, struct umod_error *error)
{
	uint64_t at = v->small[tag], bytes = has(v, tag) ? v->small[size_tag] : 0;
	if (bytes == 0)
		return 0;
	if (at % 8 || bytes % 8 || !elf_locate(view, at, bytes))
		return elf_fail(view, -ELIBBAD,
			"%s: %#lx with %#lx bytes is in no segment's file part, or not "
			"aligned to "
			"8",
			elf_dynamic_tag_name(tag), at, bytes);
	*vaddr = at;
	*count = bytes / 8;
	return 0;
}

static int set_functions(
	struct elf_view *view, const struct values *v, struct umod_error *error)
{
	static const int tags[] = { DT_INIT, DT_FINI };
	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = v->small[tags[i]];
		if (has(v, tags[i]) && at && !elf_view_is_code(view, at))
			return elf_fail(view, -ELIBBAD,
				"%s: %#lx is in no executable segment",
				elf_dynamic_tag_name(tags[i]), at);
	}
	view->init_vaddr = v->small[DT_INIT];
	view->fini_vaddr = v->small[DT_FINI];
	int result = set_array(view, v, DT_INIT_ARRAY, DT_INIT_ARRAYSZ,
		&view->init_array_vaddr, &view->init_array_count, error);
	if (!result)
		result = set_array(view, v, DT_FINI_ARRAY, DT_FINI_ARRAYSZ,
			&view->fini_array_vaddr, &view->fini_array_count, error);
	if (!result)
		result = set_array(view, v, DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ,
			&view->preinit_array_vaddr, &view->preinit_array_count, error);
	return result;
}

static int set_names(struct elf_view *view, struct umod_error *error)
{
	for (unsigned i = 0; i < view->dynamic_count; i++) {
		int64_t tag = view->dynamic[i].d_tag;
		const char **name = tag == DT_SONAME    ? &view->soname
				    : tag == DT_RPATH   ? &view->rpath
				    : tag == DT_RUNPATH ? &view->runpath
							: NULL;
		if (!name && tag != DT_NEEDED && tag != DT_FILTER && tag != DT_AUXILIARY)
			continue;
		uint64_t offset = view->dynamic[i].d_un.d_val;
		const char *s = elf_view_string(view, offset);
		if (!s)
			return elf_fail(view, -ELIBBAD,
				"%s: offset %#lx is outside the string table's %#lx "
				"bytes",
				elf_dynamic_tag_name(tag), offset, view->string_bytes);
		if (name)
			*name = s;
	}
	if (view->soname && !view->soname[0])
		view->soname = NULL;
	return 0;
}

static void set_flags(struct elf_view *view, const struct values *v)
{
	view->flags = (uint32_t)v->small[DT_FLAGS];
	view->flags_1 = (uint32_t)v->flags_1;
	if (has(v, DT_SYMBOLIC))
		view->flags |= DF_SYMBOLIC;
	if (has(v, DT_TEXTREL))
		view->flags |= DF_TEXTREL;
	if (has(v, DT_BIND_NOW) || view->flags_1 & DF_1_NOW)
		view->flags |= DF_BIND_NOW;
	view->symbolic = view->flags & DF_SYMBOLIC;
	view->text_relocations = view->flags & DF_TEXTREL;
	if (view->runpath)
		view->rpath =
			NULL; /* ld.so(8): DT_RPATH counts only without DT_RUNPATH */
	uint64_t got = v->small[DT_PLTGOT];
	if (has(v, DT_PLTGOT) && elf_view_in_memory(view, got, 24, NULL))
		view->plt_got_vaddr = got;
}

static int read_tables(struct elf_view *view, struct umod_error *error)
{
	struct values v = { 0 };
	int result = read_dynamic(view, &v, error);
	if (!result)
		result = set_strings(view, &v, error);
	if (!result)
		result = set_symbols(view, &v, error);
	if (!result && v.has_gnu_hash)
		result = set_gnu_hash(view, v.gnu_hash, error);
	uint64_t count = view->symbol_count;
	if (!result && has(&v, DT_HASH) && v.small[DT_HASH])
		result = set_sysv_hash(view, v.small[DT_HASH], error);
	if (view->has_gnu_hash && count > view->symbol_count)
		view->symbol_count = count;
	if (!result)
		result = elf_set_versions(view,
			&(struct elf_version_tables){ v.has_versym ? v.versym : 0,
				v.has_verdef ? v.verdef : 0, v.verdefnum,
				v.has_verneed ? v.verneed : 0, v.verneednum },
			error);
	if (!result)
		result = set_relocations(view, &v, error);
	if (!result)
		result = set_relr(view, &v, error);
	if (!result)
		result = set_functions(view, &v, error);
	if (!result)
		result = set_names(view, error);
	set_flags(view, &v);
	return result;
}

int elf_view_tables(struct elf_view *view, const uint8_t *bytes, uint64_t file_bytes,
	bool any_machine, struct umod_error *error)
{
	if (!any_machine && view->machine != ELF_MACHINE)
		return elf_fail(view, -ENOEXEC,
			"e_machine: the file is for %s, this is %s",
			elf_machine_name(view->machine), elf_machine_name(ELF_MACHINE));
	view->bytes = bytes;
	view->byte_count = file_bytes;
	return read_tables(view, error);
}

int elf_view_host(struct elf_view *view, const char *name, uintptr_t bias,
	const Elf64_Phdr *phdrs, unsigned phdr_count, struct umod_error *error)
{
	int result = elf_view_host_headers(view, name, bias, phdrs, phdr_count, error);
	if (result)
		return result;
	result = read_tables(view, error);
	if (result)
		elf_view_clear(view);
	return result;
}

static const void *moved(const struct elf_view *view, const void *old, uint64_t vaddr)
{
	return old ? (const void *)(view->bias + vaddr) : NULL;
}

void elf_view_rebase(struct elf_view *view, uintptr_t bias)
{
	const char *strings = view->strings;
	view->bias = bias;
	view->bytes = NULL;
	view->dynamic = moved(view, view->dynamic, view->dynamic_vaddr);
	view->strings = moved(view, view->strings, view->strings_vaddr);
	view->symbols = moved(view, view->symbols, view->symbols_vaddr);
	view->versym = moved(view, view->versym, view->versym_vaddr);
	view->rela = moved(view, view->rela, view->rela_vaddr);
	view->plt = moved(view, view->plt, view->plt_vaddr);
	view->relr = moved(view, view->relr, view->relr_vaddr);
	if (view->has_gnu_hash) {
		struct elf_gnu_hash *gnu = &view->gnu;
		gnu->bloom = (const uint64_t *)(bias + view->gnu_hash_vaddr + 16);
		gnu->buckets =
			(const uint32_t *)(const void *)(gnu->bloom + gnu->bloom_words);
		gnu->chains = gnu->buckets + gnu->bucket_count;
	}
	if (view->has_sysv_hash) {
		view->sysv.buckets = (const uint32_t *)(bias + view->sysv_hash_vaddr + 8);
		view->sysv.chains = view->sysv.buckets + view->sysv.bucket_count;
	}
	const char **names[] = { &view->soname, &view->rpath, &view->runpath };
	for (unsigned i = 0; i < base_array_count(names); i++)
		if (*names[i])
			*names[i] = view->strings + (*names[i] - strings);
	for (unsigned i = 0; i < view->version_count; i++) {
		struct elf_version *v = &view->versions[i];
		if (v->name)
			v->name = view->strings + (v->name - strings);
		if (v->file)
			v->file = view->strings + (v->file - strings);
	}
}

bool elf_view_dynamic_value(
	const struct elf_view *view, int64_t tag, unsigned index, uint64_t *value)
{
	for (unsigned i = 0; i < view->dynamic_count; i++)
		if (view->dynamic[i].d_tag == tag && index-- == 0) {
			*value = view->dynamic[i].d_un.d_val;
			return true;
		}
	return false;
}
