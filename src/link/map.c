/* SPDX-License-Identifier: MIT */
/*
 * Where an image lies in memory: mapped from its file, copied into anonymous memory, or
 * copied into a slot of an arena (arena.c). Sets permissions; never writable and
 * executable at once. Relocates nothing.
 */
#include "link/link.h"
#include "link/arena.h"

#include <sys/mman.h>

#define HUGE_BYTES ((uint64_t)2 << 20)

static _Atomic uint64_t mapped_bytes;

uint64_t link_mapped_bytes(void)
{
	return atomic_load(&mapped_bytes);
}

static uint64_t page_down(uint64_t v)
{
	return base_align_down(v, BASE_PAGE_BYTES);
}

static uint64_t page_up(uint64_t v)
{
	return base_align_up(v, BASE_PAGE_BYTES);
}

static int map_failed(const struct link_image *image, int code, const char *what,
	uint64_t bytes, struct umod_error *error)
{
	return base_error(error, UMOD_STAGE_MAP, code, image->path,
		"%s of %lu bytes: %s%s", what, bytes, strerror(-code),
		code == -ENOMEM
			? " (memory, or the mappings of vm.max_map_count, ran out)"
			: "");
}

static void set_place(struct link_image *image, uintptr_t start, enum link_home home)
{
	image->start = start;
	image->end = start + (image->view.span_end - image->view.span_start);
	image->bias = start - image->view.span_start;
	image->home = home;
	image->map.l_addr = image->bias;
	atomic_fetch_add(&mapped_bytes, image->end - image->start);
}

/*
 * Reserves @bytes with @image's alignment, at an address where its first large writable
 * segment starts a huge page if that is asked for.
 */
static int reserve(struct link_image *image, uint64_t bytes, bool huge, int flags,
	void **out, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	uint64_t align = view->max_align, rest = view->span_start;
	if (huge && align < HUGE_BYTES) {
		align = HUGE_BYTES;
		for (unsigned i = 0; i < view->segment_count; i++)
			if (view->segments[i].flags & PF_W) {
				rest = view->span_start -
				       page_down(view->segments[i].vaddr);
				break;
			}
	}
	void *got;
	int result = base_sys_mmap(NULL, bytes + align, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0, &got);
	if (result && flags & MAP_32BIT)
		return map_failed(image, result, "reserving address space below 2 GiB",
			bytes, error);
	if (result)
		return map_failed(image, result, "reserving address space", bytes, error);
	uintptr_t low = (uintptr_t)got, reserved_end = low + bytes + align;
	uintptr_t at = low + ((rest - low) & (align - 1)), end = at + bytes;
	if (at > low)
		base_sys_munmap(got, at - low);
	if (reserved_end > end)
		base_sys_munmap((void *)end, reserved_end - end);
	*out = (void *)at;
	return 0;
}

/* The largest writable segment's file part is worth huge pages. */
static bool wants_huge(
	const struct elf_view *view, const struct link_map_options *options)
{
	if (!options->huge_pages)
		return false;
	for (unsigned i = 0; i < view->segment_count; i++)
		if (view->segments[i].flags & PF_W &&
			view->segments[i].file_bytes >= HUGE_BYTES)
			return true;
	return false;
}

int link_map_file(struct link_image *image, const struct link_map_options *options,
	const uint8_t **bytes, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	uint64_t span = view->span_end - view->span_start, used = 0;
	void *at = NULL;
	int flags = MAP_PRIVATE, result;
	for (unsigned i = 0; i < view->segment_count; i++) {
		uint64_t end = view->segments[i].offset + view->segments[i].file_bytes;
		if (end > used)
			used = end;
	}
	used = page_up(used);
	if (used < span)
		used = span;
	bool huge = wants_huge(view, options);
	if (huge || view->max_align > BASE_PAGE_BYTES) {
		result = reserve(image, used, huge, 0, &at, error);
		if (result)
			return result;
		flags |= MAP_FIXED;
	}
	void *reserved = at;
	result = base_sys_mmap(at, used, PROT_READ, flags, options->fd, 0, &at);
	if (result) {
		if (reserved)
			base_sys_munmap(reserved, used);
		return map_failed(image, result, "mapping the file", used, error);
	}
	set_place(image, (uintptr_t)at, LINK_HOME_FILE);
	image->file_view_bytes = used;
	*bytes = at;
	return 0;
}

/*
 * Every segment can be read, whatever its flags say: tables may lie in it, which were
 * checked through the file and are read in place.
 */
static int protection(const struct link_image *image, const struct elf_segment *segment)
{
	if (segment->flags & PF_W || image->view.text_relocations)
		return PROT_READ | PROT_WRITE; /* text until link_protect_text */
	return segment->flags & PF_X ? PROT_READ | PROT_EXEC : PROT_READ;
}

/* Reads the file part of a large writable segment into huge pages. */
static int fill_huge(struct link_image *image, const struct elf_segment *segment, int fd,
	uint64_t file_end, struct umod_error *error)
{
	uint64_t from = page_down(segment->vaddr);
	void *at = (void *)(image->bias + from);
	int result = base_sys_mmap(at, file_end - from, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, &at);
	if (result)
		return map_failed(image, result, "mapping data", file_end - from, error);
	base_sys_madvise(at, file_end - from, MADV_HUGEPAGE);
	int64_t got = base_sys_pread(fd, (void *)(image->bias + segment->vaddr),
		segment->file_bytes, segment->offset);
	if (got != (int64_t)segment->file_bytes)
		return base_error(error, UMOD_STAGE_MAP, got < 0 ? (int)got : -EBUSY,
			image->path, "its data could not be read: %s",
			got < 0 ? strerror((int)-got) : "the file became shorter");
	return 0;
}

/* The file part of one segment. What lies right already is only given its permissions. */
static int map_file_part(struct link_image *image, const struct elf_segment *segment,
	const struct link_map_options *options, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	uint64_t from = page_down(segment->vaddr), offset = page_down(segment->offset);
	uint64_t file_end = page_up(segment->vaddr + segment->file_bytes);
	int prot = protection(image, segment), result;
	void *at = (void *)(image->bias + from);
	if (segment->flags & PF_W && segment->file_bytes >= HUGE_BYTES &&
		options->huge_pages)
		return fill_huge(image, segment, options->fd, file_end, error);
	if (offset == from - view->span_start) {
		if (prot == PROT_READ)
			return 0;
		result = base_sys_mprotect(at, file_end - from, prot);
	} else {
		result = base_sys_mmap(at, file_end - from, prot, MAP_PRIVATE | MAP_FIXED,
			options->fd, offset, &at);
	}
	return result ? map_failed(image, result, "mapping a segment", file_end - from,
				error)
		      : 0;
}

static int map_segment(struct link_image *image, const struct elf_segment *segment,
	const struct link_map_options *options, struct umod_error *error)
{
	uint64_t file_end = segment->vaddr + segment->file_bytes;
	uint64_t memory_end = page_up(segment->vaddr + segment->memory_bytes);
	uint64_t zero_from = page_up(file_end);
	int result =
		segment->file_bytes ? map_file_part(image, segment, options, error) : 0;
	if (result || segment->memory_bytes == segment->file_bytes)
		return result;
	if (!(segment->flags & PF_W))
		return base_error(error, UMOD_STAGE_MAP, -ELIBBAD, image->path,
			"p_memsz of a segment that is not writable exceeds its p_filesz");
	if (segment->file_bytes == 0)
		zero_from = page_down(segment->vaddr);
	else if (zero_from > file_end)
		memset((void *)(image->bias + file_end), 0, zero_from - file_end);
	if (memory_end > zero_from) {
		void *at = (void *)(image->bias + zero_from);
		result = base_sys_mmap(at, memory_end - zero_from, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, &at);
		if (result)
			return map_failed(image, result, "mapping zeroed data",
				memory_end - zero_from, error);
	}
	return 0;
}

/* Address space between segments is nobody's. */
static int close_gaps(struct link_image *image, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	for (unsigned i = 1; i < view->segment_count; i++) {
		const struct elf_segment *before = &view->segments[i - 1];
		uint64_t from = page_up(before->vaddr + before->memory_bytes);
		uint64_t to = page_down(view->segments[i].vaddr);
		if (from >= to)
			continue;
		int result = base_sys_mprotect(
			(void *)(image->bias + from), to - from, PROT_NONE);
		if (result)
			return map_failed(
				image, result, "closing a gap", to - from, error);
	}
	return 0;
}

static int fill_from_bytes(
	struct link_image *image, const uint8_t *bytes, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		memcpy((void *)(image->bias + s->vaddr), bytes + s->offset,
			s->file_bytes);
	}
	return 0;
}

static bool fits_arena(
	const struct elf_view *view, const struct link_map_options *options)
{
	return options->bytes && options->file_bytes <= options->arena_limit_bytes &&
	       view->span_end - view->span_start <= LINK_ARENA_SLOT_LIMIT &&
	       view->max_align == BASE_PAGE_BYTES && !view->text_relocations;
}

int link_map_memory(struct link_image *image, const struct link_map_options *options,
	bool low, struct umod_error *error)
{
	uint64_t span = image->view.span_end - image->view.span_start;
	void *at = NULL;
	int result;
	if (!low && fits_arena(&image->view, options)) {
		result = link_arena_allocate(span, &image->slot);
		if (result)
			return map_failed(image, result, "an arena slot", span, error);
		set_place(image, link_arena_address(image->slot), LINK_HOME_ARENA);
		return 0;
	}
	if (image->view.max_align == BASE_PAGE_BYTES) {
		result = base_sys_mmap(NULL, span, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | (low ? MAP_32BIT : 0), -1, 0, &at);
		if (result)
			return map_failed(image, result,
				low ? "memory below 2 GiB" : "memory", span, error);
		set_place(image, (uintptr_t)at, LINK_HOME_MEMORY);
		return 0;
	}
	result = reserve(image, span, false, low ? MAP_32BIT : 0, &at, error);
	if (result)
		return result;
	set_place(image, (uintptr_t)at, LINK_HOME_MEMORY);
	result = base_sys_mprotect(at, span, PROT_READ | PROT_WRITE);
	return result ? map_failed(image, result, "memory", span, error) : 0;
}

static int map_bytes(struct link_image *image, const struct link_map_options *options,
	struct umod_error *error)
{
	int result = link_map_memory(image, options, false, error);
	if (result)
		return result;
	result = fill_from_bytes(image, options->bytes, error);
	return result || image->home == LINK_HOME_ARENA ? result
							: close_gaps(image, error);
}

int link_map_segments(struct link_image *image, const struct link_map_options *options,
	struct umod_error *error)
{
	struct elf_view *view = &image->view;
	int result = 0;
	if (image->home != LINK_HOME_FILE) {
		result = map_bytes(image, options, error);
	} else {
		uint64_t span = image->end - image->start;
		for (unsigned i = 0; !result && i < view->segment_count; i++)
			result = map_segment(image, &view->segments[i], options, error);
		if (image->file_view_bytes > span)
			base_sys_munmap(
				(void *)image->end, image->file_view_bytes - span);
		image->file_view_bytes = span;
		if (!result)
			result = close_gaps(image, error);
	}
	if (!result)
		elf_view_rebase(view, image->bias);
	base_trace(BASE_TRACE_FILES, "%s: %s at %#lx-%#lx", image->path,
		image->home == LINK_HOME_FILE    ? "mapped"
		: image->home == LINK_HOME_ARENA ? "in an arena"
						 : "in memory",
		image->start, image->end);
	return result;
}

void link_unmap(struct link_image *image)
{
	uint64_t bytes = image->end - image->start;
	switch (image->home) {
	case LINK_HOME_FILE:
		if (image->file_view_bytes > bytes)
			base_sys_munmap((void *)image->start, image->file_view_bytes);
		else
			base_sys_munmap((void *)image->start, bytes);
		break;
	case LINK_HOME_MEMORY:
		base_sys_munmap((void *)image->start, bytes);
		break;
	case LINK_HOME_ARENA:
		link_arena_release(image->slot);
		break;
	default:
		return;
	}
	atomic_fetch_sub(&mapped_bytes, bytes);
	image->home = LINK_HOME_NONE;
	image->start = image->end = 0;
	image->slot = NULL;
}

void link_unmap_tail(struct link_image *image, uintptr_t start)
{
	uint64_t bytes =
		image->start + image->view.span_end - image->view.span_start - start;
	if (image->home == LINK_HOME_ARENA) {
		/* As the data before it, so that it costs no mapping of its own. */
		madvise((void *)start, bytes, MADV_DONTNEED);
		mprotect((void *)start, bytes, PROT_READ | PROT_WRITE);
	} else {
		base_sys_munmap((void *)start, bytes);
	}
	image->end = start;
	atomic_fetch_sub(&mapped_bytes, bytes);
}

/* ---- permissions ---- */

static int protect_range(struct link_image *image, uint64_t from, uint64_t to, int prot,
	struct umod_error *error)
{
	if (from >= to)
		return 0;
	int result = base_sys_mprotect((void *)(image->bias + from), to - from, prot);
	if (!result)
		return 0;
	return base_error(error, UMOD_STAGE_PROTECT, result, image->path,
		"setting permissions of %#lx bytes at %#lx: %s%s", to - from, from,
		strerror(-result),
		result == -ENOMEM ? " (vm.max_map_count limits a process's mappings)"
				  : "");
}

/*
 * In an arena what is not writable shares one mapping, executable if the image has code:
 * two mappings for each image, not five, decide how many images a process can hold.
 */
static int protect_arena(
	struct link_image *image, bool with_relro, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	uint64_t from = 0, to = 0;
	int prot = PROT_READ;
	for (unsigned i = 0; i < view->segment_count; i++)
		if (view->segments[i].flags & PF_X)
			prot |= PROT_EXEC;
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		uint64_t start = page_down(s->vaddr),
			 end = page_up(s->vaddr + s->memory_bytes);
		if (s->flags & PF_W) {
			if (!with_relro || view->relro_bytes == 0 ||
				view->relro_vaddr != start)
				continue;
			end = start + view->relro_bytes;
		}
		if (to == start || from == to) {
			from = from == to ? start : from;
			to = end;
			continue;
		}
		int result = protect_range(image, from, to, prot, error);
		if (result)
			return result;
		from = start;
		to = end;
	}
	return protect_range(image, from, to, prot, error);
}

int link_protect_text(struct link_image *image, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	if (image->text_ready)
		return 0;
	image->text_ready = true;
	if (image->home == LINK_HOME_ARENA)
		return protect_arena(image, false, error);
	if (image->home == LINK_HOME_FILE && !view->text_relocations)
		return 0;
	for (unsigned i = 0; i < view->segment_count; i++) {
		const struct elf_segment *s = &view->segments[i];
		int prot = PROT_READ | (s->flags & PF_X ? PROT_EXEC : 0);
		int result = s->flags & PF_W
				     ? 0
				     : protect_range(image, page_down(s->vaddr),
					       page_up(s->vaddr + s->memory_bytes), prot,
					       error);
		if (result)
			return result;
	}
	return 0;
}

int link_protect(struct link_image *image, struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	if (image->home == LINK_HOME_ARENA) {
		if (image->text_ready && (view->relro_bytes == 0 || image->seals_late))
			return 0;
		image->text_ready = true;
		return protect_arena(image, !image->seals_late, error);
	}
	int result = link_protect_text(image, error);
	if (result || view->relro_bytes == 0 || image->seals_late)
		return result;
	return protect_range(image, view->relro_vaddr,
		view->relro_vaddr + view->relro_bytes, PROT_READ, error);
}
