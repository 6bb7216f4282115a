/* SPDX-License-Identifier: MIT */
/* The one lock of the registry, held across fork(2), and the numbers of walks. */
#include "registry/registry.h"

struct registry_statistics registry_statistics;

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t visits;

void registry_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static void take(void)
{
	pthread_mutex_lock(&lock);
}

/* The child's thread has another number than the owner that the lock remembers: it
 * cannot be unlocked there, only made new. What it guards is whole, for we held it. */
static void renew(void)
{
	lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

static void hold_across_fork(void)
{
	pthread_atfork(take, registry_unlock, renew);
}

void registry_lock(void)
{
	pthread_once(&once, hold_across_fork);
	take();
}

uint32_t registry_next_visit(void)
{
	return ++visits;
}
