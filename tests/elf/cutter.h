/* SPDX-License-Identifier: MIT */
/*
 * A file that a second thread cuts short at a random moment, again and again. The first
 * thread makes it whole, gives the word, reads the file, and waits for the cut.
 */
#ifndef TESTS_ELF_CUTTER_H
#define TESTS_ELF_CUTTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

struct cutter {
	char path[64]; /* of the file */
	int fd;
	uint8_t *bytes; /* of the whole file */
	size_t count;
	unsigned latest_us; /* the cut comes up to so much after the word */
	_Atomic unsigned asked, done;
	atomic_bool end;
	pthread_t thread;
};

/* Copies @library to a new file. False, with all undone, if that cannot be done. */
bool cutter_open(struct cutter *cutter, const char *library, unsigned latest_us);
void cutter_close(struct cutter *cutter);
/* Makes the file whole again. */
void cutter_restore(struct cutter *cutter);
void cutter_go(struct cutter *cutter);
void cutter_wait(struct cutter *cutter);

#endif
