/* SPDX-License-Identifier: MIT */
/*
 * Every plugin of these tests, by macros: NAME is what it calls itself; it says when it
 * comes and goes. COMMON: defines the name that others define too. The rest says what
 * else it does.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_(x)    #x
#define TEXT(x)     TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

__attribute__((constructor)) static void come(void)
{
	printf("+%s\n", TEXT(NAME));
}

__attribute__((destructor)) static void go(void)
{
	printf("-%s\n", TEXT(NAME));
}

int JOIN(value_, NAME) = 1;
static int hidden_twice(int x)
{
	__asm__ volatile("" : "+r"(x));
	return 2 * x;
}

const char *JOIN(who_, NAME)(void)
{
	return hidden_twice(1) == 2 ? TEXT(NAME) : "nobody";
}

#ifdef COMMON
const char *common(void)
{
	return TEXT(NAME);
}

const char *JOIN(common_of_, NAME)(void)
{
	return common();
}

const char *JOIN(next_of_, NAME)(void)
{
	const char *(*next)(void);
	*(void **)&next = dlsym(RTLD_NEXT, "common");
	return next ? next() : "none";
}

/* A name that the program has not. */
const char *JOIN(a_seen_by_, NAME)(void)
{
	const char *(*found)(void);
	*(void **)&found = dlsym(RTLD_DEFAULT, "who_a");
	return found ? found() : "none";
}

const char *JOIN(default_of_, NAME)(void)
{
	const char *(*found)(void);
	*(void **)&found = dlsym(RTLD_DEFAULT, "common");
	return found ? found() : "none";
}
#endif

#ifdef GIVES
int given(void)
{
	return 42;
}
#endif

#ifdef TAKES
extern int given(void);
int taken(void)
{
	return given();
}
#endif

#ifdef WEAK
extern int nowhere(void) __attribute__((weak));
int weak_is_null(void)
{
	return nowhere == NULL;
}
#endif

#ifdef PROTECTED
__attribute__((visibility("protected"))) const char *guarded(void)
{
	return TEXT(NAME);
}
const char *JOIN(guarded_of_, NAME)(void)
{
	return guarded();
}
#endif

#ifdef IFUNC
static int chosen_function(void)
{
	return 7;
}
static void *choose(void)
{
	return (void *)chosen_function;
}
int chosen(void) __attribute__((ifunc("choose")));
int call_chosen(void)
{
	return chosen();
}
#endif

#ifdef VERSIONED
__asm__(".symver versioned_1, versioned@V1");
__asm__(".symver versioned_2, versioned@@V2");
int versioned_1(void);
int versioned_2(void);
int versioned_1(void)
{
	return 1;
}
int versioned_2(void)
{
	return 2;
}
#endif

#ifdef STORAGE
__thread int stored = 5;
__thread int zeroed;
int *storage(void)
{
	zeroed++;
	return &stored;
}
int zero(void)
{
	return zeroed;
}
#endif

#ifdef AT_EXIT
static void last(void)
{
	printf("atexit of %s\n", TEXT(NAME));
}
__attribute__((constructor)) static void enlist(void)
{
	atexit(last);
}
#endif

#ifdef OPENS
static void *opened;
__attribute__((constructor)) static void open_another(void)
{
	opened = dlopen(OPENS, RTLD_NOW);
	printf("%s opened %s: %s\n", TEXT(NAME), OPENS, opened ? "yes" : "no");
}
#ifdef CLOSES
__attribute__((destructor)) static void close_another(void)
{
	printf("%s closes: %d\n", TEXT(NAME), dlclose(opened));
}
#endif
#endif

#ifdef WAITS
static pthread_t thread;
static pthread_barrier_t at_the_end;
static void *open_at_the_end(void *unused)
{
	pthread_barrier_wait(&at_the_end);
	void *handle = dlopen("libd.so", RTLD_NOW);
	printf("at the end: %s\n",
		handle && dlsym(handle, "who_d") ? "opened" : "failed");
	return unused;
}
__attribute__((constructor)) static void begin(void)
{
	pthread_barrier_init(&at_the_end, NULL, 2);
	pthread_create(&thread, NULL, open_at_the_end, NULL);
}
__attribute__((destructor)) static void wait_for_it(void)
{
	pthread_barrier_wait(&at_the_end);
	pthread_join(thread, NULL);
}
#endif

#ifdef ASKS
/* What dlopen(NULL) stands for here: how often it is what it should be. */
int asks(void)
{
	void *all = dlopen(NULL, RTLD_NOW),
	     *own = dlopen("lib" TEXT(NAME) ".so", RTLD_NOW);
	struct link_map *first = NULL;
	Lmid_t here = -2, there = -3;
	if (!all || !own || dlinfo(all, RTLD_DI_LMID, &here) != 0 ||
		dlinfo(own, RTLD_DI_LMID, &there) != 0 ||
		dlinfo(all, RTLD_DI_LINKMAP, &first) != 0)
		return -1;
	return 1000 * (dlsym(all, "common") != NULL) + 100 * (here == there) +
	       10 * (strstr(first->l_name, TEXT(NAME)) != NULL) +
	       (dlsym(all, "asks") == (void *)asks);
}
#endif

#ifdef OPENER
void *open_for_me(const char *name)
{
	return dlopen(name, RTLD_NOW);
}
#endif
