/* SPDX-License-Identifier: MIT */
/*
 * Reads a relocatable object's symbols, once: which section each is in, which are asked
 * of others, which the linker itself provides. Binds none.
 */
#include "link/object/internal.h"

#define COMMON_LIMIT ((uint64_t)1 << 30)
#define LARGE_COMMON 0xff02 /* SHN_X86_64_LCOMMON */

#define fail(code, ...) \
	base_error(error, UMOD_STAGE_VALIDATE, code, object->file.name, __VA_ARGS__)

/*
 * COMMON symbols (gABI, "Symbol Values") have a section of their own: number 0, which is
 * none of the file's.
 */
static int add_common(struct link_object *object, struct object_symbol *symbol,
	const Elf64_Sym *from, const char *name, struct umod_error *error)
{
	struct object_section *common = &object->sections[0];
	if (strcmp(name, "__gnu_lto_slim") == 0)
		return fail(-ENOTSUP, "holds no code, but what -flto puts in its place; "
				      "compile without it, or with -ffat-lto-objects");
	uint64_t align = from->st_value ? from->st_value : 1;
	if (align & (align - 1) || align > BASE_PAGE_BYTES)
		return fail(
			-ELIBBAD, "symbol %s: common, with alignment %#lx", name, align);
	uint64_t at = base_align_up(common->bytes, align);
	if (from->st_size > COMMON_LIMIT || at + from->st_size > COMMON_LIMIT)
		return fail(-ELIBBAD, "symbol %s: common, of %#lx bytes", name,
			from->st_size);
	common->class = LINK_OBJECT_DATA;
	common->is_loaded = true;
	common->bytes = at + from->st_size;
	if (common->align < align)
		common->align = align;
	symbol->kind = OBJECT_HERE;
	symbol->section = 0;
	symbol->value = at;
	return 0;
}

static bool is_loaded_section(
	const struct link_object *object, const char *name, unsigned *index)
{
	struct elf_section s;
	if (!elf_object_find(&object->file, name, &s) ||
		!object->sections[s.index].is_loaded)
		return false;
	*index = s.index;
	return true;
}

/* What ld or crtbegin.o would define. */
static bool provide(
	const struct link_object *object, struct object_symbol *symbol, const char *name)
{
	unsigned index;
	symbol->kind = OBJECT_HERE;
	if (strcmp(name, "_GLOBAL_OFFSET_TABLE_") == 0) {
		symbol->section = OBJECT_SECTION_GOT;
		return true;
	}
	if (strcmp(name, "__dso_handle") == 0) {
		symbol->section = OBJECT_SECTION_START;
		return true;
	}
	bool start = strncmp(name, "__start_", 8) == 0;
	bool stop = strncmp(name, "__stop_", 7) == 0;
	if ((!start && !stop) ||
		!is_loaded_section(object, name + (start ? 8 : 7), &index))
		return false;
	symbol->section = (uint16_t)index;
	symbol->value = start ? 0 : object->sections[index].bytes;
	return true;
}

static int add_undefined(struct link_object *object, uint32_t index,
	const Elf64_Sym *from, const char *name, struct umod_error *error)
{
	struct object_symbol *symbol = &object->symbols[index];
	if (name[0] == '_' && provide(object, symbol, name))
		return 0;
	unsigned visibility = ELF64_ST_VISIBILITY(from->st_other);
	if (visibility != STV_DEFAULT && ELF64_ST_BIND(from->st_info) != STB_WEAK)
		return fail(-ENOSYS,
			"undefined symbol: %s, which is hidden: another "
			"object to be linked with this one defines it",
			name);
	if (visibility != STV_DEFAULT) {
		symbol->kind = OBJECT_ABSOLUTE;
		return 0;
	}
	symbol->kind = OBJECT_UNDEFINED;
	symbol->is_foreign = true;
	symbol->is_ours = object_own_answer(name) != NULL;
	/* Whether calls need one is known when there is an address. */
	if (ELF64_ST_TYPE(from->st_info) != STT_TLS)
		symbol->needs = OBJECT_NEEDS_STUB;
	if (!symbol->is_ours)
		object->undefined[object->undefined_count++] = index;
	return 0;
}

static void set_section(
	struct link_object *object, struct object_symbol *symbol, const Elf64_Sym *from)
{
	const struct object_section *section = &object->sections[from->st_shndx];
	unsigned type = ELF64_ST_TYPE(from->st_info);
	symbol->section = from->st_shndx;
	symbol->value = from->st_value;
	if (section->class == OBJECT_NOWHERE) {
		symbol->kind = OBJECT_GONE;
		return;
	}
	bool is_section = type == STT_SECTION;
	symbol->kind = section->is_tls ? OBJECT_TLS : OBJECT_HERE;
	if (!is_section && (type == STT_TLS) != section->is_tls)
		symbol->kind = OBJECT_BAD;
	symbol->is_ifunc = type == STT_GNU_IFUNC && symbol->kind == OBJECT_HERE;
	symbol->needs = symbol->is_ifunc ? OBJECT_NEEDS_STUB : 0;
	symbol->is_function = type == STT_FUNC;
	symbol->is_unique = ELF64_ST_BIND(from->st_info) == STB_GNU_UNIQUE;
	symbol->is_near =
		symbol->kind == OBJECT_HERE && !symbol->is_ifunc && !symbol->is_unique;
}

/*
 * What address lookups and listings may name: not .L labels, sections and files. Names of
 * functions and data are not looked at: there are many.
 */
static bool is_named(
	const Elf64_Sym *from, const struct object_symbol *symbol, const char *name)
{
	unsigned type = ELF64_ST_TYPE(from->st_info);
	if (symbol->kind != OBJECT_HERE && symbol->kind != OBJECT_ABSOLUTE &&
		symbol->kind != OBJECT_TLS)
		return false;
	if (type == STT_FUNC || type == STT_OBJECT)
		return from->st_name != 0;
	return type != STT_SECTION && type != STT_FILE && name[0] != '\0' &&
	       !(name[0] == '.' && name[1] == 'L');
}

static int read_symbol(
	struct link_object *object, uint32_t index, struct umod_error *error)
{
	struct object_symbol *symbol = &object->symbols[index];
	Elf64_Sym from;
	elf_symbol_read(&object->table, index, &from);
	const char *name = elf_symbol_name(&object->table, &from);
	int result = 0;
	if (!name)
		return fail(-ELIBBAD,
			"st_name of symbol %u: %#x is outside the string table", index,
			from.st_name);
	if (from.st_shndx == SHN_UNDEF) {
		/* Local and undefined there is but the first. */
		if (index < object->table.first_global)
			return 0;
		return add_undefined(object, index, &from, name, error);
	}
	if (from.st_shndx == SHN_ABS) {
		symbol->kind = OBJECT_ABSOLUTE;
		symbol->value = from.st_value;
	} else if (from.st_shndx == SHN_COMMON || from.st_shndx == LARGE_COMMON) {
		result = ELF64_ST_TYPE(from.st_info) == STT_TLS
				 ? fail(-ELIBBAD, "symbol %s: common and thread-local",
					   name)
				 : add_common(object, symbol, &from, name, error);
	} else if (from.st_shndx < object->file.section_count) {
		set_section(object, symbol, &from);
	}
	symbol->is_named = is_named(&from, symbol, name);
	object->named_count += symbol->is_named;
	return result;
}

int object_read_symbols(
	struct link_image *image, struct link_object *object, struct umod_error *error)
{
	uint64_t count = object->table.count;
	if (count >= UINT32_MAX / 4)
		return fail(-ELIBBAD, "it has %lu symbols", count);
	object->symbols = base_array(count + 1, sizeof(*object->symbols));
	object->undefined = base_array(
		count - object->table.first_global + 1, sizeof(*object->undefined));
	if (!object->symbols || !object->undefined)
		return fail(-ENOMEM, "no memory for its %lu symbols", count);
	base_populate(object->symbols, count * sizeof(*object->symbols));
	object->symbols[0].kind = OBJECT_ABSOLUTE;
	int result = 0;
	for (uint32_t i = 1; !result && i < count; i++)
		result = read_symbol(object, i, error);
	return result;
}

void object_number_needs(struct link_object *object)
{
	for (uint64_t i = 0; i < object->table.count; i++) {
		struct object_symbol *symbol = &object->symbols[i];
		if (!symbol->needs)
			continue;
		symbol->got = ++object->got_count;
		if (symbol->needs & OBJECT_NEEDS_STUB)
			symbol->stub = ++object->stub_count;
	}
	for (unsigned i = 0; i < object->tls_count; i++) {
		struct object_tls *tls = &object->tls[i];
		uint32_t *const words[] = { &tls->pair, &tls->descriptor };
		for (unsigned k = 0; k < base_array_count(words); k++)
			if (*words[k]) {
				*words[k] = object->got_count + 1;
				object->got_count += 2;
			}
		if (tls->offset)
			tls->offset = ++object->got_count;
	}
	if (object->module_pair) {
		object->module_pair = object->got_count + 1;
		object->got_count += 2;
	}
}

struct object_tls *object_tls_of(struct link_object *object, uint32_t symbol)
{
	struct object_symbol *s = &object->symbols[symbol];
	if (!s->tls) {
		if (base_grow(&object->tls, object->tls_count, &object->tls_capacity,
			    sizeof(*object->tls)))
			return NULL;
		object->tls[object->tls_count++] =
			(struct object_tls){ .symbol = symbol };
		s->tls = object->tls_count;
	}
	return &object->tls[s->tls - 1];
}

/* Called when every section has its place: from the bias. */
void object_place_symbols(struct link_image *image, struct link_object *object)
{
	for (uint64_t i = 1; i < object->table.count; i++) {
		struct object_symbol *symbol = &object->symbols[i];
		if (symbol->kind == OBJECT_TLS)
			symbol->value += object->sections[symbol->section].tls_offset;
		if (symbol->kind != OBJECT_HERE)
			continue;
		symbol->value += symbol->section == OBJECT_SECTION_GOT ? object->got_vaddr
				 : symbol->section == OBJECT_SECTION_START
					 ? image->view.span_start
					 : object->sections[symbol->section].vaddr;
	}
}
