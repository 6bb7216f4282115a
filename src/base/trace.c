/* SPDX-License-Identifier: MIT */
/*
 * The trace: UMOD_DEBUG names what is traced, as LD_DEBUG does for ld.so; lines start
 * with the process id. Each line is one write(2), so that lines of threads and processes
 * do not mix. Nothing is told only here: an error is in the caller's struct.
 */
#include "base/base.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE_BYTES 4096

static const struct {
	const char *name, *help;
} words[] = {
	{ "files", "what is opened, mapped and closed" },
	{ "libs", "search paths tried" },
	{ "stages", "the stages of each load, with their times" },
	{ "symbols", "symbols looked up" },
	{ "bindings", "what they were bound to" },
	{ "reloc", "relocation passes" },
	{ "versions", "version needs checked" },
	{ "scopes", "the scope of each image" },
	{ "tls", "thread-local storage" },
	{ "init", "init and fini calls" },
	{ "unload", "why something stays or goes" },
	{ "statistics", "counts and times of relocation" },
};
_Static_assert(BASE_TRACE_ALL == (1 << base_array_count(words)) - 1, "one word per bit");

unsigned base_trace_mask;
/* Of UMOD_DEBUG_OUTPUT; "" for standard error. Copied: the environment may change. */
static char output_prefix[PATH_MAX - 16];

const char *base_trace_name(unsigned index)
{
	return index < base_array_count(words) ? words[index].name : NULL;
}

/* Raw calls: neither may be a cancellation point in the middle of a load. */
static void write_out(const char *text, size_t length)
{
	char path[PATH_MAX];
	int fd = STDERR_FILENO;

	if (output_prefix[0]) {
		/* Opened for each line: a daemon that closes every descriptor may since
		 * have opened a file of its own with the number. A child of a fork gets
		 * its own file. */
		snprintf(path, sizeof(path), "%s.%d", output_prefix, getpid());
		fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
		if (fd < 0)
			return;
	}
	/* Not looked at: there is nobody to tell that the trace cannot be written. */
	(void)!syscall(SYS_write, fd, text, length);
	if (fd != STDERR_FILENO)
		base_sys_close(fd);
}

void base_trace_write(enum base_trace what, const char *format, ...)
{
	char line[LINE_BYTES];
	int saved = errno;
	va_list list;

	size_t start = (size_t)snprintf(line, sizeof(line), "%10d:\t", getpid());
	size_t room = sizeof(line) - start - 1; /* one for the newline */
	va_start(list, format);
	int wanted = vsnprintf(line + start, room, format, list);
	va_end(list);
	size_t length = wanted < 0 ? 0 : (size_t)wanted;
	if (length >= room) {
		length = room - 1;
		memset(line + start + length - 3, '.', 3);
	}
	/* One line each, whatever is in the names of files. */
	for (size_t i = start; i < start + length; i++) {
		if (line[i] == '\n')
			line[i] = ' ';
	}
	line[start + length] = '\n';
	write_out(line, start + length + 1);
	errno = saved;
}

static void print_help(void)
{
	char text[LINE_BYTES];
	int at = snprintf(
		text, sizeof(text), "Words for UMOD_DEBUG, with commas between:\n");

	for (size_t i = 0; i < base_array_count(words); i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "  %-11s %s\n",
			words[i].name, words[i].help);
	at += snprintf(text + at, sizeof(text) - (size_t)at,
		"  %-11s all of these\n  %-11s this list\n"
		"UMOD_DEBUG_OUTPUT=PREFIX writes to PREFIX.PID, not to standard error.\n",
		"all", "help");
	write_out(text, (size_t)at);
}

static unsigned read_word(const char *word, size_t length)
{
	static const char all_word[] = "all", help_word[] = "help";

	for (unsigned i = 0; i < base_array_count(words); i++) {
		if (strlen(words[i].name) == length &&
			!memcmp(words[i].name, word, length))
			return 1u << i;
	}
	if (length == strlen(all_word) && !memcmp(word, all_word, length))
		return BASE_TRACE_ALL;
	if (length == strlen(help_word) && !memcmp(word, help_word, length))
		print_help();
	else
		base_trace_write(BASE_TRACE_ALL,
			"warning: UMOD_DEBUG: unknown word '%.*s'; try UMOD_DEBUG=help",
			length < 64 ? (int)length : 64, word);
	return 0;
}

void base_trace_setup(void)
{
	static atomic_bool done;
	static const char between[] = ",: \t";
	const char *word = base_getenv("UMOD_DEBUG");
	const char *prefix = base_getenv("UMOD_DEBUG_OUTPUT");
	unsigned mask = 0;

	if (atomic_exchange(&done, true) || !word)
		return;
	if (prefix && strlen(prefix) < sizeof(output_prefix))
		memcpy(output_prefix, prefix, strlen(prefix) + 1);
	while (*(word += strspn(word, between))) {
		size_t length = strcspn(word, between);
		mask |= read_word(word, length);
		word += length;
	}
	base_trace_mask = mask;
}

/* Before main: threads that come later then see the mask without a lock. */
__attribute__((constructor)) static void trace_start(void)
{
	base_trace_setup();
}
