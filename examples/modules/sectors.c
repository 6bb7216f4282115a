/* SPDX-License-Identifier: MIT */
/*
 * The lowest module of the chain vfat - fat - sectors: a disk in memory. It exports in
 * every way there is: to all, by licence, by namespace, to named modules alone.
 */
#include "sectors.h"

#include "host.h"

#include <umod/author.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static unsigned count = 64;
UMOD_PARAM(count, uint, 0444);
UMOD_PARAM_DESC(count, "how many sectors the disk has");

static bool read_only;
UMOD_PARAM(read_only, bool, 0644);
UMOD_PARAM_DESC(read_only, "refuse to write");

static unsigned char *disk;

unsigned sectors_count(void)
{
	return count;
}
UMOD_EXPORT_SYMBOL(sectors_count);

int sectors_read(unsigned index, void *data)
{
	if (!disk || index >= count)
		return -EIO;
	memcpy(data, disk + (size_t)index * SECTOR_BYTES, SECTOR_BYTES);
	return 0;
}
UMOD_EXPORT_SYMBOL_NS(sectors_read, "SECTORS");

int sectors_write(unsigned index, const void *data)
{
	if (!disk || index >= count)
		return -EIO;
	if (read_only)
		return -EROFS;
	memcpy(disk + (size_t)index * SECTOR_BYTES, data, SECTOR_BYTES);
	return 0;
}
UMOD_EXPORT_SYMBOL_NS_GPL(sectors_write, "SECTORS");

void sectors_erase(void)
{
	if (disk)
		memset(disk, 0, (size_t)count * SECTOR_BYTES);
}
UMOD_EXPORT_SYMBOL_FOR(sectors_erase, "fat,vfat*");

static int UMOD_INIT sectors_init(void)
{
	if (count < 2 || count > 65536)
		return -EINVAL;
	disk = calloc(count, SECTOR_BYTES);
	if (!disk)
		return -ENOMEM;
	host_say("sectors: a disk of %u sectors", count);
	return 0;
}

static void UMOD_EXIT sectors_exit(void)
{
	free(disk);
	disk = NULL;
	host_say("sectors: gone");
}

UMOD_MODULE(sectors, sectors_init, sectors_exit);
UMOD_LICENSE("Dual MIT/GPL");
UMOD_DESCRIPTION("A disk in memory");
UMOD_VERSION("1.0");
UMOD_ALIAS("disk-memory");
