/* SPDX-License-Identifier: MIT */
/* What names are bound to: scopes, versions, kinds of symbols, kinds of relocations. */
#include "load_test.h"

#include <limits.h>

TEST(hash_of_either_kind)
{
	struct umod_module *module = test_load(test_process(), "sysv", 0);
	CHECK_INT(test_call(module, "sysv_answer"), 5);
	void *address;
	CHECK_INT(umod_module_symbol(module, "not_there", NULL, &address, NULL), -ENOENT);
	CHECK_INT(test_unref(module), 0);
}

TEST(relative_relocations)
{
	const char *const names[] = { "rela", "relr" };
	for (int i = 0; i < 2; i++) {
		struct umod_module *module = test_load(test_process(), names[i], 0);
		CHECK_INT(test_call(module, "pointer_sum"), 18054);
		CHECK_INT(test_unref(module), 0);
	}
}

TEST(large_alignments)
{
	const char *const names[] = { "aligned", "huge-page-aligned" };
	for (int i = 0; i < 2; i++) {
		struct umod_module *module = test_load(test_process(), names[i], 0);
		REQUIRE(module);
		uintptr_t (*address)(void) =
			(uintptr_t(*)(void))test_symbol(module, "block_address");
		CHECK_INT(address() % 65536, 0);
		CHECK_INT(test_call(module, "sum_of_zeroes"), 0);
		CHECK_INT(test_unref(module), 0);
	}
}

TEST(indirect_functions)
{
	struct umod_module *module = test_load(test_process(), "ifunc", 0);
	CHECK_INT(test_call(module, "call_indirect"), 222);
	CHECK_INT(test_unref(module), 0);
	module = test_load(test_process(), "calls-ifunc", 0);
	CHECK_INT(test_call(module, "calls_ifunc_calls"), 2);
	CHECK_INT(test_call(module, "indirect"), 2);
	CHECK_INT(test_unref(module), 0);
}

TEST(first_in_scope_wins)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *global = test_load(space, "answer", UMOD_LOAD_GLOBAL);
	struct umod_module *interposed = test_load(space, "interposed", 0);
	struct umod_module *protected = test_load(space, "protected", 0);
	struct umod_module *symbolic = test_load(space, "symbolic", 0);
	CHECK_INT(test_call(interposed, "answer_calls"), 42);
	CHECK_INT(test_call(protected, "answer_calls"), 77);
	CHECK_INT(test_call(symbolic, "answer_calls"), 88);
	CHECK_INT(test_call(interposed, "answer"), 99); /* a look-up by handle */
	CHECK_INT(test_unref(interposed), 0);
	CHECK_INT(test_unref(protected), 0);
	CHECK_INT(test_unref(symbolic), 0);
	CHECK_INT(test_unref(global), 0);
	umod_namespace_unref(space);
}

TEST(deep_binding)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *global = test_load(space, "answer", UMOD_LOAD_GLOBAL);
	struct umod_module *deep = test_load(space, "interposed", UMOD_LOAD_DEEPBIND);
	CHECK_INT(test_call(deep, "answer_calls"), 99);
	CHECK_INT(test_unref(deep), 0);
	CHECK_INT(test_unref(global), 0);
	umod_namespace_unref(space);
}

TEST(local_modules_are_not_seen)
{
	struct umod_module *local = test_load(test_process(), "answer", 0);
	struct umod_module *interposed = test_load(test_process(), "interposed", 0);
	void *address;
	CHECK_INT(test_call(interposed, "answer_calls"), 99);
	CHECK_INT(umod_namespace_symbol(test_process(), "answer", NULL, &address, NULL),
		-ENOENT);
	CHECK_INT(test_unref(interposed), 0);
	/* Asked for again, and global this time. */
	struct umod_module *global =
		test_load(test_process(), "answer", UMOD_LOAD_GLOBAL);
	CHECK(global == local);
	CHECK_INT(
		umod_namespace_symbol(test_process(), "answer", NULL, &address, NULL), 0);
	interposed = test_load(test_process(), "interposed", 0);
	CHECK_INT(test_call(interposed, "answer_calls"), 42);
	CHECK_INT(test_unref(interposed), 0);
	CHECK_INT(test_unref(global), 1);
	CHECK_INT(test_unref(local), 0);
	CHECK_INT(umod_namespace_symbol(test_process(), "answer", NULL, &address, NULL),
		-ENOENT);
}

TEST(process_namespace_sees_the_host)
{
	void *address = NULL;
	CHECK_INT(
		umod_namespace_symbol(test_process(), "malloc", NULL, &address, NULL), 0);
	CHECK(address == (void *)malloc);
	CHECK_INT(umod_namespace_symbol(
			  test_process(), "memcpy", "GLIBC_2.14", &address, NULL),
		0);
	CHECK_INT(umod_namespace_symbol(
			  test_process(), "memcpy", "NO_SUCH", &address, NULL),
		-ENOENT);
}

TEST(versions)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *both = test_load(space, "versions2", 0);
	struct umod_module *one = test_load(space, "needs-v1", 0);
	struct umod_module *two = test_load(space, "needs-v2", 0);
	void *address = NULL;
	CHECK_INT(test_call(one, "needs_v1_calls"), 1);
	CHECK_INT(test_call(two, "needs_v2_calls"), 2);
	CHECK_INT(test_call(both, "versioned"), 2);
	CHECK_INT(umod_module_symbol(both, "versioned", "V1", &address, NULL), 0);
	CHECK_INT(((int_function)address)(), 1);
	CHECK_INT(umod_module_symbol(both, "versioned", "V3", &address, NULL), -ENOENT);
	CHECK_INT(test_unref(one), 0);
	CHECK_INT(test_unref(two), 0);
	CHECK_INT(test_unref(both), 0);
	umod_namespace_unref(space);
}

TEST(missing_version)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *old = test_load(space, "versions1", 0);
	test_refuse(
		space, "needs-v2", 0, -ENOSYS, UMOD_STAGE_BIND, "version `V2' not found");
	CHECK_INT(test_unref(old), 0);
	umod_namespace_unref(space);
}

TEST(undefined)
{
	test_refuse(test_process(), "undefined", 0, -ENOSYS, UMOD_STAGE_BIND,
		"undefined symbol: nobody_defines_this");
	struct umod_module *weak = test_load(test_process(), "weak", 0);
	CHECK_INT(test_call(weak, "hopeful_calls_weak"), -1);
	CHECK_INT(test_unref(weak), 0);
}

TEST(lazy)
{
	struct umod_module *module = test_load(test_process(), "lazy", UMOD_LOAD_LAZY);
	struct umod_module *broken =
		test_load(test_process(), "undefined", UMOD_LOAD_LAZY);
	CHECK_INT(test_call(module, "lazy_calls"), 42);
	CHECK_INT(test_call(module, "lazy_calls"), 42);
	CHECK_INT(test_call(broken, "broken"), 42);
	CHECK_INT(test_unref(broken), 0);
	CHECK_INT(test_unref(module), 0);
}

TEST(unique_symbols)
{
	struct umod_namespace *space = test_namespace(), *other = test_namespace();
	struct umod_module *one = test_load(space, "unique1", 0);
	struct umod_module *two = test_load(space, "unique2", 0);
	struct umod_module *apart = test_load(other, "unique2", 0);
	REQUIRE(one && two && apart);
	int *(*address)(void) = (int *(*)(void))test_symbol(one, "unique_address");
	int *(*same)(void) = (int *(*)(void))test_symbol(two, "unique_address");
	int *(*different)(void) = (int *(*)(void))test_symbol(apart, "unique_address");
	CHECK(address() == same());
	CHECK(address() != different());
	/* Two uses what one defines, so one stays. */
	CHECK_INT(test_unref(one), 1);
	CHECK_INT(*same(), 7);
	CHECK_INT(test_unref(two), 0);
	CHECK_INT(test_unref(apart), 0);
	umod_namespace_unref(space);
	umod_namespace_unref(other);
	CHECK_INT(test_map_lines("unique"), 0);
}

TEST(copy_relocation)
{
	struct umod_namespace *space = test_namespace();
	test_refuse(space, "program", 0, -EPERM, UMOD_STAGE_ADMIT, "UMOD_LOAD_PIE");
	struct umod_module *program = test_load(space, "program", UMOD_LOAD_PIE);
	REQUIRE(program);
	CHECK_INT(test_call(program, "program_reads"), 11);
	((set_function)test_symbol(program, "copied_set"))(12);
	CHECK_INT(test_call(program, "program_reads"), 12);
	CHECK_INT(test_call(program, "program_asks"), 12);
	CHECK_INT(test_unref(program), 0);
	umod_namespace_unref(space);
}

TEST(filters)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *auxiliary = test_load(space, "auxiliary", 0);
	CHECK_INT(test_call(auxiliary, "answer"), 43);
	CHECK_INT(test_unref(auxiliary), 0);
	struct umod_module *filter = test_load(space, "filter", 0);
	CHECK_INT(test_call(filter, "answer"), 43);
	CHECK_INT(test_unref(filter), 0);
	struct umod_module *alone = test_load(space, "auxiliary-missing", 0);
	CHECK_INT(test_call(alone, "answer"), 1);
	CHECK_INT(test_unref(alone), 0);
	umod_namespace_unref(space);
}

TEST(dlopen_inside_an_image)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *opener = test_load(space, "opener", 0);
	REQUIRE(opener);
	void *(*open_by_name)(const char *) =
		(void *(*)(const char *))test_symbol(opener, "open_by_name");
	void *(*find)(void *, const char *) =
		(void *(*)(void *, const char *))test_symbol(opener, "find_symbol");
	int (*close_handle)(void *) =
		(int (*)(void *))test_symbol(opener, "close_handle");
	const char *(*last_error)(void) =
		(const char *(*)(void))test_symbol(opener, "last_error");
	const char *(*name_of)(const void *) =
		(const char *(*)(const void *))test_symbol(opener, "name_of");
	void *handle = open_by_name(test_path("answer"));
	REQUIRE(handle);
	int_function answer = (int_function)find(handle, "answer");
	REQUIRE(answer);
	CHECK_INT(answer(), 42);
	CHECK_STR(name_of((const void *)answer), "answer");
	/* In the opener's own namespace, not the process's. */
	test_refuse(
		test_process(), "answer", UMOD_LOAD_NOLOAD, -ENOENT, UMOD_STAGE_OPEN, "");
	CHECK(find(handle, "nothing_like_it") == NULL);
	CHECK(strstr(last_error(), "nothing_like_it") != NULL);
	CHECK(last_error() == NULL);
	CHECK(open_by_name("/no/such/file.so") == NULL);
	CHECK(strstr(last_error(), "/no/such/file.so") != NULL);
	CHECK_INT(close_handle(handle), 0);
	CHECK_INT(test_unref(opener), 0);
	umod_namespace_unref(space);
}
