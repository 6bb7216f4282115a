/* SPDX-License-Identifier: MIT */
/* What module fat exports: files with short names on the disk of module sectors. */
#ifndef EXAMPLE_FAT_H
#define EXAMPLE_FAT_H

#define FAT_NAME_BYTES 12 /* eight, a dot left out, three, and the NUL */

int fat_write(const char *name, const void *data, unsigned bytes);
int fat_read(const char *name, void *data, unsigned bytes);
/* The name of file @index, or -ENOENT past the last. */
int fat_name(unsigned index, char name[FAT_NAME_BYTES]);
void fat_format(void);

#endif
