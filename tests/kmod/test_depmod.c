/* SPDX-License-Identifier: MIT */
/*
 * depmod's core: several runs at once, with threads of their own; each allocation of a
 * run failing in turn; tries against a plain reading of them; packed bytes and their
 * limits. What depmod makes of real trees is compared with kmod's elsewhere.
 */
#include "feature/feature.h"
#include "index/depmod.h"
#include "index/index.h"
#include "index/write.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define MODULES 60

/* ---- a tree ---- */

static void copy(const char *from, const char *to)
{
	char command[512];
	snprintf(command, sizeof(command), "cp %s/%s %s", CORPUS, from, to);
	if (system(command) != 0)
		test_fail(__FILE__, __LINE__, "cannot copy %s", from);
}

static void make_tree(char *path)
{
	static const char *const sources[] = { "relative", "absolute", "two-fields",
		"plain" };
	char file[300];

	strcpy(path, "/tmp/umod-test-depmod-XXXXXX");
	if (!mkdtemp(path))
		test_fail(__FILE__, __LINE__, "no directory");
	for (unsigned i = 0; i < MODULES; i++) {
		snprintf(file, sizeof(file), "%s/m%u.ko", path, i);
		copy(sources[i % base_array_count(sources)], file);
	}
}

static void remove_tree(const char *path)
{
	char command[300];
	snprintf(command, sizeof(command), "rm -rf %s", path);
	CHECK_INT(system(command), 0);
}

/* Files of a tree, besides modules. */
static unsigned count_files(const char *path)
{
	DIR *directory = opendir(path);
	unsigned count = 0;

	for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
		count += strncmp(entry->d_name, "modules.", 8) == 0;
	if (directory)
		closedir(directory);
	return count;
}

/* ---- runs ---- */

struct gathered {
	struct index_text text;
};

static int gather(void *data, const char *bytes, size_t count)
{
	struct gathered *gathered = data;
	index_text_add(&gathered->text, bytes, count);
	return gathered->text.failed ? -ENOMEM : 0;
}

static const char *const no_config[] = { NULL };

static int run_text(const char *path, unsigned threads, struct gathered *out)
{
	struct index_depmod_options options = { .directory = path,
		.release = "6.0",
		.config_paths = no_config,
		.target = INDEX_TO_TEXT,
		.threads = threads,
		.emit = gather,
		.data = out };
	struct index_depmod_result result;
	struct umod_error error = { 0 };
	int code = index_depmod_run(&options, &result, &error);

	if (code == 0 && result.modules != MODULES)
		test_fail(__FILE__, __LINE__, "%u modules", result.modules);
	return code;
}

static char shared_path[64];
static struct gathered expected;

static void *run_alone(void *data)
{
	for (unsigned i = 0; i < 4; i++) {
		struct gathered got = { { 0 } };
		CHECK_INT(run_text(shared_path, 1 + i, &got), 0);
		CHECK_INT(got.text.count, expected.text.count);
		CHECK(got.text.count == expected.text.count &&
			memcmp(got.text.bytes, expected.text.bytes, got.text.count) == 0);
		index_text_free(&got.text);
	}
	return NULL;
}

TEST(runs_at_once)
{
	pthread_t threads[3];

	make_tree(shared_path);
	CHECK_INT(run_text(shared_path, 1, &expected), 0);
	CHECK(expected.text.count > 500);
	for (unsigned i = 0; i < base_array_count(threads); i++)
		pthread_create(&threads[i], NULL, run_alone, NULL);
	for (unsigned i = 0; i < base_array_count(threads); i++)
		pthread_join(threads[i], NULL);
	index_text_free(&expected.text);
	remove_tree(shared_path);
}

/* A run either works or says why, and leaves all files or none. */
TEST(each_allocation_fails_in_turn)
{
	char path[64];
	uint64_t nth;

	make_tree(path);
	for (nth = 1; nth < 3000; nth++) {
		struct index_depmod_options options = { .directory = path,
			.release = "6.0",
			.config_paths = no_config,
			.incremental = true,
			.threads = 1 };
		struct umod_error error = { 0 };
		base_fault_arm(nth, -ENOMEM);
		int code = index_depmod_run(&options, NULL, &error);
		bool over = base_fault_calls() < nth;
		base_fault_arm(0, 0);
		unsigned files = count_files(path);
		if (over) {
			CHECK_INT(code, 0);
			CHECK_INT(files, 12);
			break;
		}
		if (code && (error.code != code || !error.message[0] || files != 0))
			test_fail(__FILE__, __LINE__, "%d at %d: code %d '%s', %u files",
				code, (int)nth, error.code, error.message, files);
		if (code == 0) {
			CHECK_INT(files, 12);
			char command[300];
			snprintf(command, sizeof(command), "rm %s/modules.*", path);
			CHECK_INT(system(command), 0);
		}
	}
	CHECK(nth > 40 && nth < 3000);
	remove_tree(path);
}

/* ---- tries ---- */

struct walk {
	const struct index_entries *entries;
	unsigned at;
};

static int compare_entry(const char *key, const char *value, void *data)
{
	struct walk *walk = data;
	const struct index_entry *entry = &walk->entries->items[walk->at++];
	return strcmp(entry->key, key) || strcmp(entry->value, value);
}

/* Keys of few letters, so that they share beginnings and are beginnings of others. */
TEST(tries_are_read_as_they_were_written)
{
	static char keys[2000][12], values[2000][8];
	uint64_t seed = 1;

	for (unsigned round = 0; round < 30; round++) {
		struct index_entries entries = { 0 };
		struct index_text text = { 0 };
		struct index_file *file = NULL;
		unsigned count = round == 0 ? 0 : 1u << (round % 11);
		for (unsigned i = 0; i < count; i++) {
			seed = base_mix(seed + i);
			for (unsigned j = 0; j < 11; j++)
				keys[i][j] = "ab~\1"[seed >> 2 * j & 3];
			keys[i][seed >> 40 & 7] = '\0';
			snprintf(values[i], sizeof(values[i]), "v%u", i);
			CHECK_INT(index_entries_add(&entries, keys[i], values[i],
					  (uint32_t)(seed >> 50 & 3)),
				0);
		}
		CHECK_INT(index_entries_write(&entries, &text), 0);
		REQUIRE_INT(index_file_open_buffer(INDEX_ALIAS, false, text.bytes,
				    text.count, &file, NULL),
			0);
		struct walk walk = { &entries, 0 };
		struct umod_error error = { 0 };
		int code = index_file_walk(file, compare_entry, &walk, &error);
		if (code)
			test_fail(__FILE__, __LINE__, "%u keys: %d %s", count, code,
				error.message);
		CHECK_INT(walk.at, count);
		index_file_free(file);
		index_text_free(&text);
		index_entries_free(&entries);
	}
}

TEST(what_no_trie_can_hold)
{
	static char longest[INDEX_NAME_BYTES + 1];
	struct index_entries entries = { 0 };

	memset(longest, 'a', INDEX_NAME_BYTES);
	CHECK_INT(index_entries_add(&entries, longest, "v", 0), -ENAMETOOLONG);
	CHECK_INT(index_entries_add(&entries, longest + 1, "v", 0), 0);
	CHECK_INT(index_entries_add(&entries, "caf\xc3\xa9", "v", 0), -EILSEQ);
	CHECK_INT(index_entries_add(&entries, "k", "\x80", 0), -EILSEQ);
	CHECK_INT(entries.count, 1);
	index_entries_free(&entries);
}

/* ---- packed bytes ---- */

TEST(limits_of_unpacking)
{
	struct feature_buffer packed = { 0 }, out = { 0 };
	struct umod_error error = { 0 };
	char path[] = "/tmp/umod-test-packed-XXXXXX", command[200];
	int fd = mkstemp(path);

	REQUIRE(fd >= 0);
	snprintf(command, sizeof(command), "head -c 9000000 /dev/zero | gzip -9 >%s",
		path);
	REQUIRE_INT(system(command), 0);
	REQUIRE_INT(feature_read(fd, "zeros", 9000000, &out, NULL, &error), 0);
	CHECK_INT(out.count, 9000000);
	CHECK_INT(feature_read_path(AT_FDCWD, path, 8999999, &out, NULL, &error), -EFBIG);
	CHECK_INT(out.count, 0);
	CHECK_INT(error.code, -EFBIG);
	enum feature_compression packing;
	/* The file itself, as plain bytes. */
	fd = open(path, O_RDONLY);
	REQUIRE_INT(feature_buffer_reserve(&packed, 1 << 20), 0);
	packed.count = (size_t)read(fd, packed.bytes, 1 << 20);
	close(fd);
	for (size_t cut = 0; cut < packed.count; cut += 1 + packed.count / 50) {
		error.code = 0;
		int code = feature_unpack(
			packed.bytes, cut, "cut", 1 << 30, &out, &packing, &error);
		if (packing == FEATURE_GZIP)
			CHECK_INT(code, -EBADMSG);
		else
			CHECK_INT(code, 0);
	}
	CHECK_INT(feature_unpack(packed.bytes, packed.count, "whole", 9000000, &out,
			  &packing, NULL),
		0);
	CHECK_INT(packing, FEATURE_GZIP);
	feature_buffer_free(&packed);
	feature_buffer_free(&out);
	unlink(path);
}

/* ---- what was read of a file ---- */

/* Whatever is asked for in whatever order: each byte is read once. */
TEST(parts_are_read_once)
{
	enum { TOTAL = 1 << 20 };
	static unsigned char times[TOTAL];
	srand(7);
	for (unsigned round = 0; round < 200; round++) {
		struct feature_parts parts = { .count = 1 };
		memset(times, 0, sizeof(times));
		parts.items[0].end = (uint64_t)rand() % 200000;
		memset(times, 1, parts.items[0].end);
		for (unsigned i = 0; i < 60; i++) {
			uint64_t count = 1 + (uint64_t)rand() % 30000, start, end;
			uint64_t offset = (uint64_t)rand() % (TOTAL - count), from, to;
			if (feature_parts_want(
				    &parts, offset, count, TOTAL, &start, &end))
				for (from = start, to = end;
					feature_parts_next(&parts, &from, &to);
					from = to, to = end)
					for (uint64_t b = from; b < to; b++)
						times[b]++;
			for (uint64_t b = offset; b < offset + count; b++)
				if (times[b] != 1) {
					FAIL("round %u: byte %lu read %u times", round, b,
						times[b]);
					return;
				}
		}
		for (unsigned b = 0; b < TOTAL; b++)
			if (times[b] > 1) {
				FAIL("round %u: byte %u read %u times", round, b,
					times[b]);
				return;
			}
	}
}
