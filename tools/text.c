/* SPDX-License-Identifier: MIT */
/*
 * Messages, safe printing of names from files that nobody vouches for, colours, memory
 * and lists of files. Knows no command.
 */
#include "tool.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct tool_command *tool_current;
static bool utf8, colours;

/* ---- memory ---- */

void *tool_realloc(void *old, size_t count, size_t bytes)
{
	void *p = reallocarray(old, count ? count : 1, bytes);

	if (!p) {
		fputs("umod: out of memory\n", stderr);
		exit(TOOL_FAILED);
	}
	return p;
}

char *tool_strdup(const char *s)
{
	size_t bytes = strlen(s) + 1;

	return memcpy(tool_realloc(NULL, bytes, 1), s, bytes);
}

/* ---- text ---- */

void tool_text_setup(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	setlocale(LC_ALL, "");
	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	colours = isatty(STDOUT_FILENO) && !(no_color && no_color[0]) && term &&
		  strcmp(term, "dumb") != 0;
}

bool tool_utf8(void)
{
	return utf8;
}

/* Bytes of the printable UTF-8 character at @s; 0: there is none. */
static size_t character(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes = s[0] < 0xc2   ? 0
		       : s[0] < 0xe0 ? 2
		       : s[0] < 0xf0 ? 3
		       : s[0] < 0xf5 ? 4
				     : 0;
	uint32_t code = bytes ? s[0] & (0x7fu >> bytes) : 0;

	for (size_t i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (bytes && (code < least[bytes] || code > 0x10ffff))
		return 0;
	if (code < 0xa0 || (code >= 0xd800 && code < 0xe000))
		return 0; /* control characters; surrogates */
	if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
		(code >= 0x2066 && code <= 0x2069) || code == 0xfeff)
		return 0; /* what hides, or turns the direction of writing */
	return bytes;
}

size_t tool_print(FILE *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)(s ? s : "-");
	size_t columns = 0;

	while (*p) {
		size_t bytes;
		if (*p >= 0x20 && *p < 0x7f && *p != '\\') {
			fputc(*p++, out);
			columns++;
		} else if (utf8 && (bytes = character(p))) {
			fwrite(p, 1, bytes, out);
			p += bytes;
			columns++;
		} else {
			const char *at = strchr("\nn\tt\rr\\\\", *p);
			char text[8];
			if (at)
				snprintf(text, sizeof(text), "\\%c", at[1]);
			else
				snprintf(text, sizeof(text), "\\x%02x", *p);
			fputs(text, out);
			columns += strlen(text);
			p++;
		}
	}
	return columns;
}

void tool_colour(enum tool_colour colour)
{
	static const char *const codes[] = { "0", "31", "32", "33", "2", "1" };

	if (colours)
		printf("\033[%sm", codes[colour]);
}

/* ---- messages ---- */

static void TOOL_PRINTF(1, 0) tell(const char *format, va_list list)
{
	char *text = NULL;

	fflush(stdout);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	if (tool_current)
		fprintf(stderr, "umod %s: ", tool_current->name);
	else
		fputs("umod: ", stderr);
	tool_print(stderr, text ? text : "out of memory");
	fputc('\n', stderr);
	free(text);
}

void tool_error(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	tell(format, list);
	va_end(list);
}

int tool_usage(const char *format, ...)
{
	va_list list;

	/* NULL: getopt has told already. */
	if (format) {
		va_start(list, format);
		tell(format, list);
		va_end(list);
	}
	fprintf(stderr, "Try 'umod %s%s--help'.\n",
		tool_current ? tool_current->name : "", tool_current ? " " : "");
	return TOOL_USAGE;
}

int tool_help(const struct tool_command *command)
{
	printf("Usage: umod %s %s\n%s.\n\n%s", command->name, command->usage,
		command->summary, command->help);
	return TOOL_OK;
}

bool tool_output_failed(void)
{
	return ferror(stdout);
}

int tool_finish(int status)
{
	errno = 0;
	bool failed = ferror(stdout) != 0;
	if (fflush(stdout) == EOF)
		failed = true;
	if (!failed)
		return status;
	/* A reader who has seen enough is no reason to complain. */
	if (errno != EPIPE)
		tool_error("cannot write to standard output%s%s", errno ? ": " : "",
			errno ? strerror(errno) : "");
	return status == TOOL_OK ? TOOL_FAILED : status;
}

/* ---- lists of files ---- */

void tool_files_add(struct tool_files *files, const char *name)
{
	if (files->count == files->capacity) {
		files->capacity = files->capacity ? 2 * files->capacity : 64;
		files->names = tool_realloc(
			files->names, files->capacity, sizeof(*files->names));
	}
	files->names[files->count++] = tool_strdup(name);
}

bool tool_files_read(struct tool_files *files, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	if (!in) {
		tool_error("cannot read the list %s: %s", path, strerror(errno));
		return false;
	}
	while ((length = getline(&line, &room, in)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = 0;
		if (line[0])
			tool_files_add(files, line);
	}
	bool failed = ferror(in);
	if (failed)
		tool_error("cannot read the list %s: %s", path, strerror(errno));
	free(line);
	if (!is_stdin)
		fclose(in);
	return !failed;
}

void tool_files_free(struct tool_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->names[i]);
	free(files->names);
}

char *tool_file_path(const char *name)
{
	struct stat st;

	if (strchr(name, '/') || stat(name, &st) != 0)
		return tool_strdup(name);
	size_t bytes = strlen(name) + 3;
	char *path = tool_realloc(NULL, bytes, 1);
	snprintf(path, bytes, "./%s", name);
	return path;
}
