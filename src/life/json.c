/* SPDX-License-Identifier: MIT */
/*
 * All there is to tell of a namespace's modules as one JSON document (RFC 8259): written
 * under the lock, module by module, but for the values of parameters, which may take
 * callbacks: they are read afterwards, of modules that are held until then.
 */
#include "life/life.h"

#include <inttypes.h>
#include <stdlib.h>

struct told {
	char *text;               /* the object of a module, without its end */
	struct umod_module *held; /* its parameters are to come; or NULL */
};

struct document {
	struct told *modules;
	unsigned count, capacity;
	char *rest; /* what follows them */
};

/* ---- values ---- */

/* Bytes of the well-formed character beyond ASCII at @s, or 0. RFC 3629. */
static unsigned well_formed(const unsigned char *s)
{
	unsigned bytes = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) ||
		(s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
		(s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (unsigned i = 1; i < bytes; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return bytes;
}

/* A byte that is no UTF-8 becomes a lone surrogate, as with Python's surrogateescape. */
static void put_string(FILE *out, const char *value)
{
	const unsigned char *p = (const unsigned char *)value;
	if (!value) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	while (*p) {
		unsigned bytes = *p < 0x80 ? 1 : well_formed(p);
		if (!bytes)
			fprintf(out, "\\udc%02x", *p++);
		else if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p++);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\u%04x", *p++);
		else
			for (; bytes; bytes--)
				putc(*p++, out);
	}
	putc('"', out);
}

/* Not the first of an object. */
static void put_text(FILE *out, const char *key, const char *value)
{
	fprintf(out, ",\"%s\":", key);
	put_string(out, value);
}

static void put_number(FILE *out, const char *key, uint64_t value)
{
	fprintf(out, ",\"%s\":%" PRIu64, key, value);
}

static void put_bool(FILE *out, const char *key, bool value)
{
	fprintf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

/* As text: a number of that size is none to every reader. */
static void put_address(FILE *out, const char *key, uintptr_t address)
{
	fprintf(out, ",\"%s\":\"0x%" PRIxPTR "\"", key, address);
}

static void put_crc(FILE *out, bool has_crc, uint32_t crc)
{
	if (has_crc)
		fprintf(out, ",\"crc\":\"0x%08" PRIx32 "\"", crc);
}

/* ---- a module ---- */

static const char *state_name(enum umod_state state)
{
	return state == UMOD_STATE_LIVE     ? "live"
	       : state == UMOD_STATE_GOING  ? "going"
	       : state == UMOD_STATE_COMING ? "coming"
					    : "unformed";
}

static const char *name_of(const struct umod_module *module)
{
	return module->life ? module->life->name : module->image.name;
}

static void put_needs(FILE *out, const struct umod_module *module)
{
	bool first = true;
	fputs(",\"needs\":[", out);
	for (unsigned i = 0; i < module->edge_count; i++) {
		if (!module->edges[i]->life)
			continue;
		fputs(first ? "" : ",", out);
		put_string(out, name_of(module->edges[i]));
		first = false;
	}
	putc(']', out);
}

/* Modules, or all that is bound to it: libraries too. */
static void put_holders(
	FILE *out, const char *key, const struct umod_module *module, bool all)
{
	bool first = true;
	fprintf(out, ",\"%s\":[", key);
	for (struct umod_module *m = module->users ? module->space->last : NULL; m;
		m = m->previous) {
		bool holds = false;
		for (unsigned i = 0; i < m->edge_count && (all || m->life); i++)
			holds |= m->edges[i] == module;
		if (!holds)
			continue;
		fputs(first ? "" : ",", out);
		put_string(out, name_of(m));
		first = false;
	}
	putc(']', out);
}

static void put_exports(FILE *out, const struct umod_module *module)
{
	const struct elf_view *view = &module->image.view;
	bool first = true;
	fputs(",\"exports\":[", out);
	for (uint64_t i = 1; i < view->symbol_count; i++) {
		Elf64_Sym symbol = view->symbols[i];
		const char *name = elf_view_string(view, symbol.st_name);
		if (!name || !life_is_exported(module->life, &symbol, name))
			continue;
		const struct module_export *rule =
			module_description_export(&module->life->about, name);
		fputs(first ? "{\"name\":" : ",{\"name\":", out);
		first = false;
		put_string(out, name);
		if (ELF64_ST_TYPE(symbol.st_info) != STT_TLS)
			put_address(out, "address",
				symbol.st_value + (symbol.st_shndx == SHN_ABS
								  ? 0
								  : module->image.bias));
		put_bool(out, "gpl_only", rule && rule->gpl_only);
		put_text(out, "namespace", rule ? rule->space : NULL);
		put_crc(out, rule && rule->has_crc, rule ? rule->crc : 0);
		putc('}', out);
	}
	putc(']', out);
}

static void put_sections(FILE *out, const struct umod_module *module)
{
	bool first = true;
	fputs(",\"sections\":[", out);
	for (unsigned i = 0; i < module->life->section_count; i++) {
		const struct life_section *section = &module->life->sections[i];
		if (!life_section_is_there(module, section))
			continue;
		fputs(first ? "{\"name\":" : ",{\"name\":", out);
		first = false;
		put_string(out, section->name);
		put_address(out, "address", section->address);
		put_number(out, "size", section->place.bytes);
		putc('}', out);
	}
	putc(']', out);
}

static void put_module(FILE *out, const struct umod_module *module)
{
	char taints[LIFE_TAINT_BYTES];
	const struct life *life = module->life;
	const struct link_image *image = &module->image;
	life_taint_letters(life->taints, taints);
	fputs("{\"name\":", out);
	put_string(out, life->name);
	put_text(out, "path", module->path);
	put_text(out, "state", state_name(module->state));
	put_text(out, "version", life->about.version);
	put_text(out, "srcversion", life->about.srcversion);
	put_text(out, "license", life->about.license);
	put_text(out, "description", life->about.description);
	put_text(out, "taints", taints);
	put_bool(out, "permanent", life->init && !life->exit);
	put_bool(out, "autoclean", life->by_demand);
	put_number(out, "uses", life_uses(module));
	put_holders(out, "users", module, false);
	put_holders(out, "holders", module, true);
	put_needs(out, module);
	if (module->state == UMOD_STATE_UNFORMED)
		return;
	put_address(out, "address", image->start);
	put_number(out, "size", image->end - image->start);
	put_number(
		out, "init_size", image->init_start ? image->end - image->init_start : 0);
	put_exports(out, module);
	put_sections(out, module);
}

/* ---- parameters, without the lock ---- */

static const char *type_name(uint32_t type)
{
	static const char *const names[] = { "custom", "byte", "short", "ushort", "int",
		"uint", "long", "ulong", "ullong", "hexint", "charp", "string", "bool",
		"invbool", "bint", "bool_enable_only", "array" };
	return type < base_array_count(names) ? names[type] : "unknown";
}

static void put_parameters(FILE *out, const struct umod_module *module)
{
	struct module_parameters *parameters = module->life->parameters;
	const struct umod_parameter *item;
	char value[UMOD_PARAMETER_TEXT_BYTES];
	bool first = true;
	fputs(",\"parameters\":[", out);
	for (unsigned i = 0; (item = module_parameter_at(parameters, i)); i++) {
		bool is_array = item->type == UMOD_TYPE_ARRAY;
		const struct umod_parameter_array *array = item->arg;
		if (!item->permissions)
			continue;
		int result = module_parameter_get(
			parameters, item->name, value, sizeof(value), NULL);
		fputs(first ? "{\"name\":" : ",{\"name\":", out);
		first = false;
		put_string(out, item->name);
		put_text(out, "type", type_name(is_array ? array->type : item->type));
		put_bool(out, "array", is_array);
		fprintf(out, ",\"permissions\":\"0%o\"", item->permissions);
		put_text(out, "value", result < 0 ? NULL : value);
		putc('}', out);
	}
	putc(']', out);
}

/* ---- the rest ---- */

static void put_host(FILE *out, const struct life_space *life)
{
	bool first = true;
	fputs(",\n\"host_exports\":[", out);
	for (size_t i = 0; life && life->exports.entries && i <= life->exports.mask;
		i++) {
		const struct umod_host_export *item = life->exports.entries[i].value;
		if (!item || (void *)item == BASE_MAP_GONE)
			continue;
		fputs(first ? "\n{\"name\":" : ",\n{\"name\":", out);
		first = false;
		put_string(out, item->name);
		put_address(out, "address", (uintptr_t)item->address);
		put_bool(out, "gpl_only", item->gpl_only);
		put_text(out, "namespace", item->export_space);
		put_crc(out, item->has_crc, item->crc);
		putc('}', out);
	}
	putc(']', out);
}

static void put_tally(
	FILE *out, const char *key, const struct life_tally *tally, bool taints)
{
	char letters[LIFE_TAINT_BYTES];
	fprintf(out, ",\n\"%s\":[", key);
	for (unsigned i = 0; i < tally->count; i++) {
		fputs(i ? ",{\"name\":" : "{\"name\":", out);
		put_string(out, tally->items[i].name);
		life_taint_letters(tally->items[i].taints, letters);
		if (taints)
			put_text(out, "taints", letters);
		put_number(out, "times", tally->items[i].times);
		putc('}', out);
	}
	putc(']', out);
}

static void put_statistics(FILE *out, const struct life_statistics *counts)
{
	static const char *const kinds[] = { "read", "decompress", "becoming", "load" };
	fprintf(out, ",\n\"statistics\":{\"loaded\":%" PRIu64, counts->loaded);
	put_number(out, "module_bytes", counts->total_bytes);
	put_number(out, "text_bytes", counts->text_bytes);
	put_number(out, "wasted_bytes", life_wasted_bytes(counts));
	for (unsigned i = 0; i < LIFE_FAILURES; i++) {
		fprintf(out, ",\"failed_%s\":%" PRIu64, kinds[i], counts->failed[i]);
		fprintf(out, ",\"failed_%s_bytes\":%" PRIu64, kinds[i],
			counts->failed_bytes[i]);
	}
	putc('}', out);
	put_tally(out, "duplicates", &counts->duplicates, false);
	put_tally(out, "unloaded_tainted", &counts->tainted, true);
}

/* ---- the whole ---- */

static int take_module(struct document *document, struct umod_module *module)
{
	size_t bytes;
	if (base_grow(&document->modules, document->count, &document->capacity,
		    sizeof(*document->modules)))
		return -ENOMEM;
	struct told *told = &document->modules[document->count];
	*told = (struct told){ 0 };
	FILE *out = open_memstream(&told->text, &bytes);
	if (!out)
		return -ENOMEM;
	document->count++;
	put_module(out, module);
	if (fclose(out))
		return -ENOMEM;
	if (module->life->parameters && module->state == UMOD_STATE_LIVE &&
		life_hold(module))
		told->held = module;
	return 0;
}

static int take_rest(struct document *document, const struct life_space *life)
{
	static const struct life_statistics none;
	size_t bytes;
	FILE *out = open_memstream(&document->rest, &bytes);
	if (!out)
		return -ENOMEM;
	put_host(out, life);
	put_statistics(out, life ? &life->statistics : &none);
	return fclose(out) ? -ENOMEM : 0;
}

static int take(struct umod_namespace *space, struct document *document)
{
	int result = 0;
	registry_lock();
	for (struct umod_module *m = space->last; m && !result; m = m->previous)
		if (m->life && m->life->is_listed)
			result = take_module(document, m);
	if (!result)
		result = take_rest(document, space->life);
	registry_unlock();
	return result;
}

int life_print_json(struct umod_namespace *space, FILE *out)
{
	struct document document = { 0 };
	int result = take(space, &document);
	fputs("{\"namespace\":", out);
	put_string(out, space->name);
	fputs(",\n\"modules\":[", out);
	for (unsigned i = 0; i < document.count; i++) {
		struct told *told = &document.modules[i];
		fprintf(out, "%s%s", i ? ",\n" : "\n", told->text ? told->text : "");
		if (told->held) {
			put_parameters(out, told->held);
			life_put(told->held);
		}
		putc('}', out);
		free(told->text);
	}
	fprintf(out, "]%s}\n", document.rest ? document.rest : "");
	free(document.rest);
	base_free(document.modules);
	return result;
}
