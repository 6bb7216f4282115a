/* SPDX-License-Identifier: MIT */
/*
 * The ELF floor alone: the sound object is read right, each defect is refused or let
 * through as the tables say, and no file cut short or changed at random makes a read
 * leave its bytes, which end where an unmapped page begins. Nothing is loaded.
 */
#include "cutter.h"
#include "defects.h"
#include "mutants.h"
#include "read.h"
#include "test.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

/* @count bytes that end at a page that cannot be read. */
struct fenced {
	uint8_t *map, *bytes;
	size_t map_bytes;
};

static bool fence(struct fenced *f, size_t count)
{
	f->map_bytes = base_align_up(count, BASE_PAGE_BYTES) + BASE_PAGE_BYTES;
	f->map = mmap(NULL, f->map_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->map == MAP_FAILED)
		return CHECK(!"no memory");
	/* Aligned as the loader's bytes are: up to seven of them follow the file. */
	f->bytes = f->map + f->map_bytes - BASE_PAGE_BYTES - base_align_up(count, 8);
	return mprotect(f->map + f->map_bytes - BASE_PAGE_BYTES, BASE_PAGE_BYTES,
		       PROT_NONE) == 0;
}

static void unfence(struct fenced *f)
{
	munmap(f->map, f->map_bytes);
}

static int try_view(const uint8_t *bytes, size_t count, struct umod_error *error)
{
	struct elf_view view;
	umod_error_clear(error);
	int result = read_view(&view, bytes, count, error);
	if (result == 0)
		ask_view(&view);
	elf_view_clear(&view);
	return result;
}

/* The builder is only worth something if ld.so takes what it makes. */
TEST(builder_loads_with_ld_so)
{
	struct builder_file *file = malloc(sizeof(*file));
	char path[] = "/tmp/umod-fixture-XXXXXX";
	int fd = mkstemp(path);
	builder_make(file);
	CHECK_INT(write(fd, file, sizeof(*file)), sizeof(*file));
	close(fd);
	void *handle = dlopen(path, RTLD_NOW);
	unlink(path);
	free(file);
	if (!handle) {
		FAIL("%s", dlerror());
		return;
	}
	int (*value)(void) = (int (*)(void))dlsym(handle, "fixture_value");
	int (*old)(void) = (int (*)(void))dlvsym(handle, "fixture_value", "FIXTURE_1");
	int (*choice)(void) = (int (*)(void))dlsym(handle, "fixture_choice");
	int (*soft)(void) = (int (*)(void))dlsym(handle, "fixture_soft");
	uint64_t *thread = dlsym(handle, "fixture_thread");
	REQUIRE(value && old && choice && soft && thread);
	CHECK_INT(value(), BUILDER_VALUE);
	CHECK_INT(old(), 1);
	CHECK_INT(choice(), BUILDER_VALUE);
	CHECK_INT(soft(), getpid());
	CHECK_INT(*thread, BUILDER_THREAD);
	CHECK_INT((uintptr_t)dlsym(handle, "fixture_absolute"), BUILDER_ABSOLUTE);
	dlclose(handle);
}

TEST(sound_object_is_read)
{
	static struct builder_file file;
	struct elf_view view;
	struct umod_error error = { 0 };
	bool hidden;
	builder_make(&file);
	int result = read_view(&view, (const uint8_t *)&file, sizeof(file), &error);
	if (!CHECK_INT(result, 0))
		printf("# %s\n", error.message);
	CHECK_INT(view.segment_count, 3);
	CHECK_INT(view.symbol_count, BUILDER_SYM_COUNT);
	CHECK_INT(view.rela_count, BUILDER_RELA_COUNT);
	CHECK_INT(view.plt_count, BUILDER_PLT_COUNT);
	CHECK_INT(view.relative_count, 2);
	CHECK_INT(view.relr_count, 4);
	CHECK_INT(view.init_array_count, 2);
	CHECK_INT(view.tls_memory_bytes, 16);
	CHECK_INT(view.relro_bytes, BUILDER_PAGE);
	CHECK_STR(view.soname, BUILDER_SONAME);
	CHECK_STR(view.runpath, "$ORIGIN");
	CHECK(view.defines_versions && view.has_gnu_hash && view.has_sysv_hash);
	const struct elf_version *version =
		elf_view_symbol_version(&view, BUILDER_SYM_VALUE_OLD, &hidden);
	REQUIRE(version);
	CHECK_STR(version->name, "FIXTURE_1");
	CHECK(hidden && !version->file);
	version = elf_view_symbol_version(&view, BUILDER_SYM_GETPID, &hidden);
	REQUIRE(version);
	CHECK_STR(version->name, "GLIBC_2.2.5");
	CHECK_STR(version->file, "libc.so.6");
	/* Every one of the eight exports, and DT_NEEDED. */
	CHECK_INT(ask_view(&view), BUILDER_SYM_COUNT - BUILDER_SYM_HASHED + 1);
	struct elf_reference reference = { .name = "fixture_value",
		.length = 13,
		.hash = base_gnu_hash("fixture_value", 13),
		.newest = true };
	CHECK_INT(elf_view_find(&view, &reference), BUILDER_SYM_VALUE);
	reference.version = elf_version_intern("FIXTURE_1");
	CHECK_INT(elf_view_find(&view, &reference), BUILDER_SYM_VALUE_OLD);
	view.has_gnu_hash = false;
	CHECK_INT(elf_view_find(&view, &reference), BUILDER_SYM_VALUE_OLD);
	elf_view_clear(&view);
}

TEST(each_field_is_checked)
{
	struct fenced fenced;
	unsigned count = 0, accepted = 0;
	if (!fence(&fenced, sizeof(struct builder_file)))
		return;
	for (const struct defect_table *const *t = defect_tables; *t; t++)
		for (unsigned i = 0; i < (*t)->count; i++) {
			const struct defect *defect = &(*t)->defects[i];
			struct umod_error error;
			defect_make((struct builder_file *)(void *)fenced.bytes, defect);
			int result = try_view(
				fenced.bytes, sizeof(struct builder_file), &error);
			defect_judge(
				"view", *t, defect, UMOD_STAGE_VALIDATE, result, &error);
			count++;
			accepted += defect->stage == DEFECT_ACCEPTED;
		}
	unfence(&fenced);
	printf("# %u defects, %u of them no loader needs to see\n", count, accepted);
	CHECK(count > 200);
}

TEST(cut_short_anywhere)
{
	struct builder_file *file = malloc(sizeof(*file));
	unsigned refused = 0, tried = 0;
	builder_make(file);
	for (size_t count = 0; count < sizeof(*file); count += count < 2304 ? 1 : 97) {
		struct fenced fenced;
		struct umod_error error;
		if (!fence(&fenced, count))
			break;
		memcpy(fenced.bytes, file, count);
		int result = try_view(fenced.bytes, count, &error);
		CHECK(result == -ENOEXEC || result == -ELIBBAD);
		refused += result < 0 && error.stage == UMOD_STAGE_VALIDATE;
		tried++;
		unfence(&fenced);
	}
	free(file);
	CHECK_INT(refused, tried);
}

/* Numbers that files hold, and those that they had better not. */
static uint64_t odd_number(unsigned *seed)
{
	static const uint64_t odd[] = { 0, 1, 7, 8, 0x7f, 0xff, 0x1000, 0x7fff, 0x8000,
		0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
		0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff };
	unsigned at = (unsigned)rand_r(seed);
	return at % 3 ? odd[at / 3 % base_array_count(odd)]
		      : (uint64_t)rand_r(seed) << at % 48;
}

/* Several at once, over what is not code or data: no outcome is expected but an answer.
 */
TEST(changed_at_random)
{
	struct fenced fenced;
	struct builder_file *file = malloc(sizeof(*file));
	unsigned seed = 20240611, accepted = 0, rounds = 200000;
	builder_make(file);
	if (!fence(&fenced, sizeof(*file)))
		return;
	for (unsigned round = 0; round < rounds; round++) {
		struct umod_error error;
		memcpy(fenced.bytes, file, sizeof(*file));
		for (unsigned i = rand_r(&seed) % 8 + 1; i > 0; i--) {
			uint64_t value = odd_number(&seed);
			unsigned bytes = 1u << rand_r(&seed) % 4;
			size_t at =
				rand_r(&seed) % 3
					? rand_r(&seed) % sizeof(struct builder_tables)
					: BUILDER_AT(r) +
						  rand_r(&seed) %
							  sizeof(struct builder_relro);
			at &= ~(size_t)(bytes - 1);
			memcpy(fenced.bytes + at, &value, bytes);
		}
		int result = try_view(fenced.bytes, sizeof(*file), &error);
		if (result < 0 &&
			(error.stage != UMOD_STAGE_VALIDATE || !error.message[0]))
			FAIL("round %u: %d without a message", round, result);
		accepted += result == 0;
	}
	printf("# %u of %u accepted\n", accepted, rounds);
	CHECK(accepted > rounds / 100 && accepted < rounds * 9 / 10);
	unfence(&fenced);
	free(file);
}

TEST(damaged_libraries_are_read)
{
	unsigned accepted[MUTANT_REGIONS] = { 0 }, tried[MUTANT_REGIONS] = { 0 };
	if (!mutants_open())
		SKIP("fewer than three of the libraries are installed");
	for (unsigned i = 0; i < MUTANT_COUNT; i++) {
		struct mutant mutant;
		struct fenced fenced;
		struct umod_error error;
		mutants_make(i, &mutant);
		if (!fence(&fenced, mutant.count))
			break;
		memcpy(fenced.bytes, mutant.bytes, mutant.count);
		int result = try_view(fenced.bytes, mutant.count, &error);
		if (result < 0 &&
			(error.stage != UMOD_STAGE_VALIDATE || !error.message[0]))
			FAIL("mutant %u: %d without a message", i, result);
		tried[mutant.region]++;
		accepted[mutant.region] += result == 0;
		unfence(&fenced);
		free(mutant.bytes);
	}
	mutants_close();
	for (unsigned i = 0; i < MUTANT_REGIONS; i++)
		printf("# %-16s %3u of %3u pass\n", mutant_region_names[i], accepted[i],
			tried[i]);
	CHECK_INT(tried[MUTANT_CUT_SHORT], 200);
}

/* A page that is gone reads as zeros, and the guard tells. */
TEST(cut_while_it_is_read)
{
	struct cutter cutter;
	unsigned hits = 0, refused = 0, rounds = 1500;
	if (!cutter_open(&cutter, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 300))
		SKIP("there is no libstdc++.so.6");
	for (unsigned i = 0; i < rounds; i++) {
		struct elf_guard guard;
		struct umod_error error;
		cutter_restore(&cutter);
		void *at = mmap(NULL, cutter.count, PROT_READ, MAP_PRIVATE, cutter.fd, 0);
		REQUIRE(at != MAP_FAILED);
		REQUIRE_INT(elf_guard_begin(&guard, at, cutter.count), 0);
		cutter_go(&cutter);
		int result = try_view(at, cutter.count, &error);
		bool hit = elf_guard_end(&guard);
		cutter_wait(&cutter);
		CHECK(result == 0 || error.message[0]);
		/* Not only after a hit: the rest of the page with the new end is zeros.
		 */
		CHECK(result == 0 || result == -ELIBBAD || result == -ENOEXEC);
		hits += hit;
		refused += result != 0;
		munmap(at, cutter.count);
	}
	cutter_close(&cutter);
	printf("# %u reads: %u met the end of the file, %u were refused\n", rounds, hits,
		refused);
	CHECK(hits > rounds / 100);
}
