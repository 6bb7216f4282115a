/* SPDX-License-Identifier: MIT */
/*
 * C++ in two copies of a fixture, each with a libstdc++ and a libprotobuf of its own:
 * exceptions out of libprotobuf, within the fixture, and through a frame of the host's;
 * thread_local destructors.
 */
#include "use.h"

static volatile int returned;

/* A frame of the host's for an exception to pass: the call is not its last action. */
static void call_back(void (*function)(void *), void *data)
{
	function(data);
	returned++;
}

static void work(struct use_copy *copy, unsigned thread)
{
	int (*protobuf)(int, char *, size_t);
	int (*own)(int);
	int (*through)(void (*)(void (*)(void *), void *), int);
	int (*thread_local_use)(void);
	char text[128], should[128];

	USE_GET(copy, protobuf, "cpp_protobuf");
	USE_GET(copy, own, "cpp_own");
	USE_GET(copy, through, "cpp_through");
	USE_GET(copy, thread_local_use, "cpp_thread_local");
	for (int i = 0; i < 50; i++) {
		int number = i * 10 + (int)copy->index * 2 + (int)thread;

		if (i < 3) { /* each also writes a line to stderr */
			snprintf(should, sizeof(should), "check failed: %d", number);
			CHECK(protobuf(number, text, sizeof(text)) > 0);
			CHECK_STR(text, should);
		}
		CHECK_INT(own(i % 10), 1000 + i % 10);
		CHECK_INT(through(call_back, number), number);
	}
	CHECK_INT(thread_local_use(), 1); /* new in each thread and each copy */
	CHECK_INT(thread_local_use(), 0);
}

static void end(struct use_copy *copy)
{
	int (*destroyed)(void);

	CHECK_INT(returned, 0);
	USE_GET(copy, destroyed, "cpp_destroyed");
	CHECK_INT(destroyed(), USE_THREADS);
}

TEST(exceptions_through_libstdcpp_and_protobuf)
{
	/* Unique symbols of libstdc++ may keep it. */
	use_side_by_side(&(struct use_work){
		.library = USE_CPP, .work = work, .end = end, .may_stay = true });
}
