/* SPDX-License-Identifier: MIT */
/*
 * Reading module trees: patterns, tries that are honest and tries that are not,
 * configuration, and one tree asked by several threads. Indexes are built here, byte by
 * byte; those of depmod are read in tests that have real modules.
 */
#include "index/index.h"
#include "test.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- patterns ---- */

TEST(patterns_are_fnmatchs)
{
	static const char *const patterns[] = { "", "a", "*", "a*", "*a", "a*b*c", "?",
		"a?c", "[abc]", "[!abc]", "[^a]", "[a-c]x", "x[0-9A-F]*", "[]]", "[!]]",
		"[a", "[", "\\*", "\\", "a\\", "[\\]]", "[a\\-c]", "**", "*?*",
		"[[:digit:]]", "[[:alpha:]-]", "[[:bad:]]", "pci:v*d*sv*", "a**b", "[-a]",
		"[a-]", "[z-a]", "*[0-9]" };
	static const char *const texts[] = { "", "a", "b", "c", "ab", "abc", "axbxc", "*",
		"]", "[", "-", "\\", "[a", "[a-", "x7", "xF00", "5", "bx", "pci:v1d2sv3",
		"aab", "a\\", "z", "[:digit:]", "-]", "abc9", "[" };

	for (size_t i = 0; i < base_array_count(patterns); i++) {
		for (size_t j = 0; j < base_array_count(texts); j++) {
			bool is = index_match(patterns[i], texts[j]);
			bool should = fnmatch(patterns[i], texts[j], 0) == 0;
			if (is != should)
				test_fail(__FILE__, __LINE__,
					"'%s' and '%s': %d, fnmatch %d", patterns[i],
					texts[j], is, should);
		}
	}
}

TEST(many_stars_take_no_time)
{
	char pattern[200], text[4000];

	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	uint64_t start = base_now_ns();
	CHECK(!index_match(pattern, text));
	CHECK(base_now_ns() - start < 1000000000);
}

/* ---- tries ---- */

/* Builds a trie by hand: nodes are appended, children before parents. */
struct maker {
	uint8_t bytes[65536];
	size_t count;
};

static void put32(struct maker *m, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		m->bytes[m->count++] = (uint8_t)(value >> shift);
}

static void put_text(struct maker *m, const char *text)
{
	memcpy(m->bytes + m->count, text, strlen(text) + 1);
	m->count += strlen(text) + 1;
}

static void make_begin(struct maker *m)
{
	memset(m, 0, sizeof(*m));
	put32(m, INDEX_MAGIC);
	put32(m, INDEX_VERSION);
	put32(m, 0);
}

static void make_root(struct maker *m, uint32_t link)
{
	size_t count = m->count;

	m->count = 8;
	put32(m, link);
	m->count = count;
}

/* A leaf with a prefix and values; the link to it. */
static uint32_t put_leaf(struct maker *m, const char *prefix, const char *const *values,
	const uint32_t *priorities)
{
	uint32_t at = (uint32_t)m->count, count = 0;

	if (prefix)
		put_text(m, prefix);
	while (values[count])
		count++;
	put32(m, count);
	for (uint32_t i = 0; i < count; i++) {
		put32(m, priorities[i]);
		put_text(m, values[i]);
	}
	return at | INDEX_NODE_VALUES | (prefix ? INDEX_NODE_PREFIX : 0);
}

static uint32_t put_branch(struct maker *m, const char *prefix, char first, char last,
	const uint32_t *children)
{
	uint32_t at = (uint32_t)m->count;

	if (prefix)
		put_text(m, prefix);
	m->bytes[m->count++] = (uint8_t)first;
	m->bytes[m->count++] = (uint8_t)last;
	for (int c = first; c <= last; c++)
		put32(m, children[c - first]);
	return at | INDEX_NODE_CHILDREN | (prefix ? INDEX_NODE_PREFIX : 0);
}

/* "foo*": b (5), "fooba": a (1), "foobc": c, d (2, 3). */
static void make_good(struct maker *m)
{
	static const char *const a[] = { "a", NULL }, *const b[] = { "b", NULL },
				 *const cd[] = { "c", "d", NULL };
	uint32_t children['b' - '*' + 1] = { 0 };

	make_begin(m);
	uint32_t ends[3] = { put_leaf(m, NULL, a, (uint32_t[]){ 1 }), 0,
		put_leaf(m, NULL, cd, (uint32_t[]){ 2, 3 }) };
	children['b' - '*'] = put_branch(m, NULL, 'a', 'c', ends);
	children[0] = put_leaf(m, NULL, b, (uint32_t[]){ 5 });
	make_root(m, put_branch(m, "foo", '*', 'b', children));
}

static struct index_file *open_bytes(const struct maker *m, struct umod_error *error)
{
	struct index_file *file = NULL;

	index_file_open_buffer(INDEX_ALIAS, false, m->bytes, m->count, &file, error);
	return file;
}

static int join(const char *key, const char *value, void *data)
{
	char *text = data;

	sprintf(text + strlen(text), "%s=%s ", key, value);
	return 0;
}

TEST(trie_answers)
{
	struct maker m;
	struct umod_error error = { 0 };
	struct index_values values = { 0 };
	char text[200] = "";

	make_good(&m);
	struct index_file *file = open_bytes(&m, &error);
	REQUIRE(file != NULL);
	CHECK_INT(index_file_find(file, "foobc", &values, &error), 1);
	CHECK_INT(values.count, 1);
	CHECK_STR(values.items[0].text, "c");
	index_values_free(&values);
	CHECK_INT(index_file_find(file, "foob", &values, &error), 0);
	CHECK_INT(index_file_find(file, "fo", &values, &error), 0);
	CHECK_INT(index_file_find(file, "", &values, &error), 0);
	CHECK_INT(index_file_find(file, "foobcd", &values, &error), 0);
	CHECK_INT(index_file_search(file, "foobc", &values, &error), 0);
	CHECK_INT(values.count, 3);
	if (values.count == 3) {
		CHECK_STR(values.items[0].text, "c");
		CHECK_STR(values.items[1].text, "d");
		CHECK_STR(values.items[2].text, "b");
	}
	index_values_free(&values);
	CHECK_INT(index_file_search(file, "fobar", &values, &error), 0);
	CHECK_INT(values.count, 0);
	CHECK_INT(index_file_walk(file, join, text, &error), 0);
	CHECK_STR(text, "foo*=b fooba=a foobc=c foobc=d ");
	CHECK_INT(error.code, 0);
	index_file_free(file);
}

static int count_visits(const char *key, const char *value, void *data)
{
	(void)key;
	(void)value;
	return ++*(unsigned *)data > 1000000 ? 1 : 0;
}

/* Asks everything; every refusal has a sentence. Returns how many there were. */
static unsigned ask_all(const struct maker *m)
{
	static const char *const texts[] = { "foobc", "fooba", "foo", "", "*", "zzzz" };
	unsigned refused = 0, visits = 0;
	struct umod_error error = { 0 };
	struct index_file *file = open_bytes(m, &error);

	if (!file) {
		CHECK(error.code != 0 && error.message[0]);
		return 1;
	}
	for (size_t i = 0; i < base_array_count(texts); i++) {
		struct index_values values = { 0 };
		umod_error_clear(&error);
		if (index_file_find(file, texts[i], &values, &error) < 0) {
			refused++;
			CHECK(error.code == -ELIBBAD && error.message[0]);
		}
		umod_error_clear(&error);
		if (index_file_search(file, texts[i], &values, &error) < 0) {
			refused++;
			CHECK(error.code == -ELIBBAD && error.message[0]);
		}
		index_values_free(&values);
	}
	umod_error_clear(&error);
	if (index_file_walk(file, count_visits, &visits, &error) < 0) {
		refused++;
		CHECK(error.code == -ELIBBAD && error.message[0]);
	}
	index_file_free(file);
	return refused;
}

/* At the end of an allocation, so that a sanitizer sees a read too far. */
static unsigned ask_cut(const struct maker *m, size_t count)
{
	uint8_t *tight = malloc(count ? count : 1);
	struct umod_error error = { 0 };
	struct index_file *file = NULL;
	struct index_values values = { 0 };
	unsigned refused = 0;

	memcpy(tight, m->bytes, count);
	if (index_file_open_buffer(INDEX_ALIAS, false, tight, count, &file, &error) !=
		0) {
		refused++;
	} else {
		refused += index_file_search(file, "foobc", &values, &error) < 0;
		unsigned visits = 0;
		refused += index_file_walk(file, count_visits, &visits, &error) < 0;
	}
	index_values_free(&values);
	index_file_free(file);
	free(tight);
	return refused;
}

TEST(trie_cut_anywhere)
{
	struct maker m;

	make_good(&m);
	/* The root is last, so that each cut loses something. */
	for (size_t count = 0; count < m.count; count++) {
		if (ask_cut(&m, count) == 0)
			test_fail(__FILE__, __LINE__, "cut at %zu: nothing was refused",
				count);
	}
	CHECK_INT(ask_cut(&m, m.count), 0);
}

TEST(trie_with_any_byte_changed)
{
	struct maker m;

	make_good(&m);
	for (size_t i = 0; i < m.count; i++) {
		for (unsigned value = 0; value < 256; value += i < 12 ? 1 : 5) {
			uint8_t before = m.bytes[i];
			m.bytes[i] = (uint8_t)value;
			ask_all(&m);
			m.bytes[i] = before;
		}
	}
	CHECK_INT(ask_all(&m), 0);
}

TEST(trie_of_hostile_shapes)
{
	struct maker m;
	uint32_t children[128];

	/* A node that is its own child. */
	make_begin(&m);
	for (int i = 0; i < 128; i++)
		children[i] = 12 | INDEX_NODE_CHILDREN;
	make_root(&m, put_branch(&m, NULL, 0, 127, children));
	CHECK(ask_all(&m) > 0);

	/* A lattice: each node has every node below it as all of its children. */
	make_begin(&m);
	uint32_t below =
		put_leaf(&m, NULL, (const char *const[]){ "x", NULL }, (uint32_t[]){ 0 });
	for (int level = 0; level < 60; level++) {
		for (int i = 0; i < 128; i++)
			children[i] = below;
		below = put_branch(&m, NULL, 1, 127, children);
	}
	make_root(&m, below);
	uint64_t start = base_now_ns();
	CHECK(ask_all(&m) > 0);
	CHECK(base_now_ns() - start < 20000000000);

	/* A chain that is deeper than any honest one. */
	make_begin(&m);
	below = put_leaf(&m, NULL, (const char *const[]){ "x", NULL }, (uint32_t[]){ 0 });
	for (int level = 0; level < 5000; level++)
		below = put_branch(&m, NULL, '*', '*', &below);
	make_root(&m, below);
	CHECK(ask_all(&m) > 0);
}

/* ---- files ---- */

static char folder[] = "/tmp/umod-index-XXXXXX";

static void write_file(const char *name, const void *bytes, size_t count)
{
	char path[200];

	if (!strstr(folder, "XXXXXX") || mkdtemp(folder)) {
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		CHECK(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
		close(fd);
	}
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static void remove_folder(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	CHECK(system(command) == 0);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
}

static char complaint[1024];
static void complain(void *data, const char *message)
{
	(void)data;
	size_t used = strlen(complaint);
	snprintf(complaint + used, sizeof(complaint) - used, "%s\n", message);
}

static struct umod_modtree *open_tree(bool map)
{
	static const char *const none[] = { NULL };
	struct umod_modtree_options options = UMOD_MODTREE_OPTIONS_INIT;
	struct umod_modtree *tree = NULL;

	options.directory = folder;
	options.map_indexes = map;
	options.config_paths = none;
	options.command_line = "";
	options.complain = complain;
	complaint[0] = '\0';
	CHECK_INT(umod_modtree_new(&options, &tree, NULL), 0);
	return tree;
}

static void check_first(struct umod_modtree *tree, const char *name, const char *should)
{
	struct umod_modlist *list = NULL;
	int err = umod_modtree_lookup(tree, name, &list, NULL);
	const struct umod_modlist_item *item = umod_modlist_item(list, 0);

	CHECK_INT(err, should ? 0 : -ENOENT);
	CHECK_STR(item ? item->name : NULL, should);
	umod_modlist_free(list);
}

TEST(damaged_index_falls_back_to_text)
{
	struct maker m;

	make_good(&m);
	m.bytes[0] ^= 1;
	write_file("modules.alias.bin", m.bytes, m.count);
	write_text("modules.alias", "alias foo* text\n");
	struct umod_modtree *tree = open_tree(false);
	REQUIRE(tree != NULL);
	CHECK_HAS(complaint, "this is no index file");
	check_first(tree, "foobar", "text");
	umod_modtree_unref(tree);

	/* Damage that only a look-up meets: told, and the rest is still asked. */
	make_good(&m);
	make_root(&m, (uint32_t)m.count | INDEX_NODE_VALUES);
	write_file("modules.alias.bin", m.bytes, m.count);
	write_text("modules.builtin", "kernel/foobar.ko\n");
	tree = open_tree(false);
	REQUIRE(tree != NULL);
	check_first(tree, "foobar", "text");
	CHECK_HAS(complaint, "modules.alias.bin: the index is damaged");
	CHECK_HAS(complaint, "modules.alias is read instead");
	umod_modtree_unref(tree);

	/* Without a text the rest is still asked. */
	char path[80];
	snprintf(path, sizeof(path), "%s/modules.alias", folder);
	CHECK_INT(unlink(path), 0);
	tree = open_tree(false);
	REQUIRE(tree != NULL);
	check_first(tree, "foobar", "foobar");
	CHECK_HAS(complaint, "modules.alias.bin: the index is damaged");
	umod_modtree_unref(tree);
	remove_folder();
}

TEST(mapped_index_that_is_cut_short)
{
	static uint8_t large[40000];
	struct maker m;
	char path[200];

	make_good(&m);
	memcpy(large, m.bytes, m.count);
	write_file("modules.alias.bin", large, sizeof(large));
	struct umod_modtree *tree = open_tree(true);
	REQUIRE(tree != NULL);
	check_first(tree, "foobc", "c");
	snprintf(path, sizeof(path), "%s/modules.alias.bin", folder);
	CHECK(truncate(path, 0) == 0);
	check_first(tree, "foobc", NULL);
	CHECK_HAS(complaint, "modules.alias.bin");
	CHECK(umod_modtree_is_stale(tree));
	umod_modtree_unref(tree);
	remove_folder();
}

TEST(tree_is_a_snapshot)
{
	write_text("modules.dep", "kernel/a.ko: kernel/b.ko\nkernel/b.ko:\n");
	struct umod_modtree *tree = open_tree(false);
	REQUIRE(tree != NULL);
	CHECK(!umod_modtree_is_stale(tree));
	CHECK_STR(umod_modtree_directory(tree), folder);
	write_text("modules.dep", "kernel/c.ko:\n");
	check_first(tree, "a", "a");
	check_first(tree, "c", NULL);
	struct umod_modtree *now = open_tree(false);
	check_first(now, "c", "c");
	check_first(now, "a", NULL);
	umod_modtree_unref(now);
	/* A new file makes it stale, where there was none. */
	struct maker m;
	make_good(&m);
	write_file("modules.alias.bin", m.bytes, m.count);
	CHECK(umod_modtree_is_stale(tree));
	umod_modtree_unref(tree);
	remove_folder();
}

TEST(builtin_information)
{
	static const char bytes[] = "a.license=GPL\0a.alias=x=y\0a.flag\0"
				    "ab.license=MIT\0a.file=of_another_a";
	char text[200] = "";

	write_file("modules.builtin.modinfo", bytes, sizeof(bytes) - 1);
	struct umod_modtree *tree = open_tree(false);
	REQUIRE(tree != NULL);
	CHECK_INT(umod_modtree_builtin_info(tree, "a", join, text, NULL), 0);
	CHECK_STR(text, "license=GPL alias=x=y flag= ");
	CHECK_INT(umod_modtree_builtin_info(tree, "b", join, text, NULL), -ENOENT);
	umod_modtree_unref(tree);
	remove_folder();
}

/* ---- threads ---- */

struct asker {
	struct umod_modtree *tree;
	unsigned wrong;
};

static void *ask_often(void *data)
{
	struct asker *asker = data;

	for (int i = 0; i < 500; i++) {
		struct umod_modlist *list = NULL;
		char name[32], path[64];
		snprintf(name, sizeof(name), "m%d", i % 50);
		snprintf(path, sizeof(path), "kernel/m%d.ko", i % 50);
		umod_modtree_ref(asker->tree);
		if (umod_modtree_plan(asker->tree, name, NULL, NULL, 0, &list, NULL) !=
				0 ||
			umod_modlist_count(list) != (i % 50 ? 2 : 1))
			asker->wrong++;
		size_t last = umod_modlist_count(list);
		const struct umod_modlist_item *item =
			last ? umod_modlist_item(list, last - 1) : NULL;
		if (!item || strcmp(item->name, name) != 0 || !item->path ||
			!strstr(item->path, path))
			asker->wrong++;
		umod_modlist_free(list);
		list = NULL;
		if (umod_modtree_lookup(asker->tree, "foobc", &list, NULL) != 0 ||
			umod_modlist_count(list) != 3)
			asker->wrong++;
		umod_modlist_free(list);
		umod_modtree_unref(asker->tree);
	}
	return NULL;
}

static void ask_from_threads(bool map)
{
	char text[4000] = "", *to = text;
	struct asker askers[6];
	pthread_t threads[6];
	struct maker m;

	make_good(&m);
	write_file("modules.alias.bin", m.bytes, m.count);
	for (int i = 0; i < 50; i++)
		to += sprintf(to, "kernel/m%d.ko:%s\n", i, i ? " kernel/m0.ko" : "");
	write_text("modules.dep", text);
	struct umod_modtree *tree = open_tree(map);
	REQUIRE(tree != NULL);
	for (int i = 0; i < 6; i++) {
		askers[i] = (struct asker){ tree, 0 };
		REQUIRE(pthread_create(&threads[i], NULL, ask_often, &askers[i]) == 0);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], NULL);
		CHECK_INT(askers[i].wrong, 0);
	}
	umod_modtree_unref(tree);
	remove_folder();
}

TEST(threads_share_a_tree)
{
	ask_from_threads(false);
}

TEST(threads_share_a_mapped_tree)
{
	ask_from_threads(true);
}

/* ---- every allocation fails once ---- */

static int build_and_ask(void)
{
	static const char *const none[] = { NULL };
	struct umod_modtree_options options = UMOD_MODTREE_OPTIONS_INIT;
	struct umod_modtree *tree = NULL;
	struct umod_modlist *list = NULL;
	struct umod_error error = { 0 };

	options.directory = folder;
	options.config_paths = none;
	options.command_line = "m1.x=1 modprobe.blacklist=m2,m3";
	int err = umod_modtree_new(&options, &tree, &error);
	if (!err)
		err = umod_modtree_plan(tree, "m1", NULL, NULL, 0, &list, &error);
	if (err)
		CHECK(error.code != 0 && error.message[0]);
	CHECK(err == 0 || list == NULL);
	umod_modlist_free(list);
	umod_modtree_unref(tree);
	return err;
}

TEST(every_failure_is_told)
{
	struct maker m;
	unsigned failed = 0;

	make_good(&m);
	write_file("modules.alias.bin", m.bytes, m.count);
	write_text("modules.dep", "kernel/m0.ko:\nkernel/m1.ko: kernel/m0.ko\n");
	write_text("modules.softdep", "softdep m1 pre: m0 foobc\n");
	CHECK_INT(build_and_ask(), 0);
	for (uint64_t nth = 1;; nth++) {
		base_fault_arm(nth, ENOMEM);
		failed += build_and_ask() != 0;
		bool done = base_fault_calls() < nth;
		base_fault_arm(0, 0);
		if (done)
			break;
	}
	CHECK(failed > 20);
	remove_folder();
}
