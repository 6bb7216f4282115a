/* SPDX-License-Identifier: MIT */
/*
 * The words $ORIGIN, $LIB and $PLATFORM in paths (ld.so(8), "Dynamic string tokens").
 * A path whose $ORIGIN may not be trusted, or whose word has no value, is no path.
 */
#include "find/internal.h"

#include <unistd.h>

#if defined(__x86_64__)
static const char lib_name[] = "lib/x86_64-linux-gnu";
#elif defined(__aarch64__)
static const char lib_name[] = "lib/aarch64-linux-gnu";
#else
static const char lib_name[] = "lib";
#endif

const char *find_lib(void)
{
	return lib_name;
}

int find_origin(const char *path, char *out)
{
	size_t length;

	if (!path || !path[0])
		return -ENOENT;
	if (strcmp(path, FIND_SELF) == 0) {
		int64_t got = base_sys_readlink(FIND_SELF, out, PATH_MAX);
		if (got <= 0 || got >= PATH_MAX || out[0] != '/')
			return -ENOENT;
		length = (size_t)got;
		out[length] = '\0';
	} else {
		size_t used = 0;
		if (path[0] != '/') {
			if (!getcwd(out, PATH_MAX) || out[0] != '/')
				return -ENOENT;
			used = strlen(out);
			out[used++] = '/';
		}
		length = strlen(path);
		if (length >= PATH_MAX - used)
			return -ENOENT;
		memcpy(out + used, path, length + 1);
	}
	char *slash = strrchr(out, '/');
	slash[slash == out] = '\0'; /* of "/file" the directory is "/" */
	return 0;
}

/* The length of the word @name after a '$' at @text, braces and all; 0: another one. */
static size_t match(const char *text, const char *name)
{
	bool has_brace = text[0] == '{';
	size_t length = strlen(name);
	const char *end = text + has_brace + length;

	if (strncmp(text + has_brace, name, length) != 0)
		return 0;
	if (has_brace)
		return *end == '}' ? length + 2 : 0;
	if ((*end >= 'A' && *end <= 'Z') || (*end >= 'a' && *end <= 'z') ||
		(*end >= '0' && *end <= '9') || *end == '_')
		return 0;
	return length;
}

/* Puts out of @path what "." and ".." and doubled slashes add. It starts with '/'. */
static void normalize(char *path)
{
	char *to = path;

	for (const char *from = path; *from;) {
		while (*from == '/')
			from++;
		size_t length = strcspn(from, "/");
		if (length == 0)
			break;
		if (length == 2 && memcmp(from, "..", 2) == 0) {
			while (to > path && *--to != '/')
				;
		} else if (length != 1 || *from != '.') {
			*to++ = '/';
			memmove(to, from, length);
			to += length;
		}
		from += length;
	}
	*to = '\0';
}

/*
 * In secure execution a caller could lead $ORIGIN astray with a hard link, so that what
 * comes of it must lie in a directory of the system. (ld.so asks this of the program's
 * own paths alone; here it holds for everybody's.)
 */
static bool is_trusted(const char *path)
{
	BASE_AUTO_FREE char *copy = base_strdup(path);

	if (!copy || copy[0] != '/')
		return false;
	normalize(copy);
	size_t length = strlen(copy);
	for (const char *dir = find_default_path; *dir;) {
		size_t bytes = strcspn(dir, ":");
		if (length >= bytes && memcmp(copy, dir, bytes) == 0 &&
			(copy[bytes] == '/' || !copy[bytes]))
			return true;
		dir += bytes + (dir[bytes] == ':');
	}
	return false;
}

struct growing {
	char *text;
	size_t used, room;
};

static int append(struct growing *out, const char *text, size_t bytes)
{
	if (out->room - out->used <= bytes) {
		size_t room = (out->used + bytes + 1) * 2;
		char *bigger = base_realloc(out->text, room);
		if (!bigger)
			return -ENOMEM;
		out->text = bigger;
		out->room = room;
	}
	memcpy(out->text + out->used, text, bytes);
	out->used += bytes;
	out->text[out->used] = '\0';
	return 0;
}

/* The value of the word after a '$' at @word, and its length; 0 if it is none. */
static size_t evaluate(const char *word, bool is_first, const char *asker_path,
	char *origin, const char **value)
{
	size_t length;

	*value = NULL;
	if ((length = match(word, "ORIGIN"))) {
		/* In secure execution only at the start and as a whole component. */
		if (base_secure_execution() &&
			!(is_first && (word[length] == '/' || !word[length])))
			return length;
		if (find_origin(asker_path, origin) == 0)
			*value = origin;
	} else if ((length = match(word, "PLATFORM"))) {
		*value = find_platform();
	} else if ((length = match(word, "LIB"))) {
		*value = lib_name;
	}
	return length;
}

int find_expand(const char *text, const char *asker_path, char **out)
{
	char origin[PATH_MAX];
	struct growing result = { NULL, 0, 0 };
	bool has_origin = false;
	int err = append(&result, "", 0);

	for (const char *at = text; !err && *at;) {
		size_t plain = strcspn(at, "$");
		const char *value;
		if (plain == 0) {
			size_t length =
				evaluate(at + 1, at == text, asker_path, origin, &value);
			if (length == 0)
				err = append(&result, "$", 1);
			else if (value)
				err = append(&result, value, strlen(value));
			else
				err = -ENOENT;
			has_origin |= value == origin;
			plain = length + 1;
		} else {
			err = append(&result, at, plain);
		}
		at += plain;
	}
	if (!err && has_origin && base_secure_execution() && !is_trusted(result.text))
		err = -ENOENT;
	if (err) {
		base_free(result.text);
		return err;
	}
	*out = result.text;
	return 0;
}
