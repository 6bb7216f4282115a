/* SPDX-License-Identifier: MIT */
/* What is refused, with which words, and that nothing is left behind. */
#include "load_test.h"

#include <unistd.h>

TEST(missing_file)
{
	test_refuse(test_process(), "there-is-none", 0, -ENOENT, UMOD_STAGE_OPEN, "");
}

TEST(missing_need_names_the_chain)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context = NULL;
	struct umod_module *module = NULL;
	struct umod_error error;
	char root[] = "/tmp/umod-test-XXXXXX";
	REQUIRE(mkdtemp(root));
	/* A copy without its need beside it, and a cache that has no such file. */
	char path[300], command[2000];
	snprintf(path, sizeof(path), "%s/uses-answer.so", root);
	snprintf(command, sizeof(command),
		"cp %s %s && patchelf --remove-rpath %s 2>/dev/null || "
		"python3 - %s <<'X'\n"
		"import sys\n"
		"p=sys.argv[1]; d=open(p,'rb').read()\n"
		"open(p,'wb').write(d.replace(b'answer.so\\0', b'absent.so\\0'))\n"
		"X",
		test_path("uses-answer"), path, path, path);
	REQUIRE(system(command) == 0);
	CHECK_INT(umod_context_new(&options, &context, NULL), 0);
	CHECK_INT(umod_load(umod_context_process_namespace(context), path, NULL, &module,
			  &error),
		-ENOENT);
	CHECK_INT(error.stage, UMOD_STAGE_OPEN);
	CHECK(strstr(error.message, "needed by") != NULL);
	CHECK(strstr(error.message, "uses-answer.so") != NULL);
	CHECK(strstr(error.message, "searched") != NULL);
	umod_context_unref(context);
	unlink(path);
	rmdir(root);
}

TEST(text_relocations)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context = NULL;
	struct umod_module *module = NULL;
	test_refuse(test_process(), "textrel", 0, -EPERM, UMOD_STAGE_ADMIT, "DT_TEXTREL");
	options.allow_text_relocations = true;
	CHECK_INT(umod_context_new(&options, &context, NULL), 0);
	CHECK_INT(umod_load(umod_context_process_namespace(context), test_path("textrel"),
			  NULL, &module, NULL),
		0);
	CHECK_INT(test_call(module, "textrel_reads"), 42);
	CHECK_INT(test_map_lines(" rwx"), 0);
	CHECK_INT(test_unref(module), 0);
	umod_context_unref(context);
}

TEST(executable_stack)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context = NULL;
	struct umod_module *module = NULL;
	test_refuse(
		test_process(), "execstack", 0, -EPERM, UMOD_STAGE_ADMIT, "PT_GNU_STACK");
	options.allow_executable_stack = true;
	CHECK_INT(umod_context_new(&options, &context, NULL), 0);
	CHECK_INT(umod_load(umod_context_process_namespace(context),
			  test_path("execstack"), NULL, &module, NULL),
		0);
	CHECK_INT(test_map_lines("rwxp"), 0);
	CHECK_INT(test_unref(module), 0);
	umod_context_unref(context);
}

TEST(not_to_be_opened)
{
	test_refuse(test_process(), "noopen", 0, -EPERM, UMOD_STAGE_ADMIT, "DF_1_NOOPEN");
}

TEST(not_elf)
{
	struct umod_source source = { sizeof(source) };
	struct umod_module *module;
	struct umod_error error;
	char text[128] = "#!/bin/sh\necho this is no shared object\n";
	source.buffer = text;
	source.buffer_bytes = sizeof(text);
	CHECK_INT(umod_load_source(test_process(), &source, NULL, &module, &error),
		-ENOEXEC);
	CHECK_INT(error.stage, UMOD_STAGE_VALIDATE);
	CHECK(strstr(error.message, "not an ELF file") != NULL);
}

TEST(options_without_a_size)
{
	struct umod_load_options options = { 0 };
	struct umod_module *module;
	struct umod_error error;
	CHECK_INT(umod_load(test_process(), "libz.so.1", &options, &module, &error),
		-EINVAL);
	CHECK(strstr(error.message, "size_bytes") != NULL);
}
