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

#endif
