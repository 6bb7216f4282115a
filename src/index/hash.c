/* SPDX-License-Identifier: MIT */
/*
 * The hash by which kmod's tables are ordered, since the order of lines in some files
 * follows from it: Paul Hsieh's SuperFastHash. Nothing here depends on its quality.
 */
#include "index/format.h"

/* Two bytes as a little-endian processor reads them. */
static uint32_t two(const char *s)
{
	return (uint32_t)(uint8_t)s[0] | (uint32_t)(uint8_t)s[1] << 8;
}

uint32_t index_kmod_hash(const char *key, size_t length)
{
	uint32_t hash = (uint32_t)length;

	for (; length >= 4; length -= 4, key += 4) {
		hash += two(key);
		hash = hash << 16 ^ (two(key + 2) << 11 ^ hash);
		hash += hash >> 11;
	}
	if (length == 3) {
		hash += two(key);
		hash ^= hash << 16;
		hash ^= (uint32_t)(signed char)key[2] << 18;
		hash += hash >> 11;
	} else if (length == 2) {
		hash += two(key);
		hash ^= hash << 11;
		hash += hash >> 17;
	} else if (length == 1) {
		hash += (uint32_t)(signed char)key[0];
		hash ^= hash << 10;
		hash += hash >> 1;
	}
	hash ^= hash << 3;
	hash += hash >> 5;
	hash ^= hash << 4;
	hash += hash >> 17;
	hash ^= hash << 25;
	hash += hash >> 6;
	return hash;
}
