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

/* ---- RTLD_DI_SERINFO ---- */

struct places {
	Dl_serinfo *out;
	unsigned count;
	size_t bytes; /* of the names, with their ends */
	char *text;   /* NULL: only counted */
};

/* What <link.h> calls them. */
static unsigned place_flag(enum find_how how)
{
	switch (how) {
	case FIND_LIBRARY_PATH:
		return LA_SER_LIBPATH;
	case FIND_DEFAULT:
		return LA_SER_DEFAULT;
	default:
		return LA_SER_RUNPATH;
	}
}

static int add_place(const char *dir, size_t length, enum find_how how, void *data)
{
	struct places *places = data;
	if (places->text) {
		if (places->count == places->out->dls_cnt)
			return -EAGAIN; /* there are more by now */
		places->out->dls_serpath[places->count] =
			(Dl_serpath){ places->text, place_flag(how) };
		memcpy(places->text, dir, length);
		places->text[length] = 0;
		places->text += length + 1;
	}
	places->count++;
	places->bytes += length + 1;
	return 0;
}

/* Asked for the size first, then for the places: dlinfo(3). */
static int search_places(struct umod_module *module, Dl_serinfo *out, bool fill)
{
	const struct elf_view *view = &module->image.view;
	struct find_asker asker = {
		.path = module->absolute ? module->absolute : module->path,
		.soname = view->soname,
		.rpath = view->rpath,
		.runpath = view->runpath,
		.no_default_lib = view->flags_1 & DF_1_NODEFLIB,
	};
	struct places places = { .out = out };
	struct find_config *config = module->space->context->find;
	size_t head = offsetof(Dl_serinfo, dls_serpath);
	registry_lock();
	int result = find_places(config, &asker, add_place, &places);
	size_t bytes = head + places.count * sizeof(Dl_serpath) + places.bytes;
	if (!result && !fill) {
		out->dls_size = bytes;
		out->dls_cnt = places.count;
	} else if (!result && (out->dls_size < bytes || out->dls_cnt < places.count)) {
		result = -EINVAL;
	} else if (!result) {
		places = (struct places){ .out = out,
			.text = (char *)out + head + out->dls_cnt * sizeof(Dl_serpath) };
		result = find_places(config, &asker, add_place, &places);
		out->dls_cnt = places.count;
	}
	registry_unlock();
	return result;
}

/* ---- dlinfo ---- */

/* The directory of its file, without a slash at its end: PATH_MAX bytes are asked for. */
static void write_origin(const struct umod_module *module, char *out)
{
	const char *path = module->absolute ? module->absolute : module->path;
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	if (slash == path)
		length = 1;
	memcpy(out, path, length);
	out[length] = 0;
}

static int failed(const struct umod_module *module, int code, const char *what)
{
	struct umod_error error = { 0 };
	base_error(&error, UMOD_STAGE_LOOKUP, code, module->path, "dlinfo: %s", what);
	dl_error_set(&error);
	return -1;
}

static int info_of(struct umod_module *module, int request, void *out)
{
	struct link_image *image = &module->image;
	switch (request) {
	case RTLD_DI_LINKMAP:
		*(struct link_map **)out = &image->map;
		return 0;
	case RTLD_DI_LMID:
		*(Lmid_t *)out = (Lmid_t)module->space->id;
		return 0;
	case RTLD_DI_ORIGIN:
		write_origin(module, out);
		return 0;
	case RTLD_DI_TLS_MODID:
		*(size_t *)out = image->tls_id;
		return 0;
	case RTLD_DI_TLS_DATA:
		*(void **)out = link_tls_existing(image);
		return 0;
	case RTLD_DI_SERINFO:
	case RTLD_DI_SERINFOSIZE:
		return search_places(module, out, request == RTLD_DI_SERINFO)
			       ? failed(module, -EINVAL,
					 "the buffer has not the size and the count "
					 "that RTLD_DI_SERINFOSIZE gave")
			       : 0;
	case RTLD_DI_PHDR:
		*(const Elf64_Phdr **)out = image->view.phdrs;
		return (int)image->view.phdr_count;
	default:
		return failed(module, -ENOTSUP, "unsupported dlinfo request");
	}
}

/* The handle of a namespace stands for what was loaded into it first. */
static struct umod_module *module_of(void *handle)
{
	struct umod_namespace *space = dl_handle_space(handle);
	if (!space)
		return dl_handle_module(handle);
	registry_lock();
	struct umod_module *module = space->first;
	registry_unlock();
	return module;
}

int dl_info(void *handle, int request, void *out)
{
	dl_error_clear();
	if (!dl_handle_is_known(handle)) {
		dl_error_of_ldso();
		return link_real()->info(handle, request, out);
	}
	struct umod_module *module = module_of(handle);
	if (module)
		return info_of(module, request, out);
	struct umod_error error = { 0 };
	base_error(&error, UMOD_STAGE_LOOKUP, -ENOENT, "dlinfo",
		"nothing is loaded in this namespace");
	dl_error_set(&error);
	return -1;
}
