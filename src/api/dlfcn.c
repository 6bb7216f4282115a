/* SPDX-License-Identifier: MIT */
/*
 * Answers for calls of the dlfcn functions from inside umod's images: they come back to
 * umod, in the namespace of the image that calls, which its return address tells. What
 * is ld.so's affair goes to ld.so.
 */
#include "api/dl.h"

static void *ask_ldso(const char *file, int mode, const void *caller)
{
	BASE_AUTO_FREE char *path = dl_path_for_ldso(file, caller);
	return link_real()->open(path ? path : file, mode);
}

static void *answer_dlopen(const char *file, int mode)
{
	void *handle, *caller = __builtin_return_address(0);
	return dl_open(file, mode, caller, &handle) ? handle
						    : ask_ldso(file, mode, caller);
}

/* What goes to ld.so is of its base namespace. */
static void *answer_dlmopen(Lmid_t id, const char *file, int mode)
{
	void *handle, *caller = __builtin_return_address(0);
	return dl_open_in(id, file, mode, caller, &handle) ? handle
							   : ask_ldso(file, mode, caller);
}

static int answer_dlclose(void *handle)
{
	int result;
	return dl_close(handle, &result) ? result : link_real()->close(handle);
}

static void *answer_dlsym(void *handle, const char *name)
{
	void *address;
	return dl_symbol(handle, name, NULL, __builtin_return_address(0), &address)
		       ? address
		       : link_real()->symbol(handle, name);
}

static void *answer_dlvsym(void *handle, const char *name, const char *version)
{
	void *address;
	return dl_symbol(handle, name, version, __builtin_return_address(0), &address)
		       ? address
		       : link_real()->versioned(handle, name, version);
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
	{ "dlerror", dl_error },
	{ "dladdr", dl_address },
	{ "dladdr1", dl_address1 },
	{ "dlinfo", dl_info },
	{ NULL, NULL },
};
