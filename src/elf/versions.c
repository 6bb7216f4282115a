/* SPDX-License-Identifier: MIT */
/*
 * Symbol versions: the tables DT_VERSYM, DT_VERDEF and DT_VERNEED, and names of versions
 * interned so that comparing two is comparing two numbers (gABI supplement "Symbol
 * Versioning").
 */
#include "elf/internal.h"

#define NDX_MASK 0x7fff

/* ---- interned names ---- */

static pthread_mutex_t intern_lock = PTHREAD_MUTEX_INITIALIZER; /* map, next_id */
static struct base_map intern_map; /* hash -> struct interned */
static uint32_t next_id = 1;
struct interned {
	uint32_t id;
	char name[];
};

__attribute__((constructor)) static void keep_lock(void)
{
	base_lock_across_fork(BASE_FORK_VERSIONS, &intern_lock);
}

uint32_t elf_version_intern(const char *name)
{
	size_t length = strlen(name), cursor = 0;
	uint64_t key = base_hash_bytes(name, length);
	struct interned *entry;
	uint32_t id = 0;
	pthread_mutex_lock(&intern_lock);
	while ((entry = base_map_next(&intern_map, key, &cursor)))
		if (strcmp(entry->name, name) == 0) {
			id = entry->id;
			goto out;
		}
	entry = base_alloc(sizeof(*entry) + length + 1);
	if (!entry)
		goto out;
	memcpy(entry->name, name, length + 1);
	entry->id = next_id;
	if (base_map_put(&intern_map, key, entry) == 0)
		id = next_id++;
	else
		base_free(entry);
out:
	pthread_mutex_unlock(&intern_lock);
	return id;
}

/* ---- the tables ---- */

static int put(struct elf_view *view, unsigned index, const struct elf_version *version,
	struct umod_error *error)
{
	if (index >= view->version_count) {
		/* Room for a table's usual few, then doubled. */
		unsigned count = index + 1 > 2 * view->version_count
					 ? index + 8
					 : 2 * view->version_count;
		struct elf_version *grown =
			base_realloc(view->versions, count * sizeof(*grown));
		if (!grown)
			return elf_fail(
				view, -ENOMEM, "no memory for %u versions", count);
		memset(grown + view->version_count, 0,
			(count - view->version_count) * sizeof(*grown));
		view->versions = grown;
		view->version_count = count;
	}
	view->versions[index] = *version;
	view->versions[index].id = elf_version_intern(version->name);
	if (!view->versions[index].id)
		return elf_fail(view, -ENOMEM, "no memory for version %s", version->name);
	return 0;
}

static int read_definitions(
	struct elf_view *view, uint64_t at, uint64_t count, struct umod_error *error)
{
	for (uint64_t i = 0; i < count; i++) {
		const Elf64_Verdef *def =
			at % 4 ? NULL : elf_locate(view, at, sizeof(*def));
		if (!def)
			return elf_fail(view, -ELIBBAD,
				"DT_VERDEF: entry %lu at %#lx is in no segment's file "
				"part",
				i, at);
		if (def->vd_version != VER_DEF_CURRENT)
			return elf_fail(view, -ELIBBAD,
				"vd_version of version definition %lu: %u", i,
				def->vd_version);
		if (def->vd_cnt == 0 || (def->vd_ndx & NDX_MASK) == 0)
			return elf_fail(view, -ELIBBAD, "%s of version definition %lu: 0",
				def->vd_cnt ? "vd_ndx" : "vd_cnt", i);
		uint64_t aux_at = at + def->vd_aux;
		const Elf64_Verdaux *aux =
			aux_at % 4 ? NULL : elf_locate(view, aux_at, sizeof(*aux));
		if (!aux)
			return elf_fail(view, -ELIBBAD,
				"vd_aux of version definition %lu: %#x leaves its "
				"segment",
				i, def->vd_aux);
		const char *name = elf_view_string(view, aux->vda_name);
		if (!name)
			return elf_fail(view, -ELIBBAD,
				"vda_name of version definition %lu: %#x is outside the "
				"string table",
				i, aux->vda_name);
		struct elf_version version = { .name = name,
			.hash = def->vd_hash,
			.base = def->vd_flags & VER_FLG_BASE,
			.weak = def->vd_flags & VER_FLG_WEAK };
		int result = put(view, def->vd_ndx & NDX_MASK, &version, error);
		if (result)
			return result;
		if (def->vd_next == 0 && i + 1 < count)
			return elf_fail(view, -ELIBBAD,
				"vd_next of version definition %lu: 0, but DT_VERDEFNUM "
				"is %lu",
				i, count);
		at += def->vd_next;
	}
	return 0;
}

static int read_need(struct elf_view *view, uint64_t at, const Elf64_Verneed *need,
	const char *file, struct umod_error *error)
{
	for (unsigned i = 0; i < need->vn_cnt; i++) {
		const Elf64_Vernaux *aux =
			at % 4 ? NULL : elf_locate(view, at, sizeof(*aux));
		if (!aux)
			return elf_fail(view, -ELIBBAD,
				"%s of the versions needed from %s: entry %u leaves its "
				"segment",
				i ? "vna_next" : "vn_aux", file, i);
		const char *name = elf_view_string(view, aux->vna_name);
		if (!name)
			return elf_fail(view, -ELIBBAD,
				"vna_name of the versions needed from %s: %#x is outside "
				"the string "
				"table",
				file, aux->vna_name);
		unsigned index = aux->vna_other & NDX_MASK;
		if (index < 2)
			return elf_fail(view, -ELIBBAD,
				"vna_other of %s from %s: index %u", name, file, index);
		struct elf_version version = { .name = name,
			.file = file,
			.hash = aux->vna_hash,
			.hidden_need = aux->vna_other & 0x8000,
			.weak = aux->vna_flags & VER_FLG_WEAK };
		int result = put(view, index, &version, error);
		if (result)
			return result;
		if (aux->vna_next == 0 && i + 1u < need->vn_cnt)
			return elf_fail(view, -ELIBBAD,
				"vna_next of %s from %s: 0, but vn_cnt is %u", name, file,
				need->vn_cnt);
		at += aux->vna_next;
	}
	return 0;
}

static int read_needs(
	struct elf_view *view, uint64_t at, uint64_t count, struct umod_error *error)
{
	for (uint64_t i = 0; i < count; i++) {
		const Elf64_Verneed *need =
			at % 4 ? NULL : elf_locate(view, at, sizeof(*need));
		if (!need)
			return elf_fail(view, -ELIBBAD,
				"DT_VERNEED: entry %lu at %#lx is in no segment's file "
				"part",
				i, at);
		if (need->vn_version != VER_NEED_CURRENT)
			return elf_fail(view, -ELIBBAD,
				"vn_version of version need %lu: %u", i,
				need->vn_version);
		const char *file = elf_view_string(view, need->vn_file);
		if (!file)
			return elf_fail(view, -ELIBBAD,
				"vn_file of version need %lu: %#x is outside the string "
				"table",
				i, need->vn_file);
		int result = read_need(view, at + need->vn_aux, need, file, error);
		if (result)
			return result;
		if (need->vn_next == 0 && i + 1 < count)
			return elf_fail(view, -ELIBBAD,
				"vn_next of version need %lu: 0, but DT_VERNEEDNUM is "
				"%lu",
				i, count);
		at += need->vn_next;
	}
	return 0;
}

int elf_set_versions(struct elf_view *view, const struct elf_version_tables *tables,
	struct umod_error *error)
{
	if (!tables->versym)
		return 0;
	view->versym_vaddr = tables->versym;
	view->versym = tables->versym % 2
			       ? NULL
			       : elf_locate(view, tables->versym, 2 * view->symbol_count);
	if (!view->versym)
		return elf_fail(view, -ELIBBAD,
			"DT_VERSYM: %#lx for %lu symbols is in no segment's file part, "
			"or not "
			"aligned",
			tables->versym, view->symbol_count);
	/* From here on no symbol is read that has no version entry. */
	if (!elf_locate(view, tables->versym, 2 * view->symbol_limit))
		view->symbol_limit = view->symbol_count;
	int result = tables->verdef ? read_definitions(view, tables->verdef,
					      tables->verdef_count, error)
				    : 0;
	view->defines_versions = tables->verdef && tables->verdef_count;
	if (!result && tables->verneed)
		result = read_needs(view, tables->verneed, tables->verneed_count, error);
	return result;
}

const struct elf_version *elf_view_symbol_version(
	const struct elf_view *view, uint64_t index, bool *hidden)
{
	if (!view->versym || index >= view->symbol_limit)
		return NULL;
	uint16_t entry = view->versym[index];
	unsigned version = entry & NDX_MASK;
	*hidden = entry & 0x8000;
	if (version >= view->version_count || !view->versions[version].id ||
		view->versions[version].base)
		return NULL;
	return &view->versions[version];
}
