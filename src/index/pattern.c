/* SPDX-License-Identifier: MIT */
/*
 * Shell patterns, as aliases and configuration have them. Patterns come from files that
 * nobody vouches for, so matching goes back to the last star only, which is enough and
 * bounds the time. Knows bytes, no locale.
 */
#include "index/index.h"

#include <wctype.h>

/* "[:alpha:]" at @p: 1 in it, 0 not, -1 no class; *@end is behind it. */
static int in_class(const char *p, unsigned char c, const char **end)
{
	const char *stop = strstr(p, ":]");
	char name[8];

	if (p[0] != '[' || p[1] != ':' || !stop || stop - p - 2 >= (int)sizeof(name))
		return -1;
	memcpy(name, p + 2, (size_t)(stop - p - 2));
	name[stop - p - 2] = '\0';
	wctype_t type = wctype(name);
	if (!type)
		return -1;
	*end = stop + 2;
	return c < 0x80 && iswctype(c, type);
}

static const char *set_character(const char *p, unsigned char *out)
{
	if (*p == '\\' && p[1])
		p++;
	*out = (unsigned char)*p;
	return *p ? p + 1 : p;
}

/*
 * A set in brackets at @p (behind the '['). Returns behind its ']', or NULL if it has
 * none and '[' means itself.
 */
static const char *match_set(const char *p, unsigned char c, bool *matched)
{
	bool negated = *p == '!' || *p == '^', in = false;

	p += negated;
	for (bool first = true; first || *p != ']'; first = false) {
		unsigned char from, to;
		const char *end;
		int class = in_class(p, c, &end);
		if (!*p)
			return NULL;
		if (class >= 0) {
			in |= class;
			p = end;
			continue;
		}
		p = set_character(p, &from);
		to = from;
		if (*p == '-' && p[1] && p[1] != ']')
			p = set_character(p + 1, &to);
		in |= c >= from && c <= to;
	}
	*matched = in != negated;
	return p + 1;
}

/* One element of the pattern against @c: behind it, or NULL if that does not match. */
static const char *match_one(const char *p, unsigned char c)
{
	bool matched;
	const char *end;

	switch (*p) {
	case '?':
		return p + 1;
	case '[':
		end = match_set(p + 1, c, &matched);
		if (end)
			return matched ? end : NULL;
		return c == '[' ? p + 1 : NULL;
	case '\\':
		if (p[1])
			return (unsigned char)p[1] == c ? p + 2 : NULL;
		return NULL;
	default:
		return (unsigned char)*p == c ? p + 1 : NULL;
	}
}

bool index_match(const char *pattern, const char *text)
{
	const char *star = NULL, *star_text = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			star_text = text;
			continue;
		}
		const char *next =
			*pattern ? match_one(pattern, (unsigned char)*text) : NULL;
		if (next) {
			pattern = next;
			text++;
		} else if (star) {
			pattern = star;
			text = ++star_text;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
