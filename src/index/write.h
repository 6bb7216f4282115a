/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: the writing side of index files: text that grows in memory, tries made from
 * lists of keys, and files that appear whole or not at all. One thread each.
 */
#ifndef UMOD_INDEX_WRITE_H
#define UMOD_INDEX_WRITE_H

#include "index/format.h"

/* ---- memory that is given back at once (arena.c) ---- */

struct index_arena {
	struct index_arena_chunk *last;
	size_t used;
};
/* 8-byte aligned, not zeroed; NULL: no memory. */
void *index_arena_alloc(struct index_arena *arena, size_t bytes);
char *index_arena_copy(struct index_arena *arena, const char *text, size_t length);
void index_arena_free(struct index_arena *arena);

/* ---- text (arena.c) ---- */

/* Zeroed: empty. Once memory ran out it stays failed, and grows no more. */
struct index_text {
	char *bytes;
	size_t count, capacity;
	bool failed;
};
void index_text_add(struct index_text *text, const void *bytes, size_t count);
void index_text_string(struct index_text *text, const char *string);
void index_text_byte(struct index_text *text, char byte);
void index_text_be32(struct index_text *text, uint32_t value);
void index_text_free(struct index_text *text);

/* ---- tries (write.c) ---- */

/* A key with a value; strings are borrowed. */
struct index_entry {
	const char *key, *value;
	uint32_t priority;
	uint32_t sequence; /* set by index_entries_add */
};
struct index_entries {
	struct index_entry *items;
	unsigned count, capacity;
};
/*
 * Adds an entry. 0; -ENOMEM; -EILSEQ: not ASCII, which the format cannot hold;
 * -ENAMETOOLONG: a key of INDEX_NAME_BYTES or more.
 */
int index_entries_add(struct index_entries *entries, const char *key, const char *value,
	uint32_t priority);
/*
 * Appends the index file of the entries to @text, byte for byte what kmod 30 makes of
 * them when it is given them in this order. Sorts the entries. 0, -ENOMEM, or -EFBIG:
 * more than the format's offsets can reach.
 */
int index_entries_write(struct index_entries *entries, struct index_text *text);
void index_entries_free(struct index_entries *entries);

#endif
