/* SPDX-License-Identifier: MIT */
/*
 * Floor 3: from a validated view to code that can run: map, bind, thread-local storage,
 * protect, publish, run. Knows no namespaces and no policy: binding asks the scope that
 * it is handed.
 *
 * A link_image is owned by whoever made it (the registry). Functions that change an image
 * or the process-wide structures run under the load lock of the caller; functions marked
 * "any thread" take no lock and may be called at any time.
 */
#ifndef UMOD_LINK_H
#define UMOD_LINK_H

#include "base/shown.h"
#include "elf/view.h"

#include <dlfcn.h>
#include <link.h>

struct link_scope;
struct link_arena_slot;
struct link_object;

/* Where the memory of an image comes from. */
enum link_home {
	LINK_HOME_NONE,
	LINK_HOME_FILE,    /* mapped from its file */
	LINK_HOME_MEMORY,  /* anonymous memory, filled from a buffer */
	LINK_HOME_ARENA,   /* a slot of an arena */
	LINK_HOME_HOST,    /* ld.so's: read only */
	LINK_HOME_SYMBOLS, /* no memory: a list of lent symbols */
};

/* A symbol of a host object that umod answers itself, e.g. __tls_get_addr. */
struct link_substitute {
	uint32_t symbol_index;
	void *address;
};

struct link_symbol_list;   /* name -> address, see scope.c */
struct link_address_index; /* sorted symbols of one image, made at first use */

struct link_image {
	struct elf_view view;
	const char *path; /* of the file, absolute where known; borrowed from the owner */
	const char *name; /* soname, else last part of path; borrowed */
	void *owner;      /* the registry's module */
	enum link_home home;
	uintptr_t bias;       /* address - vaddr */
	uintptr_t start, end; /* [start, end) reserved */
	struct link_arena_slot *slot;
	uint64_t file_view_bytes;   /* mapped from start on while the file is validated */
	bool text_ready;            /* text is executable already */
	bool seals_late;            /* relro only by link_object_settle */
	struct link_object *object; /* a relocatable one's, while it is linked */
	uintptr_t init_start; /* what goes after init lies from here on; 0: nothing */
	bool global_unique;   /* a unique symbol of it is in use by others */

	/* lookups */
	const struct link_substitute *substitutes; /* sorted by symbol index */
	unsigned substitute_count;
	struct link_symbol_list *symbols; /* LINK_HOME_SYMBOLS */
	uint32_t
		global_order; /* place in its namespace's global scope, from 1; 0: none */
	uint32_t index_slot[2];   /* place in each kind of link_index, from 1; 0: none */
	uint32_t mark, position;  /* of the load under way: in its scope, and where */
	uint32_t depend_mark;     /* of the bind under way: bound to already */
	struct link_scope *scope; /* that it was bound with; owned reference */
	const struct link_keeper *keeper; /* of a lazily bound image, or NULL */
	bool lazy;
	bool bound; /* all its relocations are applied: its code can run */
	struct link_deferred *deferred; /* relocations that wait for an IFUNC resolver */
	unsigned deferred_count, deferred_capacity;

	/* thread-local storage */
	uint64_t tls_id;    /* as __tls_get_addr is given it; 0: none */
	int64_t tls_offset; /* from the thread pointer, if tls_static */
	bool tls_static;
	_Atomic uint32_t tls_destructors; /* thread_local destructors still to run */

	/* unwinder, debugger */
	struct link_map map;      /* what gdb and dlfcn callers see; l_name == path */
	struct shown_image shown; /* to other processes; the namespace is the owner's */
	bool published;
	const void *frames; /* registered with libgcc_s, or NULL */
	_Atomic(struct link_address_index *) address_index;

	/* run */
	bool init_done;

	uint64_t relative_done, symbolic_done, lookups_done; /* statistics */
};

/* ---- map.c: lay out, reserve, fill ---- */

struct link_map_options {
	int fd;               /* of the file, or -1 */
	const uint8_t *bytes; /* the whole file where it was read into memory, or NULL */
	uint64_t file_bytes;
	uint64_t arena_limit_bytes; /* files in memory up to this size go to an arena */
	bool huge_pages;            /* relocated data of 2 MiB or more in huge pages */
	bool low;                   /* an object lies below 2 GiB, even if it need not */
};
/*
 * After elf_view_headers: maps the file read-only at the place where the image will lie,
 * so that its tables can be validated there. *bytes then covers the file parts of all
 * segments. Undone by link_unmap. -ENOMEM.
 */
int link_map_file(struct link_image *image, const struct link_map_options *options,
	const uint8_t **bytes, struct umod_error *error);
/*
 * After elf_view_tables: gives every segment its place and its bytes, and rebases the
 * view; fills bias, start, end, home. Segments are readable and, where data, writable;
 * text mapped from the file is executable, unless it has text relocations. Undone by
 * link_unmap. -ENOMEM when mappings or memory run out.
 */
int link_map_segments(struct link_image *image, const struct link_map_options *options,
	struct umod_error *error);
/*
 * Memory for an image whose view says how much, readable, writable and zeroed; nothing is
 * copied there. @low: below 2 GiB. Undone by link_unmap. -ENOMEM.
 */
int link_map_memory(struct link_image *image, const struct link_map_options *options,
	bool low, struct umod_error *error);
/* Frees the memory of an image. A half-mapped or unmapped image is fine. */
void link_unmap(struct link_image *image);
/* Gives memory from @start, at a page, to its end back. Cannot fail. */
void link_unmap_tail(struct link_image *image, uintptr_t start);
/* Makes text executable now, so that resolvers can run before link_protect. */
int link_protect_text(struct link_image *image, struct umod_error *error);
/* Final permissions: text executable, relro read-only. */
int link_protect(struct link_image *image, struct umod_error *error);
uint64_t link_mapped_bytes(void); /* held by images; any thread */
uint64_t link_arena_bytes(void);

/* ---- index.c: one table for the symbols of many images ---- */

/*
 * A hash table of the definitions of many images, by GNU hash; images with one name are
 * found in the order in which they were added. Changed under the load lock; searched by
 * any thread between base_reader_enter and leave.
 */
enum link_index_kind {
	LINK_INDEX_GLOBAL, /* of the images of a global scope */
	LINK_INDEX_ALL,    /* of all images of a namespace that a search asked for */
	LINK_INDEX_KINDS
};
struct link_index;
struct link_index *link_index_new(enum link_index_kind kind);
void link_index_free(struct link_index *index);
/* Makes room for all of @images that are not there, but for @except, at once. -ENOMEM. */
int link_index_reserve(struct link_index *index, struct link_image *const *images,
	unsigned count, const struct link_image *except);
/* Adds the definitions of @image, if they are not there. -ENOMEM. */
int link_index_add(struct link_index *index, struct link_image *image);
/* The caller waits for readers before the image goes. */
void link_index_remove(struct link_index *index, struct link_image *image);
/*
 * False: no other image of the index has, or had since it was last rebuilt, a definition
 * with the hash of symbol @symbol of @image. Under the load lock.
 */
bool link_index_is_shared(
	const struct link_index *index, const struct link_image *image, uint32_t symbol);
/* Fetches the place of @hash into the cache. */
void link_index_prefetch(const struct link_index *index, uint32_t hash);
/*
 * Walks the candidates of a hash (its bit 0 does not count); the cursor starts zeroed.
 * Gives an image with its symbol, or NULL at the end. Names and versions are the caller's
 * to compare.
 */
struct link_index_cursor {
	const void *table;
	uint32_t at, same;
	bool overflow; /* there may be more than the table keeps: walk the scope */
};
struct link_image *link_index_next(const struct link_index *index, uint32_t hash,
	struct link_index_cursor *cursor, uint32_t *symbol_index);

/* ---- scope.c: where symbols are looked for ---- */

/*
 * The global scope of a namespace: images in the order in which they became global.
 * Changed under the load lock, searched by any thread.
 */
struct link_globals;
struct link_globals *link_globals_new(void);
void link_globals_free(struct link_globals *globals);
int link_globals_add(struct link_globals *globals, struct link_image *image);
void link_globals_remove(struct link_globals *globals, struct link_image *image);
/* Enters what came since into the filter of names. Under the lock. -ENOMEM. */
int link_globals_prepare(struct link_globals *globals);
/* Enters what came since into the index of names. Under the lock. -ENOMEM. */
int link_globals_index(struct link_globals *globals);
/* False: nothing in the global scope has @hash, of which bit 0 does not count. Under the
 * lock, after link_globals_prepare. */
bool link_globals_maybe_have(const struct link_globals *globals, uint32_t hash);
/*
 * Whether link_globals_index is worth its cost: once searches have cost as much without
 * it as it would, so that neither is ever more than double. Any thread.
 */
bool link_globals_want_index(const struct link_globals *globals);
unsigned link_globals_count(const struct link_globals *globals);
/* The @index-th, NULL where one was removed; under the load lock. */
struct link_image *link_globals_at(const struct link_globals *globals, unsigned index);

/*
 * Where an image's symbols are looked for: what the host lends by symbol, the global
 * scope, the local images (root and dependencies, breadth first). @local_first: deep
 * binding. Immutable but for its count of references; images are borrowed and outlive it.
 */
struct link_scope {
	_Atomic unsigned references;
	bool local_first;
	const struct link_image *lent; /* or NULL */
	struct link_globals *globals;  /* borrowed, or NULL */
	unsigned count;
	struct link_image *images[];
};
struct link_scope *link_scope_new(const struct link_image *lent,
	struct link_globals *globals, struct link_image *const *images, unsigned count,
	bool local_first);
struct link_scope *link_scope_ref(struct link_scope *scope);
void link_scope_unref(struct link_scope *scope);

struct link_definition {
	struct link_image *image; /* NULL: not found, or weak and undefined */
	const Elf64_Sym *symbol;  /* NULL for a lent symbol */
	uint32_t symbol_index;
	void *address; /* of a lent symbol; else NULL */
};
/*
 * The first definition of @reference in @scope, leaving out @skip (for COPY; NULL: none).
 * False: none. Any thread that holds the scope, between base_reader_enter and leave.
 */
bool link_scope_find(const struct link_scope *scope,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out);
/* The local part alone. */
bool link_local_find(const struct link_scope *scope,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out);
bool link_globals_find(struct link_globals *globals,
	const struct elf_reference *reference, const struct link_image *skip,
	struct link_definition *out);
/* The same in one image. */
bool link_image_find(const struct link_image *image,
	const struct elf_reference *reference, struct link_definition *out);
/* Prepares a reference as dlsym and dlvsym look it up. */
void link_reference(
	struct elf_reference *reference, const char *name, const char *version);
/*
 * The address that a definition means in the calling thread: IFUNC resolved,
 * thread-local located, substitutes taken.
 */
void *link_definition_address(const struct link_definition *definition);
/* The substitute for symbol @index of @image, or NULL. */
void *link_substitute(const struct link_image *image, uint32_t symbol_index);

/* Lent symbols as something that a scope can hold. */
struct link_symbol_list *link_symbol_list_new(void);
int link_symbol_list_add(struct link_symbol_list *list, const char *name, void *address);
void link_symbol_list_free(struct link_symbol_list *list);

/* ---- bind.c: resolve and relocate ---- */

/*
 * For lazy binding, where nobody holds the lock: keeps what an image is bound to as long
 * as the image. Whether it is kept anyhow is asked without the lock, by any thread.
 */
struct link_keeper {
	bool (*is_kept)(struct link_image *user, struct link_image *on);
	void (*lock)(void), (*unlock)(void);
	int (*depend)(struct link_image *user, struct link_image *on, void *data);
	/* As in link_bind_options, under the lock. May be NULL. */
	bool (*last_resort)(const struct elf_reference *reference,
		struct link_definition *definition, struct link_image *user);
};
struct link_bind_options {
	const struct link_keeper *keeper; /* or NULL */
	struct link_scope *scope;         /* where symbols are looked for; kept if lazy */
	struct link_index *index; /* of LINK_INDEX_ALL, for large scopes; or NULL */
	uint32_t mark;            /* the images of the scope carry it, with their place */
	bool index_has_globals;   /* the images of the global scope, too */
	bool lazy;
	bool no_resolvers; /* IFUNC resolvers are not called (fuzzing) */
	/* An image that was bound to: it must stay as long as @user. Called once for each
	 * in a bind. 0 or -ENOMEM. */
	int (*depend)(struct link_image *user, struct link_image *on, void *data);
	/* STB_GNU_UNIQUE: changes *definition to the one that the namespace already uses,
	 * or records that this one is it from now on. 0 or -ENOMEM. */
	int (*unique)(struct link_definition *definition, const char *name, void *data);
	/* A symbol that the scope does not have: false if it is nowhere. May be NULL. */
	bool (*last_resort)(const struct elf_reference *reference,
		struct link_definition *definition, void *data);
	void *data;
};
/*
 * Checks that every version @image needs is defined by the image that should define it.
 * @find_needed gives that image for a DT_NEEDED name, or NULL. -ENOSYS.
 */
int link_check_versions(struct link_image *image,
	struct link_image *(*find_needed)(const char *name, void *data), void *data,
	struct umod_error *error);
/*
 * Before the images of a load are bound: marks the images of options->scope with
 * options->mark, and gives options->index up where walking the scope for each symbol is
 * cheaper than filling and asking it.
 */
void link_mark_scope(struct link_bind_options *options);
/*
 * Applies all relocations of @image but those that need an IFUNC resolver of an image
 * that is not bound yet: link_bind_ifuncs applies them after every image of the load was
 * bound and its text protected. Errors name the relocation, its place and its symbol.
 */
int link_bind(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error);
bool link_has_deferred(const struct link_image *image);
int link_bind_ifuncs(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error);
/* Called by the PLT trampoline: binds slot @index and returns the function. */
void *link_bind_lazily(struct link_image *image, uint64_t index);
/*
 * Adds the load bias to the addresses in the image's dynamic section, as ld.so does and
 * as some run-time systems and profilers expect. After link_bind, before link_protect.
 */
void link_relocate_dynamic(struct link_image *image);
/* Frees what binding left in the image: deferred list, scope. */
void link_bind_clear(struct link_image *image);

/* ---- tls.c: thread-local storage of umod's images ---- */

/* Ids of umod's images start here; below are ld.so's. */
#define LINK_TLS_FIRST_ID ((uint64_t)1 << 32)
/* Gives @image, which has PT_TLS, a module id. -ENOMEM. */
int link_tls_register(struct link_image *image, struct umod_error *error);
/* Gives @image a place in the pool: initial-exec code of it needs one. -ENOMEM. */
int link_tls_make_static(struct link_image *image, struct umod_error *error);
/*
 * After the image was relocated: its initial values for threads still to come and, in
 * the pool, for those that exist.
 */
int link_tls_publish(struct link_image *image, struct umod_error *error);
/* Frees its storage in every thread. NULL-safe, half-registered is fine. */
void link_tls_unregister(struct link_image *image);
/* Address of byte @offset of the image's storage in this thread; allocates. Any thread.
 */
void *link_tls_address(const struct link_image *image, uint64_t offset);
/* The image's storage in this thread if it has any yet, else NULL. Any thread. */
void *link_tls_existing(const struct link_image *image);
/* What images are bound to in place of __tls_get_addr. Any thread. */
void *link_tls_get_addr(const void *tls_index);
/* In place of __cxa_thread_atexit_impl: counts per image. */
int link_tls_thread_atexit(void (*destructor)(void *), void *object, void *dso_handle);
/* Fills a TLSDESC pair (two words at @descriptor). */
int link_tls_descriptor(struct link_image *defining, uint64_t offset,
	uint64_t *descriptor, struct umod_error *error);
/* The same for an undefined weak variable: its address is @addend. */
void link_tls_descriptor_undefined(uint64_t addend, uint64_t *descriptor);
/* Of the pool for initial-exec variables. */
void link_tls_pool_sizes(uint64_t *total_bytes, uint64_t *used_bytes);
/* Finds what other parts need of ld.so and libc; once, before anything else. */
int link_tls_setup(struct umod_error *error);

/* ---- publish.c: address index, unwinder, debugger ---- */

/* Enters @image in the address index and shows it to unwinders and debuggers. -ENOMEM */
int link_publish(struct link_image *image, struct umod_error *error);
/* Takes it out and waits until no reader can still see it. Half-published is fine. */
void link_unpublish(struct link_image *image);
/*
 * Makes umod's node known to debuggers before there is an image, with counters for
 * umod maps: a struct shown_counters that stays.
 */
void link_show(const void *counters, uint64_t count);
/* Tells a debugger that a series of link_publish or link_unpublish is complete. */
void link_publish_done(void);
/*
 * The image (umod's) that contains @address, or NULL. Any thread, any handler; call
 * between base_reader_enter and leave, and use the result only there.
 */
struct link_image *link_address_find(uintptr_t address);
/* The symbol of @image that contains @address, or NULL. Same rules; may allocate. */
const Elf64_Sym *link_address_symbol(struct link_image *image, uintptr_t address);
/* dl_iterate_phdr and _dl_find_object over umod's images and the host's. Exported. */
int link_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);

/* ---- host.c: objects that ld.so loaded ---- */

/* One of them; address and link_map are ld.so's. */
struct link_host_object {
	const char *path; /* "" is the main program: link_host_program_path */
	uintptr_t bias;
	const Elf64_Phdr *phdrs;
	unsigned phdr_count;
	uint64_t tls_id; /* 0: none */
	void *tls_block; /* the calling thread's, or NULL */
	bool at_start;   /* loaded with the program: global, never unloaded */
};
/* Calls @visit for each, in link map order. */
int link_host_visit(
	int (*visit)(const struct link_host_object *object, void *data), void *data);
/* ld.so's own _dl_find_object: what it holds at @address. 0 or -1; any handler. */
struct dl_find_object;
int link_host_find(void *address, struct dl_find_object *result);
/* The file that the process runs, or ""; static. */
const char *link_host_program_path(void);
/* Number of objects that ld.so has ever added and removed; changes when the list does. */
uint64_t link_host_generation(void);
/* Address of a dynamic symbol of ld.so or libc, by own lookup; NULL if missing. Once at
 * setup; the result may be cached for ever. */
void *link_host_symbol(const char *name);
/* libumod was there when the program started (its static TLS and interposition count). */
bool link_host_at_start(void);

/* ---- real.c ---- */

/* ld.so's own dlfcn functions, whatever stands in front of them. Signatures: dlfcn(3). */
struct link_real {
	void *(*open)(const char *file, int mode);
	void *(*open_in)(Lmid_t id, const char *file, int mode);
	int (*close)(void *handle);
	void *(*symbol)(void *handle, const char *name);
	void *(*versioned)(void *handle, const char *name, const char *version);
	char *(*error)(void);
	int (*address)(const void *address, Dl_info *info);
	int (*address1)(const void *address, Dl_info *info, void **extra, int flags);
	int (*info)(void *handle, int request, void *out);
};
/* Never NULL, nor are its members. */
const struct link_real *link_real(void);

/* ---- run.c: init and fini ---- */
void link_run_init(struct link_image *image);
void link_run_fini(struct link_image *image);

/* ---- arch/<processor>.c: all that is particular to one ---- */

/* Relocations in neutral names. */
enum link_reloc {
	LINK_RELOC_UNKNOWN,
	LINK_RELOC_NONE,
	LINK_RELOC_RELATIVE, /* B + A */
	LINK_RELOC_WORD,     /* S + A, 64 bit */
	LINK_RELOC_WORD32,   /* S + A, 32 bit zero-extended, checked */
	LINK_RELOC_SWORD32,  /* S + A, 32 bit sign-extended, checked */
	LINK_RELOC_WORD16,
	LINK_RELOC_WORD8,
	LINK_RELOC_PC64, /* S + A - P */
	LINK_RELOC_PC32,
	LINK_RELOC_PC16,
	LINK_RELOC_PC8,
	LINK_RELOC_GOT, /* S */
	LINK_RELOC_PLT, /* S */
	LINK_RELOC_COPY,
	LINK_RELOC_IRELATIVE,  /* resolver at B + A */
	LINK_RELOC_TLS_ID,     /* module id */
	LINK_RELOC_TLS_OFFSET, /* S + A in the module's storage */
	LINK_RELOC_TLS_OFFSET32,
	LINK_RELOC_TP_OFFSET, /* from the thread pointer */
	LINK_RELOC_TP_OFFSET32,
	LINK_RELOC_TLS_DESCRIPTOR,
	LINK_RELOC_SIZE64, /* Z + A */
	LINK_RELOC_SIZE32,
};
extern const uint16_t link_arch_machine; /* EM_* */
extern const uint8_t link_arch_relocs[]; /* psABI type -> enum link_reloc */
extern const unsigned link_arch_reloc_count;
extern const uint32_t link_arch_relative_type;
extern const char *const link_arch_reloc_names[];
const char *link_reloc_name(uint32_t type); /* psABI name, or its number (static buffer
					       per thread) */
/* Saves every argument register, calls link_bind_lazily(image, index), jumps. */
void link_arch_plt_trampoline(void);
/* TLSDESC resolvers: result in the psABI's register, all others preserved. */
void link_arch_tlsdesc_static(void);
void link_arch_tlsdesc_dynamic(void);
void link_arch_tlsdesc_undefined(void);
uintptr_t link_arch_thread_pointer(void);
/* Chosen once: how large the register save area is, and with which instruction. */
void link_arch_setup(void);

#endif
