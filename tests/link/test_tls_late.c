/* SPDX-License-Identifier: MIT */
/*
 * A program that is not linked with libumod and opens it with dlopen, while threads run.
 * Its pool of static storage comes from what ld.so keeps in reserve: loads, initial-exec
 * access of threads that exist and threads to come, and what happens past the pool.
 */
#include "stepper.h"

#include <umod/tls.h>
#include <umod/umod.h>

#include <dlfcn.h>
#include <errno.h>

#ifdef POOL
/* Has a pool that libumod is to find in place of its own; exported by -rdynamic. */
UMOD_TLS_POOL(POOL);
#endif

#define NEED(name) \
	__typeof__(name) *late_##name = (__typeof__(name) *)dlsym(library, #name)

static int (*check)(void), (*changed_by)(void);
static void (*change)(int);

static void look(void *data)
{
	CHECK_INT(check(), 0);
	change(9);
	CHECK_INT(changed_by(), 9);
}

static void *new_thread(void *data)
{
	look(data);
	return NULL;
}

static void use(struct stepper *others, int count)
{
	pthread_t thread;
	look(NULL);
	for (int i = 0; i < count; i++)
		stepper_do(&others[i], look, NULL);
	pthread_create(&thread, NULL, new_thread, NULL);
	pthread_join(thread, NULL);
}

TEST(libumod_opened_late)
{
	static const char *const paths[] = { TLS_INITIAL, TLS_DYNAMIC };
	struct umod_context *context = NULL;
	struct umod_namespace *space = NULL;
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	struct umod_statistics statistics = { .size_bytes = sizeof(statistics) };
	struct stepper others[4];
	for (int i = 0; i < 4; i++)
		stepper_start(&others[i]);
	void *library = dlopen(UMOD, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		FAIL("%s", dlerror());
	REQUIRE(library);
	NEED(umod_context_new);
	NEED(umod_namespace_new);
	NEED(umod_load);
	NEED(umod_module_symbol);
	NEED(umod_module_unref);
	NEED(umod_statistics_get);
	REQUIRE(late_umod_context_new(NULL, &context, &error) == 0);
	REQUIRE(late_umod_namespace_new(context, NULL, &space, &error) == 0);
	late_umod_statistics_get(&statistics);
	printf("# pool of %lu bytes\n", (unsigned long)statistics.tls_pool_bytes);
#ifdef POOL
	CHECK_INT(statistics.tls_pool_bytes, POOL);
#else
	CHECK(statistics.tls_pool_bytes >= 1024);
#endif
	for (int round = 0; round < 6; round++) {
		int result =
			late_umod_load(space, paths[round % 2], NULL, &module, &error);
		if (result)
			FAIL("%s", error.message);
		REQUIRE(result == 0);
		late_umod_module_symbol(module, "tls_check", NULL, (void **)&check, NULL);
		late_umod_module_symbol(
			module, "tls_change", NULL, (void **)&change, NULL);
		late_umod_module_symbol(
			module, "tls_changed_by", NULL, (void **)&changed_by, NULL);
		use(others, 4);
		CHECK_INT(late_umod_module_unref(module, &error), 0);
	}
	/* More than fits: refused by a message, and the next load is as good as ever. */
	int copies = 0, result = 0;
	for (; copies < 1000 && !result; copies++) {
		struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
		options.flags = UMOD_LOAD_PRIVATE;
		result = late_umod_load(space, TLS_INITIAL, &options, &module, &error);
	}
	printf("# %d copies with initial-exec variables\n", copies - 1);
	CHECK_INT(result, -ENOMEM);
	CHECK_HAS(error.message, "UMOD_TLS_POOL");
	CHECK_INT(late_umod_load(space, TLS_DYNAMIC, NULL, &module, &error), 0);
	for (int i = 0; i < 4; i++)
		stepper_end(&others[i]);
}
