/* SPDX-License-Identifier: MIT */
/*
 * Buffers for whole files, used again from one file to the next, so that reading
 * thousands costs neither allocations nor page faults. No thread shares one.
 */
#include "feature/feature.h"

#include <sys/mman.h>

void feature_buffer_free(struct feature_buffer *buffer)
{
	if (buffer->bytes)
		base_sys_munmap(buffer->bytes, buffer->capacity);
	*buffer = (struct feature_buffer){ 0 };
}

int feature_buffer_reserve(struct feature_buffer *buffer, size_t capacity)
{
	void *bytes;
	int code = -ENOMEM;

	if (capacity <= buffer->capacity)
		return 0;
	if (capacity > SIZE_MAX / 2)
		return -ENOMEM;
	capacity = base_align_up(capacity, 16 * BASE_PAGE_BYTES);
	if (!buffer->bytes) {
		int result = base_sys_mmap(NULL, capacity, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, &bytes);
		if (result)
			return result;
	} else {
		bytes = base_fault_hit(&code) ? MAP_FAILED
					      : mremap(buffer->bytes, buffer->capacity,
							capacity, MREMAP_MAYMOVE);
		if (bytes == MAP_FAILED)
			return -ENOMEM;
	}
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return 0;
}

void feature_buffer_trim(struct feature_buffer *buffer, size_t bytes)
{
	bytes = base_align_up(bytes, BASE_PAGE_BYTES);
	if (buffer->capacity > bytes)
		base_sys_madvise(
			buffer->bytes + bytes, buffer->capacity - bytes, MADV_DONTNEED);
}
