/* SPDX-License-Identifier: MIT */
/*
 * The locks that are held across fork(2), in one place, for their order: taken as every
 * thread takes them, or a fork and a load would wait for each other.
 */
#include "base/base.h"

static struct fork_lock {
	pthread_mutex_t *lock;
	void (*before)(void), (*parent)(void), (*child)(void);
	bool known, held;
} locks[BASE_FORK_LOCKS];

static void before_fork(void)
{
	for (unsigned i = 0; i < BASE_FORK_LOCKS; i++) {
		struct fork_lock *it = &locks[i];
		it->held = it->known;
		if (it->held && it->lock)
			pthread_mutex_lock(it->lock);
		else if (it->held)
			it->before();
	}
}

static void after_fork(bool child)
{
	for (unsigned i = BASE_FORK_LOCKS; i-- > 0;) {
		struct fork_lock *it = &locks[i];
		if (it->held && it->lock)
			pthread_mutex_unlock(it->lock);
		else if (it->held)
			(child ? it->child : it->parent)();
	}
}

static void in_parent(void)
{
	after_fork(false);
}

static void in_child(void)
{
	after_fork(true);
}

static void know(enum base_fork_lock which, struct fork_lock lock)
{
	static bool registered;
	if (!registered)
		registered = pthread_atfork(before_fork, in_parent, in_child) == 0;
	locks[which] = lock;
}

void base_lock_across_fork(enum base_fork_lock which, pthread_mutex_t *lock)
{
	know(which, (struct fork_lock){ .lock = lock, .known = true });
}

void base_call_across_fork(enum base_fork_lock which, void (*before)(void),
	void (*parent)(void), void (*child)(void))
{
	know(which, (struct fork_lock){ NULL, before, parent, child, true, false });
}
