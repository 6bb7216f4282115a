/* SPDX-License-Identifier: MIT */
/*
 * A relocatable object whose load takes every way: stubs, the GOT, thread-local storage,
 * indirect functions, constructors, what is read-only after init and what goes then.
 */
#include <stdlib.h>
#include <string.h>

static __thread int counter = 3;
static int (*pick(void))(int);
static int twice(int x) __attribute__((ifunc("pick")));
__attribute__((section(".data..ro_after_init"))) static int sealed;
__attribute__((section(".init.data"))) static int first = 4;
int object_common[8];
int object_data = 2;
extern int object_missing(void) __attribute__((weak));

__attribute__((section(".init.text"), noinline)) static void set(void)
{
	sealed = first;
}

__attribute__((constructor(200))) static void start(void)
{
	set();
}

__attribute__((destructor)) static void stop(void)
{
	object_data = 0;
}

static int add(int x)
{
	return x + x;
}

static int (*pick(void))(int)
{
	return add;
}

int object_run(int x)
{
	char *copy = strdup("seven");
	int result = copy && !object_missing ? (int)strlen(copy) : -100;
	free(copy);
	counter++;
	return result == 5 && counter == 4 && sealed == 4 && twice(x) == 2 * x &&
			       object_data == 2 && object_common[7] == 0
		       ? x
		       : -1;
}
