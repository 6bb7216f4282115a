/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, where there is no libFuzzer: each argument is an input
 * or a folder of them (searched downwards); one that is not there is passed over, as a
 * corpus may be empty. The first argument may be -v: each name is printed before it is
 * tried. It judges nothing: a target that finds something ends the process.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

static bool verbose;
static unsigned long inputs, problems;

static void complain(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	problems++;
}

static void replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *bytes = malloc(size ? size : 1);

	if (!file || !bytes || fread(bytes, 1, size, file) != size) {
		complain(path);
	} else {
		if (verbose)
			fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(bytes, size);
		inputs++;
	}
	free(bytes);
	if (file)
		fclose(file);
}

static void replay(const char *path);

static void replay_folder(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	if (count < 0)
		complain(path);
	for (int i = 0; i < count; i++) {
		char *inner;
		if (entries[i]->d_name[0] != '.' &&
			asprintf(&inner, "%s/%s", path, entries[i]->d_name) > 0) {
			replay(inner);
			free(inner);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void replay(const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		if (errno != ENOENT)
			complain(path);
	} else if (S_ISDIR(st.st_mode)) {
		replay_folder(path);
	} else {
		replay_file(path, (size_t)st.st_size);
	}
}

int main(int argc, char **argv)
{
	int first = 1;

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		verbose = true;
		first = 2;
	}
	for (int i = first; i < argc; i++)
		replay(argv[i]);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("replay: %lu inputs\n", inputs);
	return problems ? 1 : 0;
}
