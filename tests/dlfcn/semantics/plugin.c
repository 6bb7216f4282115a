/* SPDX-License-Identifier: MIT */
/*
 * Every plugin of these tests, by macros: NAME is what it calls itself; it says when it
 * comes and goes. COMMON: defines the name that others define too. The rest says what
 * else it does.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

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

#ifdef OPENER
void *open_for_me(const char *name)
{
	return dlopen(name, RTLD_NOW);
}
#endif
