/* SPDX-License-Identifier: MIT */
/*
 * Arenas for small images. A chunk is one anonymous mapping from which slots are cut one
 * after the other; a released slot loses its memory at once and waits, in a list of its
 * size, for an image of the same size. A chunk goes with its last slot, but
 * for the one that slots are cut from.
 */
#include "link/arena.h"

#include <sys/mman.h>

#define CHUNK_BYTES ((uint64_t)2 << 20)
#define SIZES       (LINK_ARENA_SLOT_LIMIT / 4096 + 1)

struct chunk {
	uintptr_t address;
	uint64_t used; /* bytes cut off so far; the rest is writable and untouched */
	unsigned live;
	struct link_arena_slot *slots; /* all that were cut */
};

struct link_arena_slot {
	struct chunk *chunk;
	uintptr_t address;
	uint64_t bytes;
	struct link_arena_slot *next_of_chunk;
	struct link_arena_slot *next_free, *previous_free; /* while released */
};

static struct chunk *current;                     /* slots are cut from it */
static struct link_arena_slot *free_slots[SIZES]; /* by pages */
static _Atomic uint64_t total_bytes;

uint64_t link_arena_bytes(void)
{
	return atomic_load(&total_bytes);
}

uintptr_t link_arena_address(const struct link_arena_slot *slot)
{
	return slot->address;
}

static void unlist(struct link_arena_slot *slot)
{
	if (slot->previous_free)
		slot->previous_free->next_free = slot->next_free;
	else
		free_slots[slot->bytes / BASE_PAGE_BYTES] = slot->next_free;
	if (slot->next_free)
		slot->next_free->previous_free = slot->previous_free;
	slot->next_free = slot->previous_free = NULL;
}

static void free_chunk(struct chunk *chunk)
{
	while (chunk->slots) {
		struct link_arena_slot *slot = chunk->slots;
		chunk->slots = slot->next_of_chunk;
		unlist(slot);
		base_free(slot);
	}
	base_sys_munmap((void *)chunk->address, CHUNK_BYTES);
	atomic_fetch_sub(&total_bytes, CHUNK_BYTES);
	if (current == chunk)
		current = NULL;
	base_free(chunk);
}

static int new_chunk(void)
{
	void *at;
	struct chunk *chunk = base_zalloc(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	int result = base_sys_mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &at);
	if (result) {
		base_free(chunk);
		return result;
	}
	chunk->address = (uintptr_t)at;
	atomic_fetch_add(&total_bytes, CHUNK_BYTES);
	/* An empty chunk that is left behind would never be freed. */
	if (current && current->live == 0)
		free_chunk(current);
	current = chunk;
	return 0;
}

static int reuse(struct link_arena_slot *slot)
{
	int result = base_sys_mprotect(
		(void *)slot->address, slot->bytes, PROT_READ | PROT_WRITE);
	if (result)
		return result;
	unlist(slot);
	slot->chunk->live++;
	return 0;
}

int link_arena_allocate(uint64_t bytes, struct link_arena_slot **out)
{
	int result;
	if ((*out = free_slots[bytes / BASE_PAGE_BYTES]))
		return reuse(*out);
	if (!current || current->used + bytes > CHUNK_BYTES) {
		result = new_chunk();
		if (result)
			return result;
	}
	struct link_arena_slot *slot = base_zalloc(sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	slot->chunk = current;
	slot->address = current->address + current->used;
	slot->bytes = bytes;
	slot->next_of_chunk = current->slots;
	current->slots = slot;
	current->used += bytes;
	current->live++;
	*out = slot;
	return 0;
}

void link_arena_release(struct link_arena_slot *slot)
{
	struct chunk *chunk = slot->chunk;
	struct link_arena_slot **list = &free_slots[slot->bytes / BASE_PAGE_BYTES];
	void *at = (void *)slot->address;
	slot->previous_free = NULL;
	slot->next_free = *list;
	if (*list)
		(*list)->previous_free = slot;
	*list = slot;
	/* The current chunk stays, so that loading one plugin again and again is cheap.
	 */
	if (--chunk->live == 0 && chunk != current) {
		free_chunk(chunk);
		return;
	}
	/* Drops the memory and the right to it in one call; an undo must not fail, so a
	 * process without room for one more mapping keeps the slot readable at most. */
	if (mmap(at, slot->bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == at)
		return;
	madvise(at, slot->bytes, MADV_DONTNEED);
	mprotect(at, slot->bytes, PROT_READ);
}
