/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the input is a library cache. It is refused with a sentence, or every name
 * in it can be looked up. Names are taken from the input too, so that lookups meet
 * entries. Bytes are copied to the end of an allocation, where a read too far is seen.
 */
#include "fuzz.h"

#include "find/find.h"

static void look_up(const struct find_cache *cache, const uint8_t *data, size_t size)
{
	static const char *const names[] = { "", "libc.so.6", "liba.so.1", "libb.so.2",
		"lib9.so.99999999999999", "\xff\xfe" };
	unsigned length = 0;
	char name[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)find_cache_lookup(cache, names[i]);
	for (size_t i = 0, tried = 0; i < size && tried < 256; i++) {
		if (data[i]) {
			name[length] = (char)data[i];
			length += length < sizeof(name) - 1;
			continue;
		}
		name[length] = '\0';
		const char *path = length ? find_cache_lookup(cache, name) : NULL;
		/* Read all of it: it must end. */
		if (path && strlen(path) > size)
			abort();
		tried += length > 0;
		length = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct umod_error error = { 0 };
	struct find_cache *cache = NULL;
	uint8_t *bytes = malloc(size ? size : 1);

	if (!bytes)
		return 0;
	if (size)
		memcpy(bytes, data, size);
	int err = find_cache_open_buffer(bytes, size, &cache, &error);
	if (err == 0) {
		if (find_cache_count(cache) > size || find_cache_is_stale(cache))
			abort();
		look_up(cache, bytes, size);
		find_cache_free(cache);
	} else if (error.code != err || !error.message[0]) {
		abort();
	}
	free(bytes);
	return 0;
}
