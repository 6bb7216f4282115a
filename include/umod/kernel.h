/* SPDX-License-Identifier: MIT */
/*
 * umod/kernel.h: modules in the running kernel: loading, removing, and what /proc and
 * /sys tell of them. Linux's own modules, by its system calls; umod's modules are in
 * umod/module.h. Any thread may call.
 */
#ifndef UMOD_KERNEL_H
#define UMOD_KERNEL_H

#include <umod/error.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum umod_kernel_state {
	UMOD_KERNEL_ABSENT = 0, /* or built in without parameters */
	UMOD_KERNEL_LIVE,
	UMOD_KERNEL_COMING,
	UMOD_KERNEL_GOING,
};

/* umod_kernel_insert: */
#define UMOD_KERNEL_IGNORE_MODVERSIONS 1u
#define UMOD_KERNEL_IGNORE_VERMAGIC    2u
/* umod_kernel_remove: */
#define UMOD_KERNEL_FORCE 1u

/*
 * Loads the module file @path with the parameters @options (NULL: none). A packed file is
 * handed to the kernel as it is if the kernel unpacks its kind, else unpacked here.
 * Returns 0, or what the kernel said, among it -EEXIST (loaded already), -ENOENT (unknown
 * symbol or parameter), -ENOEXEC, -EKEYREJECTED; or why the file could not be read; the
 * stage in @error tells the two apart: UMOD_STAGE_OPEN and UMOD_STAGE_DECOMPRESS are the
 * file's, UMOD_STAGE_INIT the kernel's. Since 0.1.
 */
int umod_kernel_insert(
	const char *path, const char *options, unsigned flags, struct umod_error *error);
/*
 * Removes the module @name without waiting. 0; -ENOENT: no such module; -EWOULDBLOCK: in
 * use; -EBUSY: it cannot be removed, or is not live. Since 0.1.
 */
int umod_kernel_remove(const char *name, unsigned flags, struct umod_error *error);

/* The state of @name, or a negative errno. Since 0.1. */
int umod_kernel_module_state(const char *name);
/* How many use it, or a negative errno: -ENOENT where the kernel does not tell. Since
 * 0.1. */
int umod_kernel_module_references(const char *name);
/*
 * Calls @visit for the name of each module that holds @name, until it returns something
 * else than 0, which is returned. Since 0.1.
 */
int umod_kernel_module_holders(
	const char *name, int (*visit)(const char *holder, void *data), void *data);

/* A line of /proc/modules. */
struct umod_kernel_module {
	const char *name;
	const char *users; /* "a,b", or "": none */
	uint64_t size_bytes;
	int64_t references; /* -1: the kernel does not tell */
	enum umod_kernel_state state;
};
/* Calls @visit for each module, newest first, as above. Since 0.1. */
int umod_kernel_modules_visit(
	int (*visit)(const struct umod_kernel_module *module, void *data), void *data,
	struct umod_error *error);

#ifdef __cplusplus
}
#endif
#endif
