/* SPDX-License-Identifier: MIT */
/*
 * Finding a name in one image: GNU hash, else SysV hash, and glibc's rules of versions.
 */
#include "elf/view.h"

bool elf_view_version_matches(const struct elf_view *view, uint32_t index,
	const struct elf_reference *reference, bool *only_versioned)
{
	if (!view->versym)
		return true;
	uint16_t entry = view->versym[index];
	unsigned version = entry & 0x7fff;
	bool hidden = entry & 0x8000;
	if (reference->version) {
		uint32_t id =
			version < view->version_count ? view->versions[version].id : 0;
		if (id == reference->version)
			return true;
		/* An unversioned definition serves a need that does not insist. */
		return !reference->version_hidden && id == 0 && !hidden;
	}
	if (version < (reference->newest ? 2 : 3))
		return true;
	if (!hidden)
		*only_versioned = true;
	return false;
}

/* One candidate of a chain: *single collects the only default version. */
static bool candidate(const struct elf_view *view, uint32_t index,
	const struct elf_reference *reference, uint32_t *single, unsigned *singles)
{
	const Elf64_Sym *symbol = &view->symbols[index];
	bool only_versioned = false;
	if (!elf_view_string_is(
		    view, symbol->st_name, reference->name, reference->length) ||
		!elf_symbol_is_definition(symbol))
		return false;
	if (elf_view_version_matches(view, index, reference, &only_versioned))
		return true;
	if (only_versioned && (*singles)++ == 0)
		*single = index;
	return false;
}

static uint32_t find_gnu(
	const struct elf_view *view, const struct elf_reference *reference)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	uint32_t single = 0;
	unsigned singles = 0;
	if (!elf_view_maybe_has(view, reference->hash))
		return 0;
	uint32_t first = gnu->buckets[reference->hash % gnu->bucket_count];
	if (first < gnu->symbol_offset)
		return 0;
	for (uint64_t i = first - gnu->symbol_offset; i < gnu->chain_count; i++) {
		uint32_t chain = gnu->chains[i];
		uint32_t index = gnu->symbol_offset + (uint32_t)i;
		if (((chain ^ reference->hash) >> 1) == 0 &&
			candidate(view, index, reference, &single, &singles))
			return index;
		if (chain & 1)
			break;
	}
	return singles == 1 ? single : 0;
}

static uint32_t find_sysv(
	const struct elf_view *view, const struct elf_reference *reference)
{
	const struct elf_sysv_hash *sysv = &view->sysv;
	uint32_t single = 0;
	unsigned singles = 0;
	uint32_t index =
		sysv->buckets[base_sysv_hash(reference->name) % sysv->bucket_count];
	/* A chain that runs in a circle ends after as many steps as there are symbols. */
	for (uint32_t steps = 0;
		index && index < sysv->chain_count && steps < sysv->chain_count;
		steps++) {
		if (candidate(view, index, reference, &single, &singles))
			return index;
		index = sysv->chains[index];
	}
	return singles == 1 ? single : 0;
}

uint32_t elf_view_find(const struct elf_view *view, const struct elf_reference *reference)
{
	if (view->has_gnu_hash)
		return find_gnu(view, reference);
	return view->has_sysv_hash ? find_sysv(view, reference) : 0;
}

unsigned elf_view_find_all(
	const struct elf_view *view, const char *name, uint32_t *indices, unsigned room)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	size_t length = strlen(name);
	uint32_t hash = base_gnu_hash(name, length);
	unsigned count = 0;
	if (!view->has_gnu_hash || !elf_view_maybe_has(view, hash))
		return 0;
	uint32_t first = gnu->buckets[hash % gnu->bucket_count];
	if (first < gnu->symbol_offset)
		return 0;
	for (uint64_t i = first - gnu->symbol_offset; i < gnu->chain_count; i++) {
		uint32_t index = gnu->symbol_offset + (uint32_t)i;
		if (((gnu->chains[i] ^ hash) >> 1) == 0 && count < room &&
			elf_symbol_is_definition(&view->symbols[index]) &&
			elf_view_string_is(
				view, view->symbols[index].st_name, name, length))
			indices[count++] = index;
		if (gnu->chains[i] & 1)
			break;
	}
	return count;
}

static bool chain_has(const struct elf_view *view, uint32_t hash)
{
	const struct elf_gnu_hash *gnu = &view->gnu;
	uint32_t first = gnu->buckets[hash % gnu->bucket_count];
	if (first < gnu->symbol_offset)
		return false;
	for (uint64_t i = first - gnu->symbol_offset; i < gnu->chain_count; i++) {
		if (((gnu->chains[i] ^ hash) >> 1) == 0)
			return true;
		if (gnu->chains[i] & 1)
			break;
	}
	return false;
}

bool elf_view_maybe_has_either(const struct elf_view *view, uint32_t hash)
{
	if (!view->has_gnu_hash)
		return view->has_sysv_hash;
	for (uint32_t bit = 0; bit < 2; bit++) {
		uint32_t whole = (hash & ~1u) | bit;
		if (elf_view_maybe_has(view, whole) && chain_has(view, whole))
			return true;
	}
	return false;
}
