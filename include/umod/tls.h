/* SPDX-License-Identifier: MIT */
/*
 * umod/tls.h: a larger pool for initial-exec thread-local variables.
 *
 * Libraries that access thread-local variables by the initial-exec model (OpenMP
 * runtimes, malloc replacements, OpenGL drivers) need static thread-local storage, which
 * must be there when the program starts. libumod has a pool of 1,280 bytes of its own
 * (umod_statistics_get tells it), small enough for a libumod that comes by dlopen. A
 * program that loads more of such libraries says in one of its source files, at file
 * scope,
 *
 *	UMOD_TLS_POOL(16384);
 *
 * and that pool is used in place of libumod's. The pool is charged to the stack of every
 * thread: with 16 KiB, pthread_create(3) refuses stacks of 16 KiB, and one of 64 KiB has
 * 48 KiB left. The program must export the symbol that the macro defines: executables
 * that are linked with libumod.so do by themselves, those that contain libumod.a or open
 * libumod.so with dlopen(3) need -rdynamic, or -Wl,--export-dynamic-symbol=umod_tls_pool.
 * The macro in a library that came with the program works too. Since 0.1.
 */
#ifndef UMOD_TLS_H
#define UMOD_TLS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What libumod looks for; made by UMOD_TLS_POOL. */
struct umod_tls_pool {
	unsigned version;    /* 1 */
	size_t bytes;        /* of the array */
	void *(*here)(void); /* the calling thread's array */
};

#define UMOD_TLS_POOL_MAGIC "umod: the program's pool\n"

#ifdef __cplusplus
#define UMOD_TLS_POOL_EXTERN extern "C"
#else
#define UMOD_TLS_POOL_EXTERN extern
#endif

/*
 * The same for variables of larger alignment than 64: @ALIGN is a power of two, and the
 * storage of every thread is aligned so. @BYTES is a constant, at least 64.
 */
#define UMOD_TLS_POOL_ALIGNED(BYTES, ALIGN)                                          \
	static __thread char umod_tls_pool_array[BYTES]                              \
		__attribute__((tls_model("initial-exec"), aligned(ALIGN))) =         \
			UMOD_TLS_POOL_MAGIC;                                         \
	static void *umod_tls_pool_here(void)                                        \
	{                                                                            \
		return umod_tls_pool_array;                                          \
	}                                                                            \
	UMOD_TLS_POOL_EXTERN const struct umod_tls_pool umod_tls_pool                \
		__attribute__((visibility("default")));                              \
	const struct umod_tls_pool umod_tls_pool = { 1, sizeof(umod_tls_pool_array), \
		umod_tls_pool_here }

/* Since 0.1. */
#define UMOD_TLS_POOL(BYTES) UMOD_TLS_POOL_ALIGNED(BYTES, 64)

#ifdef __cplusplus
}
#endif
#endif
