/* SPDX-License-Identifier: MIT */
/* Reads /proc/self, see snapshot.h. Allocates only at its first calls. */
#include "snapshot.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#define MAPS_BYTES ((size_t)8 << 20)

static size_t read_whole(const char *path, char *buffer, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;
	while (fd >= 0 && used < bytes - 1 &&
		(got = read(fd, buffer + used, bytes - 1 - used)) > 0)
		used += (size_t)got;
	buffer[used] = 0;
	close(fd);
	return used;
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/fd");
	while (directory && readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* ".", ".." and the directory itself */
}

/* malloc's heaps and the stack move as they like. */
static void drop_line(char *line, char *end)
{
	memmove(line, end, strlen(end) + 1);
}

/* Leaves the lines of files, and counts all. */
static unsigned tidy(char *maps, size_t *anonymous_bytes)
{
	unsigned lines = 0;
	for (char *line = maps; *line;) {
		char *end = strchr(line, '\n');
		end = end ? end + 1 : line + strlen(line);
		char saved = *end;
		*end = 0;
		bool drop = strstr(line, "[heap]") || strstr(line, "[stack]");
		*end = saved;
		if (drop) {
			drop_line(line, end);
			continue;
		}
		lines++;
		if (!strchr(line, '/') || strchr(line, '/') > end) {
			unsigned long from = 0, to = 0;
			sscanf(line, "%lx-%lx", &from, &to);
			*anonymous_bytes += to - from;
			drop_line(line, end);
			continue;
		}
		line = end;
	}
	return lines;
}

void snapshot_take(struct snapshot *out)
{
	char statm[128];
	unsigned long total = 0, resident = 0;
	if (!out->maps)
		out->maps = malloc(MAPS_BYTES);
	out->descriptors = count_descriptors();
	out->heap_bytes = mallinfo2().uordblks;
	read_whole("/proc/self/statm", statm, sizeof(statm));
	sscanf(statm, "%lu %lu", &total, &resident);
	out->resident_bytes = resident * 4096;
	read_whole("/proc/self/maps", out->maps, MAPS_BYTES);
	out->anonymous_bytes = 0;
	out->mappings = tidy(out->maps, &out->anonymous_bytes);
	out->statistics.size_bytes = sizeof(out->statistics);
	umod_statistics_get(&out->statistics);
}

void snapshot_clear(struct snapshot *snapshot)
{
	free(snapshot->maps);
	snapshot->maps = NULL;
}

/* The first line that differs, for the message. */
static void tell_difference(const char *before, const char *now)
{
	while (*before && *before == *now) {
		before++;
		now++;
	}
	printf("# first difference of maps:\n#  was ...%.90s\n#  is  ...%.90s\n", before,
		now);
}

bool snapshot_same(const struct snapshot *before, const struct snapshot *now,
	const char *what, unsigned number)
{
	const struct umod_statistics *a = &before->statistics, *b = &now->statistics;
	if (before->descriptors != now->descriptors)
		return FAIL("%s %u: %u descriptors, now %u", what, number,
			before->descriptors, now->descriptors);
	/* Tables that were built anew may lie elsewhere; what comes from files may not.
	 */
	if (before->mappings != now->mappings ||
		before->anonymous_bytes != now->anonymous_bytes ||
		strcmp(before->maps, now->maps) != 0) {
		tell_difference(before->maps, now->maps);
		return FAIL("%s %u: %u mappings and %zu anonymous bytes, now %u and %zu",
			what, number, before->mappings, before->anonymous_bytes,
			now->mappings, now->anonymous_bytes);
	}
	if (a->modules != b->modules || a->mapped_bytes != b->mapped_bytes ||
		a->arena_bytes != b->arena_bytes || a->host_pins != b->host_pins ||
		a->tls_pool_used_bytes != b->tls_pool_used_bytes)
		return FAIL("%s %u: modules %lu, mapped %lu, arena %lu, TLS pool %lu, "
			    "pins %lu; "
			    "now %lu, %lu, %lu, %lu, %lu",
			what, number, a->modules, a->mapped_bytes, a->arena_bytes,
			a->tls_pool_used_bytes, a->host_pins, b->modules, b->mapped_bytes,
			b->arena_bytes, b->tls_pool_used_bytes, b->host_pins);
	return true;
}
