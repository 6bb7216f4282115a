/* SPDX-License-Identifier: MIT */
/*
 * What each index file holds, text and binary. Nothing is written to disk here, and
 * inputs that are not there make an empty index.
 */
#include "index/depmod_internal.h"

#include <stdio.h>
#include <stdlib.h>

static void add_line(struct index_text *text, const char *a, const char *b, const char *c)
{
	index_text_string(text, a);
	index_text_string(text, b);
	index_text_byte(text, ' ');
	index_text_string(text, c);
	index_text_byte(text, '\n');
}

/* Adds an entry; one that the format cannot hold is told and left out. */
static int add_entry(struct depmod *depmod, struct index_entries *entries,
	const char *key, const char *value, uint32_t priority)
{
	int result = index_entries_add(entries, key, value, priority);

	if (result == -EILSEQ)
		depmod_say(depmod, INDEX_ERROR,
			"Module index: only 7-bit ASCII is supported: %s %s", key, value);
	else if (result == -ENAMETOOLONG)
		depmod_say(depmod, INDEX_ERROR,
			"Module index: a name of %zu bytes: %.60s...", strlen(key), key);
	else
		return result;
	return 0;
}

/* Sorted entries: equal keys with equal values are told to who asked for it. */
static void warn_duplicates(
	struct depmod *depmod, const struct index_entries *entries, const char *what)
{
	for (unsigned i = 1; depmod->options->warn_duplicates && i < entries->count;
		i++) {
		const struct index_entry *a = &entries->items[i - 1], *b = a + 1;
		if (strcmp(a->key, b->key) == 0 && strcmp(a->value, b->value) == 0)
			depmod_say(depmod, INDEX_WARNING, "duplicate module %s:\n%s %s",
				what, b->key, b->value);
	}
}

static int finish(struct depmod *depmod, struct index_entries *entries,
	struct index_text *text, const char *what, int result)
{
	if (result == 0)
		result = index_entries_write(entries, text);
	if (result == 0)
		warn_duplicates(depmod, entries, what);
	index_entries_free(entries);
	return result;
}

/* ---- modules.dep ---- */

static void dep_line(struct depmod *depmod, uint32_t index,
	struct depmod_closure *closure, struct index_text *text)
{
	const struct depmod_module *module = &depmod->modules[index];

	index_text_string(text, module->shown);
	index_text_byte(text, ':');
	if (module->need_count == 0)
		return;
	depmod_closure_fill(depmod, index, closure);
	for (unsigned i = 0; i < closure->count; i++) {
		index_text_byte(text, ' ');
		index_text_string(text, depmod->modules[closure->items[i]].shown);
	}
}

int depmod_write_dep(struct depmod *depmod, struct index_text *text)
{
	struct depmod_closure closure;
	int result = depmod_closure_setup(depmod, &closure);

	for (uint32_t i = 0; i < depmod->module_count && result == 0; i++) {
		dep_line(depmod, i, &closure, text);
		index_text_byte(text, '\n');
	}
	depmod_closure_free(&closure);
	return result;
}

int depmod_write_dep_bin(struct depmod *depmod, struct index_text *text)
{
	struct index_entries entries = { 0 };
	struct index_text lines = { 0 };
	struct depmod_closure closure;
	BASE_AUTO_FREE size_t *starts =
		base_array((size_t)depmod->module_count + 1, sizeof(*starts));
	int result = depmod_closure_setup(depmod, &closure);

	if (!starts)
		result = -ENOMEM;
	/* All lines first: the text moves while it grows. */
	for (uint32_t i = 0; i < depmod->module_count && result == 0; i++) {
		starts[i] = lines.count;
		dep_line(depmod, i, &closure, &lines);
		index_text_byte(&lines, '\0');
	}
	if (lines.failed)
		result = -ENOMEM;
	for (uint32_t i = 0; i < depmod->module_count && result == 0; i++)
		result = add_entry(depmod, &entries, depmod->modules[i].name,
			lines.bytes + starts[i], i);
	result = finish(depmod, &entries, text, "deps", result);
	depmod_closure_free(&closure);
	index_text_free(&lines);
	return result;
}

/* ---- fields of modules ---- */

static int write_fields(struct depmod *depmod, struct index_text *text,
	enum depmod_field_kind kind, const char *word)
{
	for (unsigned i = 0; i < depmod->module_count; i++) {
		const struct depmod_module *module = &depmod->modules[i];
		for (unsigned j = 0; j < module->field_count; j++) {
			if (module->fields[j].kind != kind)
				continue;
			if (kind == DEPMOD_ALIAS)
				add_line(text, word, module->fields[j].value,
					module->name);
			else
				add_line(text, word, module->name,
					module->fields[j].value);
		}
	}
	return 0;
}

int depmod_write_alias(struct depmod *depmod, struct index_text *text)
{
	index_text_string(text, "# Aliases extracted from modules themselves.\n");
	return write_fields(depmod, text, DEPMOD_ALIAS, "alias ");
}

int depmod_write_softdep(struct depmod *depmod, struct index_text *text)
{
	index_text_string(
		text, "# Soft dependencies extracted from modules themselves.\n");
	return write_fields(depmod, text, DEPMOD_SOFTDEP, "softdep ");
}

int depmod_write_weakdep(struct depmod *depmod, struct index_text *text)
{
	index_text_string(
		text, "# Weak dependencies extracted from modules themselves.\n");
	return write_fields(depmod, text, DEPMOD_WEAKDEP, "weakdep ");
}

/* @alias as keys of the index are spelled; NULL: none, told; *result: -ENOMEM. */
static const char *fold(struct depmod *depmod, const char *alias, int *result)
{
	char folded[INDEX_NAME_BYTES];
	int length = index_fold_alias(alias, folded, sizeof(folded));

	if (length < 0) {
		depmod_say(depmod, INDEX_WARNING, "%s in %.200s",
			length == -EINVAL ? "Unmatched bracket" : "Too many bytes",
			alias);
		return NULL;
	}
	/* Most need no change, and stay where they are. */
	if (strcmp(folded, alias) == 0)
		return alias;
	const char *copy = index_arena_copy(&depmod->arena, folded, (size_t)length);
	*result = copy ? 0 : -ENOMEM;
	return copy;
}

int depmod_write_alias_bin(struct depmod *depmod, struct index_text *text)
{
	struct index_entries entries = { 0 };
	int result = 0;

	for (unsigned i = 0; i < depmod->module_count; i++) {
		const struct depmod_module *module = &depmod->modules[i];
		for (unsigned j = 0; j < module->field_count && result == 0; j++) {
			if (module->fields[j].kind != DEPMOD_ALIAS)
				continue;
			const char *key = fold(depmod, module->fields[j].value, &result);
			if (key)
				result =
					add_entry(depmod, &entries, key, module->name, i);
		}
	}
	return finish(depmod, &entries, text, "alias", result);
}

/* ---- symbols ---- */

struct place {
	const struct depmod_symbol *symbol;
};

static int by_place(const void *a, const void *b)
{
	const struct depmod_symbol *x = ((const struct place *)a)->symbol;
	const struct depmod_symbol *y = ((const struct place *)b)->symbol;
	uint32_t p = x->hash % DEPMOD_SYMBOL_CHAINS, q = y->hash % DEPMOD_SYMBOL_CHAINS;

	return p != q ? (p < q ? -1 : 1) : strcmp(x->name, y->name);
}

int depmod_write_symbols(struct depmod *depmod, struct index_text *text)
{
	BASE_AUTO_FREE struct place *places =
		base_array((size_t)depmod->symbol_count + 1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (unsigned i = 0; i < depmod->symbol_count; i++)
		places[i].symbol = &depmod->symbols[i];
	qsort(places, depmod->symbol_count, sizeof(*places), by_place);
	index_text_string(text, "# Aliases for symbols, used by symbol_request().\n");
	for (unsigned i = 0; i < depmod->symbol_count; i++) {
		const struct depmod_symbol *symbol = places[i].symbol;
		if (symbol->owner != DEPMOD_NONE)
			add_line(text, "alias symbol:", symbol->name,
				depmod->modules[symbol->owner].name);
	}
	return 0;
}

int depmod_write_symbols_bin(struct depmod *depmod, struct index_text *text)
{
	static const char prefix[] = "symbol:";
	struct index_entries entries = { 0 };
	int result = 0;

	for (unsigned i = 0; i < depmod->symbol_count && result == 0; i++) {
		const struct depmod_symbol *symbol = &depmod->symbols[i];
		size_t bytes = strlen(symbol->name);
		if (symbol->owner == DEPMOD_NONE)
			continue;
		char *key = index_arena_alloc(&depmod->arena, strlen(prefix) + bytes + 1);
		if (!key)
			result = -ENOMEM;
		if (result)
			break;
		memcpy(key, prefix, strlen(prefix));
		memcpy(key + strlen(prefix), symbol->name, bytes + 1);
		result = add_entry(depmod, &entries, key,
			depmod->modules[symbol->owner].name, symbol->owner);
	}
	return finish(depmod, &entries, text, "syms", result);
}

/* ---- built-in modules ---- */

static int builtin_line(struct depmod *depmod, struct index_entries *entries, char *line)
{
	char *slash = strrchr(line, '/'), *name = slash ? slash + 1 : line;
	size_t bytes = strcspn(name, ".");

	if (!((line[0] | 32) >= 'a' && (line[0] | 32) <= 'z')) {
		depmod_say(depmod, INDEX_ERROR, "Invalid modules.builtin line: %s", line);
		return 0;
	}
	for (size_t i = 0; i < bytes; i++) {
		if (name[i] == '-')
			name[i] = '_';
	}
	name = index_arena_copy(&depmod->arena, name, bytes);
	return name ? add_entry(depmod, entries, name, "", 0) : -ENOMEM;
}

int depmod_write_builtin_bin(struct depmod *depmod, struct index_text *text)
{
	struct index_entries entries = { 0 };
	struct feature_buffer buffer = { 0 };
	int result = depmod_read_input(depmod, "modules.builtin", &buffer);

	if (result && result != -ENOMEM) {
		feature_buffer_free(&buffer);
		return finish(depmod, &entries, text, "builtin", 0);
	}
	for (char *line = (char *)buffer.bytes, *next; result == 0 && *line;
		line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		result = builtin_line(depmod, &entries, line);
	}
	feature_buffer_free(&buffer);
	return finish(depmod, &entries, text, "builtin", result);
}

/* "module.key=value" */
static int builtin_field(
	struct depmod *depmod, struct index_entries *entries, char *field)
{
	static const char key[] = "alias=";
	char *dot = strchr(field, '.');
	int result = 0;

	if (!dot || dot == field || strncmp(dot + 1, key, strlen(key)) != 0 ||
		dot[1 + strlen(key)] == '\0')
		return 0;
	const char *alias = index_arena_copy(
		&depmod->arena, dot + 1 + strlen(key), strlen(dot + 1 + strlen(key)));
	const char *name = index_arena_copy(&depmod->arena, field, (size_t)(dot - field));
	if (!alias || !name)
		return -ENOMEM;
	alias = fold(depmod, alias, &result);
	return alias ? add_entry(depmod, entries, alias, name, 0) : result;
}

int depmod_write_builtin_alias_bin(struct depmod *depmod, struct index_text *text)
{
	struct index_entries entries = { 0 };
	struct feature_buffer buffer = { 0 };
	int result = depmod_read_input(depmod, "modules.builtin.modinfo", &buffer);

	if (result == 0) {
		char *end = (char *)buffer.bytes + buffer.count;
		for (char *field = (char *)buffer.bytes; field < end && result == 0;
			field += strlen(field) + 1)
			result = builtin_field(depmod, &entries, field);
	} else if (result != -ENOMEM) {
		result = 0;
	}
	feature_buffer_free(&buffer);
	return finish(depmod, &entries, text, "alias", result);
}

/* ---- device nodes ---- */

static void device_line(struct depmod *depmod, const struct depmod_module *module,
	struct index_text *text, bool *first)
{
	const char *node = NULL;
	unsigned major = 0, minor = 0, a, b;
	char type = '\0', line[64];

	for (unsigned i = 0; i < module->field_count && !(node && type); i++) {
		const char *value = module->fields[i].value;
		if (module->fields[i].kind != DEPMOD_ALIAS)
			continue;
		if (strncmp(value, "devname:", 8) == 0) {
			node = value + 8;
			continue;
		}
		bool character = sscanf(value, "char-major-%u-%u", &a, &b) == 2;
		if (character || sscanf(value, "block-major-%u-%u", &a, &b) == 2) {
			type = character ? 'c' : 'b';
			major = a;
			minor = b;
		}
	}
	if (!node)
		return;
	if (!type) {
		depmod_say(depmod, INDEX_ERROR,
			"Module '%s' has devname (%s) but lacks major and minor "
			"information. "
			"Ignoring.",
			module->name, node);
		return;
	}
	if (*first)
		index_text_string(
			text, "# Device nodes to trigger on-demand module loading.\n");
	*first = false;
	snprintf(line, sizeof(line), "%c%u:%u", type, major, minor);
	index_text_string(text, module->name);
	index_text_byte(text, ' ');
	add_line(text, "", node, line);
}

int depmod_write_devname(struct depmod *depmod, struct index_text *text)
{
	bool first = true;

	for (unsigned i = 0; i < depmod->module_count; i++)
		device_line(depmod, &depmod->modules[i], text, &first);
	return 0;
}
