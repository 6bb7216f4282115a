/* SPDX-License-Identifier: MIT */
/*
 * What a process holds: mappings, descriptors, memory and umod's own counters, so that a
 * test can tell whether something was left behind.
 */
#ifndef TESTS_FAULT_SNAPSHOT_H
#define TESTS_FAULT_SNAPSHOT_H

#include <umod/umod.h>

#include <stdbool.h>

struct snapshot {
	unsigned mappings, descriptors;
	size_t heap_bytes, resident_bytes, anonymous_bytes;
	char *maps; /* the text of /proc/self/maps, without what malloc and stacks change
		     */
	struct umod_statistics statistics;
};

/* Fills *@out; the text is kept in it, and used again by the next call. */
void snapshot_take(struct snapshot *out);
void snapshot_clear(struct snapshot *snapshot);
/*
 * Whether nothing but counts of events differs. If not, @what names the situation in the
 * failure that is noted.
 */
bool snapshot_same(const struct snapshot *before, const struct snapshot *now,
	const char *what, unsigned number);

#endif
