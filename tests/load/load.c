/* SPDX-License-Identifier: MIT */
/* Loads by path, descriptor and bytes; identity; namespaces; sharing. */
#include "load_test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- where the bytes come from ---- */

TEST(path)
{
	struct umod_module *module = test_load(test_process(), "answer", 0);
	struct umod_module_info info = { sizeof(info) };
	REQUIRE(module);
	CHECK_INT(test_call(module, "answer"), 42);
	umod_module_info_get(module, &info);
	CHECK_STR(info.name, "answer.so");
	CHECK_STR(info.path, test_path("answer"));
	CHECK_INT(info.state, UMOD_STATE_LIVE);
	CHECK_INT(info.references, 1);
	CHECK(info.start < info.end);
	CHECK(!info.from_host);
	CHECK_INT(test_unref(module), 0);
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	if (!file || fstat(fileno(file), &st))
		return NULL;
	uint8_t *buffer = malloc((size_t)st.st_size);
	*bytes = fread(buffer, 1, (size_t)st.st_size, file);
	fclose(file);
	return buffer;
}

static void load_bytes(const char *name, const char *function, int expected)
{
	struct umod_source source = { sizeof(source) };
	struct umod_module *module = NULL;
	struct umod_error error = { 0 };
	uint8_t *bytes = read_file(test_path(name), &source.buffer_bytes);
	REQUIRE(bytes);
	source.buffer = bytes;
	CHECK_INT(umod_load_source(test_process(), &source, NULL, &module, &error), 0);
	memset(bytes, 0xff, source.buffer_bytes);
	free(bytes);
	REQUIRE(module);
	CHECK_INT(test_call(module, function), expected);
	CHECK_INT(test_unref(module), 0);
}

TEST(bytes)
{
	load_bytes("answer", "answer", 42);
	load_bytes("aligned", "sum_of_zeroes", 0);
	load_bytes("ifunc", "call_indirect", 222);
}

TEST(descriptor)
{
	struct umod_source source = { sizeof(source) };
	struct umod_module *module = NULL, *again = NULL;
	source.has_descriptor = true;
	source.descriptor = open(test_path("answer"), O_RDONLY);
	REQUIRE(source.descriptor >= 0);
	CHECK_INT(umod_load_source(test_process(), &source, NULL, &module, NULL), 0);
	CHECK_INT(umod_load_source(test_process(), &source, NULL, &again, NULL), 0);
	CHECK(module == again);
	CHECK(fcntl(source.descriptor, F_GETFD) >= 0);
	close(source.descriptor);
	CHECK_INT(test_call(module, "answer"), 42);
	CHECK_INT(test_unref(module), 1);
	CHECK_INT(test_unref(again), 0);
}

TEST(source_is_exactly_one)
{
	struct umod_source source = { sizeof(source) };
	struct umod_module *module;
	CHECK_INT(
		umod_load_source(test_process(), &source, NULL, &module, NULL), -EINVAL);
	source.buffer = "x";
	source.has_descriptor = true;
	CHECK_INT(
		umod_load_source(test_process(), &source, NULL, &module, NULL), -EINVAL);
}

/* ---- identity ---- */

TEST(one_file_is_one_module)
{
	char link_path[PATH_MAX];
	struct umod_module *first = test_load(test_process(), "answer", 0),
			   *second = NULL;
	snprintf(link_path, sizeof(link_path), "%s/alias-%d.so", getenv("UMOD_TEST_LIBS"),
		(int)getpid());
	REQUIRE(first && symlink(test_path("answer"), link_path) == 0);
	CHECK_INT(umod_load(test_process(), link_path, NULL, &second, NULL), 0);
	CHECK(first == second);
	unlink(link_path);
	struct umod_module *by_name = NULL;
	CHECK_INT(umod_load(test_process(), "answer.so", NULL, &by_name, NULL), 0);
	CHECK(first == by_name);
	struct umod_module *copy = test_load(test_process(), "answer", UMOD_LOAD_PRIVATE);
	CHECK(copy != first);
	CHECK_INT(((set_function)test_symbol(copy, "answer_set"))(1), 42);
	CHECK_INT(test_call(first, "answer"), 42);
	CHECK_INT(test_unref(copy), 0);
	CHECK_INT(test_unref(by_name), 1);
	CHECK_INT(test_unref(second), 1);
	CHECK_INT(test_unref(first), 0);
}

TEST(noload)
{
	test_refuse(test_process(), "answer", UMOD_LOAD_NOLOAD, -ENOENT, UMOD_STAGE_OPEN,
		"is not loaded");
	struct umod_module *module = test_load(test_process(), "answer", 0);
	struct umod_module *again = test_load(test_process(), "answer", UMOD_LOAD_NOLOAD);
	CHECK(module == again);
	CHECK_INT(test_unref(again), 1);
	CHECK_INT(test_unref(module), 0);
}

/* ---- namespaces ---- */

TEST(namespaces_are_apart)
{
	enum { SPACES = 50 };
	struct umod_namespace *spaces[SPACES];
	struct umod_module *modules[SPACES];
	for (int i = 0; i < SPACES; i++) {
		spaces[i] = test_namespace();
		modules[i] = test_load(spaces[i], "uses-answer", 0);
		REQUIRE(modules[i]);
		((set_function)test_symbol(modules[i], "answer_set"))(1000 + i);
		((set_function)test_symbol(modules[i], "user_set"))(2000 + i);
	}
	for (int i = 0; i < SPACES; i++) {
		CHECK_INT(test_call(modules[i], "user_calls"), 1000 + i);
		CHECK_INT(test_call(modules[i], "user"), 2000 + i);
	}
	for (int i = 0; i < SPACES; i++) {
		CHECK_INT(test_unref(modules[i]), 0);
		umod_namespace_unref(spaces[i]);
	}
	CHECK_INT(test_map_lines("answer.so"), 0);
}

TEST(namespace_lives_with_its_modules)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *module = test_load(space, "answer", 0);
	umod_namespace_unref(space);
	CHECK_INT(test_call(module, "answer"), 42);
	CHECK_INT(test_unref(module), 0);
}

TEST(lent_symbols_come_first)
{
	struct umod_lent_symbol lent = { "answer", (void *)getppid };
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_namespace *space;
	options.symbols = &lent;
	options.symbol_count = 1;
	options.name = "lending";
	CHECK_INT(umod_namespace_new(test_context(), &options, &space, NULL), 0);
	CHECK_STR(umod_namespace_name(space), "lending");
	struct umod_module *module = test_load(space, "uses-answer", 0);
	CHECK_INT(test_call(module, "user_calls"), getppid());
	CHECK_INT(test_unref(module), 0);
	umod_namespace_unref(space);
}

TEST(libc_is_the_hosts)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *module = NULL;
	void *theirs = NULL;
	REQUIRE(umod_load(space, "libz.so.1", NULL, &module, NULL) == 0);
	CHECK_INT(umod_module_symbol(module, "free", NULL, &theirs, NULL), 0);
	CHECK(theirs == (void *)free);
	struct umod_module *libc = NULL;
	for (unsigned i = 0; (libc = umod_module_need(module, i)); i++) {
		struct umod_module_info info = { sizeof(info) };
		umod_module_info_get(libc, &info);
		CHECK(info.from_host);
	}
	CHECK_INT(test_unref(module), 0);
	umod_namespace_unref(space);
}

TEST(core_cannot_be_private)
{
	const char *const names[] = { "libc.so.6", NULL };
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_namespace *space;
	struct umod_error error;
	options.keep_private = names;
	CHECK_INT(umod_namespace_new(test_context(), &options, &space, &error), -EINVAL);
	CHECK_STR(error.subject, "libc.so.6");
}

TEST(libm_can_be_private)
{
	const char *const names[] = { "libm.so.*", NULL };
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_namespace *space;
	struct umod_module *module = NULL;
	struct umod_module_info info = { sizeof(info) };
	options.keep_private = names;
	CHECK_INT(umod_namespace_new(test_context(), &options, &space, NULL), 0);
	CHECK_INT(umod_load(space, "libm.so.6", NULL, &module, NULL), 0);
	REQUIRE(module);
	umod_module_info_get(module, &info);
	CHECK(!info.from_host);
	double (*cosine)(double) = (double (*)(double))test_symbol(module, "cos");
	CHECK(cosine(0.0) == 1.0);
	CHECK_INT(test_unref(module), 0);
	umod_namespace_unref(space);
}
