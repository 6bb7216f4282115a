/* SPDX-License-Identifier: MIT */
/*
 * Every allocation and every system call of a load is failed in turn: the error names its
 * stage, nothing is left behind, and the next load works. Each load is tried with memory
 * and with permissions running out.
 */
#include "base/base.h"
#include "snapshot.h"
#include "test.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

enum from { FROM_PATH, FROM_DESCRIPTOR, FROM_BUFFER };

struct scenario {
	const char *name, *path, *function;
	enum from from;
	unsigned flags;
	bool arenas, new_space;
	bool is_signed; /* and must be verified */
};

struct attempt {
	const struct scenario *scenario;
	struct umod_context *context;
	void *bytes; /* the file, for FROM_BUFFER */
	size_t count;
	int fd;
	struct umod_namespace *space; /* of its own, if the scenario wants one */
	struct umod_module *module;
	struct umod_error error;
};

static const char *built(const char *name);

static struct umod_context *context_new(
	const struct scenario *scenario, struct umod_error *error)
{
	const char *keyrings[] = { built("fault-key.crt"), NULL };
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context = NULL;
	options.arena_limit_bytes = scenario->arenas ? 1 << 20 : UMOD_ARENA_NONE;
	if (scenario->is_signed) {
		/* What the module needs is not signed: let in, and marked. */
		options.signatures = UMOD_SIGNATURES_WARN;
		options.keyrings = keyrings;
	}
	umod_context_new(&options, &context, error);
	return context;
}

static int attempt_load(struct attempt *a)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_source source = { sizeof(source), .path = a->scenario->path };
	struct umod_namespace *space = umod_context_process_namespace(a->context);
	options.flags = a->scenario->flags;
	umod_error_clear(&a->error);
	if (a->scenario->from == FROM_DESCRIPTOR) {
		source.has_descriptor = true;
		source.descriptor = a->fd;
	} else if (a->scenario->from == FROM_BUFFER) {
		source.buffer = a->bytes;
		source.buffer_bytes = a->count;
	}
	if (a->scenario->new_space) {
		int result = umod_namespace_new(a->context, NULL, &a->space, &a->error);
		if (result)
			return result;
		space = a->space;
	}
	return umod_load_source(space, &source, &options, &a->module, &a->error);
}

static void *call(void *function)
{
	return (void *)(intptr_t)((int (*)(int))function)(7);
}

/* In a thread that ends: its thread_local objects would keep the module otherwise. */
static void attempt_use(struct attempt *a)
{
	void *address = NULL, *result = NULL;
	pthread_t thread;
	CHECK_INT(umod_module_own_symbol(
			  a->module, a->scenario->function, NULL, &address, &a->error),
		0);
	if (!address || !CHECK_INT(pthread_create(&thread, NULL, call, address), 0))
		return;
	pthread_join(thread, &result);
	CHECK_INT((intptr_t)result, 7);
}

static void attempt_undo(struct attempt *a)
{
	if (a->module && umod_module_unref(a->module, &a->error) != 0)
		FAIL("%s: stays: %s", a->scenario->name, a->error.message);
	umod_namespace_unref(a->space);
	a->module = NULL;
	a->space = NULL;
}

static void attempt_sound(struct attempt *a, const char *when, unsigned number)
{
	int result = attempt_load(a);
	if (result) {
		FAIL("%s: %s %u: a load that nothing disturbs: %s: %s", a->scenario->name,
			when, number, umod_stage_name(a->error.stage), a->error.message);
	} else {
		struct umod_module_info info = { .size_bytes = sizeof(info) };
		umod_module_info_get(a->module, &info);
		CHECK_INT(info.signature, a->scenario->is_signed
						  ? UMOD_SIGNATURE_VERIFIED
						  : UMOD_SIGNATURE_NOT_CHECKED);
		attempt_use(a);
	}
	attempt_undo(a);
}

/* The error of the load that was disturbed at call @n. */
static void check_error(const struct attempt *a, int result, unsigned n)
{
	const struct umod_error *error = &a->error;
	/* A namespace is made outside a load, and says so. */
	bool in_load = !a->scenario->new_space || a->space;
	if ((in_load && error->stage == UMOD_STAGE_NONE) || error->code != result ||
		!error->message[0])
		FAIL("%s: call %u: result %d, error code %d at %s: \"%s\"",
			a->scenario->name, n, result, error->code,
			umod_stage_name(error->stage), error->message);
}

/* More than malloc keeps of one size for a thread, which it counts as in use. */
#define TRIES 9

/* Fails call @n of a load. False: there are fewer calls than that. */
static bool fail_one(struct attempt *a, unsigned n, int code, struct snapshot *before,
	struct snapshot *now, unsigned *tolerated)
{
	size_t heap = mallinfo2().uordblks, now_used;
	unsigned rises = 0;
	bool hit = true;
	/*
	 * Caches may grow once; what grows at each try is lost. Where code ran, it may
	 * have kept memory of its own: libstdc++ does.
	 */
	for (unsigned round = 0; round < TRIES && hit; round++) {
		base_fault_arm(n, code);
		int result = attempt_load(a);
		hit = base_fault_calls() >= n;
		base_fault_arm(0, 0);
		if (result)
			check_error(a, result, n);
		if (result && !hit)
			FAIL("%s: fails undisturbed: %s", a->scenario->name,
				a->error.message);
		if ((result == 0) != (a->module != NULL))
			FAIL("%s: call %u: result %d, module %p", a->scenario->name, n,
				result, (void *)a->module);
		if (!result) {
			attempt_use(a);
			*tolerated += hit && round == 0;
		}
		attempt_undo(a);
		now_used = mallinfo2().uordblks;
		rises += result != 0 && now_used > heap;
		heap = now_used;
	}
	if (rises == TRIES)
		FAIL("%s: call %u: memory left behind", a->scenario->name, n);
	snapshot_take(now);
	snapshot_same(before, now, a->scenario->name, n);
	if (n % 8 == 0 || !hit) {
		attempt_sound(a, "after call", n);
		snapshot_take(now);
		snapshot_same(before, now, "the load after call", n);
	}
	return hit;
}

static bool attempt_open(struct attempt *a, const struct scenario *scenario)
{
	struct stat st;
	memset(a, 0, sizeof(*a));
	a->scenario = scenario;
	a->fd = open(scenario->path, O_RDONLY | O_CLOEXEC);
	if (!CHECK(a->fd >= 0) || !CHECK(fstat(a->fd, &st) == 0))
		return false;
	a->count = (size_t)st.st_size;
	a->bytes = malloc(a->count);
	CHECK_INT(pread(a->fd, a->bytes, a->count, 0), a->count);
	a->context = context_new(scenario, &a->error);
	return CHECK(a->context);
}

static void attempt_close(struct attempt *a)
{
	close(a->fd);
	free(a->bytes);
	umod_context_unref(a->context);
}

static void fail_each(const struct scenario *scenario)
{
	static const int codes[] = { -ENOMEM, -EACCES };
	struct attempt attempt;
	struct snapshot before = { 0 }, now = { 0 };
	mallopt(M_ARENA_MAX, 1); /* threads map no heaps of their own */
	if (!attempt_open(&attempt, scenario))
		return;
	snapshot_take(&before);
	snapshot_take(&now);
	for (unsigned i = 0; i < base_array_count(codes); i++) {
		unsigned n = 1, tolerated = 0;
		/* Caches and host objects that stay once they are there. */
		for (unsigned round = 0; round < 64; round++)
			attempt_sound(&attempt, "warming up", round);
		snapshot_take(&before);
		while (fail_one(&attempt, n, -codes[i], &before, &now, &tolerated) &&
			n < 5000 && atomic_load(&test_failures) < 20)
			n++;
		printf("# %s, code %d: %u calls failed in turn, %u of them did no harm\n",
			scenario->name, codes[i], n - 1, tolerated);
		CHECK(n > 10 && tolerated < n);
	}
	snapshot_clear(&before);
	snapshot_clear(&now);
	attempt_close(&attempt);
}

static const char *built(const char *name)
{
	static char paths[4][4096];
	static unsigned next;
	char *path = paths[next++ % 4];
	const char *directory = getenv("UMOD_TEST_FIXTURES");
	snprintf(path, 4096, "%s/%s", directory ? directory : ".", name);
	return path;
}

/* ---- the first load of a process, its set-up included ---- */

enum {
	FIRST_FAILED = 0, /* it was disturbed, and told so */
	FIRST_BAD = 1,
	FIRST_UNDISTURBED = 2,
	FIRST_TOLERATED = 3
};

static int first_load(unsigned n, const struct scenario *what)
{
	struct scenario scenario = *what;
	struct attempt a = { .scenario = &scenario, .fd = -1 };
	atomic_store(&test_failures, 0);
	base_fault_arm(n, ENOMEM);
	a.context = context_new(&scenario, &a.error);
	int result = a.context ? attempt_load(&a) : a.error.code;
	bool hit = base_fault_calls() >= n;
	base_fault_arm(0, 0);
	if (result && (!a.error.message[0] || !a.error.code || a.module))
		FAIL("call %u: %d, no message", n, result);
	if (result && a.context && a.error.stage == UMOD_STAGE_NONE)
		FAIL("call %u: %d, no stage: %s", n, result, a.error.message);
	attempt_undo(&a);
	if (!a.context) {
		umod_error_clear(&a.error);
		a.context = context_new(&scenario, &a.error);
	}
	if (!a.context) {
		FAIL("call %u: no context afterwards: %s", n, a.error.message);
		return FIRST_BAD;
	}
	attempt_sound(&a, "after call", n);
	umod_context_unref(a.context);
	if (atomic_load(&test_failures))
		return FIRST_BAD;
	return !hit ? FIRST_UNDISTURBED : result ? FIRST_FAILED : FIRST_TOLERATED;
}

static void fail_each_first(const struct scenario *scenario, unsigned step)
{
	unsigned n = 1, bad = 0, tolerated = 0;
	int outcome = FIRST_FAILED;
	for (; outcome != FIRST_UNDISTURBED && n < 5000 && bad < 10; n += step) {
		int status;
		fflush(stdout);
		pid_t child = fork();
		if (child == 0)
			_exit(first_load(n, scenario));
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
		outcome = WIFEXITED(status) ? WEXITSTATUS(status) : FIRST_BAD;
		if (WIFSIGNALED(status))
			FAIL("call %u: signal %d", n, WTERMSIG(status));
		bad += outcome == FIRST_BAD;
		tolerated += outcome == FIRST_TOLERATED;
	}
	printf("# %u calls failed in turn, %u of them did no harm\n",
		n / step > 2 ? n / step - 2 : 0, tolerated);
	CHECK_INT(bad, 0);
	CHECK(n > 20);
}

/* Runs before the others of this file would set the process up: in children. */
TEST(first_load_of_a_process)
{
	struct scenario scenario = { .name = "first load",
		.path = built("libfault-plugin.so"),
		.function = "plugin_run",
		.arenas = true };
	fail_each_first(&scenario, 1);
}

/* Which loads the back ends, too. */
TEST(first_load_packed_and_signed)
{
	struct scenario scenario = { .name = "first load of a packed, signed one",
		.path = built("fault-signed.so.xz"),
		.function = "plugin_run",
		.arenas = true,
		.is_signed = true };
	if (access(scenario.path, R_OK))
		SKIP("built without umod sign");
	fail_each_first(&scenario, 1);
}

/* ---- each call of a load ---- */

#define SCENARIO(NAME, FILE, FUNCTION, ...)                 \
	TEST(NAME)                                          \
	{                                                   \
		struct scenario scenario = { .name = #NAME, \
			.path = built(FILE),                \
			.function = FUNCTION,               \
			__VA_ARGS__ };                      \
		fail_each(&scenario);                       \
	}
#define PLUGIN_FAILED(NAME, ...) \
	SCENARIO(NAME, "libfault-plugin.so", "plugin_run", __VA_ARGS__)
#define LIBRARY_FAILED(NAME, ...) \
	SCENARIO(NAME, "libfault-library.so", "library_run", __VA_ARGS__)

PLUGIN_FAILED(plugin_in_arena, .arenas = true)
PLUGIN_FAILED(plugin_from_file, .arenas = false)
PLUGIN_FAILED(plugin_by_descriptor, .arenas = false, .from = FROM_DESCRIPTOR)
PLUGIN_FAILED(plugin_by_buffer, .arenas = true, .from = FROM_BUFFER)
PLUGIN_FAILED(plugin_by_buffer_in_memory, .arenas = false, .from = FROM_BUFFER)
PLUGIN_FAILED(plugin_lazy, .arenas = true, .flags = UMOD_LOAD_LAZY)
PLUGIN_FAILED(plugin_global, .arenas = false, .flags = UMOD_LOAD_GLOBAL)
PLUGIN_FAILED(plugin_deepbind, .arenas = true, .flags = UMOD_LOAD_DEEPBIND)
PLUGIN_FAILED(plugin_in_new_namespace, .arenas = true, .new_space = true)
#define OBJECT_FAILED(NAME, MODEL, ...) \
	SCENARIO(NAME, "fault-object-" MODEL ".o", "object_run", __VA_ARGS__)
OBJECT_FAILED(object_in_arena, "pic", .arenas = true)
OBJECT_FAILED(object_in_memory, "pic", .arenas = false)
OBJECT_FAILED(object_by_descriptor, "pic", .arenas = false, .from = FROM_DESCRIPTOR)
OBJECT_FAILED(object_by_buffer, "pic", .arenas = true, .from = FROM_BUFFER)
OBJECT_FAILED(object_below_2_gib, "low", .arenas = true)
OBJECT_FAILED(object_global, "pic", .arenas = true, .flags = UMOD_LOAD_GLOBAL)
OBJECT_FAILED(object_in_new_namespace, "pic", .arenas = true, .new_space = true)
#define SIGNED_FAILED(NAME, FILE, ...)                      \
	TEST(NAME)                                          \
	{                                                   \
		struct scenario scenario = { .name = #NAME, \
			.path = built(FILE),                \
			.function = "plugin_run",           \
			.is_signed = true,                  \
			__VA_ARGS__ };                      \
		if (access(scenario.path, R_OK))            \
			SKIP("built without umod sign");    \
		fail_each(&scenario);                       \
	}
SIGNED_FAILED(signed_in_arena, "fault-signed.so", .arenas = true)
SIGNED_FAILED(signed_in_memory, "fault-signed.so", .arenas = false)
SIGNED_FAILED(signed_by_descriptor, "fault-signed.so", .from = FROM_DESCRIPTOR)
SIGNED_FAILED(signed_and_packed, "fault-signed.so.xz", .arenas = true)
SIGNED_FAILED(packed_by_buffer, "fault-signed.so.xz", .from = FROM_BUFFER)
LIBRARY_FAILED(library_from_file, .arenas = false)
LIBRARY_FAILED(library_in_arena, .arenas = true)
LIBRARY_FAILED(library_lazy, .arenas = false, .flags = UMOD_LOAD_LAZY)
LIBRARY_FAILED(library_in_new_namespace, .arenas = false, .new_space = true)
