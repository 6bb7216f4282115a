/* SPDX-License-Identifier: MIT */
/*
 * One hash table for the definitions of many images: finding a name costs the same in a
 * scope of two images and of ten thousand. Hashes come from the images' own hash chains,
 * whose bit 0 is their end mark: keys leave it out, and no name is read to build.
 *
 * Readers take no lock. An entry is filled before its key is published; a table that is
 * full is replaced, and freed when no reader can see it.
 */
#include "link/link.h"

#include <sys/mman.h>

/* Entries of one key that are kept; more of them are found by walking the scope. */
#define SAME_KEY 8
/* Symbols of an image are numbered from a multiple of this on. */
#define NUMBER_SHIFT  9
#define BLOCK_SYMBOLS (1u << NUMBER_SHIFT)

struct entry {
	_Atomic uint32_t key; /* hash | 1; 0: empty */
	uint32_t number;      /* of the symbol */
};

/* An image's symbols have the numbers from its first block on. */
struct block {
	_Atomic(struct link_image *) image; /* NULL: removed */
	uint32_t first;                     /* its first block */
};

struct table {
	uint32_t mask, used;
	unsigned block_count, block_capacity;
	size_t bytes;
	struct entry *slots;
	struct block *blocks;
	uint64_t *shared; /* a bit by number: the hash of this symbol is not its alone */
};

struct link_index {
	enum link_index_kind kind;
	_Atomic(struct table *) table;
	uint64_t live,
		dead; /* entries of images that are there, and of those that went */
};

struct link_index *link_index_new(enum link_index_kind kind)
{
	struct link_index *index = base_zalloc(sizeof(*index));
	if (index)
		index->kind = kind;
	return index;
}

static void free_table(struct table *table)
{
	if (table)
		base_sys_munmap(table, table->bytes);
}

void link_index_free(struct link_index *index)
{
	if (!index)
		return;
	struct table *table = atomic_load(&index->table);
	for (unsigned i = 0; table && i < table->block_count; i++) {
		struct link_image *image = table->blocks[i].image;
		if (image)
			image->index_slot[index->kind] = 0;
	}
	free_table(table);
	base_free(index);
}

static struct table *new_table(uint64_t entries, uint64_t blocks)
{
	uint64_t slots = 64;
	while (slots * 3 / 4 < entries)
		slots *= 2;
	size_t bytes = sizeof(struct table) + slots * sizeof(struct entry) +
		       blocks * (sizeof(struct block) + BLOCK_SYMBOLS / 8);
	bytes = base_align_up(bytes, BASE_PAGE_BYTES);
	void *memory;
	if (slots > UINT32_MAX / 2 || blocks > UINT32_MAX >> NUMBER_SHIFT ||
		base_sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			/* All of it is touched: at once is cheaper than page by page. */
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0, &memory))
		return NULL;
	struct table *table = memory;
	table->bytes = bytes;
	table->mask = (uint32_t)slots - 1;
	table->block_capacity = (unsigned)blocks;
	table->slots = (void *)(table + 1);
	table->blocks = (void *)(table->slots + slots);
	table->shared = (void *)(table->blocks + blocks);
	return table;
}

static uint32_t place(const struct table *table, uint32_t key)
{
	return (uint32_t)((key * 0x9e3779b1u) >> 7) & table->mask;
}

static void set_shared(struct table *table, uint32_t number)
{
	table->shared[number / 64] |= (uint64_t)1 << number % 64;
}

/* False when the table has no room. */
static bool insert(struct table *table, uint32_t hash, uint32_t number)
{
	uint32_t key = hash | 1, at = place(table, key), found;
	unsigned same = 0;
	while ((found = atomic_load_explicit(
			&table->slots[at].key, memory_order_relaxed))) {
		if (found == key) {
			set_shared(table, table->slots[at].number);
			set_shared(table, number);
			if (++same == SAME_KEY)
				return true;
		}
		at = (at + 1) & table->mask;
	}
	if (table->used >= (table->mask + 1ull) / 4 * 3)
		return false;
	table->slots[at].number = number;
	atomic_store_explicit(&table->slots[at].key, key, memory_order_release);
	table->used++;
	return true;
}

/* Numbers the symbols of @image and enters its definitions. False: no room. */
static bool insert_image(struct table *table, struct link_image *image)
{
	const struct elf_view *view = &image->view;
	const struct elf_gnu_hash *gnu = &view->gnu;
	uint64_t blocks = (view->symbol_count >> NUMBER_SHIFT) + 1;
	uint32_t first = table->block_count;
	if (table->block_capacity - first < blocks)
		return false;
	for (uint64_t i = 0; i < blocks; i++) {
		table->blocks[first + i].first = first;
		atomic_store_explicit(
			&table->blocks[first + i].image, image, memory_order_release);
	}
	table->block_count += (unsigned)blocks;
	uint32_t number = first << NUMBER_SHIFT;
	if (view->has_gnu_hash) {
		number += gnu->symbol_offset;
		for (uint64_t i = 0; i < gnu->chain_count; i++)
			if (!insert(table, gnu->chains[i], number + (uint32_t)i))
				return false;
		return true;
	}
	for (uint32_t i = 1; i < view->symbol_count; i++) {
		const char *name = elf_view_string(view, view->symbols[i].st_name);
		if (!name || !elf_symbol_is_definition(&view->symbols[i]))
			continue;
		size_t length = strnlen(
			name, view->string_bytes - (uint64_t)(name - view->strings));
		if (!insert(table, base_gnu_hash(name, length), number + i))
			return false;
	}
	return true;
}

static uint64_t definition_count(const struct link_image *image)
{
	const struct elf_view *view = &image->view;
	return view->has_gnu_hash ? view->gnu.chain_count : view->symbol_count;
}

static uint64_t block_count(const struct link_image *image)
{
	return (image->view.symbol_count >> NUMBER_SHIFT) + 1;
}

/* Images of @old, in order, into @table. False: no room. */
static bool copy_images(struct table *table, const struct table *old)
{
	for (unsigned i = 0; old && i < old->block_count; i++) {
		struct link_image *image = old->blocks[i].image;
		if (image && old->blocks[i].first == i && !insert_image(table, image))
			return false;
	}
	return true;
}

/* A new table with room for @entries and @blocks more, and some to spare. */
static int rebuild(struct link_index *index, uint64_t entries, uint64_t blocks)
{
	struct table *old = atomic_load(&index->table);
	uint64_t want = index->live + entries;
	for (unsigned i = 0; old && i < old->block_count; i++)
		blocks += old->blocks[i].image != NULL;
	struct table *table = new_table(want + want / 4, 2 * blocks + 16);
	if (!table || !copy_images(table, old)) {
		free_table(table);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < table->block_count; i++)
		if (table->blocks[i].first == i)
			table->blocks[i].image->index_slot[index->kind] = i + 1;
	atomic_store_explicit(&index->table, table, memory_order_release);
	index->dead = 0;
	if (old)
		base_reader_wait();
	free_table(old);
	return 0;
}

static bool has_room(const struct link_index *index, uint64_t entries, uint64_t blocks)
{
	const struct table *table =
		atomic_load_explicit(&index->table, memory_order_relaxed);
	return table && table->used + entries <= (table->mask + 1ull) / 4 * 3 &&
	       table->block_capacity - table->block_count >= blocks &&
	       index->dead <= index->live + 1024;
}

int link_index_reserve(struct link_index *index, struct link_image *const *images,
	unsigned count, const struct link_image *except)
{
	uint64_t entries = 0, blocks = 0;
	for (unsigned i = 0; i < count; i++)
		if (images[i] != except && !images[i]->index_slot[index->kind]) {
			entries += definition_count(images[i]);
			blocks += block_count(images[i]);
		}
	return has_room(index, entries, blocks) ? 0 : rebuild(index, entries, blocks);
}

int link_index_add(struct link_index *index, struct link_image *image)
{
	uint64_t count = definition_count(image);
	if (image->index_slot[index->kind] || image->home == LINK_HOME_SYMBOLS)
		return 0;
	if (!has_room(index, count, block_count(image))) {
		int result = rebuild(index, count, block_count(image));
		if (result)
			return result;
	}
	struct table *table = atomic_load_explicit(&index->table, memory_order_relaxed);
	uint32_t first = table->block_count;
	if (!insert_image(table, image))
		return -ENOMEM; /* cannot be: there was room */
	image->index_slot[index->kind] = first + 1;
	index->live += count;
	return 0;
}

/* Only the image's blocks are emptied: its entries go when the table is next rebuilt. */
void link_index_remove(struct link_index *index, struct link_image *image)
{
	struct table *table = index ? atomic_load(&index->table) : NULL;
	if (!table || !image->index_slot[index->kind])
		return;
	uint32_t first = image->index_slot[index->kind] - 1;
	for (uint64_t i = 0; i < block_count(image); i++)
		atomic_store_explicit(
			&table->blocks[first + i].image, NULL, memory_order_release);
	image->index_slot[index->kind] = 0;
	index->live -= definition_count(image);
	index->dead += definition_count(image);
}

bool link_index_is_shared(
	const struct link_index *index, const struct link_image *image, uint32_t symbol)
{
	const struct table *table =
		atomic_load_explicit(&index->table, memory_order_acquire);
	uint32_t number = ((image->index_slot[index->kind] - 1) << NUMBER_SHIFT) + symbol;
	return !image->index_slot[index->kind] || symbol >= image->view.symbol_count ||
	       table->shared[number / 64] >> number % 64 & 1;
}

void link_index_prefetch(const struct link_index *index, uint32_t hash)
{
	const struct table *table =
		atomic_load_explicit(&index->table, memory_order_relaxed);
	if (table)
		__builtin_prefetch(&table->slots[place(table, hash | 1)]);
}

struct link_image *link_index_next(const struct link_index *index, uint32_t hash,
	struct link_index_cursor *cursor, uint32_t *symbol_index)
{
	const struct table *table = cursor->table;
	uint32_t key = hash | 1, found;
	if (!table) {
		table = atomic_load_explicit(&index->table, memory_order_acquire);
		if (!table)
			return NULL;
		cursor->table = table;
		cursor->at = place(table, key);
	}
	while ((found = atomic_load_explicit(
			&table->slots[cursor->at].key, memory_order_acquire))) {
		uint32_t number = table->slots[cursor->at].number;
		cursor->at = (cursor->at + 1) & table->mask;
		if (found != key)
			continue;
		cursor->overflow = ++cursor->same == SAME_KEY;
		const struct block *block = &table->blocks[number >> NUMBER_SHIFT];
		struct link_image *image =
			atomic_load_explicit(&block->image, memory_order_acquire);
		if (image) {
			*symbol_index = number - (block->first << NUMBER_SHIFT);
			return image;
		}
	}
	return NULL;
}
