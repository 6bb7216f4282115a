/* SPDX-License-Identifier: MIT */
/* What the tests of relocatable objects share: fixtures, loads, look-ups. */
#ifndef UMOD_OBJECT_TEST_H
#define UMOD_OBJECT_TEST_H

#include "test.h"

#include <umod/umod.h>

#include <unistd.h>

/* One context with arenas and one without; chosen by object_arenas. */
__attribute__((weak)) bool object_arenas = true;
__attribute__((weak)) struct umod_context *object_contexts[2];

static inline struct umod_namespace *object_space(void)
{
	struct umod_context **context = &object_contexts[object_arenas];
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_error error = { 0 };
	options.arena_limit_bytes = object_arenas ? 1 << 20 : UMOD_ARENA_NONE;
	if (!*context && umod_context_new(&options, context, &error))
		abort();
	return umod_context_process_namespace(*context);
}

/* The path of a fixture; valid until the eighth call from now. */
static inline const char *object_path(const char *name)
{
	static char paths[8][4096];
	static unsigned next;
	char *path = paths[next++ % 8];
	const char *directory = getenv("UMOD_TEST_FIXTURES");
	snprintf(path, 4096, "%s/%s", directory ? directory : ".", name);
	return path;
}

/* "FIXTURE-VARIANT.o"; NULL: it was not built. */
static inline const char *object_variant(const char *fixture, const char *variant)
{
	char name[128];
	snprintf(name, sizeof(name), "%s-%s.o", fixture, variant);
	const char *path = object_path(name);
	return access(path, R_OK) == 0 ? path : NULL;
}

static inline struct umod_module *object_load(const char *path, unsigned flags)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	options.flags = flags;
	if (umod_load(object_space(), path, &options, &module, &error))
		FAIL("%s: %s: %s", path, umod_stage_name(error.stage), error.message);
	return module;
}

static inline void *object_find(struct umod_module *module, const char *name)
{
	struct umod_error error = { 0 };
	void *address = NULL;
	if (umod_module_symbol(module, name, NULL, &address, &error))
		FAIL("%s: %s", name, error.message);
	return address;
}

/* A function of the module, called with one number. */
static inline int object_call(struct umod_module *module, const char *name, int argument)
{
	int (*function)(int) = (int (*)(int))object_find(module, name);
	return function ? function(argument) : -1;
}

static inline void object_unload(struct umod_module *module)
{
	struct umod_error error = { 0 };
	if (umod_module_unref(module, &error))
		FAIL("stays: %s", error.message);
}

/* Refused at @stage with @code and a message with all of the texts, NULL at the end. */
static inline void object_refused(
	const char *path, const char *stage, int code, const char *const *texts)
{
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	int result = umod_load(object_space(), path, NULL, &module, &error);
	CHECK_INT(result, code);
	CHECK_STR(umod_stage_name(error.stage), stage);
	for (; *texts; texts++)
		CHECK_HAS(error.message, *texts);
	if (!result)
		object_unload(module);
}

/* Calls @try for each variant of @fixture, with arenas and without. */
static inline void object_each(const char *fixture, const char *const *variants,
	void (*try)(const char *path, const char *variant))
{
	unsigned tried = 0;
	for (; *variants; variants++) {
		const char *path = object_variant(fixture, *variants);
		unsigned before = atomic_load(&test_failures);
		for (unsigned i = 0; path && i < 2; i++) {
			object_arenas = i;
			try(path, *variants);
		}
		tried += path != NULL;
		if (atomic_load(&test_failures) != before)
			printf("# in %s\n", path);
	}
	printf("# %s: %u variants\n", fixture, tried);
	CHECK(tried > 0);
}

#endif
