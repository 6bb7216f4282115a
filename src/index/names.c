/* SPDX-License-Identifier: MIT */
/*
 * The rules of names: the module's name of a path, and '-' folded to '_'. Knows no trees.
 */
#include "index/format.h"

static const char *const suffixes[] = { ".ko", ".ko.gz", ".ko.xz", ".ko.zst" };

/* The length of @name without a module's suffix; 0: it has none, or nothing else. */
static size_t stem_length(const char *name, size_t length)
{
	for (unsigned i = 0; i < base_array_count(suffixes); i++) {
		size_t bytes = strlen(suffixes[i]);
		if (length > bytes &&
			memcmp(name + length - bytes, suffixes[i], bytes) == 0)
			return length - bytes;
	}
	return 0;
}

bool index_is_module_file(const char *name, size_t length)
{
	return stem_length(name, length) > 0;
}

static void fold(const char *from, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++)
		out[i] = from[i] == '-' ? '_' : from[i];
	out[length] = '\0';
}

size_t index_name_of_path(const char *path, char *out, size_t bytes)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t length = stem_length(name, strlen(name));

	if (length == 0 || length >= bytes) {
		if (bytes)
			out[0] = '\0';
		return 0;
	}
	fold(name, length, out);
	return length;
}

size_t index_fold_name(const char *name, char *out, size_t bytes)
{
	size_t length = strlen(name);

	if (length >= bytes) {
		if (bytes)
			out[0] = '\0';
		return 0;
	}
	fold(name, length, out);
	return length;
}

int index_fold_alias(const char *alias, char *out, size_t bytes)
{
	size_t i;

	for (i = 0; alias[i]; i++) {
		if (i + 1 >= bytes)
			return -ENAMETOOLONG;
		if (alias[i] == ']')
			return -EINVAL;
		if (alias[i] != '[') {
			out[i] = alias[i] == '-' ? '_' : alias[i];
			continue;
		}
		for (; alias[i] != ']'; i++) {
			if (!alias[i])
				return -EINVAL;
			if (i + 1 >= bytes)
				return -ENAMETOOLONG;
			out[i] = alias[i];
		}
		if (i + 1 >= bytes)
			return -ENAMETOOLONG;
		out[i] = ']';
	}
	if (i >= bytes)
		return -ENAMETOOLONG;
	out[i] = '\0';
	return (int)i;
}
