/* SPDX-License-Identifier: MIT */
/*
 * Versions of symbols, as the kernel's CONFIG_MODVERSIONS has them: a CRC of a symbol's
 * type stands with who exports it and with who was built against it, and a load compares
 * the two. `umod abi` computes and stores them; nothing here reads debug information.
 *
 * Where they stand:
 *   exports  __export_ext_crcs (u32 each), __export_ext_names (NUL-ended strings in the
 *            same order), __export_ext_decls (likewise, a declaration in C each; may be
 *            missing)
 *   imports  __version_ext_crcs, __version_ext_names, __version_ext_decls in the same
 *            manner; without them the kernel's __versions
 * They may be unallocated. The object is any that elf_object_open_any() takes.
 *
 * Strings of a table are the object's. A table that is not changed may be read by any
 * number of threads.
 */
#ifndef UMOD_MODULE_VERSION_H
#define UMOD_MODULE_VERSION_H

#include "elf/object.h"

/* The version of one symbol. */
struct module_version {
	const char *name; /* name_bytes of it; perhaps not ended */
	uint32_t name_bytes;
	uint32_t crc;
	const char *declaration; /* ended; NULL: not stored */
};
/* Zeroed: empty. Freed by its owner. */
struct module_versions {
	struct module_version *items; /* in the order of the sections */
	unsigned count, capacity;
	struct base_map map;
};

/* Reads what @object exports, or imports. None is no error. -ELIBBAD, -ENOMEM. */
int module_exports_versions(const struct elf_object *object, struct module_versions *out,
	struct umod_error *error);
int module_imports_versions(const struct elf_object *object, struct module_versions *out,
	struct umod_error *error);
void module_versions_free(struct module_versions *versions);
/* The version of @name, or NULL. */
const struct module_version *module_versions_find(
	const struct module_versions *versions, const char *name);

/* What a comparison came to, if it did not refuse. */
enum module_version_answer {
	MODULE_VERSION_NOT_CHECKED, /* one side, or both, told nothing */
	MODULE_VERSION_SAME,
	MODULE_VERSION_IGNORED, /* they differ, and that was to be ignored: taints */
};

/*
 * Compares what @importer was built against with what @provider exports; both name the
 * files, or modules, for the message. @wanted and @offered may be NULL. Unless they are
 * to be ignored, differing CRCs are -EINVAL, with both and the two declarations in
 * @error.
 */
int module_version_check(const char *importer, const struct module_version *wanted,
	const char *provider, const struct module_version *offered, bool ignore,
	enum module_version_answer *answer, struct umod_error *error);

/*
 * Compares a module's vermagic with the host's, as the kernel does: equal, but for the
 * first word where the module @has_crcs. NULL: that side has none. Unless that is to be
 * ignored, different ones are -ENOEXEC, and so is a module without one if the host has
 * one.
 */
int module_vermagic_check(const char *module, const char *vermagic,
	const char *host_vermagic, bool has_crcs, bool ignore,
	enum module_version_answer *answer, struct umod_error *error);

#endif
