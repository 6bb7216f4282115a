/* SPDX-License-Identifier: MIT */
/*
 * Another process's umod, read from outside: what base/shown.h describes. Reads with the
 * kernel's leave, and never writes or stops the process. Nothing that is read is believed
 * before it was checked: numbers are bounded, strings ended.
 */
#ifndef UMOD_REMOTE_H
#define UMOD_REMOTE_H

#include "base/shown.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct remote_image {
	char *path, *space; /* owned */
	uint64_t start, end, space_id;
	uint32_t home;
	bool mapped; /* the kernel has mappings at its start and its end, too */
};

struct remote {
	pid_t pid;
	bool has_umod;    /* it shows something: a load was tried */
	bool has_library; /* libumod or libumod-dl is mapped */
	bool has_counters;
	struct shown_counters counters;
	struct remote_image *images;
	size_t count;
};

/*
 * Fills *@out. False: it could not be read; @why has a sentence. The images are a picture
 * of one moment, unless the process loads all the time.
 */
bool remote_read(pid_t pid, struct remote *out, char *why, size_t why_bytes);
void remote_free(struct remote *remote);

#endif
