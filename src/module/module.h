/* SPDX-License-Identifier: MIT */
/*
 * Floor 4: what a module is beyond an image: what it says of itself, and its parameters.
 * Versions of symbols are in module/version.h.
 *
 * A description is read from the file's sections, in the same way for relocatable and
 * shared objects, before anything is mapped. Nothing in the file is believed: what a
 * description holds is checked, and is its own copy. The parameters are read where the
 * image lies, when it is relocated.
 */
#ifndef UMOD_MODULE_MODULE_H
#define UMOD_MODULE_MODULE_H

#include "base/base.h"
#include "elf/object.h"
#include "feature/feature.h"

#include <umod/author.h>

/* ---- descriptions (describe.c) ---- */

enum module_kind {
	MODULE_PLAIN,  /* no module's metadata: a library, or an object as it is compiled
			*/
	MODULE_UMOD,   /* .gnu.linkonce.this_module of <umod/author.h>, or field export */
	MODULE_KERNEL, /* .gnu.linkonce.this_module of another size: Linux's own */
};

/* What the module offers. */
struct module_export {
	const char *name;
	const char *space;       /* NULL: none; "module:a,b*": for those modules alone */
	const char *declaration; /* NULL: not stored */
	uint32_t crc;
	bool has_crc, gpl_only;
};

struct module_strings {
	const char **items;
	unsigned count, capacity;
};

/* A section that is read in memory. All are 0 where there is none. */
struct module_place {
	unsigned section; /* its index in the file */
	uint64_t address; /* of ET_DYN: sh_addr, not checked against the segments */
	uint64_t bytes;
};

/*
 * What a file says. Zeroed: empty. Strings are its own, or NULL where the field is
 * missing; lists are empty. Once read it may be read by any thread.
 */
struct module_description {
	enum module_kind kind;
	char name[UMOD_MODULE_NAME_BYTES]; /* '-' folded to '_'; never empty */
	bool name_is_its_own;              /* else made of the file's name */
	const char *license, *version, *srcversion, *vermagic, *runtime;
	const char *author, *description; /* the first */
	bool gpl_compatible;              /* by its licence; without one it is not */
	bool livepatch;                   /* it would patch a running program */
	struct module_strings aliases;
	struct module_strings depends; /* names, folded */
	/* Softdeps and weakdeps: names or aliases, as they stand there. */
	struct module_strings before, after, weak;
	struct module_strings imports; /* export namespaces */
	struct module_export *exports; /* no name twice */
	unsigned export_count, export_capacity;
	/*
	 * Whether it offers its exports alone; else all global symbols of default
	 * visibility.
	 */
	bool offers_exports_alone;
	struct module_place this_module, parameters;
	unsigned parameter_count;

	struct feature_info fields; /* all of .modinfo, as it stands there */
	struct base_map exports_map;
	char *text, *words, *tables; /* what strings point into */
};

/*
 * Reads what @object says into *@out; @path gives the name where there is no other.
 * Returns 0; -ENOEXEC as the kernel where it is no module as it should be (two
 * this_module, two .modinfo, a symbol exported twice), or its names are not what names
 * may be; -ELIBBAD damaged; -ENOMEM. *@out is empty then. It is to be freed.
 */
int module_describe(const struct elf_object *object, const char *path,
	struct module_description *out, struct umod_error *error);
void module_description_free(struct module_description *description);

/* The export called @name, or NULL. */
const struct module_export *module_description_export(
	const struct module_description *description, const char *name);

/* As the kernel's license_is_gpl_compatible. NULL is not. */
bool module_license_is_gpl(const char *license);
/*
 * Whether module @name may use what is exported to @space: all may if that is NULL; those
 * that "module:a,b*" names; else those that have it among @imports.
 */
bool module_space_admits(
	const char *space, const char *name, const struct module_strings *imports);
/*
 * The name of a module whose file is @path, folded, cut to fit: its base name without
 * .ko, .o, .so and what follows, .gz, .xz, .zst. Characters that names may not have
 * become '_'.
 */
void module_name_of_path(const char *path, char out[UMOD_MODULE_NAME_BYTES]);
/*
 * Writes @name folded to @out. False: it is none: empty, longer than 55 bytes, or with
 * bytes other than ASCII letters, digits and "_-.+".
 */
bool module_name_fold(const char *name, size_t length, char out[UMOD_MODULE_NAME_BYTES]);

/* ---- parameters (parameters.c) ---- */

#endif
