/* SPDX-License-Identifier: MIT */
/*
 * Readers without a lock: who is inside a search, and how a writer waits for them. It
 * keeps records of threads; what is searched, and the writers' lock, are others'.
 *
 * Each thread that searches owns one record, which it alone counts in. Records come from
 * pages that are never unmapped, in a list that only grows at its head, so that a writer
 * walks it without a lock. A record is found again by the id of its thread, rather than
 * by a destructor at thread exit: setting one up may allocate, and the first search of a
 * thread may be in a signal handler.
 */
#include "base/base.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POOL_LEAST ((size_t)64)
#define POOL_MOST  ((size_t)1024)

__thread struct base_reader *base_reader_self __attribute__((tls_model("initial-exec")));

/* The first pool needs no mapping: few processes ever need another. */
static _Alignas(64) struct base_reader first_pool[POOL_LEAST];
static atomic_bool first_pool_linked;
static _Atomic(struct base_reader *) all; /* newest pool first */
/* Where to look for a free record first; NULL: nowhere. Nothing but a hint. */
static _Atomic(struct base_reader *) hint;

static uint32_t owner_id(uint64_t owner)
{
	return (uint32_t)owner;
}

/* The generation grows with each owner, so that a late compare-and-swap fails. */
static bool change_owner(struct base_reader *r, uint64_t seen, uint32_t id)
{
	uint64_t next = ((seen >> 32) + 1) << 32 | id;

	return atomic_compare_exchange_strong(&r->owner, &seen, next);
}

static bool thread_is_gone(uint32_t id)
{
	return syscall(SYS_tgkill, getpid(), id, 0) < 0 && errno == ESRCH;
}

static void link_pool(struct base_reader *pool, size_t count)
{
	struct base_reader *head = atomic_load(&all);

	for (size_t i = 0; i + 1 < count; i++)
		pool[i].next = &pool[i + 1];
	do {
		pool[count - 1].next = head;
	} while (!atomic_compare_exchange_weak(&all, &head, pool));
	atomic_store(&hint, pool);
}

static struct base_reader *claim_free(uint32_t me)
{
	struct base_reader *r = atomic_load(&hint);

	for (; r; r = r->next) {
		uint64_t owner = atomic_load(&r->owner);
		if (owner_id(owner) != 0 || !change_owner(r, owner, me))
			continue;
		/* The last owner may have ended inside a search. */
		atomic_store(&r->active, 0);
		break;
	}
	atomic_store(&hint, r ? r->next : NULL);
	return r;
}

/*
 * Takes back the records of threads that have ended, and makes more when fewer than one
 * in four is free: a walk over all then serves many claims.
 */
static void make_room(uint32_t me)
{
	size_t total = 0, free = 0;

	if (!atomic_exchange(&first_pool_linked, true)) {
		link_pool(first_pool, POOL_LEAST);
		return;
	}
	for (struct base_reader *r = atomic_load(&all); r; r = r->next) {
		uint64_t owner = atomic_load(&r->owner);
		uint32_t id = owner_id(owner);
		total++;
		if (id == 0)
			free++;
		/* I have no record: one with my id was an earlier thread's. */
		else if (id == me || thread_is_gone(id))
			free += change_owner(r, owner, 0);
	}
	atomic_store(&hint, atomic_load(&all));
	if (free * 4 >= total && free > 0)
		return;

	size_t count = total < POOL_LEAST ? POOL_LEAST : total;
	if (count > POOL_MOST)
		count = POOL_MOST;
	void *pool = mmap(NULL, count * sizeof(struct base_reader),
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool != MAP_FAILED)
		link_pool(pool, count);
	else if (free == 0)
		sched_yield(); /* no memory: wait for a thread to end */
}

struct base_reader *base_reader_register(void)
{
	int saved = errno;
	sigset_t every, before;

	/* A handler that searched in between would register the thread twice. */
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	if (!base_reader_self) {
		uint32_t me = (uint32_t)syscall(SYS_gettid);
		struct base_reader *r;
		while (!(r = claim_free(me)))
			make_room(me);
		base_reader_self = r;
	}
	struct base_reader *self = base_reader_self;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return self;
}

/* In the child of a fork: of all threads only the caller is left, with a new id. */
static void keep_only_self(void)
{
	struct base_reader *self = base_reader_self;

	for (struct base_reader *r = atomic_load(&all); r; r = r->next) {
		if (r == self)
			continue;
		change_owner(r, atomic_load(&r->owner), 0);
		atomic_store(&r->active, 0);
	}
	if (self)
		change_owner(
			self, atomic_load(&self->owner), (uint32_t)syscall(SYS_gettid));
	atomic_store(&hint, atomic_load(&all));
}

__attribute__((constructor)) static void reader_setup(void)
{
	pthread_atfork(NULL, NULL, keep_only_self);
}

static bool membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) == 0;
}

/*
 * Makes every running thread of the process pass a memory barrier: what it stored before
 * is seen here, and what was unlinked here is seen there.
 */
static void barrier_everywhere(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return;
	/* The first time in a process, and after exec: it wants to be asked for. */
	if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return;
	if (membarrier(MEMBARRIER_CMD_GLOBAL))
		return;
	/* A sandbox forbids it. Taking a page's permission away interrupts, on x86-64,
	 * every processor that runs a thread of ours, and an interrupt is a barrier. */
	char *page = mmap(NULL, BASE_PAGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		*(volatile char *)page = 1;
		mprotect(page, BASE_PAGE_BYTES, PROT_NONE);
		munmap(page, BASE_PAGE_BYTES);
	}
	for (int i = 0; i < 100; i++)
		sched_yield();
}

/* From a short spin to short sleeps. The raw call is no cancellation point. */
static void pause_longer(unsigned *rounds)
{
	const struct timespec nap = { .tv_nsec = 50000 };

	if (++*rounds < 100)
		__builtin_ia32_pause();
	else if (*rounds < 200)
		sched_yield();
	else
		syscall(SYS_nanosleep, &nap, NULL);
}

static void wait_for(struct base_reader *r)
{
	unsigned rounds = 0;
	unsigned turn = atomic_load_explicit(&r->turn, memory_order_acquire);

	while (atomic_load_explicit(&r->active, memory_order_acquire) != 0 &&
		atomic_load_explicit(&r->turn, memory_order_acquire) == turn) {
		uint32_t id = owner_id(atomic_load(&r->owner));
		if (id == 0)
			return;
		pause_longer(&rounds);
		/* A thread that was ended inside a search will never leave it. */
		if (rounds % 256 == 0 && thread_is_gone(id))
			return;
	}
}

void base_reader_wait(void)
{
	int saved = errno;
	struct base_reader *self = base_reader_self;

	atomic_signal_fence(memory_order_seq_cst);
	if (__libc_single_threaded)
		return; /* and handlers of this thread have returned */
	barrier_everywhere();
	for (struct base_reader *r = atomic_load(&all); r; r = r->next) {
		if (r != self)
			wait_for(r);
	}
	errno = saved;
}

unsigned base_reader_count(void)
{
	unsigned count = 0;

	for (struct base_reader *r = atomic_load(&all); r; r = r->next)
		count++;
	return count;
}
