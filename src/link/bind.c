/* SPDX-License-Identifier: MIT */
/*
 * Applies relocations. Which symbol is meant is resolve.c's question; which number of the
 * processor means which neutral relocation is arch/'s. Every place that is written is
 * checked to lie in a writable segment.
 */
#include "link/bind.h"

#include <sys/mman.h>

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

static int reloc_failed(
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
	b->room = s->memory_bytes - 8; /* wraps for a tiny segment: see in_room */
	if (s->memory_bytes < 8)
		b->room = 0;
	return 0;
}

static inline bool in_room(const struct link_binder *b, uint64_t offset)
{
	return offset - b->low <= b->room && b->room;
}

static int check_place(struct link_binder *b, const Elf64_Rela *rela, uint64_t bytes)
{
	if (base_likely(in_room(b, rela->r_offset)))
		return 0;
	int result = find_room(b, rela->r_offset, bytes);
	if (result == -ELIBBAD)
		return reloc_failed(b, rela, result, "r_offset lies in no segment");
	if (result)
		return reloc_failed(b, rela, result,
			"r_offset lies in a segment that is not writable, and DT_TEXTREL "
			"is not "
			"set");
	return 0;
}

static inline uint64_t *word(const struct link_binder *b, uint64_t offset)
{
	return (uint64_t *)(b->bias + offset);
}

static inline uint64_t get64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * A relocation as it is now: the file may be cut short, or a relocation may write over
 * the table, between the check of a member and its use.
 */
static inline Elf64_Rela take(const Elf64_Rela *rela)
{
	Elf64_Rela own = *rela;
	__asm__ volatile("" : "+m"(own)); /* not to be read again */
	return own;
}

static inline void put64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* ---- relative ---- */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define WINDOW_BYTES ((uint64_t)64 * BASE_PAGE_BYTES)

/*
 * Every page that a relocation writes is copied. Where nearly all pages of the window
 * from
 * @rela on will be, one call for all costs three quarters of a fault for each. @end: of
 * the entries, which are sorted by address in all but strange files. Returns the end of
 * the window; failure costs nothing but time.
 */
static uint64_t populate(
	const struct link_binder *b, const Elf64_Rela *rela, const Elf64_Rela *end)
{
	uint64_t from = base_align_down(rela->r_offset, BASE_PAGE_BYTES);
	uint64_t to = from + WINDOW_BYTES, low = 0, high = (uint64_t)(end - rela);
	if (b->image->home != LINK_HOME_FILE)
		return UINT64_MAX;
	while (low < high) {
		uint64_t middle = (low + high) / 2;
		if (rela[middle].r_offset < to)
			low = middle + 1;
		else
			high = middle;
	}
	uint64_t last = low ? rela[low - 1].r_offset : from;
	uint64_t pages = last >= from ? (last - from) / BASE_PAGE_BYTES + 1 : 0;
	if (pages >= 8 && low >= 4 * pages &&
		elf_view_in_memory(b->view, rela->r_offset, last - rela->r_offset, NULL))
		base_sys_madvise((void *)(b->bias + from), pages * BASE_PAGE_BYTES,
			MADV_POPULATE_WRITE);
	return to;
}

/* The first relative_count entries: nearly all of a large library's. */
static int apply_relative(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	const Elf64_Rela *rela = view->rela, *end = rela + view->relative_count;
	const uint64_t info = ELF64_R_INFO(0, (uint64_t)link_arch_relative_type);
	uintptr_t bias = b->bias;
	uint64_t window_end = 0;
	for (; rela < end; rela++) {
		uint64_t offset = rela->r_offset;
		if (base_unlikely(offset >= window_end))
			window_end = populate(b, rela, end);
		if (base_unlikely(!in_room(b, offset))) {
			Elf64_Rela own = take(rela);
			int result = check_place(b, &own, 8);
			if (result)
				return result;
			offset = own.r_offset;
		}
		if (base_unlikely(rela->r_info != info))
			return reloc_failed(b, rela, -ELIBBAD,
				"among those that DT_RELACOUNT counts as relative");
		put64((void *)(bias + offset), bias + (uint64_t)rela->r_addend);
	}
	b->image->relative_done += view->relative_count;
	return 0;
}

static int relr_place(struct link_binder *b, uint64_t offset)
{
	Elf64_Rela rela = { .r_offset = offset,
		.r_info = ELF64_R_INFO(0, (uint64_t)link_arch_relative_type) };
	if (offset % 8)
		return reloc_failed(b, &rela, -ELIBBAD, "DT_RELR: an odd address");
	return check_place(b, &rela, 8);
}

/* DT_RELR (gABI): an even word is an address, an odd one 63 bits for what follows it. */
static int apply_relr(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	uint64_t next = 0;
	bool started = false;
	for (uint64_t i = 0; i < view->relr_count; i++) {
		uint64_t entry = view->relr[i];
		if (!(entry & 1)) {
			int result = relr_place(b, entry);
			if (result)
				return result;
			*word(b, entry) += b->bias;
			b->image->relative_done++;
			next = entry + 8;
			started = true;
			continue;
		}
		if (!started) {
			Elf64_Rela none = { 0 };
			return reloc_failed(b, &none, -ELIBBAD,
				"DT_RELR: starts with a bitmap, not an address");
		}
		for (uint64_t bits = entry >> 1, at = next; bits; bits >>= 1, at += 8) {
			if (!(bits & 1))
				continue;
			int result = relr_place(b, at);
			if (result)
				return result;
			*word(b, at) += b->bias;
			b->image->relative_done++;
		}
		next += 63 * 8;
	}
	return 0;
}

/* ---- symbolic ---- */

static int defer(struct link_binder *b, const Elf64_Rela *rela,
	const struct link_definition *definition)
{
	struct link_image *image = b->image;
	if (base_grow(&image->deferred, image->deferred_count, &image->deferred_capacity,
		    sizeof(*image->deferred)))
		return reloc_failed(b, rela, -ENOMEM, "no memory");
	image->deferred[image->deferred_count++] =
		(struct link_deferred){ *rela, *definition };
	return 0;
}

/* The address of a definition that is no function to be resolved first. */
static uint64_t plain_address(const struct link_definition *d)
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

static bool is_ifunc(const struct link_definition *d)
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
		return reloc_failed(b, rela, -ERANGE,
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
		return reloc_failed(b, rela, -ENOSYS, "nothing to copy from");
	uint64_t bytes =
		own->st_size < d->symbol->st_size ? own->st_size : d->symbol->st_size;
	unsigned at;
	if (!elf_view_in_memory(b->view, rela->r_offset, bytes, &at) ||
		!(b->view->segments[at].flags & PF_W))
		return reloc_failed(
			b, rela, -ELIBBAD, "the copy lies in no writable segment");
	if (!elf_view_in_memory(&d->image->view, d->symbol->st_value, bytes, NULL))
		return reloc_failed(b, rela, -ELIBBAD, "the original lies in no segment");
	memcpy((void *)(b->bias + rela->r_offset), (void *)plain_address(d), bytes);
	return 0;
}

/* The offset of the storage of @d's image from the thread pointer. */
static int thread_offset(struct link_binder *b, const Elf64_Rela *rela,
	const struct link_definition *d, uint64_t *offset)
{
	struct link_image *image = d->image;
	if (!image->tls_static && image->home == LINK_HOME_HOST)
		return reloc_failed(b, rela, -ENOMEM,
			"initial-exec access to a library whose storage ld.so placed "
			"dynamically");
	if (!image->tls_static) {
		if (!image->tls_id)
			return reloc_failed(b, rela, -ELIBBAD,
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
	uint64_t *at = word(b, rela->r_offset), offset = 0;
	uint64_t value = (d->symbol ? d->symbol->st_value : 0) + (uint64_t)rela->r_addend;
	int result;
	if (d->image && !d->symbol)
		return reloc_failed(
			b, rela, -ELIBBAD, "a lent symbol is not thread-local");
	if (d->image && !d->image->tls_id)
		return reloc_failed(b, rela, -ELIBBAD,
			"thread-local access to an image without PT_TLS");
	switch (kind) {
	case LINK_RELOC_TLS_ID:
		put64(at, d->image ? d->image->tls_id : 0);
		return 0;
	case LINK_RELOC_TLS_OFFSET:
		put64(at, d->image ? value : 0);
		return 0;
	case LINK_RELOC_TLS_OFFSET32:
		return store_sized(b, rela, d->image ? value : 0, 4, true);
	case LINK_RELOC_TLS_DESCRIPTOR:
		if (!elf_view_in_memory(b->view, rela->r_offset, 16, NULL))
			return reloc_failed(
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
			put64(at, offset);
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
		put64((void *)p, s);
		return 0;
	case LINK_RELOC_WORD:
		put64((void *)p, s + a);
		return 0;
	case LINK_RELOC_PC64:
		put64((void *)p, s + a - p);
		return 0;
	case LINK_RELOC_SIZE64:
		put64((void *)p, size + a);
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
		return reloc_failed(
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

static inline enum link_reloc kind_of(uint32_t type)
{
	return type < link_arch_reloc_count ? (enum link_reloc)link_arch_relocs[type]
					    : LINK_RELOC_UNKNOWN;
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
		return reloc_failed(
			b, rela, -ENOTSUP, "r_info: not a relocation that umod knows");
	default:
		break;
	}
	result = check_place(b, rela, place_bytes(kind));
	if (result)
		return result;
	switch (kind) {
	case LINK_RELOC_RELATIVE:
		put64((void *)(b->bias + rela->r_offset),
			b->bias + (uint64_t)rela->r_addend);
		b->image->relative_done++;
		return 0;
	case LINK_RELOC_IRELATIVE:
		if (!elf_view_is_code(b->view, (uint64_t)rela->r_addend))
			return reloc_failed(b, rela, -ELIBBAD,
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

static int apply_one(struct link_binder *b, const Elf64_Rela *rela)
{
	enum link_reloc kind = kind_of(ELF64_R_TYPE(rela->r_info));
	struct link_definition d;
	bool common = kind == LINK_RELOC_GOT || kind == LINK_RELOC_WORD ||
		      kind == LINK_RELOC_PLT;
	if (!common && (kind <= LINK_RELOC_RELATIVE ||
			       (kind >= LINK_RELOC_COPY && kind < LINK_RELOC_SIZE64)))
		return apply_unusual(b, rela, kind);
	int result = check_place(b, rela, place_bytes(kind));
	if (!result)
		result = resolve_for(b, rela, false, &d);
	if (result)
		return result;
	b->image->symbolic_done++;
	uint64_t s = d.image ? plain_address(&d) : 0;
	if (base_unlikely(is_ifunc(&d)) &&
		!(d.image->substitute_count &&
			link_substitute(d.image, d.symbol_index))) {
		if (!d.image->bound || d.image == b->image)
			return defer(b, rela, &d);
		if (d.image->home != LINK_HOME_HOST &&
			!elf_view_is_code(&d.image->view, d.symbol->st_value))
			return reloc_failed(b, rela, -ELIBBAD,
				"st_value: the resolver is in no executable segment");
		s = call_resolver(b->options, s);
	}
	if (base_likely(kind == LINK_RELOC_GOT || kind == LINK_RELOC_PLT)) {
		put64((void *)(b->bias + rela->r_offset), s);
		return 0;
	}
	return apply_value(b, rela, kind, &d, s);
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
		Elf64_Rela own = take(rela);
		int result = apply_one(b, &own);
		if (result)
			return result;
	}
	return 0;
}

/* ---- the procedure linkage table ---- */

/* Slots that become read-only can only be filled before that. */
static bool can_be_lazy(const struct elf_view *view)
{
	if (!view->plt_count || !view->plt_got_vaddr || view->flags & DF_BIND_NOW)
		return false;
	for (uint64_t i = 0; i < view->plt_count; i++)
		if (view->plt[i].r_offset - view->relro_vaddr < view->relro_bytes)
			return false;
	return true;
}

/* A lazy slot leads to its PLT entry, which leads to the trampoline. */
static int prepare_lazy(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	Elf64_Rela got = { .r_offset = view->plt_got_vaddr };
	int result = check_place(b, &got, 24);
	if (result)
		return result;
	for (uint64_t i = 0; i < view->plt_count; i++) {
		Elf64_Rela own = take(&view->plt[i]), *rela = &own;
		if (kind_of(ELF64_R_TYPE(rela->r_info)) != LINK_RELOC_PLT) {
			result = apply_one(b, rela);
			if (result)
				return result;
			continue;
		}
		result = check_place(b, rela, 8);
		if (result)
			return result;
		uint64_t *slot = word(b, rela->r_offset), target = get64(slot);
		if (!elf_view_is_code(view, target))
			return reloc_failed(b, rela, -ELIBBAD,
				"the PLT slot leads into no executable segment");
		put64(slot, target + b->bias);
	}
	uint64_t *words = word(b, view->plt_got_vaddr);
	put64(words + 1, (uint64_t)b->image);
	put64(words + 2, (uint64_t)link_arch_plt_trampoline);
	b->image->lazy = true;
	return 0;
}

static void *resolve_lazily(
	struct link_image *image, uint64_t index, struct link_image **on)
{
	const struct elf_view *view = &image->view;
	struct umod_error error = { 0 };
	struct link_scope *scope = __atomic_load_n(&image->scope, __ATOMIC_ACQUIRE);
	struct link_bind_options options = { .scope = scope };
	struct link_binder b = { .image = image,
		.view = view,
		.options = &options,
		.scope = scope,
		.lazily = true,
		.error = &error,
		.bias = image->bias };
	struct link_definition d = { 0 };
	int result = index < view->plt_count
			     ? link_resolve(&b, ELF64_R_SYM(view->plt[index].r_info),
				       false, &d)
			     : -EINVAL;
	void *address = result || !d.image ? NULL : (void *)plain_address(&d);
	if (address && is_ifunc(&d))
		address = ((void *(*)(void))address)();
	if (!address)
		base_trace_write(BASE_TRACE_BINDINGS, "%s: %s", image->path,
			error.code ? error.message
				   : "a call to a weak function that is nowhere");
	*on = d.image;
	return address;
}

/* Again, under the lock: what was found may be gone by now. */
static void *resolve_and_keep(struct link_image *image, uint64_t index, bool *kept)
{
	struct link_image *on;
	image->keeper->lock();
	void *address = resolve_lazily(image, index, &on);
	*kept = address && (on == image || !image->keeper->depend(image, on, NULL));
	image->keeper->unlock();
	return address;
}

void *link_bind_lazily(struct link_image *image, uint64_t index)
{
	/* The image's code runs, so it is loaded and its scope stays. */
	struct link_image *on;
	struct base_reader *reader = base_reader_enter();
	void *address = resolve_lazily(image, index, &on);
	bool kept = !address || on == image || !image->keeper ||
		    image->keeper->is_kept(image, on);
	base_reader_leave(reader);
	/* Not as a reader: whoever holds the lock may wait for us. */
	if (!kept)
		address = resolve_and_keep(image, index, &kept);
	if (!address)
		return NULL; /* the call faults at address 0, as a weak one does */
	if (kept)
		__atomic_store_n(
			(uint64_t *)(image->bias + image->view.plt[index].r_offset),
			(uint64_t)address, __ATOMIC_RELEASE);
	return address;
}

/* ---- whole images ---- */

static void start(struct link_binder *b, struct link_image *image,
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
	int result = apply_relr(b);
	if (!result && view->relative_count)
		result = apply_relative(b);
	if (!result)
		result = apply_all(b,
			view->rela_count ? view->rela + view->relative_count : NULL,
			view->rela_count - view->relative_count);
	if (result)
		return result;
	if (!b->options->lazy || !can_be_lazy(view))
		return apply_all(b, view->plt, view->plt_count);
	b->image->scope = link_scope_ref(b->options->scope);
	b->image->keeper = b->options->keeper;
	return prepare_lazy(b);
}

int link_bind(struct link_image *image, const struct link_bind_options *options,
	struct umod_error *error)
{
	struct link_binder b;
	start(&b, image, options, error);
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
	start(&b, image, options, error);
	for (unsigned i = 0; !result && i < image->deferred_count; i++) {
		const struct link_deferred *deferred = &image->deferred[i];
		const struct link_definition *d = &deferred->definition;
		const Elf64_Rela *rela = &deferred->rela;
		if (!d->image) {
			put64((void *)(b.bias + rela->r_offset),
				call_resolver(
					options, b.bias + (uint64_t)rela->r_addend));
			continue;
		}
		uint64_t s = plain_address(d);
		if (d->image->home != LINK_HOME_HOST &&
			!elf_view_is_code(&d->image->view, d->symbol->st_value))
			result = reloc_failed(&b, rela, -ELIBBAD,
				"st_value: the resolver is in no executable segment");
		else
			result =
				apply_value(&b, rela, kind_of(ELF64_R_TYPE(rela->r_info)),
					d, call_resolver(options, s));
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
	base_free(image->deferred);
	image->deferred = NULL;
	image->deferred_count = image->deferred_capacity = 0;
	link_scope_unref(image->scope);
	image->scope = NULL;
}

/* ---- versions ---- */

static bool defines(const struct elf_view *view, const struct elf_version *wanted)
{
	for (unsigned i = 0; i < view->version_count; i++) {
		const struct elf_version *v = &view->versions[i];
		if (v->id == wanted->id && !v->file)
			return true;
	}
	return false;
}

int link_check_versions(struct link_image *image,
	struct link_image *(*find_needed)(const char *name, void *data), void *data,
	struct umod_error *error)
{
	const struct elf_view *view = &image->view;
	const char *file = NULL;
	struct link_image *on = NULL;
	for (unsigned i = 0; i < view->version_count; i++) {
		const struct elf_version *wanted = &view->versions[i];
		if (!wanted->id || !wanted->file)
			continue;
		if (wanted->file != file) {
			file = wanted->file;
			on = find_needed(file, data);
		}
		base_trace(BASE_TRACE_VERSIONS, "%s: needs %s of %s", image->path,
			wanted->name, file);
		/* Not among its needs, or one without versions: symbols decide. */
		if (!on || !on->view.defines_versions || wanted->weak ||
			defines(&on->view, wanted))
			continue;
		return base_error(error, UMOD_STAGE_BIND, -ENOSYS, image->path,
			"version %s is needed, but %s (%s) does not define it",
			wanted->name, file, on->path);
	}
	return 0;
}
