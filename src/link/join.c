/* SPDX-License-Identifier: MIT */
/*
 * Finding many names in a large scope at once, without an index of the scope: the names
 * that one image lacks go into a small table, and one walk over the hash chains of the
 * scope's images meets them. A walk reads four bytes for each definition, in order, where
 * asking each image for each name would read a filter each time.
 */
#include "link/bind.h"

struct slot {
	uint32_t key;      /* hash | 1; 0: empty */
	uint32_t position; /* in the scope, from 1; 0: nobody has defined it yet */
	uint32_t symbol;
};

#define FILTER_WORDS 4096 /* 32 KiB: it stays in the first-level cache */

struct link_join {
	uint32_t mask;
	uint64_t filter[FILTER_WORDS];
	struct slot slots[];
};

static uint32_t spread(uint32_t key)
{
	return key * 0x9e3779b1u;
}

static uint64_t *filter_word(struct link_join *join, uint32_t spread_key)
{
	return &join->filter[spread_key >> 20]; /* twelve bits: 4096 words */
}

static void want(struct link_join *join, uint32_t hash)
{
	uint32_t key = hash | 1, s = spread(key), at = s >> 7 & join->mask;
	*filter_word(join, s) |= (uint64_t)1 << (s >> 14 & 63);
	while (join->slots[at].key && join->slots[at].key != key)
		at = (at + 1) & join->mask;
	join->slots[at].key = key;
}

/* The first definition of each hash counts: images are met in the scope's order. */
static void meet(
	struct link_join *join, uint32_t hash, uint32_t position, uint32_t symbol)
{
	uint32_t key = hash | 1, s = spread(key), at = s >> 7 & join->mask;
	if (base_likely(!(*filter_word(join, s) >> (s >> 14 & 63) & 1)))
		return;
	while (join->slots[at].key && join->slots[at].key != key)
		at = (at + 1) & join->mask;
	if (join->slots[at].key && join->slots[at].position == 0) {
		join->slots[at].position = position;
		join->slots[at].symbol = symbol;
	}
}

static void want_undefined(struct link_join *join, const struct elf_view *view)
{
	uint64_t count =
		view->has_gnu_hash ? view->gnu.symbol_offset : view->symbol_count;
	for (uint64_t i = 1; i < count && i < view->symbol_limit; i++) {
		const Elf64_Sym *symbol = &view->symbols[i];
		uint64_t at = symbol->st_name;
		if (symbol->st_shndx != SHN_UNDEF || at >= view->string_bytes)
			continue;
		const char *name = view->strings + at;
		want(join, base_gnu_hash(name, strnlen(name, view->string_bytes - at)));
	}
}

/* Images without a GNU hash are asked one by one: link_join_find says so by -1. */
static bool meet_scope(struct link_join *join, const struct link_scope *scope)
{
	bool whole = true;
	for (unsigned i = 0; i < scope->count; i++) {
		const struct elf_view *view = &scope->images[i]->view;
		const struct elf_gnu_hash *gnu = &view->gnu;
		whole &= view->has_gnu_hash;
		for (uint64_t k = 0; view->has_gnu_hash && k < gnu->chain_count; k++)
			meet(join, gnu->chains[k], i + 1,
				gnu->symbol_offset + (uint32_t)k);
	}
	return whole;
}

struct link_join *link_join_new(
	const struct link_image *image, const struct link_scope *scope)
{
	const struct elf_view *view = &image->view;
	uint64_t names =
		view->has_gnu_hash ? view->gnu.symbol_offset : view->symbol_count;
	uint64_t slots = 64;
	while (slots < 2 * names)
		slots *= 2;
	if (slots > UINT32_MAX)
		return NULL;
	struct link_join *join = base_zalloc(sizeof(*join) + slots * sizeof(struct slot));
	if (!join)
		return NULL;
	join->mask = (uint32_t)slots - 1;
	want_undefined(join, view);
	if (!meet_scope(join, scope)) {
		base_free(join);
		return NULL;
	}
	return join;
}

void link_join_free(struct link_join *join)
{
	base_free(join);
}

int link_join_find(const struct link_join *join, const struct link_scope *scope,
	uint32_t hash, struct link_image **image, uint32_t *symbol)
{
	uint32_t key = hash | 1, at = spread(key) >> 7 & join->mask;
	while (join->slots[at].key && join->slots[at].key != key)
		at = (at + 1) & join->mask;
	if (!join->slots[at].key)
		return -1; /* was not asked for */
	if (!join->slots[at].position)
		return 0;
	*image = scope->images[join->slots[at].position - 1];
	*symbol = join->slots[at].symbol;
	return 1;
}
