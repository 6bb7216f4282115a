/* SPDX-License-Identifier: MIT */
/*
 * Tests of readers without a lock: a writer must never free what a reader may still
 * see, be it in another thread, in a signal handler or in a thread that ended. Runs under
 * ThreadSanitizer too.
 */
#include "base/base.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOOD    0x600df00d600df00d
#define READERS 3

/* What is searched: one box, exchanged by the writer. */
struct box {
	uint64_t value;
};
static _Atomic(struct box *) shared;
static atomic_bool stop;
static atomic_ulong searches, bad;

static void search_once(void)
{
	struct base_reader *r = base_reader_enter();
	struct box *box = atomic_load_explicit(&shared, memory_order_acquire);

	for (int i = 0; i < 4; i++) {
		if (box->value != GOOD)
			atomic_fetch_add(&bad, 1);
	}
	base_reader_leave(r);
	atomic_fetch_add_explicit(&searches, 1, memory_order_relaxed);
}

static void on_signal(int number)
{
	search_once();
}

static void *search_thread(void *unused)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		search_once();
	return NULL;
}

static struct box *new_box(void)
{
	struct box *box = malloc(sizeof(*box));

	box->value = GOOD;
	return box;
}

/* One change: publish another box, wait, spoil and free the old one. */
static void exchange(void)
{
	struct box *old = atomic_exchange(&shared, new_box());

	base_reader_wait();
	old->value = 0xbad;
	free(old);
}

static void start(pthread_t *threads)
{
	atomic_store(&shared, new_box());
	atomic_store(&stop, false);
	atomic_store(&searches, 0);
	atomic_store(&bad, 0);
	for (int i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, search_thread, NULL);
}

static void finish(pthread_t *threads)
{
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	free(atomic_exchange(&shared, NULL));
	CHECK_INT(atomic_load(&bad), 0);
}

TEST(writers_wait_for_threads)
{
	pthread_t threads[READERS];
	uint64_t end = base_now_ns() + 500000000;
	unsigned changes = 0;

	start(threads);
	for (; base_now_ns() < end || changes < 100; changes++)
		exchange();
	finish(threads);
	CHECK(atomic_load(&searches) > changes);
}

TEST(writers_wait_for_signal_handlers)
{
	pthread_t threads[READERS];
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	uint64_t end = base_now_ns() + 500000000;

	sigaction(SIGUSR1, &action, NULL);
	start(threads);
	for (unsigned i = 0; base_now_ns() < end; i++) {
		pthread_kill(threads[i % READERS], SIGUSR1);
		exchange();
	}
	finish(threads);
}

/* A reader that is inside holds the writer up; one that left and came back does not. */
static atomic_int step;

static void *hold(void *unused)
{
	struct base_reader *outer = base_reader_enter();
	struct base_reader *inner = base_reader_enter();

	atomic_store(&step, 1);
	while (atomic_load(&step) != 2)
		usleep(100);
	base_reader_leave(inner);
	usleep(50000); /* still inside: they nest */
	atomic_store(&step, 3);
	base_reader_leave(outer);
	return NULL;
}

static void *wait_thread(void *ended)
{
	base_reader_wait();
	/* 3 was stored before the outer leave. */
	*(int *)ended = atomic_load(&step);
	return NULL;
}

TEST(nested_searches_hold_the_writer)
{
	pthread_t holder, writer;
	int ended = 0;

	atomic_store(&step, 0);
	pthread_create(&holder, NULL, hold, NULL);
	while (atomic_load(&step) != 1)
		usleep(100);
	pthread_create(&writer, NULL, wait_thread, &ended);
	usleep(20000);
	atomic_store(&step, 2);
	pthread_join(writer, NULL);
	pthread_join(holder, NULL);
	CHECK_INT(ended, 3);
}

static void *search_and_end(void *unused)
{
	search_once();
	return NULL;
}

/* Records of threads that ended are used again. */
TEST(records_do_not_grow_with_ended_threads)
{
	atomic_store(&shared, new_box());
	for (int i = 0; i < 2000; i++) {
		pthread_t thread;
		REQUIRE_INT(pthread_create(&thread, NULL, search_and_end, NULL), 0);
		pthread_join(thread, NULL);
	}
	CHECK(base_reader_count() <= 256);
	free(atomic_exchange(&shared, NULL));
}

static atomic_uint arrived;

static void *search_and_stay(void *unused)
{
	search_once();
	atomic_fetch_add(&arrived, 1);
	while (!atomic_load(&stop))
		usleep(1000);
	search_once();
	return NULL;
}

/* More threads at once than the first pool has records for: each has its own. */
TEST(many_threads_have_a_record_each)
{
	enum { MANY = 300 };
	static pthread_t threads[MANY];
	unsigned made = 0;

	atomic_store(&shared, new_box());
	atomic_store(&stop, false);
	atomic_store(&bad, 0);
	atomic_store(&arrived, 0);
	while (made < MANY &&
		!pthread_create(&threads[made], NULL, search_and_stay, NULL))
		made++;
	while (atomic_load(&arrived) < made)
		usleep(1000);
	CHECK(base_reader_count() >= made);
	exchange();
	atomic_store(&stop, true);
	for (unsigned i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(atomic_load(&bad), 0);
	free(atomic_exchange(&shared, NULL));
}

/* A thread whose first search ever is in a handler, while it is in malloc. */
static void *first_in_handler(void *unused)
{
	while (!atomic_load(&stop))
		free(malloc(100));
	return NULL;
}

TEST(first_search_may_be_in_a_handler)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &action, NULL);
	atomic_store(&shared, new_box());
	atomic_store(&bad, 0);
	for (int i = 0; i < 100; i++) {
		pthread_t thread;
		unsigned long before = atomic_load(&searches);
		atomic_store(&stop, false);
		REQUIRE_INT(pthread_create(&thread, NULL, first_in_handler, NULL), 0);
		pthread_kill(thread, SIGUSR1);
		while (atomic_load(&searches) == before)
			usleep(10);
		atomic_store(&stop, true);
		pthread_join(thread, NULL);
	}
	CHECK_INT(atomic_load(&bad), 0);
	free(atomic_exchange(&shared, NULL));
}

static void *fork_child_thread(void *unused)
{
	search_once();
	return NULL;
}

/* In the child: no waiting for the parent's threads, and threads of its own work. */
static int in_child(void)
{
	struct base_reader *mine = base_reader_enter();
	pthread_t thread;

	base_reader_leave(mine);
	alarm(20); /* a wait for a thread that is not here would never end */
	for (int i = 0; i < 200; i++) {
		if (pthread_create(&thread, NULL, fork_child_thread, NULL))
			return 2;
		base_reader_wait();
		pthread_join(thread, NULL);
	}
	/* Records were swept many times by now: mine must still be mine. */
	return base_reader_self == mine && atomic_load(&mine->owner) & UINT32_MAX &&
			       (uint32_t)atomic_load(&mine->owner) == (uint32_t)getpid()
		       ? 0
		       : 3;
}

TEST(children_forget_the_parents_threads)
{
	pthread_t holder;
	int status = -1;

#ifdef __SANITIZE_THREAD__
	SKIP("ThreadSanitizer allows no threads after a fork of many");
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
	SKIP("ThreadSanitizer allows no threads after a fork of many");
#endif
#endif
	atomic_store(&shared, new_box());
	atomic_store(&step, 0);
	pthread_create(&holder, NULL, hold, NULL);
	while (atomic_load(&step) != 1)
		usleep(100);
	base_reader_leave(base_reader_enter());
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(in_child());
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);
	atomic_store(&step, 2);
	pthread_join(holder, NULL);
	free(atomic_exchange(&shared, NULL));
}

static void *end_inside(void *unused)
{
	base_reader_enter();
	return NULL;
}

/* A mistake of the reader's, but the writer must not wait for ever. */
TEST(a_thread_that_ended_inside_is_given_up)
{
	pthread_t ended, other;

	/* Somebody else, so that the process is not taken for a single thread's. */
	atomic_store(&stop, false);
	REQUIRE_INT(pthread_create(&other, NULL, first_in_handler, NULL), 0);
	REQUIRE_INT(pthread_create(&ended, NULL, end_inside, NULL), 0);
	pthread_join(ended, NULL);
	alarm(60);
	base_reader_wait();
	alarm(0);
	atomic_store(&stop, true);
	pthread_join(other, NULL);
}
