/* SPDX-License-Identifier: MIT */
/* What the tests of loads share: one context, and loading a fixture by its name. */
#ifndef UMOD_LOAD_TEST_H
#define UMOD_LOAD_TEST_H

#include "test.h"

#include <umod/umod.h>

#include <errno.h>

typedef int (*int_function)(void);
typedef int (*set_function)(int);

struct umod_context *test_context(void);
struct umod_namespace *test_process(void);
/* A new namespace, to be given back. */
struct umod_namespace *test_namespace(void);
/* The path of a fixture; a few may be asked for before the first is overwritten. */
const char *test_path(const char *name);
/* Loads a fixture; a failure is noted, with its message, and gives NULL. */
struct umod_module *test_load(
	struct umod_namespace *space, const char *name, unsigned flags);
/* Loads a fixture that must be refused with @code in @stage, and @text in the message. */
void test_refuse(struct umod_namespace *space, const char *name, unsigned flags, int code,
	enum umod_stage stage, const char *text);
/* The address of a symbol, a failure is noted. */
void *test_symbol(struct umod_module *module, const char *name);
/* Calls a function of no argument by name; INT_MIN if it is not there. */
int test_call(struct umod_module *module, const char *name);
/* Gives a module back; what umod_module_unref returned. */
int test_unref(struct umod_module *module);
/* Lines of /proc/self/maps that contain @text. */
unsigned test_map_lines(const char *text);

#endif
