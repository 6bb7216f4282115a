/* SPDX-License-Identifier: MIT */
/* umod info: describe ELF files, of whatever machine. Loads nothing. */
#include "tool.h"

#include <elf.h>
#include <inttypes.h>

static const char *need_kind(enum umod_need_kind kind)
{
	return kind == UMOD_NEED_FILTER      ? "filter"
	       : kind == UMOD_NEED_AUXILIARY ? "auxiliary"
					     : "needed";
}

static const char *permissions(unsigned flags)
{
	static char text[4];

	snprintf(text, sizeof(text), "%c%c%c", flags & PF_R ? 'r' : '-',
		flags & PF_W ? 'w' : '-', flags & PF_X ? 'x' : '-');
	return text;
}

/* ---- for people ---- */

static void row(const char *label)
{
	printf("  %-18s ", label);
}

static void row_text(const char *label, const char *text)
{
	if (!text)
		return;
	row(label);
	tool_print(stdout, text);
	putchar('\n');
}

static void row_number(const char *label, uint64_t number, const char *unit)
{
	row(label);
	printf("%" PRIu64 "%s%s\n", number, unit ? " " : "", unit ? unit : "");
}

static void print_flags(const struct umod_image_info *info)
{
	const char *flag;

	for (int which = 0; which < 2; which++) {
		unsigned flags = which ? info->flags_1 : info->flags;
		if (!flags)
			continue;
		row(which ? "flags 1" : "flags");
		printf("%#x", flags);
		for (unsigned i = 0; (flag = tool_flag(which, flags, i)) != NULL; i++)
			printf(" %s", flag);
		putchar('\n');
	}
}

static void print_memory(
	const struct umod_image *image, const struct umod_image_info *info)
{
	struct umod_segment s;

	row_number("address space", info->span_bytes, "bytes");
	row_number("alignment", info->max_align_bytes, "bytes");
	for (unsigned i = 0; umod_image_segment(image, i, &s) == 0; i++) {
		row(i ? "" : "segments");
		printf("%s at %#" PRIx64 ": %" PRIu64 " bytes, %" PRIu64
		       " from the file at %#" PRIx64 "\n",
			permissions(s.flags), s.vaddr, s.memory_bytes, s.file_bytes,
			s.offset);
	}
	if (info->relro_bytes)
		row_number("relro", info->relro_bytes, "bytes");
	if (info->tls_bytes) {
		row("thread-local");
		printf("%" PRIu64 " bytes, aligned to %" PRIu64 "%s\n", info->tls_bytes,
			info->tls_align_bytes, info->static_tls ? ", static" : "");
	}
	if (info->executable_stack)
		row_text("stack", "executable");
}

static void print_versions(const struct umod_image *image)
{
	struct umod_version v;
	bool first = true;

	for (unsigned i = 0; umod_image_version(image, i, &v) == 0; i++) {
		if (v.file || v.base)
			continue;
		row(first ? "versions" : "");
		first = false;
		tool_print(stdout, v.name);
		putchar('\n');
	}
}

/* An empty line stands between files. */
static void print_info(const char *path, const struct umod_image *image,
	const struct umod_image_info *info)
{
	static bool again;
	enum umod_need_kind kind;
	const char *need;

	if (again)
		putchar('\n');
	again = true;
	tool_colour(TOOL_BOLD);
	tool_print(stdout, path);
	tool_colour(TOOL_PLAIN);
	putchar('\n');
	row_text("type", info->type);
	row_text("machine", info->machine);
	row_text("soname", info->soname);
	row_text("build id", info->build_id);
	row_text("interpreter", info->interpreter);
	row_text("rpath", info->rpath);
	row_text("runpath", info->runpath);
	for (unsigned i = 0; (need = umod_image_need(image, i, &kind)) != NULL; i++)
		row_text(need_kind(kind), need);
	print_flags(info);
	row_number("file", info->file_bytes, "bytes");
	print_memory(image, info);
	row_number("relocations", info->relocations, NULL);
	row("");
	printf("%" PRIu64 " relative%s, %" PRIu64 " of the PLT\n", info->relative,
		info->relr ? " (packed)" : "", info->plt);
	if (info->text_relocations)
		row_text("", "some in read-only segments (text relocations)");
	row_number("symbols", info->symbols, NULL);
	row("");
	printf("%" PRIu64 " exported, %" PRIu64 " imported\n", info->exports,
		info->imports);
	row_text("hash tables", info->gnu_hash && info->sysv_hash ? "GNU, System V"
				: info->gnu_hash                  ? "GNU"
				: info->sysv_hash                 ? "System V"
								  : "none");
	row("init, fini");
	printf("%" PRIu64 ", %" PRIu64 " functions\n", info->init_functions,
		info->fini_functions);
	print_versions(image);
}

/* ---- for programs ---- */

static void json_needs(const struct umod_image *image)
{
	enum umod_need_kind kind;
	const char *need;

	json_open("needs", '[');
	for (unsigned i = 0; (need = umod_image_need(image, i, &kind)) != NULL; i++) {
		json_open(NULL, '{');
		json_string("name", need);
		json_string("kind", need_kind(kind));
		json_close('}');
	}
	json_close(']');
}

static void json_segments(const struct umod_image *image)
{
	struct umod_segment s;

	json_open("segments", '[');
	for (unsigned i = 0; umod_image_segment(image, i, &s) == 0; i++) {
		json_open(NULL, '{');
		json_number("vaddr", s.vaddr);
		json_number("memory_bytes", s.memory_bytes);
		json_number("offset", s.offset);
		json_number("file_bytes", s.file_bytes);
		json_number("align_bytes", s.align_bytes);
		json_string("permissions", permissions(s.flags));
		json_close('}');
	}
	json_close(']');
}

static void json_flags(const char *key, bool flags_1, unsigned flags)
{
	const char *flag;

	json_open(key, '[');
	for (unsigned i = 0; (flag = tool_flag(flags_1, flags, i)) != NULL; i++)
		json_string(NULL, flag);
	json_close(']');
}

static void json_versions(const struct umod_image *image)
{
	struct umod_version v;

	json_open("versions", '[');
	for (unsigned i = 0; umod_image_version(image, i, &v) == 0; i++) {
		if (!v.file && !v.base)
			json_string(NULL, v.name);
	}
	json_close(']');
}

static void json_info(const char *path, const struct umod_image *image,
	const struct umod_image_info *info)
{
	json_open(NULL, '{');
	json_string("path", path);
	json_string("type", info->type);
	json_string("machine", info->machine);
	json_string("soname", info->soname);
	json_string("build_id", info->build_id);
	json_string("interpreter", info->interpreter);
	json_string("rpath", info->rpath);
	json_string("runpath", info->runpath);
	json_needs(image);
	json_flags("flags", false, info->flags);
	json_flags("flags_1", true, info->flags_1);
	json_number("file_bytes", info->file_bytes);
	json_number("span_bytes", info->span_bytes);
	json_number("max_align_bytes", info->max_align_bytes);
	json_segments(image);
	json_number("relro_bytes", info->relro_bytes);
	json_number("tls_bytes", info->tls_bytes);
	json_number("tls_align_bytes", info->tls_align_bytes);
	json_bool("static_tls", info->static_tls);
	json_bool("executable_stack", info->executable_stack);
	json_bool("text_relocations", info->text_relocations);
	json_number("relocations", info->relocations);
	json_number("relative", info->relative);
	json_number("plt", info->plt);
	json_bool("relr", info->relr);
	json_number("symbols", info->symbols);
	json_number("exports", info->exports);
	json_number("imports", info->imports);
	json_bool("gnu_hash", info->gnu_hash);
	json_bool("sysv_hash", info->sysv_hash);
	json_number("init_functions", info->init_functions);
	json_number("fini_functions", info->fini_functions);
	json_versions(image);
	json_close('}');
}

static int describe(const char *path, bool json)
{
	struct umod_image_info info = { sizeof(info) };
	struct umod_image *image = tool_image_open(path, json);

	if (!image)
		return TOOL_FAILED;
	umod_image_info_get(image, &info);
	if (json)
		json_info(path, image, &info);
	else
		print_info(path, image, &info);
	umod_image_close(image);
	return TOOL_OK;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		TOOL_COMMON_OPTIONS };
	int option, status = TOOL_OK;
	bool json = false;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		if (option != 'j')
			return tool_usage(NULL);
		json = true;
	}
	if (optind == argc)
		return tool_usage("a file is missing");
	if (json) {
		json_open(NULL, '{');
		json_open("files", '[');
	}
	for (int i = optind; i < argc && !tool_output_failed(); i++) {
		if (describe(argv[i], json) != TOOL_OK)
			status = TOOL_FAILED;
	}
	if (json) {
		json_close(']');
		json_close('}');
	}
	return status;
}

const struct tool_command tool_info = {
	.name = "info",
	.summary = "Describe files: headers, needs, segments, tables",
	.usage = "[--json] FILE...",
	.help = "The files are read, not loaded, and may be of another machine.\n\n"
		"  --json  Print JSON\n"
		"  --help  This text\n",
	.run = run,
};
