/* SPDX-License-Identifier: MIT */
/*
 * The table that unwinders search (LSB, ".eh_frame_hdr"), made from .eh_frame. Where an
 * entry is of an unusual form there is no table: unwinders then read .eh_frame through.
 */
#include "link/object/internal.h"

#include <stdlib.h>

enum {
	PE_ABSPTR = 0x00,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_FORM = 0x0f,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_OMIT = 0xff
};

struct entry {
	int32_t start, frame; /* from the header */
};

struct header {
	uint8_t version, pointer, count_form, table;
	int32_t frames;
	uint32_t count;
	struct entry entries[];
};

/* The next entry in [at, end): its length without the word that says it; 0: no more. */
static uint32_t entry_bytes(const uint8_t *at, const uint8_t *end)
{
	uint32_t length;
	if (end - at < 8)
		return 0;
	memcpy(&length, at, sizeof(length));
	/* 64-bit lengths: nobody writes them. */
	return length < 4 || length > (uint64_t)(end - at) - 4 ? 0 : length;
}

static uint32_t entry_id(const uint8_t *at)
{
	uint32_t id;
	memcpy(&id, at + 4, sizeof(id));
	return id;
}

uint64_t object_count_frames(const uint8_t *bytes, uint64_t count)
{
	const uint8_t *at = bytes, *end = bytes + count;
	uint64_t frames = 0;
	for (uint32_t length; (length = entry_bytes(at, end)); at += 4 + (size_t)length)
		frames += entry_id(at) != 0;
	return frames;
}

static const uint8_t *skip_leb(const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at & 0x80)
		at++;
	return at < end ? at + 1 : end;
}

static unsigned form_bytes(unsigned form)
{
	switch (form & 0x07) {
	case PE_ABSPTR:
	case PE_UDATA8:
		return 8;
	case PE_UDATA2:
		return 2;
	case PE_UDATA4:
		return 4;
	default:
		return 0;
	}
}

/* How the CIE at @at has its frames' addresses written; PE_OMIT: in a way unknown. */
static unsigned cie_encoding(const uint8_t *at, uint32_t length)
{
	const uint8_t *end = at + 4 + length, *p = at + 9;
	const char *augmentation = (const char *)p;
	if (length < 9 || !memchr(p, 0, (size_t)(end - p)))
		return PE_OMIT;
	unsigned version = at[8];
	p += strlen(augmentation) + 1;
	p = skip_leb(skip_leb(p, end), end);
	p = version == 1 ? p + 1 : skip_leb(p, end);
	if (augmentation[0] == '\0')
		return PE_ABSPTR;
	if (augmentation[0] != 'z')
		return PE_OMIT;
	if (p < end)
		p = skip_leb(p, end);
	for (const char *c = augmentation + 1; *c; c++) {
		if (*c == 'S' || *c == 'B')
			continue;
		if (p >= end)
			return PE_OMIT;
		if (*c == 'R')
			return *p;
		unsigned skip = *c == 'P' ? form_bytes(*p) : 0;
		if ((*c != 'P' && *c != 'L') || (*c == 'P' && !skip))
			return PE_OMIT;
		p += 1 + skip;
	}
	return PE_ABSPTR;
}

/* The address that a frame starts at. False: it cannot be told. */
static bool read_start(const uint8_t *at, unsigned encoding, uintptr_t *start)
{
	uint64_t value = 0;
	unsigned form = encoding & PE_FORM, bytes = form_bytes(form);
	if (!bytes || (encoding & ~(unsigned)PE_FORM & ~(unsigned)PE_PCREL))
		return false;
	memcpy(&value, at, bytes);
	if (form == PE_SDATA4)
		value = (uint64_t)(int64_t)(int32_t)value;
	if (form == PE_SDATA2)
		value = (uint64_t)(int64_t)(int16_t)value;
	*start = value + (encoding & PE_PCREL ? (uintptr_t)at : 0);
	return true;
}

/* Frames of one section. False: one is of an unusual form. */
static bool add_frames(const struct link_image *image, const uint8_t *bytes,
	uint64_t count, struct header *header, uint64_t room)
{
	const uint8_t *at = bytes, *end = bytes + count, *known = NULL;
	unsigned encoding = PE_OMIT;
	for (uint32_t length; (length = entry_bytes(at, end)); at += 4 + (size_t)length) {
		uint32_t id = entry_id(at);
		uintptr_t start;
		if (id == 0)
			continue;
		if (id > (uint64_t)(at + 4 - bytes))
			return false;
		const uint8_t *cie = at + 4 - id;
		uint32_t cie_bytes = entry_bytes(cie, end);
		if (cie != known)
			encoding = cie_bytes && entry_id(cie) == 0
					   ? cie_encoding(cie, cie_bytes)
					   : (unsigned)PE_OMIT;
		known = cie;
		if (encoding == PE_OMIT || length < 4u + form_bytes(encoding & PE_FORM) ||
			!read_start(at + 8, encoding, &start))
			return false;
		/* Those of a function that is not loaded lead nowhere. */
		if (start < image->start || start >= image->end ||
			!elf_view_is_code(&image->view, start - image->bias))
			continue;
		if (header->count == room)
			return false;
		header->entries[header->count++] =
			(struct entry){ (int32_t)(start - (uintptr_t)header),
				(int32_t)(at - (const uint8_t *)header) };
	}
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void sort(struct header *header)
{
	for (uint32_t i = 1; i < header->count; i++)
		if (header->entries[i].start < header->entries[i - 1].start) {
			qsort(header->entries, header->count, sizeof(struct entry),
				by_start);
			return;
		}
}

void object_fill_frames(struct link_image *image, const struct link_object *object)
{
	struct header *header = (void *)(image->bias + object->header_vaddr);
	uint64_t room = object->frame_count;
	bool usual = true;
	if (!object->header_bytes)
		return;
	*header = (struct header){ .version = 1,
		.pointer = PE_PCREL | PE_SDATA4,
		.count_form = PE_UDATA4,
		.table = PE_DATAREL | PE_SDATA4 };
	header->frames = (int32_t)(object->frames_vaddr - (object->header_vaddr + 4));
	for (unsigned i = 1; usual && i < object->file.section_count; i++) {
		const struct object_section *s = &object->sections[i];
		if (s->is_frames && s->data)
			usual = add_frames(image, (void *)(image->bias + s->vaddr),
				s->bytes, header, room);
	}
	if (!usual) {
		header->count_form = header->table = PE_OMIT;
		return;
	}
	sort(header);
}
