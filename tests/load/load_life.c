/* SPDX-License-Identifier: MIT */
/* Init and fini, references, what stays and why, permissions of mappings. */
#include "load_test.h"

#include <sys/wait.h>
#include <unistd.h>

static char events[256];
static int write_end = -1; /* of a child: where events are told */

static void note_event(const char *text)
{
	strncat(events, text, sizeof(events) - strlen(events) - 1);
	if (write_end >= 0 && write(write_end, text, strlen(text)) < 0)
		_exit(1);
}

static struct umod_namespace *noting_namespace(void)
{
	struct umod_lent_symbol lent = { "note_event", (void *)note_event };
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_namespace *space = NULL;
	options.symbols = &lent;
	options.symbol_count = 1;
	CHECK_INT(umod_namespace_new(test_context(), &options, &space, NULL), 0);
	events[0] = 0;
	return space;
}

TEST(order_of_init_and_fini)
{
	struct umod_namespace *space = noting_namespace();
	struct umod_module *module = test_load(space, "events-a", 0);
	CHECK_STR(events, "+c+b+a");
	CHECK_INT(test_call(module, "events_a"), 3);
	CHECK_INT(test_unref(module), 0);
	/* Handlers of atexit run with the module's fini functions. */
	CHECK_STR(events, "+c+b+a-axa-bxb-cxc");
	umod_namespace_unref(space);
}

TEST(no_code_runs_when_asked)
{
	struct umod_namespace *space = noting_namespace();
	struct umod_module *module = test_load(space, "events-a", UMOD_LOAD_NO_INIT);
	CHECK_INT(test_unref(module), 0);
	CHECK_STR(events, "");
	umod_namespace_unref(space);
}

TEST(dependencies_stay_while_needed)
{
	struct umod_namespace *space = noting_namespace();
	struct umod_module *a = test_load(space, "events-a", 0);
	struct umod_module *b = test_load(space, "events-b", 0);
	struct umod_module_info info = { sizeof(info) };
	umod_module_info_get(b, &info);
	CHECK_INT(info.users, 1);
	CHECK_INT(info.references, 1);
	events[0] = 0;
	CHECK_INT(test_unref(b), 1);
	CHECK_STR(events, "");
	b = test_load(space, "events-b", 0);
	CHECK_INT(test_unref(a), 0);
	CHECK_STR(events, "-axa");
	CHECK_INT(test_unref(b), 0);
	CHECK_STR(events, "-axa-bxb-cxc");
	umod_namespace_unref(space);
	CHECK_INT(test_map_lines("events-"), 0);
}

TEST(references)
{
	struct umod_module *module = test_load(test_process(), "answer", 0);
	CHECK(umod_module_ref(module) == module);
	CHECK_INT(test_unref(module), 1);
	CHECK_INT(test_call(module, "answer"), 42);
	CHECK_INT(test_unref(module), 0);
	CHECK_INT(test_map_lines("answer.so"), 0);
}

TEST(pinned)
{
	struct umod_error error;
	struct umod_namespace *space = test_namespace();
	struct umod_module *module = test_load(space, "nodelete", 0);
	CHECK_INT(umod_module_unref(module, &error), -EBUSY);
	CHECK(strstr(error.message, "DF_1_NODELETE") != NULL);
	module = test_load(space, "answer", UMOD_LOAD_PINNED);
	CHECK_INT(umod_module_unref(module, &error), -EBUSY);
	CHECK(strstr(error.message, "pinned") != NULL);
	CHECK_INT(test_call(module, "answer"), 42);
	umod_namespace_unref(space);
}

struct visited {
	unsigned count;
	const char *last;
};

static int count_module(struct umod_module *module, void *data)
{
	struct visited *visited = data;
	struct umod_module_info info = { sizeof(info) };
	umod_module_info_get(module, &info);
	visited->count++;
	visited->last = info.name;
	return 0;
}

TEST(visit)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *module = test_load(space, "uses-answer", 0);
	struct visited visited = { 0 };
	CHECK_INT(umod_modules_visit(space, count_module, &visited), 0);
	CHECK_INT(visited.count, 2);
	CHECK_STR(visited.last, "answer.so");
	CHECK_INT(test_unref(module), 0);
	umod_namespace_unref(space);
}

/* Both homes of images: an arena, and a mapping of the file. */
TEST(never_writable_and_executable)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context = NULL;
	struct umod_module *small = test_load(test_process(), "ifunc", 0), *mapped = NULL;
	unsigned before = test_map_lines(" rwx");
	options.arena_limit_bytes = UMOD_ARENA_NONE;
	CHECK_INT(umod_context_new(&options, &context, NULL), 0);
	CHECK_INT(umod_load(umod_context_process_namespace(context), test_path("ifunc"),
			  NULL, &mapped, NULL),
		0);
	REQUIRE(small && mapped);
	struct umod_module_info info = { sizeof(info) };
	umod_module_info_get(small, &info);
	CHECK(info.in_arena);
	umod_module_info_get(mapped, &info);
	CHECK(!info.in_arena);
	CHECK_INT(before, 0);
	CHECK_INT(test_map_lines(" rwx"), 0);
	CHECK(test_map_lines("ifunc.so") >= 4);
	CHECK_INT(test_call(mapped, "call_indirect"), 222);
	CHECK_INT(test_unref(mapped), 0);
	CHECK_INT(test_unref(small), 0);
	umod_context_unref(context);
	CHECK_INT(test_map_lines("ifunc.so"), 0);
}

TEST(stage_times)
{
	uint64_t times[UMOD_STAGE_COUNT];
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module = NULL;
	options.stage_ns = times;
	CHECK_INT(umod_load(test_process(), test_path("answer"), &options, &module, NULL),
		0);
	CHECK(times[UMOD_STAGE_OPEN] > 0);
	CHECK(times[UMOD_STAGE_VALIDATE] > 0);
	CHECK(times[UMOD_STAGE_BIND] > 0);
	CHECK_INT(times[UMOD_STAGE_VERIFY], 0);
	CHECK_INT(test_unref(module), 0);
}

/* In a child, which ends by exit: fini functions of what is still loaded run. */
TEST(fini_at_exit)
{
	int ends[2];
	char text[64] = "";
	REQUIRE(pipe(ends) == 0);
	pid_t child = fork();
	if (child == 0) {
		struct umod_namespace *space = noting_namespace();
		write_end = ends[1];
		test_load(space, "events-a", 0);
		exit(0);
	}
	close(ends[1]);
	waitpid(child, NULL, 0);
	ssize_t got = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	CHECK(got > 0);
	CHECK_STR(text, "+c+b+axaxbxc-a-b-c");
}
