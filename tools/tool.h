/* SPDX-License-Identifier: MIT */
/*
 * What the commands of umod share: the table of commands, messages, safe printing of
 * names, colours, JSON and lists of files. Uses the public headers of libumod only. The
 * program has one thread.
 */
#ifndef UMOD_TOOL_H
#define UMOD_TOOL_H

#include <umod/umod.h>

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TOOL_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Exit codes. */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1, /* something that was asked for did not work */
	TOOL_USAGE = 2,  /* it was asked for in a wrong way */
};

struct tool_command {
	const char *name;
	const char *summary; /* one line, for the list of commands */
	const char *usage;   /* after "Usage: umod NAME " */
	const char *help;    /* what --help prints after that */
	/* Called with argv[0] == "umod NAME", for getopt's messages. */
	int (*run)(int argc, char **argv);
	/* One of kmod's: no locale is set, and a link's name stays in argv[0]. */
	bool plain;
};
extern const struct tool_command tool_abi, tool_check, tool_features, tool_info,
	tool_maps, tool_new, tool_run, tool_symbols, tool_tree;
extern const struct tool_command *tool_current; /* the one that runs, or NULL */

/* Ends the process for want of memory, as all of these do: nothing is left to tell. */
void *tool_realloc(void *old, size_t count, size_t bytes);
char *tool_strdup(const char *s);

/* ---- messages (text.c) ---- */

/* "umod COMMAND: ..." on standard error, control characters escaped. */
void tool_error(const char *format, ...) TOOL_PRINTF(1, 2);
/* As tool_error, then how to get help. Returns TOOL_USAGE. */
int tool_usage(const char *format, ...) TOOL_PRINTF(1, 2);
/* Prints the command's --help. Returns TOOL_OK. */
int tool_help(const struct tool_command *command);
/* Writes out what is still buffered; an error there makes TOOL_OK TOOL_FAILED. */
int tool_finish(int status);
/* Nobody reads standard output any more, or its disk is full: stop early. */
bool tool_output_failed(void);

/* ---- text for people (text.c) ---- */

/* Sets up locale and colours; once, at start. */
void tool_text_setup(void);
bool tool_utf8(void); /* may be printed */
/*
 * Prints @s with control characters, backslashes and bytes that are no text in this
 * locale as \n, \\ and \xNN, so that a name can neither break a line nor move a cursor.
 * NULL prints "-". Returns the columns used, as long as one character is one column.
 */
size_t tool_print(FILE *out, const char *s);

enum tool_colour {
	TOOL_PLAIN,
	TOOL_RED,
	TOOL_GREEN,
	TOOL_YELLOW,
	TOOL_DIM,
	TOOL_BOLD,
};
/* Begins a colour on standard output, if that is a terminal; TOOL_PLAIN ends it. */
void tool_colour(enum tool_colour colour);

/* ---- JSON on standard output (json.c) ---- */

/*
 * Writes one document, step by step. @key is NULL inside arrays and at the top. A string
 * that is not UTF-8 keeps its bytes as lone surrogates U+DC80..U+DCFF, as Python's
 * "surrogateescape" does; a NULL string is null.
 */
void json_open(const char *key, char bracket); /* '{' or '[' */
void json_close(char bracket);                 /* '}' or ']' */
void json_string(const char *key, const char *value);
void json_number(const char *key, uint64_t value);
void json_signed(const char *key, int64_t value);
void json_bool(const char *key, bool value);
void json_null(const char *key);

/* ---- lists of files (text.c) ---- */

struct tool_files {
	char **names;
	size_t count, capacity;
};
void tool_files_add(struct tool_files *files, const char *name);
/* Adds each line of the file @path, "-" for standard input. False: told. */
bool tool_files_read(struct tool_files *files, const char *path);
void tool_files_free(struct tool_files *files);
/*
 * A name without a slash that is a file in this folder, as "./name": otherwise it would
 * be searched for as a library. Else a copy of @name. The caller's.
 */
char *tool_file_path(const char *name);

/* ---- images (image.c) ---- */

/*
 * Opens @path. If that fails it tells so, returns NULL and, when @json, writes an object
 * with the path and the error.
 */
struct umod_image *tool_image_open(const char *path, bool json);
/* Writes @error as an object. */
void tool_json_error(const char *key, const struct umod_error *error);
/* Names of STT_*, STB_* and STV_*; a number in a static buffer where there is none. */
const char *tool_symbol_type(unsigned type);
const char *tool_symbol_bind(unsigned bind);
const char *tool_symbol_visibility(unsigned visibility);
/* The @index-th flag of DT_FLAGS, or of DT_FLAGS_1, set in @flags; NULL past the last. */
const char *tool_flag(bool flags_1, unsigned flags, unsigned index);

/* ---- demangling (demangle.c) ---- */

/* Loads the C++ runtime's demangler through umod. False: told. */
bool tool_demangle_setup(void);
/* The name of a C++ symbol as it was written, or NULL. To be freed with free(3). */
char *tool_demangle(const char *name);

/* Ends the list of options of every command. */
#define TOOL_COMMON_OPTIONS                 \
	{ "help", no_argument, NULL, 'h' }, \
	{                                   \
		0, 0, 0, 0                  \
	}

#endif
