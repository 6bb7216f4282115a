/* SPDX-License-Identifier: MIT */
/*
 * Writes first inputs for the fuzzers of shared objects into a directory: the builder's
 * sound object and all its defects, then the files named, if they are small.
 */
#include "defects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LIMIT ((size_t)64 << 10)

static void put(const char *directory, const char *name, unsigned number,
	const void *bytes, size_t count)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s-%u", directory, name, number);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void put_copy(const char *directory, const char *path, unsigned number)
{
	static char bytes[LIMIT];
	FILE *file = fopen(path, "rb");
	size_t count = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	if (file)
		fclose(file);
	if (count > 0 && count < sizeof(bytes))
		put(directory, "library", number, bytes, count);
}

int main(int argc, char **argv)
{
	static struct {
		struct builder_file file;
		uint64_t pad[4];
	} padded;
	struct builder_file *const file = &padded.file;
	unsigned number = 0;
	if (argc < 2) {
		fputs("usage: make-corpus DIRECTORY [FILE...]\n", stderr);
		return 2;
	}
	if (mkdir(argv[1], 0777) != 0 && errno != EEXIST) {
		perror(argv[1]);
		return 1;
	}
	builder_make(file);
	/* Lengths that differ by a word take each way of fuzz_load. */
	for (unsigned i = 0; i < 4; i++)
		put(argv[1], "sound", i, file, sizeof(*file) + 8 * i);
	for (const struct defect_table *const *t = defect_tables; *t; t++)
		for (unsigned i = 0; i < (*t)->count; i++) {
			defect_make(file, &(*t)->defects[i]);
			put(argv[1], "defect", number, file,
				sizeof(*file) + 8 * (number % 4));
			number++;
		}
	for (int i = 2; i < argc; i++)
		put_copy(argv[1], argv[i], (unsigned)i);
	return 0;
}
