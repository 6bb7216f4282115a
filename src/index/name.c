/* SPDX-License-Identifier: MIT */
/*
 * Names of modules and aliases, as kmod spells them: '-' and '_' are one. Also the hash
 * by which kmod's tables are ordered, since the order of some files follows from it.
 */
#include "index/format.h"

static const char *const extensions[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

bool index_is_module_file(const char *name, size_t length)
{
	for (unsigned i = 0; i < base_array_count(extensions); i++) {
		size_t bytes = strlen(extensions[i]);
		if (length > bytes &&
			memcmp(name + length - bytes, extensions[i], bytes) == 0)
			return true;
	}
	return false;
}

/* Copies @length bytes, folded. */
static size_t fold(const char *name, size_t length, char *out, size_t bytes)
{
	if (bytes)
		out[0] = '\0';
	if (length >= bytes)
		return 0;
	for (size_t i = 0; i < length; i++)
		out[i] = name[i] == '-' ? '_' : name[i];
	out[length] = '\0';
	return length;
}

size_t index_name_of_path(const char *path, char *out, size_t bytes)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!index_is_module_file(name, strlen(name)))
		return fold(name, 0, out, bytes);
	return fold(name, strcspn(name, "."), out, bytes);
}

size_t index_fold_name(const char *name, char *out, size_t bytes)
{
	return fold(name, strlen(name), out, bytes);
}

int index_fold_alias(const char *alias, char *out, size_t bytes)
{
	bool inside = false;
	size_t i;

	for (i = 0; alias[i]; i++) {
		if (i + 1 >= bytes)
			return -ENAMETOOLONG;
		if (alias[i] == ']' && !inside)
			return -EINVAL;
		if (alias[i] == '[')
			inside = true;
		else if (alias[i] == ']')
			inside = false;
		out[i] = alias[i] == '-' && !inside ? '_' : alias[i];
	}
	if (bytes == 0)
		return -ENAMETOOLONG;
	out[i] = '\0';
	return inside ? -EINVAL : (int)i;
}

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
