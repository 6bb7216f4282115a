/* SPDX-License-Identifier: MIT */
/*
 * A program with a pool of its own, larger and more aligned than libumod's.
 */
#include "stepper.h"

#include <umod/tls.h>
#include <umod/umod.h>

#include <errno.h>
#include <limits.h>

UMOD_TLS_POOL_ALIGNED(65536, 4096);

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

TEST(the_pool_of_the_program)
{
	struct umod_context *context = NULL;
	struct umod_namespace *space;
	struct umod_module *modules[64] = { 0 };
	struct umod_error error = { 0 };
	struct umod_statistics statistics = { .size_bytes = sizeof(statistics) };
	struct stepper other;
	int count = 0;
	stepper_start(&other);
	REQUIRE(umod_context_new(NULL, &context, &error) == 0);
	umod_statistics_get(&statistics);
	CHECK_INT(statistics.tls_pool_bytes, 65536);
	for (; count < 64; count++) {
		pthread_t thread;
		int result;
		REQUIRE(umod_namespace_new(context, NULL, &space, &error) == 0);
		result = umod_load(space, TLS_ALIGNED, NULL, &modules[count], &error);
		umod_namespace_unref(space);
		if (result)
			break;
		umod_module_own_symbol(
			modules[count], "tls_check", NULL, (void **)&check, NULL);
		umod_module_own_symbol(
			modules[count], "tls_change", NULL, (void **)&change, NULL);
		umod_module_own_symbol(modules[count], "tls_changed_by", NULL,
			(void **)&changed_by, NULL);
		look(NULL);
		stepper_do(&other, look, NULL);
		REQUIRE(pthread_create(&thread, NULL, new_thread, NULL) == 0);
		pthread_join(thread, NULL);
	}
	printf("# %d copies with initial-exec variables of alignment 4096\n", count);
	CHECK(count >= 7 && count <= 16);
	CHECK_INT(error.code, -ENOMEM);
	while (count-- > 0)
		CHECK_INT(umod_module_unref(modules[count], &error), 0);
	umod_statistics_get(&statistics);
	CHECK_INT(statistics.tls_pool_used_bytes, 0);
	stepper_end(&other);
}

/* What umod/tls.h says about stacks. */
TEST(the_pool_is_charged_to_stacks)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	CHECK_INT(pthread_create(&thread, &attributes, new_thread, NULL), EINVAL);
	pthread_attr_destroy(&attributes);
}
