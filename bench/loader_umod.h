/* SPDX-License-Identifier: MIT */
/*
 * bench/loader_umod.h: the measured verbs, by libumod. Included by loader.h only.
 */
#include <umod/umod.h>

#include <link.h>
#include <string.h>

#define LOADER_NAME "umod"

/* One in the program, whichever files include this. */
__attribute__((weak)) struct umod_context *loader_context;
__attribute__((weak)) struct umod_error loader_error;

static inline const char *loader_reason(void)
{
	static char text[2048];

	umod_error_format(&loader_error, text, sizeof(text));
	return text;
}

static inline void loader_start(void)
{
	if (umod_context_new(NULL, &loader_context, &loader_error) != 0)
		loader_die("context: %s", loader_reason());
}

static inline const char *loader_stage_name(unsigned stage)
{
	return umod_stage_name((enum umod_stage)stage);
}

static inline unsigned loader_flags(unsigned flags)
{
	return (flags & LOADER_LAZY ? UMOD_LOAD_LAZY : 0) |
	       (flags & LOADER_GLOBAL ? UMOD_LOAD_GLOBAL : 0) |
	       (flags & LOADER_NO_INIT ? UMOD_LOAD_NO_INIT : 0);
}

static inline void *loader_open_in(struct umod_namespace *space, const char *path,
	unsigned flags, struct loader_report *report)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_module *module;

	options.flags = loader_flags(flags);
	options.stage_ns = report ? report->stage_ns : NULL;
	if (umod_load(space, path, &options, &module, &loader_error) != 0)
		return NULL;
	if (report)
		report->init_ns = report->stage_ns[UMOD_STAGE_INIT];
	return module;
}

/* NULL when it fails; loader_reason says why. */
static inline void *loader_try_open(
	const char *path, unsigned flags, struct loader_report *report)
{
	_Static_assert(UMOD_STAGE_COUNT <= 32, "loader_report holds every stage");
	return loader_open_in(
		umod_context_process_namespace(loader_context), path, flags, report);
}

/* -EBUSY is no failure: glibc too keeps what holds unique symbols, and says nothing. */
static inline void loader_close(void *module)
{
	umod_module_unref(module, NULL);
}

/* A namespace of its own with @path in it; NULL when it fails. */
static inline void *loader_try_space(const char *path)
{
	struct umod_namespace *space;
	void *module;

	if (umod_namespace_new(loader_context, NULL, &space, &loader_error) != 0)
		return NULL;
	module = loader_open_in(space, path, 0, NULL);
	umod_namespace_unref(space); /* the module holds it */
	return module;
}

static inline void loader_close_space(void *module)
{
	loader_close(module);
}

static inline void *loader_symbol(void *module, const char *name)
{
	void *address;

	return umod_module_symbol(module, name, NULL, &address, NULL) == 0 ? address
									   : NULL;
}

static inline void *loader_global(const char *name)
{
	struct umod_namespace *space = umod_context_process_namespace(loader_context);
	void *address;

	return umod_namespace_symbol(space, name, NULL, &address, NULL) == 0 ? address
									     : NULL;
}

/* The name of what lies at @address, or NULL. */
static inline const char *loader_address_symbol(const void *address)
{
	struct umod_address_info info;

	return umod_address_symbol(address, &info) == 0 ? info.symbol : NULL;
}

static inline bool loader_address_module(const void *address)
{
	struct umod_address_info info;

	return umod_address_module(address, &info) == 0;
}

static inline int loader_count_one(struct dl_phdr_info *info, size_t size, void *count)
{
	(void)info, (void)size;
	++*(unsigned *)count;
	return 0;
}

/* Objects in the process, whoever loaded them. */
static inline unsigned loader_count(void)
{
	struct umod_statistics numbers = { .size_bytes = sizeof(numbers) };
	unsigned count = 0;

	dl_iterate_phdr(loader_count_one, &count);
	umod_statistics_get(&numbers);
	return count + (unsigned)numbers.modules;
}
