/* SPDX-License-Identifier: MIT */
/*
 * bench/loader_glibc.h: the measured verbs, by dlfcn(3). Included by loader.h only.
 */
#include <dlfcn.h>
#include <link.h>

#define LOADER_NAME "glibc"

static inline void loader_start(void)
{
}

static inline const char *loader_stage_name(unsigned stage)
{
	return "none"; /* it tells no stages */
}

static inline int loader_mode(unsigned flags)
{
	return (flags & LOADER_LAZY ? RTLD_LAZY : RTLD_NOW) |
	       (flags & LOADER_GLOBAL ? RTLD_GLOBAL : RTLD_LOCAL);
}

/* NULL when it fails; loader_reason says why. */
static inline void *loader_try_open(
	const char *path, unsigned flags, struct loader_report *report)
{
	return dlopen(path, loader_mode(flags));
}

static inline const char *loader_reason(void)
{
	return dlerror();
}

static inline void loader_close(void *module)
{
	if (dlclose(module) != 0)
		loader_die("close: %s", dlerror());
}

/* A namespace of its own with @path in it; NULL when it fails. */
static inline void *loader_try_space(const char *path)
{
	return dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
}

static inline void loader_close_space(void *module)
{
	loader_close(module);
}

static inline void *loader_symbol(void *module, const char *name)
{
	return dlsym(module, name);
}

static inline void *loader_global(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

/* The name of what lies at @address, or NULL. */
static inline const char *loader_address_symbol(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) ? info.dli_sname : NULL;
}

static inline bool loader_address_module(const void *address)
{
	struct dl_find_object found;

	return _dl_find_object((void *)address, &found) == 0;
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
	unsigned count = 0;

	dl_iterate_phdr(loader_count_one, &count);
	return count;
}
