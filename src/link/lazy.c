/* SPDX-License-Identifier: MIT */
/*
 * Lazy binding: prepares a procedure linkage table whose calls lead to the trampoline of
 * arch/, and resolves each at its first call. What was bound is kept loaded. Only with
 * the flag for it; a load binds all at once otherwise.
 */
#include "link/bind.h"

bool link_can_be_lazy(const struct elf_view *view)
{
	if (!view->plt_count || !view->plt_got_vaddr || view->flags & DF_BIND_NOW)
		return false;
	for (uint64_t i = 0; i < view->plt_count; i++)
		if (view->plt[i].r_offset - view->relro_vaddr < view->relro_bytes)
			return false;
	return true;
}

int link_prepare_lazy(struct link_binder *b)
{
	const struct elf_view *view = b->view;
	Elf64_Rela got = { .r_offset = view->plt_got_vaddr };
	int result = link_check_place(b, &got, 24);
	if (result)
		return result;
	for (uint64_t i = 0; i < view->plt_count; i++) {
		Elf64_Rela own = link_take(&view->plt[i]), *rela = &own;
		if (link_reloc_kind(ELF64_R_TYPE(rela->r_info)) != LINK_RELOC_PLT) {
			result = link_apply_one(b, rela);
			if (result)
				return result;
			continue;
		}
		result = link_check_place(b, rela, 8);
		if (result)
			return result;
		uint64_t *slot = link_word(b, rela->r_offset), target = link_get64(slot);
		if (!elf_view_is_code(view, target))
			return link_reloc_failed(b, rela, -ELIBBAD,
				"the PLT slot leads into no executable segment");
		link_put64(slot, target + b->bias);
	}
	uint64_t *words = link_word(b, view->plt_got_vaddr);
	link_put64(words + 1, (uint64_t)b->image);
	link_put64(words + 2, (uint64_t)link_arch_plt_trampoline);
	b->image->lazy = true;
	return 0;
}

static bool last_resort(const struct elf_reference *reference,
	struct link_definition *definition, void *data)
{
	struct link_image *image = data;
	return image->keeper->last_resort(reference, definition, image);
}

/* @all: looks everywhere, as it may under the lock, and tells of what is nowhere. */
static void *resolve_lazily(
	struct link_image *image, uint64_t index, bool all, struct link_image **on)
{
	const struct elf_view *view = &image->view;
	struct umod_error error = { 0 };
	struct link_scope *scope = __atomic_load_n(&image->scope, __ATOMIC_ACQUIRE);
	bool more = all && image->keeper && image->keeper->last_resort;
	struct link_bind_options options = {
		.scope = scope, .last_resort = more ? last_resort : NULL, .data = image
	};
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
	void *address = result || !d.image ? NULL : (void *)link_plain_address(&d);
	/* A substitute is a plain function, whatever it stands for. */
	if (address && link_is_ifunc(&d) &&
		!(d.image->substitute_count && link_substitute(d.image, d.symbol_index)))
		address = ((void *(*)(void))address)();
	if (!address && all)
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
	void *address = resolve_lazily(image, index, true, &on);
	*kept = address && (on == image || !image->keeper->depend(image, on, NULL));
	image->keeper->unlock();
	return address;
}

void *link_bind_lazily(struct link_image *image, uint64_t index)
{
	/* The image's code runs, so it is loaded and its scope stays. */
	struct link_image *on;
	struct base_reader *reader = base_reader_enter();
	void *address = resolve_lazily(image, index, !image->keeper, &on);
	bool kept = !image->keeper ||
		    (address && (on == image || image->keeper->is_kept(image, on)));
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
