/* SPDX-License-Identifier: MIT */
/* Relocatable objects in C++: exceptions, start and end of objects, groups, threads. */
#include "object_test.h"

#include <pthread.h>

static const char *const models[] = { "gcc-pic", "gcc-o0", "gcc-large", "clang-pic",
	"clang-o0", "clang-large", "partial", NULL };

static void try_cxx(const char *path, const char *variant)
{
	struct umod_module *module = object_load(path, 0);
	int ended = 0;
	if (!module)
		return;
	CHECK_INT(object_call(module, "cxx_own", 0), 0);
	CHECK_INT(object_call(module, "cxx_own", 1), 42);
	CHECK_INT(object_call(module, "cxx_own", 2), 104);
	CHECK_INT(object_call(module, "cxx_own", 3), 1004);
	CHECK_INT(object_call(module, "cxx_strings", 0), 6);
	CHECK_INT(object_call(module, "cxx_shapes", 0), 41);
	CHECK_INT(object_call(module, "cxx_template", 5), 13);
	CHECK_INT(object_call(module, "cxx_first_use", 0), 8);
	int **report = object_find(module, "cxx_report");
	if (report)
		*report = &ended;
	object_unload(module);
	CHECK_INT(ended, 1);
}

TEST(cxx)
{
	object_each("cxx", models, try_cxx);
}

/* All fixtures in one object, by ld -r: they bind to one another inside it. */
TEST(many_in_one)
{
	for (unsigned i = 0; i < 2; i++) {
		object_arenas = i;
		struct umod_module *module = object_load(object_path("whole.o"), 0);
		REQUIRE(module);
		CHECK_INT(object_call(module, "user_run", 2), 11 + 7 + 7);
		CHECK_INT(object_call(module, "tls_add", 2), 7 + 11 + 1 + 3);
		CHECK_INT(object_call(module, "tls_user_get", 0), 7);
		CHECK_INT(object_call(module, "cxx_own", 2), 104);
		CHECK_INT(object_call(module, "cxx_template", 5), 13);
		CHECK(object_call(module, "ifunc_run", 5) > 1000);
		for (int k = 0; k < 4; k++)
			CHECK_INT(object_call(module, "basic_order", k), k + 1);
		object_unload(module);
	}
}

/* Thrown in one object, through a frame of another, caught in a third. */
TEST(exceptions_between_objects)
{
	const char *path = object_variant("cxx", "gcc-pic");
	const char *other = object_variant("cxx", "clang-pic");
	REQUIRE(path);
	struct umod_module *one = object_load(path, 0);
	struct umod_module *two = object_load(other ? other : path, UMOD_LOAD_PRIVATE);
	REQUIRE(one && two);
	int (*caught)(void *, int) = (int (*)(void *, int))object_find(one, "cxx_catch");
	void *thrown = object_find(two, "cxx_throw");
	REQUIRE(caught && thrown);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_INT(caught(thrown, 1), 42);
		CHECK_INT(caught(thrown, 2), 104);
		CHECK_INT(caught(thrown, 3), 1004);
	}
	object_unload(one);
	object_unload(two);
}

static void *in_thread(void *function)
{
	int (*add)(const char *) = (int (*)(const char *))function;
	int first = add("12"), second = add("345");
	return (void *)(intptr_t)(first * 100 + second);
}

TEST(thread_local_objects)
{
	const char *path = object_variant("cxx", "gcc-pic");
	pthread_t thread;
	void *result = NULL;
	REQUIRE(path);
	struct umod_module *module = object_load(path, 0);
	REQUIRE(module);
	void *function = object_find(module, "cxx_thread");
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE_INT(pthread_create(&thread, NULL, in_thread, function), 0);
		pthread_join(thread, &result);
		CHECK_INT((intptr_t)result, 811);
	}
	object_unload(module);
}
