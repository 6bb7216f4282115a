/* SPDX-License-Identifier: MIT */
/* What the tests of loads share: fixtures by name, in one context. */
#include "load_test.h"

#include <limits.h>

struct umod_context *test_context(void)
{
	static struct umod_context *context;
	struct umod_error error;
	if (!context && umod_context_new(NULL, &context, &error)) {
		fprintf(stderr, "no context: %s\n", error.message);
		exit(1);
	}
	return context;
}

struct umod_namespace *test_process(void)
{
	return umod_context_process_namespace(test_context());
}

struct umod_namespace *test_namespace(void)
{
	struct umod_namespace *space = NULL;
	CHECK_INT(umod_namespace_new(test_context(), NULL, &space, NULL), 0);
	return space;
}

const char *test_path(const char *name)
{
	static _Thread_local char paths[4][PATH_MAX];
	static _Thread_local unsigned next;
	const char *folder = getenv("UMOD_TEST_LIBS");
	char *path = paths[next++ % 4];
	snprintf(path, PATH_MAX, "%s/%s%s", folder ? folder : ".", name,
		strcmp(name, "program") == 0 ? "" : ".so");
	return path;
}

struct umod_module *test_load(
	struct umod_namespace *space, const char *name, unsigned flags)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module = NULL;
	struct umod_error error;
	options.flags = flags;
	if (umod_load(space, test_path(name), &options, &module, &error))
		test_fail(__FILE__, __LINE__, "%s: %s: %s: %s", name,
			umod_stage_name(error.stage), error.subject, error.message);
	return module;
}

void test_refuse(struct umod_namespace *space, const char *name, unsigned flags, int code,
	enum umod_stage stage, const char *text)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_statistics before = { sizeof(before) }, after = { sizeof(after) };
	struct umod_module *module = NULL;
	struct umod_error error;
	options.flags = flags;
	umod_statistics_get(&before);
	CHECK_INT(umod_load(space, test_path(name), &options, &module, &error), code);
	CHECK(module == NULL);
	CHECK_INT(error.stage, stage);
	CHECK_INT(error.code, code);
	if (!strstr(error.message, text))
		test_fail(__FILE__, __LINE__, "%s: \"%s\" lacks \"%s\"", name,
			error.message, text);
	umod_statistics_get(&after);
	CHECK_INT(after.modules, before.modules);
	CHECK_INT(after.mapped_bytes, before.mapped_bytes);
	CHECK_INT(after.failures[stage], before.failures[stage] + 1);
}

void *test_symbol(struct umod_module *module, const char *name)
{
	void *address = NULL;
	struct umod_error error;
	if (umod_module_symbol(module, name, NULL, &address, &error))
		test_fail(__FILE__, __LINE__, "%s: %s", error.subject, error.message);
	return address;
}

int test_call(struct umod_module *module, const char *name)
{
	int_function function = module ? (int_function)test_symbol(module, name) : NULL;
	return function ? function() : INT_MIN;
}

int test_unref(struct umod_module *module)
{
	return umod_module_unref(module, NULL);
}

unsigned test_map_lines(const char *text)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[PATH_MAX + 200];
	unsigned count = 0;
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, text) != NULL;
	fclose(maps);
	return count;
}
