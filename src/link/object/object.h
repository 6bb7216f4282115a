/* SPDX-License-Identifier: MIT */
/*
 * The linker of relocatable objects (ET_REL): from one file of sections to an ordinary
 * link_image, whose view (elf/view.h) is made here rather than read: segments, symbols
 * with a GNU hash of what is offered, thread-local storage, init and fini arrays, and a
 * search table for unwinders. From there on nothing tells such an image from one of a
 * shared object, but view.type, which is ET_REL.
 *
 * An object is linked in three steps, each with its stage: link_object_open,
 * link_object_map, link_object_bind, which link_bind calls. What they need is
 * image->object, which link_object_free ends after the last, or whenever the load fails.
 * All run under the load lock. Which names an object may bind to is the scope's affair,
 * as for any image.
 */
#ifndef UMOD_LINK_OBJECT_H
#define UMOD_LINK_OBJECT_H

#include "link/link.h"

/*
 * The classes of sections, in the order in which they lie in memory. A symbol of the
 * image's view has its class + 1 for st_shndx.
 */
enum link_object_class {
	LINK_OBJECT_TEXT,
	LINK_OBJECT_RODATA,
	LINK_OBJECT_RO_AFTER_INIT, /* relocated, then read-only; the GOT too */
	LINK_OBJECT_DATA,          /* with .bss and COMMON */
	LINK_OBJECT_INIT_TEXT,     /* .init.*: gone after init */
	LINK_OBJECT_INIT_DATA,
	LINK_OBJECT_INIT_RODATA,
	LINK_OBJECT_CLASSES
};

/* Whether the first @have bytes of a file say that it is a relocatable object. */
bool link_object_is(const uint8_t *bytes, uint64_t have);

/*
 * Stage validate: reads section headers and symbol table of the whole file's @bytes,
 * which stay until it is bound, and sets image->object. The bytes may be a mapping of the
 * file under an elf_guard, if zeros follow them: what changes meanwhile gives a wrong
 * answer, never a wild access. -ENOEXEC, -ELIBBAD, -EPERM
 * for a section that is writable and executable, -ENOTSUP, -ENOMEM.
 */
int link_object_open(struct link_image *image, const uint8_t *bytes, uint64_t file_bytes,
	struct umod_error *error);

/*
 * The file's own view, e.g. for its .modinfo: until the object is bound. Sections that
 * are loaded are found in the image by link_object_address.
 */
struct elf_object;
const struct elf_object *link_object_file(const struct link_object *object);
/*
 * After link_object_map: where section @index of the file lies, and its bytes in *bytes
 * if that is not NULL; NULL: it is not loaded. link_object_find: the address of a
 * symbol that the object defines, whatever its binding; NULL: none, or not in a section.
 */
void *link_object_address(
	const struct link_image *image, unsigned index, uint64_t *bytes);
void *link_object_find(const struct link_image *image, const char *name);

/*
 * Stage map: lays the object out, gives it memory, readable and writable, copies its
 * sections and makes the view. @offers says which global names others find; NULL: all
 * with default visibility. Undone by link_unmap and elf_view_clear. -ENOMEM, -ELIBBAD,
 * -ENOTSUP for a relocation that no object of this processor has.
 */
struct link_object_offer {
	bool (*is_offered)(const char *name, void *data);
	void *data;
};
int link_object_map(struct link_image *image, const struct link_map_options *options,
	const struct link_object_offer *offer, struct umod_error *error);

/* Stage bind: as link_bind, which calls it. */
int link_object_bind(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error);

/* Frees what linking needed. NULL-safe. */
void link_object_free(struct link_image *image);

/*
 * Stage settle: makes read-only what is so after init, and gives the init classes back,
 * whose addresses nobody finds any more. Does nothing for other images, or twice.
 */
void link_object_settle(struct link_image *image);

/* The end of an image's life: its destructors that __cxa_atexit keeps. */
void link_object_finalize(struct link_image *image);

#endif
