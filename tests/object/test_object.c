/* SPDX-License-Identifier: MIT */
/*
 * Relocatable objects in C, through the public interface: each fixture in each code
 * model, by gcc and clang, is loaded, called, looked up and unloaded.
 */
#include "object_test.h"

#include <dlfcn.h>
#include <fcntl.h>

#define MODELS(c)                                                             \
	c "-pic", c "-pie", c "-nopic", c "-large", c "-kernel", c "-common", \
		c "-sections", c "-o0", c "-medium", c "-noplt"
static const char *const models[] = { MODELS("gcc"), MODELS("clang"), "partial", NULL };

static void call_basic(struct umod_module *module)
{
	static const int results[] = { 5, 5, 11, 9, 1, 77, -1 };
	char text[32] = "";
	int (*format)(char *, size_t, int) =
		(int (*)(char *, size_t, int))object_find(module, "basic_text");
	void *(*function)(void) = (void *(*)(void))object_find(module, "basic_function");
	int *sealed = object_find(module, "basic_sealed");
	int *value = object_find(module, "basic_value");
	int **pointer = object_find(module, "basic_pointer");
	REQUIRE(format && function && sealed && value && pointer);
	for (int i = 0; i < 7; i++)
		CHECK_INT(object_call(module, "basic_run", i), results[i]);
	for (int i = 0; i < 4; i++)
		CHECK_INT(object_call(module, "basic_order", i), i + 1);
	CHECK_INT(object_call(module, "basic_sort", 0), 123);
	CHECK_INT(format(text, sizeof(text), 2), 5);
	CHECK_STR(text, "two 7");
	CHECK(function() == object_find(module, "basic_sort"));
	CHECK_INT(*sealed, 42);
	CHECK(*pointer == value);
}

static void check_address(struct umod_module *module)
{
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	void *sort = object_find(module, "basic_sort");
	struct umod_address_info found;
	umod_module_info_get(module, &info);
	REQUIRE_INT(umod_address_symbol((char *)sort + 1, &found), 0);
	CHECK_STR(found.symbol, "basic_sort");
	CHECK(found.symbol_start == (uintptr_t)sort);
	CHECK(info.start <= (uintptr_t)sort && (uintptr_t)sort < info.end);
}

static void try_basic(const char *path, const char *variant)
{
	struct umod_module *module = object_load(path, 0);
	int report = 0;
	if (!module)
		return;
	void (*set_report)(int *) = (void (*)(int *))object_find(module, "basic_report");
	call_basic(module);
	check_address(module);
	if (set_report)
		set_report(&report);
	object_unload(module);
	CHECK_INT(report, 1);
}

TEST(basic)
{
	object_each("basic", models, try_basic);
}

/* Another module binds to it: functions and data. */
static void try_user(const char *path, const char *variant)
{
	static const char *const providers[] = { "gcc-pic", "gcc-nopic", "clang-large" };
	for (unsigned i = 0; i < 3; i++) {
		const char *provider = object_variant("basic", providers[i]);
		struct umod_error error = { 0 };
		if (!provider)
			continue;
		struct umod_module *basic = object_load(provider, UMOD_LOAD_GLOBAL);
		REQUIRE(basic);
		struct umod_module *user = object_load(path, 0);
		if (user) {
			void *(*address)(void) =
				(void *(*)(void))object_find(user, "user_address");
			CHECK_INT(object_call(user, "user_run", 2), 11 + 7 + 7);
			CHECK(address && address() == object_find(basic, "basic_value"));
			CHECK_INT(umod_module_unref(basic, &error), 1);
			object_unload(user);
		} else {
			object_unload(basic);
		}
	}
}

TEST(bound_to_another)
{
	static const char *const variants[] = { "gcc-pic", "gcc-large", "clang-pic",
		"clang-large", NULL };
	object_each("user", variants, try_user);
}

static void try_ifunc(const char *path, const char *variant)
{
	struct umod_module *module = object_load(path, 0);
	if (!module)
		return;
	int (*function)(int) = (int (*)(int))object_find(module, "ifunc_global");
	int (**pointer)(int) = (int (**)(int))object_find(module, "ifunc_pointer");
	int first = object_call(module, "ifunc_run", 5);
	CHECK(first >= 1009 && first < 1020);
	CHECK(function && function(1) >= 1001);
	CHECK(pointer && (*pointer)(1) >= 1001);
	int ended = 0,
	    (*at_end)(int *) = (int (*)(int *))object_find(module, "ifunc_at_end");
	CHECK(at_end && at_end(&ended) == 0);
	object_unload(module);
	CHECK_INT(ended, 1);
}

TEST(indirect_functions)
{
	object_each("ifunc", models, try_ifunc);
}

/* Descriptors and bytes, as paths. */
TEST(sources)
{
	static char bytes[1 << 20];
	const char *path = object_variant("basic", "gcc-pic");
	struct umod_source source = { sizeof(source), .path = "/nowhere/basic.o" };
	struct umod_error error = { 0 };
	struct umod_module *module;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	REQUIRE(fd >= 0);
	source.buffer_bytes = (size_t)read(fd, bytes, sizeof(bytes));
	source.buffer = bytes;
	REQUIRE_INT(umod_load_source(object_space(), &source, NULL, &module, &error), 0);
	memset(bytes, 0, sizeof(bytes));
	call_basic(module);
	object_unload(module);
	source.path = NULL;
	source.buffer = NULL;
	source.has_descriptor = true;
	source.descriptor = fd;
	REQUIRE_INT(umod_load_source(object_space(), &source, NULL, &module, &error), 0);
	call_basic(module);
	struct umod_module *again = NULL;
	REQUIRE_INT(umod_load(object_space(), path, NULL, &again, &error), 0);
	CHECK(again == module);
	CHECK_INT(umod_module_unref(again, NULL), 1);
	object_unload(module);
	close(fd);
}

/* What init alone needs is gone; what is read-only after init cannot be written. */
static bool has_address(uintptr_t address, char *protection)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		uintptr_t start, end;
		found = sscanf(line, "%lx-%lx %4s", &start, &end, protection) == 3 &&
			address >= start && address < end;
	}
	if (maps)
		fclose(maps);
	return found;
}

TEST(after_init)
{
	const char *path = object_variant("basic", "gcc-pic");
	struct umod_module_info info = { .size_bytes = sizeof(info) }, later = info;
	char protection[8];
	REQUIRE(path);
	object_arenas = false;
	struct umod_module *module = object_load(path, UMOD_LOAD_NO_INIT);
	REQUIRE(module);
	umod_module_info_get(module, &info);
	int *sealed = object_find(module, "basic_sealed");
	REQUIRE(sealed && has_address((uintptr_t)sealed, protection));
	CHECK_STR(protection, "rw-p");
	CHECK_INT(*sealed, 1);
	struct umod_module *again = object_load(path, 0);
	CHECK(again == module);
	umod_module_info_get(module, &later);
	CHECK_INT(*sealed, 42);
	CHECK(has_address((uintptr_t)sealed, protection));
	CHECK_STR(protection, "r--p");
	CHECK(later.start == info.start && later.end < info.end);
	struct umod_address_info found;
	CHECK(umod_address_module((void *)later.end, &found) != 0);
	CHECK(umod_address_module((void *)(later.end - 1), &found) == 0);
	CHECK_INT(umod_module_unref(again, NULL), 1);
	object_unload(module);
	CHECK(!has_address(later.start, protection));
}

TEST(never_writable_and_executable)
{
	const char *path = object_variant("basic", "gcc-pic");
	REQUIRE(path);
	for (unsigned i = 0; i < 2; i++) {
		object_arenas = i;
		struct umod_module_info info = { .size_bytes = sizeof(info) };
		struct umod_module *module = object_load(path, 0);
		char protection[8] = "";
		REQUIRE(module);
		umod_module_info_get(module, &info);
		for (uintptr_t at = info.start; at < info.end; at += 4096)
			CHECK(has_address(at, protection) && strcmp(protection, "rwxp"));
		CHECK(has_address(
			(uintptr_t)object_find(module, "basic_run"), protection));
		CHECK_STR(protection, "r-xp");
		object_unload(module);
	}
}
