/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the demo share: one copy of a user library, checks that end the demo,
 * and the figures of the process.
 */
#ifndef UMOD_DEMO_H
#define UMOD_DEMO_H

#include <umod/umod.h>

/* A user library in a namespace of its own. */
struct demo_user {
	struct umod_namespace *space;
	struct umod_module *module;
	int number; /* 1 or 2: its version and its base's */
	int (*fullname)(char *text, size_t bytes);
	int *global_value, *base_global_value;
};

/* Says what is broken and exits 1. */
void demo_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The address of @name in @module; there must be one. */
void *demo_symbol(struct umod_module *module, const char *name);
/* Loads @path into a new namespace. */
void demo_load(struct umod_context *context, const char *path,
	struct umod_namespace **space, struct umod_module **module);
/* Unloads and lets go of the namespace; it must go. */
void demo_unload(struct umod_namespace *space, struct umod_module *module);

double demo_now_ms(void);
unsigned demo_mappings(void);           /* of this process */
unsigned long demo_anonymous_kib(void); /* private memory of this process */

/* Two copies of libsqlite3, each with its own database. */
void demo_sqlite(struct umod_context *context);

#endif
