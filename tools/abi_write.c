/* SPDX-License-Identifier: MIT */
/*
 * Stores versions in an object, shared or not: unallocated sections behind all that it
 * has, then the names of sections, then their headers. Nothing that a program header or
 * another section describes moves, and doing it again gives the same file. The new file
 * is written beside the old one and renamed.
 */
#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { CRCS, NAMES, DECLS, PART_COUNT };

static const char *const section_names[2][PART_COUNT] = {
	{ "__export_ext_crcs", "__export_ext_names", "__export_ext_decls" },
	{ "__version_ext_crcs", "__version_ext_names", "__version_ext_decls" },
};

struct writer {
	const struct abi_file *file;
	struct abi_text parts[2][PART_COUNT];
	bool wanted[2]; /* else what is there stays */
	Elf64_Ehdr header;
	Elf64_Shdr *sections;
	unsigned count, names_index;
	struct abi_text names, out;
};

static void collect(struct writer *w, unsigned side, const struct abi_table *table)
{
	w->wanted[side] = table != NULL;
	for (unsigned i = 0; table && i < table->count; i++) {
		const struct abi_export *export = &table->exports[i];
		const char *declaration = export->declaration;
		if (!export->known)
			continue;
		if (!declaration)
			declaration = "";
		abi_text_add(&w->parts[side][CRCS], (const char *)&export->crc, 4);
		abi_text_add(
			&w->parts[side][NAMES], export->name, strlen(export->name) + 1);
		abi_text_add(
			&w->parts[side][DECLS], declaration, strlen(declaration) + 1);
	}
}

/* Whether a section is one that is written anew. */
static bool find_part(
	const struct writer *w, const char *name, unsigned *side, unsigned *part)
{
	for (*side = 0; *side < 2; (*side)++) {
		for (*part = 0; w->wanted[*side] && *part < PART_COUNT; (*part)++) {
			if (strcmp(section_names[*side][*part], name) == 0)
				return true;
		}
	}
	return false;
}

static bool refuse(const struct writer *w, const char *reason)
{
	tool_error("%s: %s", w->file->path, reason);
	return false;
}

static void reach(uint64_t *end, uint64_t offset, uint64_t bytes)
{
	if (bytes && offset + bytes > *end)
		*end = offset + bytes;
}

/*
 * Where what stays ends, and what all that is known of ends at. False: told. Offsets of
 * sections are checked already; those of segments are here.
 */
static bool measure(struct writer *w, uint64_t *kept, uint64_t *known)
{
	const struct elf_object *object = &w->file->object;
	uint64_t file_bytes = w->file->buffer.count;
	struct elf_section section;
	unsigned side, part;

	*kept = sizeof(Elf64_Ehdr);
	if (w->header.e_phnum) {
		uint64_t bytes = (uint64_t)w->header.e_phnum * sizeof(Elf64_Phdr);
		if (w->header.e_phentsize != sizeof(Elf64_Phdr) ||
			!base_range_fits(w->header.e_phoff, bytes, file_bytes))
			return refuse(w, "its program headers are not in the file");
		reach(kept, w->header.e_phoff, bytes);
	}
	for (unsigned i = 0; i < w->header.e_phnum; i++) {
		Elf64_Phdr segment;
		memcpy(&segment,
			w->file->buffer.bytes + w->header.e_phoff + i * sizeof(segment),
			sizeof(segment));
		if (!base_range_fits(segment.p_offset, segment.p_filesz, file_bytes))
			return refuse(w, "a segment is not in the file");
		reach(kept, segment.p_offset, segment.p_filesz);
	}
	*known = *kept;
	reach(known, w->header.e_shoff, (uint64_t)w->count * sizeof(Elf64_Shdr));
	for (unsigned i = 1; i < w->count; i++) {
		elf_object_section(object, i, &section);
		if (section.type == SHT_NOBITS || section.type == SHT_NULL)
			continue;
		reach(known, section.offset, section.bytes);
		if (i == w->names_index)
			continue;
		if (!find_part(w, section.name, &side, &part))
			reach(kept, section.offset, section.bytes);
		else if (section.flags & SHF_ALLOC && object->type != ET_REL)
			return refuse(w, "its versions are part of what is loaded");
	}
	if (*known < *kept)
		*known = *kept;
	return true;
}

static Elf64_Word name_at(struct writer *w, const char *name)
{
	size_t bytes = strlen(name) + 1;
	const char *found = memmem(w->names.bytes, w->names.count, name, bytes);

	if (found)
		return (Elf64_Word)(found - w->names.bytes);
	abi_text_add(&w->names, name, bytes);
	return (Elf64_Word)(w->names.count - bytes);
}

static unsigned section_for(struct writer *w, const char *name)
{
	struct elf_section section;

	if (elf_object_find(&w->file->object, name, &section))
		return section.index;
	w->sections = tool_realloc(w->sections, w->count + 1, sizeof(*w->sections));
	w->sections[w->count] = (Elf64_Shdr){ .sh_name = name_at(w, name) };
	return w->count++;
}

static void pad(struct writer *w, size_t align)
{
	static const char zeroes[8];

	abi_text_add(&w->out, zeroes, (align - w->out.count % align) % align);
}

static void put_parts(struct writer *w)
{
	for (unsigned side = 0; side < 2; side++) {
		/* Nothing to tell, and nothing there that would have to go: no sections.
		 */
		struct elf_section there;
		if (!w->wanted[side] ||
			(!w->parts[side][CRCS].count &&
				!elf_object_find(&w->file->object,
					section_names[side][CRCS], &there)))
			continue;
		for (unsigned part = 0; part < PART_COUNT; part++) {
			unsigned index = section_for(w, section_names[side][part]);
			struct abi_text *text = &w->parts[side][part];
			size_t align = part == CRCS ? 4 : 1;
			pad(w, align);
			w->sections[index] = (Elf64_Shdr){
				.sh_name = w->sections[index].sh_name,
				.sh_type = SHT_PROGBITS,
				.sh_flags = w->sections[index].sh_flags & SHF_ALLOC,
				.sh_offset = w->out.count,
				.sh_size = text->count,
				.sh_addralign = align,
			};
			abi_text_add(
				&w->out, text->bytes ? text->bytes : "", text->count);
		}
	}
}

static bool build(struct writer *w)
{
	const struct elf_object *object = &w->file->object;
	const char *bytes = (const char *)w->file->buffer.bytes;
	uint64_t kept, known;

	memcpy(&w->header, bytes, sizeof(w->header));
	w->count = object->section_count;
	w->names_index = w->header.e_shstrndx;
	if (w->count + 2 * PART_COUNT >= SHN_LORESERVE)
		return refuse(w, "it has too many sections");
	if (!measure(w, &kept, &known))
		return false;
	if (w->file->buffer.count > known + 16)
		return refuse(
			w, "there is something behind its end, which would be lost");
	w->sections = tool_realloc(NULL, w->count, sizeof(*w->sections));
	memcpy(w->sections, bytes + w->header.e_shoff, w->count * sizeof(*w->sections));
	abi_text_add(&w->names, object->names, object->name_bytes);
	abi_text_add(&w->out, bytes, kept);
	put_parts(w);
	w->sections[w->names_index].sh_offset = w->out.count;
	w->sections[w->names_index].sh_size = w->names.count;
	abi_text_add(&w->out, w->names.bytes, w->names.count);
	pad(w, 8);
	w->header.e_shoff = w->out.count;
	w->header.e_shnum = (Elf64_Half)w->count;
	abi_text_add(&w->out, (const char *)w->sections, w->count * sizeof(*w->sections));
	memcpy(w->out.bytes, &w->header, sizeof(w->header));
	return true;
}

static bool write_all(int fd, const char *bytes, size_t count)
{
	while (count) {
		ssize_t done = write(fd, bytes, count);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes += done;
		count -= (size_t)done;
	}
	return true;
}

static bool replace(const struct writer *w)
{
	/* A link stays one. */
	char *path = realpath(w->file->path, NULL);
	char *temporary = abi_format("%s.XXXXXX", path ? path : w->file->path);
	bool good = false;
	int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd >= 0) {
		good = write_all(fd, w->out.bytes, w->out.count) &&
		       fchmod(fd, w->file->mode & 07777) == 0;
		good = close(fd) == 0 && good &&
		       rename(temporary, path ? path : w->file->path) == 0;
		int code = errno;
		if (!good)
			unlink(temporary);
		errno = code;
	}
	if (!good)
		tool_error("%s: %s", w->file->path, strerror(errno));
	free(temporary);
	free(path);
	return good;
}

static bool is_unsigned(const struct abi_file *file)
{
	struct feature_signature signature;
	struct umod_error error = { 0 };
	int result = feature_signature_find(
		&file->object.file, file->path, &signature, &error);

	if (result == -ENODATA)
		return true;
	tool_error("%s: %s", file->path,
		result ? error.message
		       : "is signed; store versions first, then sign (umod sign --strip "
			 "takes the signature off)");
	return false;
}

bool abi_write(struct abi_file *file, const struct abi_table *exports,
	const struct abi_table *imports)
{
	struct writer w = { .file = file };
	struct elf_object object;
	struct umod_error error = { 0 };

	if (!is_unsigned(file))
		return false;
	collect(&w, 0, exports);
	collect(&w, 1, imports);
	bool good = build(&w);
	if (good) {
		struct elf_bytes bytes = { .bytes = (const uint8_t *)w.out.bytes,
			.count = w.out.count };
		good = elf_object_open_any(&object, file->path, &bytes, &error) == 0;
		if (!good)
			tool_error(
				"%s: cannot be written: %s", file->path, error.message);
	}
	if (good && (w.out.count != file->buffer.count ||
			    memcmp(w.out.bytes, file->buffer.bytes, w.out.count) != 0))
		good = replace(&w);
	for (unsigned i = 0; i < 2 * PART_COUNT; i++)
		abi_text_free(&w.parts[i / PART_COUNT][i % PART_COUNT]);
	abi_text_free(&w.names);
	abi_text_free(&w.out);
	free(w.sections);
	return good;
}
