/* SPDX-License-Identifier: MIT */
/* See cache_builder.h. Written from the format's description alone, not with cache.c. */
#include "cache_builder.h"

#include <stdlib.h>
#include <string.h>

static size_t reserve(struct cache_file *f, size_t bytes, size_t align)
{
	size_t at = (f->count + align - 1) / align * align;

	f->bytes = realloc(f->bytes, at + bytes);
	if (!f->bytes)
		abort();
	memset(f->bytes + f->count, 0, at + bytes - f->count);
	f->count = at + bytes;
	return at;
}

void cache_put_32(struct cache_file *file, size_t offset, uint32_t value)
{
	memcpy(file->bytes + offset, &value, sizeof(value));
}

uint32_t cache_get_32(const struct cache_file *file, size_t offset)
{
	uint32_t value;

	memcpy(&value, file->bytes + offset, sizeof(value));
	return value;
}

static uint32_t add_string(struct cache_file *f, const char *text, size_t base)
{
	size_t at = reserve(f, strlen(text) + 1, 1);

	memcpy(f->bytes + at, text, strlen(text) + 1);
	return (uint32_t)(at - base);
}

static void add_extension(struct cache_file *f, const uint32_t *names, unsigned count)
{
	f->extension = reserve(f, 8, 4);
	f->sections = reserve(f, 32, 4);
	f->hwcaps = reserve(f, count * 4, 4);
	for (unsigned i = 0; i < count; i++)
		cache_put_32(f, f->hwcaps + i * 4, names[i]);
	size_t generator = reserve(f, 7, 1);
	memcpy(f->bytes + generator, "builder", 7);
	cache_put_32(f, f->extension, 0xeaa42174);
	cache_put_32(f, f->extension + 4, 2);
	cache_put_32(f, f->sections + 8, (uint32_t)generator); /* tag 0: who made it */
	cache_put_32(f, f->sections + 12, 7);
	cache_put_32(f, f->sections + 16, 1); /* tag 1: glibc-hwcaps */
	cache_put_32(f, f->sections + 24, (uint32_t)f->hwcaps);
	cache_put_32(f, f->sections + 28, count * 4);
	cache_put_32(f, f->header + 32, (uint32_t)f->extension);
}

static void add_old_head(struct cache_file *f, unsigned count)
{
	size_t at = reserve(f, 16 + (size_t)count * 12, 1);

	memcpy(f->bytes + at, "ld.so-1.7.0", 11);
	cache_put_32(f, at + 12, count);
}

void cache_build(const struct cache_recipe *recipe, struct cache_file *out)
{
	uint32_t names[16];
	unsigned name_count = 0;
	size_t old_base = 16 + (size_t)recipe->count * 12, base = old_base;

	memset(out, 0, sizeof(*out));
	if (recipe->has_old || recipe->only_old)
		add_old_head(out, recipe->count);
	if (!recipe->only_old) {
		base = out->header = reserve(out, 48, 8);
		memcpy(out->bytes + base, "glibc-ld.so.cache1.1", 20);
		cache_put_32(out, base + 20, recipe->count);
		out->bytes[base + 28] = 2;
		out->entries = reserve(out, (size_t)recipe->count * 24, 8);
	}
	out->strings = reserve(out, 0, 1);
	for (unsigned i = 0; i < recipe->count; i++) {
		const struct cache_entry *e = &recipe->entries[i];
		uint32_t flags = e->flags ? e->flags : CACHE_FLAGS;
		uint32_t key = add_string(out, e->name, base);
		uint32_t value = add_string(out, e->path, base);
		if (recipe->has_old || recipe->only_old) {
			size_t at = 16 + (size_t)i * 12;
			cache_put_32(out, at, flags);
			cache_put_32(out, at + 4, (uint32_t)(key + base - old_base));
			cache_put_32(out, at + 8, (uint32_t)(value + base - old_base));
		}
		if (recipe->only_old)
			continue;
		size_t at = out->entries + (size_t)i * 24;
		cache_put_32(out, at, flags);
		cache_put_32(out, at + 4, key);
		cache_put_32(out, at + 8, value);
		cache_put_32(out, at + 12, e->os_version);
		cache_put_32(out, at + 16, (uint32_t)e->hwcap);
		cache_put_32(out, at + 20, (uint32_t)(e->hwcap >> 32));
	}
	for (unsigned i = 0; recipe->hwcaps && recipe->hwcaps[i]; i++)
		names[name_count++] = add_string(out, recipe->hwcaps[i], base);
	out->strings_end = out->count;
	if (!recipe->only_old)
		cache_put_32(out, base + 24, (uint32_t)(out->strings_end - out->strings));
	if (recipe->hwcaps)
		add_extension(out, names, name_count);
}
