/* SPDX-License-Identifier: MIT */
/*
 * The context that a program's dlfcn calls are served from. Nothing is done before the
 * first of them: a program that opens nothing pays for nothing.
 */
#include "face.h"

#include <stdlib.h>

static _Atomic(struct umod_context *) context; /* made under the load lock */
/* LD_LIBRARY_PATH as the program started, since ld.so goes by that; NULL: not set. */
static char *library_path;
static bool library_path_is_read;

/* Early, since programs write over their environment; but others' constructors may run
 * before ours. */
static void keep_library_path(void)
{
	const char *path = library_path_is_read ? NULL : base_getenv("LD_LIBRARY_PATH");
	library_path_is_read = true;
	if (path && path[0])
		library_path = base_strdup(path);
}

_Static_assert(sizeof(struct dl_counters) == sizeof(struct shown_counters) &&
		       offsetof(struct dl_counters, failures) ==
			       offsetof(struct shown_counters, failures),
	"umod maps knows them by their places");

static int make_context(struct umod_error *error)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *made;
	keep_library_path();
	options.library_path = library_path ? library_path : "";
	options.late_cache = true;
	int result = policy_read(error);
	policy_fill(&options);
	if (!result)
		result = umod_context_new(&options, &made, error);
	if (result)
		return result;
	link_show(&dl_counters, sizeof(dl_counters) / sizeof(uint64_t));
	atomic_store_explicit(&context, made, memory_order_release);
	return 0;
}

static struct umod_context *get_context(struct umod_error *error)
{
	struct umod_context *got = atomic_load_explicit(&context, memory_order_acquire);
	if (base_likely(got))
		return got;
	registry_lock();
	if (!atomic_load_explicit(&context, memory_order_relaxed))
		make_context(error);
	got = atomic_load_explicit(&context, memory_order_relaxed);
	registry_unlock();
	return got;
}

static const struct dl_face face = { get_context, policy_choose, policy_sharing,
	policy_falls_back };

void face_setup(void)
{
	if (base_unlikely(!dl_face()))
		dl_set_face(&face);
}

__attribute__((constructor)) static void start(void)
{
	keep_library_path();
	/* Before the program registers a handler of its own: ld.so's run after those. */
	load_finish_at_exit();
}
