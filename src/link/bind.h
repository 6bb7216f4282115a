/* SPDX-License-Identifier: MIT */
/*
 * What the files that bind share: bind.c applies relocations, relative.c those without a
 * symbol, lazy.c at a first call; resolve.c finds symbols, walk.c many at a time.
 */
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
	uint64_t last_address; /* of last, if last_is_plain */
	bool last_is_plain;    /* neither a function to be resolved first, nor for TLS */

	unsigned ahead_count, ahead_next;
	struct link_ahead ahead[LINK_AHEAD];
};

/* ---- places: where a relocation writes ---- */

/* Whether 8 bytes at @offset lie in the writable segment of the relocation before. */
static inline bool link_in_room(const struct link_binder *b, uint64_t offset)
{
	return offset - b->low <= b->room && b->room;
}

/* 0 if @bytes may be written at r_offset; else -ELIBBAD or -EPERM, told in the error. */
int link_check_other_place(
	struct link_binder *binder, const Elf64_Rela *rela, uint64_t bytes);
static inline int link_check_place(
	struct link_binder *b, const Elf64_Rela *rela, uint64_t bytes)
{
	if (base_likely(link_in_room(b, rela->r_offset)))
		return 0;
	return link_check_other_place(b, rela, bytes);
}

static inline uint64_t *link_word(const struct link_binder *b, uint64_t offset)
{
	return (uint64_t *)(b->bias + offset);
}

static inline uint64_t link_get64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void link_put64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/*
 * A relocation as it is now: the file may be cut short, or a relocation may write over
 * the table, between the check of a member and its use.
 */
static inline Elf64_Rela link_take(const Elf64_Rela *rela)
{
	Elf64_Rela own = *rela;
	__asm__ volatile("" : "+m"(own)); /* not to be read again */
	return own;
}

static inline enum link_reloc link_reloc_kind(uint32_t type)
{
	return type < link_arch_reloc_count ? (enum link_reloc)link_arch_relocs[type]
					    : LINK_RELOC_UNKNOWN;
}

/* ---- bind.c ---- */
void link_binder_start(struct link_binder *binder, struct link_image *image,
	const struct link_bind_options *options, struct umod_error *error);
/* Tells of the relocation @rela, its symbol and its image that @what; returns @code. */
int link_reloc_failed(const struct link_binder *binder, const Elf64_Rela *rela, int code,
	const char *what);
int link_apply_one(struct link_binder *binder, const Elf64_Rela *rela);
/* The address of a definition that is no function to be resolved first. */
uint64_t link_plain_address(const struct link_definition *definition);
bool link_is_ifunc(const struct link_definition *definition);

/* ---- relative.c ---- */
/* The first relative_count entries of the table: nearly all of a large library's. */
int link_apply_relative(struct link_binder *binder);
int link_apply_relr(struct link_binder *binder);

/* ---- lazy.c ---- */
/* Slots that become read-only can only be filled before that. */
bool link_can_be_lazy(const struct elf_view *view);
/* A lazy slot leads to its PLT entry, which leads to the trampoline. */
int link_prepare_lazy(struct link_binder *binder);

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
