/* SPDX-License-Identifier: MIT */
/*
 * What a configuration file says: one directive a line, kept in the order of lines. Bad
 * lines are told and passed over. Also the kernel's command line, which can name options
 * and hide modules. Knows no directories.
 */
#include "index/index.h"

static const struct {
	const char *name;
	bool has_value, is_pattern;
} directives[INDEX_CONFIG_COUNT] = {
	[INDEX_CONFIG_ALIAS] = { "alias", true, true },
	[INDEX_CONFIG_BLACKLIST] = { "blacklist", false, false },
	[INDEX_CONFIG_FORBID] = { "forbid", false, true },
	[INDEX_CONFIG_INSTALL] = { "install", true, true },
	[INDEX_CONFIG_OPTIONS] = { "options", true, false },
	[INDEX_CONFIG_REMOVE] = { "remove", true, true },
	[INDEX_CONFIG_SOFTDEP] = { "softdep", true, true },
	[INDEX_CONFIG_WEAKDEP] = { "weakdep", true, true },
};

const char *index_directive_name(enum index_directive directive)
{
	return directives[directive].name;
}

static char *fold(struct index_pool *pool, const char *name, bool *bad)
{
	/* Folding keeps the length, whatever that is. */
	size_t bytes = strlen(name) + 1;
	char *folded = index_pool_copy(pool, name, bytes - 1);

	*bad = folded && index_fold_alias(name, folded, bytes) < 0;
	return *bad ? NULL : folded;
}

/* The word at *@p, ended; *@p moves behind the blank that ended it. NULL: none. */
static char *word(char **p)
{
	char *start = *p + strspn(*p, " \t");

	if (!*start)
		return NULL;
	char *end = start + strcspn(start, " \t");
	*p = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

/* Appends the words of @text that stand under @label, or under none if it is NULL. */
static char *words_under(char *to, const char *text, const char *label)
{
	static const char blanks[] = " \t\n\v\f\r";
	bool under = !label, any = false;

	for (const char *p = text; *(p += strspn(p, blanks));) {
		size_t length = strcspn(p, blanks);
		bool pre = length == 4 && memcmp(p, "pre:", 4) == 0;
		if (label && (pre || (length == 5 && memcmp(p, "post:", 5) == 0))) {
			under = strncmp(p, label, length) == 0;
		} else if (under) {
			if (!any)
				to = stpcpy(
					stpcpy(to, label ? label : ""), label ? " " : "");
			else
				*to++ = ' ';
			any = true;
			to = mempcpy(to, p, length);
		}
		p += length;
	}
	*to = '\0';
	return to;
}

/* A softdep line as it is printed: "pre: a b post: c"; a weakdep line: words. */
static char *normalise(const char *text, bool is_softdep)
{
	/* A word grows by its label and two blanks. */
	char *out = base_alloc(strlen(text) + 16), *to = out;

	if (!out)
		return NULL;
	to = words_under(to, text, is_softdep ? "pre:" : NULL);
	if (is_softdep) {
		char *start = to > out ? stpcpy(to, " ") : to;
		if (words_under(start, text, "post:") == start)
			*to = '\0';
	}
	return out;
}

static int add(struct index_config *config, enum index_directive directive,
	const char *name, const char *value, const char *file, unsigned number)
{
	struct index_config_lines *lines = &config->lines[directive];

	if (base_grow(&lines->items, lines->count, &lines->capacity,
		    sizeof(*lines->items)) != 0)
		return -ENOMEM;
	if (value) {
		value = index_pool_copy(&config->pool, value, strlen(value));
		if (!value)
			return -ENOMEM;
	}
	lines->items[lines->count++] =
		(struct index_config_line){ name, value, file, number };
	return 0;
}

/* 0; 1: a bad line; -ENOMEM. */
static int parse_directive(struct index_config *config, enum index_directive directive,
	char *rest, const char *file, unsigned number)
{
	char *name = word(&rest), *value = NULL;
	bool bad;

	if (!name)
		return 1;
	if (directive == INDEX_CONFIG_ALIAS) {
		value = word(&rest);
		if (!value)
			return 1;
		value = fold(&config->pool, value, &bad);
		if (!value)
			return bad ? 1 : -ENOMEM;
	} else if (directives[directive].has_value) {
		value = rest;
		if (!*value)
			return 1;
	}
	name = fold(&config->pool, name, &bad);
	if (!name)
		return bad ? 1 : -ENOMEM;
	if (directive == INDEX_CONFIG_OPTIONS) {
		for (char *p = value; *p; p++)
			*p = *p == '\t' ? ' ' : *p;
	}
	if (directive != INDEX_CONFIG_SOFTDEP && directive != INDEX_CONFIG_WEAKDEP)
		return add(config, directive, name, value, file, number);
	BASE_AUTO_FREE char *normal = normalise(value, directive == INDEX_CONFIG_SOFTDEP);
	return normal ? add(config, directive, name, normal, file, number) : -ENOMEM;
}

static int parse_line(struct index_config *config, char *line, const char *file,
	unsigned number, const struct index_complaints *complaints)
{
	char *rest = line;
	char *first = line[0] == '#' ? NULL : word(&rest);

	if (!first || first[0] == '#')
		return 0;
	int err = 1;
	for (unsigned i = 0; i < INDEX_CONFIG_COUNT; i++) {
		if (strcmp(first, directives[i].name) == 0) {
			err = parse_directive(config, i, rest, file, number);
			break;
		}
	}
	if (strcmp(first, "include") == 0 || strcmp(first, "config") == 0) {
		index_complain(complaints,
			"%s line %u: %s is deprecated and not parsed anymore", file,
			number, first);
		return 0;
	}
	if (err > 0)
		index_complain(complaints,
			"%s line %u: ignoring bad line starting with '%s'", file, number,
			first);
	return err < 0 ? err : 0;
}

char *index_config_line(char **text, const char *end, unsigned *lines)
{
	char *line = *text, *to = line, *at = line;

	for (*lines = 1; at < end && *at != '\n';) {
		if (*at != '\\') {
			*to++ = *at++;
			continue;
		}
		/* At the end of the text it stands before nothing. */
		at++;
		if (at < end && *at == '\n') {
			at++;
			++*lines;
		} else if (at < end) {
			*to++ = *at++;
		}
	}
	*text = at < end ? at + 1 : at;
	*to = '\0';
	return line;
}

int index_config_parse(struct index_config *config, const char *file, char *bytes,
	size_t count, const struct index_complaints *complaints)
{
	unsigned number = 1;
	int err = 0;

	for (char *at = bytes; !err && at < bytes + count;) {
		unsigned lines;
		char *line = index_config_line(&at, bytes + count, &lines);
		number += lines;
		err = parse_line(config, line, file, number - 1, complaints);
	}
	return err;
}

/* ---- the kernel's command line ---- */

static int parse_blacklist(struct index_config *config, char *names)
{
	char *name;
	int err = 0;

	while (!err && (name = strsep(&names, ",")) != NULL) {
		bool bad;
		char *folded = fold(&config->pool, name, &bad);
		if (!folded && !bad)
			return -ENOMEM;
		if (folded)
			err = add(config, INDEX_CONFIG_BLACKLIST, folded, NULL,
				"the kernel command line", 0);
	}
	return err;
}

/* "module.parameter=value" or "module.parameter" in @word. */
static int parse_parameter(struct index_config *config, char *text)
{
	static const char blacklist[] = "blacklist=";
	char *dot = text + strcspn(text, ".=");
	bool bad;

	if (*dot != '.' || dot == text || !dot[1])
		return 0;
	*dot = '\0';
	char *parameter = dot + 1;
	if (strcmp(text, "modprobe") == 0 &&
		strncmp(parameter, blacklist, strlen(blacklist)) == 0)
		return parse_blacklist(config, parameter + strlen(blacklist));
	char *name = fold(&config->pool, text, &bad);
	if (!name)
		return bad ? 0 : -ENOMEM;
	return add(config, INDEX_CONFIG_OPTIONS, name, parameter,
		"the kernel command line", 0);
}

int index_config_parse_command_line(struct index_config *config, char *text)
{
	char *start = text;
	bool quoted = false;
	int err = 0;

	for (char *p = text; !err; p++) {
		bool end = *p == '\0' || *p == '\n';
		if (*p == '"')
			quoted = !quoted;
		if (!end && (*p != ' ' || quoted))
			continue;
		*p = '\0';
		/* What follows "--" is init's. */
		if (strcmp(start, "--") == 0)
			break;
		err = parse_parameter(config, start);
		start = p + 1;
		if (end)
			break;
	}
	return err;
}
