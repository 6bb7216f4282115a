/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the first byte chooses what the rest is: an index (trie or text, of each
 * kind), a configuration file, or a kernel command line. Each is refused with a sentence
 * or answers; a configuration is then resolved against. Bytes stand at the end of an
 * allocation, where a read too far is seen.
 */
#include "fuzz.h"

#include "index/index.h"

static int count(const char *key, const char *value, void *data)
{
	unsigned *left = data;

	if (strlen(key) >= INDEX_NAME_BYTES || !value)
		abort();
	return --*left ? 0 : 1;
}

static void check(int err, const struct umod_error *error)
{
	if (err < 0 && (error->code != err || !error->message[0]))
		abort();
}

static void ask_index(unsigned kind, bool is_text, const uint8_t *bytes, size_t size)
{
	static const char *const names[] = { "", "foo", "pci:v00008086d000010D3sv0",
		"ext4", "symbol:foo", "a[b]c*" };
	struct umod_error error = { 0 };
	struct index_file *file = NULL;
	unsigned left = 100000;

	int err = index_file_open_buffer(kind, is_text, bytes, size, &file, &error);
	check(err, &error);
	if (err)
		return;
	for (size_t i = 0; i < base_array_count(names); i++) {
		struct index_values values = { 0 };
		umod_error_clear(&error);
		check(index_file_find(file, names[i], &values, &error), &error);
		umod_error_clear(&error);
		check(index_file_search(file, names[i], &values, &error), &error);
		for (unsigned v = 1; v < values.count; v++) {
			/* All but what find added first are sorted. */
			if (!values.items[v].text)
				abort();
		}
		index_values_free(&values);
	}
	umod_error_clear(&error);
	check(index_file_walk(file, count, &left, &error), &error);
	index_file_free(file);
}

static void ask_config(char *text, size_t size)
{
	static const char *const names[] = { "a", "b", "foo_bar" };
	struct index_complaints silent = { NULL, NULL };
	struct index_tree tree = { .complaints = silent };

	for (unsigned kind = 0; kind < INDEX_KIND_COUNT; kind++)
		atomic_store(&tree.slots[kind].tried, true);
	if (index_config_parse(&tree.config, "FILE", text, size, &silent) == 0) {
		for (size_t i = 0; i < base_array_count(names); i++) {
			struct umod_modlist list = { 0 };
			struct umod_error error = { 0 };
			index_resolve(&tree, names[i], &list, NULL);
			int err =
				index_plan(&tree, names[i], NULL, NULL, 0, &list, &error);
			check(err, &error);
			index_list_free(&list);
		}
	}
	index_config_free(&tree.config);
}

static void ask_command_line(char *text)
{
	struct index_config config = { 0 };

	index_config_parse_command_line(&config, text);
	index_config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	unsigned what = data[0] % (2 * INDEX_KIND_COUNT + 2);
	/* Texts are read whole with a NUL behind them. */
	bool ended = what >= 2 * INDEX_KIND_COUNT;
	char *bytes = malloc(size);
	if (!bytes)
		return 0;
	memcpy(bytes, data + 1, size - 1);
	bytes[size - 1] = '\0';
	if (what == 2 * INDEX_KIND_COUNT) {
		ask_config(bytes, size - 1);
	} else if (ended) {
		ask_command_line(bytes);
	} else {
		uint8_t *tight = malloc(size - 1 ? size - 1 : 1);
		if (tight) {
			memcpy(tight, bytes, size - 1);
			ask_index(what / 2, what % 2, tight, size - 1);
		}
		free(tight);
	}
	free(bytes);
	return 0;
}
