/* SPDX-License-Identifier: MIT */
/*
 * What libumod-dl.so exports, but for dl_iterate_phdr and _dl_find_object, which the link
 * floor answers: the dlfcn functions, for programs that call them by name. Those that
 * depend on their caller are entered through <processor>.S.
 */
#include "face.h"

/* A value, or the function of ld.so's that is to be asked instead. */
struct answer {
	void *value;
	void *ask;
};

struct answer answer_open(const char *file, int mode, void *unused, const void *caller);
struct answer answer_open_in(Lmid_t id, const char *file, int mode, const void *caller);
struct answer answer_symbol(
	void *handle, const char *name, void *unused, const void *caller);
struct answer answer_versioned(
	void *handle, const char *name, const char *version, const void *caller);

struct answer answer_open(const char *file, int mode, void *unused, const void *caller)
{
	struct answer answer = { 0 };
	face_setup();
	if (!dl_open(file, mode, caller, &answer.value))
		answer.ask = (void *)(uintptr_t)link_real()->open;
	return answer;
}

struct answer answer_open_in(Lmid_t id, const char *file, int mode, const void *caller)
{
	struct answer answer = { 0 };
	face_setup();
	if (!dl_open_in(id, file, mode, caller, &answer.value))
		answer.ask = (void *)(uintptr_t)link_real()->open_in;
	return answer;
}

struct answer answer_symbol(
	void *handle, const char *name, void *unused, const void *caller)
{
	struct answer answer = { 0 };
	if (!dl_symbol(handle, name, NULL, caller, &answer.value))
		answer.ask = (void *)(uintptr_t)link_real()->symbol;
	return answer;
}

struct answer answer_versioned(
	void *handle, const char *name, const char *version, const void *caller)
{
	struct answer answer = { 0 };
	if (!dl_symbol(handle, name, version, caller, &answer.value))
		answer.ask = (void *)(uintptr_t)link_real()->versioned;
	return answer;
}

UMOD_EXPORT int dlclose(void *handle)
{
	int result;
	return dl_close(handle, &result) ? result : link_real()->close(handle);
}

UMOD_EXPORT char *dlerror(void)
{
	return dl_error();
}

UMOD_EXPORT int dladdr(const void *address, Dl_info *info)
{
	return dl_address(address, info);
}

UMOD_EXPORT int dladdr1(const void *address, Dl_info *info, void **extra, int flags)
{
	return dl_address1(address, info, extra, flags);
}

UMOD_EXPORT int dlinfo(void *restrict handle, int request, void *restrict out)
{
	return dl_info(handle, request, out);
}
