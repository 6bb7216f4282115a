/* SPDX-License-Identifier: MIT */
/* What the files of modinfo share: a module's fields, in the order they are shown in. */
#ifndef UMOD_TOOLS_MODINFO_H
#define UMOD_TOOLS_MODINFO_H

#include "kmod.h"

#include "feature/signature.h"

/* Borrowed from the module's bytes, or from text. */
struct modinfo_field {
	const char *key, *value;
	size_t key_bytes, value_bytes;
};
struct modinfo {
	const char *path; /* absolute; NULL: built in */
	const char *name;
	struct modinfo_field *fields;
	size_t count, capacity;
	/* Used again from one module to the next. */
	struct feature_partial file;
	char *text; /* what is printed of a signature */
	size_t text_bytes;
	bool verified; /* whether that was asked for */
	struct feature_verification verification;
	struct umod_error verify_error;
};
struct modinfo_verify {
	const struct feature_keyring *keyring; /* NULL: nothing is verified */
	struct feature_verify_options options;
};

void modinfo_add(struct modinfo *info, const char *key, size_t key_bytes,
	const char *value, size_t value_bytes);
/*
 * Reads the module in @fd: its fields, those of its signature, and, with a keyring, what
 * the signature is worth. 0 or a negative errno with the reason in @error.
 */
int modinfo_read(struct modinfo *info, int fd, const struct modinfo_verify *verify,
	struct umod_error *error);

/* The verdict on what is built in. */
void modinfo_not_checked(struct modinfo *info);

/* How it is shown. */
struct modinfo_show {
	const char *field; /* that alone; NULL: all */
	char separator;
	bool json;
};
void modinfo_print_head(const struct modinfo *info, const struct modinfo_show *show);
void modinfo_print(const struct modinfo *info, const struct modinfo_show *show);
void modinfo_print_json(const struct modinfo *info, const struct umod_error *error);

#endif
