/* SPDX-License-Identifier: MIT */
/*
 * dladdr, dladdr1 and dlinfo: what is known of an address or a handle. dladdr takes no
 * lock and may be called from a signal handler.
 */
#include "api/dl.h"

int dl_address1(const void *address, Dl_info *info, void **extra, int flags)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)address);
	if (!image || image->home == LINK_HOME_HOST) {
		base_reader_leave(reader);
		return extra ? link_real()->address1(address, info, extra, flags)
			     : link_real()->address(address, info);
	}
	const Elf64_Sym *symbol = link_address_symbol(image, (uintptr_t)address);
	info->dli_fname = image->path;
	info->dli_fbase = (void *)image->start;
	info->dli_sname = symbol ? elf_view_string(&image->view, symbol->st_name) : NULL;
	info->dli_saddr = symbol ? (void *)(image->bias + symbol->st_value) : NULL;
	if (extra && flags == RTLD_DL_SYMENT)
		*extra = (void *)symbol;
	else if (extra && flags == RTLD_DL_LINKMAP)
		*extra = &image->map;
	base_reader_leave(reader);
	return 1;
}

int dl_address(const void *address, Dl_info *info)
{
	return dl_address1(address, info, NULL, 0);
}

/* RTLD_DI_SERINFO: the default directories, the least that every search tries. */
static int search_places(Dl_serinfo *out, bool fill)
{
	static const char *const places[] = { "/lib/x86_64-linux-gnu",
		"/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib" };
	unsigned count = base_array_count(places);
	char *text = (char *)&out->dls_serpath[count];
	size_t bytes = (size_t)(text - (char *)out);
	for (unsigned i = 0; i < count; i++)
		bytes += strlen(places[i]) + 1;
	if (!fill) {
		out->dls_size = bytes;
		out->dls_cnt = count;
		return 0;
	}
	if (out->dls_size < bytes || out->dls_cnt < count)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		out->dls_serpath[i] = (Dl_serpath){ text, 0x08 /* LA_SER_DEFAULT */ };
		text = stpcpy(text, places[i]) + 1;
	}
	return 0;
}

int dl_info(void *handle, int request, void *out)
{
	struct umod_error error = { .subject = "dlinfo" };
	dl_error_clear();
	if (!dl_handle_is_known(handle) || dl_handle_space(handle)) {
		dl_error_of_ldso();
		return link_real()->info(handle, request, out);
	}
	struct umod_module *module = dl_handle_module(handle);
	switch (request) {
	case RTLD_DI_LINKMAP:
		*(struct link_map **)out = &module->image.map;
		return 0;
	case RTLD_DI_LMID:
		*(Lmid_t *)out = (Lmid_t)module->space->id;
		return 0;
	case RTLD_DI_ORIGIN: {
		const char *path = module->absolute ? module->absolute : module->path;
		const char *slash = strrchr(path, '/');
		size_t length = slash ? (size_t)(slash - path) : 0;
		memcpy(out, path, length);
		((char *)out)[length] = 0;
		return 0;
	}
	case RTLD_DI_TLS_MODID:
		*(size_t *)out = module->image.tls_id;
		return 0;
	case RTLD_DI_SERINFO:
	case RTLD_DI_SERINFOSIZE:
		return search_places(out, request == RTLD_DI_SERINFO);
	case RTLD_DI_PHDR:
		*(const Elf64_Phdr **)out = module->image.view.phdrs;
		return (int)module->image.view.phdr_count;
	default:
		base_error(&error, UMOD_STAGE_LOOKUP, -ENOTSUP, module->path,
			"dlinfo request %d is not supported", request);
		dl_error_set(&error);
		return -1;
	}
}
