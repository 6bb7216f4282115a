/* SPDX-License-Identifier: MIT */
/*
 * modinfo: prints a module's fields as kmod does, down to the order of parameters, which
 * is the last one first; or as JSON.
 */
#include "modinfo.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN_BYTES 16

static void put(const char *text, size_t bytes)
{
	fwrite_unlocked(text, 1, bytes, stdout);
}

static bool is(const struct modinfo_field *field, const char *key)
{
	return strlen(key) == field->key_bytes &&
	       memcmp(field->key, key, field->key_bytes) == 0;
}

static void put_key(const char *key, size_t bytes)
{
	static const char blanks[] = "               ";

	put(key, bytes);
	putc_unlocked(':', stdout);
	if (bytes < COLUMN_BYTES)
		put(blanks, COLUMN_BYTES - 1 - bytes);
	else /* as printf(3) takes kmod's negative width */
		printf("%*s", (int)(bytes - (COLUMN_BYTES - 1)), "");
}

/* ---- parameters: fields parm and parmtype of one name belong together ---- */

struct parameter {
	struct parameter *next;
	const char *name, *text, *type;
	size_t name_bytes, text_bytes, type_bytes;
};

static void add_parameter(struct parameter **list, const struct modinfo_field *field)
{
	const char *colon = memchr(field->value, ':', field->value_bytes);
	struct parameter *p;

	if (!colon) {
		kmod_error("Found invalid \"%.*s=%s\": missing ':'",
			(int)field->key_bytes, field->key, field->value);
		return;
	}
	size_t bytes = (size_t)(colon - field->value);
	for (p = *list; p; p = p->next) {
		if (p->name_bytes == bytes && memcmp(p->name, field->value, bytes) == 0)
			break;
	}
	if (!p) {
		p = tool_realloc(NULL, 1, sizeof(*p));
		*p = (struct parameter){
			.next = *list, .name = field->value, .name_bytes = bytes
		};
		*list = p;
	}
	if (is(field, "parm")) {
		p->text = colon + 1;
		p->text_bytes = field->value_bytes - bytes - 1;
	} else {
		p->type = colon + 1;
		p->type_bytes = field->value_bytes - bytes - 1;
	}
}

static struct parameter *parameters_of(const struct modinfo *info)
{
	struct parameter *list = NULL;

	for (size_t i = 0; i < info->count; i++) {
		if (is(&info->fields[i], "parm") || is(&info->fields[i], "parmtype"))
			add_parameter(&list, &info->fields[i]);
	}
	return list;
}

static void free_parameters(struct parameter *list)
{
	while (list) {
		struct parameter *next = list->next;
		free(list);
		list = next;
	}
}

static void print_parameters(const struct modinfo *info, const struct modinfo_show *show)
{
	struct parameter *list = parameters_of(info);

	for (const struct parameter *p = list; p; p = p->next) {
		if (!show->field)
			put_key("parm", 4);
		put(p->name, p->name_bytes);
		putc_unlocked(':', stdout);
		if (!p->text && !show->field) {
			put(p->type, p->type_bytes);
		} else {
			put(p->text ? p->text : "", p->text_bytes);
			if (p->type) {
				put(" (", 2);
				put(p->type, p->type_bytes);
				putc_unlocked(')', stdout);
			}
		}
		putc_unlocked(show->separator, stdout);
	}
	free_parameters(list);
}

/* ---- fields ---- */

void modinfo_print_head(const struct modinfo *info, const struct modinfo_show *show)
{
	const char *path = info->path ? info->path : "(builtin)";

	if (show->json)
		return;
	if (!info->path && (!show->field || strcmp(show->field, "name") == 0)) {
		if (!show->field)
			put_key("name", 4);
		put(info->name, strlen(info->name));
		putc_unlocked(show->separator, stdout);
	}
	if (!show->field || strcmp(show->field, "filename") == 0) {
		if (!show->field)
			put_key("filename", 8);
		put(path, strlen(path));
		putc_unlocked(show->separator, stdout);
	}
}

static void print_field(
	const struct modinfo_field *field, const struct modinfo_show *show)
{
	if (show->field) {
		if (!is(field, show->field))
			return;
	} else if (is(field, "parm") || is(field, "parmtype")) {
		return;
	} else if (show->separator == '\0') {
		put(field->key, field->key_bytes);
		putc_unlocked('=', stdout);
	} else {
		put_key(field->key, field->key_bytes);
	}
	put(field->value, field->value_bytes);
	putc_unlocked(show->separator, stdout);
}

void modinfo_print(const struct modinfo *info, const struct modinfo_show *show)
{
	if (!show->field || strcmp(show->field, "parm") != 0) {
		for (size_t i = 0; i < info->count; i++)
			print_field(&info->fields[i], show);
	}
	if (!show->field || strcmp(show->field, "parm") == 0)
		print_parameters(info, show);
}

/* ---- JSON ---- */

static void string(const char *key, const char *text, size_t bytes)
{
	char *copy = text ? tool_realloc(NULL, bytes + 1, 1) : NULL;

	if (copy) {
		memcpy(copy, text, bytes);
		copy[bytes] = '\0';
	}
	json_string(key, copy);
	free(copy);
}

static void print_json_verdict(const struct modinfo *info)
{
	const struct feature_verification *v = &info->verification;

	json_open("verification", '{');
	json_string("verdict", feature_verdict_name(v->verdict));
	if (v->verdict != FEATURE_VERIFIED)
		json_string("reason", info->verify_error.message);
	if (v->by)
		json_string("certificate", v->by->file);
	json_close('}');
}

void modinfo_print_json(const struct modinfo *info, const struct umod_error *error)
{
	struct parameter *list = parameters_of(info);

	json_open(NULL, '{');
	json_string("name", info->name);
	json_string("filename", info->path);
	json_bool("builtin", !info->path);
	if (error)
		tool_json_error("error", error);
	json_open("fields", '[');
	for (size_t i = 0; i < info->count; i++) {
		const struct modinfo_field *field = &info->fields[i];
		if (is(field, "parm") || is(field, "parmtype") || is(field, "verified") ||
			(info->verified && is(field, "reason")))
			continue;
		json_open(NULL, '{');
		string("key", field->key, field->key_bytes);
		string("value", field->value, field->value_bytes);
		json_close('}');
	}
	json_close(']');
	json_open("parameters", '[');
	for (const struct parameter *p = list; p; p = p->next) {
		json_open(NULL, '{');
		string("name", p->name, p->name_bytes);
		string("type", p->type, p->type_bytes);
		string("description", p->text, p->text_bytes);
		json_close('}');
	}
	json_close(']');
	if (info->verified)
		print_json_verdict(info);
	json_close('}');
	free_parameters(list);
}
