/* SPDX-License-Identifier: MIT */
/*
 * ld.so's own dlfcn functions, found in the C library's symbol table: by name they may
 * lead to the drop-in library, and so back to umod. Decides nothing about who is asked.
 */
#include "link/link.h"

#include <dlfcn.h>

static void *no_open(const char *file, int mode)
{
	return NULL;
}

static void *no_open_in(Lmid_t id, const char *file, int mode)
{
	return NULL;
}

static int no_close(void *handle)
{
	return -1;
}

static void *no_symbol(void *handle, const char *name)
{
	return NULL;
}

static void *no_versioned(void *handle, const char *name, const char *version)
{
	return NULL;
}

static char *no_error(void)
{
	return NULL;
}

static int no_address(const void *address, Dl_info *info)
{
	return 0;
}

static int no_address1(const void *address, Dl_info *info, void **extra, int flags)
{
	return 0;
}

static int no_info(void *handle, int request, void *out)
{
	return -1;
}

/* What a C library lacks (before glibc 2.34 it stands in libdl) answers that it failed.
 */
static struct link_real real = { no_open, no_open_in, no_close, no_symbol, no_versioned,
	no_error, no_address, no_address1, no_info };
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_all(void)
{
	const struct {
		const char *name;
		void *place;
	} functions[] = {
		{ "dlopen", &real.open },
		{ "dlmopen", &real.open_in },
		{ "dlclose", &real.close },
		{ "dlsym", &real.symbol },
		{ "dlvsym", &real.versioned },
		{ "dlerror", &real.error },
		{ "dladdr", &real.address },
		{ "dladdr1", &real.address1 },
		{ "dlinfo", &real.info },
	};
	for (unsigned i = 0; i < base_array_count(functions); i++) {
		void *found = link_host_symbol(functions[i].name);
		if (found)
			memcpy(functions[i].place, &found, sizeof(found));
	}
}

const struct link_real *link_real(void)
{
	pthread_once(&once, find_all);
	return &real;
}
