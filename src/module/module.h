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
	struct module_strings needed;  /* of an object: sonames, as DT_NEEDED has them */
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

/*
 * Where @place of the file that became @image lies in memory, from stage map on, of a
 * relocatable object until link_object_free; aligned, and within one segment. NULL: there
 * is none, or the file says that it lies where nothing does.
 */
struct link_image;
void *module_place_find(const struct link_image *image, const struct module_place *place);
/*
 * The module's own struct in memory, once it is relocated: for init, exit and `module`,
 * which is written before stage protect, lest a hostile file has it in relro.
 * *@out is NULL where it has none. What the file said of it must stand there: -ELIBBAD.
 */
int module_this_find(const struct link_image *image,
	const struct module_description *description, struct umod_this_module **out,
	struct umod_error *error);
/* Its parameters likewise: description->parameter_count of them, or NULL for none. */
int module_parameters_find(const struct link_image *image,
	const struct module_description *description, const struct umod_parameter **out,
	struct umod_error *error);

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

/*
 * The parameters of one module: its array of struct umod_parameter, where it lies in the
 * relocated image. Functions that set or get take its lock, callbacks of the module run
 * under it: they must not come back here.
 */
struct module_parameters;

/*
 * Makes *@out of @count parameters at @items, which stay until it is freed; @module is
 * for messages, and copied. -ENOEXEC: one has no name, no variable, or a type that there
 * is not. -ENOMEM.
 */
int module_parameters_new(const char *module, const struct umod_parameter *items,
	unsigned count, struct module_parameters **out, struct umod_error *error);
/*
 * Calls the free callbacks, and frees the texts that were set: when the module's code
 * runs no more, and before it is unmapped. NULL does nothing.
 */
void module_parameters_free(struct module_parameters *parameters);

/* What parsing tells that is no error. */
enum module_parameter_event {
	MODULE_PARAMETER_UNKNOWN, /* @name is none of the module's; ignored */
	MODULE_PARAMETER_IGNORED, /* @value stands behind "--"; @name is NULL */
	MODULE_PARAMETER_UNSAFE,  /* @name was set, which taints */
};
struct module_parameter_listener {
	/* @value may be NULL. Called under the lock. */
	void (*tell)(enum module_parameter_event event, const char *name,
		const char *value, void *data);
	void *data;
};

/*
 * Sets what @text says, "name=value name ...", as the kernel's parse_args: values with
 * blanks in double quotes, '-' and '_' in names alike, nothing after "--". An error does
 * not end it; the last one is returned and told: -EINVAL for no such value, -ERANGE,
 * -ENOSPC for a text that is too long, -EROFS, -ENOMEM, or what a callback returned. What
 * was set before stays set. "async_probe" and "dyndbg", which the kernel takes from any
 * module, are passed over. @listener may be NULL.
 */
int module_parameters_parse(struct module_parameters *parameters, const char *text,
	const struct module_parameter_listener *listener, struct umod_error *error);

/*
 * Sets one while the module lives, if its permissions let anybody write; @value may end
 * with a newline, as in the kernel. -ENOENT: there is none; -EACCES: not to be written;
 * else as above.
 */
int module_parameter_set(struct module_parameters *parameters, const char *name,
	const char *value, const struct module_parameter_listener *listener,
	struct umod_error *error);
/*
 * Writes its value, as /sys/module shows it but without the newline, to @buffer of
 * @bytes, cut if need be and ended; UMOD_PARAMETER_TEXT_BYTES are always enough. Returns
 * the length of the whole text; -ENOENT; -EACCES: not to be read; or what a callback
 * returned.
 */
int module_parameter_get(struct module_parameters *parameters, const char *name,
	char *buffer, size_t bytes, struct umod_error *error);
/* The parameter called @name, or NULL; the @index-th, or NULL past the last. */
const struct umod_parameter *module_parameter_find(
	const struct module_parameters *parameters, const char *name);
const struct umod_parameter *module_parameter_at(
	const struct module_parameters *parameters, unsigned index);

#endif
