/* SPDX-License-Identifier: MIT */
/*
 * Applies relocations. Which symbol is meant is resolve.c's question; which number of the
 * processor means which neutral relocation is arch/'s. Every place that is written is
 * checked to lie in a writable segment.
 */
#include "link/bind.h"
#include "link/object/object.h"

static uint32_t depend_marks; /* last one given out; under the load lock */

static const char *symbol_name(const struct elf_view *view, uint64_t index)
{
	const char *name = index < view->symbol_limit
				   ? elf_view_string(view, view->symbols[index].st_name)
				   : NULL;
	/* The table may have lost its end since it was checked. */
	size_t room = name ? view->string_bytes - (uint64_t)(name - view->strings) : 0;
	return name && memchr(name, 0, room) ? name : "?";
}

int link_reloc_failed(
	const struct link_binder *b, const Elf64_Rela *rela, int code, const char *what)
{
	uint32_t symbol = ELF64_R_SYM(rela->r_info);
	return base_error(b->error, UMOD_STAGE_BIND, code, b->image->path,
		"%s at offset %#lx%s%s: %s", link_reloc_name(ELF64_R_TYPE(rela->r_info)),
		rela->r_offset, symbol ? " for " : "",
		symbol ? symbol_name(b->view, symbol) : "", what);
}

/*
 * Makes [low, low + room] the writable places of @bytes around @offset. The common case,
 * the same segment as before, is tested by the caller.
 */
static int find_room(struct link_binder *b, uint64_t offset, uint64_t bytes)
{
	const struct elf_view *view = b->view;
	unsigned at;
	if (!elf_view_in_memory(view, offset, bytes, &at))
		return -ELIBBAD;
	const struct elf_segment *s = &view->segments[at];
	if (!(s->flags & PF_W) && !view->text_relocations)
		return -EPERM;
	b->low = s->vaddr;
	b->room = s->memory_bytes - 8; /* wraps for a tiny segment: see link_in_room */
	if (s->memory_bytes < 8)
		b->room = 0;
	return 0;
}

int link_check_other_place(struct link_binder *b, const Elf64_Rela *rela, uint64_t bytes)
{
	int result = find_room(b, rela->r_offset, bytes);
	if (result == -ELIBBAD)
		return link_reloc_failed(b, rela, result, "r_offset lies in no segment");
	if (result)
		return link_reloc_failed(b, rela, result,
			"r_offset lies in a segment that is not writable, and DT_TEXTREL "
			"is not set");
	return 0;
}

/* ---- symbolic ---- */

/* Until the functions that resolve others can run, so text is not writable any more. */
static int defer(struct link_binder *b, const Elf64_Rela *rela,
	const struct link_definition *definition)
{
	struct link_image *image = b->image;
	unsigned at;
	if (!elf_view_in_memory(b->view, rela->r_offset, 1, &at) ||
		!(b->view->segments[at].flags & PF_W))
		return link_reloc_failed(
			b, rela, -ENOTSUP, "a text relocation to an indirect function");
	if (base_grow(&image->deferred, image->deferred_count, &image->deferred_capacity,
		    sizeof(*image->deferred)))
		return link_reloc_failed(b, rela, -ENOMEM, "no memory");
	image->deferred[image->deferred_count++] =
		(struct link_deferred){ *rela, *definition };
	return 0;
}

uint64_t link_plain_address(const struct link_definition *d)
{
	if (!d->symbol)
		return (uint64_t)d->address;
	if (base_unlikely(d->image->substitute_count)) {
		void *other = link_substitute(d->image, d->symbol_index);
		if (other)
			return (uint64_t)other;
	}
	return d->symbol->st_value +
	       (d->symbol->st_shndx == SHN_ABS ? 0 : d->image->bias);
}

bool link_is_ifunc(const struct link_definition *d)
{
	return d->symbol && ELF64_ST_TYPE(d->symbol->st_info) == STT_GNU_IFUNC &&
	       d->symbol->st_shndx != SHN_UNDEF;
}

static uint64_t call_resolver(const struct link_bind_options *options, uint64_t address)
{
	return options->no_resolvers ? address : ((uint64_t(*)(void))address)();
}

static int store_sized(struct link_binder *b, const Elf64_Rela *rela, uint64_t value,
	unsigned bytes, bool is_signed)
{
	uint8_t *at = (uint8_t *)(b->bias + rela->r_offset);
	int64_t s = (int64_t)value;
	unsigned bits = bytes * 8;
	bool fits = bits == 64 || (is_signed ? s >= -((int64_t)1 << (bits - 1)) &&
							  s < (int64_t)1 << (bits - 1)
					     : value < (uint64_t)1 << bits);
	if (!fits)
		return link_reloc_failed(b, rela, -ERANGE,
			"the target is out of this relocation's reach; compile with "
			"-fPIC");
	memcpy(at, &value, bytes);
	return 0;
}

static int copy_data(
	struct link_binder *b, const Elf64_Rela *rela, const struct link_definition *d)
{
	const Elf64_Sym *own = &b->view->symbols[ELF64_R_SYM(rela->r_info)];
	if (!d->image || !d->symbol || d->image == b->image)
		return link_reloc_failed(b, rela, -ENOSYS, "nothing to copy from");
	uint64_t bytes =
		own->st_size < d->symbol->st_size ? own->st_size : d->symbol->st_size;
	unsigned at;
	if (!elf_view_in_memory(b->view, rela->r_offset, bytes, &at) ||
		!(b->view->segments[at].flags & PF_W))
		return link_reloc_failed(
			b, rela, -ELIBBAD, "the copy lies in no writable segment");
	if (!elf_view_in_memory(&d->image->view, d->symbol->st_value, bytes, NULL))
		return link_reloc_failed(
			b, rela, -ELIBBAD, "the original lies in no segment");
	memcpy((void *)(b->bias + rela->r_offset), (void *)link_plain_address(d), bytes);
	return 0;
}

/* The offset of the storage of @d's image from the thread pointer. */
static int thread_offset(struct link_binder *b, const Elf64_Rela *rela,
	const struct link_definition *d, uint64_t *offset)
{
	struct link_image *image = d->image;
	if (!image->tls_static && image->home == LINK_HOME_HOST)
		return link_reloc_failed(b, rela, -ENOMEM,
			"initial-exec access to a library whose storage ld.so placed "
			"dynamically");
	if (!image->tls_static) {
		if (!image->tls_id)
			return link_reloc_failed(b, rela, -ELIBBAD,
				"thread-local access to an image without PT_TLS");
		int result = link_tls_make_static(image, b->error);
		if (result)
			return result;
	}
	*offset = (uint64_t)image->tls_offset;
	return 0;
}

static int apply_tls(struct link_binder *b, const Elf64_Rela *rela, enum link_reloc kind,
	const struct link_definition *d)
{
	uint64_t *at = link_word(b, rela->r_offset), offset = 0;
	uint64_t value = (d->symbol ? d->symbol->st_value : 0) + (uint64_t)rela->r_addend;
	int result;
	if (d->image && !d->symbol)
		return link_reloc_failed(
			b, rela, -ELIBBAD, "a lent symbol is not thread-local");
	if (d->image && !d->image->tls_id)
		return link_reloc_failed(b, rela, -ELIBBAD,
			"thread-local access to an image without PT_TLS");
	switch (kind) {
	case LINK_RELOC_TLS_ID:
		link_put64(at, d->image ? d->image->tls_id : 0);
		return 0;
	case LINK_RELOC_TLS_OFFSET:
		link_put64(at, d->image ? value : 0);
		return 0;
	case LINK_RELOC_TLS_OFFSET32:
		return store_sized(b, rela, d->image ? value : 0, 4, true);
	case LINK_RELOC_TLS_DESCRIPTOR:
		if (!elf_view_in_memory(b->view, rela->r_offset, 16, NULL))
			return link_reloc_failed(
				b, rela, -ELIBBAD, "r_offset lies in no segment");
		if (d->image)
			return link_tls_descriptor(d->image, value, at, b->error);
		link_tls_descriptor_undefined((uint64_t)rela->r_addend, at);
		return 0;
	default: /* TP_OFFSET, TP_OFFSET32 */
		result = d->image ? thread_offset(b, rela, d, &offset) : 0;
		if (result)
			return result;
		offset += value;
		if (kind == LINK_RELOC_TP_OFFSET) {
			link_put64(at, offset);
			return 0;
		}
		return store_sized(b, rela, offset, 4, true);
	}
}

static int apply_value(struct link_binder *b, const Elf64_Rela *rela,
	enum link_reloc kind, const struct link_definition *d, uint64_t s)
{
	uint64_t a = (uint64_t)rela->r_addend, p = b->bias + rela->r_offset;
	uint64_t size = d->symbol ? d->symbol->st_size : 0;
	switch (kind) {
	case LINK_RELOC_GOT:
	case LINK_RELOC_PLT:
		link_put64((void *)p, s);
		return 0;
	case LINK_RELOC_WORD:
		link_put64((void *)p, s + a);
		return 0;
	case LINK_RELOC_PC64:
		link_put64((void *)p, s + a - p);
		return 0;
	case LINK_RELOC_SIZE64:
		link_put64((void *)p, size + a);
		return 0;
	case LINK_RELOC_WORD32:
		return store_sized(b, rela, s + a, 4, false);
	case LINK_RELOC_SWORD32:
		return store_sized(b, rela, s + a, 4, true);
	case LINK_RELOC_WORD16:
		return store_sized(b, rela, s + a, 2, false);
	case LINK_RELOC_WORD8:
		return store_sized(b, rela, s + a, 1, false);
	case LINK_RELOC_PC32:
		return store_sized(b, rela, s + a - p, 4, true);
	case LINK_RELOC_PC16:
		return store_sized(b, rela, s + a - p, 2, true);
	case LINK_RELOC_PC8:
		return store_sized(b, rela, s + a - p, 1, true);
	case LINK_RELOC_SIZE32:
		return store_sized(b, rela, size + a, 4, false);
	default:
		return link_reloc_failed(
			b, rela, -ENOTSUP, "a relocation for object files only");
	}
}

static unsigned place_bytes(enum link_reloc kind)
{
	switch (kind) {
	case LINK_RELOC_WORD8:
	case LINK_RELOC_PC8:
		return 1;
	case LINK_RELOC_WORD16:
	case LINK_RELOC_PC16:
		return 2;
	case LINK_RELOC_WORD32:
	case LINK_RELOC_SWORD32:
	case LINK_RELOC_PC32:
	case LINK_RELOC_TLS_OFFSET32:
	case LINK_RELOC_TP_OFFSET32:
	case LINK_RELOC_SIZE32:
		return 4;
	case LINK_RELOC_COPY:
		return 1; /* copy_data checks the whole */
	default:
		return 8;
	}
}

static int resolve_for(struct link_binder *b, const Elf64_Rela *rela, bool copy,
	struct link_definition *d)
{
	uint32_t symbol = ELF64_R_SYM(rela->r_info);
	if (copy)
		return link_resolve(b, symbol, true, d);
	if (symbol != b->last_index) {
		int result = link_resolve(b, symbol, false, &b->last);
		b->last_index = result ? UINT32_MAX : symbol;
		b->last_is_plain = false;
		if (result)
			return result;
	}
	*d = b->last;
	return 0;
}

/* One that has no symbol, or is no plain word: off the hot path. */
static int apply_unusual(
	struct link_binder *b, const Elf64_Rela *rela, enum link_reloc kind)
{
	struct link_definition d = { 0 };
	int result;
	switch (kind) {
	case LINK_RELOC_NONE:
		return 0;
	case LINK_RELOC_UNKNOWN:
		return link_reloc_failed(
			b, rela, -ENOTSUP, "r_info: not a relocation that umod knows");
	default:
		break;
	}
	result = link_check_place(b, rela, place_bytes(kind));
	if (result)
		return result;
	switch (kind) {
	case LINK_RELOC_RELATIVE:
		link_put64((void *)(b->bias + rela->r_offset),
			b->bias + (uint64_t)rela->r_addend);
		b->image->relative_done++;
		return 0;
	case LINK_RELOC_IRELATIVE:
		if (!elf_view_is_code(b->view, (uint64_t)rela->r_addend))
			return link_reloc_failed(b, rela, -ELIBBAD,
				"r_addend: the resolver is in no executable segment");
		return defer(b, rela, &d);
	case LINK_RELOC_TLS_ID:
	case LINK_RELOC_TLS_OFFSET:
	case LINK_RELOC_TLS_OFFSET32:
	case LINK_RELOC_TP_OFFSET:
	case LINK_RELOC_TP_OFFSET32:
	case LINK_RELOC_TLS_DESCRIPTOR:
		result = resolve_for(b, rela, false, &d);
		b->image->symbolic_done++;
		return result ? result : apply_tls(b, rela, kind, &d);
	case LINK_RELOC_COPY:
		result = resolve_for(b, rela, true, &d);
		b->image->symbolic_done++;
		return result ? result : copy_data(b, rela, &d);
	default:
		return -EINVAL; /* not called for the others */
	}
}

int link_apply_one(struct link_binder *b, const Elf64_Rela *rela)
{
	enum link_reloc kind = link_reloc_kind(ELF64_R_TYPE(rela->r_info));
	struct link_definition d;
	bool common = kind == LINK_RELOC_GOT || kind == LINK_RELOC_WORD ||
		      kind == LINK_RELOC_PLT;
	if (!common && (kind <= LINK_RELOC_RELATIVE ||
			       (kind >= LINK_RELOC_COPY && kind < LINK_RELOC_SIZE64)))
		return apply_unusual(b, rela, kind);
	int result = link_check_place(b, rela, place_bytes(kind));
	if (!result)
		result = resolve_for(b, rela, false, &d);
	if (result)
		return result;
	b->image->symbolic_done++;
	uint64_t s = d.image ? link_plain_address(&d) : 0;
	if (base_unlikely(link_is_ifunc(&d)) &&
		!(d.image->substitute_count &&
			link_substitute(d.image, d.symbol_index))) {
		if (!d.image->bound || d.image == b->image)
			return defer(b, rela, &d);
		if (d.image->home != LINK_HOME_HOST &&
			!elf_view_is_code(&d.image->view, d.symbol->st_value))
			return link_reloc_failed(b, rela, -ELIBBAD,
				"st_value: the resolver is in no executable segment");
		s = call_resolver(b->options, s);
	}
	b->last_address = s;
	b->last_is_plain = true;
	if (base_likely(kind == LINK_RELOC_GOT || kind == LINK_RELOC_PLT)) {
		link_put64((void *)(b->bias + rela->r_offset), s);
		return 0;
	}
	return apply_value(b, rela, kind, &d, s);
}

/* One more for the symbol of the last: tables of C objects have thousands of them. */
static inline bool apply_again(struct link_binder *b, const Elf64_Rela *rela)
{
	enum link_reloc kind = link_reloc_kind(ELF64_R_TYPE(rela->r_info));
	if (ELF64_R_SYM(rela->r_info) != b->last_index || !b->last_is_plain ||
		!link_in_room(b, rela->r_offset))
		return false;
	if (kind != LINK_RELOC_WORD && kind != LINK_RELOC_GOT && kind != LINK_RELOC_PLT)
		return false;
	link_put64((void *)(b->bias + rela->r_offset),
		b->last_address +
			(kind == LINK_RELOC_WORD ? (uint64_t)rela->r_addend : 0));
	b->image->symbolic_done++;
	return true;
}

static int apply_all(struct link_binder *b, const Elf64_Rela *rela, uint64_t count)
{
	const Elf64_Rela *end = count ? rela + count : rela, *ahead = rela;
	for (; rela < end; rela++) {
		if (rela == ahead) {
			unsigned n = end - rela < LINK_AHEAD ? (unsigned)(end - rela)
							     : LINK_AHEAD;
			link_look_ahead(b, rela, n);
			ahead = rela + n;
		}
		Elf64_Rela own = link_take(rela);
		if (apply_again(b, &own))
			continue;
		int result = link_apply_one(b, &own);
		if (result)
			return result;
	}
	return 0;
}

/* ---- whole images ---- */

void link_binder_start(struct link_binder *b, struct link_image *image,
	const struct link_bind_options *options, struct umod_error *error)
{
	*b = (struct link_binder){ .image = image,
		.view = &image->view,
		.options = options,
		.scope = options->scope,
		.error = error,
		.bias = image->bias,
		.last_index = UINT32_MAX,
		.depend_mark = ++depend_marks };
}

static int apply(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	int result = link_apply_relr(b);
	if (!result && view->relative_count)
		result = link_apply_relative(b);
	if (!result)
		result = apply_all(b,
			view->rela_count ? view->rela + view->relative_count : NULL,
			view->rela_count - view->relative_count);
	if (result)
		return result;
	if (!b->options->lazy || !link_can_be_lazy(view))
		return apply_all(b, view->plt, view->plt_count);
	b->image->scope = link_scope_ref(b->options->scope);
	b->image->keeper = b->options->keeper;
	return link_prepare_lazy(b);
}

int link_bind(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error)
{
	struct link_binder b;
	if (image->object)
		return link_object_bind(image, options, error);
	link_binder_start(&b, image, options, error);
	int result = link_resolve_begin(&b);
	if (!result)
		result = apply(&b);
	link_resolve_end(&b);
	base_trace(BASE_TRACE_RELOC, "%s: %lu relative, %lu symbolic, %lu look-ups",
		image->path, image->relative_done, image->symbolic_done,
		image->lookups_done);
	return result;
}

bool link_has_deferred(const struct link_image *image)
{
	return image->deferred_count != 0;
}

int link_bind_ifuncs(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error)
{
	struct link_binder b;
	int result = 0;
	link_binder_start(&b, image, options, error);
	for (unsigned i = 0; !result && i < image->deferred_count; i++) {
		const struct link_deferred *deferred = &image->deferred[i];
		const struct link_definition *d = &deferred->definition;
		const Elf64_Rela *rela = &deferred->rela;
		if (!d->image) {
			link_put64((void *)(b.bias + rela->r_offset),
				call_resolver(
					options, b.bias + (uint64_t)rela->r_addend));
			continue;
		}
		uint64_t s = link_plain_address(d);
		if (d->image->home != LINK_HOME_HOST &&
			!elf_view_is_code(&d->image->view, d->symbol->st_value))
			result = link_reloc_failed(&b, rela, -ELIBBAD,
				"st_value: the resolver is in no executable segment");
		else
			result = apply_value(&b, rela,
				link_reloc_kind(ELF64_R_TYPE(rela->r_info)), d,
				call_resolver(options, s));
	}
	base_free(image->deferred);
	image->deferred = NULL;
	image->deferred_count = image->deferred_capacity = 0;
	return result;
}

void link_relocate_dynamic(struct link_image *image)
{
	const struct elf_view *view = &image->view;
	unsigned at;
	if (!elf_view_in_memory(view, view->dynamic_vaddr, view->dynamic_bytes, &at) ||
		!(view->segments[at].flags & PF_W))
		return;
	Elf64_Dyn *dynamic = (Elf64_Dyn *)(image->bias + view->dynamic_vaddr);
	for (unsigned i = 0; i < view->dynamic_count; i++)
		switch (dynamic[i].d_tag) {
		case DT_HASH:
		case DT_PLTGOT:
		case DT_STRTAB:
		case DT_SYMTAB:
		case DT_RELA:
		case DT_JMPREL:
		case DT_VERSYM:
		case DT_GNU_HASH:
			dynamic[i].d_un.d_ptr += image->bias;
			break;
		default:
			break;
		}
}

void link_bind_clear(struct link_image *image)
{
	link_object_free(image);
	base_free(image->deferred);
	image->deferred = NULL;
	image->deferred_count = image->deferred_capacity = 0;
	link_scope_unref(image->scope);
	image->scope = NULL;
}
