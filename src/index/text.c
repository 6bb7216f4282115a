/* SPDX-License-Identifier: MIT */
/*
 * Reads an index from the text that stands beside its .bin, where that is missing or
 * damaged: modules.dep, modules.alias, modules.symbols, modules.builtin. Each question
 * reads the whole text; it is the way out, not the way.
 */
#include "index/index.h"

/* A line as key and value, each with its length; they are not ended. */
struct line {
	const char *key, *value;
	size_t key_bytes, value_bytes;
	char name[INDEX_NAME_BYTES]; /* what key points to, where it is made */
};

static const char *word_end(const char *p, const char *end)
{
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	return p;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* The key of a path: the name of the module in it. */
static bool name_of(struct line *line, const char *path, size_t length)
{
	char copy[INDEX_NAME_BYTES];

	if (length >= sizeof(copy))
		return false;
	memcpy(copy, path, length);
	copy[length] = '\0';
	line->key_bytes = index_name_of_path(copy, line->name, sizeof(line->name));
	line->key = line->name;
	return line->key_bytes > 0;
}

static bool read_line(
	enum index_kind kind, const char *start, const char *end, struct line *line)
{
	line->value = end;
	line->value_bytes = 0;
	if (start == end || *start == '#')
		return false;
	if (kind == INDEX_BUILTIN)
		return name_of(line, start, (size_t)(end - start));
	if (kind == INDEX_DEP) {
		const char *colon = memchr(start, ':', (size_t)(end - start));
		line->value = start;
		line->value_bytes = (size_t)(end - start);
		return colon && name_of(line, start, (size_t)(colon - start));
	}
	/* "alias PATTERN MODULE" */
	const char *p = word_end(start, end);
	if (p - start != 5 || memcmp(start, "alias", 5) != 0)
		return false;
	line->key = skip_blanks(p, end);
	p = word_end(line->key, end);
	line->key_bytes = (size_t)(p - line->key);
	line->value = skip_blanks(p, end);
	line->value_bytes = (size_t)(word_end(line->value, end) - line->value);
	if (line->key_bytes >= sizeof(line->name))
		return false;
	BASE_AUTO_FREE char *copy = base_strndup(line->key, line->key_bytes);
	/* As the .bin has it; what has a bracket too many is not in that either. */
	int length = copy ? index_fold_alias(copy, line->name, sizeof(line->name)) : -1;
	line->key = line->name;
	line->key_bytes = length > 0 ? (size_t)length : 0;
	return length > 0 && line->value_bytes > 0;
}

/* The next line that says something. False: no more. */
static bool next_line(const struct index_bytes *bytes, enum index_kind kind, size_t *at,
	struct line *line)
{
	while (*at < bytes->count) {
		const char *start = (const char *)bytes->bytes + *at;
		const char *end = memchr(start, '\n', bytes->count - *at);
		if (!end)
			end = start + (bytes->count - *at);
		*at += (size_t)(end - start) + 1;
		if (read_line(kind, start, end, line))
			return true;
	}
	return false;
}

static int text_check(const struct index_bytes *bytes, struct umod_error *error)
{
	if (memchr(bytes->bytes, 0, bytes->count))
		return base_error(error, UMOD_STAGE_VALIDATE, -ELIBBAD, NULL,
			"a text index has no NUL bytes, this one has");
	return 0;
}

static int text_find(const struct index_bytes *bytes, enum index_kind kind,
	const char *key, struct index_values *out, struct umod_error *error)
{
	struct line line;
	size_t at = 0;

	(void)error;
	while (next_line(bytes, kind, &at, &line)) {
		if (strcmp(line.key, key) != 0)
			continue;
		int err = index_values_add(out, line.value, line.value_bytes, 0);
		return err ? err : 1;
	}
	return 0;
}

static int text_search(const struct index_bytes *bytes, enum index_kind kind,
	const char *text, struct index_values *out, struct umod_error *error)
{
	struct line line;
	size_t at = 0;
	uint32_t order = 0;
	int err = 0;

	(void)error;
	while (!err && next_line(bytes, kind, &at, &line)) {
		if (index_match(line.key, text))
			err = index_values_add(
				out, line.value, line.value_bytes, order++);
	}
	return err;
}

static int text_walk(const struct index_bytes *bytes, enum index_kind kind,
	index_visit visit, void *data, struct umod_error *error)
{
	struct line line;
	size_t at = 0;
	int err = 0;

	(void)error;
	while (!err && next_line(bytes, kind, &at, &line)) {
		BASE_AUTO_FREE char *value = base_strndup(line.value, line.value_bytes);
		err = value ? visit(line.key, value, data) : -ENOMEM;
	}
	return err;
}

const struct index_format index_text_format = {
	.check = text_check,
	.find = text_find,
	.search = text_search,
	.walk = text_walk,
};
