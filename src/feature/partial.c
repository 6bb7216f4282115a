/* SPDX-License-Identifier: MIT */
/*
 * Reads a module's file as far as it is asked for, into a buffer that has the file's
 * layout, with few calls: what is small is read whole by the first. Packed files are
 * unpacked whole.
 */
#include "feature/feature.h"

#include <fcntl.h>

/* What may lie beside what is asked for, and is likely asked for next. */
#define AROUND_BYTES ((uint64_t)8 << 10)

bool feature_parts_want(const struct feature_parts *parts, uint64_t offset,
	uint64_t count, uint64_t total, uint64_t *start, uint64_t *end)
{
	*start = offset > AROUND_BYTES ? offset - AROUND_BYTES : 0;
	*end = offset + count;
	for (unsigned i = 0; i < parts->count; i++)
		if (offset >= parts->items[i].start && *end <= parts->items[i].end)
			return false;
	*end = total - *end > AROUND_BYTES ? *end + AROUND_BYTES : total;
	/* When there is no room to remember one more, all is read. */
	if (parts->count == FEATURE_PARTS) {
		*start = 0;
		*end = total;
	}
	return true;
}

bool feature_parts_next(struct feature_parts *parts, uint64_t *start, uint64_t *end)
{
	unsigned at = 0, last;
	uint64_t gap = *start;
	while (at < parts->count && parts->items[at].end < gap)
		at++;
	/* A part that holds the beginning, or ends there. */
	bool joins = at < parts->count && parts->items[at].start <= gap;
	if (joins && parts->items[at].end > gap)
		gap = parts->items[at].end;
	if (gap >= *end)
		return false;
	last = joins ? at + 1 : at;
	if (last < parts->count && parts->items[last].start < *end)
		*end = parts->items[last].start;
	*start = gap;
	if (!joins) {
		memmove(&parts->items[at + 1], &parts->items[at],
			(parts->count++ - at) * sizeof(parts->items[0]));
		parts->items[at].start = gap;
	}
	parts->items[at].end = *end;
	/* It may have filled a gap. */
	if (at + 1 < parts->count && parts->items[at + 1].start <= *end) {
		parts->items[at].end = parts->items[at + 1].end;
		memmove(&parts->items[at + 1], &parts->items[at + 2],
			(--parts->count - at - 1) * sizeof(parts->items[0]));
	}
	return true;
}

static int fetch(void *data, uint64_t offset, uint64_t count)
{
	struct feature_partial *partial = data;
	uint64_t start, end, from, to;

	if (!feature_parts_want(
		    &partial->parts, offset, count, partial->count, &start, &end))
		return 0;
	for (from = start, to = end; feature_parts_next(&partial->parts, &from, &to);
		from = to, to = end) {
		int64_t got = base_sys_pread(
			partial->fd, partial->buffer.bytes + from, to - from, from);
		if (got < 0)
			return (int)got;
		/* Cut short meanwhile. */
		if ((uint64_t)got < to - from)
			return -EBUSY;
	}
	return 0;
}

int feature_partial_open(struct feature_partial *partial, int fd, const char *name,
	bool whole, size_t first_bytes, struct elf_bytes *out, struct umod_error *error)
{
	struct feature_buffer *buffer = &partial->buffer;
	struct stat st;
	int result = feature_buffer_reserve(buffer, first_bytes);

	if (result)
		return base_error(error, UMOD_STAGE_OPEN, result, name, "no memory");
	int64_t got = base_sys_pread(fd, buffer->bytes, first_bytes, 0);
	result = got < 0 ? (int)got : 0;
	if (result == 0 && (whole || feature_compression_of(buffer->bytes, (size_t)got) !=
					     FEATURE_PLAIN)) {
		result = feature_read(fd, name, FEATURE_LIMIT_BYTES, buffer, NULL, error);
		*out = (struct elf_bytes){ .bytes = buffer->bytes,
			.count = buffer->count };
		return result;
	}
	if (result == 0 && (size_t)got < first_bytes) {
		*out = (struct elf_bytes){ .bytes = buffer->bytes, .count = (size_t)got };
		return 0;
	}
	if (result == 0)
		result = base_sys_fstat(fd, &st);
	if (result == 0 && (uint64_t)st.st_size > FEATURE_LIMIT_BYTES)
		result = -EFBIG;
	if (result == 0)
		result = feature_buffer_reserve(buffer, (size_t)st.st_size);
	if (result)
		return base_error(error, UMOD_STAGE_OPEN, result, name,
			"cannot be read: %s", strerror(-result));
	partial->fd = fd;
	partial->count = (uint64_t)st.st_size;
	partial->parts.count = 1;
	partial->parts.items[0].start = 0;
	partial->parts.items[0].end =
		(uint64_t)got < partial->count ? (uint64_t)got : partial->count;
	*out = (struct elf_bytes){ .bytes = buffer->bytes,
		.count = partial->count,
		.fetch = fetch,
		.data = partial };
	return 0;
}
