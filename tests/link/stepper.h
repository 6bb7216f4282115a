/* SPDX-License-Identifier: MIT */
/*
 * A thread that does what it is told, step by step, and lives on between the steps.
 */
#ifndef TESTS_STEPPER_H
#define TESTS_STEPPER_H

#include "test.h"

#include <pthread.h>

/* A thread that runs @step each time it is asked to, until it is ended. */
struct stepper {
	pthread_t thread;
	pthread_barrier_t barrier;
	void (*step)(void *data);
	void *data;
	bool ends;
};

static inline void *stepper_run(void *p)
{
	struct stepper *s = p;
	for (;;) {
		pthread_barrier_wait(&s->barrier);
		if (s->ends)
			return NULL;
		s->step(s->data);
		pthread_barrier_wait(&s->barrier);
	}
}

static inline void stepper_start(struct stepper *s)
{
	s->ends = false;
	pthread_barrier_init(&s->barrier, NULL, 2);
	if (pthread_create(&s->thread, NULL, stepper_run, s))
		FAIL("pthread_create");
}

static inline void stepper_do(struct stepper *s, void (*step)(void *), void *data)
{
	s->step = step;
	s->data = data;
	pthread_barrier_wait(&s->barrier);
	pthread_barrier_wait(&s->barrier);
}

static inline void stepper_end(struct stepper *s)
{
	s->ends = true;
	pthread_barrier_wait(&s->barrier);
	pthread_join(s->thread, NULL);
	pthread_barrier_destroy(&s->barrier);
}

#endif
