/* SPDX-License-Identifier: MIT */
/*
 * umod/module.h: load code into the running program, use it, take it out.
 *
 * A module is an ELF shared object, or a relocatable one, with a life: name, state,
 * references and dependencies. umod_load finds, validates, maps, binds and initialises it
 * together with what it needs. Every failure undoes what was done.
 *
 * Threads: loads and unloads of a process run one at a time, under one lock that init
 * and fini functions may take again (they may load). Look-ups take no lock. The caller
 * holds a reference to the module that it passes, for as long as the call lasts.
 *
 * Two locks: under its own, umod calls ld.so to load a shared member of the C library's
 * family that the program lacks, and, once the program has opened something through ld.so
 * after its start, to look up what no module defines. A constructor that ld.so runs
 * should therefore not wait for a thread that loads through umod. Objects that ld.so
 * loaded for a load stay, also when the load fails later.
 *
 * While a large file is read, SIGBUS is umod's: a file that another process cuts short
 * then fails the load. Other faults go to whoever handled them before. The calling thread
 * must not block SIGBUS.
 */
#ifndef UMOD_MODULE_H
#define UMOD_MODULE_H

#include <umod/namespace.h>

#ifdef __cplusplus
extern "C" {
#endif

struct umod_module;

enum umod_state {
	UMOD_STATE_UNFORMED, /* being read, mapped and bound */
	UMOD_STATE_COMING,   /* its init functions run */
	UMOD_STATE_LIVE,
	UMOD_STATE_GOING, /* its fini functions run */
};

/* What is known of a module's signature. */
enum umod_signature {
	UMOD_SIGNATURE_NOT_CHECKED = 0, /* nobody asked, or it could not be checked */
	UMOD_SIGNATURE_VERIFIED,
	UMOD_SIGNATURE_UNSIGNED, /* or by nobody who counts: an unknown key, an expired
				    signer, an algorithm that is not taken */
};

/* How umod_load loads; flags. */
enum umod_load_flag {
	UMOD_LOAD_LAZY = 1 << 0,   /* bind functions at their first call, where allowed */
	UMOD_LOAD_GLOBAL = 1 << 1, /* offer its symbols to later loads of the namespace */
	UMOD_LOAD_DEEPBIND = 1 << 2, /* its symbols and needs before the global ones */
	UMOD_LOAD_PINNED = 1 << 3,   /* never unload */
	UMOD_LOAD_NOLOAD = 1 << 4,  /* only a reference to what is loaded, else -ENOENT */
	UMOD_LOAD_NO_INIT = 1 << 5, /* run no code of it: neither init nor fini */
	UMOD_LOAD_PIE = 1 << 6,     /* accept a position-independent executable */
	UMOD_LOAD_PRIVATE = 1 << 7, /* its own copy, though the file is loaded already */
};

/* Where the bytes of a module come from; exactly one of the three. */
struct umod_source {
	size_t size_bytes;
	/* A path, searched for as dlopen(3) does if it has no slash. With the others: the
	 * name in messages, and the directory that $ORIGIN stands for. */
	const char *path;
	/* A descriptor, used when >= 0 and has_descriptor is set; read from its start.
	 * Not closed, not kept. */
	bool has_descriptor;
	int descriptor;
	/* Bytes in memory; copied. */
	const void *buffer;
	size_t buffer_bytes;
};

/* Options of one load; set @size_bytes. */
struct umod_load_options {
	size_t size_bytes;
	unsigned flags; /* of enum umod_load_flag */
	/* Whose run path and $ORIGIN the search starts with, as the caller of dlopen's;
	 * an address in its code. NULL: the main program. */
	const void *caller;
	/* If not NULL: receives the nanoseconds spent in each stage. */
	uint64_t *stage_ns; /* [UMOD_STAGE_COUNT] */
};
#define UMOD_LOAD_OPTIONS_INIT UMOD_OPTIONS_INIT(struct umod_load_options)

/*
 * Loads the file @path (found as dlopen(3) finds it) into @space, or takes one more
 * reference to the module of that file in @space. @options NULL: bind now, local.
 * On success 0 and *@out holds one reference, to be given back with umod_module_unref.
 * On failure a negative errno, *@out is NULL, and the process is as it was: -ENOENT not
 * found, -ENOEXEC not a loadable ELF file, -ELIBBAD damaged, -EPERM refused by policy,
 * -ENOSYS a symbol or version missing, -ENOMEM memory, mappings or static TLS exhausted,
 * -ENOTSUP a feature not there, -EBUSY the file changed while it was read, -EFBIG
 * unpacked too large; of signatures, if the context asks for them, -EKEYREJECTED
 * unsigned, signed by an unknown key, or changed since, -EKEYEXPIRED, -EBADMSG damaged
 * (also a damaged packed file). Since 0.1.
 */
int umod_load(struct umod_namespace *space, const char *path,
	const struct umod_load_options *options, struct umod_module **out,
	struct umod_error *error);

/* As umod_load, from a path, an open descriptor or bytes in memory. Since 0.1. */
int umod_load_source(struct umod_namespace *space, const struct umod_source *source,
	const struct umod_load_options *options, struct umod_module **out,
	struct umod_error *error);

/* Takes one more reference and returns @module. Since 0.1. */
struct umod_module *umod_module_ref(struct umod_module *module);

/*
 * Gives one reference back. With the last of the module, and nothing else needing it,
 * fini functions run and it is unmapped with every dependency that nothing else needs.
 * Returns 0 when it went, 1 when it stays because others hold it (or, called by a fini
 * function, until the unload under way is done), or a negative errno
 * when it stays although nobody holds it: -EBUSY, with the reason in @error (pinned,
 * unique symbols in use, destructors of thread-local variables still to run). The
 * reference is given back in every case. NULL does nothing. Since 0.1.
 */
int umod_module_unref(struct umod_module *module, struct umod_error *error);

/*
 * Looks @name up in @module and then in its dependencies, breadth first. @version NULL:
 * any, the default first. For a thread-local variable *@address is the calling thread's.
 * Returns 0 or -ENOENT. Takes no lock. Since 0.1.
 */
int umod_module_symbol(struct umod_module *module, const char *name, const char *version,
	void **address, struct umod_error *error);

/* As above, but only in @module itself. Since 0.1. */
int umod_module_own_symbol(struct umod_module *module, const char *name,
	const char *version, void **address, struct umod_error *error);

/* What can be asked of a module; strings are borrowed from it. Set @size_bytes. */
struct umod_module_info {
	size_t size_bytes;
	const char *name; /* soname, else the file's name */
	const char *path; /* of its file; as given for bytes in memory */
	struct umod_namespace *space;
	enum umod_state state;
	unsigned references;  /* held by callers */
	unsigned users;       /* modules that need it or bound to it */
	uintptr_t load_bias;  /* address - vaddr */
	uintptr_t start, end; /* address range [start, end) */
	uint64_t file_bytes;
	uint64_t tls_id; /* module id for its thread-local storage, 0 if none */
	bool global, pinned, in_arena, from_host;
	uint64_t relative, symbolic; /* relocations applied */
	enum umod_signature signature;
	const char *signer; /* of a verified one: its certificate's name; or NULL */
};

/* Fills as much of *@out as its size_bytes says. Since 0.1. */
void umod_module_info_get(struct umod_module *module, struct umod_module_info *out);

/*
 * The @index-th direct dependency (DT_NEEDED, in order), borrowed; NULL past the last.
 * Host objects are modules too, that cannot be unloaded. Since 0.1.
 */
struct umod_module *umod_module_need(struct umod_module *module, unsigned index);

/*
 * Calls @visit for every module of @space (NULL: of all namespaces) that umod loaded,
 * in load order, under the load lock: @visit must not wait for another thread that
 * loads, nor let go of another module. A result other than 0 ends the walk and is
 * returned. Since 0.1.
 */
int umod_modules_visit(struct umod_namespace *space,
	int (*visit)(struct umod_module *module, void *data), void *data);

#ifdef __cplusplus
}
#endif
#endif
