/* SPDX-License-Identifier: MIT */
/*
 * umod new: writes a new module's first files into a folder of its own. What they say is
 * in share/new; nothing that exists is touched.
 */
#include "new.h"
#include "tool.h"

#include <umod/author.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LANGUAGE = 256, BUILD };
static const struct option long_options[] = {
	{ "language", required_argument, NULL, LANGUAGE },
	{ "build", required_argument, NULL, BUILD },
	TOOL_COMMON_OPTIONS,
};

static const struct language {
	const char *word, *template, *suffix;
	const char *meson, *cmake, *compiler, *flags, *command;
} languages[] = {
	{ "c", "module.c.in", ".c", "c", "C", "CC", "CFLAGS", "cc" },
	{ "c++", "module.cc.in", ".cc", "cpp", "CXX", "CXX", "CXXFLAGS", "c++" },
};
static const struct build {
	const char *word, *template, *file, *command;
} builds[] = {
	{ "meson", "meson.build.in", "meson.build",
		"meson setup build && ninja -C build" },
	{ "cmake", "CMakeLists.txt.in", "CMakeLists.txt",
		"cmake -B build && cmake --build build" },
	{ "make", "Makefile.in", "Makefile", "make" },
};

struct request {
	const char *folder; /* as it was given */
	char name[UMOD_MODULE_NAME_BYTES];
	char source[UMOD_MODULE_NAME_BYTES + 4];
	char command[300];
	const struct language *language;
	const struct build *build;
};

/* The module's name: a word of C, since functions are called after it. */
static bool take_name(struct request *r, const char *folder)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	const char *slash = strrchr(folder, '/');
	const char *name = slash ? slash + 1 : folder;
	size_t length = strlen(name);

	/* Functions are called NAME_level, which names a type of the header's too. */
	if (length == 0 || length >= sizeof(r->name)) {
		tool_error("'%s' has %zu characters: a module's name has 1 to %zu", name,
			length, sizeof(r->name) - 1);
		return false;
	}
	for (size_t i = 0; i <= length; i++)
		r->name[i] = name[i] == '-' ? '_' : name[i];
	if (strspn(r->name, letters) == 0 ||
		r->name[strspn(r->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"abcdefghijklmnopqrstuvwxyz_0123456789")]) {
		tool_error(
			"'%s' is no name for a module here: letters, digits, _ and -, no "
			"digit first",
			name);
		return false;
	}
	r->folder = folder;
	return true;
}

/* ---- writing ---- */

static const char *value_of(const struct request *r, const char *word, size_t length)
{
	const struct {
		const char *word, *value;
	} values[] = { { "NAME", r->name }, { "SOURCE", r->source },
		{ "MESON_LANGUAGE", r->language->meson },
		{ "CMAKE_LANGUAGE", r->language->cmake },
		{ "COMPILER", r->language->compiler }, { "FLAGS", r->language->flags },
		{ "BUILD", r->build->command }, { "COMMAND", r->command } };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strlen(values[i].word) == length &&
			memcmp(values[i].word, word, length) == 0)
			return values[i].value;
	}
	return NULL;
}

/* Words between two @ are replaced if they are known; meson has such ones of its own. */
static void write_text(const struct request *r, const char *text, FILE *out)
{
	while (*text) {
		const char *end = *text == '@' ? strchr(text + 1, '@') : NULL;
		const char *value =
			end ? value_of(r, text + 1, (size_t)(end - text - 1)) : NULL;
		if (value) {
			fputs(value, out);
			text = end + 1;
		} else {
			putc(*text++, out);
		}
	}
}

static bool write_file(const struct request *r, const char *template, const char *name)
{
	const struct new_template *from = new_templates;
	char *path = NULL;

	while (from->name && strcmp(from->name, template) != 0)
		from++;
	if (asprintf(&path, "%s/%s", r->folder, name) < 0)
		path = tool_realloc(NULL, SIZE_MAX, 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	bool good = out != NULL;
	if (out) {
		write_text(r, from->name ? from->text : "", out);
		good = !ferror(out);
		good = fclose(out) == 0 && good;
	} else if (fd >= 0) {
		close(fd);
	}
	if (!good)
		tool_error("%s: %s", path, strerror(errno));
	free(path);
	return good;
}

static int make(struct request *r)
{
	snprintf(r->source, sizeof(r->source), "%s%s", r->name, r->language->suffix);
	snprintf(r->command, sizeof(r->command),
		"%s -c -fPIC $(pkg-config --cflags umod) %s", r->language->command,
		r->source);
	if (mkdir(r->folder, 0777) != 0) {
		tool_error("%s: %s", r->folder, strerror(errno));
		return TOOL_FAILED;
	}
	if (!write_file(r, r->language->template, r->source) ||
		!write_file(r, r->build->template, r->build->file) ||
		!write_file(r, "README.md.in", "README.md"))
		return TOOL_FAILED;
	printf("%s/%s\n%s/%s\n%s/README.md\n", r->folder, r->source, r->folder,
		r->build->file, r->folder);
	return TOOL_OK;
}

/* ---- options ---- */

static bool take_language(struct request *r, const char *word)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		if (strcmp(languages[i].word, word) == 0) {
			r->language = &languages[i];
			return true;
		}
	}
	return false;
}

static bool take_build(struct request *r, const char *word)
{
	for (size_t i = 0; i < sizeof(builds) / sizeof(builds[0]); i++) {
		if (strcmp(builds[i].word, word) == 0) {
			r->build = &builds[i];
			return true;
		}
	}
	return false;
}

static int run(int argc, char **argv)
{
	struct request r = { .language = &languages[0], .build = &builds[0] };
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			return tool_help(tool_current);
		case LANGUAGE:
			if (!take_language(&r, optarg))
				return tool_usage(
					"--language is c or c++, not '%s'", optarg);
			break;
		case BUILD:
			if (!take_build(&r, optarg))
				return tool_usage(
					"--build is meson, cmake or make, not '%s'",
					optarg);
			break;
		default:
			return tool_usage(NULL);
		}
	}
	if (optind + 1 != argc)
		return tool_usage("it takes one name");
	return take_name(&r, argv[optind]) ? make(&r) : TOOL_FAILED;
}

const struct tool_command tool_new = {
	.name = "new",
	.summary = "Write the first files of a new module",
	.usage = "[OPTION]... NAME",
	.help = "Makes a folder NAME with a source, what it is built with, and a "
		"README.\n\n"
		"  --language LANGUAGE  c, or c++\n"
		"  --build TOOL         meson, cmake or make\n"
		"  --help               This text\n",
	.run = run,
};
