/* SPDX-License-Identifier: MIT */
/*
 * What address.c, unwind.c, debugger.c and host.c offer to publish.c and to each other.
 * Everything runs under the load lock unless it says "any thread".
 */
#ifndef UMOD_LINK_PUBLISH_H
#define UMOD_LINK_PUBLISH_H

#include "link/link.h"

/* ---- address.c ---- */

/*
 * Enters [start, end) of @image. A range of the host's that lies there is stale, for its
 * memory was given to @image, and goes. -ENOMEM; -EEXIST when another of umod's images,
 * or for a host's object any of them, lies there.
 */
int link_address_insert(struct link_image *image);
/* Takes it out, if it is in. Cannot fail; the caller waits for readers. */
void link_address_remove(struct link_image *image);
/*
 * What is entered ends at @end from now on, and so does the image. Cannot fail; the
 * caller waits for readers before the rest goes.
 */
void link_address_shrink(struct link_image *image, uintptr_t end);
/* Frees what inserting and removing replaced; after base_reader_wait. */
void link_address_reclaim(void);
bool link_address_wants_reclaim(void); /* there is much of it */
/* The image with the lowest start above @after, or NULL. As link_address_find. */
struct link_image *link_address_next(uintptr_t after);
/* Anything is entered; any thread. */
bool link_address_any(void);

/* ---- address_symbol.c ---- */

/* No reader may be left. */
void link_address_index_free(struct link_image *image);

/* ---- unwind.c ---- */

/* After link_address_insert and link_address_remove: unwinders ask anew. */
void link_unwind_add(struct link_image *image);
void link_unwind_remove(struct link_image *image);

/* ---- debugger.c ---- */

void link_debugger_add(struct link_image *image);
void link_debugger_remove(struct link_image *image);
void link_debugger_done(void);
/* The first of umod's images, in the order of publishing: others by map.l_next. */
struct link_image *link_debugger_first(void);
struct link_image *link_debugger_next(const struct link_image *image);

/* ---- host.c ---- */

typedef int link_iterate_function(
	int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);
/* libc's own dl_iterate_phdr; NULL only where there is none. Any thread. */
link_iterate_function *link_host_iterate(void);
/*
 * What the program's objects look up in ld.so they find in libumod, if it has it:
 * libumod came with the program, and stands before ld.so in the search order.
 */
bool link_host_interposes(void);

#endif
