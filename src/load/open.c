/* SPDX-License-Identifier: MIT */
/*
 * Stage open: from a name, a descriptor or bytes to an open file, or to a module that is
 * there already: by name, as an object of the host, by device and inode.
 */
#include "load/load.h"

#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

static int no_memory(struct load *load, const char *name)
{
	return base_error(
		load->error, UMOD_STAGE_OPEN, -ENOMEM, name, "no memory to open it");
}

void load_item_free(struct load_item *item)
{
	if (item->guarded)
		elf_guard_end(&item->guard);
	if (item->mapping)
		base_sys_munmap(item->mapping, item->mapping_bytes);
	if (item->fd >= 0 && item->fd_is_ours)
		base_sys_close(item->fd);
	base_free(item->head);
	load_item_forget_bytes(item);
	base_free(item);
}

void load_item_forget_bytes(struct load_item *item)
{
	if (item->taken.bytes)
		feature_buffer_free(&item->taken);
	else
		base_free(item->buffer);
	item->buffer = NULL;
}

/* The image whose code asks: its run path starts the search. */
void load_set_asker(struct load *load)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image =
		load->caller ? link_address_find((uintptr_t)load->caller) : NULL;
	base_reader_leave(reader); /* the lock keeps the image from here on */
	if (!image) {
		struct registry_host_object *program = registry_host_by_name("");
		if (!program)
			return;
		image = &program->image;
	}
	const struct umod_module *module =
		image->home == LINK_HOME_HOST ? NULL : registry_module(image);
	load->asker =
		(struct find_asker){ .path = module && module->absolute ? module->absolute
									: image->path,
			.soname = image->view.soname,
			.rpath = image->view.rpath,
			.runpath = image->view.runpath,
			.no_default_lib = image->view.flags_1 & DF_1_NODEFLIB,
			.is_main = image->home == LINK_HOME_HOST && !image->path[0] };
	if (!image->path[0] || image->home == LINK_HOME_MEMORY)
		load->asker.path =
			image->home == LINK_HOME_HOST ? "/proc/self/exe" : NULL;
}

/* A new item with an unformed module at @path, which is taken also on failure. */
static struct load_item *new_item(
	struct load *load, char *path, const char *wanted, const struct find_asker *asker)
{
	struct load_item *item = path ? base_zalloc(sizeof(*item)) : NULL;
	if (!item || base_grow(&load->items, load->count, &load->capacity,
			     sizeof(*load->items))) {
		base_free(item);
		base_free(path);
		return NULL;
	}
	item->fd = -1;
	item->module = registry_module_new(load->space, path);
	if (!item->module) {
		base_free(item);
		return NULL;
	}
	item->wanted = wanted;
	item->asker.path = path;
	item->asker.loader = asker;
	load->items[load->count++] = item;
	return item;
}

/* $ORIGIN is where the file lies now, whatever chdir(2) does later. */
static int keep_place(struct umod_module *module)
{
	char directory[4096];
	if (module->path[0] == '/' || !getcwd(directory, sizeof(directory)))
		return 0;
	module->absolute = base_printf("%s/%s", directory, module->path);
	return module->absolute ? 0 : -ENOMEM;
}

/* What the host of umod says of a file that is open, before a byte of it counts. */
static int check_file(struct load *load, const char *path, int fd, const struct stat *st)
{
	const struct umod_context *context = load->context;
	struct umod_file file = { sizeof(file), path, fd, st };
	const char *why = context->file_check
				  ? context->file_check(&file, context->file_check_data)
				  : NULL;
	return why ? base_error(load->error, UMOD_STAGE_OPEN, -EPERM, path, "%s", why)
		   : 0;
}

static int take_file(struct load *load, struct find_result *file, const char *wanted,
	const struct find_asker *asker)
{
	int result = check_file(load, file->path, file->fd, &file->st);
	if (result)
		return result;
	char *path = file->path;
	file->path = NULL;
	struct load_item *item = new_item(load, path, wanted, asker);
	if (!item)
		return no_memory(load, wanted);
	item->fd = file->fd;
	item->fd_is_ours = true;
	file->fd = -1;
	item->st = file->st;
	item->head = base_alloc(file->head_bytes);
	if (!item->head || keep_place(item->module))
		return no_memory(load, wanted);
	memcpy(item->head, file->head, file->head_bytes);
	item->head_bytes = file->head_bytes;
	item->file_bytes = (uint64_t)file->st.st_size;
	base_trace(BASE_TRACE_FILES, "%s: opened for %s, found by %s", item->module->path,
		wanted, find_how_name(file->how));
	return 0;
}

/* The host's object of that name, loaded through ld.so if it must not exist twice. */
static int find_shared(struct load *load, const char *name, struct umod_module **found)
{
	bool must;
	if (!registry_is_shared(load->space, name, &must))
		return 0;
	struct registry_host_object *object = registry_host_by_name(name);
	const char *slash = strrchr(name, '/');
	if (!object && must && slash)
		object = registry_host_by_name(slash + 1);
	if (!object && must && !(load->flags & UMOD_LOAD_NOLOAD)) {
		/* Nobody judges what ld.so loads: then not from where a module wants. */
		if (slash && load_is_judged(load, NULL))
			name = slash + 1;
		int result = registry_host_load(name, &object, load->error);
		if (result)
			return result;
	}
	return object ? registry_host_module(load->space, object, found, load->error) : 0;
}

static int find_same_file(
	struct load *load, const struct stat *st, struct umod_module **found)
{
	*found = registry_find_file(load->space, st->st_dev, st->st_ino);
	if (*found)
		return 0;
	struct registry_host_object *object =
		registry_host_by_file(st->st_dev, st->st_ino);
	bool must;
	return object && registry_is_shared(load->space, object->soname, &must)
		       ? registry_host_module(load->space, object, found, load->error)
		       : 0;
}

int load_open(struct load *load, const char *name, const struct find_asker *asker,
	struct umod_module **found)
{
	struct find_result file = { .fd = -1 };
	bool is_root = load->count == 0;
	bool is_private = is_root && load->flags & UMOD_LOAD_PRIVATE;
	*found = is_private ? NULL : registry_find_name(load->space, name);
	int result = *found ? 0 : find_shared(load, name, found);
	if (result || *found)
		return result;
	result = find_library(load->context->find, name, asker, &file, load->error);
	if (result)
		return result;
	if (!is_private)
		result = find_same_file(load, &file.st, found);
	if (!result && *found && !(*found)->host)
		registry_module_add_name(
			*found, name); /* for want of memory: found again */
	if (!result && !*found) {
		if (is_root && load->flags & UMOD_LOAD_NOLOAD)
			result = base_error(load->error, UMOD_STAGE_OPEN, -ENOENT, name,
				"is not loaded");
		else
			result = take_file(load, &file, name, asker);
	}
	find_result_clear(&file);
	return result;
}

char *load_locate(struct umod_context *context, const char *name, const void *caller)
{
	struct load load = {
		.space = context->process, .context = context, .caller = caller
	};
	struct find_result file = { .fd = -1 };
	char *path = NULL;
	registry_lock();
	load_set_asker(&load);
	struct registry_host_object *object = registry_host_by_name(name);
	if (object) {
		path = base_strdup(object->path);
	} else if (find_library(context->find, name, &load.asker, &file, NULL) == 0) {
		path = file.path;
		file.path = NULL;
	}
	registry_unlock();
	find_result_clear(&file);
	return path;
}

/* ---- from a descriptor, from bytes ---- */

static char *name_of_descriptor(const struct umod_source *source)
{
	char link[64], target[4096];
	if (source->path)
		return base_strdup(source->path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", source->descriptor);
	int64_t got = base_sys_readlink(link, target, sizeof(target));
	return got > 0 && got < (int64_t)sizeof(target)
		       ? base_strndup(target, (size_t)got)
		       : base_strdup(link);
}

static int open_descriptor(struct load *load, struct umod_module **found)
{
	const struct umod_source *source = load->source;
	struct stat st;
	uint8_t head[1024];
	int result = base_sys_fstat(source->descriptor, &st);
	char *path = result ? NULL : name_of_descriptor(source);
	if (result)
		return base_error(load->error, UMOD_STAGE_OPEN, result, source->path,
			"descriptor %d: %s", source->descriptor, strerror(-result));
	if (!path)
		return no_memory(load, source->path);
	if (!S_ISREG(st.st_mode)) {
		result = base_error(load->error, UMOD_STAGE_OPEN, -ENOEXEC, path,
			"is not a regular file");
		base_free(path);
		return result;
	}
	if (!(load->flags & UMOD_LOAD_PRIVATE))
		result = find_same_file(load, &st, found);
	int64_t got = result || *found
			      ? 0
			      : base_sys_pread(source->descriptor, head, sizeof(head), 0);
	if (!result && !*found && load->flags & UMOD_LOAD_NOLOAD)
		result = base_error(
			load->error, UMOD_STAGE_OPEN, -ENOENT, path, "is not loaded");
	if (!result && !*found)
		result = check_file(load, path, source->descriptor, &st);
	if (result || *found || got < 0) {
		if (got < 0)
			result = base_error(load->error, UMOD_STAGE_OPEN, (int)got, path,
				"cannot be read: %s", strerror((int)-got));
		base_free(path);
		return result;
	}
	struct load_item *item =
		new_item(load, path, source->path ? source->path : "", &load->asker);
	if (!item || !(item->head = base_alloc((size_t)got + 1)))
		return no_memory(load, source->path);
	memcpy(item->head, head, (size_t)got);
	item->head_bytes = (size_t)got;
	item->fd = source->descriptor;
	item->st = st;
	item->file_bytes = (uint64_t)st.st_size;
	return 0;
}

static int open_bytes(struct load *load)
{
	const struct umod_source *source = load->source;
	if (load->flags & UMOD_LOAD_NOLOAD)
		return base_error(load->error, UMOD_STAGE_OPEN, -ENOENT, source->path,
			"is not loaded: bytes in memory are new each time");
	char *path = source->path ? base_strdup(source->path)
				  : base_printf("memory:%p", source->buffer);
	struct load_item *item =
		new_item(load, path, source->path ? source->path : "", &load->asker);
	if (!item || !(item->buffer = base_alloc(source->buffer_bytes + 1)))
		return no_memory(load, source->path);
	memcpy(item->buffer, source->buffer, source->buffer_bytes);
	item->file_bytes = item->head_bytes = source->buffer_bytes;
	return 0;
}

int load_open_source(struct load *load, struct umod_module **found)
{
	*found = NULL;
	if (load->source->buffer)
		return open_bytes(load);
	if (load->source->has_descriptor)
		return open_descriptor(load, found);
	return load_open(load, load->source->path, &load->asker, found);
}
