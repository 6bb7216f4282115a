/* SPDX-License-Identifier: MIT */
/* Memory that is given back all at once, and text that grows: what depmod collects in. */
#include "index/write.h"

struct index_arena_chunk {
	struct index_arena_chunk *before;
	size_t bytes;
	_Alignas(8) char memory[];
};
#define CHUNK_BYTES ((size_t)256 << 10)

void *index_arena_alloc(struct index_arena *arena, size_t bytes)
{
	struct index_arena_chunk *chunk = arena->last;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = base_align_up(bytes, 8);
	if (!chunk || bytes > chunk->bytes - arena->used) {
		size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES - sizeof(*chunk);
		chunk = base_alloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->before = arena->last;
		chunk->bytes = room;
		arena->last = chunk;
		arena->used = 0;
	}
	void *found = chunk->memory + arena->used;
	arena->used += bytes;
	return found;
}

char *index_arena_copy(struct index_arena *arena, const char *text, size_t length)
{
	char *copy = index_arena_alloc(arena, length + 1);
	if (copy) {
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	return copy;
}

void index_arena_free(struct index_arena *arena)
{
	for (struct index_arena_chunk *c = arena->last, *before; c; c = before) {
		before = c->before;
		base_free(c);
	}
	*arena = (struct index_arena){ 0 };
}

void index_text_add(struct index_text *text, const void *bytes, size_t count)
{
	if (text->failed || count == 0)
		return;
	if (count > text->capacity - text->count) {
		size_t capacity = (text->capacity + count) * 2;
		char *grown = base_realloc(text->bytes, capacity);
		if (!grown) {
			text->failed = true;
			return;
		}
		text->bytes = grown;
		text->capacity = capacity;
	}
	memcpy(text->bytes + text->count, bytes, count);
	text->count += count;
}

void index_text_string(struct index_text *text, const char *string)
{
	index_text_add(text, string, strlen(string));
}

void index_text_byte(struct index_text *text, char byte)
{
	index_text_add(text, &byte, 1);
}

void index_text_be32(struct index_text *text, uint32_t value)
{
	const uint8_t bytes[4] = { value >> 24, value >> 16, value >> 8, value };
	index_text_add(text, bytes, sizeof(bytes));
}

void index_text_free(struct index_text *text)
{
	base_free(text->bytes);
	*text = (struct index_text){ 0 };
}
