/* SPDX-License-Identifier: MIT */
/*
 * Loads, unloads and every kind of look-up from many threads at once. Also runs under
 * ThreadSanitizer; an alarm ends it should it ever stand still. Lazy binding by threads:
 * threads_lazy.c.
 */
#include "threads.h"

#include "link/link.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_MS 1500

static atomic_bool stop;
static atomic_uint loads, looks, thrown, walks, interrupts, wrong;
static struct umod_module *held; /* "answer", global in its namespace */
static struct umod_namespace *held_space;
static void *held_address;

/* ---- those that load ---- */

static void load_and_check(struct umod_namespace *space, const char *name, unsigned flags,
	const char *function, int expected)
{
	struct umod_module *module = test_load(space, name, flags);
	if (!module)
		return;
	CHECK_INT(test_call(module, function), expected);
	CHECK(test_unref(module) >= 0);
	atomic_fetch_add(&loads, 1);
}

/* Several threads do this: they share what they load. */
static void load_the_same(void)
{
	load_and_check(test_process(), "uses-answer", 0, "user_calls", 42);
}

static void load_others(void)
{
	load_and_check(test_process(), "ifunc", 0, "call_indirect", 222);
	load_and_check(test_process(), "relr", 0, "pointer_sum", 18054);
	load_and_check(test_process(), "aligned", UMOD_LOAD_PRIVATE, "sum_of_zeroes", 0);
}

/* What letting go tells: 1 in a fini function, for it goes when that is done. */
static __thread int gone = 0;

static void load_apart(void)
{
	static atomic_int next;
	struct umod_namespace *space = test_namespace();
	struct umod_module *module = test_load(space, "uses-answer", 0);
	int mine = 1000 + atomic_fetch_add(&next, 1);
	if (module) {
		((set_function)test_symbol(module, "answer_set"))(mine);
		CHECK_INT(test_call(module, "user_calls"), mine);
		CHECK_INT(test_unref(module), gone);
	}
	umod_namespace_unref(space);
	atomic_fetch_add(&loads, 1);
}

/* What comes and goes in the global scope that others search. */
static void load_global(void)
{
	load_and_check(test_process(), "sysv", UMOD_LOAD_GLOBAL, "sysv_answer", 5);
	load_and_check(held_space, "sysv", UMOD_LOAD_GLOBAL, "sysv_answer", 5);
	load_and_check(held_space, "many", UMOD_LOAD_GLOBAL, "many_1042", 1042);
}

static void load_thrower(void)
{
	struct umod_namespace *space = test_namespace();
	struct umod_module *module = test_load(space, "thrower", 0);
	if (module) {
		set_function function =
			(set_function)test_symbol(module, "throw_and_catch");
		CHECK_INT(function(3), 4);
		test_unref(module);
	}
	umod_namespace_unref(space);
	atomic_fetch_add(&thrown, 1);
}

/* ---- those that look ---- */

static void look_by_handle(void)
{
	struct umod_module *module = umod_module_ref(held);
	void *address = NULL;
	for (int i = 0; i < 50; i++) {
		CHECK_INT(umod_module_symbol(module, "answer", NULL, &address, NULL), 0);
		CHECK(address == held_address);
		CHECK_INT(umod_module_symbol(module, "no_such", NULL, &address, NULL),
			-ENOENT);
	}
	CHECK_INT(test_unref(module), 1);
	atomic_fetch_add(&looks, 1);
}

static void look_by_namespace(void)
{
	void *address = NULL;
	for (int i = 0; i < 50; i++) {
		CHECK_INT(
			umod_namespace_symbol(held_space, "answer", NULL, &address, NULL),
			0);
		CHECK(address == held_address);
		CHECK_INT(umod_namespace_symbol(
				  held_space, "no_such", NULL, &address, NULL),
			-ENOENT);
		/* There at one time and not at another: the address is not to be used. */
		int result = umod_namespace_symbol(
			held_space, "many_1042", NULL, &address, NULL);
		CHECK(result == 0 ? address != NULL : result == -ENOENT);
		CHECK_INT(umod_namespace_symbol(
				  test_process(), "malloc", NULL, &address, NULL),
			0);
		CHECK(address == dlsym(RTLD_DEFAULT, "malloc"));
	}
	atomic_fetch_add(&looks, 1);
}

static void look_by_address(void)
{
	struct umod_address_info info;
	int here = 0;
	for (int i = 0; i < 50; i++) {
		CHECK_INT(umod_address_module(held_address, &info), 0);
		CHECK_HAS(info.path, "answer.so");
		CHECK_INT(umod_address_symbol(held_address, &info), 0);
		CHECK_STR(info.symbol, "answer");
		CHECK_INT(info.symbol_start, held_address);
		CHECK_INT(umod_address_module(&here, &info), -ENOENT);
	}
	atomic_fetch_add(&looks, 1);
}

static int count_held(struct dl_phdr_info *info, size_t bytes, void *data)
{
	int *counts = data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const Elf64_Phdr *p = &info->dlpi_phdr[i];
		uintptr_t offset = (uintptr_t)held_address - info->dlpi_addr - p->p_vaddr;
		counts[0] += p->p_type == PT_LOAD && offset < p->p_memsz;
		offset = (uintptr_t)&count_held - info->dlpi_addr - p->p_vaddr;
		counts[1] += p->p_type == PT_LOAD && offset < p->p_memsz;
	}
	return 0;
}

static void walk(void)
{
	int counts[2] = { 0 };
	CHECK_INT(link_iterate_phdr(count_held, counts), 0);
	CHECK_INT(counts[0], 1);
	CHECK_INT(counts[1], 1);
	atomic_fetch_add(&walks, 1);
}

static int seen(struct umod_module *module, void *data)
{
	*(int *)data += module == held;
	return 0;
}

static void describe(void)
{
	struct umod_statistics statistics = { sizeof(statistics) };
	struct umod_module_info info = { sizeof(info) };
	int count = 0;
	umod_statistics_get(&statistics);
	CHECK(statistics.modules >= 1 && statistics.mapped_bytes > 0);
	umod_module_info_get(held, &info);
	CHECK_INT(info.state, UMOD_STATE_LIVE);
	CHECK(info.global);
	CHECK_INT(umod_modules_visit(NULL, seen, &count), 0);
	CHECK_INT(count, 1);
	atomic_fetch_add(&walks, 1);
}

/* At any moment, in any thread: also while it loads. */
static void interrupt(int signal)
{
	struct umod_address_info info;
	int saved = errno;
	if (umod_address_module(held_address, &info) ||
		(uintptr_t)held_address - info.start >= info.end - info.start)
		atomic_fetch_add(&wrong, 1);
	umod_address_module((void *)((uintptr_t)held_address + 0x10000), &info);
	if (umod_address_module(&saved, &info) != -ENOENT)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&interrupts, 1);
	errno = saved;
}

/* ---- all of them ---- */

static void (*const kinds[])(void) = { load_the_same, load_the_same, load_others,
	load_apart, load_apart, load_global, load_thrower, look_by_handle,
	look_by_namespace, look_by_address, walk, describe };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void *repeat(void *data)
{
	void (*const *kind)(void) = data;
	while (!atomic_load(&stop))
		(*kind)();
	return NULL;
}

static void run_for(unsigned ms, pthread_t *threads, unsigned count)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	for (unsigned i = 0; i < ms; i++) {
		nanosleep(&nap, NULL);
		pthread_kill(threads[i % count], SIGUSR1);
	}
}

TEST(everything_at_once)
{
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 3000 }, { 0, 3000 } }, never = { 0 };
	pthread_t threads[KINDS];
	struct umod_statistics before = { sizeof(before) }, after = { sizeof(after) };
	threads_alarm();
	umod_statistics_get(&before);
	held_space = test_namespace();
	held = test_load(held_space, "answer", UMOD_LOAD_GLOBAL);
	REQUIRE(held);
	held_address = test_symbol(held, "answer");
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGPROF, &action, NULL);
	atomic_store(&stop, false);
	for (unsigned i = 0; i < KINDS; i++)
		pthread_create(&threads[i], NULL, repeat, (void *)&kinds[i]);
	setitimer(ITIMER_PROF, &every, NULL);
	run_for(RUN_MS, threads, KINDS);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < KINDS; i++)
		pthread_join(threads[i], NULL);
	setitimer(ITIMER_PROF, &never, NULL);
	signal(SIGPROF, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	CHECK_INT(atomic_load(&wrong), 0);
	CHECK(loads >= 10 && looks >= 3 && thrown >= 1 && walks >= 2 && interrupts >= 10);
	printf("# %u loads, %u look-ups by fifties, %u private C++ libraries, %u walks, "
	       "%u signals\n",
		loads, looks, thrown, walks, interrupts);
	CHECK_INT(test_unref(held), 0);
	umod_namespace_unref(held_space);
	umod_statistics_get(&after);
	CHECK_INT(after.modules, before.modules);
	CHECK_INT(after.mapped_bytes, before.mapped_bytes);
}

/* ---- init functions that load ---- */

static atomic_uint started, ended;
static _Thread_local int depth;

static struct umod_namespace *lending_namespace(int (*start)(void), void (*end)(void))
{
	struct umod_lent_symbol lent[] = { { "at_start", (void *)start },
		{ "at_end", (void *)end } };
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_namespace *space = NULL;
	options.symbols = lent;
	options.symbol_count = 2;
	CHECK_INT(umod_namespace_new(test_context(), &options, &space, NULL), 0);
	return space;
}

static void load_at_end(void);

static int load_at_start(void)
{
	atomic_fetch_add(&started, 1);
	if (depth >= 3) {
		load_the_same();
		return 0;
	}
	depth++;
	struct umod_namespace *space = lending_namespace(load_at_start, load_at_end);
	struct umod_module *module = test_load(space, "calls-host", 0);
	int inner = test_call(module, "start_result");
	CHECK_INT(test_unref(module), 0);
	umod_namespace_unref(space);
	depth--;
	return inner + 1;
}

static void load_at_end(void)
{
	atomic_fetch_add(&ended, 1);
	load_and_check(test_process(), "answer", 0, "answer", 42);
}

static void *load_nested(void *data)
{
	for (int i = 0; i < 20; i++) {
		struct umod_namespace *space =
			lending_namespace(load_at_start, load_at_end);
		struct umod_module *module = test_load(space, "calls-host", 0);
		CHECK_INT(test_call(module, "start_result"), 3);
		CHECK_INT(test_unref(module), 0);
		umod_namespace_unref(space);
	}
	return NULL;
}

TEST(init_functions_load)
{
	pthread_t threads[4];
	threads_alarm();
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, load_nested, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(started, 4 * 20 * 4);
	CHECK_INT(ended, 4 * 20 * 4);
}

/* ---- fork ---- */

/*
 * Under a sanitizer unwinders ask the frames that umod registers with libgcc_s, which
 * does not hold its lock across fork: a child of a thread that throws may wait for ever,
 * with or without umod.
 */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { THROW = false };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
enum { THROW = false };
#else
enum { THROW = true };
#endif
#else
enum { THROW = true };
#endif

/* In a child, where one thread is left. */
static int child_loads(void)
{
	void *address = NULL;
	alarm(30);
	atomic_store(&test_failures, 0);
	load_and_check(test_process(), "uses-answer", 0, "user_calls", 42);
	load_apart();
	struct umod_module *module = test_load(test_process(), "versions2", 0);
	CHECK_INT(umod_module_symbol(module, "versioned", "V1", &address, NULL), 0);
	CHECK(test_unref(module) >= 0);
	if (THROW)
		load_thrower();
	return atomic_load(&test_failures) != 0;
}

static void fork_and_load(void)
{
	int status = -1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(child_loads());
	CHECK(child > 0);
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(status, 0);
}

static void look_by_version(void)
{
	struct umod_module *module = test_load(test_process(), "versions2", 0);
	void *address;
	for (int i = 0; module && i < 100; i++)
		CHECK_INT(
			umod_module_symbol(module, "versioned", "V1", &address, NULL), 0);
	CHECK(test_unref(module) >= 0);
}

TEST(fork_while_others_load)
{
	static void (*const others[])(void) = { load_the_same, load_apart,
		look_by_version, THROW ? load_thrower : load_others };
	pthread_t threads[4];
	threads_alarm();
	atomic_store(&stop, false);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, repeat, (void *)&others[i]);
	for (int i = 0; i < 25; i++)
		fork_and_load();
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static int fork_at_start(void)
{
	fork_and_load();
	return 7;
}

static void fork_at_end(void)
{
	gone = 1;
	fork_and_load();
	gone = 0;
}

TEST(init_function_forks)
{
	pthread_t other;
	static void (*const same)(void) = load_the_same;
	struct umod_namespace *space = lending_namespace(fork_at_start, fork_at_end);
	threads_alarm();
	atomic_store(&stop, false);
	pthread_create(&other, NULL, repeat, (void *)&same);
	for (int i = 0; i < 3; i++) {
		struct umod_module *module = test_load(space, "calls-host", 0);
		CHECK_INT(test_call(module, "start_result"), 7);
		CHECK_INT(test_unref(module), 0);
	}
	atomic_store(&stop, true);
	pthread_join(other, NULL);
	umod_namespace_unref(space);
}
