/* SPDX-License-Identifier: MIT */
/*
 * umod/namespace.h: a set of modules that see one another.
 *
 * Each namespace has its own copy of every library that it does not share with the host.
 * By default what must never exist twice in a process is shared: the glibc family,
 * libgcc_s, malloc replacers and sanitizer runtimes. There may be as many namespaces as
 * memory allows. Reference counted; any thread may call.
 */
#ifndef UMOD_NAMESPACE_H
#define UMOD_NAMESPACE_H

#include <umod/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A symbol that the host lends: its name and its address. */
struct umod_lent_symbol {
	const char *name;
	void *address;
};

/*
 * Options of a namespace; set @size_bytes. Strings and arrays are copied. A soname may be
 * a pattern of fnmatch(3).
 */
struct umod_namespace_options {
	size_t size_bytes;
	const char *name; /* for messages and listings; NULL: "#N" */
	/* Sonames taken from the host in addition to the default, ended by NULL; one that
	 * the host does not hold is loaded privately. */
	const char *const *share;
	/* Sonames of which a private copy is loaded although the default shares them.
	 * libc, ld.so and libpthread cannot be named: -EINVAL. */
	const char *const *keep_private;
	/* Symbols lent by the host: found before any image of the namespace. */
	const struct umod_lent_symbol *symbols;
	size_t symbol_count;
	/* What no image of the namespace defines is looked for in the process's own
	 * global scope: the program and its libraries, what was loaded there with
	 * UMOD_LOAD_GLOBAL. For plugins that call the program that opens them. */
	bool use_process;
};
#define UMOD_NAMESPACE_OPTIONS_INIT UMOD_OPTIONS_INIT(struct umod_namespace_options)

/*
 * Makes an empty namespace. On success 0 and *@out holds one reference; on failure
 * -EINVAL or -ENOMEM and *@out is NULL. Since 0.1.
 */
int umod_namespace_new(struct umod_context *context,
	const struct umod_namespace_options *options, struct umod_namespace **out,
	struct umod_error *error);

/* Takes one more reference and returns @space. Since 0.1. */
struct umod_namespace *umod_namespace_ref(struct umod_namespace *space);

/*
 * Gives one reference back. A namespace lives as long as it is referenced or holds a
 * module. NULL is ignored. Since 0.1.
 */
void umod_namespace_unref(struct umod_namespace *space);

/* Its name, borrowed; the process's own is "process". Since 0.1. */
const char *umod_namespace_name(const struct umod_namespace *space);

/* Its number, never used again in this process; the process's own is 0. Since 0.1. */
uint64_t umod_namespace_id(const struct umod_namespace *space);

/*
 * Looks @name up in the namespace's global scope, as dlsym(RTLD_DEFAULT) does: in the
 * process's own the host's objects first, then every module loaded with
 * UMOD_LOAD_GLOBAL; in another its first module with its dependencies counts as global.
 * @version NULL: any, the default first. Returns 0 with the address in *@address, or
 * -ENOENT. Takes no lock. Since 0.1.
 */
int umod_namespace_symbol(struct umod_namespace *space, const char *name,
	const char *version, void **address, struct umod_error *error);

#ifdef __cplusplus
}
#endif
#endif
