/* SPDX-License-Identifier: MIT */
/*
 * Relocations without a symbol: the base address added to a word, by DT_RELA's first
 * entries or by DT_RELR. Most relocations of a large library are of this kind, and most
 * of their time goes to copying the pages that they write.
 */
#include "link/bind.h"

#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define WINDOW_PAGES 64
#define LEAST_PAGES  4 /* fewer are not worth a call */

/* The first of the sorted entries [@rela, @end) that writes at or after @offset. */
static const Elf64_Rela *first_from(
	const Elf64_Rela *rela, const Elf64_Rela *end, uint64_t offset)
{
	uint64_t count = (uint64_t)(end - rela), low = 0, high = 1;
	while (high < count && rela[high].r_offset < offset) {
		low = high;
		high *= 2;
	}
	if (high > count)
		high = count;
	while (low < high) {
		uint64_t middle = (low + high) / 2;
		if (rela[middle].r_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return rela + low;
}

/*
 * Every page that a relocation writes is copied; for neighbours one call for all costs
 * three quarters of a fault for each. Returns the end of the entries that write to the
 * pages from @rela's on which all are written, at least one. @end: of the entries, which
 * are sorted by address in all but strange files. Failure costs nothing but time.
 */
static const Elf64_Rela *populate(
	const struct link_binder *b, const Elf64_Rela *rela, const Elf64_Rela *end)
{
	uint64_t first = rela->r_offset;
	uint64_t from = base_align_down(first, BASE_PAGE_BYTES), to = from;
	const Elf64_Rela *at = rela;
	while (at < end && to - from < WINDOW_PAGES * BASE_PAGE_BYTES &&
		base_align_down(at->r_offset, BASE_PAGE_BYTES) == to) {
		to += BASE_PAGE_BYTES;
		at = first_from(at, end, to);
	}
	if (at == rela)
		return rela + 1; /* the table is being changed */
	if (to - from >= LEAST_PAGES * BASE_PAGE_BYTES &&
		elf_view_in_memory(b->view, first, to - BASE_PAGE_BYTES - first, NULL))
		base_sys_madvise(
			(void *)(b->bias + from), to - from, MADV_POPULATE_WRITE);
	return at;
}

/* Those before @end; the common case first, in few instructions. */
static int apply_run(struct link_binder *b, const Elf64_Rela *rela, const Elf64_Rela *end)
{
	const uint64_t info = ELF64_R_INFO(0, (uint64_t)link_arch_relative_type);
	const uintptr_t bias = b->bias;
	uint64_t low = b->low, places = b->room ? b->room + 1 : 0;
	for (; rela < end; rela++) {
		/* Read once: what was checked is what is used. */
		uint64_t offset = *(const volatile uint64_t *)&rela->r_offset;
		if (base_unlikely(offset - low >= places)) {
			Elf64_Rela own = link_take(rela);
			int result = link_check_place(b, &own, 8);
			if (result)
				return result;
			offset = own.r_offset;
			low = b->low;
			places = b->room ? b->room + 1 : 0;
		}
		if (base_unlikely(rela->r_info != info))
			return link_reloc_failed(b, rela, -ELIBBAD,
				"among those that DT_RELACOUNT counts as relative");
		link_put64((void *)(bias + offset), bias + (uint64_t)rela->r_addend);
	}
	return 0;
}

int link_apply_relative(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	const Elf64_Rela *rela = view->rela, *end = rela + view->relative_count;
	bool copies = b->image->home == LINK_HOME_FILE;
	while (rela < end) {
		const Elf64_Rela *to = copies ? populate(b, rela, end) : end;
		int result = apply_run(b, rela, to);
		if (result)
			return result;
		rela = to;
	}
	b->image->relative_done += view->relative_count;
	return 0;
}

static int relr_place(struct link_binder *b, uint64_t offset)
{
	Elf64_Rela rela = { .r_offset = offset,
		.r_info = ELF64_R_INFO(0, (uint64_t)link_arch_relative_type) };
	if (offset % 8)
		return link_reloc_failed(b, &rela, -ELIBBAD, "DT_RELR: an odd address");
	return link_check_place(b, &rela, 8);
}

/* DT_RELR (gABI): an even word is an address, an odd one 63 bits for what follows it. */
int link_apply_relr(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	uint64_t next = 0;
	bool started = false;
	for (uint64_t i = 0; i < view->relr_count; i++) {
		uint64_t entry = view->relr[i];
		if (!(entry & 1)) {
			int result = relr_place(b, entry);
			if (result)
				return result;
			*link_word(b, entry) += b->bias;
			b->image->relative_done++;
			next = entry + 8;
			started = true;
			continue;
		}
		if (!started) {
			Elf64_Rela none = { 0 };
			return link_reloc_failed(b, &none, -ELIBBAD,
				"DT_RELR: starts with a bitmap, not an address");
		}
		for (uint64_t bits = entry >> 1, at = next; bits; bits >>= 1, at += 8) {
			if (!(bits & 1))
				continue;
			int result = relr_place(b, at);
			if (result)
				return result;
			*link_word(b, at) += b->bias;
			b->image->relative_done++;
		}
		next += 63 * 8;
	}
	return 0;
}
