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
	unsigned count, capacity;
	struct link_join_name *names; /* of the image's symbols, as far as they lack */
	uint64_t name_count;
	struct link_image **images; /* in the order in which the scope is searched */
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
		size_t length = strnlen(name, view->string_bytes - at);
		join->names[i].hash = base_gnu_hash(name, length);
		join->names[i].length = (uint32_t)length;
		want(join, join->names[i].hash);
	}
}

static int add_image(struct link_join *join, struct link_image *image)
{
	if (!image)
		return 0;
	if (!image->view.has_gnu_hash)
		return -ENOTSUP; /* its names would have to be hashed */
	if (base_grow(&join->images, join->count, &join->capacity, sizeof(*join->images)))
		return -ENOMEM;
	join->images[join->count++] = image;
	return 0;
}

static int add_globals(struct link_join *join, const struct link_globals *globals)
{
	unsigned count = globals ? link_globals_count(globals) : 0;
	int result = 0;
	for (unsigned i = 0; !result && i < count; i++)
		result = add_image(join, link_globals_at(globals, i));
	return result;
}

static int meet_scope(struct link_join *join, const struct link_scope *scope)
{
	int result = scope->local_first ? 0 : add_globals(join, scope->globals);
	for (unsigned i = 0; !result && i < scope->count; i++)
		result = add_image(join, scope->images[i]);
	if (!result && scope->local_first)
		result = add_globals(join, scope->globals);
	for (unsigned i = 0; !result && i < join->count; i++) {
		const struct elf_gnu_hash *gnu = &join->images[i]->view.gnu;
		for (uint64_t k = 0; k < gnu->chain_count; k++)
			meet(join, gnu->chains[k], i + 1,
				gnu->symbol_offset + (uint32_t)k);
	}
	return result;
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
	join->name_count = names;
	join->names = base_array(names + 1, sizeof(*join->names));
	if (!join->names) {
		link_join_free(join);
		return NULL;
	}
	want_undefined(join, view);
	if (meet_scope(join, scope)) {
		link_join_free(join);
		return NULL;
	}
	return join;
}

void link_join_free(struct link_join *join)
{
	if (join) {
		base_free(join->images);
		base_free(join->names);
	}
	base_free(join);
}

int link_join_find(const struct link_join *join, uint32_t hash, struct link_image **image,
	uint32_t *symbol)
{
	uint32_t key = hash | 1, at = spread(key) >> 7 & join->mask;
	while (join->slots[at].key && join->slots[at].key != key)
		at = (at + 1) & join->mask;
	if (!join->slots[at].key)
		return -1; /* was not asked for */
	if (!join->slots[at].position)
		return 0;
	*image = join->images[join->slots[at].position - 1];
	*symbol = join->slots[at].symbol;
	return 1;
}

const struct link_join_name *link_join_name(const struct link_join *join, uint32_t symbol)
{
	return symbol < join->name_count && join->names[symbol].length
		       ? &join->names[symbol]
		       : NULL;
}
