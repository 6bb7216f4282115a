/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: what exists: contexts, namespaces, modules and the edges between them, and the
 * host's objects. Loads nothing itself.
 *
 * Everything here is guarded by one process-wide lock, registry_lock(), which is
 * recursive because init functions may load; exceptions are named. It guards: all lists
 * and maps below, module states and edges, and the structures of the link floor that say
 * "under the load lock".
 */
#ifndef UMOD_REGISTRY_H
#define UMOD_REGISTRY_H

#include "find/find.h"
#include "link/link.h"

#include <umod/module.h>

struct registry_host_object;
struct feature_keyring;

struct umod_context {
	_Atomic unsigned references; /* callers and namespaces */
	struct find_config *find;
	uint64_t arena_limit_bytes;
	bool huge_pages, allow_text_relocations, allow_executable_stack;
	const char *(*file_check)(const struct umod_file *file, void *data);
	void *file_check_data;
	/* Never lowered from UMOD_SIGNATURES_ENFORCE. */
	_Atomic enum umod_signatures signatures;
	bool refuse_expired_signer;
	struct feature_keyring *keyring; /* under the lock; NULL: no keys */
	uint64_t unpack_limit_bytes;
	struct umod_namespace *process; /* lives as long as the context */
};

/* A unique symbol (STB_GNU_UNIQUE) that a namespace uses. */
struct registry_unique {
	struct registry_unique *next_of_module;
	struct link_definition definition;
	uint64_t key;
	char name[];
};

struct umod_namespace {
	/* Callers and modules. For the process's own, the context's are counted instead.
	 */
	_Atomic unsigned references;
	struct umod_context *context;
	uint64_t id;
	char *name;
	bool is_process;
	bool use_process;             /* see umod_namespace_options */
	char **share, **keep_private; /* patterns, ended by NULL; or NULL */
	struct link_image *lent;      /* LINK_HOME_SYMBOLS, or NULL */
	struct link_globals *globals;
	struct link_index *index;
	struct base_map by_name; /* hash of soname, path or name asked for -> module */
	struct base_map by_file; /* device and inode -> module */
	struct base_map uniques; /* hash of name -> struct registry_unique */
	struct umod_module *first, *last; /* in load order, host objects not */
	unsigned lazy_count;              /* modules bound lazily */
	bool has_handle;                  /* dlopen(NULL) gave it out */
	struct life_space *life;          /* what the life floor keeps; or NULL */
	struct umod_module *hosts; /* modules that stand for host objects, by next */
	struct umod_namespace *previous, *next; /* of all namespaces */
};

struct registry_name {
	struct registry_name *next;
	uint64_t key;
	char text[];
};

struct umod_module {
	struct link_image image;
	_Atomic unsigned references; /* held by callers */
	unsigned users;              /* edges of other modules to this one */
	struct umod_namespace *space;
	enum umod_state state;
	bool pinned, no_init;
	bool is_root;    /* was asked for by a caller */
	bool deep;       /* its load searched its own scope first */
	bool is_private; /* not to be found by name or file */
	char *path;
	char *absolute; /* @path as it was at the load, or NULL if it is so itself */
	struct registry_name *names;
	dev_t device;
	ino_t inode;
	uint64_t file_bytes;
	enum umod_signature signature;
	char *signer;                      /* of a verified one, or NULL */
	struct registry_host_object *host; /* or NULL */

	/* Edges: filtees (DT_FILTER, DT_AUXILIARY), then DT_NEEDED in order up to
	 * need_count, then what it was bound to. */
	struct umod_module **edges;
	unsigned filtee_count, need_count, edge_count, edge_capacity;

	_Atomic(struct link_scope *) closure; /* itself and its needs, breadth first */
	struct umod_module *came_with; /* the root of its load; NULL: that is gone */
	struct registry_unique *uniques;
	uint64_t serial;                     /* grows in the order of loading */
	struct umod_module *previous, *next; /* of its namespace */
	struct umod_module *next_pending;    /* see registry_pending */
	bool is_pending;
	bool has_handle;   /* dlopen gave it out: registry_set_goodbye */
	struct life *life; /* of an inserted module; or NULL */

	/* of a search under way, see registry_collect */
	uint32_t visit;
	unsigned internal_users;
	bool kept;
	/* ... see registry_fini_order */
	struct umod_module *walk_parent, *walk_next;
	unsigned walk_edge;
};

static inline struct umod_module *registry_module(const struct link_image *image)
{
	return image->owner;
}

/* ---- lock.c ---- */
void registry_lock(void);
void registry_unlock(void);
/* Whether the calling thread, which holds the lock, took it more than once. */
bool registry_lock_is_nested(void);
/*
 * Gives the lock up until registry_wake, or until base_now_ns is @until_ns (UINT64_MAX:
 * for as long as it takes), or for no reason. 0, -ETIMEDOUT, or -EDEADLK: it is nested.
 */
int registry_wait(uint64_t until_ns);
/* Something changed that others may wait for. */
void registry_wake(void);
/* A number for each walk over modules, for umod_module.visit and link_image.mark. */
uint32_t registry_next_visit(void);

/* ---- namespace.c ---- */
int registry_namespace_new(struct umod_context *context,
	const struct umod_namespace_options *options, bool is_process,
	struct umod_namespace **out, struct umod_error *error);
/* With or without the lock. */
void registry_namespace_ref(struct umod_namespace *space);
void registry_namespace_unref(struct umod_namespace *space);
/* Ends a process namespace, with its context. */
void registry_namespace_end(struct umod_namespace *space);
/* Whether @soname is taken from the host in @space. *must: it may not be loaded
 * privately even if the host lacks it. */
bool registry_is_shared(
	const struct umod_namespace *space, const char *soname, bool *must);
struct umod_namespace *registry_first_namespace(void);

struct umod_module *registry_find_name(struct umod_namespace *space, const char *name);
struct umod_module *registry_find_file(
	struct umod_namespace *space, dev_t device, ino_t inode);
/* The callback of link_bind for unique symbols; data is a struct umod_namespace. */
int registry_unique(struct umod_namespace *space, struct link_definition *definition,
	const char *name);

/* ---- module.c ---- */

/* An unformed module with nothing in it. @path is taken, also on failure. */
struct umod_module *registry_module_new(struct umod_namespace *space, char *path);
/* Makes it known by @name. 0 or -ENOMEM. */
int registry_module_add_name(struct umod_module *module, const char *name);
/* Enters it in its namespace's list and maps. */
int registry_module_enter(struct umod_module *module);
/* Forgets its edges: first for all that go together, then they are freed. */
void registry_drop_edges(struct umod_module *module);
/* Takes it out of everything and frees it with its image, mapped or not. */
void registry_module_free(struct umod_module *module);
/*
 * Edges are added in the order filtees, needs, bound to; the last kind only once for each
 * pair. -ENOMEM.
 */
enum registry_edge {
	REGISTRY_FILTEE,
	REGISTRY_NEED,
	REGISTRY_BOUND,
};
int registry_add_edge(
	struct umod_module *user, struct umod_module *on, enum registry_edge kind);
/* Itself and its needs, breadth first; made at first use. NULL for want of memory. */
struct link_scope *registry_closure(struct umod_module *module);
/*
 * What goes when nobody references @module any more. Returns the length of *list, an
 * allocated array (the caller's) in the order in which fini functions run; 0 when it
 * stays because others hold it; -EBUSY when it stays although nobody does, -ENOMEM;
 * with the reason in @why.
 */
int registry_collect(
	struct umod_module *module, struct umod_module ***list, struct umod_error *why);
/*
 * Puts @modules, which are in the order of loading, into that of fini functions: what was
 * loaded first goes first, but nothing before what needs it or is bound to it.
 */
void registry_fini_order(struct umod_module **modules, unsigned count);
/* Modules that could not go although nobody holds them; tried again at each unload. */
struct umod_module *registry_pending_take(void);
unsigned registry_pending_count(void);
void registry_pending_add(struct umod_module *module);

/* ---- host.c ---- */

/* An object that ld.so loaded; one for the process. Namespaces have modules that stand
 * for it, each with a copy of its image. */
struct registry_host_object {
	struct link_image image; /* as published in the address index */
	char *path, *soname;     /* soname NULL: none */
	dev_t device;
	ino_t inode;
	bool at_start, is_pinned, is_family, seen;
	struct link_substitute *substitutes;
	unsigned substitute_count, substitute_capacity;
	struct registry_host_object *next; /* in link map order */
};

/* Reads ld.so's list if it changed. */
int registry_host_refresh(struct umod_error *error);
struct registry_host_object *registry_host_by_name(const char *soname);
struct registry_host_object *registry_host_by_file(dev_t device, ino_t inode);
/*
 * The module of @space that stands for @object; made at first use, with those that it
 * needs. An object that was loaded late is held from then on.
 */
int registry_host_module(struct umod_namespace *space,
	struct registry_host_object *object, struct umod_module **out,
	struct umod_error *error);
/* Loads @soname through ld.so, for good: the only call of dlopen that loads. */
int registry_host_load(
	const char *soname, struct registry_host_object **out, struct umod_error *error);
/* Enters the program's objects in a process namespace's global scope. */
int registry_host_enter(struct umod_namespace *space, struct umod_error *error);
uint64_t registry_host_pins(void);
/* ld.so loaded something after the program's start. */
bool registry_host_has_late(void);
/* Whether a soname is of the family that is never loaded twice. */
bool registry_is_family(const char *soname);
/* Of that family, those that cannot have a private copy at all. */
bool registry_is_core(const char *soname);
/* Symbols of libc and ld.so that umod answers itself; ended by a NULL name. Set once,
 * before the first context. */
struct registry_answer {
	const char *name;
	void *address;
};
void registry_set_answers(const struct registry_answer *answers);
/* Frees what the life floor keeps of a module or a namespace that goes. */
struct registry_heirs {
	void (*module)(struct umod_module *module);
	void (*space)(struct life_space *life);
};
void registry_set_heirs(const struct registry_heirs *heirs);
void registry_end_space(struct umod_namespace *space);
/* @goodbye is told of each module and namespace with has_handle that goes. */
void registry_set_goodbye(void (*goodbye)(void *object));
void registry_say_goodbye(void *object);

/* ---- substitute.c ---- */
/* Fills the substitutes of the family's objects: umod's answers, and what the program or
 * its preloaded libraries put in the C library's place. @first: all objects in order. */
int registry_substitute(
	struct registry_host_object *first, const struct registry_answer *answers);

int registry_substitute_private(
	struct registry_host_object *first, struct link_image *image);
/* Of a module in a namespace of its own, once its image is mapped. */
int registry_host_allocator(struct umod_module *module);

/* ---- statistics ---- */
struct registry_statistics {
	_Atomic uint64_t modules, loads, unloads, relative, symbolic, lookups;
	_Atomic uint64_t failures[UMOD_STAGE_COUNT];
};
extern struct registry_statistics registry_statistics;

#endif
