/* SPDX-License-Identifier: MIT */
/*
 * Stages validate, describe, admit and map of one item: from an open file to an image
 * whose segments have their places, and whose needs are found.
 */
#include "load/load.h"

#include <sys/mman.h>

static int guard(struct load *load, struct load_item *item, uint64_t bytes)
{
	int result = elf_guard_begin(&item->guard, item->bytes, bytes);
	item->guarded = result == 0;
	return result ? base_error(load->error, UMOD_STAGE_VALIDATE, result,
				item->module->path, "the file cannot be guarded: %s",
				strerror(-result))
		      : 0;
}

/* A large relocatable object is read where it is: it is copied piece by piece. */
static int map_object(struct load *load, struct load_item *item)
{
	uint64_t bytes = base_align_up(item->file_bytes, BASE_PAGE_BYTES);
	void *at = NULL;
	int result = base_sys_mmap(NULL, bytes + BASE_PAGE_BYTES, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &at);
	if (!result) {
		item->mapping = at;
		item->mapping_bytes = bytes + BASE_PAGE_BYTES;
		result = base_sys_mmap(at, item->file_bytes, PROT_READ,
			MAP_PRIVATE | MAP_FIXED, item->fd, 0, &at);
	}
	if (result)
		return base_error(load->error, UMOD_STAGE_VALIDATE, result,
			item->module->path, "the file cannot be mapped: %s",
			strerror(-result));
	item->bytes = at;
	return guard(load, item, item->file_bytes);
}

/*
 * Small files are read whole: what is checked is then what is used, and their images go
 * to an arena. Large ones are mapped where the image will lie.
 */
static int get_bytes(struct load *load, struct load_item *item)
{
	struct link_image *image = &item->module->image;
	struct link_map_options options = { .fd = item->fd,
		.file_bytes = item->file_bytes,
		.huge_pages = load->context->huge_pages };
	if (item->buffer) {
		item->bytes = item->buffer;
		return 0;
	}
	if (item->file_bytes > load->context->arena_limit_bytes &&
		link_object_is(item->head, item->head_bytes))
		return map_object(load, item);
	if (item->file_bytes > load->context->arena_limit_bytes) {
		int result = link_map_file(image, &options, &item->bytes, load->error);
		if (result)
			return result;
		return guard(load, item, image->file_view_bytes);
	}
	item->buffer = base_alloc(item->file_bytes + 1);
	if (!item->buffer)
		return base_error(load->error, UMOD_STAGE_VALIDATE, -ENOMEM, image->path,
			"no memory for its %lu bytes", item->file_bytes);
	if (item->head_bytes >= item->file_bytes) {
		memcpy(item->buffer, item->head, item->file_bytes);
	} else {
		int64_t got = base_sys_pread(item->fd, item->buffer, item->file_bytes, 0);
		if (got != (int64_t)item->file_bytes)
			return base_error(load->error, UMOD_STAGE_VALIDATE,
				got < 0 ? (int)got : -EBUSY, image->path,
				"cannot be read: %s",
				got < 0 ? strerror((int)-got)
					: "the file became shorter");
	}
	item->bytes = item->buffer;
	return 0;
}

static int read_headers(struct load *load, struct load_item *item)
{
	struct link_image *image = &item->module->image;
	const uint8_t *head = item->buffer ? item->buffer : item->head;
	uint64_t need = 0;
	int result = elf_view_headers(&image->view, image->path, head, item->head_bytes,
		item->file_bytes, &need, load->error);
	while (result == -EAGAIN) {
		uint8_t *more = base_realloc(item->head, need);
		if (!more)
			return base_error(load->error, UMOD_STAGE_VALIDATE, -ENOMEM,
				image->path, "no memory for its program headers");
		item->head = more;
		int64_t got = base_sys_pread(item->fd, more, need, 0);
		if (got < 0)
			return base_error(load->error, UMOD_STAGE_VALIDATE, (int)got,
				image->path, "cannot be read: %s", strerror((int)-got));
		item->head_bytes = (size_t)got;
		if ((uint64_t)got < need)
			return base_error(load->error, UMOD_STAGE_VALIDATE, -EBUSY,
				image->path, "the file became shorter while it was read");
		result = elf_view_headers(&image->view, image->path, more,
			item->head_bytes, item->file_bytes, &need, load->error);
	}
	return result;
}

/* Needs: fd or buffer, head, file_bytes. */
int load_validate(struct load *load, struct load_item *item)
{
	struct link_image *image = &item->module->image;
	const uint8_t *head = item->buffer ? item->buffer : item->head;
	bool is_object = link_object_is(head, item->head_bytes);
	int result = is_object ? 0 : read_headers(load, item);
	if (!result)
		result = get_bytes(load, item);
	if (!result && is_object)
		return link_object_open(
			image, item->bytes, item->file_bytes, load->error);
	if (!result)
		result = elf_view_tables(
			&image->view, item->bytes, item->file_bytes, false, load->error);
	return result;
}

/* Needs: a validated view. Fills what names the module, and what searches for its needs.
 */
int load_describe(struct load *load, struct load_item *item)
{
	struct umod_module *module = item->module;
	const struct elf_view *view = &module->image.view;
	const char *slash = strrchr(module->path, '/');
	module->image.name = slash ? slash + 1 : module->path;
	module->file_bytes = item->file_bytes;
	module->device = item->st.st_dev;
	module->inode = item->st.st_ino;
	module->is_private = load->flags & UMOD_LOAD_PRIVATE && item == load->items[0];
	module->no_init = load->flags & UMOD_LOAD_NO_INIT;
	module->pinned = view->flags_1 & DF_1_NODELETE ||
			 (load->flags & UMOD_LOAD_PINNED && item == load->items[0]);
	item->asker.soname = view->soname;
	item->asker.rpath = view->rpath;
	item->asker.runpath = view->runpath;
	item->asker.no_default_lib = view->flags_1 & DF_1_NODEFLIB;
	if (item->buffer && !strchr(module->path, '/'))
		item->asker.path = NULL; /* bytes without a place have no origin */
	return 0;
}

static int check_policy(struct load *load, const struct umod_module *module)
{
	const struct elf_view *view = &module->image.view;
	const struct umod_context *context = load->context;
	const char *why = NULL;
	if (view->flags_1 & DF_1_PIE && !(load->flags & UMOD_LOAD_PIE))
		why = "is a position-independent executable (DF_1_PIE); UMOD_LOAD_PIE "
		      "would "
		      "accept it";
	else if (view->flags_1 & DF_1_PIE && view->tls_memory_bytes)
		why = "is an executable with thread-local variables, which must lie "
		      "where "
		      "the program's lie";
	else if (view->flags_1 & DF_1_NOOPEN)
		why = "asks not to be opened at run time (DF_1_NOOPEN)";
	else if (view->soname && registry_is_core(view->soname))
		why = "is a copy of the C library or of ld.so, of which a process has "
		      "one; load it by its soname";
	else if (view->text_relocations && !context->allow_text_relocations)
		why = "has text relocations (DT_TEXTREL); compile with -fPIC, or allow "
		      "them "
		      "in the context's options";
	else if (view->executable_stack && !context->allow_executable_stack)
		why = "asks for an executable stack (PT_GNU_STACK); link with -z "
		      "noexecstack, "
		      "or allow it in the context's options (the stack stays as it is)";
	if (!why)
		return 0;
	return base_error(load->error, UMOD_STAGE_ADMIT, -EPERM, module->path, "%s", why);
}

/*
 * Needs: describe. Enters the module, so that others find it by name and file, and opens
 * what it needs. An entered module goes with registry_module_free.
 */
int load_admit(struct load *load, struct load_item *item)
{
	struct umod_module *module = item->module;
	const struct elf_view *view = &module->image.view;
	int result = check_policy(load, module);
	if (!result && load->convention && item == load->items[0])
		result = load->convention->admit(load, item);
	if (result)
		return result;
	result = registry_module_enter(module);
	if (!result && !module->is_private) {
		result = registry_module_add_name(module, module->path);
		if (!result && view->soname)
			result = registry_module_add_name(module, view->soname);
	}
	if (result)
		return base_error(load->error, UMOD_STAGE_ADMIT, result, module->path,
			"no memory to enter it");
	return load_needs(load, item);
}

/* Needs: a validated view and its bytes. Afterwards the file is not needed any more. */
int load_map(struct load *load, struct load_item *item)
{
	struct umod_module *module = item->module;
	struct link_image *image = &module->image;
	struct link_map_options options = { .fd = item->fd,
		.bytes = item->buffer,
		.file_bytes = item->file_bytes,
		.arena_limit_bytes = load->context->arena_limit_bytes,
		.huge_pages = load->context->huge_pages,
		.low = load->is_freestanding };
	const struct link_object_offer *offer =
		item == load->items[0] ? &load->offer : NULL;
	int result = image->object ? link_object_map(image, &options, offer, load->error)
				   : link_map_segments(image, &options, load->error);
	if (result)
		return result;
	image->map.l_ld = (void *)image->view.dynamic;
	if (registry_host_allocator(module))
		return base_error(load->error, UMOD_STAGE_MAP, -ENOMEM, module->path,
			"no memory for the allocator that it shares");
	if (image->view.soname)
		image->name = image->view.soname;
	item->asker.soname = image->view.soname;
	item->asker.rpath = image->view.rpath;
	item->asker.runpath = image->view.runpath;
	if (item->fd >= 0 && item->fd_is_ours)
		base_sys_close(item->fd);
	item->fd = -1;
	/* The relocations of an object lie in its file alone. */
	if (image->object)
		return 0;
	load_item_forget_bytes(item);
	item->bytes = NULL;
	return 0;
}
