/* SPDX-License-Identifier: MIT */
/*
 * Strings that go together: chunks that only grow, freed at once. The owner of the pool
 * holds whatever lock is needed; there is none here.
 */
#include "index/index.h"

#define CHUNK_BYTES 4000

struct index_chunk {
	struct index_chunk *before;
	size_t used;
	char bytes[];
};

char *index_pool_copy(struct index_pool *pool, const char *text, size_t length)
{
	if (length >= SIZE_MAX / 2)
		return NULL;
	if (!pool->last || pool->left <= length) {
		size_t room = length < CHUNK_BYTES ? CHUNK_BYTES : length + 1;
		struct index_chunk *chunk = base_alloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->before = pool->last;
		chunk->used = 0;
		pool->last = chunk;
		pool->left = room;
	}
	char *copy = pool->last->bytes + pool->last->used;
	memcpy(copy, text, length);
	copy[length] = '\0';
	pool->last->used += length + 1;
	pool->left -= length + 1;
	return copy;
}

void index_pool_free(struct index_pool *pool)
{
	for (struct index_chunk *chunk = pool->last; chunk;) {
		struct index_chunk *before = chunk->before;
		base_free(chunk);
		chunk = before;
	}
	memset(pool, 0, sizeof(*pool));
}

char *index_join(const char *first, ...)
{
	va_list list;
	size_t bytes = 1;
	const char *text;

	va_start(list, first);
	for (text = first; text; text = va_arg(list, const char *))
		bytes += strlen(text);
	va_end(list);
	char *joined = base_alloc(bytes), *to = joined;
	if (!joined)
		return NULL;
	va_start(list, first);
	for (text = first; text; text = va_arg(list, const char *))
		to = stpcpy(to, text);
	va_end(list);
	return joined;
}
