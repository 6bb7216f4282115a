/* SPDX-License-Identifier: MIT */
/*
 * Who offers which symbol, and so who needs whom. Symbols come from the kernel
 * (System.map or Module.symvers) and from modules; of several modules that offer one, the
 * last in order counts, as in kmod.
 */
#include "index/depmod_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int grow(struct depmod *depmod)
{
	uint32_t mask = depmod->symbol_slots ? depmod->symbol_mask * 2 + 1 : 4095;
	uint32_t *slots = base_alloc(((size_t)mask + 1) * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, ((size_t)mask + 1) * sizeof(*slots));
	for (uint32_t i = 0; i < depmod->symbol_count; i++) {
		uint32_t *slot = &slots[depmod->symbols[i].hash & mask];
		depmod->symbols[i].next = *slot;
		*slot = i;
	}
	base_free(depmod->symbol_slots);
	depmod->symbol_slots = slots;
	depmod->symbol_mask = mask;
	return 0;
}

static uint32_t find(const struct depmod *depmod, const char *name, uint32_t hash)
{
	if (!depmod->symbol_slots)
		return DEPMOD_NONE;
	uint32_t i = depmod->symbol_slots[hash & depmod->symbol_mask];
	while (i != DEPMOD_NONE && (depmod->symbols[i].hash != hash ||
					   strcmp(depmod->symbols[i].name, name) != 0))
		i = depmod->symbols[i].next;
	return i;
}

/* @name must stay. */
int depmod_symbol_add(
	struct depmod *depmod, const char *name, uint64_t crc, uint32_t owner)
{
	uint32_t hash = index_kmod_hash(name, strlen(name));
	uint32_t i = find(depmod, name, hash);

	if (i == DEPMOD_NONE) {
		int result = 0;
		if (!depmod->symbol_slots || depmod->symbol_count > depmod->symbol_mask)
			result = grow(depmod);
		if (result == 0)
			result = base_grow(&depmod->symbols, depmod->symbol_count,
				&depmod->symbol_capacity, sizeof(*depmod->symbols));
		if (result)
			return result;
		i = depmod->symbol_count++;
		uint32_t *slot = &depmod->symbol_slots[hash & depmod->symbol_mask];
		depmod->symbols[i].next = *slot;
		*slot = i;
	}
	struct depmod_symbol *symbol = &depmod->symbols[i];
	symbol->name = name;
	symbol->crc = crc;
	symbol->hash = hash;
	symbol->owner = owner;
	return 0;
}

uint32_t depmod_symbol_find(const struct depmod *depmod, const char *name)
{
	if (name[0] == '.') /* PowerPC: .name is name's code */
		name++;
	if (depmod->options->symbol_prefix && name[0] == depmod->options->symbol_prefix)
		name++;
	return find(depmod, name, index_kmod_hash(name, strlen(name)));
}

/* ---- the kernel's symbols ---- */

/* "0xb352177e\tfind_first_bit\tvmlinux\tEXPORT_SYMBOL": only vmlinux's own. */
static int symvers_line(
	struct depmod *depmod, char *line, const char *path, unsigned number)
{
	char *state, *end;
	const char *version = strtok_r(line, " \t", &state);
	const char *symbol = version ? strtok_r(NULL, " \t", &state) : NULL;
	const char *where = symbol ? strtok_r(NULL, " \t", &state) : NULL;

	if (!where || strcmp(where, "vmlinux") != 0)
		return 0;
	uint64_t crc = strtoull(version, &end, 16);
	if (*end) {
		depmod_say(depmod, INDEX_ERROR, "%s:%u Invalid symbol version %s", path,
			number, version);
		return 0;
	}
	if (depmod->options->symbol_prefix && symbol[0] == depmod->options->symbol_prefix)
		symbol++;
	symbol = index_arena_copy(&depmod->arena, symbol, strlen(symbol));
	return symbol ? depmod_symbol_add(depmod, symbol, crc, DEPMOD_NONE) : -ENOMEM;
}

/* "c0294200 R __ksymtab_devfs_alloc_devnum" */
static int map_line(struct depmod *depmod, char *line, const char *path, unsigned number)
{
	static const char exported[] = "__ksymtab_";
	char *symbol = strchr(line, ' ');

	symbol = symbol ? strchr(symbol + 1, ' ') : NULL;
	if (!symbol) {
		depmod_say(depmod, INDEX_ERROR, "%s:%u: invalid line: %s", path, number,
			line);
		return 0;
	}
	symbol++;
	if (depmod->options->symbol_prefix && symbol[0] == depmod->options->symbol_prefix)
		symbol++;
	if (strncmp(symbol, exported, strlen(exported)) != 0)
		return 0;
	symbol += strlen(exported);
	symbol = index_arena_copy(&depmod->arena, symbol, strlen(symbol));
	return symbol ? depmod_symbol_add(depmod, symbol, 0, DEPMOD_NONE) : -ENOMEM;
}

int depmod_kernel_symbols(struct depmod *depmod)
{
	static const char *const faked[] = { "__this_module", "_GLOBAL_OFFSET_TABLE_",
		"TOC." };
	const struct index_depmod_options *options = depmod->options;
	const char *path = options->symvers ? options->symvers : options->system_map;
	struct feature_buffer buffer = { 0 };
	struct umod_error cause = { 0 };
	unsigned number = 0;

	if (!path)
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), result = -errno;
	if (fd >= 0) {
		result = feature_read(
			fd, path, FEATURE_LIMIT_BYTES, &buffer, NULL, &cause);
		close(fd);
	}
	if (result == 0)
		result = feature_buffer_reserve(&buffer, buffer.count + 1);
	if (result != 0 || !buffer.bytes) {
		feature_buffer_free(&buffer);
		return depmod_fail(
			depmod, result, path, "could not load: %s", strerror(-result));
	}
	buffer.bytes[buffer.count] = '\0';
	for (char *line = (char *)buffer.bytes, *next; *line && result == 0;
		line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		number++;
		result = options->symvers ? symvers_line(depmod, line, path, number)
					  : map_line(depmod, line, path, number);
	}
	feature_buffer_free(&buffer);
	/* What the loader itself gives modules. */
	for (unsigned i = 0; i < base_array_count(faked) && result == 0; i++) {
		if (depmod_symbol_find(depmod, faked[i]) == DEPMOD_NONE)
			result = depmod_symbol_add(depmod, faked[i], 0, DEPMOD_NONE);
	}
	return result;
}

/* ---- who needs whom ---- */

static int add_exports(struct depmod *depmod)
{
	char prefix = depmod->options->symbol_prefix;

	for (uint32_t i = 0; i < depmod->module_count; i++) {
		const struct depmod_module *module = &depmod->modules[i];
		for (unsigned j = 0; j < module->export_count; j++) {
			const char *name = module->exports[j].name;
			int result = depmod_symbol_add(depmod,
				prefix && name[0] == prefix ? name + 1 : name,
				module->exports[j].crc, i);
			if (result)
				return result;
		}
	}
	return 0;
}

/* Looks each name up once, rather than once for each module that imports it. */
static int resolve_names(struct depmod *depmod, struct depmod_worker *worker)
{
	struct depmod_names *names = &worker->names;

	names->resolved = base_alloc((names->count + 1) * sizeof(*names->resolved));
	if (!names->resolved)
		return -ENOMEM;
	for (unsigned i = 0; i < names->count; i++)
		names->resolved[i] = depmod_symbol_find(depmod, names->items[i].text);
	return 0;
}

/* "DIRECTORY/PATH" in messages. */
static void say_of(struct depmod *depmod, enum index_level level,
	const struct depmod_module *module, const char *what, const char *symbol)
{
	bool absolute = module->path[0] == '/';
	depmod_say(depmod, level, "%s%s%s %s %s",
		absolute ? "" : depmod->options->directory, absolute ? "" : "/",
		module->path, what, symbol);
}

static void show(struct depmod *depmod, const struct depmod_module *module,
	const char *symbol, const struct depmod_module *owner)
{
	const char *top = depmod->options->directory;
	bool a = module->path[0] == '/', b = owner->path[0] == '/';
	depmod_say(depmod, INDEX_SHOW, "%s%s%s needs \"%s\": %s%s%s", a ? "" : top,
		a ? "" : "/", module->path, symbol, b ? "" : top, b ? "" : "/",
		owner->path);
}

/* Fills @needs, each once: @seen tells by whom a module was last noted. */
static int resolve_module(
	struct depmod *depmod, uint32_t index, uint32_t *needs, uint32_t *seen)
{
	const struct index_depmod_options *options = depmod->options;
	struct depmod_module *module = &depmod->modules[index];
	unsigned count = 0;

	for (unsigned i = 0; i < module->import_count; i++) {
		uint32_t number = module->imports[i] & ~DEPMOD_WEAK;
		bool weak = module->imports[i] & DEPMOD_WEAK;
		uint32_t found = module->worker->names.resolved[number];
		const char *name = module->worker->names.items[number].text;
		if (found == DEPMOD_NONE) {
			if (options->report_unknown && !weak)
				say_of(depmod, INDEX_WARNING, module,
					"needs unknown symbol", name);
			continue;
		}
		const struct depmod_symbol *symbol = &depmod->symbols[found];
		if (options->symvers && options->report_unknown && !weak &&
			symbol->crc != module->import_crcs[i])
			say_of(depmod, INDEX_WARNING, module,
				"disagrees about version of symbol", name);
		if (symbol->owner == DEPMOD_NONE || seen[symbol->owner] == index)
			continue;
		seen[symbol->owner] = index;
		needs[count++] = symbol->owner;
		depmod->modules[symbol->owner].users++;
		if (options->show_needs)
			show(depmod, module, symbol->name,
				&depmod->modules[symbol->owner]);
	}
	module->needs = index_arena_alloc(&depmod->arena, count * sizeof(*needs));
	if (!module->needs)
		return -ENOMEM;
	memcpy(module->needs, needs, count * sizeof(*needs));
	module->need_count = count;
	return 0;
}

int depmod_resolve(struct depmod *depmod)
{
	BASE_AUTO_FREE uint32_t *needs =
		base_alloc(((size_t)depmod->module_count + 1) * sizeof(*needs));
	BASE_AUTO_FREE uint32_t *seen =
		base_alloc(((size_t)depmod->module_count + 1) * sizeof(*seen));
	int result = needs && seen ? 0 : -ENOMEM;

	if (result == 0) {
		memset(seen, 0xff, depmod->module_count * sizeof(*seen));
		result = depmod_kernel_symbols(depmod);
	}
	if (result == 0)
		result = add_exports(depmod);
	for (unsigned i = 0; i < depmod->worker_count && result == 0; i++)
		result = resolve_names(depmod, &depmod->workers[i]);
	for (uint32_t i = 0; i < depmod->module_count && result == 0; i++)
		result = resolve_module(depmod, i, needs, seen);
	return result;
}
