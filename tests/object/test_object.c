/* SPDX-License-Identifier: MIT */
/*
 * Relocatable objects through the public interface: each fixture in each code model, by
 * gcc and clang, is loaded, called, looked up and unloaded.
 */
#include "test.h"

#include <umod/umod.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct umod_context *context;

static struct umod_namespace *space(void)
{
	struct umod_error error = { 0 };
	if (!context && umod_context_new(NULL, &context, &error))
		abort();
	return umod_context_process_namespace(context);
}

static const char *built(const char *name)
{
	static char path[4096];
	const char *directory = getenv("UMOD_TEST_FIXTURES");
	snprintf(path, sizeof(path), "%s/%s", directory ? directory : ".", name);
	return path;
}

static struct umod_module *load(const char *name)
{
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	if (umod_load(space(), built(name), NULL, &module, &error))
		FAIL("%s: %s: %s", name, umod_stage_name(error.stage), error.message);
	return module;
}

static void *find(struct umod_module *module, const char *name)
{
	struct umod_error error = { 0 };
	void *address = NULL;
	if (umod_module_symbol(module, name, NULL, &address, &error))
		FAIL("%s: %s", name, error.message);
	return address;
}

static void unload(struct umod_module *module)
{
	struct umod_error error = { 0 };
	if (umod_module_unref(module, &error))
		FAIL("stays: %s", error.message);
}

static void try_basic(const char *name)
{
	struct umod_module *module = load(name);
	char text[32] = "";
	int report = 0;
	if (!module)
		return;
	int (*run)(int) = (int (*)(int))find(module, "basic_run");
	int (*order)(int) = (int (*)(int))find(module, "basic_order");
	int (*sort)(void) = (int (*)(void))find(module, "basic_sort");
	int (*format)(char *, size_t, int) =
		(int (*)(char *, size_t, int))find(module, "basic_text");
	void *(*function)(void) = (void *(*)(void))find(module, "basic_function");
	void (*set_report)(int *) = (void (*)(int *))find(module, "basic_report");
	int *sealed = find(module, "basic_sealed");
	if (!run || !order || !sort || !format || !function || !set_report || !sealed)
		return;
	static const int results[] = { 5, 5, 11, 9, 1, 77, -1 };
	for (int i = 0; i < 7; i++)
		CHECK_INT(run(i), results[i]);
	for (int i = 0; i < 4; i++)
		CHECK_INT(order(i), i + 1);
	CHECK_INT(sort(), 123);
	CHECK_INT(format(text, sizeof(text), 2), 5);
	CHECK_STR(text, "two 7");
	CHECK(function() == (void *)sort);
	CHECK_INT(*sealed, 42);
	set_report(&report);
	unload(module);
	CHECK_INT(report, 1);
}

TEST(basic)
{
	static const char *const variants[] = { "gcc-pic", "gcc-pie", "gcc-nopic",
		"gcc-large", "gcc-kernel", "gcc-common", "gcc-sections", "gcc-o0",
		"clang-pic", "clang-pie", "clang-nopic", "clang-large", "clang-kernel",
		"clang-common", "clang-sections", "clang-o0" };
	for (unsigned i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
		char name[64];
		snprintf(name, sizeof(name), "basic-%s.o", variants[i]);
		if (access(built(name), R_OK) == 0)
			try_basic(name);
		else
			printf("# no %s\n", name);
	}
}
