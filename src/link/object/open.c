/* SPDX-License-Identifier: MIT */
/*
 * Reads a relocatable object's sections and says which class each belongs to, and which
 * are not loaded at all. Gives no places: layout.c does.
 */
#include "link/object/internal.h"

#include <stdlib.h>

#define SECTION_LIMIT ((uint64_t)1 << 30) /* of one section, and of all */
#define ALIGN_LIMIT   ((uint64_t)1 << 21)

#define fail(code, ...) \
	base_error(error, UMOD_STAGE_VALIDATE, code, object->file.name, __VA_ARGS__)

bool link_object_is(const uint8_t *bytes, uint64_t have)
{
	uint16_t type;
	if (have < offsetof(Elf64_Ehdr, e_machine) || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return false;
	memcpy(&type, bytes + offsetof(Elf64_Ehdr, e_type), sizeof(type));
	return type == ET_REL && bytes[EI_DATA] == ELFDATA2LSB;
}

const struct elf_object *link_object_file(const struct link_object *object)
{
	return &object->file;
}

static bool starts(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* The name itself, or with a part more: .ctors and .ctors.00100, not .ctorsx. */
static bool is_kind(const char *name, const char *of)
{
	size_t length = strlen(of);
	return strncmp(name, of, length) == 0 &&
	       (name[length] == '\0' || name[length] == '.');
}

static bool is_ro_after_init(const struct elf_section *s)
{
	static const char *const names[] = { ".data..ro_after_init", ".data.rel.ro",
		".init_array", ".fini_array", ".preinit_array", ".ctors", ".dtors",
		".tdata" };
	if (s->type == SHT_INIT_ARRAY || s->type == SHT_FINI_ARRAY ||
		s->type == SHT_PREINIT_ARRAY || s->flags & SHF_TLS)
		return true;
	for (unsigned i = 0; i < base_array_count(names); i++)
		if (is_kind(s->name, names[i]))
			return true;
	return false;
}

static uint8_t class_of(const struct elf_section *s)
{
	bool is_init = starts(s->name, ".init.");
	if (s->flags & SHF_EXECINSTR)
		return is_init ? LINK_OBJECT_INIT_TEXT : LINK_OBJECT_TEXT;
	if (!(s->flags & SHF_WRITE))
		return is_init ? LINK_OBJECT_INIT_RODATA : LINK_OBJECT_RODATA;
	if (is_init)
		return LINK_OBJECT_INIT_DATA;
	return is_ro_after_init(s) ? LINK_OBJECT_RO_AFTER_INIT : LINK_OBJECT_DATA;
}

/* ---- arrays of functions ---- */

static int add_array(struct link_object *object, const struct elf_section *s)
{
	static const struct {
		const char *name;
		bool is_fini, is_old;
	} kinds[] = { { ".init_array", false, false }, { ".fini_array", true, false },
		{ ".ctors", false, true }, { ".dtors", true, true } };
	for (unsigned i = 0; i < base_array_count(kinds); i++) {
		if (!is_kind(s->name, kinds[i].name))
			continue;
		/* Those without a priority come last; .ctors count the other way. */
		const char *rest = s->name + strlen(kinds[i].name);
		unsigned long priority = 65536;
		if (*rest)
			priority = strtoul(rest + 1, NULL, 10);
		if (*rest && kinds[i].is_old)
			priority = priority > 65535 ? 0 : 65535 - priority;
		if (base_grow(&object->arrays, object->array_count,
			    &object->array_capacity, sizeof(*object->arrays)))
			return -ENOMEM;
		object->arrays[object->array_count++] = (struct object_array){ s->index,
			priority > 65536 ? 65536 : (uint32_t)priority, kinds[i].is_fini,
			kinds[i].is_old };
		return 0;
	}
	return 0;
}

static int by_priority(const void *a, const void *b)
{
	const struct object_array *x = a, *y = b;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	/* .ctors follow, as in the linker's own script. */
	if (x->is_reversed != y->is_reversed)
		return x->is_reversed ? 1 : -1;
	return x->section < y->section ? -1 : 1;
}

/* ---- sections ---- */

static int check_loaded(const struct link_object *object, const struct elf_section *s,
	struct umod_error *error)
{
	if (s->bytes > SECTION_LIMIT)
		return fail(-ELIBBAD, "section %s: sh_size is %#lx", s->name, s->bytes);
	if (s->align & (s->align - 1) || s->align > ALIGN_LIMIT)
		return fail(-ELIBBAD,
			"section %s: sh_addralign is %#lx, no power of two up to 2 MiB",
			s->name, s->align);
	if (s->flags & SHF_COMPRESSED)
		return fail(-ELIBBAD, "section %s: loaded, but compressed", s->name);
	if (s->flags & SHF_TLS && s->flags & SHF_EXECINSTR)
		return fail(-ELIBBAD, "section %s: thread-local and executable", s->name);
	switch (s->type) {
	case SHT_SYMTAB:
	case SHT_STRTAB:
	case SHT_RELA:
	case SHT_REL:
	case SHT_GROUP:
	case SHT_SYMTAB_SHNDX:
		return fail(-ELIBBAD, "section %s: a table of the linker's, but loaded",
			s->name);
	default:
		return 0;
	}
}

static int read_section(struct link_object *object, unsigned index, uint64_t *total,
	struct umod_error *error)
{
	struct object_section *section = &object->sections[index];
	struct elf_section s;
	elf_object_section(&object->file, index, &s);
	section->class = OBJECT_NOWHERE;
	if (strcmp(s.name, ".note.GNU-stack") == 0)
		object->asks_stack |= (s.flags & SHF_EXECINSTR) != 0;
	if (s.type == SHT_NULL || !(s.flags & SHF_ALLOC) || s.flags & SHF_EXCLUDE ||
		section->is_gone)
		return 0;
	int result = check_loaded(object, &s, error);
	if (result)
		return result;
	/* Refused when it is mapped: others may be told before. */
	if (s.flags & SHF_WRITE && s.flags & SHF_EXECINSTR)
		object->writable_code = s.name;
	*total += s.bytes + s.align;
	if (*total > SECTION_LIMIT)
		return fail(-ELIBBAD, "its sections have more than a GiB");
	section->class = class_of(&s);
	section->bytes = s.bytes;
	section->align = s.align ? s.align : 1;
	section->is_tls = s.flags & SHF_TLS;
	section->is_loaded = !(section->is_tls && s.type == SHT_NOBITS);
	section->data = elf_object_data(&object->file, &s, NULL);
	if (!section->data && s.type != SHT_NOBITS && s.bytes)
		return fail(-ELIBBAD, "section %s: is not in the file", s.name);
	section->is_frames =
		section->class == LINK_OBJECT_RODATA && strcmp(s.name, ".eh_frame") == 0;
	if (section->is_loaded && is_kind(s.name, ".data..ro_after_init"))
		object->has_late_seal = true;
	bool is_array = section->class == LINK_OBJECT_RO_AFTER_INIT && !section->is_tls;
	return is_array && add_array(object, &s)
		       ? fail(-ENOMEM, "no memory for its constructors")
		       : 0;
}

/* Each header is read once: the file may be a mapping that changes. */
static int read_relocations(
	struct link_object *object, unsigned index, struct umod_error *error)
{
	struct elf_section s;
	elf_object_section(&object->file, index, &s);
	if (s.type != SHT_RELA && s.type != SHT_REL)
		return 0;
	if (s.info >= object->file.section_count ||
		object->sections[s.info].class == OBJECT_NOWHERE ||
		s.bytes < sizeof(Elf64_Rel))
		return 0;
	if (s.type == SHT_REL)
		return fail(-ENOTSUP,
			"section %s: relocations without addends (SHT_REL), which its "
			"processor does not have",
			s.name);
	if (s.link != object->file.symbols_index)
		return fail(-ELIBBAD,
			"section %s: sh_link is %u, which is not the symbol table",
			s.name, s.link);
	if (!object->sections[s.info].data)
		return fail(-ELIBBAD,
			"section %s: relocates what has no bytes in the file", s.name);
	const uint8_t *entries = elf_object_data(&object->file, &s, error);
	if (!entries)
		return fail(-ELIBBAD, "section %s: is not in the file", s.name);
	if (base_grow(&object->tables, object->table_count, &object->table_capacity,
		    sizeof(*object->tables)))
		return fail(-ENOMEM, "no memory for its relocations");
	object->tables[object->table_count++] =
		(struct object_table){ entries, s.bytes / sizeof(Elf64_Rela), s.info };
	return 0;
}

static int read_sections(struct link_object *object, struct umod_error *error)
{
	uint64_t total = 0;
	int result = object_read_groups(object, object->file.name, error);
	for (unsigned i = 0; !result && i < object->file.section_count; i++)
		result = read_section(object, i, &total, error);
	for (unsigned i = 0; !result && i < object->file.section_count; i++)
		result = read_relocations(object, i, error);
	if (!result && object->array_count)
		qsort(object->arrays, object->array_count, sizeof(*object->arrays),
			by_priority);
	return result;
}

int link_object_open(struct link_image *image, const uint8_t *bytes, uint64_t file_bytes,
	struct umod_error *error)
{
	struct elf_bytes file = { .bytes = bytes, .count = file_bytes };
	struct link_object *object = base_zalloc(sizeof(*object));
	if (!object)
		return base_error(error, UMOD_STAGE_VALIDATE, -ENOMEM, image->path,
			"no memory to link it");
	image->object = object;
	int result = elf_object_open(&object->file, image->path, &file, error);
	if (result)
		return result;
	if (object->file.machine != link_arch_machine)
		return fail(-ENOEXEC, "e_machine: made for %s, this process runs on %s",
			elf_machine_name(object->file.machine),
			elf_machine_name(link_arch_machine));
	object->sections =
		base_array(object->file.section_count, sizeof(*object->sections));
	if (!object->sections)
		return fail(-ENOMEM, "no memory for its sections");
	result = read_sections(object, error);
	if (!result)
		result = elf_object_symbols(&object->file, &object->table, error);
	if (!result)
		result = object_read_symbols(image, object, error);
	image->view.name = image->path;
	image->view.type = ET_REL;
	image->view.machine = object->file.machine;
	image->view.symbolic = true;
	image->view.has_stack_header = true;
	image->view.executable_stack = object->asks_stack;
	return result;
}

void link_object_free(struct link_image *image)
{
	struct link_object *object = image->object;
	if (!object)
		return;
	image->object = NULL;
	base_free(object->sections);
	base_free(object->symbols);
	base_free(object->undefined);
	base_free(object->arrays);
	base_free(object->tables);
	base_free(object->tls);
	base_free(object);
}

void *link_object_address(const struct link_image *image, unsigned index, uint64_t *bytes)
{
	const struct link_object *object = image->object;
	if (!object || index >= object->file.section_count ||
		!object->sections[index].is_loaded || !image->bias)
		return NULL;
	if (bytes)
		*bytes = object->sections[index].bytes;
	return (void *)(image->bias + object->sections[index].vaddr);
}

void *link_object_find(const struct link_image *image, const char *name)
{
	const struct elf_view *view = &image->view;
	size_t length = strlen(name);
	for (uint64_t i = 1; view->type == ET_REL && i < view->symbol_count; i++) {
		const Elf64_Sym *symbol = &view->symbols[i];
		if (symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
			ELF64_ST_TYPE(symbol->st_info) != STT_TLS &&
			elf_view_string_is(view, symbol->st_name, name, length))
			return (void *)(image->bias + symbol->st_value);
	}
	return NULL;
}
