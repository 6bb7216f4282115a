/* SPDX-License-Identifier: MIT */
/* Thread-local variables of relocatable objects, in every model. */
#include "object_test.h"

#include <pthread.h>

#define MODELS(c) \
	c "-pic", c "-ld", c "-ie", c "-pie", c "-nopic", c "-desc", c "-large", c "-o0"
static const char *const models[] = { MODELS("gcc"), MODELS("clang"), NULL };

static void *in_thread(void *function)
{
	int (*add)(int) = (int (*)(int))function;
	int first = add(1), second = add(1);
	return (void *)(intptr_t)(first * 100 + second);
}

static void try_tls(const char *path, const char *variant)
{
	struct umod_module *module = object_load(path, 0);
	pthread_t thread;
	void *result = NULL;
	if (!module)
		return;
	void *add = object_find(module, "tls_add");
	int *(*where)(void) = (int *(*)(void))object_find(module, "tls_where");
	CHECK_INT(object_call(module, "tls_add", 2), 7 + 11 + 1 + 3);
	CHECK(where && where() == object_find(module, "tls_value"));
	CHECK(where && *where() == 7);
	for (unsigned i = 0; add && i < 3; i++) {
		REQUIRE_INT(pthread_create(&thread, NULL, in_thread, add), 0);
		pthread_join(thread, &result);
		CHECK_INT((intptr_t)result, (6 + 10 + 1 + 3) * 100 + 7 + 11 + 2 + 3);
	}
	CHECK_INT(object_call(module, "tls_misaligned", 0), 0);
	object_unload(module);
}

TEST(tls)
{
	object_each("tls", models, try_tls);
}

static void try_tls_user(const char *path, const char *variant)
{
	const char *provider = object_variant("tls", "gcc-pic");
	REQUIRE(provider);
	struct umod_module *tls = object_load(provider, UMOD_LOAD_GLOBAL);
	REQUIRE(tls);
	struct umod_module *user = object_load(path, 0);
	if (user) {
		int *(*where)(void) = (int *(*)(void))object_find(user, "tls_user_where");
		CHECK_INT(object_call(user, "tls_user_get", 0), 5);
		CHECK(where && where() == object_find(tls, "tls_value"));
		CHECK_INT(umod_module_unref(tls, NULL), 1);
		object_unload(user);
	} else {
		object_unload(tls);
	}
}

TEST(tls_of_another)
{
	object_each("tls_user", models, try_tls_user);
}
