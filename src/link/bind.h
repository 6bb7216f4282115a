/* SPDX-License-Identifier: MIT */
/* What the files that bind share: bind.c applies relocations, resolve.c finds symbols. */
#ifndef UMOD_LINK_BIND_H
#define UMOD_LINK_BIND_H

#include "link/link.h"

struct link_deferred {
	Elf64_Rela rela;                   /* as it was when it was checked */
	struct link_definition definition; /* image NULL: IRELATIVE */
};

/* Symbols of the next relocations, with what can be known of them without a search. */
#define LINK_AHEAD 48
enum link_ahead_state {
	LINK_AHEAD_SEARCHING, /* not found yet, or not searched for */
	LINK_AHEAD_FOUND,     /* image and index: the first in the scope with this hash */
	LINK_AHEAD_NOWHERE,   /* nothing in the scope has this hash */
};
struct link_ahead {
	uint32_t symbol;
	uint32_t hash; /* without bit 0 where has_name is not set */
	uint32_t length;
	bool has_name, is_own;
	enum link_ahead_state state;
	unsigned probe; /* where in the scope the walk is */
	uint32_t index;
	struct link_image *image;
};

/* An image of a scope, as far as walking it for a name needs. */
struct link_probe {
	const uint64_t *bloom;
	uint32_t mask, shift;
	struct link_image *image;
};

/* One image being bound. */
struct link_binder {
	struct link_image *image;
	const struct elf_view *view;
	const struct link_bind_options *options;
	const struct link_scope *scope;
	struct umod_error *error;
	uintptr_t bias;
	uint32_t depend_mark;      /* of this bind, for link_image.depend_mark */
	bool use_index;            /* the scope is large: ask options->index */
	struct link_probe *probes; /* the scope in its order, to be walked; or NULL */
	unsigned probe_count;
	bool lazily;     /* at a first call: without the lock, nothing prepared */
	bool self_first; /* nothing comes before the image itself in its scope */

	/* the writable segment that the last relocation was in: [low, low + room] */
	uint64_t low, room;

	/* what the last symbol was bound to: neighbours often name the same */
	uint32_t last_index;
	int last_result;
	struct link_definition last;

	unsigned ahead_count, ahead_next;
	struct link_ahead ahead[LINK_AHEAD];
};

/* ---- walk.c ---- */
/* Fills probes, unless memory or a GNU hash is wanting. */
void link_walk_begin(struct link_binder *binder);
void link_walk_end(struct link_binder *binder);
/* Searches for the first @n of ahead that have a name. */
void link_walk_ahead(struct link_binder *binder, unsigned n);

/* Prepares use_index and self_first. -ENOMEM. */
int link_resolve_begin(struct link_binder *binder);
void link_resolve_end(struct link_binder *binder);
/*
 * Reads ahead: the symbols of @count relocations, at most LINK_AHEAD, their names and
 * what they may be bound to are fetched into the cache side by side rather than one by
 * one.
 */
void link_look_ahead(struct link_binder *binder, const Elf64_Rela *rela, unsigned count);
/*
 * What symbol @index of the image means: 0 with *out, whose image is NULL for a weak
 * symbol that nobody defines; -ENOSYS with the symbol, its version and the image in
 * the error. @copy: for a COPY relocation, the image itself is left out.
 */
int link_resolve(struct link_binder *binder, uint32_t index, bool copy,
	struct link_definition *out);

#endif
