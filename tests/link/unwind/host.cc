// SPDX-License-Identifier: MIT
// The host: loads the images throw and catch by umod, and lets exceptions pass. Compiled
// twice: linked with libumod, and with LATE defined, when it opens libumod by dlopen.
// Arguments: the folder of the images, and in the second case libumod. Prints TAP lines
// without numbers; exits 0 if all is well.
#include "images.h"

#include <umod/umod.h>

#include <atomic>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <stdexcept>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <string.h>
#include <thread>

static std::atomic<int> failures;
static std::string where;

#define CHECK(c)                                                                       \
	do {                                                                           \
		if (!(c)) {                                                            \
			printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, where.c_str(), \
				#c);                                                   \
			failures++;                                                    \
		}                                                                      \
	} while (0)

static void *library;
static bool in_arena; /* what images should be */

static void *function(const char *name)
{
	void *found = dlsym(library ? library : RTLD_DEFAULT, name);
	if (!found) {
		printf("# no %s\n", name);
		exit(1);
	}
	return found;
}
#define UMOD(NAME) (reinterpret_cast<decltype(&NAME)>(function(#NAME)))

struct images {
	umod_module *thrower, *catcher;
	decltype(&throw_number) number;
	decltype(&throw_text) text;
	decltype(&catch_inside) inside;
	decltype(&call_back) back;
	decltype(&catch_across) across;
	decltype(&catch_text_across) text_across;
};

static void *symbol(umod_module *module, const char *name)
{
	void *address = nullptr;
	umod_error error = {};
	if (UMOD(umod_module_symbol)(module, name, nullptr, &address, &error)) {
		printf("# %s: %s\n", name, error.message);
		exit(1);
	}
	return address;
}

static umod_module *load(umod_namespace *space, const std::string &path)
{
	umod_module *module = nullptr;
	umod_error error = {};
	if (UMOD(umod_load)(space, path.c_str(), nullptr, &module, &error)) {
		printf("# %s: %s\n", path.c_str(), error.message);
		exit(1);
	}
	umod_module_info info = {};
	info.size_bytes = sizeof(info);
	UMOD(umod_module_info_get)(module, &info);
	CHECK(info.in_arena == in_arena);
	return module;
}

static images load_images(umod_namespace *space, const std::string &folder)
{
	images i;
	i.catcher = load(space, folder + "/libcatch.so");
	i.thrower = load(space, folder + "/libthrow.so");
	i.number = (decltype(i.number))symbol(i.thrower, "throw_number");
	i.text = (decltype(i.text))symbol(i.thrower, "throw_text");
	i.inside = (decltype(i.inside))symbol(i.thrower, "catch_inside");
	i.back = (decltype(i.back))symbol(i.thrower, "call_back");
	i.across = (decltype(i.across))symbol(i.catcher, "catch_across");
	i.text_across = (decltype(i.text_across))symbol(i.catcher, "catch_text_across");
	return i;
}

static void throw_here(void *data)
{
	throw std::string((const char *)data);
}

static void through_the_host(const images &i)
{
	int destroyed = 0;
	bool caught = false;
	try {
		i.number(7, &destroyed);
	} catch (int number) {
		caught = number == 7 && destroyed == 1;
	}
	CHECK(caught);
	/* Thrown by the host, through a frame of the image, caught by the host. */
	caught = false;
	try {
		i.back(throw_here, (void *)"round trip", &destroyed);
	} catch (const std::string &text) {
		caught = text == "round trip" && destroyed == 2;
	}
	CHECK(caught);
}

static void by_type(const images &i)
{
	int destroyed = 0;
	bool caught = false;
	try {
		i.text("a text", &destroyed);
	} catch (const std::runtime_error &e) {
		caught = !strcmp(e.what(), "a text from the image") && destroyed == 1;
	}
	CHECK(caught);
}

struct trace {
	void *frames[64];
	int count;
};

__attribute__((noinline)) static void take_trace(void *data)
{
	trace *t = (trace *)data;
	t->count = backtrace(t->frames, 64);
}

/* A frame in the image, and this function below it. */
__attribute__((noinline)) static void backtraces(const images &i)
{
	trace t = {};
	int destroyed = 0, image = -1, host = -1;
	i.back(take_trace, &t, &destroyed);
	for (int n = 0; n < t.count; n++) {
		uintptr_t at = (uintptr_t)t.frames[n];
		if (at - (uintptr_t)i.back < 512)
			image = n;
		else if (at - (uintptr_t)backtraces < 1024)
			host = n;
	}
	CHECK(destroyed == 1);
	CHECK(image >= 0);
	CHECK(host > image);
}

static int find_name(dl_phdr_info *info, size_t, void *data)
{
	*(int *)data += strstr(info->dlpi_name, "/libthrow.so") != nullptr;
	return 0;
}

static void run(umod_namespace *space, const std::string &folder, bool late)
{
	for (int round = 0; round < 3; round++) {
		images i = load_images(space, folder);
		CHECK(i.inside(41) == 42);
		CHECK(i.across(41) == 42);
		CHECK(i.text_across("hello") == 1);
		through_the_host(i);
		by_type(i);
		backtraces(i);
		std::thread other([&] {
			CHECK(i.inside(1) == 2);
			through_the_host(i);
		});
		other.join();
		int seen = 0;
		dl_iterate_phdr(find_name, &seen);
		CHECK(seen == (late ? 0 : 1));
		umod_error error = {};
		UMOD(umod_module_unref)(i.thrower, &error);
		CHECK(UMOD(umod_module_unref)(i.catcher, &error) == 0);
		/* Still well, with the images gone. */
		bool caught = false;
		try {
			throw_here((void *)"after");
		} catch (const std::string &text) {
			caught = text == "after";
		}
		CHECK(caught);
	}
}

static int count_objects(dl_phdr_info *, size_t, void *data)
{
	++*(int *)data;
	return 0;
}

/* Other threads throw, walk and trace while images come and go. */
static void run_while_loading(umod_context *context, const std::string &folder)
{
	umod_namespace *held = nullptr;
	if (UMOD(umod_namespace_new)(context, nullptr, &held, nullptr))
		exit(1);
	images i = load_images(held, folder);
	std::atomic<bool> stop{ false };
	std::atomic<int> thrown{ 0 }, walked{ 0 };
	std::thread throwing([&] {
		for (; !stop; thrown++) {
			CHECK(i.across(1) == 2);
			through_the_host(i);
		}
	});
	std::thread walking([&] {
		for (; !stop; walked++) {
			int objects = 0;
			dl_iterate_phdr(count_objects, &objects);
			CHECK(objects > 4);
			backtraces(i);
		}
	});
	for (int n = 0; n < 200 || thrown < 100 || walked < 100; n++) {
		umod_namespace *space = nullptr;
		UMOD(umod_namespace_new)(context, nullptr, &space, nullptr);
		umod_module *module = load(space, folder + "/libthrow.so");
		auto inside = (decltype(i.inside))symbol(module, "catch_inside");
		CHECK(inside(n) == n + 1);
		CHECK(UMOD(umod_module_unref)(module, nullptr) == 0);
		UMOD(umod_namespace_unref)(space);
	}
	stop = true;
	throwing.join();
	walking.join();
	UMOD(umod_module_unref)(i.thrower, nullptr);
	UMOD(umod_module_unref)(i.catcher, nullptr);
	UMOD(umod_namespace_unref)(held);
}

static void report(const std::string &what)
{
	static int before;
	printf("%s - %s\n", failures == before ? "ok" : "not ok", what.c_str());
	before = failures;
}

int main(int argc, char **argv)
{
	bool late = argc > 2;
	if (late && !(library = dlopen(argv[2], RTLD_NOW))) {
		printf("# %s\n", dlerror());
		return 1;
	}
	for (uint64_t arena : { (uint64_t)1 << 20, (uint64_t)UMOD_ARENA_NONE }) {
		umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
		umod_context *context = nullptr;
		umod_namespace *space = nullptr;
		options.arena_limit_bytes = arena;
		std::string kind =
			std::string(late ? "late, " : "") +
			(arena == UMOD_ARENA_NONE ? "mapped from files" : "in arenas");
		in_arena = arena != UMOD_ARENA_NONE;
		if (UMOD(umod_context_new)(&options, &context, nullptr) ||
			UMOD(umod_namespace_new)(context, nullptr, &space, nullptr))
			return 1;
		where = kind + ", process namespace";
		run(UMOD(umod_context_process_namespace)(context), argv[1], late);
		report(where);
		where = kind + ", new namespace";
		run(space, argv[1], late);
		report(where);
		where = kind + ", while others load";
		run_while_loading(context, argv[1]);
		report(where);
		UMOD(umod_namespace_unref)(space);
		UMOD(umod_context_unref)(context);
	}
	return failures != 0;
}
