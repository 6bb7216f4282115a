/* SPDX-License-Identifier: MIT */
/*
 * Loads the libraries that features need, each at its first use, through umod's public
 * interface and into one private namespace. So a program that never meets a packed module
 * never loads a decompressor, and one that has its own copy keeps it to itself.
 */
#include "feature/feature.h"

#include <umod/umod.h>

static const struct {
	const char *name, *soname, *package;
	bool built;
} backends[FEATURE_BACKEND_COUNT] = {
	[FEATURE_ZLIB] = { "zlib", "libz.so.1", "zlib1g", FEATURE_HAVE_ZLIB },
	[FEATURE_LZMA] = { "liblzma", "liblzma.so.5", "liblzma5", FEATURE_HAVE_LZMA },
	[FEATURE_ZSTD] = { "libzstd", "libzstd.so.1", "libzstd1", FEATURE_HAVE_ZSTD },
	[FEATURE_CRYPTO] = { "libcrypto", "libcrypto.so.3", "libssl3",
		FEATURE_HAVE_CRYPTO },
	[FEATURE_DW] = { "libdw", "libdw.so.1", "libdw1", FEATURE_HAVE_DW },
};

/* Guards both. Loads may take a while; nobody who holds another lock comes here. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct umod_namespace *space;
static struct umod_module *modules[FEATURE_BACKEND_COUNT];

const char *feature_backend_name(enum feature_backend which)
{
	return backends[which].name;
}

const char *feature_backend_package(enum feature_backend which)
{
	return backends[which].package;
}

bool feature_backend_built(enum feature_backend which)
{
	return backends[which].built;
}

static int load(enum feature_backend which, struct umod_error *cause)
{
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_context *context = NULL;
	int result = 0;

	if (modules[which])
		return 0;
	if (!space) {
		result = umod_context_new(NULL, &context, cause);
		options.name = "back ends";
		if (result == 0)
			result = umod_namespace_new(context, &options, &space, cause);
		umod_context_unref(context);
	}
	if (result == 0)
		result = umod_load(
			space, backends[which].soname, NULL, &modules[which], cause);
	return result;
}

int feature_backend_symbols(enum feature_backend which, const char *const *names,
	void **out, struct umod_error *error)
{
	struct umod_error cause = { 0 };
	int result = 0;

	if (!backends[which].built)
		return base_error(error, UMOD_STAGE_DECOMPRESS, -ENOTSUP,
			backends[which].name, "umod was built without %s",
			backends[which].name);
	pthread_mutex_lock(&lock);
	result = load(which, &cause);
	for (unsigned i = 0; names[i] && result == 0; i++)
		result = umod_module_symbol(
			modules[which], names[i], NULL, &out[i], &cause);
	pthread_mutex_unlock(&lock);
	if (result == 0 || result == -ENOMEM)
		return result ? base_error(error, UMOD_STAGE_DECOMPRESS, result,
					backends[which].name, "out of memory")
			      : 0;
	return base_error(error, UMOD_STAGE_DECOMPRESS, -ENOTSUP, backends[which].name,
		"%s cannot be used (package %s): %s", backends[which].name,
		backends[which].package, cause.message);
}
