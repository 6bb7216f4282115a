/* SPDX-License-Identifier: MIT */
/*
 * Describes the modules whose paths come on standard input, one a line, and prints for
 * each: name, exports, of those for the GPL alone, aliases, dependencies, namespaces.
 */
#include "module/module.h"

#include <fcntl.h>
#include <stdio.h>

static int describe(const char *path, struct feature_buffer *buffer)
{
	struct umod_error error = { 0 };
	struct elf_object object;
	struct module_description d;
	unsigned gpl = 0;
	int result = feature_read_path(
		AT_FDCWD, path, FEATURE_LIMIT_BYTES, buffer, NULL, &error);
	struct elf_bytes bytes = { .bytes = buffer->bytes, .count = buffer->count };

	if (result == 0)
		result = elf_object_open_any(&object, path, &bytes, &error);
	if (result == 0)
		result = module_describe(&object, path, &d, &error);
	if (result) {
		printf("%s: %s\n", path, error.message);
		return 1;
	}
	for (unsigned i = 0; i < d.export_count; i++)
		gpl += d.exports[i].gpl_only;
	printf("%s %u %u %u %u %u %u\n", d.name, d.kind == MODULE_KERNEL, d.export_count,
		gpl, d.aliases.count, d.depends.count, d.imports.count);
	module_description_free(&d);
	return 0;
}

int main(void)
{
	struct feature_buffer buffer = { 0 };
	char path[4096];
	int bad = 0;

	while (fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		bad += describe(path, &buffer);
	}
	feature_buffer_free(&buffer);
	return bad != 0;
}
