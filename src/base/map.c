/* SPDX-License-Identifier: MIT */
/*
 * The map from a 64-bit key to pointers: open addressing, linear probing, at most three
 * quarters filled. Removed entries are marked until the next growth. Takes no lock.
 */
#include "base/base.h"

#define LEAST 8

/* Puts into a table that has room; the place may be one that was given up. */
static bool insert(struct base_map_entry *entries, size_t mask, uint64_t key, void *value)
{
	size_t i = base_mix(key) & mask;

	while (entries[i].value && entries[i].value != BASE_MAP_GONE)
		i = (i + 1) & mask;
	bool fresh = !entries[i].value;
	entries[i].key = key;
	entries[i].value = value;
	return fresh;
}

/* A table for twice what is in use, without the entries that are gone. */
static int rebuild(struct base_map *map)
{
	size_t size = LEAST;

	while (size < (map->used + 1) * 2)
		size *= 2;
	struct base_map_entry *entries = base_array(size, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; map->entries && i <= map->mask; i++) {
		struct base_map_entry *e = &map->entries[i];
		if (e->value && e->value != BASE_MAP_GONE)
			insert(entries, size - 1, e->key, e->value);
	}
	base_free(map->entries);
	map->entries = entries;
	map->mask = size - 1;
	map->filled = map->used;
	return 0;
}

int base_map_put(struct base_map *map, uint64_t key, void *value)
{
	/* One place in four stays empty, so that every walk ends. */
	if (!map->entries || (map->filled + 1) * 4 > (map->mask + 1) * 3) {
		int err = rebuild(map);
		if (err)
			return err;
	}
	map->filled += insert(map->entries, map->mask, key, value);
	map->used++;
	return 0;
}

void *base_map_next(const struct base_map *map, uint64_t key, size_t *cursor)
{
	if (!map->entries)
		return NULL;
	/* *cursor counts the places of this key's run that were looked at. */
	size_t start = base_mix(key);
	for (;;) {
		struct base_map_entry *e = &map->entries[(start + *cursor) & map->mask];
		if (!e->value)
			return NULL;
		++*cursor;
		if (e->key == key && e->value != BASE_MAP_GONE)
			return e->value;
	}
}

void base_map_remove(struct base_map *map, uint64_t key, void *value)
{
	if (!map->entries)
		return;
	for (size_t i = base_mix(key) & map->mask; map->entries[i].value;
		i = (i + 1) & map->mask) {
		struct base_map_entry *e = &map->entries[i];
		if (e->key != key || e->value != value)
			continue;
		e->value = BASE_MAP_GONE;
		map->used--;
		return;
	}
}

void base_map_free(struct base_map *map)
{
	base_free(map->entries);
	memset(map, 0, sizeof(*map));
}
