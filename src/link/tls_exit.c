/* SPDX-License-Identifier: MIT */
/*
 * Threads and thread-local storage: each thread's record, how its blocks are freed when
 * it ends, what is left of them after a fork, and thread_local destructors counted by
 * image, so that none goes while one of its destructors is still to run.
 */
#include "link/tls.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tls_thread *tls_threads;
static __thread struct tls_thread *self __attribute__((tls_model("initial-exec")));
static __thread bool has_ended __attribute__((tls_model("initial-exec")));
static unsigned late_count; /* records that no key destructor will free */

static pthread_key_t key;
static int (*real_atexit)(void (*)(void *), void *, void *);

static void unlink_thread(struct tls_thread *thread)
{
	if (thread->previous)
		thread->previous->next = thread->next;
	else
		tls_threads = thread->next;
	if (thread->next)
		thread->next->previous = thread->previous;
	late_count -= thread->late;
	tls_free_blocks(thread);
	tls_store_free(thread);
}

/* A thread that asks again after its last destructor leaves a record to whom comes next.
 */
static void sweep_late(void)
{
	for (struct tls_thread *t = tls_threads, *next; t && late_count; t = next) {
		next = t->next;
		if (t->late && syscall(SYS_tgkill, getpid(), t->id, 0) < 0 &&
			errno == ESRCH)
			unlink_thread(t);
	}
}

struct tls_thread *tls_thread_self(bool *is_new)
{
	if (self)
		return self;
	if (late_count)
		sweep_late();
	struct tls_thread *thread = tls_store_alloc(sizeof(*thread), 16, 0);
	if (!thread)
		return NULL;
	*thread = (struct tls_thread){ .vector = link_tls_vector,
		.next = tls_threads,
		.id = (int)syscall(SYS_gettid),
		.late = has_ended };
	if (tls_threads)
		tls_threads->previous = thread;
	tls_threads = thread;
	late_count += thread->late;
	*is_new = !thread->late;
	self = thread;
	return thread;
}

void tls_thread_watch(struct tls_thread *thread)
{
	sigset_t before;
	if (pthread_setspecific(key, thread) == 0)
		return;
	tls_lock(&before);
	thread->late = true;
	late_count++;
	tls_unlock(&before);
}

/* ThreadSanitizer ends its own part of a thread early in the last round. */
void __tsan_init(void) __attribute__((weak));

/*
 * glibc runs thread_local destructors first, then those of keys, in rounds as long as
 * there are values. Ours frees in the last round, when only keys that were set again as
 * often can still use a variable.
 */
static void thread_ends(void *value)
{
	struct tls_thread *thread = value;
	unsigned last = PTHREAD_DESTRUCTOR_ITERATIONS - (__tsan_init ? 1 : 0);
	sigset_t before;
	if (++thread->rounds < last && pthread_setspecific(key, thread) == 0)
		return;
	tls_lock(&before);
	link_tls_vector = (struct tls_vector *)&tls_no_vector;
	unlink_thread(thread);
	self = NULL;
	has_ended = true;
	tls_unlock(&before);
}

/* ---- fork ---- */

static sigset_t fork_before; /* under the TLS lock */

static void before_fork(void)
{
	sigset_t before;
	tls_lock(&before);
	fork_before = before;
}

static void after_fork_parent(void)
{
	sigset_t before = fork_before;
	tls_unlock(&before);
}

/* Of all threads only this one is left. */
static void after_fork_child(void)
{
	for (struct tls_thread *t = tls_threads, *next; t; t = next) {
		next = t->next;
		if (t != self)
			unlink_thread(t);
	}
	if (self)
		self->id = (int)syscall(SYS_gettid);
	after_fork_parent();
}

__attribute__((constructor)) static void keep_lock(void)
{
	base_call_across_fork(
		BASE_FORK_TLS, before_fork, after_fork_parent, after_fork_child);
}

int tls_exit_setup(void)
{
	static bool done;
	if (done)
		return 0;
	int result = pthread_key_create(&key, thread_ends);
	real_atexit = (int (*)(void (*)(void *), void *, void *))link_host_symbol(
		"__cxa_thread_atexit_impl");
	done = result == 0;
	return -result;
}

/* ---- thread_local destructors ---- */

struct exit_call {
	void (*destructor)(void *);
	void *object;
	struct link_image *image;
};

static void run_destructor(void *data)
{
	struct exit_call call = *(struct exit_call *)data;
	base_free(data);
	call.destructor(call.object);
	/* From here on the image may go. */
	atomic_fetch_sub_explicit(&call.image->tls_destructors, 1, memory_order_release);
}

static struct link_image *count_in(void *dso_handle)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)dso_handle);
	if (image)
		atomic_fetch_add_explicit(
			&image->tls_destructors, 1, memory_order_relaxed);
	base_reader_leave(reader);
	return image;
}

int link_tls_thread_atexit(void (*destructor)(void *), void *object, void *dso_handle)
{
	static char own_handle; /* glibc is to count it for this library, which stays */
	if (!real_atexit)
		return -1;
	struct link_image *image = count_in(dso_handle);
	if (!image)
		return real_atexit(destructor, object, dso_handle);
	struct exit_call *call = base_alloc(sizeof(*call));
	if (call) {
		*call = (struct exit_call){ destructor, object, image };
		if (real_atexit(run_destructor, call, &own_handle) == 0)
			return 0;
	}
	base_free(call);
	atomic_fetch_sub_explicit(&image->tls_destructors, 1, memory_order_release);
	return -1;
}
