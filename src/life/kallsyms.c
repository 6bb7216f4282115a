/* SPDX-License-Identifier: MIT */
/*
 * The symbols of modules, in the forms of /proc/kallsyms and of the old /proc/ksyms: what
 * an image's view has, which of a shared object are its dynamic symbols. What the host
 * lends comes first, as the kernel's own.
 */
#include "life/life.h"

#include <inttypes.h>
#include <stdlib.h>

struct symbol {
	uintptr_t address;
	const char *name; /* in the image, which the lock keeps */
	char letter;      /* of nm, in lower case */
	bool is_exported;
};

struct symbols {
	struct symbol *items;
	unsigned count, capacity;
};

static int add(struct symbols *symbols, struct symbol symbol)
{
	if (base_grow(
		    &symbols->items, symbols->count, &symbols->capacity, sizeof(symbol)))
		return -ENOMEM;
	symbols->items[symbols->count++] = symbol;
	return 0;
}

/* As the kernel's elf_type; 'u', unique, is nm's. */
static char letter_of(const struct umod_module *module, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	if (ELF64_ST_BIND(symbol->st_info) == STB_WEAK)
		return type == STT_OBJECT ? 'v' : 'w';
	if (ELF64_ST_BIND(symbol->st_info) == STB_GNU_UNIQUE)
		return 'u';
	if (symbol->st_shndx == SHN_ABS)
		return 'a';
	if (type == STT_GNU_IFUNC)
		return 't';
	const struct life_section *section =
		life_section_at(module, module->image.bias + symbol->st_value);
	if (!section)
		return '?';
	if (section->flags & SHF_EXECINSTR)
		return 't';
	if (section->type == SHT_NOBITS)
		return 'b';
	return section->flags & SHF_WRITE ? 'd' : 'r';
}

bool life_is_exported(const struct life *life, const Elf64_Sym *symbol, const char *name)
{
	if (!elf_symbol_is_definition(symbol))
		return false;
	return !life->about.offers_exports_alone ||
	       module_description_export(&life->about, name);
}

static bool is_shown(const struct umod_module *module, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	uintptr_t address = module->image.bias + symbol->st_value;
	if (symbol->st_shndx == SHN_UNDEF || type == STT_SECTION || type == STT_FILE ||
		type == STT_TLS)
		return false;
	/* What was there for init alone has gone. */
	return symbol->st_shndx == SHN_ABS ||
	       (address >= module->image.start && address < module->image.end);
}

static int gather(struct umod_module *module, struct symbols *out)
{
	const struct elf_view *view = &module->image.view;
	int result = 0;
	for (uint64_t i = 1; !result && i < view->symbol_count; i++) {
		Elf64_Sym symbol = view->symbols[i];
		const char *name = elf_view_string(view, symbol.st_name);
		if (!name || !name[0] || !is_shown(module, &symbol))
			continue;
		bool absolute = symbol.st_shndx == SHN_ABS;
		result =
			add(out, (struct symbol){ (absolute ? 0 : module->image.bias) +
							  symbol.st_value,
					 name, letter_of(module, &symbol),
					 life_is_exported(module->life, &symbol, name) });
	}
	return result;
}

/* A function or data of the program's, as far as its image tells. */
static char letter_of_host(const void *address)
{
	struct base_reader *reader = base_reader_enter();
	const struct link_image *image = link_address_find((uintptr_t)address);
	unsigned segment = 0;
	char letter = '?';
	if (image && elf_view_in_memory(&image->view, (uintptr_t)address - image->bias, 1,
			     &segment)) {
		uint32_t flags = image->view.segments[segment].flags;
		letter = flags & PF_X ? 't' : flags & PF_W ? 'd' : 'r';
	}
	base_reader_leave(reader);
	return letter;
}

static int gather_host(const struct life_space *life, struct symbols *out)
{
	int result = 0;
	for (size_t i = 0;
		life && life->exports.entries && !result && i <= life->exports.mask;
		i++) {
		const struct umod_host_export *item = life->exports.entries[i].value;
		if (!item || (void *)item == BASE_MAP_GONE)
			continue;
		result = add(out, (struct symbol){ (uintptr_t)item->address, item->name,
					  letter_of_host(item->address), true });
	}
	return result;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	int order = (x->address > y->address) - (x->address < y->address);
	return order ? order : strcmp(x->name, y->name);
}

static void print_name(FILE *out, const char *name)
{
	for (; *name; name++)
		putc((unsigned char)*name <= ' ' || *name == 0x7f ? '?' : *name, out);
}

static void print(FILE *out, struct symbols *symbols, const char *module, bool all)
{
	if (symbols->count)
		qsort(symbols->items, symbols->count, sizeof(*symbols->items),
			by_address);
	for (unsigned i = 0; i < symbols->count; i++) {
		const struct symbol *s = &symbols->items[i];
		if (!all && !s->is_exported)
			continue;
		fprintf(out, all ? "%016" PRIxPTR " " : "%08" PRIxPTR " ", s->address);
		bool upper = s->is_exported && s->letter != '?';
		if (all)
			fprintf(out, "%c ", upper ? s->letter - 'a' + 'A' : s->letter);
		print_name(out, s->name);
		if (module)
			fprintf(out, "\t[%s]", module);
		putc('\n', out);
	}
	symbols->count = 0;
}

int life_print_symbols(struct umod_namespace *space, FILE *out, bool all)
{
	struct symbols symbols = { 0 };
	registry_lock();
	int result = gather_host(space->life, &symbols);
	if (!result)
		print(out, &symbols, NULL, all);
	for (struct umod_module *m = space->last; m && !result; m = m->previous) {
		if (!life_is_seen(m))
			continue;
		result = gather(m, &symbols);
		if (!result)
			print(out, &symbols, m->life->name, all);
	}
	registry_unlock();
	base_free(symbols.items);
	return result;
}
