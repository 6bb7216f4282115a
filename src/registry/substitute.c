/* SPDX-License-Identifier: MIT */
/*
 * What stands in place of symbols of the C library for umod's images: umod's own answers
 * (__tls_get_addr and the like), and what the program put in the C library's place:
 * variables that it copied (COPY relocations), its malloc, a sanitizer's interceptors.
 * One heap and one stdio in a process depend on it.
 */
#include "registry/registry.h"

#include <stdlib.h>

static const char *const allocator_names[] = { "malloc", "free", "calloc", "realloc",
	"memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc",
	"malloc_usable_size", "reallocarray", "cfree", "mallinfo", "mallinfo2", "mallopt",
	"malloc_trim", "malloc_stats", "malloc_info" };

static int add(struct registry_host_object *object, uint32_t symbol, void *address)
{
	for (unsigned i = 0; i < object->substitute_count; i++)
		if (object->substitutes[i].symbol_index == symbol)
			return 0; /* the first in the host's order counts */
	if (base_grow(&object->substitutes, object->substitute_count,
		    &object->substitute_capacity, sizeof(*object->substitutes)))
		return -ENOMEM;
	object->substitutes[object->substitute_count++] =
		(struct link_substitute){ symbol, address };
	return 0;
}

/* In every object of the family after @from that defines @name. */
static int put_in_place(
	struct registry_host_object *from, const char *name, void *address)
{
	uint32_t indices[8];
	for (struct registry_host_object *o = from; o; o = o->next) {
		if (!o->is_family || !o->at_start)
			continue;
		unsigned count = elf_view_find_all(
			&o->image.view, name, indices, base_array_count(indices));
		for (unsigned i = 0; i < count; i++)
			if (add(o, indices[i], address))
				return -ENOMEM;
	}
	return 0;
}

static void *definition(const struct registry_host_object *object, const char *name)
{
	struct elf_reference reference;
	link_reference(&reference, name, NULL);
	uint32_t index = elf_view_find(&object->image.view, &reference);
	const Elf64_Sym *symbol = &object->image.view.symbols[index];
	if (!index || ELF64_ST_TYPE(symbol->st_info) == STT_TLS ||
		ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC)
		return NULL;
	return (void *)(object->image.bias + symbol->st_value);
}

/* The program's copies of the C library's variables are the only ones in use. */
static int add_copies(struct registry_host_object *program)
{
	const struct elf_view *view = &program->image.view;
	for (uint64_t i = view->relative_count; i < view->rela_count; i++) {
		uint32_t type = ELF64_R_TYPE(view->rela[i].r_info);
		uint32_t symbol = ELF64_R_SYM(view->rela[i].r_info);
		if (type >= link_arch_reloc_count ||
			link_arch_relocs[type] != LINK_RELOC_COPY ||
			symbol >= view->symbol_limit)
			continue;
		const char *name = elf_view_string(view, view->symbols[symbol].st_name);
		void *address = (void *)(program->image.bias + view->rela[i].r_offset);
		if (name && put_in_place(program->next, name, address))
			return -ENOMEM;
	}
	return 0;
}

static bool is_interceptor(const struct registry_host_object *object)
{
	return strstr(object->soname, "san.so") || definition(object, "__asan_init") ||
	       definition(object, "__tsan_init") || definition(object, "__msan_init");
}

static int add_intercepted(struct registry_host_object *object)
{
	const struct elf_view *view = &object->image.view;
	for (uint32_t i = 1; i < view->symbol_count; i++) {
		const Elf64_Sym *symbol = &view->symbols[i];
		const char *name = elf_view_string(view, symbol->st_name);
		if (name && elf_symbol_is_definition(symbol) &&
			ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
			put_in_place(object->next, name,
				(void *)(object->image.bias + symbol->st_value)))
			return -ENOMEM;
	}
	return 0;
}

static int add_allocator(struct registry_host_object *object)
{
	for (unsigned i = 0; i < base_array_count(allocator_names); i++) {
		void *address = definition(object, allocator_names[i]);
		if (address && put_in_place(object->next, allocator_names[i], address))
			return -ENOMEM;
	}
	return 0;
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = ((const struct link_substitute *)a)->symbol_index;
	uint32_t y = ((const struct link_substitute *)b)->symbol_index;
	return x < y ? -1 : x > y;
}

int registry_substitute(
	struct registry_host_object *first, const struct registry_answer *answers)
{
	int result = 0;
	for (const struct registry_answer *a = answers; !result && a && a->name; a++)
		result = put_in_place(first, a->name, a->address);
	for (struct registry_host_object *o = first; !result && o; o = o->next) {
		if (!o->at_start)
			continue;
		if (strcmp(o->soname, "libc.so.6") == 0)
			break; /* what follows cannot come before it */
		if (o == first)
			result = add_copies(o);
		if (!result && is_interceptor(o))
			result = add_intercepted(o);
		if (!result)
			result = add_allocator(o);
	}
	for (struct registry_host_object *o = first; o; o = o->next)
		if (o->substitute_count)
			qsort(o->substitutes, o->substitute_count,
				sizeof(*o->substitutes), by_index);
	return result;
}

/*
 * A private image that brings a malloc of its own, unknown to the family by name: what
 * its namespace calls must still be the process's, for the C library frees what others
 * allocated. @first: the host's objects in order.
 */
int registry_substitute_private(
	struct registry_host_object *first, struct link_image *image)
{
	struct link_substitute found[base_array_count(allocator_names)];
	unsigned count = 0;
	for (unsigned i = 0; i < base_array_count(allocator_names); i++) {
		struct elf_reference reference;
		link_reference(&reference, allocator_names[i], NULL);
		uint32_t index = elf_view_find(&image->view, &reference);
		void *address = NULL;
		if (i == 0 && !index)
			return 0; /* nearly all */
		for (struct registry_host_object *o = first; index && o && !address;
			o = o->next)
			if (o->at_start)
				address = definition(o, allocator_names[i]);
		if (address)
			found[count++] = (struct link_substitute){ index, address };
	}
	if (!count)
		return 0;
	struct link_substitute *list = base_array(count, sizeof(*list));
	if (!list)
		return -ENOMEM;
	memcpy(list, found, count * sizeof(*list));
	qsort(list, count, sizeof(*list), by_index);
	image->substitutes = list; /* freed with the module */
	image->substitute_count = count;
	return 0;
}
