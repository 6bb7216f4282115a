/* SPDX-License-Identifier: MIT */
/*
 * The middle of the chain: a flat directory in sector 0, and a sector for each file. It
 * needs sectors, and uses its export namespace.
 */
#include "fat.h"

#include "host.h"
#include "sectors.h"

#include <umod/author.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* An entry of the directory; file i is in sector i + 1. */
struct entry {
	char name[FAT_NAME_BYTES]; /* empty: free */
	uint32_t bytes;
};
#define ENTRY_COUNT (SECTOR_BYTES / sizeof(struct entry))

static int read_directory(struct entry *entries)
{
	unsigned char sector[SECTOR_BYTES];
	int result = sectors_read(0, sector);

	memcpy(entries, sector, sizeof(*entries) * ENTRY_COUNT);
	return result;
}

static int find(const struct entry *entries, const char *name)
{
	for (unsigned i = 0; i < ENTRY_COUNT; i++) {
		if (strncmp(entries[i].name, name, FAT_NAME_BYTES) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int fat_write(const char *name, const void *data, unsigned bytes)
{
	struct entry entries[ENTRY_COUNT];
	unsigned char sector[SECTOR_BYTES] = { 0 };
	int result = read_directory(entries);

	if (result)
		return result;
	if (!name[0] || strlen(name) >= FAT_NAME_BYTES)
		return -ENAMETOOLONG;
	if (bytes > SECTOR_BYTES)
		return -EFBIG;
	int index = find(entries, name);
	if (index < 0)
		index = find(entries, "");
	if (index < 0 || (unsigned)index + 1 >= sectors_count())
		return -ENOSPC;
	memcpy(sector, data, bytes);
	result = sectors_write((unsigned)index + 1, sector);
	if (result)
		return result;
	memset(entries[index].name, 0, FAT_NAME_BYTES);
	strcpy(entries[index].name, name);
	entries[index].bytes = bytes;
	memset(sector, 0, sizeof(sector));
	memcpy(sector, entries, sizeof(entries));
	result = sectors_write(0, sector);
	return result ? result : (int)bytes;
}
UMOD_EXPORT_SYMBOL_GPL(fat_write);

int fat_read(const char *name, void *data, unsigned bytes)
{
	struct entry entries[ENTRY_COUNT];
	unsigned char sector[SECTOR_BYTES];
	int result = read_directory(entries);

	if (result)
		return result;
	int index = name[0] ? find(entries, name) : -ENOENT;
	if (index < 0)
		return index;
	result = sectors_read((unsigned)index + 1, sector);
	if (result)
		return result;
	if (bytes > entries[index].bytes)
		bytes = entries[index].bytes;
	memcpy(data, sector, bytes < SECTOR_BYTES ? bytes : SECTOR_BYTES);
	return (int)bytes;
}
UMOD_EXPORT_SYMBOL_GPL(fat_read);

int fat_name(unsigned index, char name[FAT_NAME_BYTES])
{
	struct entry entries[ENTRY_COUNT];
	int result = read_directory(entries);

	for (unsigned i = 0; result == 0 && i < ENTRY_COUNT; i++) {
		if (entries[i].name[0] && index-- == 0) {
			memcpy(name, entries[i].name, FAT_NAME_BYTES);
			name[FAT_NAME_BYTES - 1] = '\0';
			return 0;
		}
	}
	return result ? result : -ENOENT;
}
UMOD_EXPORT_SYMBOL_GPL(fat_name);

void fat_format(void)
{
	sectors_erase();
}
UMOD_EXPORT_SYMBOL_GPL(fat_format);

static int UMOD_INIT fat_init(void)
{
	fat_format();
	host_say("fat: ready, %zu files at most", ENTRY_COUNT);
	return 0;
}

static void UMOD_EXIT fat_exit(void)
{
	host_say("fat: gone");
}

UMOD_MODULE(fat, fat_init, fat_exit);
UMOD_LICENSE("GPL");
UMOD_DESCRIPTION("Files with short names");
UMOD_DEPENDS("sectors");
UMOD_IMPORT_NS("SECTORS");
