/* SPDX-License-Identifier: MIT */
/* From an address to its module and symbol. */
#include "api/api.h"

#include <dlfcn.h>

/* Objects that ld.so loaded and that umod does not hold: it knows where they are. */
static int ask_host(const void *address, struct umod_address_info *out)
{
	struct dl_find_object found;
	memset(out, 0, sizeof(*out));
	if (link_host_find((void *)(uintptr_t)address, &found))
		return -ENOENT;
	out->path = found.dlfo_link_map->l_name;
	out->load_bias = found.dlfo_link_map->l_addr;
	out->start = (uintptr_t)found.dlfo_map_start;
	out->end = (uintptr_t)found.dlfo_map_end;
	out->eh_frame_hdr = found.dlfo_eh_frame;
	out->from_host = true;
	return 0;
}

static int fill(const void *address, struct umod_address_info *out, bool with_symbol)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)address);
	memset(out, 0, sizeof(*out));
	if (image) {
		const struct elf_view *view = &image->view;
		out->path = image->path;
		out->load_bias = image->bias;
		out->start = image->start;
		out->end = image->end;
		out->from_host = image->home == LINK_HOME_HOST;
		if (view->eh_frame_hdr_bytes)
			out->eh_frame_hdr =
				(const void *)(image->bias + view->eh_frame_hdr_vaddr);
	}
	const Elf64_Sym *symbol = image && with_symbol
					  ? link_address_symbol(image, (uintptr_t)address)
					  : NULL;
	if (symbol) {
		out->symbol = elf_view_string(&image->view, symbol->st_name);
		out->symbol_start = image->bias + symbol->st_value;
		out->symbol_bytes = symbol->st_size;
	}
	base_reader_leave(reader);
	return image ? 0 : ask_host(address, out);
}

UMOD_EXPORT int umod_address_module(const void *address, struct umod_address_info *out)
{
	return fill(address, out, false);
}

UMOD_EXPORT int umod_address_symbol(const void *address, struct umod_address_info *out)
{
	return fill(address, out, true);
}
