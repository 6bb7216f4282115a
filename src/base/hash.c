/* SPDX-License-Identifier: MIT */
/*
 * Hashing: the two hashes of ELF symbol tables, and mixes for umod's own tables. None is
 * meant to withstand somebody who looks for collisions.
 */
#include "base/base.h"

#include <endian.h>

#define GNU_POWER_2  1089u       /* 33^2 */
#define GNU_POWER_4  1185921u    /* 33^4 */
#define GNU_POWER_8  0x747c7101u /* 33^8 mod 2^32 */
#define GNU_POWER_16 0x92d9e201u /* 33^16 mod 2^32 */

static uint64_t load_8(const char *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return le64toh(value);
}

static uint32_t load_4(const char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/*
 * The polynomial of eight characters, built pairwise inside one word: four lanes of two
 * characters (at most 34 * 255, which fits 16 bits), then two lanes of four (at most
 * 1090 * 34 * 255, which fits 32).
 */
static inline uint32_t hash_8(const char *p)
{
	uint64_t v = load_8(p);

	v = (v & 0x00ff00ff00ff00ff) * 33 + (v >> 8 & 0x00ff00ff00ff00ff);
	v = (v & 0x0000ffff0000ffff) * GNU_POWER_2 + (v >> 16 & 0x0000ffff0000ffff);
	return (uint32_t)v * GNU_POWER_4 + (uint32_t)(v >> 32);
}

/*
 * h * 33 + c, sixteen characters a step, of which only one multiplication and one
 * addition wait for the step before.
 */
uint32_t base_gnu_hash(const char *name, size_t length)
{
	uint32_t h = 5381;

	for (; length >= 16; name += 16, length -= 16)
		h = h * GNU_POWER_16 + (hash_8(name) * GNU_POWER_8 + hash_8(name + 8));
	if (length >= 8) {
		h = h * GNU_POWER_8 + hash_8(name);
		name += 8;
		length -= 8;
	}
	if (length >= 4) {
		uint32_t v = load_4(name);
		v = (v & 0x00ff00ff) * 33 + (v >> 8 & 0x00ff00ff);
		h = h * GNU_POWER_4 + (v & 0xffff) * GNU_POWER_2 + (v >> 16);
		name += 4;
		length -= 4;
	}
	for (; length; name++, length--)
		h = h * 33 + (unsigned char)*name;
	return h;
}

uint32_t base_sysv_hash(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= h >> 24 & 0xf0;
	}
	return h & 0x0fffffff;
}

/* Stafford's variant 13 of the MurmurHash3 finaliser: every bit of the input counts. */
uint64_t base_mix(uint64_t value)
{
	value ^= value >> 30;
	value *= 0xbf58476d1ce4e5b9;
	value ^= value >> 27;
	value *= 0x94d049bb133111eb;
	return value ^ value >> 31;
}

uint64_t base_hash_bytes(const void *bytes, size_t count)
{
	const char *p = bytes;
	uint64_t h = base_mix(count + 0x9e3779b97f4a7c15);

	for (; count >= 8; p += 8, count -= 8) {
		unsigned __int128 product =
			(unsigned __int128)(h ^ load_8(p)) * 0xd6e8feb86659fd93;
		h = (uint64_t)product ^ (uint64_t)(product >> 64) ^ (h << 32 | h >> 32);
	}
	if (count) {
		uint64_t last = 0;
		memcpy(&last, p, count);
		h = base_mix(h ^ le64toh(last));
	}
	return base_mix(h);
}
