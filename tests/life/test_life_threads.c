/* SPDX-License-Identifier: MIT */
/* Modules' lives with threads: two loads at once, waits, and calls under way. */
#include "life_test.h"

#include <signal.h>

struct job {
	const char *file;
	int result;
	struct umod_error error;
	pthread_t thread;
};

static void *insert(void *data)
{
	struct job *job = data;
	job->result = life_insert_file(job->file);
	return NULL;
}

/* The first is in its init when the second starts. */
static void two_at_once(const char *first, const char *second, struct job jobs[2])
{
	jobs[0].file = first;
	jobs[1].file = second;
	pthread_create(&jobs[0].thread, NULL, insert, &jobs[0]);
	life_wait_paused(1);
	pthread_create(&jobs[1].thread, NULL, insert, &jobs[1]);
	usleep(50000); /* most likely it waits now; it must not matter */
	life_go_on();
	pthread_join(jobs[0].thread, NULL);
	pthread_join(jobs[1].thread, NULL);
}

TEST(one_file_twice)
{
	struct job jobs[2] = { { 0 } };
	life_begin();
	two_at_once("slow.o", "slow.o", jobs);
	CHECK_INT(jobs[0].result, 0);
	CHECK_INT(jobs[1].result, 0);
	CHECK_STR(life_notes(), "init slow, pause slow");
	CHECK_INT(life_remove_name("slow", 0), 0);
	life_close();
}

TEST(one_name_twice)
{
	struct job jobs[2] = { { 0 } };
	life_begin();
	two_at_once("slow.o", "slow-again.o", jobs);
	CHECK_INT(jobs[0].result, 0);
	CHECK_INT(jobs[1].result, -EEXIST);
	CHECK_INT(life_remove_name("slow", 0), 0);
	life_close();
}

TEST(one_that_fails_twice)
{
	struct job jobs[2] = { { 0 } };
	life_begin();
	two_at_once("failing-slowly.o", "failing-slowly.o", jobs);
	CHECK_INT(jobs[0].result, -ENOMEM);
	CHECK_INT(jobs[1].result, -EBUSY);
	life_close();
}

/* Removing, using and needing what is coming. */
TEST(still_coming)
{
	struct job jobs[2] = { { 0 } };
	life_begin();
	jobs[0].file = "slow.o";
	pthread_create(&jobs[0].thread, NULL, insert, &jobs[0]);
	life_wait_paused(1);
	CHECK_INT(life_remove_name("slow", 0), -EBUSY);
	CHECK_HAS(host.error.message, "still coming");
	CHECK(!umod_module_find(host.space, "slow"));
	CHECK_INT(life_insert_file("old.o"), 0); /* others come meanwhile */
	jobs[1].file = "vfat.o";                 /* it needs what slow exports */
	pthread_create(&jobs[1].thread, NULL, insert, &jobs[1]);
	usleep(50000);
	life_go_on();
	pthread_join(jobs[0].thread, NULL);
	pthread_join(jobs[1].thread, NULL);
	CHECK_INT(jobs[0].result, 0);
	CHECK_INT(jobs[1].result, 0);
	CHECK_INT(life_remove_name("vfat", 0), 0);
	CHECK_INT(life_remove_name("slow", 0), 0);
	CHECK_INT(life_remove_name("old", 0), 0);
	life_close();
}

static void *put_later(void *module)
{
	usleep(30000);
	umod_module_put(module);
	return NULL;
}

TEST(wait_for_uses)
{
	pthread_t thread;
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	struct umod_module *module = umod_module_find(host.space, "fat");
	CHECK_INT(umod_remove(host.space, "fat", UMOD_REMOVE_WAIT, 20, &host.error),
		-EWOULDBLOCK);
	pthread_create(&thread, NULL, put_later, module);
	CHECK_INT(umod_remove(host.space, "fat", UMOD_REMOVE_WAIT, -1, &host.error), 0);
	pthread_join(thread, NULL);
	life_close();
}

static void *stay_inside(void *function)
{
	int (*stay)(void);
	*(void **)&stay = function;
	stay();
	return NULL;
}

/* A call under way, which no use tells of, is found on its thread's stack. */
TEST(call_under_way)
{
	pthread_t thread;
	void *function = NULL;
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	struct umod_module *module = umod_module_find(host.space, "fat");
	REQUIRE(module);
	CHECK_INT(umod_module_symbol(module, "fat_stay", NULL, &function, NULL), 0);
	umod_module_put(module);
	pthread_create(&thread, NULL, stay_inside, function);
	life_wait_paused(1);
	CHECK_INT(life_remove_name("fat", UMOD_REMOVE_CHECK_STACKS), -EWOULDBLOCK);
	CHECK_HAS(host.error.message, "is inside it: in fat_stay");
	life_go_on();
	pthread_join(thread, NULL);
	CHECK_INT(life_remove_name("fat", UMOD_REMOVE_CHECK_STACKS), 0);
	life_close();
}

static void *stay_silently(void *function)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	return stay_inside(function);
}

/* Also where the thread blocks all signals, and its stack has to be looked at. */
TEST(silent_call_under_way)
{
	pthread_t thread;
	void *function = NULL;
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	struct umod_module *module = umod_module_find(host.space, "fat");
	REQUIRE(module);
	CHECK_INT(umod_module_symbol(module, "fat_stay", NULL, &function, NULL), 0);
	umod_module_put(module);
	pthread_create(&thread, NULL, stay_silently, function);
	life_wait_paused(1);
	usleep(10000); /* it sleeps soon */
	CHECK_INT(life_remove_name("fat", UMOD_REMOVE_CHECK_STACKS), -EWOULDBLOCK);
	CHECK_HAS(host.error.message, "inside it");
	life_go_on();
	pthread_join(thread, NULL);
	/* Threads of a sanitizer are silent too, and may have such a word left over. */
	int result = life_remove_name("fat", UMOD_REMOVE_CHECK_STACKS);
	if (result == -EWOULDBLOCK)
		result = life_remove_name("fat", 0);
	CHECK_INT(result, 0);
	life_close();
}

static void *live_and_let_go(void *file)
{
	char name[32];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "."), (char *)file);
	for (unsigned i = 0; i < 100; i++) {
		int result = life_insert_file(file);
		if (result && result != -EEXIST && result != -EBUSY && result != -ENOENT)
			FAIL("insert %s: %d", (char *)file, result);
		struct umod_module *module = umod_module_find(host.space, name);
		umod_module_put(module);
		result = life_remove_name(name, 0);
		if (result && result != -ENOENT && result != -EWOULDBLOCK &&
			result != -EBUSY)
			FAIL("remove %s: %d", name, result);
	}
	return NULL;
}

TEST(crowd)
{
	static char files[][16] = { "fat.o", "vfat.o", "fat.o", "vfat.so", "old.o",
		"old.so", "fat.so", "vfat.o" };
	pthread_t threads[8];
	life_begin();
	for (unsigned i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, live_and_let_go, files[i]);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	static const char *const all[] = { "vfat", "fat", "old" };
	for (unsigned i = 0; i < 3; i++) {
		int result = life_remove_name(all[i], 0);
		CHECK(result == 0 || result == -ENOENT);
	}
	life_close();
}
