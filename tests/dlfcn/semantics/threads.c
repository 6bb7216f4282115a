/* SPDX-License-Identifier: MIT */
/* Scenarios with threads: their storage, many that load at once, fork and signals while
 * others load. */
#include "semantics.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int *stored(void *handle)
{
	int *(*storage)(void);
	*(void **)&storage = dlsym(handle, "storage");
	return storage();
}

static pthread_barrier_t barrier;
static void *handle;

static void *look_before_and_after(void *unused)
{
	pthread_barrier_wait(&barrier); /* it is loaded now */
	pthread_barrier_wait(&barrier);
	printf("there: %d\n", *stored(handle));
	*stored(handle) = 8;
	printf("there: %d %d\n", *stored(handle), call(handle, "zero"));
	pthread_barrier_wait(&barrier);
	return unused;
}

static void storage(void)
{
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, look_before_and_after, NULL);
	pthread_barrier_wait(&barrier);
	handle = open_told("storage", RTLD_NOW);
	*stored(handle) = 6;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	printf("here: %d\n", *stored(handle));
	close_told(handle);
	handle = open_told("storage", RTLD_NOW);
	printf("again: %d %d\n", *stored(handle), call(handle, "zero"));
	printf("by name: %d\n", *(int *)dlsym(handle, "stored"));
}

static void *use_and_wait(void *unused)
{
	call(handle, "keep");
	pthread_barrier_wait(&barrier); /* used */
	pthread_barrier_wait(&barrier); /* closed */
	printf("the thread ends\n");
	return unused;
}

static void destructors(void)
{
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	handle = open_told("cc1", RTLD_NOW);
	pthread_create(&thread, NULL, use_and_wait, NULL);
	pthread_barrier_wait(&barrier);
	close_told(handle);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	call(dlopen(plugin("cc2"), RTLD_NOW), "keep");
}

static atomic_bool stop;
static atomic_int failures;

static void *open_and_close(void *name)
{
	while (!stop) {
		void *own = dlopen(plugin(name), RTLD_NOW);
		if (!own || !dlsym(own, "common") || dlclose(own) != 0)
			failures++;
	}
	return NULL;
}

static void *count_to(void *rounds)
{
	for (long i = 0; i < (long)rounds; i++) {
		void *own = dlopen(plugin("quiet"), RTLD_NOW);
		if (!own || strcmp(say(own, "common"), "quiet") != 0 || dlclose(own) != 0)
			failures++;
	}
	return NULL;
}

static void crowd(void)
{
	pthread_t threads[8];
	for (unsigned i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, count_to, (void *)500);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	printf("%d failures\n", failures);
	there("quiet");
}

/* A child of fork has what was loaded, and can load, whatever another thread was at. */
static void fork_meanwhile(void)
{
	pthread_t thread;
	int good = 0;
	pthread_create(&thread, NULL, open_and_close, "quiet");
	for (int i = 0; i < 100; i++) {
		int status = -1;
		pid_t child = fork();
		if (child == 0) {
			alarm(20);
			void *own = dlopen(plugin("silent"), RTLD_NOW);
			if (!own)
				fprintf(stderr, "a child: %s\n", dlerror());
			_exit(own && strcmp(say(own, "common"), "silent") == 0 &&
						dlclose(own) == 0
					? 0
					: 1);
		}
		waitpid(child, &status, 0);
		good += status == 0;
		if (status != 0)
			fprintf(stderr, "child %d: status %#x\n", i, (unsigned)status);
	}
	stop = true;
	pthread_join(thread, NULL);
	printf("%d children were well, %d failures\n", good, failures);
}

/* A constructor forks: parent and child both go on, and load more. */
static void fork_within(void)
{
	fflush(stdout);
	void *own = dlopen(plugin("forks"), RTLD_NOW);
	int is_child = own ? *(int *)dlsym(own, "is_child") : 0, status = -1;
	if (!is_child)
		waitpid(own ? *(pid_t *)dlsym(own, "child") : -1, &status, 0);
	else
		alarm(20);
	printf("%s: %s\n", is_child ? "child" : "parent",
		say(open_told("a", RTLD_NOW), "common"));
	pthread_t thread;
	pthread_create(&thread, NULL, count_to, (void *)2);
	pthread_join(thread, NULL);
	printf("%d failures, status %d\n", failures, status);
	if (is_child) {
		fflush(stdout);
		_exit(0);
	}
}

static atomic_uint told;
static void *known;

static void on_tick(int number)
{
	Dl_info info;
	if (dladdr(known, &info) && strcmp(last_part(info.dli_fname), "liba.so") == 0)
		told++;
	else
		failures++;
}

static void signals_meanwhile(void)
{
	struct sigaction action = { .sa_handler = on_tick };
	struct itimerval often = { { 0, 500 }, { 0, 500 } },
			 never = { { 0, 0 }, { 0, 0 } };
	known = dlsym(open_told("a", RTLD_NOW), "who_a");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (told + failures < 200) {
		void *own = dlopen(plugin("quiet"), RTLD_NOW);
		if (!own || dlclose(own) != 0)
			failures++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%d failures\n", failures);
}

const struct scenario thread_scenarios[] = {
	{ "storage", storage },
	{ "destructors", destructors },
	{ "crowd", crowd },
	{ "fork-meanwhile", fork_meanwhile },
	{ "fork-within", fork_within },
	{ "signals-meanwhile", signals_meanwhile },
	{ NULL, NULL },
};
