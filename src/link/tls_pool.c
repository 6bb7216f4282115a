/* SPDX-License-Identifier: MIT */
/*
 * The pool that initial-exec variables of umod's images live in: an array in the static
 * storage of libumod, or a larger one that the program has (<umod/tls.h>). Hands out
 * pieces and sets their initial values: for threads to come in the template that glibc
 * copies from, the PT_TLS segment of the object that holds the pool; for those that exist
 * through tls_threads.c. Which image needs a piece is not known here.
 */
#include "link/tls.h"

#include <umod/tls.h>

#include <sys/mman.h>

#ifndef UMOD_TLS_POOL_BYTES
#define UMOD_TLS_POOL_BYTES 1280
#endif

/* Not zero, so that it is in the template's file part; and found there by its start. */
#define MAGIC "umod: initial-exec pool\n"
static __thread char own_pool[UMOD_TLS_POOL_BYTES]
	__attribute__((tls_model("initial-exec"), aligned(64), used)) = MAGIC;
_Static_assert(sizeof(own_pool) >= 64 && sizeof(own_pool) % 64 == 0, "of cache lines");

/* The program's, if it has one. Weak, so that the linker exports it to this library. */
extern const struct umod_tls_pool umod_tls_pool
	__attribute__((weak, visibility("default")));

struct piece {
	uint64_t start, bytes;
};

static struct {
	int64_t offset; /* from the thread pointer */
	uint64_t bytes; /* 0: there is no pool */
	uint64_t align; /* of every thread pointer */
	uint8_t *template;
	uintptr_t relro_start, relro_end;
	bool writable;        /* the template's segment, outside of relro */
	struct piece *pieces; /* in use, in order of start */
	unsigned count, capacity;
} pool = { .align = 64 };

/* ---- where it is ---- */

struct search {
	uintptr_t inside;    /* an address in the object that holds the pool */
	const char *content; /* in this thread */
	const char *magic;
	uint8_t *template;
	struct link_host_object object;
};

static bool object_holds(const struct link_host_object *o, uintptr_t address)
{
	for (unsigned i = 0; i < o->phdr_count; i++) {
		const Elf64_Phdr *p = &o->phdrs[i];
		if (p->p_type == PT_LOAD && address - o->bias - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}

static int search_object(const struct link_host_object *o, void *data)
{
	struct search *search = data;
	if (!object_holds(o, search->inside))
		return 0;
	search->object = *o;
	for (unsigned i = 0; i < o->phdr_count; i++)
		if (o->phdrs[i].p_type == PT_TLS)
			search->template =
				memmem((const void *)(o->bias + o->phdrs[i].p_vaddr),
					o->phdrs[i].p_filesz, search->magic,
					strlen(search->magic));
	return 1;
}

/* What ld.so made read-only: whole pages only (its rounding). */
static void find_permissions(const struct link_host_object *o)
{
	pool.writable = false;
	pool.relro_start = pool.relro_end = 0;
	for (unsigned i = 0; i < o->phdr_count; i++) {
		const Elf64_Phdr *p = &o->phdrs[i];
		uintptr_t start = o->bias + p->p_vaddr;
		if (p->p_type == PT_LOAD && (uintptr_t)pool.template - start < p->p_memsz)
			pool.writable = p->p_flags & PF_W;
		if (p->p_type == PT_GNU_RELRO) {
			pool.relro_start = base_align_down(start, BASE_PAGE_BYTES);
			pool.relro_end =
				base_align_down(start + p->p_memsz, BASE_PAGE_BYTES);
		}
	}
}

static bool use_pool(struct search *search, uint64_t bytes)
{
	link_host_visit(search_object, search);
	if (!search->template ||
		strncmp(search->content, search->magic, strlen(search->magic)) != 0)
		return false;
	pool.template = search->template;
	pool.bytes = bytes;
	pool.offset = (int64_t)((uintptr_t)search->content - link_arch_thread_pointer());
	find_permissions(&search->object);
	return true;
}

void tls_pool_setup(void)
{
	struct search own = {
		.inside = (uintptr_t)&pool, .content = own_pool, .magic = MAGIC
	};
	const struct umod_tls_pool *given = &umod_tls_pool;
	size_t bytes, align;
	if (pool.bytes)
		return;
	/* Every thread pointer is as aligned as the most aligned static storage. */
	void (*static_info)(size_t *, size_t *) =
		(void (*)(size_t *, size_t *))link_host_symbol("_dl_get_tls_static_info");
	if (static_info) {
		static_info(&bytes, &align);
		pool.align = align;
	}
	if (given && given->version == 1) {
		struct search search = { .inside = (uintptr_t)given,
			.content = given->here(),
			.magic = UMOD_TLS_POOL_MAGIC };
		if (use_pool(&search, given->bytes))
			return;
	}
	use_pool(&own, sizeof(own_pool));
}

void link_tls_pool_sizes(uint64_t *total_bytes, uint64_t *used_bytes)
{
	*total_bytes = pool.bytes;
	*used_bytes = 0;
	for (unsigned i = 0; i < pool.count; i++)
		*used_bytes += pool.pieces[i].bytes;
}

/* ---- pieces ---- */

/* The first place from @at on whose address in a thread is @misalign modulo @align. */
static uint64_t fit(uint64_t at, uint64_t align, uint64_t misalign)
{
	uint64_t address = (uint64_t)pool.offset + at;
	return at + ((misalign - address) & (align - 1));
}

static bool find_gap(uint64_t bytes, uint64_t align, uint64_t misalign, unsigned *index,
	uint64_t *start)
{
	uint64_t at = 0;
	for (unsigned i = 0; i <= pool.count; i++) {
		uint64_t end = i < pool.count ? pool.pieces[i].start : pool.bytes;
		uint64_t place = fit(at, align, misalign);
		if (base_range_fits(place, bytes, end)) {
			*index = i;
			*start = place;
			return true;
		}
		if (i < pool.count)
			at = end + pool.pieces[i].bytes;
	}
	return false;
}

int tls_pool_take(
	const struct link_image *image, int64_t *offset, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	uint64_t bytes = view->tls_memory_bytes, align = view->tls_align, used, total,
		 start;
	unsigned index;
	if (!align)
		align = 1;
	link_tls_pool_sizes(&total, &used);
	if (!total)
		return base_error(error, UMOD_STAGE_BIND, -ENOTSUP, image->path,
			"initial-exec access needs the pool of static thread-local "
			"storage, which this process does not have");
	if (align > pool.align)
		return base_error(error, UMOD_STAGE_BIND, -ENOTSUP, image->path,
			"initial-exec access to thread-local storage of alignment %lu: "
			"static storage of this process has alignment %lu (see "
			"UMOD_TLS_POOL_ALIGNED)",
			align, pool.align);
	if (!find_gap(bytes, align, view->tls_vaddr & (align - 1), &index, &start))
		return base_error(error, UMOD_STAGE_BIND, -ENOMEM, image->path,
			"initial-exec access needs %lu bytes of static thread-local "
			"storage; %lu of the pool's %lu are in use (see UMOD_TLS_POOL)",
			bytes, used, total);
	if (base_grow(&pool.pieces, pool.count, &pool.capacity, sizeof(*pool.pieces)))
		return base_error(error, UMOD_STAGE_BIND, -ENOMEM, image->path,
			"no memory to note the use of static thread-local storage");
	memmove(&pool.pieces[index + 1], &pool.pieces[index],
		(pool.count - index) * sizeof(*pool.pieces));
	pool.pieces[index] = (struct piece){ start, bytes };
	pool.count++;
	*offset = pool.offset + (int64_t)start;
	base_trace(BASE_TRACE_TLS, "%s: %lu bytes at %ld of the thread pointer",
		image->path, bytes, *offset);
	return 0;
}

void tls_pool_give(int64_t offset)
{
	uint64_t start = (uint64_t)(offset - pool.offset);
	for (unsigned i = 0; i < pool.count; i++) {
		if (pool.pieces[i].start != start)
			continue;
		pool.count--;
		memmove(&pool.pieces[i], &pool.pieces[i + 1],
			(pool.count - i) * sizeof(*pool.pieces));
		return;
	}
}

/* ---- initial values ---- */

static bool is_relro(uintptr_t page)
{
	return page >= pool.relro_start && page < pool.relro_end;
}

/* Back to what it was is an undo, which does not fail by injection. */
static int protect(void *start, uint64_t bytes, bool writable)
{
	if (writable)
		return base_sys_mprotect(start, bytes, PROT_READ | PROT_WRITE);
	return mprotect(start, bytes, PROT_READ) ? -errno : 0;
}

/* The parts of the template's pages that are read-only otherwise. */
static int set_writable(uintptr_t start, uintptr_t end, bool writable)
{
	int result = 0;
	for (uintptr_t page = base_align_down(start, BASE_PAGE_BYTES); page < end;) {
		uintptr_t first = page;
		while (page < end && (!pool.writable || is_relro(page)))
			page += BASE_PAGE_BYTES;
		if (page > first)
			result = protect((void *)first, page - first, writable);
		if (result && writable)
			return result;
		page += BASE_PAGE_BYTES;
	}
	return result;
}

int tls_pool_fill(const struct link_image *image, int64_t offset, const void *initial,
	uint64_t file_bytes, uint64_t memory_bytes, struct umod_error *error)
{
	uint8_t *place = pool.template + (offset - pool.offset);
	uintptr_t start = (uintptr_t)place, end = start + memory_bytes;
	const struct tls_copy copy = { offset, initial, file_bytes, memory_bytes };
	int result = set_writable(start, end, true);
	if (!result) {
		memcpy(place, initial, file_bytes);
		memset(place + file_bytes, 0, memory_bytes - file_bytes);
	}
	/* It stays writable if the kernel has no mapping to spare: that harms nothing. */
	set_writable(start, end, false);
	if (result)
		return base_error(error, UMOD_STAGE_BIND, result, image->path,
			"the template of static thread-local storage cannot be written: "
			"%s",
			strerror(-result));
	/* After the template, so that a thread that is missed has copied it. */
	result = tls_threads_copy(&copy);
	if (result)
		return base_error(error, UMOD_STAGE_BIND, result, image->path,
			"initial-exec access to thread-local storage: the threads that "
			"exist cannot be given its initial values: %s",
			strerror(-result));
	return 0;
}
