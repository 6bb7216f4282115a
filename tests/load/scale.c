/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand of everything: namespaces that hold the same file, global modules in one
 * namespace, copies of a file; and what happens when the process may have no more
 * mappings. Nothing here asserts a time: work is counted by comparing, times are printed.
 */
#include "load_test.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static unsigned scale(void)
{
	const char *text = getenv("UMOD_TEST_SCALE");
	return text ? (unsigned)atoi(text) : 10000;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned long resident_kib(void)
{
	unsigned long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file && fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (file)
		fclose(file);
	return resident * 4;
}

static unsigned map_lines(void)
{
	return test_map_lines("-");
}

/* ---- the same file in many namespaces ---- */

TEST(one_file_in_many_namespaces)
{
	unsigned count = scale(), lines = map_lines();
	struct umod_namespace **spaces = calloc(count, sizeof(struct umod_namespace *));
	struct umod_module **modules = calloc(count, sizeof(struct umod_module *));
	struct umod_statistics before = { sizeof(before) }, after = { sizeof(after) };
	unsigned long resident = resident_kib();
	double start = now();
	umod_statistics_get(&before);
	for (unsigned i = 0; i < count; i++) {
		spaces[i] = test_namespace();
		modules[i] = test_load(spaces[i], "uses-answer", 0);
		REQUIRE(modules[i]);
		((set_function)test_symbol(modules[i], "answer_set"))(100000 + (int)i);
		((set_function)test_symbol(modules[i], "user_set"))(-(int)i);
	}
	double loaded = now();
	printf("# %u namespaces, %u modules: %.0f us each, %lu KiB, %u mappings\n", count,
		2 * count, (loaded - start) * 1e6 / count, resident_kib() - resident,
		map_lines() - lines);
	for (unsigned i = 0; i < count; i++) {
		CHECK_INT(test_call(modules[i], "user_calls"), 100000 + (int)i);
		CHECK_INT(test_call(modules[i], "user"), -(int)i);
	}
	start = now();
	for (unsigned i = 0; i < count; i++) {
		CHECK_INT(test_unref(modules[i]), 0);
		umod_namespace_unref(spaces[i]);
	}
	free(spaces);
	free(modules);
	umod_statistics_get(&after);
	malloc_trim(0);
	unsigned long left = resident_kib();
	printf("# gone in %.0f us each; %lu KiB resident before, %lu after\n",
		(now() - start) * 1e6 / count, resident, left);
	CHECK_INT(after.modules, before.modules);
	CHECK_INT(after.mapped_bytes, before.mapped_bytes);
	/* One empty arena is kept for what comes next. */
	CHECK(after.arena_bytes <= before.arena_bytes + (2 << 20));
	CHECK(map_lines() < lines + 50); /* malloc keeps some */
	CHECK(left < resident + 8 * 1024);
}

/* ---- copies of a file, told apart by soname ---- */

static char folder[] = "/tmp/umod-scale-XXXXXX";
static uint8_t *file_bytes;
static size_t file_size, soname_at[8], soname_count;

/* One chain of all symbols, so that a changed name is still found. */
static bool one_bucket(void)
{
	const Elf64_Ehdr *header = (void *)file_bytes;
	const Elf64_Shdr *sections = (void *)(file_bytes + header->e_shoff);
	for (unsigned i = 0; i < header->e_shnum; i++) {
		uint32_t *table = (void *)(file_bytes + sections[i].sh_offset);
		if (sections[i].sh_type != SHT_HASH)
			continue;
		uint32_t count = table[1];
		table[0] = 1;
		table[2] = 1;
		for (uint32_t k = 0; k < count; k++)
			table[3 + k] = k && k + 1 < count ? k + 1 : 0;
		return true;
	}
	return false;
}

/* Where the number stands in the soname and in the names of symbols. */
static bool read_original(void)
{
	struct stat st;
	int fd = open(test_path("numbered"), O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return false;
	file_size = (size_t)st.st_size;
	file_bytes = malloc(file_size);
	bool whole = read(fd, file_bytes, file_size) == (ssize_t)file_size;
	close(fd);
	soname_count = 0;
	for (size_t i = 0; whole && i + 12 < file_size && soname_count < 8; i++)
		if (memcmp(file_bytes + i, "number00000", 11) == 0)
			soname_at[soname_count++] = i + 6;
	return whole && soname_count > 0 && one_bucket();
}

static const char *copy_path(unsigned number)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/number%05u.so", folder, number);
	return path;
}

static bool write_copy(unsigned number)
{
	char digits[16];
	snprintf(digits, sizeof(digits), "%05u", number);
	for (size_t i = 0; i < soname_count; i++)
		memcpy(file_bytes + soname_at[i], digits, 5);
	int fd = open(copy_path(number), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	bool written = fd >= 0 && write(fd, file_bytes, file_size) == (ssize_t)file_size;
	close(fd);
	return written;
}

static struct umod_module *load_copy(
	struct umod_namespace *space, unsigned number, unsigned flags)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module = NULL;
	struct umod_error error;
	options.flags = flags;
	if (!CHECK(write_copy(number)))
		return NULL;
	if (umod_load(space, copy_path(number), &options, &module, &error))
		test_fail(__FILE__, __LINE__, "%u: %s", number, error.message);
	unlink(copy_path(number));
	return module;
}

static double time_lookups(struct umod_namespace *space, const char *name, int expected)
{
	void *address;
	int wrong = 0;
	double start = now();
	for (int i = 0; i < 100000; i++)
		wrong += umod_namespace_symbol(space, name, NULL, &address, NULL) !=
			 expected;
	CHECK_INT(wrong, 0);
	return (now() - start) * 1e9 / 100000;
}

TEST(many_global_modules)
{
	unsigned count = 2 * scale(), lines = map_lines();
	struct umod_module **modules = calloc(count, sizeof(struct umod_module *));
	struct umod_namespace *space = test_namespace();
	struct umod_statistics before = { sizeof(before) }, after = { sizeof(after) };
	unsigned long resident = resident_kib();
	REQUIRE(read_original() && mkdtemp(folder));
	umod_statistics_get(&before);
	double start = now();
	for (unsigned i = 0; i < count; i++) {
		modules[i] = load_copy(space, i, i < count / 2 ? UMOD_LOAD_GLOBAL : 0);
		REQUIRE(modules[i]);
	}
	printf("# %u files written and loaded: %.0f us each, %lu KiB, %u mappings\n",
		count, (now() - start) * 1e6 / count, resident_kib() - resident,
		map_lines() - lines);
	umod_statistics_get(&after);
	CHECK_INT(after.modules - before.modules, count);
	/* Two for each, where a file of its own would need four or five. */
	CHECK(map_lines() - lines < 2 * count + 100);
	char name[64];
	snprintf(name, sizeof(name), "number%05u", count / 2 - 1);
	void *address = NULL;
	CHECK_INT(umod_namespace_symbol(space, name, NULL, &address, NULL), 0);
	CHECK(address == test_symbol(modules[count / 2 - 1], name));
	printf("# a name of the first: %.0f ns, of the last: %.0f ns, of none: %.0f ns\n",
		time_lookups(space, "number00000", 0), time_lookups(space, name, 0),
		time_lookups(space, "number_nowhere", -ENOENT));
	snprintf(name, sizeof(name), "number%05u", count - 1);
	CHECK_INT(umod_namespace_symbol(space, name, NULL, &address, NULL), -ENOENT);
	for (unsigned i = 0; i < count; i++)
		CHECK_INT(test_unref(modules[i]), 0);
	CHECK_INT(umod_namespace_symbol(space, "number00000", NULL, &address, NULL),
		-ENOENT);
	umod_statistics_get(&after);
	CHECK_INT(after.modules, before.modules);
	CHECK_INT(after.mapped_bytes, before.mapped_bytes);
	umod_namespace_unref(space);
	free(modules);
	free(file_bytes);
	rmdir(folder);
}

/* ---- no more mappings ---- */

/* Neighbours of different permission, so that each page is a mapping. */
static unsigned fill_mappings(char *area, unsigned pages)
{
	unsigned made = 0;
	for (unsigned i = 0; i < pages; i += 2) {
		if (mprotect(area + (size_t)i * 4096, 4096, PROT_READ))
			break;
		made++;
	}
	return made;
}

TEST(mappings_run_out)
{
	enum { PAGES = 1 << 18 };
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_statistics before = { sizeof(before) }, after = { sizeof(after) };
	struct umod_context *context = NULL;
	struct umod_module *module = NULL;
	struct umod_error error = { 0 }, last = { 0 };
	options.arena_limit_bytes = UMOD_ARENA_NONE;
	REQUIRE(umod_context_new(&options, &context, NULL) == 0);
	struct umod_namespace *space = umod_context_process_namespace(context);
	umod_statistics_get(&before);
	char *area = mmap(NULL, (size_t)PAGES * 4096, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(area != MAP_FAILED);
	unsigned made = fill_mappings(area, PAGES);
	bool full = made < PAGES / 2;
	if (full) {
		/* Then let go of one more mapping at a time: whatever step fails. */
		unsigned failures = 0;
		for (unsigned i = 0; i < 30 && i < made; i++) {
			int result = umod_load(
				space, test_path("answer"), NULL, &module, &error);
			if (result == 0) {
				CHECK_INT(test_call(module, "answer"), 42);
				CHECK_INT(test_unref(module), 0);
				break;
			}
			failures++;
			last = error;
			CHECK_INT(result, -ENOMEM);
			CHECK(module == NULL);
			CHECK(error.stage == UMOD_STAGE_MAP ||
				error.stage == UMOD_STAGE_PROTECT ||
				error.stage == UMOD_STAGE_VALIDATE ||
				error.stage == UMOD_STAGE_BIND);
			CHECK_HAS(error.message, "vm.max_map_count");
			umod_statistics_get(&after);
			CHECK_INT(after.modules, before.modules);
			CHECK_INT(after.mapped_bytes, before.mapped_bytes);
			mprotect(area + (size_t)2 * i * 4096, 4096, PROT_NONE);
		}
		printf("# refused %u times, the last in %s: %s\n", failures,
			umod_stage_name(last.stage), last.message);
		CHECK(failures > 0 && failures < 30);
	}
	munmap(area, (size_t)PAGES * 4096);
	CHECK_INT(umod_load(space, test_path("answer"), NULL, &module, NULL), 0);
	CHECK_INT(test_call(module, "answer"), 42);
	CHECK_INT(test_unref(module), 0);
	umod_context_unref(context);
	if (!full)
		SKIP("this process may have more than %d mappings", PAGES);
}
