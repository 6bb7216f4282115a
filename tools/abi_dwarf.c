/* SPDX-License-Identifier: MIT */
/*
 * Reads the debug information of a file for umod abi: finds the DIE of each export, has
 * its types spelled, and tells checksums. All of it runs in a child process, which
 * abi_read.c starts; nothing is freed that the end of the process frees.
 */
#include "abi_types.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- which DIE is whose ---- */

/* The best that was found for an export. */
struct found {
	Dwarf_Die die;
	unsigned rank; /* 0: nothing */
};

struct search {
	const struct abi_table *table;
	struct base_map alternates, places;
	struct found *found;
	uint64_t *
		values; /* where exports lie, as debug information counts; 0: not known */
	uint64_t steps, step_limit;
	unsigned depth, functions; /* that are being searched for classes of their own */
	bool is_c, split;
};

static unsigned rank_of(Dwarf_Die *die, bool is_alternate)
{
	bool declared = abi_flag(die, DW_AT_declaration);
	bool placed = abi_has(die, DW_AT_location) || abi_has(die, DW_AT_ranges);
	Dwarf_Attribute at;
	Dwarf_Word low;

	/* What a linker has dropped lies at address 0. */
	if (!placed && abi_libdw.dwarf_attr(die, DW_AT_low_pc, &at))
		placed = abi_libdw.dwarf_whatform(&at) != DW_FORM_addr ||
			 abi_libdw.dwarf_formudata(&at, &low) != 0 || low != 0;
	unsigned rank = declared ? 1 : placed ? 3 : 2;
	return 2 * rank - (is_alternate ? 1 : 0);
}

static void offer(struct search *search, unsigned export, Dwarf_Die *die, bool alternate)
{
	unsigned rank = rank_of(die, alternate);

	/* A declaration without a prototype, as builtins have, tells less than nothing.
	 */
	if (rank <= 2 && search->is_c && abi_libdw.dwarf_tag(die) == DW_TAG_subprogram &&
		!abi_whole_flag(die, DW_AT_prototyped))
		return;
	if (rank > search->found[export].rank)
		search->found[export] = (struct found){ *die, rank };
}

static bool place_of(Dwarf_Die *die, uint64_t *out)
{
	Dwarf_Addr base, start, end;
	Dwarf_Attribute at;
	Dwarf_Op *operations;
	size_t count;

	if (abi_libdw.dwarf_lowpc(die, &start) == 0) {
		*out = start;
		return true;
	}
	if (abi_has(die, DW_AT_ranges)) {
		*out = 0;
		if (abi_libdw.dwarf_ranges(die, 0, &base, &start, &end) > 0)
			*out = start;
		return *out != 0;
	}
	if (!abi_libdw.dwarf_attr(die, DW_AT_location, &at) ||
		abi_libdw.dwarf_getlocation(&at, &operations, &count) != 0 ||
		count != 1 || operations[0].atom != DW_OP_addr)
		return false;
	*out = operations[0].number;
	return true;
}

/* What lies where an export does is it, whatever it is called. */
static void consider_place(struct search *search, Dwarf_Die *die)
{
	size_t cursor = 0;
	uint64_t place;
	void *value;

	if (!place_of(die, &place) || !place)
		return;
	while ((value = base_map_next(&search->places, base_mix(place), &cursor)) !=
		NULL) {
		unsigned export = (unsigned)(uintptr_t)value - 1;
		if (search->values[export] == place)
			offer(search, export, die, true);
	}
}

static void consider(struct search *search, Dwarf_Die *die)
{
	const char *name = abi_whole_string(die, DW_AT_linkage_name);

	if (!name)
		name = abi_whole_string(die, DW_AT_MIPS_linkage_name);
	if (!name && search->functions)
		return; /* a local variable */
	if (!name)
		name = abi_whole_string(die, DW_AT_name);
	if (search->places.used)
		consider_place(search, die);
	if (!name)
		return;
	bool external = abi_whole_flag(die, DW_AT_external);
	const struct abi_export *export = abi_table_find(search->table, name);
	if (export && external)
		offer(search, (unsigned)(export - search->table->exports), die, false);
	size_t cursor = 0;
	void *value;
	while ((value = base_map_next(&search->alternates,
			base_hash_bytes(name, strlen(name)), &cursor)) != NULL) {
		const struct abi_alternate *alternate =
			&search->table->alternates[(uintptr_t)value - 1];
		if (strcmp(alternate->name, name) == 0)
			offer(search, alternate->export, die, true);
	}
}

/* What C++ can have classes in, and those themselves. */
static bool is_scope(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_subprogram ||
	       tag == DW_TAG_lexical_block;
}

static void search_children(struct search *search, Dwarf_Die *parent)
{
	Dwarf_Die child;

	if (search->depth >= 64 || abi_libdw.dwarf_child(parent, &child) != 0)
		return;
	search->depth++;
	do {
		int tag = abi_libdw.dwarf_tag(&child);
		if (search->steps++ > search->step_limit)
			break;
		bool function = tag == DW_TAG_subprogram;
		if (function || tag == DW_TAG_variable || tag == DW_TAG_member)
			consider(search, &child);
		if (tag == DW_TAG_namespace || (!search->is_c && is_scope(tag))) {
			search->functions += function;
			search_children(search, &child);
			search->functions -= function;
		}
	} while (abi_libdw.dwarf_siblingof(&child, &child) == 0);
	search->depth--;
}

static void search_units(struct search *search, Dwarf *dwarf)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die, skeleton;
	uint8_t kind;

	while (abi_libdw.dwarf_get_units(
		       dwarf, unit, &unit, NULL, &kind, &die, &skeleton) == 0) {
		int language = abi_libdw.dwarf_srclang(&die);
		int tag = abi_libdw.dwarf_tag(&die);
		if (search->steps++ > search->step_limit)
			break;
		if (tag == DW_TAG_skeleton_unit || abi_has(&die, DW_AT_dwo_name) ||
			abi_has(&die, DW_AT_GNU_dwo_name))
			search->split = true;
		search->is_c = language == DW_LANG_C || language == DW_LANG_C89 ||
			       language == DW_LANG_C99 || language == DW_LANG_C11;
		if (tag != DW_TAG_type_unit)
			search_children(search, &die);
	}
}

/* ---- telling ---- */

static void put_number(FILE *out, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, out);
}

static void put_string(FILE *out, const char *s)
{
	uint32_t length = (uint32_t)strlen(s);

	put_number(out, length);
	fwrite(s, 1, (size_t)length + 1, out);
}

static void __attribute__((noreturn)) give_up(FILE *out, const char *message)
{
	rewind(out);
	put_number(out, 0);
	put_string(out, message);
	fflush(out);
	_exit(0);
}

struct sum {
	uint32_t crc;
	unsigned *ids, count, capacity;
};

static void add_text(struct abi_shared *text, void *data)
{
	struct sum *sum = data;

	sum->crc = abi_crc_join(sum->crc, text->crc, text->shift);
	if (sum->count == sum->capacity) {
		sum->capacity = 2 * sum->capacity + 64;
		sum->ids = tool_realloc(sum->ids, sum->capacity, sizeof(*sum->ids));
	}
	sum->ids[sum->count++] = text->id;
}

/* The name as its language has it: with its scope in C++, which a linkage name has not.
 */
static char *name_of(struct abi_types *types, Dwarf_Die *die, const char *symbol)
{
	const char *name = abi_whole_string(die, DW_AT_name);

	if (!name || (!abi_whole_string(die, DW_AT_linkage_name) &&
			     !abi_whole_string(die, DW_AT_MIPS_linkage_name)))
		return tool_strdup(symbol);
	const char *scope = abi_scope_of(&types->scopes, die);
	return abi_format("%s%s%s", scope, scope[0] ? "::" : "", name);
}

static void on_one_line(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		bool space = *from == '\n' || *from == '\t' || *from == ' ';
		if (!space)
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
}

static void tell(struct search *search, bool want_types, FILE *out)
{
	struct abi_types types = { 0 };
	const struct abi_table *table = search->table;

	put_number(out, 1);
	for (unsigned i = 0; i < table->count; i++) {
		struct sum sum = { 0 };
		Dwarf_Die *die = &search->found[i].die;
		put_number(out, search->found[i].rank ? 1 : 0);
		if (!search->found[i].rank)
			continue;
		char *name = name_of(&types, die, table->exports[i].name);
		char *text = abi_spell_symbol(&types, die, name);
		unsigned count = types.ref_count;
		unsigned *refs = tool_realloc(NULL, count, sizeof(*refs));
		if (count)
			memcpy(refs, types.refs, count * sizeof(*refs));
		abi_types_finish(&types);
		if (types.problem)
			give_up(out, abi_format("%s: %s", table->exports[i].name,
					     types.problem));
		on_one_line(text);
		sum.crc = abi_crc(abi_crc(0, text, strlen(text)), "\n", 1);
		abi_types_walk(&types, refs, count, add_text, &sum);
		put_number(out, sum.crc);
		put_string(out, text);
		put_number(out, want_types ? sum.count : 0);
		if (want_types)
			fwrite(sum.ids, sizeof(*sum.ids), sum.count, out);
		free(sum.ids);
		free(refs);
		free(text);
		free(name);
	}
	put_number(out, want_types ? types.shared_count : 0);
	for (unsigned i = 0; want_types && i < types.shared_count; i++) {
		put_string(out, types.shared[i]->key);
		put_string(out, types.shared[i]->text);
	}
}

static Dwarf *open_dwarf(
	const char *path, Dwfl_Module **module_out, Dwarf_Addr *bias, FILE *out)
{
	static const Dwfl_Callbacks plain;
	static Dwfl_Callbacks callbacks;
	struct umod_error error = { 0 };
	if (abi_libdw_load(&error))
		give_up(out, error.message);
	callbacks = plain;
	callbacks.find_debuginfo = abi_libdw.dwfl_standard_find_debuginfo;
	callbacks.section_address = abi_libdw.dwfl_offline_section_address;
	Dwfl *dwfl = abi_libdw.dwfl_begin(&callbacks);
	Dwfl_Module *module =
		dwfl ? abi_libdw.dwfl_report_offline(dwfl, "", path, -1) : NULL;
	if (module)
		abi_libdw.dwfl_report_end(dwfl, NULL, NULL);
	Dwarf *dwarf = module ? abi_libdw.dwfl_module_getdwarf(module, bias) : NULL;
	if (!dwarf) {
		const char *reason = abi_libdw.dwfl_errmsg(-1);
		give_up(out, abi_format("it has no debug information that can be read "
					"(%s); compile with -g",
				     reason ? reason : "none"));
	}
	*module_out = module;
	return dwarf;
}

/* Sections of an object have got places by libdw, to which its symbols belong. */
static void find_places(struct search *search, Dwfl_Module *module, Dwarf_Addr bias)
{
	int count = abi_libdw.dwfl_module_getsymtab(module);

	search->values =
		tool_realloc(NULL, search->table->count, sizeof(*search->values));
	memset(search->values, 0, search->table->count * sizeof(*search->values));
	for (int i = 1; i < count; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		const char *name = abi_libdw.dwfl_module_getsym_info(
			module, i, &symbol, &address, NULL, NULL, NULL);
		unsigned type = ELF64_ST_TYPE(symbol.st_info);
		if (!name || symbol.st_shndx == SHN_UNDEF ||
			ELF64_ST_BIND(symbol.st_info) == STB_LOCAL)
			continue;
		/* Linkers put versions into names: "name@@VERSION". */
		char *bare = abi_format("%.*s", (int)strcspn(name, "@"), name);
		const struct abi_export *export = abi_table_find(search->table, bare);
		free(bare);
		if (!export || (type != STT_FUNC && type != STT_OBJECT))
			continue;
		size_t index = (size_t)(export - search->table->exports);
		if (search->values[index] || address - bias == 0)
			continue;
		search->values[index] = address - bias;
		if (base_map_put(&search->places, base_mix(address - bias),
			    (void *)(uintptr_t)(index + 1)))
			_exit(TOOL_FAILED);
	}
}

void abi_search(const struct abi_file *file, const struct abi_table *table,
	bool want_types, FILE *out)
{
	struct search search = { .table = table };
	Dwfl_Module *module;
	Dwarf_Addr bias = 0;

	Dwarf *dwarf = open_dwarf(file->path, &module, &bias, out);
	/* A DIE has a byte at least; packed sections hold some more of them. */
	search.step_limit = (uint64_t)file->buffer.count * 256 + (1 << 20);
	search.found = tool_realloc(NULL, table->count, sizeof(*search.found));
	memset(search.found, 0, table->count * sizeof(*search.found));
	for (unsigned i = 0; i < table->alternate_count; i++) {
		const char *name = table->alternates[i].name;
		if (base_map_put(&search.alternates, base_hash_bytes(name, strlen(name)),
			    (void *)(uintptr_t)(i + 1)))
			_exit(TOOL_FAILED);
	}
	find_places(&search, module, bias);
	search_units(&search, dwarf);
	if (search.split)
		give_up(out,
			"its debug information is split off into .dwo files; compile "
			"without -gsplit-dwarf");
	tell(&search, want_types, out);
	_exit(fflush(out) == 0 ? 0 : TOOL_FAILED);
}
