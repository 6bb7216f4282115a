/* SPDX-License-Identifier: MIT */
/* The kernel's Module.symvers: versions of exports as lines of text. */
#include "abi.h"

#include <errno.h>
#include <stdlib.h>

/* The fields of @line, cut at its tabs. Returns how many there are. */
static unsigned cut(char *line, char **fields, unsigned most)
{
	unsigned count = 0;

	while (line && count < most) {
		fields[count++] = line;
		line = strchr(line, '\t');
		if (line)
			*line++ = '\0';
	}
	return count;
}

bool abi_symvers_read(const char *path, struct abi_table *out)
{
	struct tool_files lines = { 0 };
	bool good = tool_files_read(&lines, path);

	for (size_t i = 0; i < lines.count && good; i++) {
		char *fields[5] = { 0 }, *end = NULL;
		unsigned count = cut(lines.names[i], fields, 5);
		errno = 0;
		unsigned long crc = strtoul(fields[0] ? fields[0] : "", &end, 16);
		if (count < 4 || end == fields[0] || *end || errno || crc > UINT32_MAX ||
			!fields[1][0]) {
			tool_error("%s:%zu: no line of a Module.symvers", path, i + 1);
			good = false;
			break;
		}
		struct abi_export *export = abi_table_add(out, fields[1]);
		if (export->known)
			continue;
		export->known = true;
		export->crc = (uint32_t)crc;
		export->gpl_only = strcmp(fields[3], "EXPORT_SYMBOL_GPL") == 0;
		if (count == 5 && fields[4][0])
			export->space = tool_strdup(fields[4]);
	}
	tool_files_free(&lines);
	return good;
}

void abi_symvers_print(FILE *out, const struct abi_table *table, const char *module)
{
	for (unsigned i = 0; i < table->count; i++) {
		const struct abi_export *export = &table->exports[i];
		fprintf(out, "0x%08x\t%s\t%s\t%s\t%s\n", export->known ? export->crc : 0,
			export->name, module,
			export->gpl_only ? "EXPORT_SYMBOL_GPL" : "EXPORT_SYMBOL",
			export->space ? export->space : "");
	}
}
