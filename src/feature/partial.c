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

static int fetch(void *data, uint64_t offset, uint64_t count)
{
	struct feature_partial *partial = data;
	uint64_t end = offset + count;

	for (unsigned i = 0; i < partial->used; i++) {
		if (offset >= partial->parts[i].start && end <= partial->parts[i].end)
			return 0;
	}
	offset = offset > AROUND_BYTES ? offset - AROUND_BYTES : 0;
	end = partial->count - end > AROUND_BYTES ? end + AROUND_BYTES : partial->count;
	int64_t got = base_sys_pread(
		partial->fd, partial->buffer.bytes + offset, end - offset, offset);
	if (got < 0)
		return (int)got;
	/* Cut short meanwhile. */
	if ((uint64_t)got < end - offset)
		return -EBUSY;
	if (partial->used < base_array_count(partial->parts)) {
		partial->parts[partial->used].start = offset;
		partial->parts[partial->used++].end = end;
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
	partial->used = 1;
	partial->parts[0].start = 0;
	partial->parts[0].end =
		(uint64_t)got < partial->count ? (uint64_t)got : partial->count;
	*out = (struct elf_bytes){ .bytes = buffer->bytes,
		.count = partial->count,
		.fetch = fetch,
		.data = partial };
	return 0;
}
