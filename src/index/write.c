/* SPDX-License-Identifier: MIT */
/*
 * Writes index files: sorts the keys and makes the trie of them on the way through, node
 * after node, children before their parent, as kmod 30 does. No tree stands in memory.
 */
#include "index/write.h"

#include <stdlib.h>

int index_entries_add(struct index_entries *entries, const char *key, const char *value,
	uint32_t priority)
{
	size_t length = 0;

	for (; key[length]; length++) {
		if ((unsigned char)key[length] >= INDEX_CHARACTERS)
			return -EILSEQ;
	}
	if (length >= INDEX_NAME_BYTES)
		return -ENAMETOOLONG;
	for (const char *c = value; *c; c++) {
		if ((unsigned char)*c >= INDEX_CHARACTERS)
			return -EILSEQ;
	}
	int result = base_grow(&entries->items, entries->count, &entries->capacity,
		sizeof(*entries->items));
	if (result)
		return result;
	entries->items[entries->count] =
		(struct index_entry){ key, value, priority, entries->count };
	entries->count++;
	return 0;
}

void index_entries_free(struct index_entries *entries)
{
	base_free(entries->items);
	*entries = (struct index_entries){ 0 };
}

/* Of equal keys: by priority, and the later of equals first. */
static int compare_values(const void *a, const void *b)
{
	const struct index_entry *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->sequence > y->sequence ? -1 : 1;
}

static void swap(struct index_entry *a, struct index_entry *b)
{
	struct index_entry t = *a;
	*a = *b;
	*b = t;
}

/*
 * Three-way radix quicksort, on character @depth: keys share long beginnings, which this
 * compares but once. It loops over the largest part and calls itself for the others, so
 * that no order of keys makes it go deep.
 */
static void sort(struct index_entry *items, size_t count, size_t depth)
{
	while (count > 1) {
		unsigned char pivot = (unsigned char)items[count / 2].key[depth];
		size_t less = 0, i = 0, more = count;
		while (i < more) {
			unsigned char c = (unsigned char)items[i].key[depth];
			if (c < pivot)
				swap(&items[less++], &items[i++]);
			else if (c > pivot)
				swap(&items[i], &items[--more]);
			else
				i++;
		}
		size_t equal = more - less, greater = count - more;
		if (pivot == '\0') {
			qsort(items + less, equal, sizeof(*items), compare_values);
			equal = 0;
		}
		if (equal >= less && equal >= greater) {
			sort(items, less, depth);
			sort(items + more, greater, depth);
			items += less;
			count = equal;
			depth++;
		} else if (less >= greater) {
			sort(items + (more - equal), equal, depth + 1);
			sort(items + more, greater, depth);
			count = less;
		} else {
			sort(items, less, depth);
			sort(items + (more - equal), equal, depth + 1);
			items += more;
			count = greater;
		}
	}
}

/* The file that is made, and what went wrong. */
struct writer {
	struct index_text *text;
	size_t start; /* of the file in the text */
};

static uint32_t write_node(struct writer *w, const struct index_entry *items,
	size_t count, size_t depth, bool root);

/* How many of @items have the character of the first at @depth. */
static size_t same(const struct index_entry *items, size_t count, size_t depth)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (items[middle].key[depth] == items[0].key[depth])
			low = middle;
		else
			high = middle;
	}
	return high;
}

/*
 * Writes the children of a node whose keys all begin alike up to @depth, and leaves their
 * offsets, of which there are last - first + 1, in @offsets.
 */
static void write_children(struct writer *w, const struct index_entry *items,
	size_t count, size_t depth, uint32_t *offsets)
{
	unsigned first = (unsigned char)items[0].key[depth];

	while (count) {
		unsigned c = (unsigned char)items[0].key[depth];
		size_t alike = same(items, count, depth);
		offsets[c - first] = write_node(w, items, alike, depth + 1, false);
		items += alike;
		count -= alike;
	}
}

static void write_values(struct writer *w, const struct index_entry *items, size_t count)
{
	index_text_be32(w->text, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		index_text_be32(w->text, items[i].priority);
		index_text_add(w->text, items[i].value, strlen(items[i].value) + 1);
	}
}

/* Returns the offset with its flags. The root has no prefix, whatever its keys share. */
static uint32_t write_node(struct writer *w, const struct index_entry *items,
	size_t count, size_t depth, bool root)
{
	uint32_t offsets[INDEX_CHARACTERS] = { 0 };
	size_t prefix = 0, values = 0, range = 0;
	uint32_t flags = 0;

	if (count && !root) {
		const char *a = items[0].key + depth, *b = items[count - 1].key + depth;
		while (a[prefix] && a[prefix] == b[prefix])
			prefix++;
	}
	size_t end = depth + prefix;
	while (values < count && items[values].key[end] == '\0')
		values++;
	if (values < count) {
		write_children(w, items + values, count - values, end, offsets);
		range = (size_t)(items[count - 1].key[end] - items[values].key[end]) + 1;
	}
	size_t offset = w->text->count - w->start;
	if (prefix) {
		index_text_add(w->text, items[0].key + depth, prefix);
		index_text_byte(w->text, '\0');
		flags |= INDEX_NODE_PREFIX;
	}
	if (range) {
		index_text_byte(w->text, items[values].key[end]);
		index_text_byte(w->text, items[count - 1].key[end]);
		for (size_t i = 0; i < range; i++)
			index_text_be32(w->text, offsets[i]);
		flags |= INDEX_NODE_CHILDREN;
	}
	if (values) {
		write_values(w, items, values);
		flags |= INDEX_NODE_VALUES;
	}
	return ((uint32_t)offset & INDEX_NODE_OFFSET) | flags;
}

int index_entries_write(struct index_entries *entries, struct index_text *text)
{
	struct writer w = { text, text->count };

	sort(entries->items, entries->count, 0);
	index_text_be32(text, INDEX_MAGIC);
	index_text_be32(text, INDEX_VERSION);
	index_text_be32(text, 0);
	uint32_t root = write_node(&w, entries->items, entries->count, 0, true);
	if (text->failed)
		return -ENOMEM;
	if (text->count - w.start > INDEX_NODE_OFFSET)
		return -EFBIG;
	const uint8_t bytes[4] = { root >> 24, root >> 16, root >> 8, root };
	memcpy(text->bytes + w.start + 8, bytes, sizeof(bytes));
	return 0;
}
