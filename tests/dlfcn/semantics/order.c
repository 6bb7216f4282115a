/* SPDX-License-Identifier: MIT */
/* Scenarios of what comes and goes when: needs, references, destructors, the end. */
#include "semantics.h"

static void one(void)
{
	void *a = open_told("a", RTLD_NOW);
	printf("%s\n", say(a, "who_a"));
	close_told(a);
	there("a");
	there("d");
}

static void twice(void)
{
	void *a = open_told("a", RTLD_NOW), *again = open_told("a", RTLD_LAZY);
	printf("the same handle: %d\n", a == again);
	close_told(a);
	there("a");
	close_told(again);
	there("a");
}

static void shared_need(void)
{
	void *b = open_told("b", RTLD_NOW), *c = open_told("c", RTLD_NOW);
	close_told(b);
	there("d");
	there("b");
	close_told(c);
	there("d");
}

static void need_opened_too(void)
{
	void *a = open_told("a", RTLD_NOW), *d = open_told("d", RTLD_NOW);
	close_told(a);
	there("d");
	close_told(d);
	there("d");
}

static void circle(void)
{
	void *x = open_told("x", RTLD_NOW);
	printf("%s %s\n", say(x, "who_x"), say(x, "who_y"));
	close_told(x);
	there("y");
}

static void bound_to_global(void)
{
	void *giver, *taker;
	open_told("taker", RTLD_NOW);
	giver = open_told("giver", RTLD_NOW | RTLD_GLOBAL);
	taker = open_told("taker", RTLD_NOW);
	printf("taken %d\n", call(taker, "taken"));
	close_told(giver);
	there("giver");
	printf("taken %d\n", call(taker, "taken"));
	close_told(taker);
	there("giver");
}

static void promoted(void)
{
	void *giver = open_told("giver", RTLD_NOW);
	open_told("taker", RTLD_NOW);
	void *again = open_told("giver", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
	printf("the same handle: %d\n", giver == again);
	void *taker = open_told("taker", RTLD_NOW);
	printf("taken %d\n", call(taker, "taken"));
	close_told(taker);
	close_told(again);
	close_told(giver);
	there("giver");
}

static void lazy(void)
{
	void *taker = open_told("taker", RTLD_LAZY);
	open_told("giver", RTLD_NOW | RTLD_GLOBAL);
	printf("taken %d\n", call(taker, "taken"));
	close_told(taker);
}

static void nodelete(void)
{
	void *a = open_told("a", RTLD_NOW | RTLD_NODELETE);
	close_told(a);
	there("a");
	there("d");
	void *b = open_told("b", RTLD_NOW);
	close_told(b);
}

static void nodelete_later(void)
{
	void *a = open_told("a", RTLD_NOW);
	open_told("a", RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
	close_told(a);
	close_told(a);
	there("a");
}

static void noload(void)
{
	dlerror();
	void *a = dlopen(plugin("a"), RTLD_NOW | RTLD_NOLOAD);
	printf("%d %s\n", a != NULL, reason());
	open_told("a", RTLD_NOW);
	there("a");
}

static void opens_in_constructor(void)
{
	void *opener = open_told("opener", RTLD_NOW);
	there("d");
	close_told(opener);
	there("d");
}

static void closes_in_destructor(void)
{
	void *closer = open_told("closer", RTLD_NOW);
	close_told(closer);
	there("closer");
	there("d");
}

static void opens_itself(void)
{
	void *selfish = open_told("selfish", RTLD_NOW);
	close_told(selfish);
	there("selfish");
}

static void last(void)
{
	printf("atexit of the program\n");
}

static void left_open(void)
{
	atexit(last);
	open_told("leaver", RTLD_NOW);
	open_told("a", RTLD_NOW);
	open_told("c", RTLD_NOW);
}

static void atexit_of_closed(void)
{
	void *leaver = open_told("leaver", RTLD_NOW);
	close_told(leaver);
	there("leaver");
}

static void unique(void)
{
	void *one = open_told("cc1", RTLD_NOW), *two = open_told("cc2", RTLD_NOW);
	printf("%d %d %d\n", call(one, "count"), call(two, "count"), call(one, "count"));
	close_told(one);
	close_told(two);
}

/* Its destructor waits for a thread that opens something. */
static void waits_at_exit(void)
{
	open_told("waiter", RTLD_NOW);
}

static void exceptions(void)
{
	void *one = open_told("cc1", RTLD_NOW), *two = open_told("cc2", RTLD_NOW);
	int (*catch_it)(void *) = NULL;
	*(void **)&catch_it = dlsym(one, "catch_it");
	printf("%d\n", catch_it(dlsym(two, "throw_it")));
	printf("%d\n", catch_it(dlsym(one, "throw_it")));
}

const struct scenario order_scenarios[] = {
	{ "one", one },
	{ "twice", twice },
	{ "shared-need", shared_need },
	{ "need-opened-too", need_opened_too },
	{ "circle", circle },
	{ "bound-to-global", bound_to_global },
	{ "promoted", promoted },
	{ "lazy", lazy },
	{ "nodelete", nodelete },
	{ "nodelete-later", nodelete_later },
	{ "noload", noload },
	{ "opens-in-constructor", opens_in_constructor },
	{ "closes-in-destructor", closes_in_destructor },
	{ "opens-itself", opens_itself },
	{ "left-open", left_open },
	{ "atexit-of-closed", atexit_of_closed },
	{ "unique", unique },
	{ "waits-at-exit", waits_at_exit },
	{ "exceptions", exceptions },
	{ NULL, NULL },
};
