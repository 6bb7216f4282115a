/* SPDX-License-Identifier: MIT */
/*
 * The one lock of the registry, held across fork(2); what threads wait for that need
 * another to go on; and the numbers of walks.
 */
#include "registry/registry.h"

struct registry_statistics registry_statistics;

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static unsigned depth; /* how often the thread that holds it took it */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint32_t visits;

void registry_unlock(void)
{
	depth--;
	pthread_mutex_unlock(&lock);
}

void registry_lock(void)
{
	pthread_mutex_lock(&lock);
	depth++;
}

/* The child's thread has another number than the owner that the lock remembers: it
 * cannot be unlocked there, only made new. What it guards is whole, for we held it; and
 * hold it on where the fork came from within a load, from a constructor say. */
static void renew(void)
{
	unsigned held = depth - 1;
	/* Refused, but tools that watch locks are told. */
	while (depth > 0)
		registry_unlock();
	lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	while (depth < held)
		registry_lock();
}

__attribute__((constructor)) static void keep_lock(void)
{
	base_call_across_fork(BASE_FORK_REGISTRY, registry_lock, registry_unlock, renew);
}

bool registry_lock_is_nested(void)
{
	return depth > 1;
}

int registry_wait(uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000) };
	if (depth > 1)
		return -EDEADLK;
	depth = 0;
	int result = until_ns == UINT64_MAX ? pthread_cond_wait(&changed, &lock)
					    : pthread_cond_clockwait(&changed, &lock,
						      CLOCK_MONOTONIC, &until);
	depth = 1;
	return -result;
}

void registry_wake(void)
{
	pthread_cond_broadcast(&changed);
}

uint32_t registry_next_visit(void)
{
	return ++visits;
}
