/* SPDX-License-Identifier: MIT */
/*
 * Thread-local storage, init and fini, and lazy binding of real libraries, through the
 * public interface: every model of access, threads that exist and threads to come.
 */
#include "stepper.h"

#include <umod/umod.h>

#include <errno.h>
#include <unistd.h>

#ifndef USER_DESCRIPTOR
#define USER_DESCRIPTOR NULL
#endif

static struct umod_context *context;

static struct umod_namespace *new_space(void)
{
	struct umod_namespace *space = NULL;
	struct umod_error error = { 0 };
	if (!context && umod_context_new(NULL, &context, &error))
		FAIL("%s", error.message);
	if (umod_namespace_new(context, NULL, &space, &error))
		FAIL("%s", error.message);
	return space;
}

static struct umod_module *load(
	struct umod_namespace *space, const char *path, unsigned flags)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	options.flags = flags;
	if (umod_load(space, path, &options, &module, &error))
		FAIL("%s: %s", path, error.message);
	return module;
}

static void *symbol(struct umod_module *module, const char *name)
{
	void *address = NULL;
	struct umod_error error = { 0 };
	if (!module || umod_module_symbol(module, name, NULL, &address, &error))
		FAIL("%s: %s", name, error.message);
	return address;
}

/* Unloads; the test fails if it stays. */
static void unload(struct umod_module *module)
{
	struct umod_error error = { 0 };
	int result = umod_module_unref(module, &error);
	if (result)
		FAIL("unref is %d: %s", result, error.message);
}

#define GET(module, variable, name)                                \
	do {                                                       \
		void *get_address = symbol((module), (name));      \
		memcpy(&(variable), &get_address, sizeof(void *)); \
	} while (0)

struct library {
	struct umod_namespace *space;
	struct umod_module *module;
	int (*check)(void);
	void (*change)(int by);
	int (*changed_by)(void);
	int *(*where)(void);
};

static bool open_library(struct library *library, const char *path)
{
	memset(library, 0, sizeof(*library));
	library->space = new_space();
	library->module = load(library->space, path, 0);
	GET(library->module, library->check, "tls_check");
	GET(library->module, library->change, "tls_change");
	GET(library->module, library->changed_by, "tls_changed_by");
	GET(library->module, library->where, "tls_where");
	return library->check && library->change && library->changed_by && library->where;
}

static void close_library(struct library *library)
{
	unload(library->module);
	umod_namespace_unref(library->space);
}

/* ---- one thread's view of two copies ---- */

static struct library copies[2];

static void first_look(void *data)
{
	for (int i = 0; i < 2; i++) {
		CHECK_INT(copies[i].check(), 0);
		copies[i].change(i + 5);
	}
	CHECK(copies[0].where() != copies[1].where());
}

static void second_look(void *data)
{
	for (int i = 0; i < 2; i++) {
		CHECK_INT(copies[i].changed_by(), i + 5);
		CHECK(symbol(copies[i].module, "tls_exported") == copies[i].where());
	}
}

static void *both_looks(void *data)
{
	first_look(data);
	second_look(data);
	return NULL;
}

static void use_variables(const char *path)
{
	struct stepper others[4];
	pthread_t threads[8];
	for (int i = 0; i < 4; i++)
		stepper_start(&others[i]);
	for (int round = 0; round < 3; round++) {
		if (!open_library(&copies[0], path) || !open_library(&copies[1], path))
			return;
		both_looks(NULL);
		for (int i = 0; i < 4; i++)
			stepper_do(&others[i], first_look, NULL);
		for (int i = 0; i < 8; i++)
			pthread_create(&threads[i], NULL, both_looks, NULL);
		for (int i = 0; i < 4; i++)
			stepper_do(&others[i], second_look, NULL);
		for (int i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
		second_look(NULL);
		close_library(&copies[0]);
		close_library(&copies[1]);
	}
	for (int i = 0; i < 4; i++)
		stepper_end(&others[i]);
}

TEST(general_and_local_dynamic)
{
	use_variables(TLS_DYNAMIC);
}

TEST(descriptors)
{
#ifdef TLS_DESCRIPTOR
	use_variables(TLS_DESCRIPTOR);
#else
	SKIP("the compiler knows no descriptors");
#endif
}

TEST(initial_exec)
{
	use_variables(TLS_INITIAL);
}

TEST(variables_of_another_library)
{
	static const char *const users[] = { USER_DYNAMIC, USER_INITIAL,
		USER_DESCRIPTOR };
	struct library library;
	for (int i = 0; i < 3 && users[i]; i++) {
		/* In one load: the user's access decides where the other's storage is. */
		library.space = new_space();
		struct umod_module *user = load(library.space, users[i], 0);
		int *(*user_where)(void) = NULL, *(*user_nowhere)(void) = NULL;
		GET(user, library.where, "tls_where");
		GET(user, library.check, "tls_check");
		GET(user, user_where, "user_where");
		GET(user, user_nowhere, "user_nowhere");
		REQUIRE(user_where && user_nowhere && library.where && library.check);
		CHECK(user_where() == library.where());
		CHECK_INT(library.check(), 0);
		if (i == 2)
			CHECK(user_nowhere() == NULL);
		unload(user);
		umod_namespace_unref(library.space);
	}
}

TEST(initial_exec_comes_too_late_for_storage_in_use)
{
	struct library library;
	struct umod_error error = { 0 };
	struct umod_module *user = NULL;
	REQUIRE(open_library(&library, TLS_SMALL));
	CHECK_INT(library.check(), 0);
	CHECK_INT(umod_load(library.space, USER_INITIAL, NULL, &user, &error), -ENOMEM);
	CHECK_HAS(error.message, "in dynamic memory already");
	CHECK_INT(error.stage, UMOD_STAGE_BIND);
	close_library(&library);
}

TEST(more_than_the_pool_is_refused)
{
	struct umod_namespace *space = new_space();
	struct umod_module *loaded[64] = { 0 };
	struct umod_error error = { 0 };
	int count = 0, result = 0;
	for (; count < 64; count++) {
		struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
		options.flags = UMOD_LOAD_PRIVATE;
		result = umod_load(space, TLS_INITIAL, &options, &loaded[count], &error);
		if (result)
			break;
	}
	printf("# %d copies of a library with initial-exec variables\n", count);
	CHECK(count > 1);
	CHECK_INT(result, -ENOMEM);
	CHECK_HAS(error.message, "UMOD_TLS_POOL");
	while (count-- > 0)
		unload(loaded[count]);
	umod_namespace_unref(space);
}

/* ---- thread_local destructors ---- */

static int (*use_destructor)(int *);
static int destroyed;

static void step_destructor(void *data)
{
	CHECK_INT(use_destructor(&destroyed), 0);
}

TEST(a_library_waits_for_its_thread_local_destructors)
{
	struct umod_namespace *space = new_space();
	struct umod_module *module = load(space, DESTRUCTOR, 0);
	struct umod_error error = { 0 };
	struct stepper other;
	GET(module, use_destructor, "destructor_use");
	REQUIRE(use_destructor);
	destroyed = 0;
	stepper_start(&other);
	stepper_do(&other, step_destructor, NULL);
	int result = umod_module_unref(module, &error);
	printf("# %d: %s\n", result, error.message);
	CHECK(result != 0);
	CHECK_INT(destroyed, 0);
	stepper_end(&other);
	CHECK_INT(destroyed, 1);
	umod_namespace_unref(space);
}

/* ---- init and fini ---- */

TEST(init_and_fini_functions_run_in_order)
{
	struct umod_namespace *space = new_space();
	struct umod_module *module = load(space, RUN, 0);
	static char after[64];
	char **report = symbol(module, "run_report");
	int *argc = symbol(module, "run_argc");
	char ***argv = symbol(module, "run_argv"), ***envp = symbol(module, "run_envp");
	REQUIRE(report && argc && argv && envp);
	CHECK_STR(*report, "ABC");
	CHECK(*argc >= 1);
	CHECK_HAS((*argv)[0], "test-tls-load");
	CHECK((*argv)[*argc] == NULL);
	CHECK(*envp == environ);
	*report = after;
	unload(module);
	CHECK_STR(after, "xyz");
	umod_namespace_unref(space);
}

/* ---- lazy binding ---- */

TEST(functions_are_bound_at_their_first_call)
{
	struct umod_namespace *space = new_space();
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	double (*mixed)(void) = NULL, (*sum)(void) = NULL;
	CHECK_INT(umod_load(space, LAZY, NULL, &module, &error), -ENOSYS);
	CHECK_HAS(error.message, "nowhere");
	module = load(space, LAZY, UMOD_LOAD_LAZY);
	GET(module, mixed, "lazy_mixed");
	GET(module, sum, "lazy_sum");
	REQUIRE(mixed && sum);
	for (int i = 0; i < 2; i++) {
		CHECK(mixed() == 1496);
		CHECK(sum() == 4.5);
	}
	unload(module);
	umod_namespace_unref(space);
}
