/* SPDX-License-Identifier: MIT */
/*
 * dlopen, dlmopen and dlclose: which namespace a call means, who loads, and what the
 * flags of dlfcn.h are to a load. Finds and loads nothing itself.
 */
#include "api/dl.h"

#include <stdlib.h>

static const struct dl_face *face;
struct dl_counters dl_counters;

void dl_set_face(const struct dl_face *to)
{
	face = to;
}

const struct dl_face *dl_face(void)
{
	return face;
}

struct umod_module *dl_caller(const void *caller)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)caller);
	base_reader_leave(reader);
	return image && image->home != LINK_HOME_HOST ? image->owner : NULL;
}

/* The caller fails, and dlerror tells why. */
static bool fail(const struct umod_error *error, void **handle)
{
	dl_error_set(error);
	base_trace(
		BASE_TRACE_FILES, "%s: not opened: %s", error->subject, error->message);
	atomic_fetch_add(&dl_counters.failures, 1);
	*handle = NULL;
	return true;
}

static bool ask_ldso(_Atomic uint64_t *counter, const char *file, const char *why)
{
	base_trace(BASE_TRACE_FILES, "%s: left to ld.so: %s", file, why);
	atomic_fetch_add(counter, 1);
	dl_error_of_ldso();
	return false;
}

/* As the process started, like ld.so: what a program sets later is for its children. */
static bool bind_now(void)
{
	enum { UNKNOWN, NO, YES };
	static _Atomic int known;
	int is = atomic_load_explicit(&known, memory_order_relaxed);
	if (is == UNKNOWN) {
		const char *now = base_getenv("LD_BIND_NOW");
		is = now && now[0] ? YES : NO;
		atomic_store_explicit(&known, is, memory_order_relaxed);
	}
	return is == YES;
}

__attribute__((constructor)) static void read_environment(void)
{
	bind_now();
}

static unsigned load_flags(int mode)
{
	bool lazy = !(mode & RTLD_NOW) && !bind_now();
	return (lazy ? UMOD_LOAD_LAZY : 0) | (mode & RTLD_GLOBAL ? UMOD_LOAD_GLOBAL : 0) |
	       (mode & RTLD_NODELETE ? UMOD_LOAD_PINNED : 0) |
	       (mode & RTLD_NOLOAD ? UMOD_LOAD_NOLOAD : 0) |
	       (mode & RTLD_DEEPBIND ? UMOD_LOAD_DEEPBIND : 0);
}

/* What ld.so holds has ld.so's handle, which counts there. */
static bool give_host(struct umod_module *module, const char *file)
{
	umod_module_unref(module, NULL);
	return ask_ldso(&dl_counters.host, file, "it holds this");
}

static bool load_in(struct umod_namespace *space, const char *file, int mode,
	const void *caller, void **handle)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module;
	struct umod_error error = { 0 };
	options.caller = caller;
	options.flags = load_flags(mode);
	*handle = NULL;
	if (umod_load(space, file, &options, &module, &error)) {
		if (mode & RTLD_NOLOAD && error.code == -ENOENT)
			return true; /* no error: glibc tells none either */
		/* What the policy refuses is refused, not handed on. */
		bool refused = error.stage == UMOD_STAGE_VERIFY ||
			       (error.stage == UMOD_STAGE_OPEN && error.code == -EPERM);
		if (face && space->is_process && !(mode & RTLD_NOLOAD) && !refused &&
			face->falls_back())
			return ask_ldso(&dl_counters.fallbacks, file, error.message);
		return fail(&error, handle);
	}
	if (module->host && space->is_process)
		return give_host(module, file);
	module->has_handle = true;
	*handle = dl_handle_of_module(module);
	if (dl_handle_keep(*handle)) {
		umod_module_unref(module, NULL);
		base_error(
			&error, UMOD_STAGE_NONE, -ENOMEM, file, "no memory for a handle");
		return fail(&error, handle);
	}
	atomic_fetch_add(&dl_counters.umod, 1);
	return true;
}

static bool load_in_new(struct umod_context *context,
	const struct umod_namespace_options *options, const char *file, int mode,
	const void *caller, void **handle)
{
	struct umod_error error = { 0 };
	struct umod_namespace *space;
	if (umod_namespace_new(context, options, &space, &error))
		return fail(&error, handle);
	load_in(space, file, mode, caller, handle);
	umod_namespace_unref(space);
	return true;
}

/* The namespace that was made for @name alone; a reference, or NULL. Under the lock. */
static struct umod_namespace *find_space_named(
	const struct umod_context *context, const char *name)
{
	struct umod_namespace *space;
	for (space = registry_first_namespace(); space; space = space->next)
		if (space->context == context && !space->is_process &&
			strcmp(space->name, name) == 0)
			break;
	if (space)
		registry_namespace_ref(space);
	return space;
}

/* One file has one name, however it is asked for. */
static char *real_name(struct umod_context *context, const char *file, const void *caller)
{
	BASE_AUTO_FREE char *path =
		strchr(file, '/') ? NULL : load_locate(context, file, caller);
	return realpath(path ? path : file, NULL);
}

static bool load_isolated(struct umod_context *context, const char *file, int mode,
	const void *caller, void **handle)
{
	struct umod_namespace_options options = *face->sharing();
	struct umod_namespace *space;
	struct umod_error error = { 0 };
	char *real = real_name(context, file, caller);
	options.name = real ? real : file;
	options.use_process = true; /* plugins call the program that opens them */
	registry_lock();            /* or two threads would make one each */
	space = find_space_named(context, options.name);
	bool done = true;
	*handle = NULL;
	if (!space && mode & RTLD_NOLOAD)
		goto out;
	if (!space && umod_namespace_new(context, &options, &space, &error))
		done = fail(&error, handle);
	else
		load_in(space, file, mode, caller, handle);
	umod_namespace_unref(space);
	if (*handle)
		atomic_fetch_add(&dl_counters.isolated, 1);
out:
	registry_unlock();
	free(real);
	return done;
}

static bool is_valid_mode(const char *file, int mode, void **handle)
{
	const int known = RTLD_LAZY | RTLD_NOW | RTLD_NOLOAD | RTLD_DEEPBIND |
			  RTLD_GLOBAL | RTLD_NODELETE;
	struct umod_error error = { 0 };
	if (mode & ~known)
		base_error(&error, UMOD_STAGE_NONE, -EINVAL, file,
			"invalid mode parameter: %#x is no flag", mode & ~known);
	else if (!(mode & (RTLD_LAZY | RTLD_NOW)))
		base_error(&error, UMOD_STAGE_NONE, -EINVAL, file,
			"invalid mode for dlopen(): Invalid argument (neither RTLD_LAZY "
			"nor RTLD_NOW is set)");
	else
		return true;
	fail(&error, handle);
	return false;
}

/* By the program, or from the process's own namespace: as the face chooses. */
static bool open_chosen(struct umod_context *context, const char *file, int mode,
	const void *caller, void **handle)
{
	struct umod_error error = { 0 };
	switch (face ? face->choose(file, &error) : DL_UMOD) {
	case DL_LDSO:
		return ask_ldso(&dl_counters.ldso, file, "the policy says so");
	case DL_REFUSE:
		return fail(&error, handle);
	case DL_ISOLATE:
		return load_isolated(context, file, mode, caller, handle);
	default:
		return load_in(context->process, file, mode, caller, handle);
	}
}

bool dl_open(const char *file, int mode, const void *caller, void **handle)
{
	struct umod_module *module = dl_caller(caller);
	bool is_process = !module || module->space->is_process;
	struct umod_error error = { 0 };
	dl_error_clear();
	if ((!module && !face) || (is_process && (!file || !file[0]))) {
		dl_error_of_ldso();
		return false;
	}
	if (!is_valid_mode(file, mode, handle))
		return true;
	if (!file || !file[0]) {
		*handle = dl_handle_of_space(module->space);
		module->space->has_handle = true;
		if (dl_handle_keep(*handle))
			*handle = NULL;
		return true;
	}
	if (!is_process)
		return load_in(module->space, file, mode, caller, handle);
	struct umod_context *context =
		module ? module->space->context : face->context(&error);
	return context ? open_chosen(context, file, mode, caller, handle)
		       : fail(&error, handle);
}

char *dl_path_for_ldso(const char *file, const void *caller)
{
	struct umod_module *module = dl_caller(caller);
	return module && file && file[0]
		       ? load_locate(module->space->context, file, caller)
		       : NULL;
}

static struct umod_namespace *find_space(struct umod_context *context, Lmid_t id)
{
	struct umod_namespace *space;
	registry_lock();
	for (space = registry_first_namespace(); space; space = space->next)
		if (space->context == context && space->id == (uint64_t)id)
			break;
	if (space)
		registry_namespace_ref(space);
	registry_unlock();
	return space;
}

bool dl_open_in(Lmid_t id, const char *file, int mode, const void *caller, void **handle)
{
	struct umod_module *module = dl_caller(caller);
	struct umod_error error = { 0 };
	if (id == LM_ID_BASE && (!module || module->space->is_process))
		return dl_open(file, mode, caller, handle);
	dl_error_clear();
	if (!module && !face) {
		dl_error_of_ldso();
		return false;
	}
	struct umod_context *context =
		module ? module->space->context : face->context(&error);
	if (!context)
		return fail(&error, handle);
	if (!is_valid_mode(file, mode, handle))
		return true;
	if (!file || !file[0]) {
		base_error(&error, UMOD_STAGE_NONE, -EINVAL, "dlmopen",
			"a namespace other than LM_ID_BASE needs a file");
		return fail(&error, handle);
	}
	if (id == LM_ID_BASE)
		return load_in(context->process, file, mode, caller, handle);
	if (id == LM_ID_NEWLM)
		return load_in_new(context, face ? face->sharing() : NULL, file, mode,
			caller, handle);
	struct umod_namespace *space = find_space(context, id);
	if (!space) {
		base_error(&error, UMOD_STAGE_NONE, -EINVAL, file,
			"invalid target namespace in dlmopen(): there is no %ld",
			(long)id);
		return fail(&error, handle);
	}
	load_in(space, file, mode, caller, handle);
	umod_namespace_unref(space);
	return true;
}

bool dl_close(void *handle, int *result)
{
	dl_error_clear();
	*result = 0;
	if (!dl_handle_is_known(handle)) {
		dl_error_of_ldso();
		return false;
	}
	if (dl_handle_space(handle))
		return true;
	/* Known as a handle for as long as the module lives. */
	if (umod_module_unref(dl_handle_module(handle), NULL) == -EINVAL) {
		struct umod_error error = { 0 };
		base_error(&error, UMOD_STAGE_NONE, -EINVAL,
			dl_handle_module(handle)->path, "shared object not open");
		dl_error_set(&error);
		*result = -1;
	}
	return true;
}
