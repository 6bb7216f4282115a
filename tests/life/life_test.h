/* SPDX-License-Identifier: MIT */
/* What the tests of modules' lives share: a namespace with the host's exports, and what
 * modules told the host. */
#ifndef UMOD_LIFE_TEST_H
#define UMOD_LIFE_TEST_H

#include "test.h"

#include <umod/umod.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

struct life_host {
	struct umod_context *context;
	struct umod_namespace *space;
	struct umod_error error; /* of the last call that failed */
	char notes[4096];        /* "init fat, exit fat, " */
	pthread_mutex_t lock;    /* guards notes and what follows */
	pthread_cond_t changed;
	unsigned paused; /* threads in host_pause */
	bool go_on;      /* they may leave it */
};
extern struct life_host host;

/* Each test begins with one, and ends with life_end, which checks that nothing stays. */
void life_begin(void);
void life_close(void);

/* "fat.o" or "fat.so" of the fixtures. */
int life_insert_file(const char *file);
int life_remove_name(const char *name, unsigned flags);
/* What modules told since the last call; valid until the next. */
const char *life_notes(void);
/* Waits until @count threads are paused; lets all go on. */
void life_wait_paused(unsigned count);
void life_go_on(void);

#endif
