/* SPDX-License-Identifier: MIT */
/*
 * JSON (RFC 8259) on standard output, one document: commas, indents and escapes. Checks
 * nothing about the order of calls but how deep they nest.
 */
#include "tool.h"

#include <assert.h>
#include <inttypes.h>

#define DEPTH_LIMIT 16
static unsigned depth;
static bool used[DEPTH_LIMIT]; /* something stands in this object or array already */

/* Bytes of the well-formed character beyond ASCII at @s, or 0. RFC 3629. */
static unsigned well_formed(const unsigned char *s)
{
	unsigned char first = s[0], second = s[1];
	unsigned bytes;

	if (first >= 0xc2 && first <= 0xdf)
		bytes = 2;
	else if (first >= 0xe0 && first <= 0xef)
		bytes = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		bytes = 4;
	else
		return 0;
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
		(first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	for (unsigned i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return bytes;
}

static void put_string(const char *value)
{
	const unsigned char *p = (const unsigned char *)value;

	putchar('"');
	while (*p) {
		unsigned bytes = *p < 0x80 ? 1 : well_formed(p);
		if (bytes == 0)
			printf("\\udc%02x", *p++);
		else if (*p == '"' || *p == '\\')
			printf("\\%c", *p++);
		else if (*p < 0x20 || *p == 0x7f)
			printf("\\u%04x", *p++);
		else
			for (; bytes; bytes--)
				putchar(*p++);
	}
	putchar('"');
}

static void indent(void)
{
	putchar('\n');
	for (unsigned i = 0; i < depth; i++)
		fputs("  ", stdout);
}

static void begin(const char *key)
{
	if (depth) {
		if (used[depth])
			putchar(',');
		used[depth] = true;
		indent();
	}
	if (key) {
		put_string(key);
		fputs(": ", stdout);
	}
}

void json_open(const char *key, char bracket)
{
	begin(key);
	putchar(bracket);
	assert(depth + 1 < DEPTH_LIMIT);
	used[++depth] = false;
}

void json_close(char bracket)
{
	bool had = used[depth--];

	if (had)
		indent();
	putchar(bracket);
	if (depth == 0)
		putchar('\n');
}

void json_string(const char *key, const char *value)
{
	begin(key);
	if (value)
		put_string(value);
	else
		fputs("null", stdout);
}

void json_number(const char *key, uint64_t value)
{
	begin(key);
	printf("%" PRIu64, value);
}

void json_signed(const char *key, int64_t value)
{
	begin(key);
	printf("%" PRId64, value);
}

void json_bool(const char *key, bool value)
{
	begin(key);
	fputs(value ? "true" : "false", stdout);
}

void json_null(const char *key)
{
	begin(key);
	fputs("null", stdout);
}
