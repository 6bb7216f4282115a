/* SPDX-License-Identifier: MIT */
/* Contexts: options, process-wide set-up, statistics, capabilities. */
#include "api/dl.h"
#include "feature/signature.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define DEFAULT_ARENA_LIMIT 32768

void api_fill(void *to, size_t to_bytes, const void *from, size_t from_bytes)
{
	size_t bytes = to_bytes < from_bytes ? to_bytes : from_bytes;
	if (bytes <= sizeof(size_t))
		return;
	memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
		bytes - sizeof(size_t));
}

int api_take_options(
	void *to, size_t to_bytes, const void *from, struct umod_error *error)
{
	size_t size;
	memset(to, 0, to_bytes);
	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size))
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, NULL,
			"size_bytes of the options is not set");
	memcpy(to, from, size < to_bytes ? size : to_bytes);
	return 0;
}

/* ---- set-up ---- */

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#define HEAP_BYTES 65536

/* Its own code, page by page, would be a good part of what a first small load costs. */
static void touch_own_code(void)
{
	struct dl_find_object own;
	if (link_host_find((void *)(uintptr_t)api_setup, &own))
		return;
	base_sys_madvise(own.dlfo_map_start,
		(size_t)((char *)own.dlfo_map_end - (char *)own.dlfo_map_start),
		MADV_POPULATE_READ);
	/* And the heap that a load needs: freed, it stays in the process. */
	void *heap = base_alloc(HEAP_BYTES);
	if (heap)
		memset(heap, 0, HEAP_BYTES);
	base_free(heap);
}

/* A failure, for want of memory perhaps, is not for ever: the next context tries again.
 */
int api_setup(struct umod_error *error)
{
	static atomic_bool done;
	int result = 0;
	if (atomic_load(&done))
		return 0;
	registry_lock();
	if (!done) {
		base_trace_setup();
		link_arch_setup();
		result = link_tls_setup(error);
	}
	if (!done && !result) {
		registry_set_answers(api_answers);
		registry_set_goodbye(dl_handle_forget);
		/* A whole program pays for all, and needs little of it as a rule. */
		if (!dl_face()) {
			touch_own_code();
			find_hwcaps(); /* not in the first load */
		}
		base_reader_leave(base_reader_enter());
		/* After every atexit handler that modules will register. */
		load_finish_at_exit();
		done = true;
	}
	registry_unlock();
	return result;
}

/* ---- contexts ---- */

static bool wants_huge_pages(enum umod_huge_pages choice)
{
	if (choice != UMOD_HUGE_PAGES_DEFAULT)
		return choice == UMOD_HUGE_PAGES_LARGE;
	const char *value = base_getenv("UMOD_HUGE_PAGES");
	return value && strcmp(value, "large") == 0;
}

UMOD_EXPORT void umod_context_unref(struct umod_context *context)
{
	if (!context || atomic_fetch_sub(&context->references, 1) != 1)
		return;
	if (context->process)
		registry_namespace_end(context->process);
	find_config_free(context->find);
	feature_keyring_free(context->keyring);
	base_free(context);
}

static int fill_context(struct umod_context *context,
	const struct umod_context_options *options, struct umod_error *error)
{
	struct find_asker program = { .path = "/proc/self/exe", .is_main = true };
	struct find_options find = { options->library_path, options->cache_path,
		options->root, &program, options->late_cache };
	registry_lock();
	int result = registry_host_refresh(error);
	const struct registry_host_object *object = registry_host_by_name("");
	if (object) {
		program.rpath = object->image.view.rpath;
		program.runpath = object->image.view.runpath;
	}
	registry_unlock();
	if (!result)
		result = find_config_new(&find, &context->find, error);
	if (!result)
		result = registry_namespace_new(
			context, NULL, true, &context->process, error);
	if (!result) {
		registry_lock();
		result = registry_host_enter(context->process, error);
		if (!result && link_globals_prepare(context->process->globals))
			result = base_error(error, UMOD_STAGE_NONE, -ENOMEM, NULL,
				"no memory for the global scope");
		registry_unlock();
	}
	return result;
}

UMOD_EXPORT int umod_context_new(const struct umod_context_options *options,
	struct umod_context **out, struct umod_error *error)
{
	struct umod_context_options own;
	umod_error_clear(error);
	*out = NULL;
	int result = api_take_options(&own, sizeof(own), options, error);
	if (!result)
		result = api_setup(error);
	if (result)
		return result;
	struct umod_context *context = base_zalloc(sizeof(*context));
	if (!context)
		return base_error(
			error, UMOD_STAGE_NONE, -ENOMEM, NULL, "no memory for a context");
	atomic_init(&context->references, 1);
	context->arena_limit_bytes = own.arena_limit_bytes == 0 ? DEFAULT_ARENA_LIMIT
				     : own.arena_limit_bytes == UMOD_ARENA_NONE
					     ? 0
					     : own.arena_limit_bytes;
	context->huge_pages = wants_huge_pages(own.huge_pages);
	context->allow_text_relocations = own.allow_text_relocations;
	context->allow_executable_stack = own.allow_executable_stack;
	context->file_check = own.file_check;
	context->file_check_data = own.file_check_data;
	result = api_signatures_fill(context, &own, error);
	if (!result)
		result = fill_context(context, &own, error);
	if (result) {
		umod_context_unref(context);
		return result;
	}
	*out = context;
	return 0;
}

UMOD_EXPORT struct umod_context *umod_context_ref(struct umod_context *context)
{
	atomic_fetch_add(&context->references, 1);
	return context;
}

UMOD_EXPORT struct umod_namespace *umod_context_process_namespace(
	struct umod_context *context)
{
	return context->process;
}

/* ---- statistics and capabilities ---- */

UMOD_EXPORT void umod_statistics_get(struct umod_statistics *out)
{
	const struct registry_statistics *r = &registry_statistics;
	struct umod_statistics s = {
		.modules = atomic_load(&r->modules),
		.loads = atomic_load(&r->loads),
		.unloads = atomic_load(&r->unloads),
		.relative = atomic_load(&r->relative),
		.symbolic = atomic_load(&r->symbolic),
		.lookups = atomic_load(&r->lookups),
		.mapped_bytes = link_mapped_bytes(),
		.arena_bytes = link_arena_bytes(),
		.host_pins = registry_host_pins(),
	};
	for (unsigned i = 0; i < UMOD_STAGE_COUNT; i++)
		s.failures[i] = atomic_load(&r->failures[i]);
	registry_lock(); /* the pool's pieces move when one is added */
	link_tls_pool_sizes(&s.tls_pool_bytes, &s.tls_pool_used_bytes);
	registry_unlock();
	api_fill(out, out->size_bytes, &s, sizeof(s));
}

UMOD_EXPORT const char *umod_feature(unsigned index, const char **state)
{
	static char pool[24];
	static const struct {
		const char *name, *state;
	} features[] = { { "arch:x86-64", "yes" }, { "arch:aarch64", "no" },
		{ "arch:riscv64", "no" }, { "shared-objects", "yes" },
		{ "relocatable-objects", "yes" }, { "load-from-path", "yes" },
		{ "load-from-descriptor", "yes" }, { "load-from-memory", "yes" },
		{ "namespaces", "unlimited" }, { "lazy-binding", "yes" },
		{ "deep-binding", "yes" }, { "symbol-versions", "yes" },
		{ "gnu-hash", "yes" }, { "sysv-hash", "yes" }, { "relr", "yes" },
		{ "ifunc", "yes" }, { "copy-relocations", "yes" },
		{ "text-relocations", "by option" },
		{ "executable-stack", "never granted" }, { "tls-dynamic", "yes" },
		{ "tls-descriptors", "yes" }, { "tls-initial-exec", "yes" },
		{ "tls-pool-bytes", pool }, { "arenas", "yes" },
		{ "huge-pages", "by option" }, { "unwinding", "yes" },
		{ "debugger", "yes" },
		{ "unpack-gzip", FEATURE_HAVE_ZLIB ? "yes" : "no" },
		{ "unpack-xz", FEATURE_HAVE_LZMA ? "yes" : "no" },
		{ "unpack-zstd", FEATURE_HAVE_ZSTD ? "yes" : "no" },
		{ "abi", FEATURE_HAVE_DW ? "yes" : "no" },
		{ "signatures", FEATURE_HAVE_CRYPTO ? "yes" : "no" },
		{ "snapshots", "no" } };
	if (index >= base_array_count(features))
		return NULL;
	uint64_t total, used;
	api_setup(NULL); /* the pool may be the program's */
	registry_lock();
	link_tls_pool_sizes(&total, &used);
	snprintf(pool, sizeof(pool), "%lu", total);
	registry_unlock();
	if (state)
		*state = features[index].state;
	return features[index].name;
}

UMOD_EXPORT const char *umod_version(void)
{
	return "0.1.0";
}
