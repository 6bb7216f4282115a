/* SPDX-License-Identifier: MIT */
/*
 * Floor 1: what every floor needs and that knows no ELF: errors, trace, memory, system
 * calls, strings, files, hashing, locks. Everything may be called from any thread.
 *
 * Memory and system calls go through this floor so that a test can fail each of them in
 * turn (base_fault). In a build as shipped the check is one load and a branch.
 */
#ifndef UMOD_BASE_H
#define UMOD_BASE_H

#include <umod/error.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define base_likely(x)    __builtin_expect(!!(x), 1)
#define base_unlikely(x)  __builtin_expect(!!(x), 0)
#define BASE_PRINTF(f, a) __attribute__((format(printf, f, a)))
/* A function that include/umod declares; src/api/umod.map names it too. */
#define UMOD_EXPORT         __attribute__((visibility("default")))
#define base_array_count(a) (sizeof(a) / sizeof((a)[0]))

#define BASE_PAGE_BYTES ((size_t)4096)

static inline uint64_t base_align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

/* The caller has made sure that this does not overflow. */
static inline uint64_t base_align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* True when @offset + @bytes <= @limit, without overflow. */
static inline bool base_range_fits(uint64_t offset, uint64_t bytes, uint64_t limit)
{
	return offset <= limit && bytes <= limit - offset;
}

/* ---- errors (error.c) ---- */

/*
 * Fills @error, if it is not NULL and holds nothing yet, and returns @code. @subject may
 * be NULL. Use: return base_error(error, STAGE, -EINVAL, path, "...", ...).
 */
int base_error(struct umod_error *error, enum umod_stage stage, int code,
	const char *subject, const char *format, ...) BASE_PRINTF(5, 6);

/* ---- memory (memory.c): NULL or zeroed as calloc(3), subject to base_fault ---- */

void *base_alloc(size_t bytes);               /* not zeroed */
void *base_zalloc(size_t bytes);              /* zeroed */
void *base_array(size_t count, size_t bytes); /* zeroed, checked product */
void *base_realloc(void *old, size_t bytes);
char *base_strdup(const char *s);
char *base_strndup(const char *s, size_t n);
char *base_printf(const char *format, ...) BASE_PRINTF(1, 2); /* allocated */
void base_free(void *p);
/*
 * Has the pages within @bytes at @start given memory by one call rather than fault by
 * fault, if there are enough for that to pay. They are about to be written. A hint.
 */
void base_populate(void *start, size_t bytes);

/*
 * Makes room for one more in a growing array: *items of @bytes each, @count used,
 * *capacity there. Returns 0 or -ENOMEM, with the array as it was.
 */
int base_grow(void *items, unsigned count, unsigned *capacity, size_t bytes);

/* Scoped cleanup for a local: BASE_AUTO_FREE char *p = ...; */
static inline void base_free_cleanup(void *p)
{
	base_free(*(void **)p);
}
#define BASE_AUTO_FREE __attribute__((cleanup(base_free_cleanup)))

static inline void base_close_cleanup(int *fd);
#define BASE_AUTO_CLOSE __attribute__((cleanup(base_close_cleanup)))

/* ---- system calls (sys.c): result or negative errno, subject to base_fault ---- */

int base_sys_open(const char *path); /* O_RDONLY | O_CLOEXEC, EINTR retried */
int base_sys_close(int fd);          /* never fails by injection */
int base_sys_stat(const char *path, struct stat *st);
int base_sys_fstat(int fd, struct stat *st);
/* All of @bytes, or as many as there are to the end of the file. */
int64_t base_sys_pread(int fd, void *buffer, size_t bytes, uint64_t offset);
/* On success 0 and *out; as mmap(2). */
int base_sys_mmap(void *address, size_t bytes, int protection, int flags, int fd,
	uint64_t offset, void **out);
int base_sys_munmap(void *address, size_t bytes); /* never fails by injection */
int base_sys_mprotect(void *address, size_t bytes, int protection);
int base_sys_madvise(void *address, size_t bytes, int advice);
int64_t base_sys_readlink(const char *path, char *buffer, size_t bytes);

static inline void base_close_cleanup(int *fd)
{
	if (*fd >= 0)
		base_sys_close(*fd);
}

/* ---- fault injection (fault.c), for tests ---- */

/*
 * While armed in the calling thread, the @nth call (1 for the first) of a memory or
 * system call function of this floor fails: with NULL, or with -@code. 0 disarms. The
 * counter of calls since arming is base_fault_calls().
 */
void base_fault_arm(uint64_t nth, int code);
uint64_t base_fault_calls(void);
extern atomic_bool base_fault_armed; /* in any thread */
bool base_fault_hit_slow(int *code);
static inline bool base_fault_hit(int *code)
{
	return base_unlikely(
		       atomic_load_explicit(&base_fault_armed, memory_order_relaxed)) &&
	       base_fault_hit_slow(code);
}

/* ---- trace (trace.c): UMOD_DEBUG=stages,symbols,... as LD_DEBUG does ---- */

enum base_trace {
	BASE_TRACE_FILES = 1 << 0,    /* what is opened, mapped, closed */
	BASE_TRACE_LIBS = 1 << 1,     /* search paths tried */
	BASE_TRACE_STAGES = 1 << 2,   /* stages with their times */
	BASE_TRACE_SYMBOLS = 1 << 3,  /* symbols looked up */
	BASE_TRACE_BINDINGS = 1 << 4, /* what they were bound to */
	BASE_TRACE_RELOC = 1 << 5,    /* relocation passes */
	BASE_TRACE_VERSIONS = 1 << 6, /* version needs checked */
	BASE_TRACE_SCOPES = 1 << 7,   /* the scope of each image */
	BASE_TRACE_TLS = 1 << 8,      /* thread-local storage */
	BASE_TRACE_INIT = 1 << 9,     /* init and fini calls */
	BASE_TRACE_UNLOAD = 1 << 10,  /* why something stays or goes */
	BASE_TRACE_STATISTICS = 1 << 11,
	BASE_TRACE_ALL = (1 << 12) - 1,
};
extern unsigned base_trace_mask; /* written once, at start */
void base_trace_write(enum base_trace what, const char *format, ...) BASE_PRINTF(2, 3);
/* Reads UMOD_DEBUG and UMOD_DEBUG_OUTPUT; ignored in secure execution. */
void base_trace_setup(void);
/* "files", "libs", ...; NULL past the last. */
const char *base_trace_name(unsigned index);
#define base_trace(what, ...)                                \
	do {                                                 \
		if (base_unlikely(base_trace_mask & (what))) \
			base_trace_write(what, __VA_ARGS__); \
	} while (0)

/* ---- time ---- */
uint64_t base_now_ns(void); /* CLOCK_MONOTONIC */

/* ---- process ---- */
bool base_secure_execution(void); /* AT_SECURE */
unsigned long base_auxval(unsigned long type);
const char *base_getenv(const char *name); /* NULL in secure execution */

/* ---- locks across fork(2) (fork.c) ---- */

/* Those of the process, in the order in which a thread takes them. */
enum base_fork_lock {
	BASE_FORK_REGISTRY,
	BASE_FORK_TLS,
	BASE_FORK_HOST,
	/* Inside these none but malloc's is taken. */
	BASE_FORK_VERSIONS,
	BASE_FORK_GUARD,
	BASE_FORK_HANDLES,
	BASE_FORK_CRYPTO,
	BASE_FORK_LOCKS
};
/*
 * Holds @lock across fork(2), so that a child finds it free and what it guards whole. To
 * be called from a constructor: a fork that has begun takes no lock that comes later.
 */
void base_lock_across_fork(enum base_fork_lock which, pthread_mutex_t *lock);
/* The same by functions: before the fork, and after it in the parent and in the child. */
void base_call_across_fork(enum base_fork_lock which, void (*before)(void),
	void (*parent)(void), void (*child)(void));

/* ---- strings and hashing (hash.c) ---- */

/* The GNU hash of a name: h = 5381; h = h * 33 + c. Equal to ld.so's dl_new_hash. */
uint32_t base_gnu_hash(const char *name, size_t length);
/* The SysV hash (gABI, "Hash Table"). */
uint32_t base_sysv_hash(const char *name);
/* A good 64-bit mix of a value, and of bytes. */
uint64_t base_mix(uint64_t value);
uint64_t base_hash_bytes(const void *bytes, size_t count);

/*
 * A map from a 64-bit key to a pointer, open addressing, growing; several entries may
 * have one key (the caller compares). Not thread-safe: the caller holds a lock.
 */
#define BASE_MAP_GONE ((void *)UINTPTR_MAX)
struct base_map {
	struct base_map_entry {
		uint64_t key;
		void *value; /* NULL empty, BASE_MAP_GONE removed */
	} * entries;
	size_t mask; /* entries - 1; 0 with entries NULL */
	size_t used, filled;
};
int base_map_put(struct base_map *map, uint64_t key, void *value); /* 0 or -ENOMEM */
/* Walks the values of one key: *cursor starts at 0. NULL at the end. */
void *base_map_next(const struct base_map *map, uint64_t key, size_t *cursor);
void base_map_remove(struct base_map *map, uint64_t key, void *value);
void base_map_free(struct base_map *map);

/* ---- readers without a lock (reader.c) ---- */

/*
 * Structures that are searched without a lock, also in a signal handler, are changed
 * by writers that hold the writers' own lock, unlink, call base_reader_wait(), and only
 * then free or unmap what was unlinked. Readers enclose their search in enter/leave;
 * both nest and neither blocks or allocates from the heap.
 */
struct base_reader {
	_Atomic unsigned active;  /* written by its thread alone */
	_Atomic unsigned turn;    /* + 1 whenever active comes back to 0 */
	_Atomic uint64_t owner;   /* generation << 32 | thread id; id 0: free */
	struct base_reader *next; /* in the list of all; set before it is in there */
	char pad[40];             /* a cache line each */
};
extern __thread struct base_reader *base_reader_self
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
struct base_reader *base_reader_register(void); /* never NULL */
static inline struct base_reader *base_reader_enter(void)
{
	struct base_reader *r = base_reader_self;
	if (base_unlikely(!r))
		r = base_reader_register();
	atomic_store_explicit(&r->active,
		atomic_load_explicit(&r->active, memory_order_relaxed) + 1,
		memory_order_relaxed);
	/* Enough for the compiler; for the processor the writer's membarrier(2) does it.
	 */
	atomic_signal_fence(memory_order_seq_cst);
	return r;
}
static inline void base_reader_leave(struct base_reader *r)
{
	atomic_signal_fence(memory_order_seq_cst);
	unsigned left = atomic_load_explicit(&r->active, memory_order_relaxed) - 1;
	if (left == 0)
		atomic_store_explicit(&r->turn,
			atomic_load_explicit(&r->turn, memory_order_relaxed) + 1,
			memory_order_release);
	atomic_store_explicit(&r->active, left, memory_order_release);
}
/* Waits until every search that was under way has ended. Not inside a search. */
void base_reader_wait(void);
/* Records that exist, in use or not: for tests. */
unsigned base_reader_count(void);

#endif
