/* SPDX-License-Identifier: MIT */
/*
 * Loads and unloads without end: a plugin with a private dependency, thousands of times,
 * leaves memory, mappings and descriptors where they were. UMOD_TEST_ROUNDS says how
 * often; 10,000 without it.
 */
#include "snapshot.h"
#include "test.h"

#include <inttypes.h>

static unsigned rounds_wanted(void)
{
	const char *text = getenv("UMOD_TEST_ROUNDS");
	return text ? (unsigned)strtoul(text, NULL, 10) : 10000;
}

static bool one_round(struct umod_namespace *space, const char *path, unsigned flags)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_error error = { 0 };
	struct umod_module *module;
	void *address;
	options.flags = flags;
	if (umod_load(space, path, &options, &module, &error) != 0)
		return FAIL("%s: %s", umod_stage_name(error.stage), error.message);
	int found = umod_module_symbol(module, "plugin_run", NULL, &address, &error);
	if (found != 0 || ((int (*)(int))address)(3) != 3)
		return FAIL("plugin_run does not work: %s", error.message);
	if (umod_module_unref(module, &error) != 0)
		return FAIL("it stays: %s", error.message);
	return true;
}

static void churn(bool arenas, bool new_space, unsigned flags, unsigned rounds)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context;
	struct umod_error error = { 0 };
	struct snapshot before = { 0 }, after = { 0 };
	char path[4096];
	const char *directory = getenv("UMOD_TEST_FIXTURES");
	unsigned warm = rounds / 10 < 1000 ? rounds / 10 : 1000;
	snprintf(
		path, sizeof(path), "%s/libfault-plugin.so", directory ? directory : ".");
	options.arena_limit_bytes = arenas ? 1 << 20 : UMOD_ARENA_NONE;
	REQUIRE_INT(umod_context_new(&options, &context, &error), 0);
	snapshot_take(&before);
	snapshot_take(&after);
	for (unsigned i = 0; i < rounds + warm; i++) {
		struct umod_namespace *space = NULL;
		if (i == warm)
			snapshot_take(&before);
		if (new_space)
			REQUIRE_INT(umod_namespace_new(context, NULL, &space, &error), 0);
		bool good =
			one_round(space ? space : umod_context_process_namespace(context),
				path, flags);
		umod_namespace_unref(space);
		if (!good)
			break;
	}
	snapshot_take(&after);
	long heap = (long)(after.heap_bytes - before.heap_bytes);
	long resident = (long)(after.resident_bytes - before.resident_bytes);
	printf("# %u rounds: heap %+ld bytes, resident %+ld, mappings %+d, descriptors "
	       "%+d\n",
		rounds, heap, resident, (int)(after.mappings - before.mappings),
		(int)(after.descriptors - before.descriptors));
	snapshot_same(&before, &after, "after all rounds", rounds);
	CHECK(heap < 4096);
	CHECK(resident < 256 * 1024);
	CHECK_INT(after.statistics.loads - before.statistics.loads, rounds);
	/* Of modules: the plugin and what it needs. */
	CHECK_INT(after.statistics.unloads - before.statistics.unloads, 2 * rounds);
	snapshot_clear(&before);
	snapshot_clear(&after);
	umod_context_unref(context);
}

TEST(in_arenas)
{
	churn(true, false, 0, rounds_wanted());
}

TEST(mapped_from_the_file)
{
	churn(false, false, 0, rounds_wanted() / 4);
}

TEST(each_in_a_new_namespace)
{
	churn(true, true, 0, rounds_wanted() / 4);
}

TEST(bound_lazily)
{
	churn(true, false, UMOD_LOAD_LAZY, rounds_wanted() / 4);
}

TEST(offered_to_all)
{
	churn(true, false, UMOD_LOAD_GLOBAL, rounds_wanted() / 4);
}
