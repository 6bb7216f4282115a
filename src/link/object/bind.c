/* SPDX-License-Identifier: MIT */
/*
 * Binds a relocatable object: finds what it does not define, fills the GOT and the stubs,
 * and has the processor's file apply the relocations. Everything is still writable.
 */
#include "link/object/internal.h"

/* ---- relocations ---- */

int object_each_table(struct link_image *image, int (*visit)(struct object_place *place),
	enum umod_stage stage, struct umod_error *error)
{
	struct link_object *object = image->object;
	int result = 0;
	for (unsigned i = 0; !result && i < object->table_count; i++) {
		const struct object_table *table = &object->tables[i];
		struct object_place place = { .image = image,
			.object = object,
			.section = &object->sections[table->target],
			.section_index = table->target,
			.relocations = { table->entries, table->count, table->target },
			.stage = stage,
			.error = error };
		result = visit(&place);
	}
	return result;
}

/* A symbol's name, or that of the section that it stands for. */
static const char *name_of(const struct link_object *object, uint32_t index)
{
	struct elf_section s;
	Elf64_Sym symbol;
	if (index == 0 || index >= object->table.count)
		return NULL;
	elf_symbol_read(&object->table, index, &symbol);
	if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION &&
		symbol.st_shndx < object->file.section_count) {
		elf_object_section(&object->file, symbol.st_shndx, &s);
		return s.name;
	}
	return elf_symbol_name(&object->table, &symbol);
}

int object_reloc_failed(const struct object_place *place, const Elf64_Rela *rela,
	int code, const char *what)
{
	const char *name = name_of(place->object, (uint32_t)ELF64_R_SYM(rela->r_info));
	struct elf_section s;
	elf_object_section(&place->object->file, place->section_index, &s);
	return base_error(place->error, place->stage, code, place->image->path,
		"%s+%#lx: %s%s%s: %s", s.name, rela->r_offset,
		link_reloc_name((uint32_t)ELF64_R_TYPE(rela->r_info)),
		name ? " for " : "", name ? name : "", what);
}

/* ---- symbols ---- */

static int symbol_failed(
	const struct link_binder *b, uint32_t index, int code, const char *what)
{
	const char *name = name_of(b->image->object, index);
	return base_error(b->error, UMOD_STAGE_BIND, code, b->image->path,
		"symbol %s: %s", name ? name : "?", what);
}

/*
 * The word of the GOT is written once resolvers can run; until then, and for what is no
 * call through the GOT, a stub that jumps there is meant.
 */
static int defer(struct link_binder *b, uint32_t index, const Elf64_Rela *rela,
	const struct link_definition *definition)
{
	struct link_image *image = b->image;
	const struct link_object *object = image->object;
	struct object_symbol *symbol = &object->symbols[index];
	if (!symbol->stub)
		return symbol_failed(b, index, -ENOTSUP,
			"an indirect function of an image that is not bound yet");
	if (base_grow(&image->deferred, image->deferred_count, &image->deferred_capacity,
		    sizeof(*image->deferred)))
		return symbol_failed(b, index, -ENOMEM, "no memory");
	image->deferred[image->deferred_count++] =
		(struct link_deferred){ *rela, *definition };
	symbol->is_deferred = true;
	symbol->value = image->bias + object->stubs_vaddr +
			OBJECT_STUB_BYTES * (uint64_t)(symbol->stub - 1);
	return 0;
}

static uint64_t word_vaddr(const struct link_object *object, uint32_t word)
{
	return object->got_vaddr + 8 * (uint64_t)(word - 1);
}

/* An indirect function of another image: resolved now if its code can run. */
static int set_ifunc(
	struct link_binder *b, uint32_t index, const struct link_definition *d)
{
	struct object_symbol *symbol = &b->image->object->symbols[index];
	uint64_t address = link_plain_address(d);
	if (!d->image->bound) {
		const Elf64_Rela rela = { .r_offset = word_vaddr(
						  b->image->object, symbol->got),
			.r_info = ELF64_R_INFO(0, (uint64_t)link_arch_object_word) };
		return defer(b, index, &rela, d);
	}
	if (d->image->home != LINK_HOME_HOST &&
		!elf_view_is_code(&d->image->view, d->symbol->st_value))
		return symbol_failed(
			b, index, -ELIBBAD, "its resolver is in no executable segment");
	symbol->value =
		b->options->no_resolvers ? address : ((uint64_t(*)(void))address)();
	return 0;
}

static int set_tls(struct link_binder *b, uint32_t index, const struct link_definition *d)
{
	struct link_object *object = b->image->object;
	struct object_symbol *symbol = &object->symbols[index];
	symbol->kind = OBJECT_TLS;
	if (d->image && (!d->symbol || !d->image->tls_id ||
				ELF64_ST_TYPE(d->symbol->st_info) != STT_TLS))
		return symbol_failed(b, index, -ELIBBAD,
			"thread-local access to what is not thread-local");
	object->tls[symbol->tls - 1].image = d->image;
	symbol->value = d->symbol ? d->symbol->st_value : 0;
	return 0;
}

static int set_symbol(
	struct link_binder *b, uint32_t index, const struct link_definition *d)
{
	struct object_symbol *symbol = &b->image->object->symbols[index];
	unsigned type = d->symbol ? ELF64_ST_TYPE(d->symbol->st_info) : STT_NOTYPE;
	symbol->value = 0;
	if (symbol->tls)
		return set_tls(b, index, d);
	symbol->kind = type == STT_TLS ? OBJECT_BAD : OBJECT_ABSOLUTE;
	if (!d->image || type == STT_TLS)
		return 0; /* weak; or nothing that a plain relocation can mean */
	symbol->is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
	if (link_is_ifunc(d) && !(d->image->substitute_count &&
					link_substitute(d->image, d->symbol_index)))
		return set_ifunc(b, index, d);
	symbol->value = link_plain_address(d);
	return 0;
}

/* As libc_nonshared.a has it: the function goes with the image that it lies in. */
static int own_atexit(void (*function)(void))
{
	static int (*keep)(void (*)(void *), void *, void *);
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)function);
	void *handle = image ? (void *)image->start : NULL;
	base_reader_leave(reader);
	if (!keep)
		keep = (int (*)(void (*)(void *), void *, void *))link_host_symbol(
			"__cxa_atexit");
	return keep ? keep((void (*)(void *))function, NULL, handle) : -1;
}

void *object_own_answer(const char *name)
{
	if (!name)
		return NULL;
	if (strcmp(name, "__tls_get_addr") == 0)
		return (void *)link_tls_get_addr;
	return strcmp(name, "atexit") == 0 ? (void *)own_atexit : NULL;
}

static int resolve(struct link_binder *b)
{
	const struct link_object *object = b->image->object;
	int result = 0;
	for (uint32_t i = 0; !result && i < object->undefined_count; i++) {
		Elf64_Rela ahead[LINK_AHEAD];
		struct link_definition definition;
		if (i % LINK_AHEAD == 0) {
			uint32_t n = object->undefined_count - i;
			n = n < LINK_AHEAD ? n : LINK_AHEAD;
			for (uint32_t k = 0; k < n; k++)
				ahead[k].r_info = ELF64_R_INFO((uint64_t)i + k + 1, 0);
			link_look_ahead(b, ahead, n);
		}
		result = link_resolve(b, i + 1, false, &definition);
		if (!result)
			result = set_symbol(b, object->undefined[i], &definition);
	}
	b->image->symbolic_done += object->undefined_count;
	return result;
}

/* STB_GNU_UNIQUE: what the namespace uses already is meant, if this object offers it. */
static int set_unique(struct link_binder *b, uint32_t index)
{
	struct object_symbol *symbol = &b->image->object->symbols[index];
	const struct link_bind_options *options = b->options;
	const char *name = name_of(b->image->object, index);
	struct elf_reference reference;
	struct link_definition d;
	if (!name || !options->unique)
		return 0;
	link_reference(&reference, name, NULL);
	if (!link_image_find(b->image, &reference, &d))
		return 0;
	/* By the name in the view: the file's may change. */
	int result = options->unique(
		&d, elf_view_string(&b->image->view, d.symbol->st_name), options->data);
	if (!result && d.image != b->image && options->depend)
		result = options->depend(b->image, d.image, options->data);
	if (result)
		return symbol_failed(b, index, result, "no memory");
	if (d.image == b->image || ELF64_ST_TYPE(d.symbol->st_info) == STT_TLS)
		return 0;
	symbol->kind = OBJECT_ABSOLUTE;
	symbol->value = link_plain_address(&d);
	return 0;
}

static int set_own_ifunc(struct link_binder *b, uint32_t index)
{
	const struct link_object *object = b->image->object;
	const struct object_symbol *symbol = &object->symbols[index];
	uint64_t vaddr = symbol->value - b->image->bias;
	if (!elf_view_is_code(&b->image->view, vaddr))
		return symbol_failed(
			b, index, -ELIBBAD, "its resolver is in no executable segment");
	const Elf64_Rela rela = { .r_offset = word_vaddr(object, symbol->got),
		.r_addend = (int64_t)vaddr };
	return defer(b, index, &rela, &(struct link_definition){ 0 });
}

/* Addresses of what the object defines; few of them have a meaning of their own. */
static int resolve_own(struct link_binder *b)
{
	struct link_object *object = b->image->object;
	int result = 0;
	for (uint32_t i = 1; !result && i < object->table.count; i++) {
		struct object_symbol *symbol = &object->symbols[i];
		if (base_unlikely(symbol->is_ours)) {
			symbol->kind = OBJECT_ABSOLUTE;
			symbol->is_function = true;
			symbol->value = (uintptr_t)object_own_answer(name_of(object, i));
		}
		if (symbol->kind != OBJECT_HERE)
			continue;
		symbol->value += b->image->bias;
		if (base_unlikely(symbol->is_unique))
			result = set_unique(b, i);
		if (base_unlikely(symbol->is_ifunc && symbol->stub))
			result = set_own_ifunc(b, i);
	}
	return result;
}

/* ---- what the linker adds ---- */

static void fill_words(struct link_image *image)
{
	const struct link_object *object = image->object;
	uint64_t got = image->bias + object->got_vaddr - 8;
	uint64_t stubs = image->bias + object->stubs_vaddr - OBJECT_STUB_BYTES;
	uint64_t left = object->got_count;
	for (uint64_t i = 0; left && i < object->table.count; i++) {
		const struct object_symbol *symbol = &object->symbols[i];
		if (!symbol->got)
			continue;
		left--;
		uint64_t word = got + 8 * (uint64_t)symbol->got;
		if (!symbol->is_deferred)
			link_put64((void *)word, symbol->value);
		if (symbol->stub) {
			uint64_t at = stubs + OBJECT_STUB_BYTES * (uint64_t)symbol->stub;
			link_arch_object_stub((void *)at, at, word);
		}
	}
}

static int thread_offset(struct link_binder *b, uint32_t index, struct link_image *image)
{
	if (image->tls_static)
		return 0;
	if (image->home == LINK_HOME_HOST)
		return symbol_failed(b, index, -ENOMEM,
			"initial-exec access to a library whose storage ld.so placed "
			"dynamically");
	return link_tls_make_static(image, b->error);
}

/* Its image first gets a fixed place where code counts on one. */
static int fill_tls_words(struct link_binder *b, struct object_tls *tls)
{
	struct link_image *image = b->image;
	const struct link_object *object = image->object;
	const struct object_symbol *symbol = &object->symbols[tls->symbol];
	uint8_t *got = (uint8_t *)(image->bias + object->got_vaddr - 8);
	int result = 0;
	if (!symbol->is_foreign)
		tls->image = image;
	if (symbol->kind != OBJECT_TLS)
		return symbol_failed(b, tls->symbol, -ELIBBAD,
			"thread-local access to what is not thread-local");
	if (tls->image && (tls->offset || tls->is_static))
		result = thread_offset(b, tls->symbol, tls->image);
	if (result)
		return result;
	if (tls->offset)
		link_put64(got + 8 * (uint64_t)tls->offset,
			tls->image ? (uint64_t)tls->image->tls_offset + symbol->value
				   : 0);
	if (tls->pair) {
		link_put64(got + 8 * (uint64_t)tls->pair,
			tls->image ? tls->image->tls_id : 0);
		link_put64(got + 8 * (uint64_t)tls->pair + 8, symbol->value);
	}
	if (!tls->descriptor)
		return 0;
	uint64_t *descriptor = (void *)(got + 8 * (uint64_t)tls->descriptor);
	if (tls->image)
		return link_tls_descriptor(
			tls->image, symbol->value, descriptor, b->error);
	link_tls_descriptor_undefined(0, descriptor);
	return 0;
}

static int fill_tls(struct link_binder *b)
{
	struct link_image *image = b->image;
	struct link_object *object = image->object;
	int result = 0;
	if (object->needs_static_tls)
		result = link_tls_make_static(image, b->error);
	for (unsigned i = 0; !result && i < object->tls_count; i++)
		result = fill_tls_words(b, &object->tls[i]);
	if (!result && object->module_pair && !image->tls_id)
		return base_error(b->error, UMOD_STAGE_BIND, -ELIBBAD, image->path,
			"local-dynamic code, but no thread-local storage of its own");
	if (!result && object->module_pair) {
		uint8_t *at = (uint8_t *)(image->bias +
					  word_vaddr(object, object->module_pair));
		link_put64(at, image->tls_id);
		link_put64(at + 8, 0);
	}
	return result;
}

/* Pointers to constructors and destructors, from their sections, in order. */
static void fill_arrays(struct link_image *image)
{
	const struct link_object *object = image->object;
	uint64_t init = image->bias + object->init_vaddr;
	uint64_t fini = image->bias + object->fini_vaddr;
	for (unsigned i = 0; i < object->array_count; i++) {
		const struct object_array *array = &object->arrays[i];
		const struct object_section *s = &object->sections[array->section];
		uint64_t *to = array->is_fini ? &fini : &init, count = s->bytes / 8;
		const uint8_t *from = (const void *)(image->bias + s->vaddr);
		for (uint64_t k = 0; k < count; k++, *to += 8) {
			uint64_t at = array->is_reversed ? count - 1 - k : k;
			memcpy((void *)*to, from + 8 * at, 8);
		}
	}
}

int link_object_bind(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error)
{
	struct link_binder b;
	link_binder_start(&b, image, options, error);
	int result = link_resolve_begin(&b);
	if (!result)
		result = resolve(&b);
	link_resolve_end(&b);
	if (!result)
		result = resolve_own(&b);
	if (!result)
		result = fill_tls(&b);
	if (result)
		return result;
	fill_words(image);
	result = object_each_table(image, link_arch_object_apply, UMOD_STAGE_BIND, error);
	if (result)
		return result;
	fill_arrays(image);
	object_fill_frames(image, image->object);
	base_trace(BASE_TRACE_RELOC, "%s: %lu relocations, %u names of others",
		image->path, image->symbolic_done, image->object->undefined_count);
	return 0;
}
