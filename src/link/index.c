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

struct entry {
	_Atomic uint32_t key; /* hash | 1; 0: empty */
	uint32_t image;       /* slot in images */
	uint32_t symbol;
	_Atomic uint32_t next; /* in more[], from 1: the next image with this hash */
};

struct table {
	uint32_t mask, used;
	uint32_t more_count, more_capacity;
	size_t bytes;
	struct entry *slots, *more;
	uint32_t *tails; /* by slot: last of its chain in more[], to append in one step */
	unsigned image_capacity;
	unsigned image_count;                 /* slots given out */
	_Atomic(struct link_image *) *images; /* by slot, from 1 */
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
	for (unsigned i = 1; table && i <= table->image_count; i++) {
		struct link_image *image = table->images[i];
		if (image)
			image->index_slot[index->kind] = 0;
	}
	free_table(table);
	base_free(index);
}

static struct table *new_table(uint64_t entries, unsigned images)
{
	uint64_t slots = 64;
	while (slots * 3 / 4 < entries)
		slots *= 2;
	uint64_t more = slots / 4 + 16;
	size_t bytes = sizeof(struct table) + (slots + more) * sizeof(struct entry) +
		       slots * sizeof(uint32_t) +
		       (images + 1) * sizeof(struct link_image *);
	bytes = base_align_up(bytes, BASE_PAGE_BYTES);
	void *memory;
	if (slots > UINT32_MAX / 2 ||
		base_sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &memory))
		return NULL;
	struct table *table = memory;
	table->bytes = bytes;
	table->mask = (uint32_t)slots - 1;
	table->more_capacity = (uint32_t)more;
	table->image_capacity = images;
	table->images = (void *)(table + 1);
	table->slots = (void *)(table->images + images + 1);
	table->more = table->slots + slots;
	table->tails = (void *)(table->more + more);
	return table;
}

static uint32_t place(const struct table *table, uint32_t key)
{
	return (uint32_t)((key * 0x9e3779b1u) >> 7) & table->mask;
}

static void fill(struct entry *entry, uint32_t image, uint32_t symbol)
{
	entry->symbol = symbol;
	atomic_store_explicit(&entry->next, 0, memory_order_relaxed);
	entry->image = image;
}

/* False when the table has no room. */
static bool insert(struct table *table, uint32_t hash, uint32_t image, uint32_t symbol)
{
	uint32_t key = hash | 1, at = place(table, key);
	for (;; at = (at + 1) & table->mask) {
		struct entry *slot = &table->slots[at];
		uint32_t found = atomic_load_explicit(&slot->key, memory_order_relaxed);
		if (found == 0) {
			if (table->used >= (table->mask + 1) / 4 * 3)
				return false;
			fill(slot, image, symbol);
			atomic_store_explicit(&slot->key, key, memory_order_release);
			table->used++;
			break;
		}
		if (found != key)
			continue;
		if (table->more_count == table->more_capacity)
			return false;
		uint32_t last = table->tails[at];
		struct entry *next = &table->more[table->more_count++];
		fill(next, image, symbol);
		atomic_store_explicit(last ? &table->more[last - 1].next : &slot->next,
			table->more_count, memory_order_release);
		table->tails[at] = table->more_count;
		break;
	}
	return true;
}

/* Enters every definition of @image that others can bind to. False: no room. */
static bool insert_all(struct table *table, const struct link_image *image, uint32_t slot)
{
	const struct elf_view *view = &image->view;
	const struct elf_gnu_hash *gnu = &view->gnu;
	if (view->has_gnu_hash) {
		uint64_t count = view->symbol_count > gnu->symbol_offset
					 ? view->symbol_count - gnu->symbol_offset
					 : 0;
		for (uint64_t i = 0; i < count && i < gnu->chain_count; i++)
			if (!insert(table, gnu->chains[i], slot,
				    gnu->symbol_offset + (uint32_t)i))
				return false;
		return true;
	}
	for (uint32_t i = 1; i < view->symbol_count; i++) {
		const char *name = elf_view_string(view, view->symbols[i].st_name);
		if (!name || !elf_symbol_is_definition(&view->symbols[i]))
			continue;
		size_t length = strnlen(
			name, view->string_bytes - (uint64_t)(name - view->strings));
		if (!insert(table, base_gnu_hash(name, length), slot, i))
			return false;
	}
	return true;
}

static uint64_t definition_count(const struct link_image *image)
{
	const struct elf_view *view = &image->view;
	if (view->has_gnu_hash)
		return view->symbol_count > view->gnu.symbol_offset
			       ? view->symbol_count - view->gnu.symbol_offset
			       : 0;
	return view->symbol_count;
}

/* Images of @old, in order and without gaps, into @table. False: no room. */
static bool copy_images(struct table *table, const struct table *old)
{
	for (unsigned i = 1; old && i <= old->image_count; i++) {
		if (!old->images[i])
			continue;
		unsigned slot = ++table->image_count;
		table->images[slot] = old->images[i];
		if (!insert_all(table, old->images[i], slot))
			return false;
	}
	return true;
}

/* A new table with room for @more entries and a few images. */
static int rebuild(struct link_index *index, uint64_t more)
{
	struct table *old = atomic_load(&index->table);
	uint64_t want = index->live + more;
	unsigned images = 0;
	for (unsigned i = 1; old && i <= old->image_count; i++)
		images += old->images[i] != NULL;
	for (;; want *= 2) { /* twice, where very many images share their names */
		struct table *table = new_table(want + want / 2, 2 * images + 16);
		if (!table)
			return -ENOMEM;
		if (!copy_images(table, old)) {
			free_table(table);
			continue;
		}
		for (unsigned i = 1; i <= table->image_count; i++)
			table->images[i]->index_slot[index->kind] = i;
		atomic_store_explicit(&index->table, table, memory_order_release);
		index->dead = 0;
		if (old)
			base_reader_wait();
		free_table(old);
		return 0;
	}
}

int link_index_add(struct link_index *index, struct link_image *image)
{
	struct table *table = atomic_load_explicit(&index->table, memory_order_relaxed);
	uint64_t count = definition_count(image), room = count;
	int result = 0;
	if (image->index_slot[index->kind] || image->home == LINK_HOME_SYMBOLS)
		return 0;
	if (!table || table->used + count > (table->mask + 1ull) / 4 * 3 ||
		table->image_count == table->image_capacity ||
		index->dead > index->live + 1024)
		result = rebuild(index, room);
	while (!result) {
		table = atomic_load_explicit(&index->table, memory_order_relaxed);
		unsigned slot = ++table->image_count;
		table->images[slot] = image;
		if (insert_all(table, image, slot)) {
			image->index_slot[index->kind] = slot;
			index->live += count;
			return 0;
		}
		table->images[slot] = NULL; /* what went in finds nothing */
		room *= 2;
		result = rebuild(index, room);
	}
	return result;
}

/* Only the image's slot is emptied: its entries go when the table is next rebuilt. */
void link_index_remove(struct link_index *index, struct link_image *image)
{
	struct table *table = index ? atomic_load(&index->table) : NULL;
	if (!table || !image->index_slot[index->kind])
		return;
	uint64_t count = definition_count(image);
	atomic_store_explicit(&table->images[image->index_slot[index->kind]], NULL,
		memory_order_release);
	image->index_slot[index->kind] = 0;
	index->live -= count;
	index->dead += count;
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
	const struct entry *entry;
	uint32_t key = hash | 1, found;
	if (!table) {
		table = atomic_load_explicit(&index->table, memory_order_acquire);
		if (!table)
			return NULL;
		uint32_t at = place(table, key);
		while ((found = atomic_load_explicit(
				&table->slots[at].key, memory_order_acquire)) &&
			found != key)
			at = (at + 1) & table->mask;
		entry = found ? &table->slots[at] : NULL;
		cursor->table = table;
	} else {
		entry = cursor->next ? &table->more[cursor->next - 1] : NULL;
	}
	while (entry) {
		uint32_t next = atomic_load_explicit(&entry->next, memory_order_acquire);
		struct link_image *image = atomic_load_explicit(
			&table->images[entry->image], memory_order_acquire);
		if (image) {
			cursor->next = next;
			*symbol_index = entry->symbol;
			return image;
		}
		entry = next ? &table->more[next - 1] : NULL;
	}
	cursor->next = 0;
	return NULL;
}
