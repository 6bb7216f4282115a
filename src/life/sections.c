/* SPDX-License-Identifier: MIT */
/*
 * The loaded sections of a module: read where its file is described, placed where its
 * image lies, kept in the order of their addresses. For the tree of /sys/module and for
 * the letters of symbols. Names that no file could have are left out.
 */
#include "life/life.h"

#include <stdlib.h>

#define NAME_LIMIT 255u /* as in a directory */

/* Bytes of its name, of which at most @room are read; 0: it is left out. */
static size_t name_length(
	const struct elf_object *object, const struct elf_section *section, size_t room)
{
	size_t most = (size_t)(object->names + object->name_bytes - section->name);
	if (most > NAME_LIMIT + 1)
		most = NAME_LIMIT + 1;
	if (most > room)
		most = room;
	size_t length = strnlen(section->name, most);
	if (length == most || !(section->flags & SHF_ALLOC) || !section->bytes)
		return 0;
	/* .tbss has no bytes of its own. */
	if (section->flags & SHF_TLS && section->type == SHT_NOBITS)
		return 0;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)section->name[i] <= ' ' || section->name[i] == '/' ||
			section->name[i] == 0x7f)
			return 0;
	return length;
}

int life_read_sections(
	struct life *life, const struct elf_object *object, struct umod_error *error)
{
	struct elf_section section;
	size_t count = 0, bytes = 1;
	for (unsigned i = 1; i < object->section_count; i++) {
		elf_object_section(object, i, &section);
		size_t length = name_length(object, &section, SIZE_MAX);
		count += length != 0;
		bytes += length ? length + 1 : 0;
	}
	/* The file may change meanwhile: no more than that is copied. */
	life->sections = base_alloc(count * sizeof(*life->sections) + bytes);
	if (!life->sections)
		return base_error(error, UMOD_STAGE_DESCRIBE, -ENOMEM, object->name,
			"no memory for the names of its sections");
	char *at = (char *)(life->sections + count);
	for (unsigned i = 1; i < object->section_count && life->section_count < count;
		i++) {
		elf_object_section(object, i, &section);
		size_t length = name_length(object, &section, bytes);
		if (!length)
			continue;
		life->sections[life->section_count++] = (struct life_section){ .name = at,
			.place = { i, section.address, section.bytes },
			.type = section.type,
			.flags = section.flags };
		memcpy(at, section.name, length);
		at[length] = 0;
		at += length + 1;
		bytes -= length + 1;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct life_section *x = a, *y = b;
	return (x->address > y->address) - (x->address < y->address);
}

void life_place_sections(struct umod_module *module)
{
	struct life *life = module->life;
	unsigned count = 0;
	for (unsigned i = 0; i < life->section_count; i++) {
		struct life_section section = life->sections[i];
		section.address =
			(uintptr_t)module_place_find(&module->image, &section.place);
		if (section.address)
			life->sections[count++] = section;
	}
	life->section_count = count;
	if (count)
		qsort(life->sections, count, sizeof(*life->sections), by_address);
}

bool life_section_is_there(
	const struct umod_module *module, const struct life_section *section)
{
	return section->address >= module->image.start &&
	       base_range_fits(section->address - module->image.start,
		       section->place.bytes, module->image.end - module->image.start);
}

const struct life_section *life_section_at(
	const struct umod_module *module, uintptr_t address)
{
	const struct life *life = module->life;
	unsigned low = 0, high = life->section_count;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (life->sections[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Its end counts: symbols mark it. */
	const struct life_section *found = low ? &life->sections[low - 1] : NULL;
	return found && address - found->address <= found->place.bytes ? found : NULL;
}
