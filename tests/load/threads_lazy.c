/* SPDX-License-Identifier: MIT */
/* Lazy binding by several threads at once, also while what they bind by goes. */
#include "threads.h"

#include <unistd.h>

#define WORKERS   4
#define FUNCTIONS 200

void threads_alarm(void)
{
	test_context(); /* not in a thread: two would make two */
	alarm(120);
}

static pthread_barrier_t barrier;

struct caller {
	set_function call_many;
	int step; /* each thread takes another order */
	long sum;
};

static void *call_all(void *data)
{
	struct caller *caller = data;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < FUNCTIONS; i++)
		caller->sum += caller->call_many(1000 + i * caller->step % FUNCTIONS);
	return NULL;
}

static void call_from_threads(
	struct umod_module *module, void (*meanwhile)(void *), void *data)
{
	static const int steps[WORKERS] = { 1, 1, 199, 77 };
	struct caller callers[WORKERS] = { 0 };
	pthread_t threads[WORKERS];
	pthread_barrier_init(&barrier, NULL, WORKERS + 1);
	for (int i = 0; i < WORKERS; i++) {
		callers[i].call_many = (set_function)test_symbol(module, "call_many");
		callers[i].step = steps[i];
		pthread_create(&threads[i], NULL, call_all, &callers[i]);
	}
	pthread_barrier_wait(&barrier);
	if (meanwhile)
		meanwhile(data);
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		CHECK_INT(callers[i].sum, FUNCTIONS * 1000 + FUNCTIONS * 199 / 2);
	}
	pthread_barrier_destroy(&barrier);
}

TEST(lazy_by_several_threads)
{
	threads_alarm();
	for (int round = 0; round < 40; round++) {
		struct umod_namespace *space = test_namespace();
		struct umod_module *module =
			test_load(space, "lazy-many", UMOD_LOAD_LAZY);
		REQUIRE(module);
		call_from_threads(module, NULL, NULL);
		CHECK_INT(test_unref(module), 0);
		umod_namespace_unref(space);
	}
}

static void let_go(void *data)
{
	CHECK_INT(test_unref(data), 0);
}

/* The root that the lazy module came with goes while it binds by the root's scope. */
TEST(lazy_while_the_root_goes)
{
	threads_alarm();
	for (int round = 0; round < 60; round++) {
		struct umod_namespace *space = test_namespace();
		/* So that the root is not what all see. */
		struct umod_module *first = test_load(space, "sysv", 0);
		struct umod_module *root = test_load(space, "lazy-root", UMOD_LOAD_LAZY);
		struct umod_module *module = test_load(space, "lazy-many", 0);
		REQUIRE(first && root && module);
		call_from_threads(module, let_go, root);
		CHECK_INT(test_unref(module), 0);
		CHECK_INT(test_unref(first), 0);
		umod_namespace_unref(space);
	}
}

/*
 * What a module is bound to lazily stays as long as the module: here a library that it
 * does not need itself, and that came with the same root.
 */
TEST(lazily_bound_to_stays)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *first = test_load(space, "sysv", 0);
	struct umod_module *root = test_load(space, "lazy-lender", UMOD_LOAD_LAZY);
	struct umod_module *module = test_load(space, "lazy-alone", 0);
	struct umod_module_info info = { sizeof(info) };
	struct umod_module *many = test_load(space, "many", 0);
	REQUIRE(first && root && module && many);
	set_function call_many = (set_function)test_symbol(module, "call_many");
	CHECK_INT(call_many(1000), 1000);
	umod_module_info_get(many, &info);
	CHECK_INT(info.users, 2);
	CHECK_INT(test_unref(many), 1);
	CHECK_INT(test_unref(root), 0);
	CHECK_INT(test_map_lines("many.so"), test_map_lines("many.so"));
	CHECK_INT(call_many(1000), 1000);
	CHECK_INT(test_unref(module), 0);
	CHECK_INT(test_unref(first), 0);
	umod_namespace_unref(space);
}
