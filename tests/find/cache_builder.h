/* SPDX-License-Identifier: MIT */
/*
 * Builds library caches in memory, in the format of ldconfig(8), and tells where each
 * field stands, so that a test can damage one. Entries are written in the order given:
 * it is the caller's to give the greatest name first. Not meant for real systems.
 */
#ifndef UMOD_TEST_CACHE_BUILDER_H
#define UMOD_TEST_CACHE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_FLAGS   0x303u
#define CACHE_TLS     (1ull << 63)
#define CACHE_X86_64  (1ull << 1)
#define CACHE_HASWELL (1ull << 48)
/* An entry of the glibc-hwcaps name @index, for processors of the ISA level @level. */
#define CACHE_HWCAP(index, level) (1ull << 62 | (uint64_t)(level) << 32 | (index))

struct cache_entry {
	const char *name, *path;
	uint64_t hwcap;
	uint32_t flags; /* 0: CACHE_FLAGS */
	uint32_t os_version;
};

struct cache_recipe {
	const struct cache_entry *entries;
	unsigned count;
	const char *const *hwcaps; /* names, NULL at the end; NULL: no extension */
	bool has_old;              /* the block of the older format stands before */
	bool only_old;
};

/* Offsets in the built file; those of what is not in there are 0. */
struct cache_file {
	uint8_t *bytes; /* malloc'ed */
	size_t count;
	size_t header, entries, strings, strings_end;
	size_t extension, sections, hwcaps;
};

void cache_build(const struct cache_recipe *recipe, struct cache_file *out);
/* Writes @value where the field of that offset is. */
void cache_put_32(struct cache_file *file, size_t offset, uint32_t value);
uint32_t cache_get_32(const struct cache_file *file, size_t offset);

#endif
