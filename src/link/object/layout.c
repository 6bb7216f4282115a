/* SPDX-License-Identifier: MIT */
/*
 * Gives each section of a relocatable object its place: by class, in the file's order,
 * with what the linker adds behind: stubs behind text, the unwinder's table behind
 * read-only data, the GOT and the arrays of functions with what is read-only after init.
 */
#include "link/object/internal.h"

#define IMAGE_LIMIT ((uint64_t)1 << 31) /* everything in it reaches everything */

static uint64_t add(
	struct link_object *object, unsigned class, uint64_t bytes, uint64_t align)
{
	uint64_t at = base_align_up(object->classes[class].bytes, align);
	object->classes[class].bytes = at + bytes;
	if (object->classes[class].align < align)
		object->classes[class].align = align;
	return at;
}

/* Sections without bytes in the file come last, so that their pages stay untouched. */
static void place_sections(struct link_object *object)
{
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < object->file.section_count; i++) {
			struct object_section *s = &object->sections[i];
			bool is_last = s->is_frames || !s->data;
			if (!s->is_loaded || is_last != (pass == 1) || s->is_tls)
				continue;
			s->vaddr = add(object, s->class, s->bytes, s->align);
			if (s->data)
				object->classes[s->class].file_bytes =
					s->vaddr + s->bytes;
		}
}

/* .tdata lies side by side as each thread's copy does; .tbss follows there alone. */
static void place_tls(struct link_object *object)
{
	uint64_t at = 0, align = 1;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 1; i < object->file.section_count; i++) {
			struct object_section *s = &object->sections[i];
			if (s->class == OBJECT_NOWHERE || !s->is_tls ||
				s->is_loaded == (pass == 1))
				continue;
			at = base_align_up(at, s->align);
			s->tls_offset = at;
			at += s->bytes;
			if (align < s->align)
				align = s->align;
		}
		if (pass == 0)
			object->tls_file_bytes = at;
	}
	object->tls_bytes = at;
	object->tls_align = align;
	object->tls_vaddr = add(object, LINK_OBJECT_RO_AFTER_INIT, object->tls_file_bytes,
		at ? align : 1);
}

static void place_frames(struct link_object *object)
{
	for (unsigned i = 1; i < object->file.section_count; i++) {
		const struct object_section *s = &object->sections[i];
		if (!s->is_frames || !s->data)
			continue;
		object->frame_count += object_count_frames(s->data, s->bytes);
		if (!object->frames_bytes)
			object->frames_vaddr = s->vaddr;
		object->frames_bytes = s->vaddr + s->bytes - object->frames_vaddr;
	}
	if (!object->frame_count)
		return;
	/* An entry of length 0 ends them. */
	add(object, LINK_OBJECT_RODATA, 4, 4);
	object->header_bytes = 12 + 8 * object->frame_count;
	object->header_vaddr = add(object, LINK_OBJECT_RODATA, object->header_bytes, 4);
}

static void place_arrays(struct link_object *object)
{
	for (unsigned i = 0; i < object->array_count; i++) {
		uint64_t count = object->sections[object->arrays[i].section].bytes / 8;
		*(object->arrays[i].is_fini ? &object->fini_count
					    : &object->init_count) += count;
	}
	object->init_vaddr =
		add(object, LINK_OBJECT_RO_AFTER_INIT, 8 * object->init_count, 8);
	object->fini_vaddr =
		add(object, LINK_OBJECT_RO_AFTER_INIT, 8 * object->fini_count, 8);
}

/* What does not depend on relocations. */
int object_place_sections(
	struct link_image *image, struct link_object *object, struct umod_error *error)
{
	if (object->writable_code)
		return base_error(error, UMOD_STAGE_MAP, -ENOEXEC, image->path,
			"section %s: writable and executable at once",
			object->writable_code);
	place_sections(object);
	place_tls(object);
	place_frames(object);
	if (object->array_count)
		place_arrays(object);
	if (object->tls_bytes > IMAGE_LIMIT / 2)
		return base_error(error, UMOD_STAGE_MAP, -ELIBBAD, image->path,
			"%#lx bytes of thread-local storage", object->tls_bytes);
	return 0;
}

static void move_into_place(struct link_object *object)
{
	const uint64_t read_only = object->classes[LINK_OBJECT_RODATA].vaddr;
	const uint64_t sealed = object->classes[LINK_OBJECT_RO_AFTER_INIT].vaddr;
	for (unsigned i = 0; i < object->file.section_count; i++) {
		struct object_section *s = &object->sections[i];
		if (s->is_loaded && s->is_tls)
			s->vaddr = sealed + object->tls_vaddr + s->tls_offset;
		else if (s->is_loaded)
			s->vaddr += object->classes[s->class].vaddr;
	}
	object->tls_vaddr += sealed;
	object->init_vaddr += sealed;
	object->fini_vaddr += sealed;
	object->got_vaddr += sealed;
	object->stubs_vaddr += object->classes[LINK_OBJECT_TEXT].vaddr;
	object->frames_vaddr += read_only;
	object->header_vaddr += read_only;
}

int object_lay_out(
	struct link_image *image, struct link_object *object, struct umod_error *error)
{
	struct elf_view *view = &image->view;
	view->max_align = BASE_PAGE_BYTES;
	object->stubs_vaddr = add(object, LINK_OBJECT_TEXT,
		(uint64_t)OBJECT_STUB_BYTES * object->stub_count, OBJECT_STUB_BYTES);
	object->got_vaddr = add(
		object, LINK_OBJECT_RO_AFTER_INIT, 8 * (uint64_t)object->got_count, 8);
	for (unsigned c = 0; c < LINK_OBJECT_CLASSES; c++)
		if (object->classes[c].bytes &&
			view->max_align < object->classes[c].align)
			view->max_align = object->classes[c].align;
	/* No address is 0, which a symbol of such a value would not survive. */
	uint64_t at = view->span_start = view->max_align;
	for (unsigned c = 0; c < LINK_OBJECT_CLASSES; c++) {
		uint64_t align = object->classes[c].align;
		at = base_align_up(at, align > BASE_PAGE_BYTES ? align : BASE_PAGE_BYTES);
		object->classes[c].vaddr = at;
		at += object->classes[c].bytes;
	}
	at = base_align_up(at, BASE_PAGE_BYTES);
	if (at > IMAGE_LIMIT - view->max_align)
		return base_error(error, UMOD_STAGE_MAP, -ELIBBAD, image->path,
			"%#lx bytes are more than an object may have", at);
	/* Nothing is loaded: still a place, so that it is a module like others. */
	if (at == view->span_start)
		at += BASE_PAGE_BYTES;
	view->span_end = at;
	move_into_place(object);
	return 0;
}
