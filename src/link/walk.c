/* SPDX-License-Identifier: MIT */
/*
 * Walking a scope for many names side by side. Each name leads through five places of
 * memory that nobody has touched lately: a filter, a bucket, a chain, a symbol, a string.
 * One name after the other waits for each; here all names of a block take a step, and
 * what the next step reads is fetched meanwhile. What comes out is the first definition
 * of the name's hash in the scope; names and versions are compared by resolve.c.
 */
#include "link/bind.h"

/* Images whose filter says yes and whose chain says no, before a name is given up. */
#define ROUNDS 4

static int add_probe(struct link_binder *b, unsigned *capacity, struct link_image *image)
{
	const struct elf_gnu_hash *gnu = image ? &image->view.gnu : NULL;
	if (!image)
		return 0;
	if (!image->view.has_gnu_hash)
		return -ENOTSUP; /* walked one name at a time */
	if (base_grow(&b->probes, b->probe_count, capacity, sizeof(*b->probes)))
		return -ENOMEM;
	b->probes[b->probe_count++] = (struct link_probe){ gnu->bloom,
		gnu->bloom_words - 1, gnu->bloom_shift, image };
	return 0;
}

static int add_globals(
	struct link_binder *b, unsigned *capacity, const struct link_globals *globals)
{
	unsigned count = globals ? link_globals_count(globals) : 0;
	int result = 0;
	for (unsigned i = 0; !result && i < count; i++)
		result = add_probe(b, capacity, link_globals_at(globals, i));
	return result;
}

void link_walk_begin(struct link_binder *b)
{
	const struct link_scope *scope = b->scope;
	unsigned capacity = 0;
	int result = scope->local_first ? 0 : add_globals(b, &capacity, scope->globals);
	for (unsigned i = 0; !result && i < scope->count; i++)
		result = add_probe(b, &capacity, scope->images[i]);
	if (!result && scope->local_first)
		result = add_globals(b, &capacity, scope->globals);
	if (result)
		link_walk_end(b); /* slower, but as right */
}

void link_walk_end(struct link_binder *b)
{
	base_free(b->probes);
	b->probes = NULL;
	b->probe_count = 0;
}

/* On to the next image that may define the name; its bucket is fetched. */
static void step_to_image(const struct link_binder *b, struct link_ahead *ahead)
{
	uint32_t hash = ahead->hash;
	unsigned at = ahead->probe;
	for (; at < b->probe_count; at++) {
		const struct link_probe *probe = &b->probes[at];
		uint64_t word = probe->bloom[hash / 64 & probe->mask];
		if (word >> (hash & 63) & word >> (hash >> probe->shift & 63) & 1)
			break;
	}
	ahead->probe = at;
	if (at == b->probe_count) {
		ahead->state = LINK_AHEAD_NOWHERE;
		return;
	}
	__builtin_prefetch(elf_gnu_bucket(&b->probes[at].image->view, hash));
}

static void step_to_chain(const struct link_binder *b, struct link_ahead *ahead)
{
	const struct elf_view *view = &b->probes[ahead->probe].image->view;
	ahead->index = *elf_gnu_bucket(view, ahead->hash);
	const uint32_t *chain = elf_gnu_chain(view, ahead->index);
	if (chain)
		__builtin_prefetch(chain);
}

/* Finds the symbol of the chain that has the hash, and fetches it; else on, next round.
 */
static void step_to_symbol(const struct link_binder *b, struct link_ahead *ahead)
{
	struct link_image *image = b->probes[ahead->probe].image;
	uint32_t index = elf_gnu_chain_find(&image->view, ahead->index, ahead->hash);
	if (index == 0) {
		ahead->probe++;
		return;
	}
	ahead->image = image;
	ahead->index = index;
	ahead->state = LINK_AHEAD_FOUND;
	__builtin_prefetch(&image->view.symbols[index]);
	if (image->view.versym)
		__builtin_prefetch(&image->view.versym[index]);
}

void link_walk_ahead(struct link_binder *b, unsigned n)
{
	static void (*const steps[])(const struct link_binder *,
		struct link_ahead *) = { step_to_image, step_to_chain, step_to_symbol };
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned s = 0; s < base_array_count(steps); s++)
			for (unsigned i = 0; i < n; i++)
				if (b->ahead[i].has_name &&
					b->ahead[i].state == LINK_AHEAD_SEARCHING)
					steps[s](b, &b->ahead[i]);
}
