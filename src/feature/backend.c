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

/*
 * Set once each, by whoever comes first. No lock: a load that unpacks a module comes here
 * with the load lock, and others without it.
 */
static _Atomic(struct umod_namespace *) space;
static _Atomic(struct umod_module *) modules[FEATURE_BACKEND_COUNT];

const struct umod_namespace *feature_backend_space(void)
{
	return atomic_load(&space);
}

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

static int make_space(struct umod_error *cause)
{
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_namespace *own = NULL, *none = NULL;
	struct umod_context *context = NULL;

	if (atomic_load(&space))
		return 0;
	options.name = "back ends";
	int result = umod_context_new(NULL, &context, cause);
	if (result == 0)
		result = umod_namespace_new(context, &options, &own, cause);
	if (result == 0 && !atomic_compare_exchange_strong(&space, &none, own))
		umod_namespace_unref(own);
	umod_context_unref(context);
	return result;
}

static int load(
	enum feature_backend which, struct umod_module **out, struct umod_error *cause)
{
	struct umod_module *none = NULL;

	*out = atomic_load(&modules[which]);
	if (*out)
		return 0;
	int result = make_space(cause);
	if (result == 0)
		result = umod_load(
			atomic_load(&space), backends[which].soname, NULL, out, cause);
	/* Who comes second has one more reference to the same module. */
	if (result == 0 && !atomic_compare_exchange_strong(&modules[which], &none, *out))
		umod_module_unref(*out, NULL);
	return result;
}

int feature_backend_symbols(enum feature_backend which, const char *const *names,
	void **out, struct umod_error *error)
{
	struct umod_error cause = { 0 };
	struct umod_module *module = NULL;

	if (!backends[which].built)
		return base_error(error, UMOD_STAGE_DECOMPRESS, -ENOTSUP,
			backends[which].name, "umod was built without %s (package %s)",
			backends[which].name, backends[which].package);
	int result = load(which, &module, &cause);
	for (unsigned i = 0; result == 0 && names[i]; i++)
		result = umod_module_symbol(module, names[i], NULL, &out[i], &cause);
	if (result == 0 || result == -ENOMEM)
		return result ? base_error(error, UMOD_STAGE_DECOMPRESS, result,
					backends[which].name, "out of memory")
			      : 0;
	return base_error(error, UMOD_STAGE_DECOMPRESS, -ENOTSUP, backends[which].name,
		"%s cannot be used (package %s): %s", backends[which].name,
		backends[which].package, cause.message);
}
