/* SPDX-License-Identifier: MIT */
/*
 * Whole loads of damaged files, none of their code run: each defect of the tables through
 * an arena, a file's mapping and lazy binding; 2,001 damaged libraries in child
 * processes; a file that is cut short while it is loaded. The process never faults.
 */
#include "cutter.h"
#include "defects.h"
#include "load/load.h"
#include "mutants.h"
#include "test.h"

#include <umod/umod.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct umod_context *context_new(bool arenas)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context = NULL;
	struct umod_error error = { 0 };
	if (!arenas)
		options.arena_limit_bytes = UMOD_ARENA_NONE;
	if (!CHECK_INT(umod_context_new(&options, &context, &error), 0))
		printf("# %s\n", error.message);
	return context;
}

/* As umod_load_source, but resolvers of damaged libraries are not called. */
static bool call_resolvers = true;

static int load(struct umod_namespace *space, const struct umod_source *source,
	unsigned flags, struct umod_module **out, struct umod_error *error)
{
	struct load load = { .space = space,
		.context = space->context,
		.flags = UMOD_LOAD_NO_INIT | UMOD_LOAD_PRIVATE | flags,
		.source = source,
		.error = error,
		.no_resolvers = !call_resolvers };
	umod_error_clear(error);
	registry_lock();
	int result = load_run(&load);
	registry_unlock();
	*out = result ? NULL : load.root;
	return result;
}

static int load_buffer(struct umod_namespace *space, const void *bytes, size_t count,
	unsigned flags, struct umod_module **out, struct umod_error *error)
{
	struct umod_source source = { sizeof(source), .path = "/tmp/test.so",
		.buffer = bytes, .buffer_bytes = count };
	return load(space, &source, flags, out, error);
}

static int load_file(struct umod_namespace *space, const void *bytes, size_t count,
	unsigned flags, struct umod_module **out, struct umod_error *error)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct umod_source source = { sizeof(source), .path = "/tmp/test.so",
		.has_descriptor = true, .descriptor = fd };
	int result = write(fd, bytes, count) == (ssize_t)count ? 0 : -errno;
	if (result == 0)
		result = load(space, &source, flags, out, error);
	close(fd);
	return result;
}

static void check_sound(struct umod_module *module)
{
	struct umod_error error = { 0 };
	void *address = NULL;
	CHECK_INT(umod_module_own_symbol(module, "fixture_value", NULL, &address, &error),
		0);
	if (address)
		CHECK_INT(((int (*)(void))address)(), BUILDER_VALUE);
	CHECK_INT(umod_module_own_symbol(
			  module, "fixture_value", "FIXTURE_1", &address, &error),
		0);
	if (address)
		CHECK_INT(((int (*)(void))address)(), 1);
	CHECK_INT(
		umod_module_own_symbol(module, "fixture_choice", NULL, &address, &error),
		0);
	if (address)
		CHECK_INT(((int (*)(void))address)(), BUILDER_VALUE);
	CHECK_INT(umod_module_own_symbol(module, "fixture_soft", NULL, &address, &error),
		0);
	if (address)
		CHECK_INT(((int (*)(void))address)(), getpid());
	CHECK_INT(
		umod_module_own_symbol(module, "fixture_thread", NULL, &address, &error),
		0);
	if (address)
		CHECK_INT(*(uint64_t *)address, BUILDER_THREAD);
	CHECK_INT(umod_module_own_symbol(module, "fixture_state", NULL, &address, &error),
		0);
	if (address)
		CHECK_INT(*(uint64_t *)address, BUILDER_STATE);
	CHECK_INT(umod_module_own_symbol(module, "fixture_once", NULL, &address, &error),
		0);
	if (address)
		CHECK_INT(*(uint64_t *)address, BUILDER_STATE + 1);
	CHECK_INT(umod_module_own_symbol(
			  module, "fixture_absolute", NULL, &address, &error),
		0);
	CHECK_INT((uintptr_t)address, BUILDER_ABSOLUTE);
	CHECK_INT(
		umod_module_own_symbol(module, "fixture_nothing", NULL, &address, &error),
		-ENOENT);
}

/* What relocation must have written, by its place in the data. */
static void check_relocated(struct umod_module *module)
{
	struct umod_module_info info = { sizeof(info) };
	umod_module_info_get(module, &info);
	uintptr_t bias = info.load_bias;
	const uint64_t *data = (const uint64_t *)(bias + BUILDER_DATA_VADDR(data));
	const uint64_t *got = (const uint64_t *)(bias + BUILDER_DATA_VADDR(r.got));
	const uint64_t *plt = (const uint64_t *)(bias + BUILDER_DATA_VADDR(plt_got));
	uint64_t at = bias + BUILDER_DATA_VADDR(data);
	uint64_t value = bias + BUILDER_TEXT_VADDR(BUILDER_CODE_VALUE);
	CHECK_INT(data[0], at);
	CHECK_INT(data[1], value);
	CHECK_INT(data[2], at + 8 * BUILDER_DATA_STATE);
	CHECK_INT(data[3], at + 8 * BUILDER_DATA_ONCE);
	CHECK_INT(data[4], 8);
	CHECK_INT(data[5], value);
	CHECK_INT(data[6], value);
	CHECK_INT(data[7], value);
	CHECK_INT(data[8], at);
	CHECK_INT(data[9], at + 8);
	CHECK_INT(data[11], value);
	CHECK_INT(data[10], 0);
	CHECK_INT(got[0], (uintptr_t)&environ);
	CHECK_INT(got[1], 0);
	CHECK(got[2] != 0 && got[2] == got[4]);
	CHECK_INT(got[3], 0);
	CHECK_INT(plt[4], value);
	CHECK_INT(((pid_t(*)(void))(uintptr_t)plt[3])(), getpid());
}

TEST(sound_object_is_loaded)
{
	struct builder_file *file = malloc(sizeof(*file));
	builder_make(file);
	for (unsigned way = 0; way < 6; way++) {
		struct umod_context *context = context_new(way % 2);
		struct umod_namespace *space = umod_context_process_namespace(context);
		struct umod_module *module = NULL;
		struct umod_error error;
		int result = (way / 2 == 0 ? load_buffer : load_file)(space, file,
			sizeof(*file), way / 2 == 2 ? UMOD_LOAD_LAZY : 0, &module,
			&error);
		if (!CHECK_INT(result, 0))
			printf("# way %u: %s\n", way, error.message);
		if (module && way / 2 != 2)
			check_relocated(module);
		if (module) {
			check_sound(module);
			CHECK_INT(umod_module_unref(module, &error), 0);
		}
		umod_context_unref(context);
	}
	free(file);
}

static void try_all(const char *way, bool arenas, unsigned flags,
	int (*try)(struct umod_namespace *, const void *, size_t, unsigned,
		struct umod_module **, struct umod_error *))
{
	struct umod_context *context = context_new(arenas);
	struct umod_namespace *space = umod_context_process_namespace(context);
	struct builder_file *file = malloc(sizeof(*file));
	unsigned refused = 0, loaded = 0;
	for (const struct defect_table *const *t = defect_tables; *t; t++)
		for (unsigned i = 0; i < (*t)->count; i++) {
			const struct defect *defect = &(*t)->defects[i];
			struct umod_module *module = NULL;
			struct umod_error error;
			defect_make(file, defect);
			int result =
				try(space, file, sizeof(*file), flags, &module, &error);
			/* A lazy load leaves functions for later: only no fault is asked.
			 */
			if (!(flags & UMOD_LOAD_LAZY))
				defect_judge(
					way, *t, defect, UMOD_STAGE_LIVE, result, &error);
			CHECK((result == 0) == (module != NULL));
			*(result ? &refused : &loaded) += 1;
			if (module && umod_module_unref(module, &error) != 0)
				FAIL("%s, %s stays: %s", defect->field, defect->how,
					error.message);
		}
	printf("# %s: %u refused, %u loaded\n", way, refused, loaded);
	/* Nothing that failed or went may be in the way of a sound one. */
	struct umod_module *module = NULL;
	struct umod_error error;
	builder_make(file);
	CHECK_INT(try(space, file, sizeof(*file), flags, &module, &error), 0);
	if (module) {
		check_sound(module);
		CHECK_INT(umod_module_unref(module, &error), 0);
	}
	free(file);
	umod_context_unref(context);
}

TEST(each_field_in_an_arena)
{
	try_all("arena", true, 0, load_buffer);
}

TEST(each_field_in_memory)
{
	try_all("memory", false, 0, load_buffer);
}

TEST(each_field_in_a_mapped_file)
{
	try_all("file", false, 0, load_file);
}

TEST(each_field_bound_lazily)
{
	try_all("lazy", true, UMOD_LOAD_LAZY, load_buffer);
}

/* ---- damaged libraries, each outcome by a child's word ---- */

struct tally {
	_Atomic unsigned next; /* the mutant that is next, or under way */
	unsigned loaded[MUTANT_REGIONS], refused[MUTANT_REGIONS];
	unsigned silent; /* refused without stage or message */
	uint8_t outcome[MUTANT_COUNT];
};

static void load_mutants(struct tally *tally)
{
	struct umod_context *contexts[2] = { context_new(true), context_new(false) };
	alarm(120); /* a hang is a crash */
	call_resolvers = false;
	while (tally->next < MUTANT_COUNT) {
		struct mutant mutant;
		struct umod_module *module = NULL;
		struct umod_error error;
		unsigned index = tally->next;
		mutants_make(index, &mutant);
		struct umod_namespace *space =
			umod_context_process_namespace(contexts[index / 7 % 2]);
		int result = (index % 2 ? load_file : load_buffer)(space, mutant.bytes,
			mutant.count, index % 3 ? 0 : UMOD_LOAD_LAZY, &module, &error);
		if (result == 0)
			umod_module_unref(module, NULL);
		else if (error.stage == UMOD_STAGE_NONE || !error.message[0] ||
			 error.code != result)
			tally->silent++;
		(*(result ? &tally->refused : &tally->loaded))[mutant.region]++;
		tally->outcome[index] = result ? 2 : 1;
		free(mutant.bytes);
		tally->next = index + 1;
	}
	umod_context_unref(contexts[0]);
	umod_context_unref(contexts[1]);
}

TEST(damaged_libraries_never_crash_a_load)
{
	unsigned crashed = 0;
	if (!mutants_open())
		SKIP("fewer than three of the libraries are installed");
	struct tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(tally != MAP_FAILED);
	while (tally->next < MUTANT_COUNT && crashed < 50) {
		int status = 0;
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			load_mutants(tally);
			_exit(0);
		}
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		struct mutant mutant;
		mutants_make(tally->next, &mutant);
		FAIL("mutant %u, %s of %s: signal %d", tally->next,
			mutant_region_names[mutant.region], mutant.library,
			WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		free(mutant.bytes);
		crashed++;
		tally->next++;
	}
	unsigned loaded = 0, refused = 0;
	for (unsigned i = 0; i < MUTANT_REGIONS; i++) {
		printf("# %-16s %3u loaded, %3u refused\n", mutant_region_names[i],
			tally->loaded[i], tally->refused[i]);
		loaded += tally->loaded[i];
		refused += tally->refused[i];
	}
	printf("# of %u: %u loaded, %u refused, %u crashed\n", MUTANT_COUNT, loaded,
		refused, crashed);
	CHECK_INT(crashed, 0);
	CHECK_INT(tally->silent, 0);
	CHECK_INT(loaded + refused, MUTANT_COUNT);
	munmap(tally, sizeof(*tally));
	mutants_close();
}

/* ---- cut short while it is loaded ---- */

TEST(cut_while_it_is_loaded)
{
	struct cutter cutter;
	unsigned loaded = 0, by_stage[UMOD_STAGE_COUNT] = { 0 }, rounds = 600;
	struct umod_context *context = context_new(false);
	struct umod_namespace *space = umod_context_process_namespace(context);
	if (!cutter_open(&cutter, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 4000))
		SKIP("there is no libstdc++.so.6");
	for (unsigned i = 0; i < rounds; i++) {
		struct umod_source source = { sizeof(source), .path = cutter.path };
		struct umod_module *module = NULL;
		struct umod_error error;
		cutter_restore(&cutter);
		cutter_go(&cutter);
		int result = load(space, &source, 0, &module, &error);
		cutter_wait(&cutter);
		/* An image that lives cannot do without its file: give it back. */
		cutter_restore(&cutter);
		if (result == 0) {
			loaded++;
			umod_module_unref(module, NULL);
			continue;
		}
		if (error.stage == UMOD_STAGE_NONE || !error.message[0])
			FAIL("round %u: %d without stage or message", i, result);
		if (error.stage > UMOD_STAGE_VALIDATE && result != -EBUSY)
			FAIL("round %u: %d at %s, not -EBUSY: %s", i, result,
				umod_stage_name(error.stage), error.message);
		by_stage[error.stage]++;
	}
	cutter_close(&cutter);
	printf("# %u loaded", loaded);
	for (unsigned i = 0; i < UMOD_STAGE_COUNT; i++)
		if (by_stage[i])
			printf(", %u refused at %s", by_stage[i], umod_stage_name(i));
	printf("\n");
	CHECK(loaded < rounds);
	struct umod_source source = { sizeof(source),
		.path = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6" };
	struct umod_module *module = NULL;
	struct umod_error error;
	CHECK_INT(load(space, &source, 0, &module, &error), 0);
	umod_module_unref(module, NULL);
	umod_context_unref(context);
}
