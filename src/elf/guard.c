/* SPDX-License-Identifier: MIT */
/*
 * Reading a mapped file that another process may cut short: the page that is gone is
 * replaced by zeros, and the load is told. Only addresses that the calling thread guards
 * are answered; every other SIGBUS goes to whoever handled it before.
 */
#include "elf/view.h"

#include <signal.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* users, previous */
static unsigned users;
static struct sigaction previous;
static __thread struct elf_guard *innermost __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void keep_lock(void)
{
	base_lock_across_fork(BASE_FORK_GUARD, &lock);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(number, info, context);
	} else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
		/* The fault happens again, without us. */
		signal(number, SIG_DFL);
	} else {
		previous.sa_handler(number);
	}
}

static void handle(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	for (struct elf_guard *guard = innermost; guard; guard = guard->outer) {
		if (address < guard->start || address >= guard->end)
			continue;
		void *page = (void *)(address & ~(BASE_PAGE_BYTES - 1));
		int saved = errno;
		void *got = mmap(page, BASE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		errno = saved;
		if (got == page) {
			guard->hit = true;
			return;
		}
	}
	pass_on(number, info, context);
}

int elf_guard_begin(struct elf_guard *guard, const void *start, size_t bytes)
{
	int result = 0;
	pthread_mutex_lock(&lock);
	if (users == 0) {
		struct sigaction action = { .sa_sigaction = handle,
			.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
		sigemptyset(&action.sa_mask);
		if (sigaction(SIGBUS, &action, &previous) != 0)
			result = -errno;
	}
	if (result == 0)
		users++;
	pthread_mutex_unlock(&lock);
	guard->start = (uintptr_t)start;
	guard->end = guard->start + bytes;
	guard->hit = false;
	guard->outer = innermost;
	if (result == 0)
		innermost = guard;
	return result;
}

bool elf_guard_end(struct elf_guard *guard)
{
	innermost = guard->outer;
	pthread_mutex_lock(&lock);
	if (--users == 0) {
		struct sigaction now;
		/* Someone who installed his own in between gets it back. */
		if (sigaction(SIGBUS, &previous, &now) == 0 && now.sa_sigaction != handle)
			sigaction(SIGBUS, &now, NULL);
	}
	pthread_mutex_unlock(&lock);
	return guard->hit;
}
