/* SPDX-License-Identifier: MIT */
/*
 * What the process is: its clock, its auxiliary vector, its environment. The
 * environment counts for nothing where the caller may not be trusted (AT_SECURE: a
 * set-user-ID program, for one).
 */
#include "base/base.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <time.h>

uint64_t base_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool base_secure_execution(void)
{
	return getauxval(AT_SECURE) != 0;
}

unsigned long base_auxval(unsigned long type)
{
	return getauxval(type);
}

const char *base_getenv(const char *name)
{
	return base_secure_execution() ? NULL : getenv(name);
}

static pthread_mutex_t *fork_locks[8];
static unsigned fork_lock_count;

static void before_fork(void)
{
	for (unsigned i = 0; i < fork_lock_count; i++)
		pthread_mutex_lock(fork_locks[i]);
}

static void after_fork(void)
{
	for (unsigned i = 0; i < fork_lock_count; i++)
		pthread_mutex_unlock(fork_locks[i]);
}

void base_lock_across_fork(pthread_mutex_t *lock)
{
	if (fork_lock_count == 0)
		pthread_atfork(before_fork, after_fork, after_fork);
	assert(fork_lock_count < base_array_count(fork_locks));
	fork_locks[fork_lock_count++] = lock;
}
