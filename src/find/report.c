/* SPDX-License-Identifier: MIT */
/*
 * The sentence for a library that was not found: who needed it, and where it was looked
 * for. Walks the same places as search.c in the same order, after the fact, so that the
 * search itself keeps no account. Asks the disk nothing.
 */
#include "find/internal.h"

#include <stdio.h>

#define CHAIN_BYTES  400 /* so much of the message may tell who asked */
#define ASKERS_WHOLE 3   /* of a longer chain, so many and the last one */

struct message {
	char text[UMOD_ERROR_MESSAGE_BYTES + 64]; /* base_error marks what it cuts off */
	size_t used;
	unsigned places;
};

BASE_PRINTF(2, 3) static void add(struct message *m, const char *format, ...)
{
	va_list list;

	if (m->used >= sizeof(m->text) - 1)
		return;
	va_start(list, format);
	int n = vsnprintf(m->text + m->used, sizeof(m->text) - m->used, format, list);
	va_end(list);
	if (n > 0)
		m->used += (size_t)n;
	if (m->used >= sizeof(m->text))
		m->used = sizeof(m->text) - 1;
}

static void add_asker(struct message *m, const struct find_asker *a)
{
	const char *path = a->path;

	if (path && strcmp(path, FIND_SELF) == 0)
		path = NULL;
	if (a->soname && a->soname[0] && path)
		add(m, "%s (%s)", a->soname, path);
	else if (a->soname && a->soname[0])
		add(m, "%s", a->soname);
	else if (path && path[0])
		add(m, "%s", path);
	else
		add(m, a->is_main || a->path ? "the program" : "an image without a path");
}

static void add_chain(struct message *m, const struct find_asker *asker)
{
	unsigned count = 0, number = 0;

	for (const struct find_asker *a = asker; a; a = a->loader)
		count++;
	for (const struct find_asker *a = asker; a; a = a->loader, number++) {
		if (count > ASKERS_WHOLE + 2 && number == ASKERS_WHOLE)
			add(m, ", by %u more", count - ASKERS_WHOLE - 1);
		if (count > ASKERS_WHOLE + 2 && number >= ASKERS_WHOLE && a->loader)
			continue;
		if (m->used > CHAIN_BYTES && a->loader) {
			add(m, ", by %u more", count - number);
			return;
		}
		add(m, number ? ", needed by " : "; needed by ");
		add_asker(m, a);
	}
}

static void start_place(struct message *m)
{
	add(m, m->places++ ? "; " : "; searched: ");
}

/* The directories of a list as they were searched; none is worth a word too. */
static void add_dirs(struct message *m, const struct find_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct find_dir *dir = list->dirs[i];
		int length = (int)dir->length;
		if (length > 1)
			length--; /* without the slash */
		add(m, "%s%.*s%s", i ? ", " : "", length, dir->name,
			length ? "" : "the current directory");
		if (dir->is_probed && !dir->usable)
			add(m, " (not there)");
	}
	if (list->count == 0)
		add(m, "no usable directory");
}

static void add_text(struct message *m, struct find_config *config, enum find_how how,
	const char *text, const struct find_asker *owner)
{
	struct find_list *list;

	if (!text[0])
		return;
	start_place(m);
	add(m, "%s of ", find_how_name(how));
	const char *name =
		owner->soname && owner->soname[0] ? owner->soname : owner->path;
	add(m, "%s: ",
		name && name[0] && strcmp(name, FIND_SELF) != 0 ? name : "the program");
	if (find_list_get(config, text, ":", owner->path, &list))
		add(m, "%s", text);
	else
		add_dirs(m, list);
}

static void add_rpaths(
	struct message *m, struct find_config *config, const struct find_asker *asker)
{
	const struct find_asker *program = config->program;
	bool did_main = false;

	if (asker && asker->runpath)
		return;
	for (const struct find_asker *a = asker; a; a = a->loader) {
		did_main |= a->is_main;
		if (a->rpath && !a->runpath)
			add_text(m, config, FIND_RPATH, a->rpath, a);
	}
	if (!did_main && program && program->rpath && !program->runpath)
		add_text(m, config, FIND_RPATH, program->rpath, program);
}

static void add_places(
	struct message *m, struct find_config *config, const struct find_asker *asker)
{
	const struct find_asker *owner = asker ? asker : config->program;
	struct find_list *list = NULL;

	add_rpaths(m, config, asker);
	if (find_library_list(config, &list) == 0 && list) {
		start_place(m);
		add(m, "%s: ", find_how_name(FIND_LIBRARY_PATH));
		add_dirs(m, list);
	}
	if (asker && asker->runpath)
		add_text(m, config, FIND_RUNPATH, asker->runpath, asker);
	if (config->cache_path) {
		start_place(m);
		add(m, "%s%s", config->cache_path,
			config->cache ? "" : " (there is none)");
	}
	if (owner && owner->no_default_lib) {
		start_place(m);
		add(m, "not the default directories (DF_1_NODEFLIB)");
	} else if (find_default_list(config, &list) == 0) {
		start_place(m);
		add_dirs(m, list);
	}
}

int find_report_missing(struct find_config *config, const char *name,
	const struct find_asker *asker, const struct find_passed_over *passed_over,
	struct umod_error *error)
{
	struct message m = { .used = 0 };

	if (!error || error->code)
		return -ENOENT;
	add(&m, "not found");
	add_chain(&m, asker);
	if (passed_over->why)
		add(&m, "; %s %s", passed_over->path, passed_over->why);
	add_places(&m, config, asker);
	return base_error(error, UMOD_STAGE_OPEN, -ENOENT, name, "%s", m.text);
}
