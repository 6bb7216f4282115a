/* SPDX-License-Identifier: MIT */
/* umod symbols: list the dynamic symbols or the versions of files. Loads nothing of them.
 */
#include "tool.h"

#include <inttypes.h>
#include <stdlib.h>

static struct {
	int json, defined, undefined, demangle, versions;
} want;

static void print_symbol(const struct umod_symbol *symbol, const char *name)
{
	if (symbol->defined)
		printf("%016" PRIx64 " %8" PRIu64, symbol->value, symbol->bytes);
	else
		printf("%16s %8s", "-", "-");
	printf(" %-7s %-6s %-9s ", tool_symbol_type(symbol->type),
		tool_symbol_bind(symbol->bind),
		symbol->defined ? tool_symbol_visibility(symbol->visibility)
				: "undefined");
	tool_print(stdout, name);
	if (symbol->version) {
		fputs(symbol->version_default ? "@@" : "@", stdout);
		tool_print(stdout, symbol->version);
	}
	if (symbol->version_file) {
		fputs(" (", stdout);
		tool_print(stdout, symbol->version_file);
		putchar(')');
	}
	putchar('\n');
}

static void json_symbol(const struct umod_symbol *symbol, const char *demangled)
{
	json_open(NULL, '{');
	json_string("name", symbol->name);
	if (want.demangle)
		json_string("demangled", demangled);
	json_string("version", symbol->version);
	json_string("version_file", symbol->version_file);
	json_bool("version_default", symbol->version_default);
	json_bool("defined", symbol->defined);
	json_number("value", symbol->value);
	json_number("bytes", symbol->bytes);
	json_string("type", tool_symbol_type(symbol->type));
	json_string("bind", tool_symbol_bind(symbol->bind));
	json_string("visibility", tool_symbol_visibility(symbol->visibility));
	json_close('}');
}

static void list_symbols(const struct umod_image *image)
{
	struct umod_symbol symbol;

	/* 0 is the null symbol. */
	for (uint64_t i = 1;
		umod_image_symbol(image, i, &symbol) == 0 && !tool_output_failed(); i++) {
		if (symbol.defined ? want.undefined : want.defined)
			continue;
		char *demangled = want.demangle ? tool_demangle(symbol.name) : NULL;
		if (want.json)
			json_symbol(&symbol, demangled);
		else
			print_symbol(&symbol, demangled ? demangled : symbol.name);
		free(demangled);
	}
}

static void list_versions(const struct umod_image *image)
{
	struct umod_version v;

	for (unsigned i = 0; umod_image_version(image, i, &v) == 0; i++) {
		if (v.file ? want.defined : want.undefined)
			continue;
		if (want.json) {
			json_open(NULL, '{');
			json_string("name", v.name);
			json_string("file", v.file);
			json_bool("weak", v.weak);
			json_bool("base", v.base);
			json_close('}');
			continue;
		}
		printf("%-9s ", v.file ? "needed" : "defined");
		tool_print(stdout, v.name);
		if (v.file) {
			fputs(" (", stdout);
			tool_print(stdout, v.file);
			putchar(')');
		}
		printf("%s%s\n", v.weak ? " weak" : "", v.base ? " base" : "");
	}
}

static int list(const char *path, bool many)
{
	struct umod_image *image = tool_image_open(path, want.json);

	if (!image)
		return TOOL_FAILED;
	if (want.json) {
		json_open(NULL, '{');
		json_string("path", path);
		json_open(want.versions ? "versions" : "symbols", '[');
	} else if (many) {
		tool_print(stdout, path);
		fputs(":\n", stdout);
	}
	if (want.versions)
		list_versions(image);
	else
		list_symbols(image);
	if (want.json) {
		json_close(']');
		json_close('}');
	}
	umod_image_close(image);
	return TOOL_OK;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, &want.json, 1 },
		{ "defined", no_argument, &want.defined, 1 },
		{ "undefined", no_argument, &want.undefined, 1 },
		{ "demangle", no_argument, &want.demangle, 1 },
		{ "versions", no_argument, &want.versions, 1 }, TOOL_COMMON_OPTIONS };
	int option, status = TOOL_OK;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		if (option != 0)
			return tool_usage(NULL);
	}
	if (want.defined && want.undefined)
		return tool_usage("--defined and --undefined exclude each other");
	if (optind == argc)
		return tool_usage("a file is missing");
	if (want.demangle && !tool_demangle_setup())
		return TOOL_FAILED;
	if (want.json) {
		json_open(NULL, '{');
		json_open("files", '[');
	}
	for (int i = optind; i < argc && !tool_output_failed(); i++) {
		if (list(argv[i], argc - optind > 1) != TOOL_OK)
			status = TOOL_FAILED;
	}
	if (want.json) {
		json_close(']');
		json_close('}');
	}
	return status;
}

const struct tool_command tool_symbols = {
	.name = "symbols",
	.summary = "List the symbols that files define and need",
	.usage = "[OPTION]... FILE...",
	.help = "Columns: value, size, type, binding, visibility, name@version; @@ marks "
		"the\n"
		"default version. The files are read, not loaded, and may be of another\n"
		"machine.\n\n"
		"  --defined    Only what the file defines\n"
		"  --undefined  Only what it needs\n"
		"  --demangle   C++ names as they were written (needs libstdc++.so.6)\n"
		"  --versions   List versions, not symbols\n"
		"  --json       Print JSON\n"
		"  --help       This text\n",
	.run = run,
};
