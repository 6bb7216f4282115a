/* SPDX-License-Identifier: MIT */
/*
 * umod/context.h: one umod instance in a process: its options, its search paths and its
 * process namespace.
 *
 * A context is reference counted and may be used by many threads at once. A process may
 * have several; they share the address index, thread-local storage and the lock under
 * which loads run (one load at a time in a process; look-ups take no lock).
 */
#ifndef UMOD_CONTEXT_H
#define UMOD_CONTEXT_H

#include <umod/error.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the ..._INIT macros are: the size set, the rest zero. */
#ifdef __cplusplus
#define UMOD_OPTIONS_INIT(TYPE) \
	{                       \
		sizeof(TYPE)    \
	}
#else
#define UMOD_OPTIONS_INIT(TYPE)            \
	{                                  \
		.size_bytes = sizeof(TYPE) \
	}
#endif

struct umod_context;
struct umod_namespace;
struct stat;

/* A file that is about to be read, as a context's file_check sees it. */
struct umod_file {
	size_t size_bytes;
	const char *path;          /* as it was found */
	int descriptor;            /* open; neither to be closed nor read from */
	const struct stat *status; /* of the descriptor */
};

/* How relocated data of large images is held in memory. */
enum umod_huge_pages {
	/* As UMOD_HUGE_PAGES in the environment says, else never. */
	UMOD_HUGE_PAGES_DEFAULT = 0,
	UMOD_HUGE_PAGES_NEVER,
	UMOD_HUGE_PAGES_LARGE, /* where an image has 2 MiB or more to relocate */
};

/*
 * What a context asks of a module's signature, which is the kernel's: CMS and a trailer,
 * appended to the file. A damaged or wrong signature is refused by both of the latter.
 */
enum umod_signatures {
	UMOD_SIGNATURES_OFF = 0, /* not looked at */
	UMOD_SIGNATURES_WARN,    /* a module that is not verified is marked so */
	UMOD_SIGNATURES_ENFORCE, /* and refused */
};

/*
 * Options of a context. Set @size_bytes to sizeof(struct umod_context_options) and the
 * rest to zero for the defaults: UMOD_CONTEXT_OPTIONS_INIT does. Later versions only add
 * members at the end. Strings are copied.
 */
struct umod_context_options {
	size_t size_bytes;
	/* Colon-separated directories used in place of LD_LIBRARY_PATH; NULL: that
	 * variable, ignored in secure execution. */
	const char *library_path;
	/* The cache of ldconfig(8); NULL: /etc/ld.so.cache. "" for none. */
	const char *cache_path;
	/* Prefix of every absolute path searched, for trees; NULL: none. */
	const char *root;
	enum umod_huge_pages huge_pages;
	/* Images whose file is at most this large are copied into arenas, where they need
	 * two mappings each rather than five. 0: 32768. UMOD_ARENA_NONE: none. */
	uint64_t arena_limit_bytes;
	/* Load images with text relocations (they are writable, then executable, never
	 * both at once). Default: refused. */
	bool allow_text_relocations;
	/* Load images that ask for an executable stack, which umod never grants. */
	bool allow_executable_stack;
	/* Read the cache when a search first needs it, where a damaged one is as none. */
	bool late_cache;
	/*
	 * If not NULL: asked about each file before it is read, so that what was judged
	 * is what is used. Returns NULL, or why the file is refused: the load fails with
	 * -EPERM and that text, which is copied at once. Called under the load lock, with
	 * @file_check_data; not for bytes in memory, nor for what ld.so loads.
	 */
	const char *(*file_check)(const struct umod_file *file, void *data);
	void *file_check_data;
	/*
	 * What is asked of the signatures of all that umod loads, dependencies included;
	 * not of what the host has, or ld.so loads. Where it is not off, a file is read
	 * once, into private memory, judged there and mapped from there.
	 */
	enum umod_signatures signatures;
	/* Directories, or files, of certificates (PEM or DER) whose keys count; ended by
	 * NULL, or NULL. Only root or the caller may be able to write to them: -EPERM. */
	const char *const *keyrings;
	/* A signer whose certificate has expired, or is not yet valid, is as an unknown
	 * one. Default: dates are not looked at, as in the kernel. */
	bool refuse_expired_signer;
	/* The most that a packed file (gzip, xz, zstd) may unpack to. 0: 1 GiB. */
	uint64_t unpack_limit_bytes;
};
#define UMOD_CONTEXT_OPTIONS_INIT UMOD_OPTIONS_INIT(struct umod_context_options)
#define UMOD_ARENA_NONE           UINT64_MAX

/*
 * Makes a context. @options NULL: the defaults. On success 0, and *@out holds one
 * reference; on failure -ENOMEM, -EINVAL, or what reading the cache gave, and *@out is
 * NULL. A missing cache is no error. Since 0.1.
 */
int umod_context_new(const struct umod_context_options *options,
	struct umod_context **out, struct umod_error *error);

/* Takes one more reference and returns @context. Since 0.1. */
struct umod_context *umod_context_ref(struct umod_context *context);

/*
 * Gives one reference back. With the last, namespaces and modules that are still held
 * keep the context alive until they go. NULL is ignored. Since 0.1.
 */
void umod_context_unref(struct umod_context *context);

/*
 * Adds the certificates in @bytes (one in DER, or any number in PEM; copied) to those
 * whose keys count in @context. @name, for messages, may be NULL. 0, -EBADMSG: none or a
 * damaged one, -EINVAL, -ENOMEM. Since 0.1.
 */
int umod_key_add(struct umod_context *context, const void *bytes, size_t count,
	const char *name, struct umod_error *error);

/*
 * From now on @context, or every context of the process if it is NULL, also those that
 * are made later, takes only verified modules. There is no way back. What is loaded
 * stays. umod's own back ends (libcrypto, the decompressors) are not asked. Since 0.1.
 */
void umod_signature_enforce(struct umod_context *context);

/*
 * The process's own namespace, whose modules see the host's global symbols and use what
 * ld.so already loaded, as dlopen's do. Borrowed from @context. Since 0.1.
 */
struct umod_namespace *umod_context_process_namespace(struct umod_context *context);

/* Counters of a process, all contexts together. Set @size_bytes before the call. */
struct umod_statistics {
	size_t size_bytes;
	uint64_t modules;                    /* loaded now, dependencies included */
	uint64_t loads, unloads;             /* done */
	uint64_t failures[UMOD_STAGE_COUNT]; /* loads that failed, by stage */
	uint64_t relative, symbolic;         /* relocations applied */
	uint64_t lookups;                    /* distinct symbols looked up to bind */
	uint64_t mapped_bytes;               /* address space held by modules */
	uint64_t arena_bytes;                /* of these, in arenas */
	uint64_t tls_pool_bytes, tls_pool_used_bytes; /* for initial-exec variables */
	uint64_t host_pins; /* objects loaded or held through ld.so */
};

/* Fills as much of *@out as its size_bytes says. Since 0.1. */
void umod_statistics_get(struct umod_statistics *out);

/*
 * The @index-th capability of this build, such as "arch:x86-64" or "lazy-binding", with
 * its state in *@state ("yes", "no", or a number; static). NULL past the last. Since 0.1.
 */
const char *umod_feature(unsigned index, const char **state);

/* "0.1.0". Since 0.1. */
const char *umod_version(void);

#ifdef __cplusplus
}
#endif
#endif
