/* SPDX-License-Identifier: MIT */
/* Opening images for the commands that describe files, and names of what ELF numbers. */
#include "tool.h"

#include <elf.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void tool_json_error(const char *key, const struct umod_error *error)
{
	json_open(key, '{');
	json_string("stage", umod_stage_name(error->stage));
	json_signed("code", error->code);
	json_string("subject", error->subject);
	json_string("message", error->message);
	json_close('}');
}

struct umod_image *tool_image_open(const char *path, bool json)
{
	char text[UMOD_ERROR_SUBJECT_BYTES + UMOD_ERROR_MESSAGE_BYTES + 32];
	struct umod_error error;
	struct umod_image *image;

	if (umod_image_open(path, &image, &error) == 0)
		return image;
	umod_error_format(&error, text, sizeof(text));
	tool_error("%s", text);
	if (json) {
		json_open(NULL, '{');
		json_string("path", path);
		tool_json_error("error", &error);
		json_close('}');
	}
	return NULL;
}

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
	static char number[16];

	if (value < count && names[value])
		return names[value];
	snprintf(number, sizeof(number), "%u", value);
	return number;
}

const char *tool_symbol_type(unsigned type)
{
	static const char *const names[] = { [STT_NOTYPE] = "notype",
		[STT_OBJECT] = "object",
		[STT_FUNC] = "func",
		[STT_SECTION] = "section",
		[STT_FILE] = "file",
		[STT_COMMON] = "common",
		[STT_TLS] = "tls",
		[STT_GNU_IFUNC] = "ifunc" };

	return name_of(names, COUNT(names), type);
}

const char *tool_symbol_bind(unsigned bind)
{
	static const char *const names[] = { [STB_LOCAL] = "local",
		[STB_GLOBAL] = "global",
		[STB_WEAK] = "weak",
		[STB_GNU_UNIQUE] = "unique" };

	return name_of(names, COUNT(names), bind);
}

const char *tool_symbol_visibility(unsigned visibility)
{
	static const char *const names[] = { [STV_DEFAULT] = "default",
		[STV_INTERNAL] = "internal",
		[STV_HIDDEN] = "hidden",
		[STV_PROTECTED] = "protected" };

	return name_of(names, COUNT(names), visibility);
}

const char *tool_flag(bool flags_1, unsigned flags, unsigned index)
{
	static const struct {
		unsigned flag;
		const char *name;
	} first[] = { { DF_ORIGIN, "origin" }, { DF_SYMBOLIC, "symbolic" },
		{ DF_TEXTREL, "textrel" }, { DF_BIND_NOW, "bind-now" },
		{ DF_STATIC_TLS, "static-tls" } },
	  second[] = { { DF_1_NOW, "now" }, { DF_1_GLOBAL, "global" },
		  { DF_1_GROUP, "group" }, { DF_1_NODELETE, "nodelete" },
		  { DF_1_LOADFLTR, "loadfltr" }, { DF_1_INITFIRST, "initfirst" },
		  { DF_1_NOOPEN, "noopen" }, { DF_1_ORIGIN, "origin" },
		  { DF_1_DIRECT, "direct" }, { DF_1_INTERPOSE, "interpose" },
		  { DF_1_NODEFLIB, "nodeflib" }, { DF_1_NODUMP, "nodump" },
		  { DF_1_PIE, "pie" } };
	size_t count = flags_1 ? COUNT(second) : COUNT(first);

	for (size_t i = 0; i < count; i++) {
		unsigned flag = flags_1 ? second[i].flag : first[i].flag;
		if (flags & flag && index-- == 0)
			return flags_1 ? second[i].name : first[i].name;
	}
	return NULL;
}
