/* SPDX-License-Identifier: MIT */
/*
 * What the files of the object linker share: open.c reads and judges the sections,
 * symbols.c the symbols, layout.c gives places, image.c makes the view, frames.c the
 * unwinder's table, bind.c resolves and relocates, and the processor's file under
 * link/arch/ knows its relocations.
 */
#ifndef UMOD_LINK_OBJECT_INTERNAL_H
#define UMOD_LINK_OBJECT_INTERNAL_H

#include "elf/object.h"
#include "link/bind.h"
#include "link/object/object.h"

#define OBJECT_NOWHERE LINK_OBJECT_CLASSES /* a section that is not loaded */

struct object_section {
	uint64_t vaddr; /* until the layout is done: from the start of its class */
	uint64_t bytes;
	const uint8_t *data; /* in the file; NULL: zeros */
	uint64_t align;
	uint64_t tls_offset; /* in the image's thread-local storage, if is_tls */
	uint8_t class;       /* enum link_object_class or OBJECT_NOWHERE */
	bool is_tls;
	bool is_loaded; /* it has bytes in the image */
	bool is_gone;   /* of a group that is there already */
	bool is_frames; /* .eh_frame */
};

/* What is no section's: in object_symbol.section. */
#define OBJECT_SECTION_GOT   0xffffu
#define OBJECT_SECTION_START 0xfffeu /* of the image */

enum object_kind {
	OBJECT_BAD,       /* st_shndx is nonsense; an error if something refers to it */
	OBJECT_HERE,      /* value is an address: from the bias, after binding absolute */
	OBJECT_ABSOLUTE,  /* value as it is */
	OBJECT_UNDEFINED, /* until bound, then OBJECT_ABSOLUTE or OBJECT_TLS */
	OBJECT_TLS,       /* value is an offset in the storage of tls->image */
	OBJECT_GONE,      /* in a section that is not loaded */
};

enum {
	OBJECT_NEEDS_GOT = 1,
	OBJECT_NEEDS_STUB = 2, /* and a word of the GOT that it reads */
};

/* Few bytes: relocations find them all over the place. */
struct object_symbol {
	uint64_t value;
	uint32_t got, stub; /* their numbers, from 1; 0: none */
	uint32_t tls;       /* number of its struct object_tls, from 1; 0: none */
	uint16_t section;
	uint16_t kind : 3; /* enum object_kind */
	uint16_t needs : 2;
	bool is_ifunc : 1;    /* of this object */
	bool is_function : 1; /* a stub can stand for its address */
	bool is_foreign : 1;  /* was undefined */
	bool is_unique : 1;   /* STB_GNU_UNIQUE: may turn out to be another's */
	bool is_deferred : 1; /* its word of the GOT waits for a resolver */
	bool is_ours : 1;     /* see object_own_answer */
	bool is_named : 1;    /* has a place in the view's symbols */
	bool is_near : 1;     /* of this object, and means what it says */
};
_Static_assert(sizeof(struct object_symbol) == 24, "as few as that");

/* Words of the GOT for a thread-local symbol, from 1; 0: none. */
struct object_tls {
	struct link_image *image; /* that defines it; NULL: undefined and weak */
	uint32_t symbol;
	uint32_t pair, offset, descriptor;
	bool is_static; /* code has its offset from the thread pointer */
};

/* A section of pointers to functions, in the order in which they are to run. */
struct object_array {
	unsigned section;
	uint32_t priority;
	bool is_fini, is_reversed;
};

struct link_object {
	struct elf_object file;
	struct elf_symbols table;
	struct object_section *sections; /* file.section_count of them */
	struct object_symbol *symbols;   /* table.count of them */

	struct object_table { /* relocations of a loaded section */
		const uint8_t *entries;
		uint64_t count;
		unsigned target;
	} * tables;
	unsigned table_count, table_capacity;
	struct object_array *arrays;
	unsigned array_count, array_capacity;
	struct object_tls *tls;
	unsigned tls_count, tls_capacity;

	struct {
		uint64_t bytes, align, vaddr;
		uint64_t file_bytes; /* up to here it is filled from the file */
	} classes[LINK_OBJECT_CLASSES];
	uint64_t tls_file_bytes, tls_bytes, tls_align;
	uint64_t tls_vaddr;

	uint32_t *undefined; /* index in the file of the view's symbols from 1 on */
	unsigned undefined_count;
	unsigned named_count; /* symbols for the view that are no definitions to others */

	uint32_t got_count, stub_count;
	uint32_t module_pair; /* word of the GOT for local-dynamic code, from 1 */
	uint64_t got_vaddr, stubs_vaddr;
	uint64_t init_vaddr, fini_vaddr;
	uint64_t init_count, fini_count;
	uint64_t frames_vaddr, frames_bytes;
	uint64_t header_vaddr, header_bytes, frame_count;
	bool needs_low;            /* a 32-bit address must reach the image */
	bool needs_static_tls;     /* its own storage at a fixed offset */
	bool has_late_seal;        /* .data..ro_after_init */
	bool asks_stack;           /* for an executable one */
	const char *writable_code; /* the name of such a section, or NULL */
};

#define object_fail(ERROR, STAGE, CODE, NAME, ...) \
	base_error(ERROR, STAGE, CODE, NAME, __VA_ARGS__)

/* Relocating one section. */
struct object_place {
	struct link_image *image;
	struct link_object *object;
	const struct object_section *section;
	unsigned section_index;
	struct elf_relocations relocations;
	enum umod_stage stage; /* for errors */
	struct umod_error *error;
};

/* Calls @visit for the relocations of each loaded section. */
int object_each_table(struct link_image *image, int (*visit)(struct object_place *place),
	enum umod_stage stage, struct umod_error *error);
/* Tells of relocation @rela of @place that @what; returns @code. */
int object_reloc_failed(const struct object_place *place, const Elf64_Rela *rela,
	int code, const char *what);
/*
 * Functions that umod itself answers, whatever the scope has; NULL for any other name.
 * A shared object has them from its own start-up code, or from a wrong place.
 */
void *object_own_answer(const char *name);
/* The symbol's record of words for thread-local storage; NULL for want of memory. */
struct object_tls *object_tls_of(struct link_object *object, uint32_t symbol);

static inline uint64_t object_got(const struct object_place *place, uint32_t word)
{
	return place->image->bias + place->object->got_vaddr + 8 * (uint64_t)(word - 1);
}

static inline uint64_t object_stub(const struct object_place *place, uint32_t stub);

/* ---- open.c ---- */
int object_read_groups(
	struct link_object *object, const char *name, struct umod_error *error);

/* ---- symbols.c ---- */
int object_read_symbols(
	struct link_image *image, struct link_object *object, struct umod_error *error);
/* Gives words of the GOT and stubs to those that need some. */
void object_number_needs(struct link_object *object);
/* After the layout: values of symbols of this object, from the bias. */
void object_place_symbols(struct link_image *image, struct link_object *object);

/* ---- layout.c ---- */
int object_place_sections(
	struct link_image *image, struct link_object *object, struct umod_error *error);
int object_lay_out(
	struct link_image *image, struct link_object *object, struct umod_error *error);

/* ---- image.c ---- */
int object_make_view(struct link_image *image, struct link_object *object,
	const struct link_object_offer *offer, struct umod_error *error);

/* ---- frames.c ---- */
/* Entries of .eh_frame, for which the table has room. */
uint64_t object_count_frames(const uint8_t *bytes, uint64_t count);
/* After relocating: fills the table. */
void object_fill_frames(struct link_image *image, const struct link_object *object);

/* ---- arch/<processor>_object.c ---- */
#define OBJECT_STUB_BYTES 8
extern const uint32_t link_arch_object_word; /* type of a relocation that stores S */
/* Notes what the relocations of a section need: GOT, stubs, a low address. */
int link_arch_object_scan(struct object_place *place);
/* Applies them. */
int link_arch_object_apply(struct object_place *place);
/* Writes a stub at @at that jumps to where the word at @slot leads. */
void link_arch_object_stub(void *at, uint64_t address, uint64_t slot);

static inline uint64_t object_stub(const struct object_place *place, uint32_t stub)
{
	return place->image->bias + place->object->stubs_vaddr +
	       OBJECT_STUB_BYTES * (uint64_t)(stub - 1);
}

#endif
