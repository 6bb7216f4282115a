/* SPDX-License-Identifier: MIT */
/*
 * Arenas: memory in which small images lie side by side, so that each costs two mappings
 * and few system calls. Used by map.c alone, under the load lock.
 */
#ifndef UMOD_LINK_ARENA_H
#define UMOD_LINK_ARENA_H

#include "link/link.h"

#define LINK_ARENA_SLOT_LIMIT ((uint64_t)256 << 10) /* largest image, in memory */

/*
 * A slot of @bytes, a multiple of the page: readable, writable and zeroed. -ENOMEM.
 * Released by link_arena_release, after which an access to it faults.
 */
int link_arena_allocate(uint64_t bytes, struct link_arena_slot **out);
void link_arena_release(struct link_arena_slot *slot);
uintptr_t link_arena_address(const struct link_arena_slot *slot);

#endif
