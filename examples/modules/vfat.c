/* SPDX-License-Identifier: MIT */
/*
 * The top of the chain: long names for the files of fat, as a filesystem of the host's.
 * It is found by its alias when the host is asked for "fs-vfat".
 */
#include "fat.h"
#include "host.h"

#include <umod/author.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char codepage[16] = "437";
UMOD_PARAM_STRING(codepage, codepage, 0444);
UMOD_PARAM_DESC(codepage, "of short names");

static int uppercase = 1;
UMOD_PARAM(uppercase, bint, 0644);
UMOD_PARAM_DESC(uppercase, "write short names in capitals");

/* Long names, in the order in which they were given a short one. */
static struct name {
	struct name *next;
	char brief[FAT_NAME_BYTES];
	char full[];
} * names;
static unsigned name_count;

static const char *short_name(const char *full)
{
	for (const struct name *name = names; name; name = name->next) {
		if (strcmp(name->full, full) == 0)
			return name->brief;
	}
	return NULL;
}

/* "A long name.txt" becomes ALONGN~1 and so on. */
static const char *give_short_name(const char *full)
{
	struct name *name = malloc(sizeof(*name) + strlen(full) + 1);
	char stem[7] = "";
	unsigned used = 0;

	if (!name)
		return NULL;
	for (const char *c = full; *c && used < 6; c++) {
		if (isalnum((unsigned char)*c))
			stem[used++] =
				(char)(uppercase ? toupper((unsigned char)*c) : *c);
	}
	snprintf(name->brief, sizeof(name->brief), "%s~%u", stem, ++name_count % 1000);
	strcpy(name->full, full);
	name->next = names;
	names = name;
	return name->brief;
}

static int vfat_write(const char *file, const void *data, unsigned bytes)
{
	const char *brief = short_name(file);

	if (!brief)
		brief = give_short_name(file);
	return brief ? fat_write(brief, data, bytes) : -ENOMEM;
}

static int vfat_read(const char *file, void *data, unsigned bytes)
{
	const char *brief = short_name(file);
	return brief ? fat_read(brief, data, bytes) : -ENOENT;
}

static int vfat_list(char *text, unsigned bytes)
{
	unsigned used = 0;

	for (const struct name *name = names; name && used < bytes; name = name->next)
		used += (unsigned)snprintf(
			text + used, bytes - used, "%s (%s)\n", name->full, name->brief);
	return 0;
}

static const struct filesystem vfat = { "vfat", vfat_write, vfat_read, vfat_list };

static int UMOD_INIT vfat_init(void)
{
	host_say("vfat: code page %s", codepage);
	return host_register_filesystem(&vfat);
}

static void UMOD_EXIT vfat_exit(void)
{
	host_unregister_filesystem(&vfat);
	while (names) {
		struct name *next = names->next;
		free(names);
		names = next;
	}
	host_say("vfat: gone");
}

UMOD_MODULE(vfat, vfat_init, vfat_exit);
UMOD_LICENSE("GPL");
UMOD_DESCRIPTION("Long names for the files of fat");
UMOD_DEPENDS("fat");
UMOD_ALIAS("fs-vfat");
UMOD_ALIAS("fs-msdos*");
