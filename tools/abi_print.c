/* SPDX-License-Identifier: MIT */
/* What umod abi shows: lists, texts of types, and how two files differ. */
#include "abi.h"

#include <stdlib.h>

/* Our own text, tabs and all, of names that nobody vouches for. */
static void put_text(const char *prefix, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n"), start = strspn(text, "\t");
		char *line = abi_format("%.*s", (int)(length - start), text + start);
		printf("%s", prefix);
		for (size_t i = 0; i < start; i++)
			putchar('\t');
		for (char *cell = line, *tab; cell; cell = tab) {
			tab = strchr(cell, '\t');
			if (tab)
				*tab++ = '\0';
			tool_print(stdout, cell);
			if (tab)
				putchar('\t');
		}
		putchar('\n');
		free(line);
		text += length + (text[length] == '\n');
	}
}

void abi_print_list(const struct abi_table *table)
{
	for (unsigned i = 0; i < table->count; i++) {
		if (!table->exports[i].known)
			continue;
		printf("0x%08x  ", table->exports[i].crc);
		tool_print(stdout, table->exports[i].name);
		putchar('\n');
	}
}

void abi_print_dump(const struct abi_table *table)
{
	for (unsigned i = 0; i < table->count; i++) {
		const struct abi_export *export = &table->exports[i];
		if (!export->known)
			continue;
		printf("0x%08x  ", export->crc);
		tool_print(stdout, export->name);
		putchar('\n');
		put_text("  ", export->declaration);
		for (unsigned k = 0; k < export->type_count; k++)
			put_text("  ", table->types[export->types[k]].text);
	}
}

static void json_export(const struct abi_table *table, const struct abi_export *export)
{
	char crc[16];

	snprintf(crc, sizeof(crc), "0x%08x", export->crc);
	json_open(NULL, '{');
	json_string("name", export->name);
	json_string("crc", export->known ? crc : NULL);
	json_string("declaration", export->declaration);
	json_bool("gpl_only", export->gpl_only);
	json_string("namespace", export->space);
	if (export->type_count) {
		json_open("types", '[');
		for (unsigned i = 0; i < export->type_count; i++)
			json_string(NULL, table->types[export->types[i]].text);
		json_close(']');
	}
	json_close('}');
}

void abi_print_json(const struct abi_file *file, const struct abi_table *table)
{
	json_open(NULL, '{');
	json_string("path", file->path);
	json_string("module", file->module);
	json_open("exports", '[');
	for (unsigned i = 0; i < table->count; i++)
		json_export(table, &table->exports[i]);
	json_close(']');
	json_close('}');
}

/* ---- two of them ---- */

/* Of the same name. */
static const struct abi_type *type_of(const struct abi_table *table,
	const struct abi_export *export, const struct abi_type *like)
{
	for (unsigned i = 0; i < export->type_count; i++) {
		const struct abi_type *type = &table->types[export->types[i]];
		if (strcmp(type->name, like->name) == 0)
			return type;
	}
	return NULL;
}

static bool has_line(const char *text, const char *line, size_t bytes)
{
	for (; text && *text; text = strchr(text, '\n'), text += text != NULL) {
		if (strcspn(text, "\n") == bytes && memcmp(text, line, bytes) == 0)
			return true;
	}
	return false;
}

/* Lines of @text that @other has not. */
static void put_missing(const char *prefix, const char *text, const char *other)
{
	while (*text) {
		size_t bytes = strcspn(text, "\n");
		if (!has_line(other, text, bytes)) {
			char *line = abi_format("%.*s", (int)bytes, text);
			put_text(prefix, line);
			free(line);
		}
		text += bytes + (text[bytes] == '\n');
	}
}

static void diff_types(const struct abi_table *a, const struct abi_export *x,
	const struct abi_table *b, const struct abi_export *y)
{
	for (unsigned i = 0; i < x->type_count; i++) {
		const struct abi_type *type = &a->types[x->types[i]];
		const struct abi_type *other = type_of(b, y, type);
		if (other && strcmp(type->text, other->text) == 0)
			continue;
		if (!other) {
			put_text("    - ", type->text);
			continue;
		}
		printf("    ");
		tool_print(stdout, type->name);
		printf(":\n");
		put_missing("    - ", type->text, other->text);
		put_missing("    + ", other->text, type->text);
	}
	for (unsigned i = 0; i < y->type_count; i++) {
		const struct abi_type *type = &b->types[y->types[i]];
		if (!type_of(a, x, type))
			put_text("    + ", type->text);
	}
}

static void diff_export(const struct abi_table *a, const struct abi_export *x,
	const struct abi_table *b, const struct abi_export *y)
{
	printf("changed  ");
	tool_print(stdout, x->name);
	printf("  0x%08x 0x%08x\n", x->crc, y->crc);
	put_text("  - ", x->declaration ? x->declaration : "(not known)");
	put_text("  + ", y->declaration ? y->declaration : "(not known)");
	diff_types(a, x, b, y);
}

static bool differs(const struct abi_export *x, const struct abi_export *y)
{
	return x->known && y && y->known && x->crc != y->crc;
}

unsigned abi_print_diff(const struct abi_table *old, const struct abi_table *new)
{
	unsigned count = 0;

	for (unsigned i = 0; i < old->count; i++) {
		const struct abi_export *x = &old->exports[i];
		const struct abi_export *y = abi_table_find(new, x->name);
		if (y && !differs(x, y))
			continue;
		count++;
		if (y) {
			diff_export(old, x, new, y);
			continue;
		}
		printf("removed  ");
		tool_print(stdout, x->name);
		putchar('\n');
		put_text("  - ", x->declaration ? x->declaration : "(not known)");
	}
	for (unsigned i = 0; i < new->count; i++) {
		const struct abi_export *y = &new->exports[i];
		if (abi_table_find(old, y->name))
			continue;
		printf("added    ");
		tool_print(stdout, y->name);
		putchar('\n');
		put_text("  + ", y->declaration ? y->declaration : "(not known)");
	}
	return count;
}

unsigned abi_print_diff_json(const struct abi_table *old, const struct abi_table *new)
{
	unsigned count = 0;

	json_open(NULL, '{');
	json_open("changed", '[');
	for (unsigned i = 0; i < old->count; i++) {
		const struct abi_export *x = &old->exports[i];
		const struct abi_export *y = abi_table_find(new, x->name);
		if (!differs(x, y))
			continue;
		count++;
		json_open(NULL, '{');
		json_string("name", x->name);
		json_open("versions", '[');
		json_export(old, x);
		json_export(new, y);
		json_close(']');
		json_close('}');
	}
	json_close(']');
	for (unsigned turn = 0; turn < 2; turn++) {
		const struct abi_table *a = turn ? new : old, *b = turn ? old : new;
		json_open(turn ? "added" : "removed", '[');
		for (unsigned i = 0; i < a->count; i++) {
			if (abi_table_find(b, a->exports[i].name))
				continue;
			json_string(NULL, a->exports[i].name);
			count += !turn;
		}
		json_close(']');
	}
	json_close('}');
	return count;
}
