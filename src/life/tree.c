/* SPDX-License-Identifier: MIT */
/*
 * The tree of /sys/module, as files that are asked for by their paths: "", "fat",
 * "fat/refcnt", "fat/sections/.text". Directories list their entries, a line each; a
 * holder is the holding module's own directory, as the link there leads to it.
 */
#include "life/life.h"

#include <inttypes.h>
#include <stdlib.h>

#define WORD_LIMIT 255u

struct walk {
	const char *rest;
	char word[WORD_LIMIT + 1];
	bool is_directory; /* a slash follows the word */
	FILE *out;
	struct umod_module *held; /* whose parameter @word is to be read */
};

/* ---- paths ---- */

/* -EINVAL: what is no path below a directory. */
static int check_path(const char *path)
{
	for (const char *at = path; *at;) {
		size_t length = strcspn(at, "/");
		if (length == 0 || length > WORD_LIMIT ||
			(at[0] == '.' && (length == 1 || (length == 2 && at[1] == '.'))))
			return -EINVAL;
		at += length;
		at += *at == '/';
	}
	return 0;
}

static bool next(struct walk *walk)
{
	size_t length = strcspn(walk->rest, "/");
	if (!length)
		return false;
	memcpy(walk->word, walk->rest, length);
	walk->word[length] = 0;
	walk->rest += length;
	walk->is_directory = *walk->rest == '/';
	walk->rest += walk->is_directory;
	return true;
}

/* ---- a module's own files ---- */

static int print_coresize(const struct umod_module *module, FILE *out)
{
	const struct link_image *image = &module->image;
	fprintf(out, "%" PRIuPTR "\n",
		(image->init_start ? image->init_start : image->end) - image->start);
	return 0;
}

static int print_initsize(const struct umod_module *module, FILE *out)
{
	const struct link_image *image = &module->image;
	fprintf(out, "%" PRIuPTR "\n",
		image->init_start ? image->end - image->init_start : 0);
	return 0;
}

static int print_initstate(const struct umod_module *module, FILE *out)
{
	fputs(module->state == UMOD_STATE_LIVE      ? "live\n"
		: module->state == UMOD_STATE_GOING ? "going\n"
						    : "coming\n",
		out);
	return 0;
}

static int print_refcnt(const struct umod_module *module, FILE *out)
{
	fprintf(out, "%u\n", life_uses(module));
	return 0;
}

static int print_taint(const struct umod_module *module, FILE *out)
{
	char letters[LIFE_TAINT_BYTES];
	life_taint_letters(module->life->taints, letters);
	fprintf(out, "%s\n", letters);
	return 0;
}

static int print_text(const char *text, FILE *out)
{
	return text ? fprintf(out, "%s\n", text) < 0 : -ENOENT;
}

static int print_version(const struct umod_module *module, FILE *out)
{
	return print_text(module->life->about.version, out);
}

static int print_srcversion(const struct umod_module *module, FILE *out)
{
	return print_text(module->life->about.srcversion, out);
}

static int print_imports(const struct umod_module *module, FILE *out)
{
	const struct module_strings *imports = &module->life->about.imports;
	for (unsigned i = 0; i < imports->count; i++)
		fprintf(out, "%s\n", imports->items[i]);
	return imports->count ? 0 : -ENOENT;
}

/* -ENOENT: this module has none. In the order of names. */
static const struct {
	const char *name;
	int (*print)(const struct umod_module *module, FILE *out);
} files[] = { { "coresize", print_coresize }, { "import_ns", print_imports },
	{ "initsize", print_initsize }, { "initstate", print_initstate },
	{ "refcnt", print_refcnt }, { "srcversion", print_srcversion },
	{ "taint", print_taint }, { "version", print_version } };

/* ---- directories of a module ---- */

static bool is_holder(const struct umod_module *holder, const struct umod_module *module)
{
	for (unsigned i = 0; holder->life && i < holder->edge_count; i++)
		if (holder->edges[i] == module)
			return true;
	return false;
}

static int list_holders(struct umod_module *module, FILE *out)
{
	for (struct umod_module *m = module->space->first; m; m = m->next)
		if (is_holder(m, module) && life_is_seen(m))
			fprintf(out, "%s/\n", m->life->name);
	return 0;
}

static const struct umod_parameter *parameter_at(
	const struct umod_module *module, unsigned index)
{
	return module->life->parameters
		       ? module_parameter_at(module->life->parameters, index)
		       : NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names that are there twice, of sections of groups, are told once. */
static int list_names(const char **names, unsigned count, FILE *out)
{
	qsort(names, count, sizeof(*names), by_name);
	for (unsigned i = 0; i < count; i++)
		if (!i || strcmp(names[i], names[i - 1]) != 0)
			fprintf(out, "%s\n", names[i]);
	return count ? 0 : -ENOENT;
}

static int list_parameters(struct umod_module *module, FILE *out)
{
	const struct umod_parameter *item;
	unsigned count = 0;
	BASE_AUTO_FREE const char **names =
		base_array(module->life->about.parameter_count + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (unsigned i = 0; (item = parameter_at(module, i)); i++)
		if (item->permissions)
			names[count++] = item->name;
	return list_names(names, count, out);
}

/* Its value may take a callback of the module's, which is not called under the lock. */
static int hold_for_parameter(struct umod_module *module, struct walk *walk)
{
	const struct umod_parameter *item =
		module->life->parameters
			? module_parameter_find(module->life->parameters, walk->word)
			: NULL;
	if (!item || !item->permissions)
		return -ENOENT;
	if (module->state != UMOD_STATE_LIVE || !life_hold(module))
		return -EBUSY;
	walk->held = module;
	return 0;
}

static int list_some(const struct umod_module *module, FILE *out, bool notes)
{
	const struct life *life = module->life;
	BASE_AUTO_FREE const char **names =
		base_array(life->section_count + 1, sizeof(*names));
	unsigned count = 0;
	if (!names)
		return -ENOMEM;
	for (unsigned i = 0; i < life->section_count; i++)
		if (life_section_is_there(module, &life->sections[i]) &&
			(!notes || life->sections[i].type == SHT_NOTE))
			names[count++] = life->sections[i].name;
	return list_names(names, count, out);
}

static int list_sections(struct umod_module *module, FILE *out)
{
	return list_some(module, out, false);
}

static int list_notes(struct umod_module *module, FILE *out)
{
	return list_some(module, out, true);
}

static const struct life_section *find_section(
	const struct umod_module *module, const char *name, bool notes)
{
	const struct life *life = module->life;
	for (unsigned i = 0; i < life->section_count; i++)
		if (strcmp(life->sections[i].name, name) == 0 &&
			life_section_is_there(module, &life->sections[i]) &&
			(!notes || life->sections[i].type == SHT_NOTE))
			return &life->sections[i];
	return NULL;
}

static int print_section(struct umod_module *module, struct walk *walk)
{
	const struct life_section *section = find_section(module, walk->word, false);
	if (section)
		fprintf(walk->out, "0x%016" PRIxPTR "\n", section->address);
	return section ? 0 : -ENOENT;
}

/* The bytes as they lie in memory. */
static int print_note(struct umod_module *module, struct walk *walk)
{
	const struct life_section *section = find_section(module, walk->word, true);
	const struct elf_view *view = &module->image.view;
	struct elf_guard guard;
	unsigned segment = 0;
	if (!section || section->place.bytes > INT32_MAX ||
		!elf_view_in_memory(view, section->address - module->image.bias,
			section->place.bytes, &segment) ||
		!(view->segments[segment].flags & PF_R))
		return -ENOENT;
	int result = elf_guard_begin(
		&guard, (const void *)section->address, section->place.bytes);
	if (result)
		return result;
	fwrite((const void *)section->address, 1, section->place.bytes, walk->out);
	return elf_guard_end(&guard) ? -EBUSY : 0;
}

static const struct directory {
	const char *name;
	int (*list)(struct umod_module *module, FILE *out);
	int (*print)(struct umod_module *module, struct walk *walk);
} directories[] = { { "holders", list_holders, NULL },
	{ "notes", list_notes, print_note },
	{ "parameters", list_parameters, hold_for_parameter },
	{ "sections", list_sections, print_section } };

/* ---- the tree ---- */

static struct umod_module *find(struct umod_namespace *space, const char *name)
{
	struct umod_module *module = strlen(name) < LIFE_NAME_BYTES && space->life
					     ? life_by_name(space, name)
					     : NULL;
	return module && life_is_seen(module) ? module : NULL;
}

static int list_modules(struct umod_namespace *space, FILE *out)
{
	for (struct umod_module *m = space->last; m; m = m->previous)
		if (life_is_seen(m))
			fprintf(out, "%s/\n", m->life->name);
	return 0;
}

/* What there is to tell of each is thrown away. */
static int list_module(struct umod_module *module, FILE *out)
{
	char *thrown = NULL;
	size_t bytes;
	FILE *nowhere = open_memstream(&thrown, &bytes);
	if (!nowhere)
		return -ENOMEM;
	for (unsigned i = 0; i < base_array_count(directories); i++)
		if (directories[i].list(module, nowhere) != -ENOENT)
			fprintf(out, "%s/\n", directories[i].name);
	for (unsigned i = 0; i < base_array_count(files); i++)
		if (files[i].print(module, nowhere) != -ENOENT)
			fprintf(out, "%s\n", files[i].name);
	fclose(nowhere);
	free(thrown);
	return 0;
}

static const struct directory *find_directory(const char *name)
{
	for (unsigned i = 0; i < base_array_count(directories); i++)
		if (strcmp(directories[i].name, name) == 0)
			return &directories[i];
	return NULL;
}

static int print_file(const struct umod_module *module, const struct walk *walk)
{
	for (unsigned i = 0; i < base_array_count(files); i++)
		if (strcmp(files[i].name, walk->word) == 0 && !walk->is_directory)
			return files[i].print(module, walk->out);
	return -ENOENT;
}

/* Below @module. */
static int follow(struct umod_module *module, struct walk *walk)
{
	while (next(walk)) {
		const struct directory *directory = find_directory(walk->word);
		if (!directory)
			return print_file(module, walk);
		if (!next(walk))
			return directory->list(module, walk->out);
		if (directory->print)
			return walk->is_directory ? -ENOENT
						  : directory->print(module, walk);
		struct umod_module *holder = find(module->space, walk->word);
		if (!holder || !is_holder(holder, module))
			return -ENOENT;
		module = holder;
	}
	return list_module(module, walk->out);
}

static int read_parameter(struct walk *walk)
{
	char value[UMOD_PARAMETER_TEXT_BYTES];
	int result = module_parameter_get(
		walk->held->life->parameters, walk->word, value, sizeof(value), NULL);
	life_put(walk->held);
	if (result >= 0)
		fprintf(walk->out, "%s\n", value);
	return result < 0 ? result : 0;
}

static int print(struct umod_namespace *space, const char *path, FILE *out)
{
	struct walk walk = { .rest = path, .out = out };
	int result = check_path(path);
	if (result)
		return result;
	registry_lock();
	if (!next(&walk)) {
		result = list_modules(space, out);
	} else {
		struct umod_module *module = find(space, walk.word);
		result = module ? follow(module, &walk) : -ENOENT;
	}
	registry_unlock();
	return walk.held ? read_parameter(&walk) : result;
}

int life_file(struct umod_namespace *space, const char *path, char **out,
	struct umod_error *error)
{
	size_t bytes = 0;
	*out = NULL;
	FILE *stream = open_memstream(out, &bytes);
	int result = stream ? print(space, path, stream) : -ENOMEM;
	if (stream && fclose(stream))
		result = -ENOMEM;
	if (!result && bytes > INT32_MAX)
		result = -EFBIG;
	if (!result)
		return (int)bytes;
	free(*out);
	*out = NULL;
	return base_error(error, UMOD_STAGE_LOOKUP, result, path,
		result == -ENOENT   ? "no module has this file"
		: result == -EINVAL ? "is no path in the tree of modules"
		: result == -EACCES ? "may not be read"
		: result == -EBUSY  ? "its module is coming or going"
		: result == -ENOMEM ? "no memory to tell what it says"
				    : "is not to be read: %s",
		strerror(-result));
}
