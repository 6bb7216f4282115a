/* SPDX-License-Identifier: MIT */
/* What module sectors exports: a small disk in memory. */
#ifndef EXAMPLE_SECTORS_H
#define EXAMPLE_SECTORS_H

#define SECTOR_BYTES 512u

/* To all. */
unsigned sectors_count(void);
/* To those that import namespace SECTORS; writing, of GPL-compatible ones alone. */
int sectors_read(unsigned index, void *data);
int sectors_write(unsigned index, const void *data);
/* To fat, and to modules whose name begins with vfat. */
void sectors_erase(void);

#endif
