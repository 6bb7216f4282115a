/* SPDX-License-Identifier: MIT */
/*
 * A program that is not linked with libumod opens it with dlopen: exceptions pass through
 * what it loads then, in threads too. Thread-local storage: tests/link/test_tls_late.c.
 */
#include "test.h"

#include <umod/umod.h>

#include <dlfcn.h>
#include <pthread.h>

#define NEED(name) \
	__typeof__(name) *late_##name = (__typeof__(name) *)dlsym(library, #name)

static int (*throw_and_catch)(int);

static void *throw_many(void *data)
{
	int wrong = 0;
	for (int i = 0; i < 200; i++)
		wrong += throw_and_catch(i % 7) != i % 7 + 1;
	CHECK_INT(wrong, 0);
	return NULL;
}

static void throw_in_threads(void)
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, throw_many, NULL);
	throw_many(NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

TEST(exceptions_after_a_late_dlopen)
{
	struct umod_context *context = NULL;
	struct umod_error error = { 0 };
	/* With what ld.so keeps in reserve by itself. */
	CHECK(getenv("GLIBC_TUNABLES") == NULL);
	void *library = dlopen(UMOD, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		FAIL("%s", dlerror());
	REQUIRE(library);
	NEED(umod_context_new);
	NEED(umod_context_unref);
	NEED(umod_context_process_namespace);
	NEED(umod_namespace_new);
	NEED(umod_namespace_unref);
	NEED(umod_load);
	NEED(umod_module_symbol);
	NEED(umod_module_unref);
	REQUIRE_INT(late_umod_context_new(NULL, &context, &error), 0);
	for (int round = 0; round < 4; round++) {
		struct umod_namespace *space = late_umod_context_process_namespace(
					      context),
				      *own = NULL;
		struct umod_module *module = NULL;
		if (round % 2)
			CHECK_INT(
				late_umod_namespace_new(context, NULL, &own, &error), 0);
		if (late_umod_load(own ? own : space, THROWER, NULL, &module, &error))
			FAIL("%s", error.message);
		REQUIRE(module);
		late_umod_module_symbol(
			module, "throw_and_catch", NULL, (void **)&throw_and_catch, NULL);
		throw_in_threads();
		CHECK(late_umod_module_unref(module, &error) <= 0);
		late_umod_namespace_unref(own);
	}
	late_umod_context_unref(context);
}
