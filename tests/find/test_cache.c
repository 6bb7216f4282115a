/* SPDX-License-Identifier: MIT */
/*
 * The reader of /etc/ld.so.cache: built caches of each shape, one defect for each field,
 * every length, random damage, and agreement with what ldconfig says of this machine.
 */
#include "test.h"

#include "cache_builder.h"
#include "find/internal.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const names[] = { "x86-64-v2", "x86-64-v3", "x86-64-v4", NULL };

static const struct cache_entry entries[] = {
	{ "libz9.so.10", "/l/libz9.so.10" },
	{ "libz9.so.9", "/l/libz9.so.9" },
	{ "libhw.so.1", "/l/glibc-hwcaps/x86-64-v2/libhw.so.1", CACHE_HWCAP(0, 0) },
	{ "libhw.so.1", "/l/glibc-hwcaps/x86-64-v3/libhw.so.1", CACHE_HWCAP(1, 0) },
	{ "libhw.so.1", "/l/glibc-hwcaps/x86-64-v4/libhw.so.1", CACHE_HWCAP(2, 0) },
	{ "libhw.so.1", "/l/tls/libhw.so.1", CACHE_TLS },
	{ "libhw.so.1", "/l/libhw.so.1" },
	{ "libc.so.6", "/l/libc.so.6" },
	{ "libb.so.2", "/32/libb.so.2", 0, 0x3 },
	{ "libb.so.2", "/l/libb.so.2" },
	{ "liba.so.1", "/l/liba.so.1" },
};
#define COUNT base_array_count(entries)

static const struct cache_recipe plain = { entries, COUNT, names, false, false };

/* Opens a copy that ends where its allocation does. */
static int open_copy(const uint8_t *bytes, size_t count, uint8_t **copy,
	struct find_cache **cache, struct umod_error *error)
{
	*copy = malloc(count ? count : 1);
	if (count)
		memcpy(*copy, bytes, count);
	memset(error, 0, sizeof(*error));
	*cache = NULL;
	return find_cache_open_buffer(*copy, count, cache, error);
}

static void look_up_all(const struct find_cache *cache, size_t size)
{
	for (unsigned i = 0; i < COUNT; i++) {
		const char *path = find_cache_lookup(cache, entries[i].name);
		CHECK(!path || strlen(path) < size);
	}
	find_cache_lookup(cache, "");
	find_cache_lookup(cache, "lib0.so.00000000000000000000000000000000001");
}

static void check_lookup(
	const struct cache_recipe *recipe, const char *name, const char *path)
{
	struct cache_file file;
	struct find_cache *cache;
	struct umod_error error;
	uint8_t *copy;

	cache_build(recipe, &file);
	int err = open_copy(file.bytes, file.count, &copy, &cache, &error);
	CHECK_INT(err, 0);
	if (!err) {
		CHECK_INT(find_cache_count(cache), recipe->count);
		CHECK_STR(find_cache_lookup(cache, name), path);
		find_cache_free(cache);
	} else {
		FAIL("%s", error.message);
	}
	free(copy);
	free(file.bytes);
}

TEST(lookup_in_each_format)
{
	struct cache_recipe recipe = plain;
	static const char *const missing[] = { "", "lib", "liba.so.2", "libz9.so.11",
		"libz9.so", "zzz", "libc.so.66" };

	for (int format = 0; format < 3; format++) {
		recipe.has_old = format == 1;
		recipe.only_old = format == 2;
		recipe.hwcaps = format == 2 ? NULL : names;
		check_lookup(&recipe, "liba.so.1", "/l/liba.so.1");
		check_lookup(&recipe, "libb.so.2", "/l/libb.so.2");
		check_lookup(&recipe, "libc.so.6", "/l/libc.so.6");
		check_lookup(&recipe, "libz9.so.9", "/l/libz9.so.9");
		check_lookup(&recipe, "libz9.so.10", "/l/libz9.so.10");
		for (unsigned i = 0; i < base_array_count(missing); i++)
			check_lookup(&recipe, missing[i], NULL);
	}
	recipe = (struct cache_recipe){ entries, 0, NULL, false, false };
	check_lookup(&recipe, "liba.so.1", NULL);
}

static void check_choice(const char *what, const struct cache_entry *list, unsigned count,
	const char *path)
{
	struct cache_recipe recipe = { list, count, names, false, false };
	unsigned before = atomic_load(&test_failures);

	check_lookup(&recipe, "libq.so.1", path);
	if (atomic_load(&test_failures) != before)
		FAIL("in the choice: %s", what);
}

/* What glibc chooses among entries of one name, on whichever processor this runs. */
TEST(choice_by_processor)
{
	unsigned level = find_isa_level();
	uint64_t legacy = find_legacy_hwcap();
	const char *best[] = { "/plain", "/v2", "/v3", "/v4" };
	const struct cache_entry all[] = {
		{ "libq.so.1", "/v2", CACHE_HWCAP(0, 0) },
		{ "libq.so.1", "/v4", CACHE_HWCAP(2, 0) },
		{ "libq.so.1", "/v3", CACHE_HWCAP(1, 0) },
		{ "libq.so.1", "/plain" },
	};
	const struct cache_entry needs[] = {
		/* In the directory of v2, but its code needs more. */
		{ "libq.so.1", "/v2", CACHE_HWCAP(0, level + 1) },
		{ "libq.so.1", "/plain" },
	};
	const struct cache_entry unknown[] = {
		{ "libq.so.1", "/v9", CACHE_HWCAP(3, 0) },
		{ "libq.so.1", "/plain" },
	};
	const struct cache_entry bits[] = {
		{ "libq.so.1", "/odd", 1ull << 20 },
		{ "libq.so.1", "/platform", CACHE_HASWELL },
		{ "libq.so.1", "/tls", CACHE_TLS | CACHE_X86_64 },
		{ "libq.so.1", "/plain" },
	};
	const struct cache_entry new_kernel[] = {
		{ "libq.so.1", "/future", 0, 0, 0x00ff0000 },
		{ "libq.so.1", "/past", 0, 0, 0x00030200 },
	};
	const struct cache_entry kernel_4[] = {
		{ "libq.so.1", "/four", 0, 0, 0x00040000 },
		{ "libq.so.1", "/past", 0, 0, 0x00030200 },
	};
	const struct cache_entry other[] = {
		{ "libq.so.1", "/32", 0, 0x3 },
		{ "libq.so.1", "/arm", 0, 0xa03 },
	};

	check_choice("all levels", all, 4, best[level]);
	check_choice("ISA level too high", needs, 2, "/plain");
	check_choice("unknown hwcaps", unknown, 2, "/plain");
	check_choice("legacy", bits, 4,
		legacy & FIND_HWCAP_HASWELL  ? "/platform"
		: legacy & FIND_HWCAP_X86_64 ? "/tls"
					     : "/plain");
	check_choice("kernel too old", new_kernel, 2, "/past");
	check_choice("kernel new enough", kernel_4, 2, "/four");
	check_choice("other machines", other, 2, NULL);
}

/* ---- one defect for each field ---- */

struct defect {
	const char *field;
	size_t (*at)(const struct cache_file *f);
	uint32_t value;
	const char *refused; /* in the message; NULL: no loader needs the field, as... */
	const char *why;     /* ...this tells, and the entries are found */
};

#define AT(NAME, EXPRESSION)                                \
	static size_t at_##NAME(const struct cache_file *f) \
	{                                                   \
		return (EXPRESSION);                        \
	}
AT(magic, f->header)
AT(version, f->header + 17)
AT(count, f->header + 20)
AT(length, f->header + 24)
AT(flags, f->header + 28)
AT(extension_offset, f->header + 32)
AT(unused, f->header + 36)
AT(key, f->entries + 4)
AT(last_key, f->entries + (COUNT - 1) * 24 + 4)
AT(value, f->entries + 8)
AT(string, f->strings_end - 4)
AT(extension_magic, f->extension)
AT(section_count, f->extension + 4)
AT(tag_0, f->sections)
AT(tag_1, f->sections + 16)
AT(section_flags, f->sections + 4)
AT(section_offset, f->sections + 8)
AT(section_bytes, f->sections + 12)
AT(table_offset, f->sections + 24)
AT(table_bytes, f->sections + 28)
AT(hwcap_name, f->hwcaps)

static const struct defect defects[] = {
	{ "magic", at_magic, 0x20202020, "does not start as one", NULL },
	{ "version", at_version, 0x00322e31, "version is not 1.1", NULL },
	{ "nlibs", at_count, 0xffffffff, "too many entries", NULL },
	{ "nlibs, past the end", at_count, COUNT + 100, "too many entries", NULL },
	/* 24 times this is 8, in 32 bits. */
	{ "nlibs, overflow", at_count, 0x0aaaaaab, "too many entries", NULL },
	{ "nlibs, into strings", at_count, COUNT + 1, "strings", NULL },
	{ "len_strings", at_length, 0xffffffff, "strings are longer", NULL },
	{ "len_strings, 0", at_length, 0, "a name lies outside", NULL },
	{ "len_strings, short", at_length, 20, "do not end with a NUL", NULL },
	{ "flags, invalid", at_flags, 1, "byte order", NULL },
	{ "flags, big-endian", at_flags, 3, "byte order", NULL },
	{ "flags, not said", at_flags, 0, NULL, "as older ldconfig wrote it" },
	{ "flags, padding", at_flags, 0x12345602, NULL, "three bytes without meaning" },
	{ "extension_offset", at_extension_offset, 0xfffffffc, "extension lies", NULL },
	{ "extension_offset, odd", at_extension_offset, 0x51, "extension lies", NULL },
	{ "extension_offset, elsewhere", at_extension_offset, 48, "start as one", NULL },
	{ "unused", at_unused, 0xffffffff, NULL, "kept for later formats" },
	{ "key", at_key, 0xffffffff, "a name lies outside", NULL },
	{ "key, in the header", at_key, 4, "a name lies outside", NULL },
	{ "key of the last", at_last_key, 0x00ffffff, "a name lies outside", NULL },
	{ "value", at_value, 0xfffffff0, "a path lies outside", NULL },
	{ "value, in the entries", at_value, 60, "a path lies outside", NULL },
	{ "strings", at_string, 0x41414141, "do not end with a NUL", NULL },
	{ "extension magic", at_extension_magic, 0, "start as one", NULL },
	{ "section count", at_section_count, 0x10000001, "too many sections", NULL },
	{ "section count, past", at_section_count, 40, "too many sections", NULL },
	{ "tag of a section", at_tag_0, 77, NULL, "unknown sections are passed over" },
	{ "tag of the hwcaps", at_tag_1, 99, NULL, "then no such entry is usable" },
	{ "tag, twice", at_tag_0, 1, "hwcaps", NULL },
	{ "section flags", at_section_flags, 0xffffffff, NULL, "none is defined" },
	{ "section offset", at_section_offset, 0xffffffff, "a section lies", NULL },
	{ "section size", at_section_bytes, 0xffffffff, "a section lies", NULL },
	{ "hwcaps offset", at_table_offset, 0xfffffffe, "a section lies", NULL },
	{ "hwcaps size", at_table_bytes, 0xfffffffc, "a section lies", NULL },
	{ "hwcaps size, odd", at_table_bytes, 7, "does not fit", NULL },
	{ "hwcaps name", at_hwcap_name, 0x7fffffff, "hwcaps name lies", NULL },
	{ "hwcaps name, in the header", at_hwcap_name, 0, "hwcaps name lies", NULL },
};

static void check_defect(const struct defect *d, bool has_old)
{
	struct cache_recipe recipe = plain;
	struct cache_file file;
	struct find_cache *cache;
	struct umod_error error;
	uint8_t *copy;

	recipe.has_old = has_old;
	cache_build(&recipe, &file);
	cache_put_32(&file, d->at(&file), d->value);
	int err = open_copy(file.bytes, file.count, &copy, &cache, &error);
	const char *refused = d->refused;
	/* Behind the older block, that one is read instead; it goes to the file's end. */
	if (has_old && strcmp(d->field, "magic") == 0)
		refused = "do not end with a NUL";
	if (refused) {
		if (err != -EINVAL || !strstr(error.message, refused))
			FAIL("%s: %d \"%s\"", d->field, err, error.message);
	} else if (err) {
		FAIL("%s: %s, though %s", d->field, error.message, d->why);
	} else {
		CHECK_STR(find_cache_lookup(cache, "liba.so.1"), "/l/liba.so.1");
	}
	find_cache_free(cache);
	free(copy);
	free(file.bytes);
}

TEST(each_defect_is_named)
{
	for (unsigned i = 0; i < base_array_count(defects); i++) {
		check_defect(&defects[i], false);
		check_defect(&defects[i], true);
	}
}

TEST(old_block_defects)
{
	struct cache_recipe recipe = plain;
	static const uint32_t counts[] = { 0xffffffff, 0x15555556, COUNT + 200 };

	recipe.has_old = true;
	for (unsigned i = 0; i < base_array_count(counts); i++) {
		struct cache_file file;
		struct find_cache *cache;
		struct umod_error error;
		uint8_t *copy;
		cache_build(&recipe, &file);
		cache_put_32(&file, 12, counts[i]);
		CHECK_INT(open_copy(file.bytes, file.count, &copy, &cache, &error),
			-EINVAL);
		CHECK_HAS(error.message, "old format");
		free(copy);
		free(file.bytes);
	}
}

/* A wrong order may lose names, but never leads out of the file. */
TEST(order_is_not_trusted)
{
	struct cache_entry turned[COUNT];
	struct cache_recipe recipe = { turned, COUNT, names, false, false };
	struct cache_file file;
	struct find_cache *cache;
	struct umod_error error;
	uint8_t *copy;

	for (unsigned i = 0; i < COUNT; i++)
		turned[i] = entries[COUNT - 1 - i];
	cache_build(&recipe, &file);
	REQUIRE_INT(open_copy(file.bytes, file.count, &copy, &cache, &error), 0);
	look_up_all(cache, file.count);
	find_cache_free(cache);
	free(copy);
	free(file.bytes);
}

TEST(every_length)
{
	struct cache_recipe recipe = plain;

	for (int old = 0; old < 2; old++) {
		struct cache_file file;
		recipe.has_old = old;
		cache_build(&recipe, &file);
		for (size_t n = 0; n <= file.count; n++) {
			struct find_cache *cache;
			struct umod_error error;
			uint8_t *copy;
			int err = open_copy(file.bytes, n, &copy, &cache, &error);
			if (err == 0)
				look_up_all(cache, n);
			else if (err != -EINVAL || !error.message[0])
				FAIL("%zu bytes: %d", n, err);
			if (n == file.count)
				CHECK_INT(err, 0);
			else if (n < file.strings_end && !old)
				CHECK(err != 0);
			find_cache_free(cache);
			free(copy);
		}
		free(file.bytes);
	}
}

TEST(random_damage)
{
	uint64_t state = 20261121, refused = 0;
	struct cache_recipe recipe = plain;

	for (unsigned round = 0; round < 20000; round++) {
		struct cache_file file;
		struct find_cache *cache;
		struct umod_error error;
		uint8_t *copy;
		recipe.has_old = round & 1;
		cache_build(&recipe, &file);
		for (unsigned flips = 1 + round / 2 % 6; flips > 0; flips--) {
			state = base_mix(state + 1);
			/* Half of them where the numbers are. */
			size_t range = state >> 63 ? file.count : file.strings;
			file.bytes[(state & 0xffffffff) % range] ^=
				(uint8_t)(1u << (state >> 40 & 7));
		}
		int err = open_copy(file.bytes, file.count, &copy, &cache, &error);
		refused += err != 0;
		if (err == 0)
			look_up_all(cache, file.count);
		else if (err != -EINVAL || !error.message[0])
			FAIL("round %u: %d", round, err);
		find_cache_free(cache);
		free(copy);
		free(file.bytes);
	}
	CHECK(refused > 1000 && refused < 19000);
}

/* ---- files ---- */

TEST(file_cut_short_while_open)
{
	struct cache_file file;
	struct find_cache *cache;
	char path[] = "/tmp/umod-cache-XXXXXX";
	int fd = mkstemp(path);

	REQUIRE(fd >= 0);
	cache_build(&plain, &file);
	CHECK(write(fd, file.bytes, file.count) == (ssize_t)file.count);
	REQUIRE_INT(find_cache_open(path, &cache, NULL), 0);
	CHECK(!find_cache_is_stale(cache));
	CHECK_INT(ftruncate(fd, 0), 0);
	CHECK(find_cache_is_stale(cache));
	CHECK_STR(find_cache_lookup(cache, "libc.so.6"), "/l/libc.so.6");
	find_cache_free(cache);
	CHECK_INT(find_cache_open(path, &cache, NULL), -EINVAL);
	unlink(path);
	CHECK_INT(find_cache_open(path, &cache, NULL), -ENOENT);
	CHECK_INT(find_cache_open("/tmp", &cache, NULL), -EINVAL);
	close(fd);
	free(file.bytes);
}

TEST(each_call_fails_in_turn)
{
	struct cache_file file;
	struct find_cache *cache;
	char path[] = "/tmp/umod-cache-XXXXXX";
	int fd = mkstemp(path);

	REQUIRE(fd >= 0);
	cache_build(&plain, &file);
	CHECK(write(fd, file.bytes, file.count) == (ssize_t)file.count);
	close(fd);
	unsigned failed = 0;
	for (uint64_t nth = 1; nth < 100; nth++) {
		struct umod_error error = { 0 };
		base_fault_arm(nth, EIO);
		int err = find_cache_open(path, &cache, &error);
		uint64_t calls = base_fault_calls();
		base_fault_arm(0, 0);
		if (err == 0)
			find_cache_free(cache);
		else
			CHECK(error.code == err && error.message[0]);
		failed += err != 0;
		if (calls < nth)
			break;
		CHECK(err != 0);
	}
	CHECK(failed >= 6);
	unlink(path);
	free(file.bytes);
}

/* ---- this machine ---- */

struct listed {
	char name[128], path[512];
	bool is_plain; /* no hwcap condition */
};

static bool parse_line(const char *line, struct listed *out)
{
	char kind[256];

	if (sscanf(line, " %127s (%255[^)]) => %511[^\n]", out->name, kind, out->path) !=
		3)
		return false;
	out->is_plain = !strstr(kind, "hwcap");
	return strncmp(kind, "libc6,x86-64", 12) == 0;
}

/* Every name that ldconfig lists is found, at the place that it lists first. */
TEST(agrees_with_ldconfig)
{
	struct find_cache *cache;
	FILE *list = popen("PATH=/sbin:$PATH ldconfig -p 2>/dev/null", "r");
	struct listed now, last = { .name = "" };
	char line[1024];
	unsigned count = 0, names_seen = 0, conditional = 0;

	REQUIRE(list);
	if (!fgets(line, sizeof(line), list) || sscanf(line, "%u libs", &count) != 1) {
		pclose(list);
		SKIP("there is no ldconfig, or no cache");
	}
	REQUIRE_INT(find_cache_open(FIND_CACHE_PATH, &cache, NULL), 0);
	CHECK_INT(find_cache_count(cache), count);
	while (fgets(line, sizeof(line), list)) {
		if (!parse_line(line, &now))
			continue;
		/* With a condition it is the processor that decides. */
		if (!now.is_plain) {
			conditional++;
			last = now;
			continue;
		}
		if (strcmp(now.name, last.name) != 0) {
			CHECK_STR(find_cache_lookup(cache, now.name), now.path);
			names_seen++;
		}
		last = now;
	}
	pclose(list);
	printf("# %u entries, %u names compared, %u with a condition\n", count,
		names_seen, conditional);
	CHECK(names_seen > 0);
	find_cache_free(cache);
}
