/* SPDX-License-Identifier: MIT */
/*
 * Floor 5: THE contract of a load: one manifest with everything of the modules in hand,
 * and the order of stages.
 *
 * A load brings in a root and what it needs that is not there yet. Each new module is an
 * item of the manifest and goes by itself through the stages open to map, breadth first;
 * bind to live are then done for all items together. Each stage says in its comment what
 * must already be filled. A load that fails in any stage frees its items: nothing else
 * was changed but what undo() in pipeline.c names.
 *
 * Everything here runs under registry_lock().
 */
#ifndef UMOD_LOAD_H
#define UMOD_LOAD_H

#include "feature/feature.h"
#include "link/object/object.h"
#include "registry/registry.h"

/* One new module on its way. */
struct load_item {
	struct umod_module *module;
	const char *wanted;      /* the name it was asked for by; borrowed */
	struct find_asker asker; /* for what it needs itself; loader: who needed it */

	/* open fills: */
	int fd; /* -1: none; closed by map */
	bool fd_is_ours;
	struct stat st;
	uint8_t *head; /* the first bytes of the file, owned */
	size_t head_bytes;
	uint8_t *buffer;             /* the whole file where it was read, owned */
	struct feature_buffer taken; /* where decompress or verify hold buffer's bytes */
	uint64_t file_bytes;

	/* validate fills: the module's view; and */
	const uint8_t *bytes;   /* the file's bytes: buffer, or mapped at the image */
	struct elf_guard guard; /* held from validate to the end of bind */
	bool guarded;
	/* A large relocatable object's file, with a page of zeros behind, or NULL. */
	void *mapping;
	uint64_t mapping_bytes;
};

/*
 * What an entry convention adds to the stages, for the root. A load that has one leaves
 * the root coming: who asked for it makes it live, and calls link_object_settle.
 */
struct load;
struct load_convention {
	/* In admit, before anything is entered. */
	int (*admit)(struct load *load, struct load_item *item);
	/* In bind: a symbol that no scope has; and, before, whether what it imports may
	 * be used. */
	bool (*lend)(struct load *load, const struct elf_reference *reference,
		struct link_definition *definition);
	int (*imports)(struct load *load);
	/* Before protect: relocated, and all of it writable but text. */
	int (*bound)(struct load *load);
	/* At the end of publish, before a line of it runs. */
	int (*coming)(struct load *load);
};

struct load {
	/* the request */
	struct umod_namespace *space;
	struct umod_context *context;
	unsigned flags; /* enum umod_load_flag */
	const struct umod_source *source;
	const void *caller;
	uint64_t *stage_ns;
	struct umod_error *error;
	const struct load_convention *convention; /* NULL: plain */
	void *data;                               /* of the convention */
	/* What the root offers if it is a relocatable object; set by convention->admit.
	 */
	struct link_object_offer offer;
	bool counts_as_unsigned; /* the root, though it be signed */
	bool no_resolvers;       /* run no code: fuzzing, UMOD_INSERT_NO_RUN */
	bool no_needs;           /* fuzzing: open no other file */
	/* Set by convention->admit: the root needs no library, is bound to the namespace
	 * and to what the convention lends alone, and lies below 2 GiB. */
	bool is_freestanding;

	/* the items, breadth first; items[0] is the root unless it was there already */
	struct load_item **items;
	unsigned count, capacity;
	struct umod_module
		*root; /* set by admit of the root, or by open if it was there */
	struct find_asker asker; /* who asks for the root */

	/* bind to live: */
	struct umod_module **order; /* the items' modules, dependencies first */
	struct link_scope *scope;
	struct link_bind_options bind;
	bool has_deferred, made_global;
	uint64_t clock_ns;
};

/* Whether a symbol that neither its scope nor its convention has is found nevertheless:
 * in the process, where the namespace may look there. */
bool load_finds_elsewhere(struct load *load, const struct elf_reference *reference);

/* Loads, or finds, what @load asks for; load->root gets one more reference. */
int load_run(struct load *load);

/* ---- open.c ---- */
/* Fills load->asker from load->caller. */
void load_set_asker(struct load *load);
/*
 * The module that @name means for @asker: one that is there in *found, or a new item,
 * whose file is open, at the end of load->items. @item NULL: the root.
 */
int load_open(struct load *load, const char *name, const struct find_asker *asker,
	struct umod_module **found);
/* The root from a descriptor or from bytes. */
int load_open_source(struct load *load, struct umod_module **found);
/*
 * The path of what @name means for the code at @caller: of the host's object of that
 * name, else of the file that a search finds. Allocated; NULL: there is none, or no
 * memory.
 */
char *load_locate(struct umod_context *context, const char *name, const void *caller);
void load_item_free(struct load_item *item);

/* Frees the whole file where it was read. */
void load_item_forget_bytes(struct load_item *item);

/* ---- verify.c: decompress and verify of one item, where they are needed ---- */
bool load_is_packed(const struct load *load, const struct load_item *item);
bool load_is_judged(const struct load *load, const struct load_item *item);
int load_decompress(struct load *load, struct load_item *item);
int load_verify(struct load *load, struct load_item *item);
/* Nothing unsigned comes in from now on: into @context, or (NULL) into any. */
void load_enforce_signatures(struct umod_context *context);

/* ---- admit.c: validate, describe, admit, map of one item ---- */
int load_validate(struct load *load, struct load_item *item);
int load_describe(struct load *load, struct load_item *item);
int load_admit(struct load *load, struct load_item *item);
int load_map(struct load *load, struct load_item *item);

/* ---- needs.c ---- */
/* What @item needs is there, or becomes an item. */
int load_needs(struct load *load, struct load_item *item);

/* ---- order.c ---- */
/* Fills load->order: what an item needs comes before it, where no circle forbids. */
int load_order(struct load *load);

/* ---- unload.c ---- */
/* As umod_module_unref. */
int load_unref(struct umod_module *module, struct umod_error *error);

/* ---- finish.c ---- */
/* Runs the fini functions of all modules; once, at the end of the program. */
void load_finish(void);
/* Has exit(3) call it, after every handler that is registered from now on; once. */
void load_finish_at_exit(void);

#endif
