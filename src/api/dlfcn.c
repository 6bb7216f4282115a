/* SPDX-License-Identifier: MIT */
/*
 * dlopen and its family for calls from inside umod's images: they come back to umod, in
 * the namespace of the image that calls. Handles and objects of ld.so's go to ld.so.
 * The face for whole programs, which covers every flag and request, is not this file.
 */
#include "api/api.h"

#include <dlfcn.h>
#include <stdlib.h>

#define UMOD_HANDLE_SPACE 1 /* tag of a handle that stands for a namespace */

static __thread char *last_message; /* of this thread's dlerror, owned */
static __thread char *told_message; /* what dlerror gave last */

static void set_message(const struct umod_error *error)
{
	base_free(last_message);
	last_message = base_printf("%s: %s", error->subject, error->message);
}

/* A call that succeeds leaves nothing for dlerror to tell. */
static void clear_message(void)
{
	base_free(last_message);
	last_message = NULL;
}

/* ---- handles that were given out ---- */

static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static struct base_map handles; /* module or namespace -> itself */

__attribute__((constructor)) static void keep_lock(void)
{
	base_lock_across_fork(&handles_lock);
}

static bool is_handle(void *handle)
{
	size_t cursor = 0;
	pthread_mutex_lock(&handles_lock);
	bool found = handle && base_map_next(&handles, base_mix((uintptr_t)handle),
				       &cursor) == handle;
	pthread_mutex_unlock(&handles_lock);
	return found;
}

static int keep_handle(void *handle)
{
	size_t cursor = 0;
	uint64_t key = base_mix((uintptr_t)handle);
	pthread_mutex_lock(&handles_lock);
	int result = base_map_next(&handles, key, &cursor)
			     ? 0
			     : base_map_put(&handles, key, handle);
	pthread_mutex_unlock(&handles_lock);
	return result;
}

/* However an object goes, its handle goes with it. */
void api_forget_handle(void *object)
{
	void *space = (char *)object + UMOD_HANDLE_SPACE;
	pthread_mutex_lock(&handles_lock);
	base_map_remove(&handles, base_mix((uintptr_t)object), object);
	base_map_remove(&handles, base_mix((uintptr_t)space), space);
	pthread_mutex_unlock(&handles_lock);
}

/* The module whose code called; borrowed: its code is running. */
static struct umod_module *caller_module(const void *caller)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)caller);
	base_reader_leave(reader);
	return image && image->home != LINK_HOME_HOST ? image->owner : NULL;
}

/* ---- dlopen ---- */

static void *open_in(
	struct umod_namespace *space, const char *file, int mode, const void *caller)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module;
	struct umod_error error;
	clear_message();
	options.caller = caller;
	options.flags = (mode & RTLD_GLOBAL ? UMOD_LOAD_GLOBAL : 0) |
			(mode & RTLD_NOW ? 0 : UMOD_LOAD_LAZY) |
			(mode & RTLD_NODELETE ? UMOD_LOAD_PINNED : 0) |
			(mode & RTLD_NOLOAD ? UMOD_LOAD_NOLOAD : 0) |
			(mode & RTLD_DEEPBIND ? UMOD_LOAD_DEEPBIND : 0);
	if (umod_load(space, file, &options, &module, &error)) {
		if (!(mode & RTLD_NOLOAD && error.code == -ENOENT))
			set_message(&error);
		return NULL;
	}
	module->has_handle = true;
	if (keep_handle(module)) {
		umod_module_unref(module, NULL);
		return NULL;
	}
	return module;
}

static void *answer_dlopen(const char *file, int mode)
{
	const void *caller = __builtin_return_address(0);
	struct umod_module *module = caller_module(caller);
	if (!module)
		return dlopen(file, mode);
	if (file && file[0])
		return open_in(module->space, file, mode, caller);
	if (module->space->is_process)
		return dlopen(NULL, mode);
	void *handle = (char *)module->space + UMOD_HANDLE_SPACE;
	module->space->has_handle = true;
	return keep_handle(handle) ? NULL : handle;
}

static void *answer_dlmopen(Lmid_t id, const char *file, int mode)
{
	const void *caller = __builtin_return_address(0);
	struct umod_module *module = caller_module(caller);
	if (!module || !file)
		return dlmopen(id, file, mode);
	if (id == LM_ID_BASE)
		return open_in(module->space->context->process, file, mode, caller);
	struct umod_error error;
	struct umod_namespace *space;
	if (umod_namespace_new(module->space->context, NULL, &space, &error)) {
		set_message(&error);
		return NULL;
	}
	void *handle = open_in(space, file, mode, caller);
	umod_namespace_unref(space);
	return handle;
}

static int answer_dlclose(void *handle)
{
	if (!is_handle(handle))
		return dlclose(handle);
	if ((uintptr_t)handle & UMOD_HANDLE_SPACE)
		return 0;
	/* Known as a handle for as long as the module lives. */
	clear_message();
	return umod_module_unref(handle, NULL) == -EINVAL ? -1 : 0;
}

/* ---- dlsym ---- */

static void *in_namespace(struct umod_module *module, const char *name,
	const char *version, struct umod_error *error)
{
	void *address = NULL;
	if (umod_namespace_symbol(module->space, name, version, &address, error) == 0 ||
		umod_module_symbol(module, name, version, &address, error) == 0)
		return address;
	if (!module->space->is_process)
		return NULL;
	return version ? dlvsym(RTLD_DEFAULT, name, version) : dlsym(RTLD_DEFAULT, name);
}

/* The next definition after the calling image, in its own closure's order. */
static void *after_caller(struct umod_module *module, const char *name,
	const char *version, struct umod_error *error)
{
	struct elf_reference reference;
	struct link_definition definition;
	struct link_scope *closure = registry_closure(module);
	link_reference(&reference, name, version);
	for (unsigned i = 1; closure && i < closure->count; i++)
		if (link_image_find(closure->images[i], &reference, &definition))
			return link_definition_address(&definition);
	/* What stands beside rather than below it: the global scope, without itself. */
	struct base_reader *reader = base_reader_enter();
	bool found = link_globals_find(
		module->space->globals, &reference, &module->image, &definition);
	base_reader_leave(reader);
	if (found)
		return link_definition_address(&definition);
	base_error(error, UMOD_STAGE_LOOKUP, -ENOENT, module->path,
		"undefined symbol: %s after this image", name);
	return NULL;
}

static void *look_up(
	void *handle, const char *name, const char *version, const void *caller)
{
	struct umod_error error = { 0 };
	struct umod_module *module = caller_module(caller);
	void *address = NULL;
	clear_message();
	if (handle == RTLD_DEFAULT && module) {
		address = in_namespace(module, name, version, &error);
	} else if (handle == RTLD_NEXT && module) {
		address = after_caller(module, name, version, &error);
	} else if (is_handle(handle)) {
		if ((uintptr_t)handle & UMOD_HANDLE_SPACE)
			umod_namespace_symbol(
				(void *)((char *)handle - UMOD_HANDLE_SPACE), name,
				version, &address, &error);
		else
			umod_module_symbol(handle, name, version, &address, &error);
	} else {
		return version ? dlvsym(handle, name, version) : dlsym(handle, name);
	}
	if (!address && error.code)
		set_message(&error);
	return address;
}

static void *answer_dlsym(void *handle, const char *name)
{
	return look_up(handle, name, NULL, __builtin_return_address(0));
}

static void *answer_dlvsym(void *handle, const char *name, const char *version)
{
	return look_up(handle, name, version, __builtin_return_address(0));
}

static char *answer_dlerror(void)
{
	base_free(told_message);
	told_message = last_message;
	last_message = NULL;
	return told_message ? told_message : dlerror();
}

/* ---- addresses ---- */

static int answer_dladdr1(const void *address, Dl_info *info, void **extra, int flags)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)address);
	if (!image || image->home == LINK_HOME_HOST) {
		base_reader_leave(reader);
		return extra ? dladdr1(address, info, extra, flags)
			     : dladdr(address, info);
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

static int answer_dladdr(const void *address, Dl_info *info)
{
	return answer_dladdr1(address, info, NULL, 0);
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

static int answer_dlinfo(void *handle, int request, void *out)
{
	struct umod_error error = { .subject = "dlinfo" };
	if (!is_handle(handle) || (uintptr_t)handle & UMOD_HANDLE_SPACE)
		return dlinfo(handle, request, out);
	struct umod_module *module = handle;
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
		set_message(&error);
		return -1;
	}
}

const struct registry_answer api_answers[] = {
	{ "__tls_get_addr", link_tls_get_addr },
	{ "__cxa_thread_atexit_impl", link_tls_thread_atexit },
	{ "dl_iterate_phdr", link_iterate_phdr },
	{ "dlopen", answer_dlopen },
	{ "dlmopen", answer_dlmopen },
	{ "dlclose", answer_dlclose },
	{ "dlsym", answer_dlsym },
	{ "dlvsym", answer_dlvsym },
	{ "dlerror", answer_dlerror },
	{ "dladdr", answer_dladdr },
	{ "dladdr1", answer_dladdr1 },
	{ "dlinfo", answer_dlinfo },
	{ NULL, NULL },
};
