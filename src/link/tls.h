/* SPDX-License-Identifier: MIT */
/*
 * What the parts of thread-local storage share: tls.c (ids, vectors, addresses),
 * tls_exit.c (threads that end, destructors, fork), tls_store.c (memory), tls_pool.c
 * (initial-exec), tls_threads.c (threads that exist already) and arch/.
 *
 * Each thread has a vector of its blocks, indexed by module id. Only its thread makes it
 * longer; an unload clears entries in the vectors of all. All but the fast path holds the
 * TLS lock with every signal blocked, and calls no malloc while it does: first accesses
 * may come from a signal handler and from inside malloc.
 */
#ifndef UMOD_LINK_TLS_H
#define UMOD_LINK_TLS_H

#include "link/link.h"

#include <signal.h>

/* The assembler knows the offsets of count (0) and blocks (16). */
struct tls_vector {
	uint64_t count;
	struct tls_vector *older; /* kept: a fast path may have been interrupted in it */
	_Atomic(void *) blocks[];
};
extern __thread struct tls_vector *link_tls_vector
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

struct tls_thread {
	struct tls_vector *vector;
	struct tls_thread *previous, *next;
	int id;          /* of the kernel */
	unsigned rounds; /* of key destructors, so far */
	bool late;       /* made after its thread's last round of destructors */
};

/* A module id: LINK_TLS_FIRST_ID + its place in the table. */
struct tls_slot {
	const struct link_image *image; /* NULL: free */
	const void *initial;            /* the image's initial values */
	uint64_t file_bytes, memory_bytes, align, misalign;
	uint64_t blocks; /* entries of vectors that are set */
	int64_t offset;  /* from the thread pointer, if in the pool */
	bool in_pool;    /* for those that ask now */
	bool published;  /* the initial values are final */
	uint32_t next_free;
};

void tls_lock(sigset_t *before);
void tls_unlock(const sigset_t *before);

/* ---- tls.c; under the lock ---- */
extern const struct tls_vector tls_no_vector;
/* Frees a thread's blocks and vectors; its record is the caller's. */
void tls_free_blocks(struct tls_thread *thread);

/* ---- tls_exit.c ---- */
int tls_exit_setup(void);
/* The calling thread's record, made if need be. Under the lock; NULL: no memory. */
struct tls_thread *tls_thread_self(bool *is_new);
/* After the lock was dropped: has the record freed when its thread ends. */
void tls_thread_watch(struct tls_thread *thread);
extern struct tls_thread *tls_threads; /* all; under the lock */

/* ---- tls_store.c: memory of its own mappings; under the lock ---- */
/* At an address that is @misalign modulo @align. Not zeroed. NULL: no memory. */
void *tls_store_alloc(uint64_t bytes, uint64_t align, uint64_t misalign);
void tls_store_free(void *p);
uint64_t tls_store_used(void); /* bytes handed out: for tests */

/* ---- tls_pool.c; under the load lock ---- */
void tls_pool_setup(void);
/* Offset from the thread pointer in *offset. 0, or a negative errno with *error set. */
int tls_pool_take(
	const struct link_image *image, int64_t *offset, struct umod_error *error);
void tls_pool_give(int64_t offset);
/* Writes initial values for threads to come and for those that exist. */
int tls_pool_fill(const struct link_image *image, int64_t offset, const void *initial,
	uint64_t file_bytes, uint64_t memory_bytes, struct umod_error *error);

/* ---- tls_threads.c ---- */
struct tls_copy {
	int64_t offset; /* from each thread's pointer */
	const void *initial;
	uint64_t file_bytes, memory_bytes; /* zeros follow the file's bytes */
};
/* How the threads that exist are reached. */
enum tls_reach {
	TLS_REACH_LIST,   /* glibc's list of threads */
	TLS_REACH_SIGNAL, /* each is asked to do it itself */
};
extern enum tls_reach tls_reach; /* chosen at setup; tests change it */
void tls_threads_setup(void);
/* Does @copy in every thread. Negative errno: it could not be done in all. */
int tls_threads_copy(const struct tls_copy *copy);
/* glibc's lock over its lists; false: not within a second. Nothing is taken inside. */
bool tls_lists_lock(void);
void tls_lists_unlock(void);
void tls_copy_here(const struct tls_copy *copy, uintptr_t thread_pointer);

/* ---- arch/ ---- */
/* The thread pointer that belongs to a thread descriptor of glibc's. */
uintptr_t link_arch_descriptor_pointer(uintptr_t descriptor);
/* What the trampolines save registers with. */
enum link_arch_save { LINK_ARCH_FXSAVE, LINK_ARCH_XSAVE, LINK_ARCH_XSAVEC };
extern enum link_arch_save link_arch_save_kind __attribute__((visibility("hidden")));
extern uint64_t link_arch_save_bytes __attribute__((visibility("hidden")));
extern uint32_t link_arch_save_mask[2] __attribute__((visibility("hidden")));
enum link_arch_save link_arch_best_save(void);
void link_arch_set_save(enum link_arch_save kind);
/* Called by link_arch_tlsdesc_dynamic: the address that a packed argument means. */
void *link_tls_descriptor_slow(uint64_t packed);

#endif
