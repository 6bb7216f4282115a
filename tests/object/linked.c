/* SPDX-License-Identifier: MIT */
/*
 * Links one object by the link floor alone: linked FILE FOLDER NAME... It lends an
 * address near the object for each NAME, prints the addresses of names and sections, and
 * writes each section's bytes, relocated, to FOLDER. Runs none of its code.
 */
#include "elf/object.h"
#include "link/object/object.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NEAR ((uintptr_t)1 << 20) /* behind the image */

static struct umod_error error;

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, error.message);
	return 1;
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data =
		fd >= 0 && fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
	if (data && read(fd, data, (size_t)st.st_size) != st.st_size)
		data = NULL;
	*bytes = data ? (size_t)st.st_size : 0;
	if (fd >= 0)
		close(fd);
	return data;
}

static int write_section(const struct link_image *image, unsigned index,
	const struct elf_section *section, const char *folder)
{
	char path[4096];
	uint64_t bytes;
	const void *at = link_object_address(image, index, &bytes);
	if (!at || section->type == SHT_NULL)
		return 0;
	printf("section %u %s %#lx\n", index, section->name, (uintptr_t)at);
	snprintf(path, sizeof(path), "%s/%u", folder, index);
	FILE *file = fopen(path, "wbe");
	if (!file || fwrite(at, 1, bytes, file) != bytes || fclose(file))
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct link_image image = { .path = argv[1], .name = argv[1] };
	struct link_image lent = {
		.home = LINK_HOME_SYMBOLS, .bound = true, .path = "lent"
	};
	struct link_image *images[] = { &image };
	struct link_map_options options = { .fd = -1 };
	struct elf_section section;
	size_t bytes = 0;
	uint8_t *data = argc > 2 ? read_file(argv[1], &bytes) : NULL;
	if (!data || link_object_open(&image, data, bytes, &error))
		return fail("open");
	options.bytes = data;
	options.file_bytes = bytes;
	if (link_object_map(&image, &options, NULL, &error))
		return fail("map");
	lent.symbols = link_symbol_list_new();
	for (int i = 3; i < argc; i++) {
		uintptr_t at = image.end + NEAR + 16 * (uintptr_t)i;
		printf("name %s %#lx\n", argv[i], at);
		link_symbol_list_add(lent.symbols, argv[i], (void *)at);
	}
	struct link_bind_options bind = { .mark = 1,
		.no_resolvers = true,
		.scope = link_scope_new(&lent, NULL, images, 1, false) };
	link_mark_scope(&bind);
	if (link_bind(&image, &bind, &error))
		return fail("bind");
	const struct elf_object *file = link_object_file(image.object);
	for (unsigned i = 1; i < file->section_count; i++) {
		elf_object_section(file, i, &section);
		if (write_section(&image, i, &section, argv[2]))
			return fail("write");
	}
	return 0;
}
