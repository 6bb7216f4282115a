/* SPDX-License-Identifier: MIT */
/*
 * Helper of the tests that use a library; see use.h.
 */
#include "use.h"

#include <pthread.h>

struct use_thread {
	const struct use_work *work;
	struct use_copy *copy;
	unsigned thread;
	pthread_barrier_t *barrier; /* all begin together */
	pthread_t id;
};

static void *thread_main(void *data)
{
	struct use_thread *thread = data;

	pthread_barrier_wait(thread->barrier);
	thread->work->work(thread->copy, thread->thread);
	return NULL;
}

static void missing(void)
{
	FAIL("a function that the library does not have was called");
	abort();
}

void *use_symbol(struct use_copy *copy, const char *name)
{
	struct umod_error error = { 0 };
	void (*stand_in)(void) = missing;
	void *address;

	if (umod_module_symbol(copy->module, name, NULL, &address, &error) < 0) {
		FAIL("%s: %s", name, error.message);
		memcpy(&address, &stand_in, sizeof(address));
	}
	return address;
}

static bool copy_load(
	struct umod_context *context, const struct use_work *work, struct use_copy *copy)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_error error = { 0 };

	if (work->pinned)
		options.flags = UMOD_LOAD_PINNED;
	if (umod_namespace_new(context, NULL, &copy->space, &error) < 0)
		return FAIL("no namespace: %s", error.message);
	if (umod_load(copy->space, work->library, &options, &copy->module, &error) < 0)
		return FAIL("%s: %s: %s: %s", work->library, umod_stage_name(error.stage),
			error.subject, error.message);
	return true;
}

static void copy_unload(const struct use_work *work, struct use_copy *copy)
{
	struct umod_error error = { 0 };
	int result;

	if (copy->module) {
		result = umod_module_unref(copy->module, &error);
		if (result == 0 && work->pinned)
			FAIL("%s went though it is pinned", work->library);
		else if (result != 0 && !work->may_stay && !work->pinned)
			FAIL("%s stays (%d): %s", work->library, result, error.message);
		else if (result != 0)
			printf("# %s stays (%d): %s\n", work->library, result,
				error.message);
	}
	umod_namespace_unref(copy->space);
}

/* The copies lie apart. */
static void check_apart(struct use_copy *copies)
{
	struct umod_module_info a = { sizeof(a) }, b = { sizeof(b) };

	umod_module_info_get(copies[0].module, &a);
	umod_module_info_get(copies[1].module, &b);
	CHECK(a.end <= b.start || b.end <= a.start);
	CHECK(a.start < a.end && b.start < b.end);
	CHECK_STR(a.path, b.path);
}

static void run_threads(const struct use_work *work, struct use_copy *copies)
{
	struct use_thread threads[USE_COPIES * USE_THREADS];
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, USE_COPIES * USE_THREADS);
	for (unsigned i = 0; i < USE_COPIES * USE_THREADS; i++) {
		threads[i] = (struct use_thread){ .work = work, .barrier = &barrier };
		threads[i].copy = &copies[i % USE_COPIES];
		threads[i].thread = i / USE_COPIES;
		if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) != 0) {
			FAIL("no thread");
			exit(1);
		}
	}
	for (unsigned i = 0; i < USE_COPIES * USE_THREADS; i++)
		pthread_join(threads[i].id, NULL);
	pthread_barrier_destroy(&barrier);
}

void use_side_by_side(const struct use_work *work)
{
	struct use_copy copies[USE_COPIES] = { 0 };
	struct umod_context *context;
	struct umod_error error = { 0 };
	bool loaded = true;

	if (umod_context_new(NULL, &context, &error) < 0) {
		FAIL("no context: %s", error.message);
		return;
	}
	for (unsigned i = 0; i < USE_COPIES && loaded; i++) {
		copies[i].index = i;
		loaded = copy_load(context, work, &copies[i]);
	}
	if (loaded) {
		check_apart(copies);
		for (unsigned i = 0; i < USE_COPIES && work->begin; i++)
			work->begin(&copies[i]);
		if (work->work)
			run_threads(work, copies);
		for (unsigned i = 0; i < USE_COPIES && work->end; i++)
			work->end(&copies[i]);
	}
	for (unsigned i = 0; i < USE_COPIES; i++)
		copy_unload(work, &copies[i]);
	umod_context_unref(context);
}
