/* SPDX-License-Identifier: MIT */
/*
 * Images made by hand for the tests of thread-local storage: no file, only a PT_TLS.
 */
#ifndef TESTS_TLS_IMAGES_H
#define TESTS_TLS_IMAGES_H

#include "link/tls.h"
#include "test.h"

#include <pthread.h>
#include <stdalign.h>

struct tls_request {
	uint64_t id, offset;
};

static inline void *address_of(const struct link_image *image, uint64_t offset)
{
	const struct tls_request request = { image->tls_id, offset };
	return link_tls_get_addr(&request);
}

/* The initial values are @initial, of @file_bytes; @misalign: of the segment's start. */
static inline void make_image(struct link_image *image, const void *initial,
	uint64_t file_bytes, uint64_t memory_bytes, uint64_t align, uint64_t misalign)
{
	memset(image, 0, sizeof(*image));
	image->path = "made by hand";
	image->view.tls_vaddr = align * 16 + misalign;
	image->bias = (uintptr_t)initial - image->view.tls_vaddr;
	image->view.tls_file_bytes = file_bytes;
	image->view.tls_memory_bytes = memory_bytes;
	image->view.tls_align = align;
}

static inline bool begin_image(struct link_image *image)
{
	struct umod_error error = { 0 };
	return (link_tls_register(image, &error) == 0 &&
		       link_tls_publish(image, &error) == 0) ||
	       FAIL("%s", error.message);
}

static inline bool begin_static(struct link_image *image)
{
	struct umod_error error = { 0 };
	return (link_tls_register(image, &error) == 0 &&
		       link_tls_make_static(image, &error) == 0 &&
		       link_tls_publish(image, &error) == 0) ||
	       FAIL("%s", error.message);
}

static inline void set_up_tls(void)
{
	static bool done;
	struct umod_error error = { 0 };
	if (done)
		return;
	link_arch_setup();
	if (link_tls_setup(&error))
		FAIL("%s", error.message);
	done = true;
}

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
