/* SPDX-License-Identifier: MIT */
/*
 * Memory for thread-local blocks and vectors, in mappings of its own: a block is wanted
 * at a thread's first access, which may be in a signal handler or inside malloc, so that
 * malloc cannot be asked. Small sizes come from free lists by size class, whose memory
 * stays; large ones are mapped and unmapped. Called under the TLS lock.
 */
#include "link/tls.h"

#include <sys/mman.h>

#define LEAST_BYTES 32u
#define CLASSES     22u /* 32, 48, 64, 96, ... 32768, 49152 */
#define CHUNK_LEAST ((size_t)64 << 10)
#define CHUNK_MOST  ((size_t)1 << 20)
#define MAPPED      UINT32_MAX

/* Before each block. */
struct header {
	uint32_t class, before; /* bytes from where the memory starts to the block */
	uint64_t bytes;         /* of the memory */
};

struct free_block {
	struct free_block *next;
};
static struct free_block *free_lists[CLASSES];
static uint8_t *chunk;
static size_t chunk_left, chunk_bytes = CHUNK_LEAST;
static uint64_t used_bytes;

/* Leak checkers look for pointers in what malloc gave, and in what they are told of. */
void __lsan_register_root_region(const void *start, size_t bytes) __attribute__((weak));
void __lsan_unregister_root_region(const void *start, size_t bytes) __attribute__((weak));

/*
 * Not base_sys_mmap: __tls_get_addr has no way to fail, so that there is nothing to test
 * by making it fail.
 */
static void *map(size_t bytes)
{
	void *p = mmap(
		NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (__lsan_register_root_region)
		__lsan_register_root_region(p, bytes);
	return p;
}

static void unmap(void *p, size_t bytes)
{
	if (__lsan_unregister_root_region)
		__lsan_unregister_root_region(p, bytes);
	munmap(p, bytes);
}

static uint64_t class_bytes(unsigned class)
{
	uint64_t bytes = (uint64_t)LEAST_BYTES << class / 2;
	return class % 2 ? bytes + bytes / 2 : bytes;
}

static uint8_t *take(unsigned class)
{
	struct free_block *first = free_lists[class];
	size_t bytes = class_bytes(class);
	if (first) {
		free_lists[class] = first->next;
		return (uint8_t *)first;
	}
	if (chunk_left < bytes) {
		/* What is left of the old chunk is lost: less than one block. */
		uint8_t *fresh = map(chunk_bytes);
		if (!fresh)
			return NULL;
		chunk = fresh;
		chunk_left = chunk_bytes;
		if (chunk_bytes < CHUNK_MOST)
			chunk_bytes *= 2;
	}
	uint8_t *p = chunk;
	chunk += bytes;
	chunk_left -= bytes;
	return p;
}

void *tls_store_alloc(uint64_t bytes, uint64_t align, uint64_t misalign)
{
	struct header header = { 0 };
	uint64_t total;
	if (align < 16)
		align = 16;
	misalign &= align - 1;
	/* The header must end where the block starts, and be aligned for itself. */
	if (__builtin_add_overflow(bytes, sizeof(header) + 2 * align, &total) ||
		total > UINT64_MAX / 2 || align > UINT32_MAX / 4)
		return NULL;
	if (align == 16 && misalign == 0)
		total = bytes + sizeof(header);
	while (header.class < CLASSES && class_bytes(header.class) < total)
		header.class ++;
	uint8_t *memory;
	if (header.class < CLASSES) {
		header.bytes = class_bytes(header.class);
		memory = take(header.class);
	} else {
		header.class = MAPPED;
		header.bytes = base_align_up(total, BASE_PAGE_BYTES);
		memory = map(header.bytes);
	}
	if (!memory)
		return NULL;
	uintptr_t at = (uintptr_t)memory + sizeof(header);
	at = base_align_down(at - misalign + align - 1, align) + misalign;
	header.before = (uint32_t)(at - (uintptr_t)memory);
	memcpy((void *)(at - sizeof(header)), &header, sizeof(header));
	used_bytes += header.bytes;
	return (void *)at;
}

void tls_store_free(void *p)
{
	struct header header;
	if (!p)
		return;
	memcpy(&header, (uint8_t *)p - sizeof(header), sizeof(header));
	uint8_t *memory = (uint8_t *)p - header.before;
	used_bytes -= header.bytes;
	if (header.class == MAPPED) {
		unmap(memory, header.bytes);
		return;
	}
	struct free_block *freed = (void *)memory;
	freed->next = free_lists[header.class];
	free_lists[header.class] = freed;
}

uint64_t tls_store_used(void)
{
	return used_bytes;
}
