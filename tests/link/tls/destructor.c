/* SPDX-License-Identifier: MIT */
/* A library with a thread_local destructor, registered as C++ compilers do it. */
#include <stddef.h>

extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle __attribute__((visibility("hidden")));

static __thread int alive;
static int *destroyed; /* where to count */

static void destroy(void *object)
{
	/* The storage is still the thread's, and so is this code. */
	if (object == &alive && alive == 1)
		++*destroyed;
	alive = 2;
}

int destructor_use(int *counter)
{
	destroyed = counter;
	if (alive)
		return 0;
	alive = 1;
	return __cxa_thread_atexit_impl(destroy, &alive, &__dso_handle);
}
