/* SPDX-License-Identifier: MIT */
/* What the files of this floor share, and no other sees. */
#ifndef UMOD_MODULE_INTERNAL_H
#define UMOD_MODULE_INTERNAL_H

#include "module/module.h"

/*
 * Fills the exports of @out, whose kind and fields are there: from fields for umod's own
 * modules, from the kernel's tables for the kernel's. Checks that each is there once and
 * is defined, and adds versions.
 */
int module_read_exports(const struct elf_object *object, struct module_description *out,
	struct umod_error *error);

/* ---- types of parameters (parameter_types.c) ---- */

/* Text that is written to a buffer of a size; what is too much is only counted. */
struct module_text {
	char *to;
	size_t bytes, length;
};
void module_text_put(struct module_text *text, const char *string, size_t bytes);

/* Keeps a copy of @value for the variable at @where; NULL: no memory. */
typedef const char *module_keep(void *owner, const void *where, const char *value);

/*
 * Sets the variable at @arg, of @type, which is a scalar or a string; @value is NULL
 * where there was none. What is wrong stands in @what, of @what_bytes: "'x' is no int:
 * ...".
 */
int module_type_set(uint32_t type, void *arg, const char *value, module_keep *keep,
	void *owner, char *what, size_t what_bytes);
void module_type_get(uint32_t type, const void *arg, struct module_text *out);
/* The bytes of a variable of @type; 0: of no size of its own. */
size_t module_type_bytes(uint32_t type);
/* Whether it may stand without a value. */
bool module_type_is_bare(uint32_t type);

#endif
