/* SPDX-License-Identifier: MIT */
/*
 * The view of a relocatable object: checks its header and its section headers, and finds
 * sections, symbols and relocations. It applies no relocation and knows no meaning of a
 * section.
 */
#include "elf/object.h"

#include "elf/internal.h"

#define fail(...) base_error(error, UMOD_STAGE_VALIDATE, __VA_ARGS__)

/* Bytes [offset, offset + count) of the file, fetched. */
static const uint8_t *reach(const struct elf_bytes *file, const char *name,
	uint64_t offset, uint64_t count, int *result, struct umod_error *error)
{
	if (!base_range_fits(offset, count, file->count)) {
		*result = fail(-ELIBBAD, name, "the file ends before its contents do");
		return NULL;
	}
	*result = file->fetch ? file->fetch(file->data, offset, count) : 0;
	if (*result) {
		fail(*result, name, "cannot be read: %s", strerror(-*result));
		return NULL;
	}
	return file->bytes + offset;
}

static int check_header(const struct elf_object *object, const Elf64_Ehdr *header,
	bool any, struct umod_error *error)
{
	const char *name = object->name;
	const unsigned char *ident = header->e_ident;

	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return fail(-ENOEXEC, name, "no ELF file");
	if (ident[EI_CLASS] != ELFCLASS64)
		return fail(-ENOEXEC, name, "%s; only 64-bit modules can be read",
			ident[EI_CLASS] == ELFCLASS32 ? "a 32-bit ELF file"
						      : "an ELF file of no known class");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return fail(-ENOEXEC, name, "its byte order is not little-endian");
	if (ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
		return fail(-ENOEXEC, name, "unknown ELF version");
	if (header->e_type != ET_REL &&
		!(any && (header->e_type == ET_DYN || header->e_type == ET_EXEC)))
		return fail(-ENOEXEC, name, "no relocatable object: e_type is %u",
			header->e_type);
	switch (header->e_machine) {
	case EM_X86_64:
	case EM_AARCH64:
	case EM_RISCV:
		break;
	default:
		return fail(-ENOEXEC, name, "for machine %u, which umod does not know",
			header->e_machine);
	}
	if (header->e_shentsize != sizeof(Elf64_Shdr))
		return fail(-ELIBBAD, name, "e_shentsize is %u, not %zu",
			header->e_shentsize, sizeof(Elf64_Shdr));
	return 0;
}

static void read_section(const struct elf_object *object, unsigned index, Elf64_Shdr *out)
{
	memcpy(out,
		object->file.bytes + object->sections_offset +
			(uint64_t)index * sizeof(*out),
		sizeof(*out));
}

/* What a table's header promises: sizes, and the section that sh_link names. */
static int check_table(const struct elf_object *object, unsigned index,
	const Elf64_Shdr *section, struct umod_error *error)
{
	bool symbols = section->sh_type != SHT_RELA;
	size_t bytes = symbols ? sizeof(Elf64_Sym) : sizeof(Elf64_Rela);
	Elf64_Shdr link;

	if (section->sh_entsize != bytes || section->sh_size % bytes)
		return fail(-ELIBBAD, object->name,
			"section %u: a table of %llu bytes with entries of %llu, not %zu",
			index, (unsigned long long)section->sh_size,
			(unsigned long long)section->sh_entsize, bytes);
	if (section->sh_link >= object->section_count)
		return fail(-ELIBBAD, object->name, "section %u: sh_link is %u of %u",
			index, section->sh_link, object->section_count);
	read_section(object, section->sh_link, &link);
	if (symbols && link.sh_type != SHT_STRTAB)
		return fail(-ELIBBAD, object->name,
			"section %u: its strings are in no string table", index);
	if (!symbols && section->sh_info >= object->section_count)
		return fail(-ELIBBAD, object->name, "section %u: sh_info is %u of %u",
			index, section->sh_info, object->section_count);
	return 0;
}

static int check_section(
	struct elf_object *object, unsigned index, struct umod_error *error)
{
	Elf64_Shdr section;
	read_section(object, index, &section);

	if (section.sh_type == SHT_NULL)
		return 0;
	if (section.sh_type != SHT_NOBITS &&
		!base_range_fits(section.sh_offset, section.sh_size, object->file.count))
		return fail(-ELIBBAD, object->name,
			"section %u: %llu bytes at %llu are not in the file", index,
			(unsigned long long)section.sh_size,
			(unsigned long long)section.sh_offset);
	if (section.sh_name >= object->name_bytes)
		return fail(-ELIBBAD, object->name,
			"section %u: its name is out of bounds", index);
	if (section.sh_addralign & (section.sh_addralign - 1))
		return fail(-ELIBBAD, object->name, "section %u: sh_addralign is %llu",
			index, (unsigned long long)section.sh_addralign);
	if (section.sh_type == SHT_SYMTAB) {
		if (object->symbols_index)
			return fail(-ELIBBAD, object->name, "it has two symbol tables");
		object->symbols_index = index;
	}
	if (section.sh_type == SHT_DYNSYM && object->type != ET_REL) {
		if (object->dynamic_index)
			return fail(-ELIBBAD, object->name,
				"it has two tables of dynamic symbols");
		object->dynamic_index = index;
		return check_table(object, index, &section, error);
	}
	if (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_RELA)
		return check_table(object, index, &section, error);
	return 0;
}

/* Section names; their table need not be of a type, but must end with a NUL. */
static int find_names(struct elf_object *object, unsigned index, struct umod_error *error)
{
	Elf64_Shdr section;
	int result;

	if (index == SHN_UNDEF || index >= object->section_count)
		return fail(-ELIBBAD, object->name, "e_shstrndx is %u of %u sections",
			index, object->section_count);
	read_section(object, index, &section);
	if (section.sh_type != SHT_STRTAB || section.sh_size == 0)
		return fail(
			-ELIBBAD, object->name, "the section names are no string table");
	const uint8_t *bytes = reach(&object->file, object->name, section.sh_offset,
		section.sh_size, &result, error);
	if (!bytes)
		return result;
	if (bytes[section.sh_size - 1] != '\0')
		return fail(-ELIBBAD, object->name, "the section names do not end");
	object->names = (const char *)bytes;
	object->name_bytes = section.sh_size;
	return 0;
}

static int open_object(struct elf_object *object, const char *name, bool any,
	const struct elf_bytes *file, struct umod_error *error)
{
	Elf64_Ehdr header;
	int result;

	*object = (struct elf_object){ .name = name, .file = *file };
	if (file->count < EI_NIDENT)
		return fail(-ENOEXEC, name,
			file->count ? "too short for an ELF file" : "the file is empty");
	const uint8_t *bytes = reach(file, name, 0, EI_NIDENT, &result, error);
	if (!bytes)
		return result;
	memset(&header, 0, sizeof(header));
	memcpy(&header, bytes, EI_NIDENT);
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
		bytes = reach(file, name, 0, sizeof(header), &result, error);
		if (!bytes)
			return result;
		memcpy(&header, bytes, sizeof(header));
	}
	result = check_header(object, &header, any, error);
	if (result)
		return result;
	object->type = header.e_type;
	object->machine = header.e_machine;
	object->flags = header.e_flags;
	object->sections_offset = header.e_shoff;
	object->section_count = header.e_shnum;
	/* More than SHN_LORESERVE sections would stand in section 0: no such module. */
	if (header.e_shnum == 0)
		return fail(-ELIBBAD, name, "a relocatable object without sections");
	if (!reach(file, name, header.e_shoff,
		    (uint64_t)header.e_shnum * sizeof(Elf64_Shdr), &result, error))
		return result;
	result = find_names(object, header.e_shstrndx, error);
	for (unsigned i = 1; i < object->section_count && result == 0; i++)
		result = check_section(object, i, error);
	return result;
}

int elf_object_open(struct elf_object *object, const char *name,
	const struct elf_bytes *file, struct umod_error *error)
{
	return open_object(object, name, false, file, error);
}

int elf_object_open_any(struct elf_object *object, const char *name,
	const struct elf_bytes *file, struct umod_error *error)
{
	return open_object(object, name, true, file, error);
}

static void fill(const struct elf_object *object, unsigned index, const Elf64_Shdr *from,
	struct elf_section *out)
{
	*out = (struct elf_section){
		.name = from->sh_name < object->name_bytes ? object->names + from->sh_name
							   : "",
		.index = index,
		.type = from->sh_type,
		.link = from->sh_link,
		.info = from->sh_info,
		.flags = from->sh_flags,
		.address = from->sh_addr,
		.offset = from->sh_offset,
		.bytes = from->sh_size,
		.align = from->sh_addralign,
		.entry_bytes = from->sh_entsize,
	};
	/* What check_section passes over. */
	if (from->sh_type == SHT_NULL)
		out->bytes = 0;
}

void elf_object_section(
	const struct elf_object *object, unsigned index, struct elf_section *out)
{
	Elf64_Shdr section;
	read_section(object, index, &section);
	fill(object, index, &section, out);
}

bool elf_object_find(
	const struct elf_object *object, const char *name, struct elf_section *out)
{
	size_t length = strlen(name);

	for (unsigned i = 1; i < object->section_count; i++) {
		Elf64_Shdr section;
		read_section(object, i, &section);
		/* The last byte of the names is NUL: a name that fits ends. */
		if (section.sh_name < object->name_bytes &&
			length < object->name_bytes - section.sh_name &&
			memcmp(object->names + section.sh_name, name, length + 1) == 0) {
			fill(object, i, &section, out);
			return true;
		}
	}
	return false;
}

const uint8_t *elf_object_data(const struct elf_object *object,
	const struct elf_section *section, struct umod_error *error)
{
	int result;
	if (section->type == SHT_NOBITS || section->bytes == 0)
		return NULL;
	return reach(&object->file, object->name, section->offset, section->bytes,
		&result, error);
}

static int read_symbols(const struct elf_object *object, unsigned index,
	struct elf_symbols *out, struct umod_error *error)
{
	struct elf_section table, strings;
	int result;

	*out = (struct elf_symbols){ .section_count = object->section_count };
	if (!index)
		return 0;
	elf_object_section(object, index, &table);
	/* Checked when it was opened; a mapped file may have changed since. */
	if (table.link >= object->section_count)
		return fail(-ELIBBAD, object->name, "section %u: sh_link is %u of %u",
			index, table.link, object->section_count);
	elf_object_section(object, table.link, &strings);
	/* They lie side by side as a rule: one fetch for both. */
	if (strings.offset == table.offset + table.bytes &&
		!reach(&object->file, object->name, table.offset,
			table.bytes + strings.bytes, &result, error))
		return result;
	const uint8_t *names = reach(&object->file, object->name, strings.offset,
		strings.bytes, &result, error);
	if (!names)
		return result;
	if (strings.bytes && names[strings.bytes - 1] != '\0')
		return fail(
			-ELIBBAD, object->name, "the names of its symbols do not end");
	out->entries = reach(
		&object->file, object->name, table.offset, table.bytes, &result, error);
	if (!out->entries)
		return result;
	out->count = table.bytes / sizeof(Elf64_Sym);
	out->first_global = table.info < out->count ? table.info : out->count;
	out->strings = (const char *)names;
	out->string_bytes = strings.bytes;
	out->section_index = index;
	return 0;
}

int elf_object_symbols(const struct elf_object *object, struct elf_symbols *out,
	struct umod_error *error)
{
	return read_symbols(object, object->symbols_index, out, error);
}

int elf_object_dynamic_symbols(const struct elf_object *object, struct elf_symbols *out,
	struct umod_error *error)
{
	return read_symbols(object, object->dynamic_index, out, error);
}

int elf_object_relocations(const struct elf_object *object, unsigned index,
	struct elf_relocations *out, struct umod_error *error)
{
	struct elf_section section;
	int result;

	*out = (struct elf_relocations){ 0 };
	if (index >= object->section_count)
		return fail(-ELIBBAD, object->name, "there is no section %u", index);
	elf_object_section(object, index, &section);
	if (section.type != SHT_RELA)
		return fail(
			-ELIBBAD, object->name, "section %u holds no relocations", index);
	out->entries = reach(&object->file, object->name, section.offset, section.bytes,
		&result, error);
	if (!out->entries)
		return result;
	out->count = section.bytes / sizeof(Elf64_Rela);
	if (section.info >= object->section_count)
		return fail(-ELIBBAD, object->name, "section %u: sh_info is %u of %u",
			index, section.info, object->section_count);
	out->target = section.info;
	return 0;
}

int elf_object_relocations_of(const struct elf_object *object, unsigned target,
	struct elf_relocations *out, struct umod_error *error)
{
	*out = (struct elf_relocations){ 0 };
	/* As a rule they are in the next section. */
	for (unsigned i = 0; i < object->section_count; i++) {
		unsigned index = (target + 1 + i) % object->section_count;
		Elf64_Shdr section;
		read_section(object, index, &section);
		if (section.sh_type == SHT_RELA && section.sh_info == target && index)
			return elf_object_relocations(object, index, out, error);
	}
	return 0;
}
