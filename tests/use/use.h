/* SPDX-License-Identifier: MIT */
/*
 * Helper of the tests that use a library: loads it into two new namespaces, works with
 * both copies from several threads at once, and lets them go. Prototypes of the libraries
 * are declared by hand, so that none of their headers need be installed.
 */
#ifndef UMOD_USE_H
#define UMOD_USE_H

#include "test.h"

#include <umod/umod.h>

#define USE_COPIES  2
#define USE_THREADS 2 /* for each copy */

/* One copy of the library. */
struct use_copy {
	struct umod_namespace *space;
	struct umod_module *module;
	unsigned index; /* from 0 */
	void *data;     /* the test's own */
};

/* What a test does with each copy; all calls may be left out. */
struct use_work {
	const char *library; /* a soname, or a path */
	/* Once for each copy, in the main thread, one after the other. */
	void (*begin)(struct use_copy *copy);
	/* In USE_THREADS threads for each copy, all at once. */
	void (*work)(struct use_copy *copy, unsigned thread);
	/* Once for each copy, in the main thread. */
	void (*end)(struct use_copy *copy);
	/* Both copies may stay after their last reference (they pin themselves). */
	bool may_stay;
	/* Load so that they never go: threads of theirs still run. */
	bool pinned;
};

/* Loads, works, unloads; notes failures as CHECK does. */
void use_side_by_side(const struct use_work *work);

/* The address of @name in the copy, or of a function that fails the test. */
void *use_symbol(struct use_copy *copy, const char *name);

/* Fills the function pointer VARIABLE with the symbol NAME. */
#define USE_GET(copy, variable, name)                              \
	do {                                                       \
		void *use_address = use_symbol((copy), (name));    \
		memcpy(&(variable), &use_address, sizeof(void *)); \
	} while (0)

#endif
