/* SPDX-License-Identifier: MIT */
/*
 * Reads what umod shows in another process: from its auxiliary vector to the program's
 * headers, DT_DEBUG, the list of nodes there, umod's node, its images. The process goes
 * on meanwhile; a walk that saw the list change, or made no sense, is done again.
 */
#include "remote.h"
#include "tool.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define NODES_LIMIT   1000
#define IMAGES_LIMIT  1000000
#define HEADERS_LIMIT 256
#define STRING_LIMIT  4096
#define TRIES         20

struct mapping {
	uint64_t start, end;
};

struct reader {
	pid_t pid;
	struct mapping *mappings; /* in order */
	size_t count;
	bool has_library;
	bool unlucky; /* what was read made no sense: perhaps it was being changed */
};

/* ---- memory ---- */

static bool peek(const struct reader *r, uint64_t at, void *out, size_t bytes)
{
	struct iovec here = { out, bytes };
	struct iovec there = { (void *)(uintptr_t)at, bytes };
	return at != 0 &&
	       process_vm_readv(r->pid, &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

/* Page by page: the string may end where its mapping ends. */
static char *peek_string(const struct reader *r, uint64_t at)
{
	char text[STRING_LIMIT + 1];
	size_t length = 0;
	while (length < STRING_LIMIT) {
		size_t bytes = 4096 - (at + length) % 4096;
		if (bytes > STRING_LIMIT - length)
			bytes = STRING_LIMIT - length;
		if (!peek(r, at + length, text + length, bytes))
			return NULL;
		if (memchr(text + length, 0, bytes))
			return tool_strdup(text);
		length += bytes;
	}
	return NULL;
}

/* ---- /proc ---- */

static void proc_path(char *out, size_t bytes, pid_t pid, const char *name)
{
	snprintf(out, bytes, "/proc/%d/%s", (int)pid, name);
}

static bool read_mappings(struct reader *r)
{
	char path[64], line[STRING_LIMIT + 256];
	proc_path(path, sizeof(path), r->pid, "maps");
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		struct mapping m;
		if (sscanf(line, "%lx-%lx", &m.start, &m.end) != 2)
			continue;
		r->mappings = tool_realloc(r->mappings, r->count + 1, sizeof(m));
		r->mappings[r->count++] = m;
		r->has_library |= strstr(line, "/libumod.so") != NULL ||
				  strstr(line, "/libumod-dl.so") != NULL;
	}
	fclose(file);
	return true;
}

static bool is_mapped(const struct reader *r, uint64_t address)
{
	size_t low = 0, high = r->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (address < r->mappings[middle].start)
			high = middle;
		else if (address >= r->mappings[middle].end)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

static bool read_auxv(const struct reader *r, uint64_t *headers, uint64_t *count)
{
	char path[64];
	Elf64_auxv_t entry;
	*headers = *count = 0;
	proc_path(path, sizeof(path), r->pid, "auxv");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (read(fd, &entry, sizeof(entry)) == sizeof(entry) && entry.a_type) {
		if (entry.a_type == AT_PHDR)
			*headers = entry.a_un.a_val;
		else if (entry.a_type == AT_PHNUM)
			*count = entry.a_un.a_val;
	}
	close(fd);
	return *headers && *count && *count <= HEADERS_LIMIT;
}

/* ---- to umod's node ---- */

static uint64_t find_debug(const struct reader *r, uint64_t headers, uint64_t count)
{
	Elf64_Phdr header[HEADERS_LIMIT];
	uint64_t bias = 0, dynamic = 0, bytes = 0;
	if (!peek(r, headers, header, count * sizeof(header[0])))
		return 0;
	for (uint64_t i = 0; i < count; i++) {
		if (header[i].p_type == PT_PHDR)
			bias = headers - header[i].p_vaddr;
		if (header[i].p_type == PT_DYNAMIC) {
			dynamic = header[i].p_vaddr;
			bytes = header[i].p_memsz;
		}
	}
	for (uint64_t at = 0; dynamic && at + sizeof(Elf64_Dyn) <= bytes;
		at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;
		if (!peek(r, bias + dynamic + at, &entry, sizeof(entry)) ||
			entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == DT_DEBUG)
			return entry.d_un.d_ptr;
	}
	return 0;
}

struct node {
	struct r_debug_extended debug;
	struct shown_process shown;
};

/* glibc's nodes end before ours does: what follows them is not asked for first. */
static bool find_node(struct reader *r, uint64_t at, struct node *out)
{
	for (unsigned i = 0; at && i < NODES_LIMIT; i++) {
		struct r_debug_extended *debug = &out->debug;
		if (!peek(r, at, debug, i ? sizeof(*debug) : sizeof(debug->base)))
			return false;
		if (i && peek(r, at, out, sizeof(*out)) &&
			memcmp(out->shown.magic, SHOWN_MAGIC, sizeof(SHOWN_MAGIC)) == 0)
			return true;
		/* Before version 2 there is no member r_next. */
		if (debug->base.r_version < 2 || !peek(r, at, debug, sizeof(*debug)))
			return false;
		at = (uint64_t)(uintptr_t)debug->r_next;
	}
	return false;
}

/* ---- its images ---- */

static bool read_image(struct reader *r, const struct link_map *map,
	const struct shown_image *shown, struct remote_image *out)
{
	*out = (struct remote_image){ .start = shown->start,
		.end = shown->end,
		.space_id = shown->space_id,
		.home = shown->home };
	if (shown->start >= shown->end || map->l_addr > shown->start)
		return false;
	out->path = peek_string(r, (uint64_t)(uintptr_t)map->l_name);
	out->space = peek_string(r, shown->space_name);
	if (!out->path || !out->space) {
		free(out->path);
		free(out->space);
		return false;
	}
	out->mapped = is_mapped(r, shown->start) && is_mapped(r, shown->end - 1);
	return true;
}

static void clear_images(struct remote *out)
{
	for (size_t i = 0; i < out->count; i++) {
		free(out->images[i].path);
		free(out->images[i].space);
	}
	free(out->images);
	out->images = NULL;
	out->count = 0;
}

static bool read_images(struct reader *r, const struct node *node, struct remote *out)
{
	uint64_t previous = 0;
	uint64_t at = (uint64_t)(uintptr_t)node->debug.base.r_map;
	while (at) {
		struct link_map map;
		struct shown_image shown;
		if (out->count == IMAGES_LIMIT || !peek(r, at, &map, sizeof(map)) ||
			!peek(r, at + node->shown.image_offset, &shown, sizeof(shown)) ||
			(uint64_t)(uintptr_t)map.l_prev != previous)
			return false;
		out->images =
			tool_realloc(out->images, out->count + 1, sizeof(out->images[0]));
		if (!read_image(r, &map, &shown, &out->images[out->count]))
			return false;
		out->count++;
		previous = at;
		at = (uint64_t)(uintptr_t)map.l_next;
	}
	return true;
}

/* One walk. False: it made no sense. */
static bool walk(struct reader *r, uint64_t debug, struct remote *out)
{
	struct node node;
	clear_images(out);
	out->has_umod = out->has_counters = false;
	if (!find_node(r, debug, &node))
		return true;
	out->has_umod = true;
	if (node.shown.version != SHOWN_VERSION || node.shown.image_offset > 65536)
		return false;
	out->has_counters =
		node.shown.counter_count >= sizeof(out->counters) / sizeof(uint64_t) &&
		peek(r, node.shown.counters, &out->counters, sizeof(out->counters));
	return node.debug.base.r_state == RT_CONSISTENT && read_images(r, &node, out);
}

/* ---- what went wrong ---- */

static int ptrace_scope(void)
{
	int scope = -1;
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	if (file && fscanf(file, "%d", &scope) != 1)
		scope = -1;
	if (file)
		fclose(file);
	return scope;
}

static bool tell(int code, pid_t pid, char *why, size_t bytes)
{
	int scope = ptrace_scope();
	if (code == ESRCH || code == ENOENT)
		snprintf(why, bytes, "there is no process %d", (int)pid);
	else if ((code == EPERM || code == EACCES) && scope > 0 && geteuid() != 0)
		snprintf(why, bytes,
			"its memory may not be read (%s): it is another user's, or runs "
			"with other rights, or /proc/sys/kernel/yama/ptrace_scope, which "
			"is %d, allows only %s; root may",
			strerror(code), scope,
			scope == 1 ? "a process's ancestors" : "privileged users");
	else if (code == EPERM || code == EACCES)
		snprintf(why, bytes,
			"its memory may not be read (%s): it is another user's, or runs "
			"with other rights, or made itself undumpable; root with "
			"CAP_SYS_PTRACE may",
			strerror(code));
	else
		snprintf(why, bytes, "%s", strerror(code));
	return false;
}

bool remote_read(pid_t pid, struct remote *out, char *why, size_t why_bytes)
{
	struct reader r = { .pid = pid };
	uint64_t headers, count, debug;
	char byte;
	bool fine = false;

	*out = (struct remote){ .pid = pid };
	errno = 0;
	if (!read_mappings(&r))
		return tell(errno, pid, why, why_bytes);
	out->has_library = r.has_library;
	if (!read_auxv(&r, &headers, &count)) {
		free(r.mappings);
		snprintf(why, why_bytes,
			"it has no auxiliary vector: a kernel thread, or "
			"a process that ended");
		return errno == EACCES ? tell(errno, pid, why, why_bytes) : false;
	}
	errno = 0;
	if (!peek(&r, headers, &byte, 1)) {
		int code = errno ? errno : EFAULT;
		free(r.mappings);
		return tell(code, pid, why, why_bytes);
	}
	debug = find_debug(&r, headers, count);
	for (unsigned i = 0; debug && !fine && i < TRIES; i++) {
		if (i)
			usleep(5000);
		fine = walk(&r, debug, out);
	}
	free(r.mappings);
	if (debug && !fine) {
		remote_free(out);
		snprintf(why, why_bytes,
			"what umod shows there cannot be understood: it changes all the "
			"time, is damaged, or is another version's");
		return false;
	}
	return true;
}

void remote_free(struct remote *remote)
{
	clear_images(remote);
}
