/* SPDX-License-Identifier: MIT */
/*
 * Reads the .bin indexes: a trie whose nodes lie anywhere in the file. Every offset is
 * bounded before it is followed. An honest search reads each node once at most, so one
 * that reads many times what the file holds has met a loop or a lattice, and ends.
 */
#include "index/index.h"

struct node {
	const char *prefix; /* prefix_bytes of it */
	size_t prefix_bytes;
	unsigned first, last; /* children; first > last: none */
	const uint8_t *children;
	const uint8_t *values; /* behind their count */
	uint32_t value_count;
};

/* Keys share prefixes, so that comparing all of them reads more than the file has. */
#define BUDGET(file) ((uint64_t)(file)->count * 64)
#define DEPTH_LIMIT  1024

/* A search or a walk under way. */
struct walk {
	const struct index_bytes *file;
	uint64_t budget; /* bytes that may yet be looked at */
	unsigned depth;
	struct umod_error *error;
	const char *rest; /* of the text searched for; NULL: every key */
	struct index_values *out;
	index_visit visit;
	void *data;
	size_t key_bytes;
	char *key; /* INDEX_NAME_BYTES of it: not zeroed with the rest */
};

static uint32_t big32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int damaged(struct walk *walk, const char *what)
{
	return base_error(walk->error, UMOD_STAGE_LOOKUP, -ELIBBAD, NULL,
		"the index is damaged: %s", what);
}

static bool spend(struct walk *walk, uint64_t bytes)
{
	if (bytes > walk->budget)
		return false;
	walk->budget -= bytes;
	return true;
}

/* The string at *@at, which moves behind its NUL; NULL: it does not end. */
static const char *string_at(const struct index_bytes *file, size_t *at, size_t *length)
{
	const uint8_t *start = file->bytes + *at;
	const uint8_t *end =
		*at < file->count ? memchr(start, 0, file->count - *at) : NULL;

	if (!end)
		return NULL;
	*length = (size_t)(end - start);
	*at += *length + 1;
	return (const char *)start;
}

static int read_node(struct walk *walk, uint32_t link, struct node *out)
{
	const struct index_bytes *file = walk->file;
	size_t at = link & INDEX_NODE_OFFSET;

	memset(out, 0, sizeof(*out));
	out->first = 1;
	if (!spend(walk, 1))
		return damaged(walk, "its nodes form a loop");
	/* The root of an empty index has nothing, and lies at the end. */
	if (at < INDEX_HEADER_BYTES || at > file->count)
		return damaged(walk, "a node lies outside");
	if (link & INDEX_NODE_PREFIX) {
		out->prefix = string_at(file, &at, &out->prefix_bytes);
		if (!out->prefix)
			return damaged(walk, "a prefix does not end");
	}
	if (link & INDEX_NODE_CHILDREN) {
		if (!base_range_fits(at, 2, file->count))
			return damaged(walk, "children lie outside");
		out->first = file->bytes[at];
		out->last = file->bytes[at + 1];
		at += 2;
		if (out->first > out->last || out->last >= INDEX_CHARACTERS)
			return damaged(walk, "its children are out of range");
		uint64_t bytes = (uint64_t)(out->last - out->first + 1) * 4;
		if (!base_range_fits(at, bytes, file->count))
			return damaged(walk, "children lie outside");
		out->children = file->bytes + at;
		at += bytes;
	}
	if (link & INDEX_NODE_VALUES) {
		if (!base_range_fits(at, 4, file->count))
			return damaged(walk, "values lie outside");
		out->value_count = big32(file->bytes + at);
		out->values = file->bytes + at + 4;
	}
	return 0;
}

static uint32_t child_of(const struct node *node, unsigned c)
{
	return c >= node->first && c <= node->last
		       ? big32(node->children + (size_t)(c - node->first) * 4)
		       : 0;
}

static int push(struct walk *walk, const char *text, size_t length)
{
	if (length >= INDEX_NAME_BYTES - walk->key_bytes)
		return damaged(walk, "a key is too long");
	memcpy(walk->key + walk->key_bytes, text, length);
	walk->key_bytes += length;
	walk->key[walk->key_bytes] = '\0';
	return 0;
}

/* Hands the values of @node on, at most @limit. */
static int take(struct walk *walk, const struct node *node, uint32_t limit)
{
	size_t at = node->values ? (size_t)(node->values - walk->file->bytes) : 0;

	for (uint32_t i = 0; i < node->value_count && i < limit; i++) {
		size_t length;
		if (!base_range_fits(at, 4, walk->file->count))
			return damaged(walk, "values lie outside");
		uint32_t priority = big32(walk->file->bytes + at);
		at += 4;
		const char *text = string_at(walk->file, &at, &length);
		if (!text || !spend(walk, length + 1))
			return damaged(walk, "a value does not end");
		int err = walk->visit
				  ? walk->visit(walk->key, text, walk->data)
				  : index_values_add(walk->out, text, length, priority);
		if (err)
			return err;
	}
	return 0;
}

/* The values of @node if the key, a pattern, matches the rest of the text. */
static int take_matching(struct walk *walk, const struct node *node)
{
	if (!walk->rest || !node->value_count)
		return 0;
	if (!spend(walk, walk->key_bytes))
		return damaged(walk, "its nodes form a loop");
	return index_match(walk->key, walk->rest) ? take(walk, node, UINT32_MAX) : 0;
}

/* The children of @node, each with the key so far. */
static int below(struct walk *walk, uint32_t link);
static int below_all(struct walk *walk, const struct node *node)
{
	size_t here = walk->key_bytes;
	int err = 0;

	for (unsigned c = node->first; !err && c <= node->last; c++) {
		uint32_t child = child_of(node, c);
		char character = (char)c;
		if (!child)
			continue;
		err = push(walk, &character, 1);
		if (!err)
			err = below(walk, child);
		walk->key_bytes = here;
		walk->key[here] = '\0';
	}
	return err;
}

/*
 * All keys below @link: for a walk each, for a search those that match. Children come
 * before values in a search, which decides among equal priorities, and after in a walk.
 */
static int below(struct walk *walk, uint32_t link)
{
	struct node node;
	size_t before = walk->key_bytes;
	int err = read_node(walk, link, &node);

	if (!err && ++walk->depth > DEPTH_LIMIT)
		err = damaged(walk, "its nodes are nested too deeply");
	if (!err)
		err = push(walk, node.prefix ? node.prefix : "", node.prefix_bytes);
	if (!err && !walk->rest)
		err = take(walk, &node, UINT32_MAX);
	if (!err)
		err = below_all(walk, &node);
	if (!err)
		err = take_matching(walk, &node);
	walk->key_bytes = before;
	walk->key[before] = '\0';
	walk->depth--;
	return err;
}

/* Keys that go on with @c, a character of patterns, against the rest of the text. */
static int below_wildcard(
	struct walk *walk, const struct node *node, unsigned c, const char *rest)
{
	uint32_t child = child_of(node, c);
	char character = (char)c;

	if (!child)
		return 0;
	walk->key_bytes = 0;
	walk->rest = rest;
	int err = push(walk, &character, 1);
	return err ? err : below(walk, child);
}

static bool is_wildcard(unsigned char c)
{
	return c == '*' || c == '?' || c == '[';
}

static uint32_t root_of(const struct index_bytes *file)
{
	return big32(file->bytes + 8);
}

static int trie_search(const struct index_bytes *file, enum index_kind kind,
	const char *text, struct index_values *out, struct umod_error *error)
{
	char key[INDEX_NAME_BYTES];
	struct walk walk = { .file = file,
		.budget = BUDGET(file),
		.error = error,
		.out = out,
		.key = key };
	uint32_t link = root_of(file);
	struct node node;

	(void)kind;
	for (;;) {
		size_t i;
		int err = read_node(&walk, link, &node);
		for (i = 0; !err && i < node.prefix_bytes; i++) {
			if (is_wildcard((unsigned char)node.prefix[i]))
				break;
			if (*text != node.prefix[i])
				return 0;
			text++;
		}
		if (err)
			return err;
		if (i < node.prefix_bytes) {
			/* Everything from here on is a pattern. */
			walk.rest = text;
			walk.key_bytes = 0;
			node.prefix += i;
			node.prefix_bytes -= i;
			break;
		}
		for (const char *c = "*?["; !err && *c; c++)
			err = below_wildcard(&walk, &node, (unsigned char)*c, text);
		if (err)
			return err;
		if (!*text)
			return take(&walk, &node, UINT32_MAX);
		link = child_of(&node, (unsigned char)*text++);
		if (!link)
			return 0;
	}

	/* The node was entered in the middle of its prefix. */
	int err = push(&walk, node.prefix, node.prefix_bytes);
	if (!err)
		err = below_all(&walk, &node);
	if (!err)
		err = take_matching(&walk, &node);
	return err;
}

static int trie_find(const struct index_bytes *file, enum index_kind kind,
	const char *key, struct index_values *out, struct umod_error *error)
{
	struct walk walk = {
		.file = file, .budget = BUDGET(file), .error = error, .out = out
	};
	uint32_t link = root_of(file);

	(void)kind;
	for (;;) {
		struct node node;
		int err = read_node(&walk, link, &node);
		if (err)
			return err;
		/* Both end with a NUL, so this reads past neither. */
		if (node.prefix && strncmp(key, node.prefix, node.prefix_bytes) != 0)
			return 0;
		key += node.prefix_bytes;
		if (!*key) {
			err = node.value_count ? take(&walk, &node, 1) : 0;
			return err ? err : node.value_count > 0;
		}
		link = child_of(&node, (unsigned char)*key++);
		if (!link)
			return 0;
	}
}

static int trie_walk(const struct index_bytes *file, enum index_kind kind,
	index_visit visit, void *data, struct umod_error *error)
{
	char key[INDEX_NAME_BYTES];
	struct walk walk = { .file = file,
		.budget = BUDGET(file),
		.error = error,
		.visit = visit,
		.data = data,
		.key = key };

	(void)kind;
	return below(&walk, root_of(file));
}

static int trie_check(const struct index_bytes *file, struct umod_error *error)
{
	if (file->count < INDEX_HEADER_BYTES || big32(file->bytes) != INDEX_MAGIC)
		return base_error(error, UMOD_STAGE_VALIDATE, -ELIBBAD, NULL,
			"this is no index file");
	if (big32(file->bytes + 4) >> 16 != INDEX_VERSION >> 16)
		return base_error(error, UMOD_STAGE_VALIDATE, -ELIBBAD, NULL,
			"the index has version %u.%u, and %u is known",
			big32(file->bytes + 4) >> 16, big32(file->bytes + 4) & 0xffff,
			INDEX_VERSION >> 16);
	return 0;
}

const struct index_format index_trie_format = {
	.check = trie_check,
	.find = trie_find,
	.search = trie_search,
	.walk = trie_walk,
};
