/* SPDX-License-Identifier: MIT */
/*
 * Images made by hand for the tests of thread-local storage: no file, only a PT_TLS.
 */
#ifndef TESTS_TLS_IMAGES_H
#define TESTS_TLS_IMAGES_H

#include "link/tls.h"
#include "stepper.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define IS_TSAN 1
#else
#define IS_TSAN 0
#endif

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

#endif
