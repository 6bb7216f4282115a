/* SPDX-License-Identifier: MIT */
/*
 * Tests of the base floor's hashes, against plain forms of them and known values, and of
 * its map, against a list.
 */
#include "base/base.h"
#include "test.h"

static uint32_t plain_gnu_hash(const char *name, size_t length)
{
	uint32_t h = 5381;

	for (size_t i = 0; i < length; i++)
		h = h * 33 + (unsigned char)name[i];
	return h;
}

/* As the gABI prints it. */
static uint32_t plain_sysv_hash(const char *name)
{
	unsigned long h = 0, g;

	while (*name) {
		h = (h << 4) + (unsigned char)*name++;
		if ((g = h & 0xf0000000))
			h ^= g >> 24;
		h &= ~g;
	}
	return (uint32_t)h;
}

static uint64_t random_state = 88172645463325252;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

TEST(gnu_hash_has_known_values)
{
	/* From ld.so's own hash of these names. */
	CHECK_INT(base_gnu_hash("", 0), 0x00001505);
	CHECK_INT(base_gnu_hash("printf", 6), 0x156b2bb8);
	CHECK_INT(base_gnu_hash("exit", 4), 0x7c967e3f);
	CHECK_INT(base_gnu_hash("syscall", 7), 0xbac212a0);
	CHECK_INT(base_gnu_hash("flapenguin.me", 13), 0x8ae9f18e);
}

TEST(gnu_hash_is_the_plain_one)
{
	char text[300];

	/* Every length, every alignment, every byte value; all 0xff is the largest sum.
	 */
	for (size_t length = 0; length < 200; length++) {
		for (size_t at = 0; at < 9; at++) {
			for (size_t i = 0; i < sizeof(text); i++)
				text[i] = (char)random_next();
			CHECK_INT(base_gnu_hash(text + at, length),
				plain_gnu_hash(text + at, length));
		}
		memset(text, 0xff, sizeof(text));
		CHECK_INT(base_gnu_hash(text, length), plain_gnu_hash(text, length));
	}
}

/* The length bounds what is read: the name may end at the last byte of a mapping. */
TEST(gnu_hash_reads_no_further)
{
	for (size_t length = 0; length < 40; length++) {
		char *exact = malloc(length ? length : 1); /* ASan watches its end */
		REQUIRE(exact != NULL);
		memset(exact, 'a', length);
		CHECK_INT(base_gnu_hash(exact, length), plain_gnu_hash(exact, length));
		free(exact);
	}
}

TEST(sysv_hash_is_the_plain_one)
{
	char text[64];

	CHECK_INT(base_sysv_hash("printf"), 0x077905a6);
	CHECK_INT(base_sysv_hash("exit"), 0x0006cf04);
	for (int round = 0; round < 5000; round++) {
		size_t length = random_next() % (sizeof(text) - 1);
		for (size_t i = 0; i < length; i++)
			text[i] = (char)(random_next() % 255 + 1);
		text[length] = '\0';
		CHECK_INT(base_sysv_hash(text), plain_sysv_hash(text));
	}
}

TEST(mixes_spread)
{
	unsigned counts[256] = { 0 };

	for (uint64_t i = 0; i < 25600; i++)
		counts[base_mix(i << 12) & 255]++; /* page addresses, low bits equal */
	for (int i = 0; i < 256; i++)
		CHECK(counts[i] > 40 && counts[i] < 200);
	CHECK(base_hash_bytes("abc", 3) != base_hash_bytes("abd", 3));
	CHECK(base_hash_bytes("abc", 3) != base_hash_bytes("abc\0", 4));
	CHECK(base_hash_bytes("0123456789", 10) != base_hash_bytes("1123456789", 10));
	CHECK(base_hash_bytes("0123456789", 10) == base_hash_bytes("0123456789", 10));
	CHECK(base_hash_bytes(NULL, 0) == base_hash_bytes("", 0));
}

#define KEYS 500

/* How often @value stands under @key: each must be given exactly once. */
static unsigned times(const struct base_map *map, uint64_t key, void *value)
{
	size_t cursor = 0;
	unsigned n = 0;

	for (void *v; (v = base_map_next(map, key, &cursor));)
		n += v == value;
	return n;
}

TEST(map_is_a_multimap)
{
	struct base_map map = { 0 };
	static char place[KEYS][3];
	static bool in[KEYS][3];
	size_t cursor = 0, used = 0;

	CHECK(!base_map_next(&map, 1, &cursor));
	base_map_remove(&map, 1, place);
	for (int round = 0; round < 60000; round++) {
		uint64_t key = random_next() % KEYS;
		unsigned which = (unsigned)(random_next() % 3);
		if (in[key][which]) {
			base_map_remove(&map, key, &place[key][which]);
			used--;
		} else {
			REQUIRE_INT(base_map_put(&map, key, &place[key][which]), 0);
			used++;
		}
		in[key][which] = !in[key][which];
		CHECK_INT(map.used, used);
		CHECK(map.filled <= map.mask);
		for (unsigned i = 0; i < 3; i++)
			CHECK_INT(times(&map, key, &place[key][i]), in[key][i]);
	}
	for (uint64_t key = 0; key < KEYS; key++) {
		for (unsigned i = 0; i < 3; i++)
			CHECK_INT(times(&map, key, &place[key][i]), in[key][i]);
	}
	/* A table that entries only pass through stays small. */
	CHECK(map.mask < 8 * KEYS * 3);
	base_map_free(&map);
	CHECK(!map.entries && !map.used);
}

TEST(map_without_memory_stays_as_it_was)
{
	struct base_map map = { 0 };
	static char place[100];
	unsigned put = 0, refused = 0;

	for (; put < 100; put++) {
		base_fault_arm(1, ENOMEM);
		int err = base_map_put(&map, put, &place[put]);
		base_fault_arm(0, 0);
		if (err) {
			CHECK_INT(err, -ENOMEM);
			refused++;
			CHECK_INT(times(&map, put, &place[put]), 0);
			REQUIRE_INT(base_map_put(&map, put, &place[put]), 0);
		}
	}
	CHECK(refused >= 3);
	for (unsigned i = 0; i < put; i++)
		CHECK_INT(times(&map, i, &place[i]), 1);
	base_map_free(&map);
}
