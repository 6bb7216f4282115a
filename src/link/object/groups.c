/* SPDX-License-Identifier: MIT */
/*
 * Section groups (gABI, "Section Groups"): of those with one signature, as inline
 * functions have them, the first stays and the sections of the others go.
 */
#include "link/object/internal.h"

#define fail(...) base_error(error, UMOD_STAGE_VALIDATE, -ELIBBAD, name, __VA_ARGS__)

/* The signature is a symbol's name, or a section's. NULL: it has none. */
static const char *signature_of(const struct elf_object *file,
	const struct elf_symbols *symbols, const struct elf_section *group)
{
	Elf64_Sym symbol;
	struct elf_section s;
	if (group->link != file->symbols_index || group->info >= symbols->count)
		return NULL;
	elf_symbol_read(symbols, group->info, &symbol);
	if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION &&
		symbol.st_shndx < file->section_count) {
		elf_object_section(file, symbol.st_shndx, &s);
		return s.name;
	}
	return elf_symbol_name(symbols, &symbol);
}

/* True when @signature was met before. */
static int meet(struct base_map *seen, const char *signature, bool *again)
{
	uint64_t key = base_hash_bytes(signature, strlen(signature));
	size_t cursor = 0;
	const char *other;
	*again = false;
	while ((other = base_map_next(seen, key, &cursor)))
		if (strcmp(other, signature) == 0) {
			*again = true;
			return 0;
		}
	return base_map_put(seen, key, (void *)signature);
}

static int drop_members(struct link_object *object, const uint8_t *words, uint64_t count,
	const char *name, struct umod_error *error)
{
	for (uint64_t i = 1; i < count; i++) {
		uint32_t member;
		memcpy(&member, words + i * sizeof(member), sizeof(member));
		if (member >= object->file.section_count)
			return fail("a group has section %u of %u", member,
				object->file.section_count);
		object->sections[member].is_gone = true;
	}
	return 0;
}

int object_read_groups(
	struct link_object *object, const char *name, struct umod_error *error)
{
	struct elf_symbols symbols = { 0 };
	struct base_map seen = { 0 };
	int result = 0;
	for (unsigned i = 1; !result && i < object->file.section_count; i++) {
		struct elf_section s;
		uint32_t flags;
		bool again;
		elf_object_section(&object->file, i, &s);
		if (s.type != SHT_GROUP || s.bytes < sizeof(flags))
			continue;
		if (!symbols.count)
			result = elf_object_symbols(&object->file, &symbols, error);
		const uint8_t *words = elf_object_data(&object->file, &s, error);
		if (result || !words)
			break;
		memcpy(&flags, words, sizeof(flags));
		if (!(flags & GRP_COMDAT))
			continue;
		const char *signature = signature_of(&object->file, &symbols, &s);
		if (!signature)
			result = fail("section %s: a group without a signature", s.name);
		else if (meet(&seen, signature, &again))
			result = base_error(error, UMOD_STAGE_VALIDATE, -ENOMEM, name,
				"no memory for its groups");
		else if (again)
			result = drop_members(
				object, words, s.bytes / sizeof(flags), name, error);
	}
	base_map_free(&seen);
	return result;
}
