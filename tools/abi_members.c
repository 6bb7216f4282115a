/* SPDX-License-Identifier: MIT */
/* What is in a struct, union, class or enum, and how a symbol is declared. */
#include "abi_types.h"

#include <stdlib.h>

static void indent(const struct abi_types *types, struct abi_text *out)
{
	for (unsigned i = 0; i < types->indent; i++)
		abi_text_put(out, "\t");
}

/* ---- structs ---- */

/* Bytes of the type of a bit-field, where the field does not tell. */
static uint64_t storage_bytes(struct abi_types *types, Dwarf_Die *die)
{
	uint64_t bytes = 0;
	Dwarf_Die at = *die;

	while (!abi_number(&at, DW_AT_byte_size, &bytes) && abi_step(types)) {
		if (!abi_die(&at, DW_AT_type, &at))
			return 0;
	}
	return bytes;
}

/* "8", or "8.3" for a bit-field: bytes and bits from the start. */
static void put_place(struct abi_types *types, Dwarf_Die *member, bool is_field,
	uint64_t bits, struct abi_text *out)
{
	uint64_t offset = 0, at;

	if (!abi_offset(member, DW_AT_data_member_location, &offset) &&
		abi_has(member, DW_AT_data_member_location)) {
		abi_text_put(out, "-"); /* computed: a virtual base */
		return;
	}
	if (!is_field) {
		abi_text_put(out, "%llu", (unsigned long long)offset);
		return;
	}
	if (abi_number(member, DW_AT_data_bit_offset, &at))
		at += offset * 8;
	else if (abi_number(member, DW_AT_bit_offset, &at))
		/* From the storage's most significant bit. */
		at = (offset + storage_bytes(types, member)) * 8 - at - bits;
	else
		at = offset * 8;
	abi_text_put(
		out, "%llu.%llu", (unsigned long long)at / 8, (unsigned long long)at % 8);
}

static void put_member(struct abi_types *types, Dwarf_Die *member, struct abi_text *out)
{
	const char *name = abi_string(member, DW_AT_name);
	uint64_t bits = 0;
	bool is_field = abi_number(member, DW_AT_bit_size, &bits);

	/* Static members are symbols of their own. */
	if (abi_flag(member, DW_AT_declaration) || abi_flag(member, DW_AT_external))
		return;
	indent(types, out);
	put_place(types, member, is_field, bits, out);
	if (abi_flag(member, DW_AT_artificial) && name &&
		strncmp(name, "_vptr", 5) == 0) {
		abi_text_put(out, "\t_vptr\n");
		return;
	}
	char *declared = is_field ? abi_format("%s : %llu", name ? name : "",
					    (unsigned long long)bits)
				  : tool_strdup(name ? name : "");
	char *text = abi_spell_of(types, member, declared);
	abi_text_put(out, "\t%s\n", text);
	free(text);
	free(declared);
}

static void put_base(struct abi_types *types, Dwarf_Die *base, struct abi_text *out)
{
	uint64_t virtuality = 0;
	char *text = abi_spell_of(types, base, "");

	indent(types, out);
	put_place(types, base, false, 0, out);
	abi_number(base, DW_AT_virtuality, &virtuality);
	abi_text_put(out, "\t: %s%s\n", virtuality ? "virtual " : "", text);
	free(text);
}

/* Its place in the table of virtual functions is what callers have compiled in. */
static void put_virtual(
	struct abi_types *types, Dwarf_Die *function, struct abi_text *out)
{
	const char *name = abi_string(function, DW_AT_name);
	uint64_t virtuality = 0, slot;

	/* What the compiler made is there or not as the unit happened to use it. */
	if (!abi_number(function, DW_AT_virtuality, &virtuality) || !virtuality ||
		abi_flag(function, DW_AT_artificial))
		return;
	char *parameters = abi_spell_parameters(types, function, true);
	char *declared = abi_format("%s%s", name ? name : "", parameters);
	char *text = abi_spell_of(types, function, declared);
	indent(types, out);
	/* Of a destructor, which has two, not all compilers tell. */
	if (declared[0] != '~' && abi_offset(function, DW_AT_vtable_elem_location, &slot))
		abi_text_put(out, "virtual %llu\t%s\n", (unsigned long long)slot, text);
	else
		abi_text_put(out, "virtual\t%s\n", text);
	free(parameters);
	free(declared);
	free(text);
}

/* Data, or @functions, which compilers mix differently. */
static void put_members(struct abi_types *types, Dwarf_Die *die, unsigned depth,
	bool functions, struct abi_text *out)
{
	Dwarf_Die child;

	if (!abi_first_child(types, die, &child))
		return;
	do {
		int tag = abi_libdw.dwarf_tag(&child);
		if (tag == DW_TAG_member && !functions)
			put_member(types, &child, out);
		else if (tag == DW_TAG_inheritance && !functions)
			put_base(types, &child, out);
		else if (tag == DW_TAG_subprogram && functions)
			put_virtual(types, &child, out);
		else if ((tag == DW_TAG_variant_part || tag == DW_TAG_variant) &&
			 depth < 16) /* of other languages than C */
			put_members(types, &child, depth + 1, functions, out);
	} while (abi_next_sibling(types, &child));
}

/* The greatest that is asked for: some compilers tell members' alone. */
static uint64_t alignment_of(struct abi_types *types, Dwarf_Die *die)
{
	uint64_t most = 0, value;
	Dwarf_Die child;

	abi_number(die, DW_AT_alignment, &most);
	if (abi_first_child(types, die, &child)) {
		do {
			if (abi_libdw.dwarf_tag(&child) == DW_TAG_member &&
				abi_number(&child, DW_AT_alignment, &value) &&
				value > most)
				most = value;
		} while (abi_next_sibling(types, &child));
	}
	return most;
}

void abi_spell_body(struct abi_types *types, Dwarf_Die *die, struct abi_text *out)
{
	uint64_t bytes, alignment = alignment_of(types, die);

	if (abi_number(die, DW_AT_byte_size, &bytes))
		abi_text_put(out, "%llu ", (unsigned long long)bytes);
	if (alignment)
		abi_text_put(out, "align(%llu) ", (unsigned long long)alignment);
	abi_text_put(out, "{\n");
	types->indent++;
	put_members(types, die, 0, false, out);
	put_members(types, die, 0, true, out);
	types->indent--;
	indent(types, out);
	abi_text_put(out, "}");
}

void abi_spell_enum(struct abi_types *types, Dwarf_Die *die, struct abi_text *out)
{
	Dwarf_Die child;
	uint64_t value;

	if (abi_has(die, DW_AT_type)) {
		char *text = abi_spell_of(types, die, "");
		abi_text_put(out, ": %s ", text);
		free(text);
	} else if (abi_number(die, DW_AT_byte_size, &value)) {
		abi_text_put(out, "%llu ", (unsigned long long)value);
	}
	abi_text_put(out, "{\n");
	types->indent++;
	if (abi_first_child(types, die, &child)) {
		do {
			if (abi_libdw.dwarf_tag(&child) != DW_TAG_enumerator)
				continue;
			const char *name = abi_string(&child, DW_AT_name);
			value = 0;
			abi_number(&child, DW_AT_const_value, &value);
			indent(types, out);
			abi_text_put(
				out, "%s = %lld\n", name ? name : "", (long long)value);
		} while (abi_next_sibling(types, &child));
	}
	types->indent--;
	indent(types, out);
	abi_text_put(out, "}");
}

/* ---- texts of nodes ---- */

static struct abi_shared *share(
	struct abi_types *types, const char *key, struct abi_text *text)
{
	uint64_t hash = base_hash_bytes(text->bytes, text->count);
	struct abi_shared *shared;
	size_t cursor = 0;

	while ((shared = base_map_next(&types->by_text, hash, &cursor)) != NULL) {
		if (shared->bytes == text->count &&
			memcmp(shared->text, text->bytes, text->count) == 0) {
			abi_text_free(text);
			return shared;
		}
	}
	shared = tool_realloc(NULL, 1, sizeof(*shared));
	text->bytes = tool_realloc(text->bytes, text->count + 1, 1);
	*shared = (struct abi_shared){ .text = text->bytes,
		.key = key,
		.bytes = text->count,
		.crc = abi_crc(0, text->bytes, text->count),
		.shift = abi_crc_shift(text->count),
		.id = types->shared_count };
	if (types->shared_count == types->shared_capacity) {
		types->shared_capacity = 2 * types->shared_capacity + 64;
		types->shared = tool_realloc(
			types->shared, types->shared_capacity, sizeof(*types->shared));
	}
	types->shared[types->shared_count++] = shared;
	if (base_map_put(&types->by_text, hash, shared))
		tool_realloc(NULL, SIZE_MAX, 1); /* ends the process, telling why */
	return shared;
}

static void finish_node(struct abi_types *types, unsigned index)
{
	Dwarf_Die die = types->nodes[index].die;
	const char *key = types->keys[types->nodes[index].key];
	struct abi_text text = { 0 };
	int tag = abi_libdw.dwarf_tag(&die);

	types->steps = types->spelled_bytes = 0;
	types->ref_count = 0;
	if (types->nodes[index].declared_only) {
		abi_text_put(&text, "%s;\n", key);
	} else if (tag == DW_TAG_enumeration_type) {
		abi_text_put(&text, "%s ", key);
		abi_spell_enum(types, &die, &text);
		abi_text_put(&text, "\n");
	} else if (tag == DW_TAG_typedef || tag == DW_TAG_template_alias) {
		char *spelled = abi_spell_of(types, &die, key + strlen("typedef "));
		abi_text_put(&text, "typedef %s\n", spelled);
		free(spelled);
	} else {
		abi_text_put(&text, "%s ", key);
		abi_spell_body(types, &die, &text);
		abi_text_put(&text, "\n");
	}
	struct abi_node *node = &types->nodes[index]; /* new ones may have moved it */
	node->text = share(types, key, &text);
	node->ref_count = types->ref_count;
	node->refs = tool_realloc(NULL, types->ref_count, sizeof(*node->refs));
	if (types->ref_count)
		memcpy(node->refs, types->refs, types->ref_count * sizeof(*node->refs));
}

void abi_types_finish(struct abi_types *types)
{
	while (types->done < types->count && !types->problem)
		finish_node(types, types->done++);
}

/* ---- symbols ---- */

static bool has_parameters(struct abi_types *types, Dwarf_Die *die)
{
	Dwarf_Die child;

	if (!abi_first_child(types, die, &child))
		return false;
	do {
		int tag = abi_libdw.dwarf_tag(&child);
		if (tag == DW_TAG_formal_parameter ||
			tag == DW_TAG_unspecified_parameters ||
			tag == DW_TAG_GNU_formal_parameter_pack)
			return true;
	} while (abi_next_sibling(types, &child));
	return false;
}

char *abi_spell_symbol(struct abi_types *types, Dwarf_Die *die, const char *name)
{
	Dwarf_Die source = *die, origin;
	char *declared;

	types->steps = types->spelled_bytes = 0;
	types->ref_count = 0;
	if (abi_libdw.dwarf_tag(die) == DW_TAG_subprogram) {
		/* Instances may lack what was optimised away. */
		for (int i = 0; i < 8 && abi_die(&source, DW_AT_abstract_origin, &origin);
			i++)
			source = origin;
		if (!has_parameters(types, &source) &&
			abi_die(&source, DW_AT_specification, &origin))
			source = origin;
		char *parameters = abi_spell_parameters(types, &source, false);
		declared = abi_format("%s%s", name, parameters);
		free(parameters);
		Dwarf_Die type, result;
		bool there = abi_type_of(types, die, &type);
		/* What qualifies a result means nothing. */
		while (there &&
			(abi_libdw.dwarf_tag(&type) == DW_TAG_const_type ||
				abi_libdw.dwarf_tag(&type) == DW_TAG_volatile_type)) {
			there = abi_step(types) && abi_type_of(types, &type, &result);
			type = result;
		}
		char *text = abi_spell(types, there ? &type : NULL, 0, declared);
		free(declared);
		return text;
	}
	return abi_spell_of(types, die, name);
}

/* ---- walking ---- */

void abi_types_walk(struct abi_types *types, const unsigned *refs, unsigned count,
	void (*visit)(struct abi_shared *text, void *data), void *data)
{
	static unsigned *queue, capacity;
	unsigned used = 0;

	if (!queue || capacity < types->count + count) {
		capacity = types->count + count;
		queue = tool_realloc(queue, capacity, sizeof(*queue));
	}
	types->stamp++;
	if (count)
		memcpy(queue, refs, count * sizeof(*queue));
	used = count;
	/* A name that is declared here and defined there counts as defined. */
	for (unsigned i = 0; i < used; i++) {
		const struct abi_node *node = &types->nodes[queue[i]];
		if (node->declared_only || !node->text ||
			types->stamps[node->key] >= types->stamp)
			continue;
		types->stamps[node->key] = types->stamp;
		visit(node->text, data);
		if (capacity - used < node->ref_count) {
			capacity = 2 * capacity + node->ref_count;
			queue = tool_realloc(queue, capacity, sizeof(*queue));
		}
		if (node->ref_count)
			memcpy(queue + used, node->refs,
				node->ref_count * sizeof(*queue));
		used += node->ref_count;
	}
	for (unsigned i = 0; i < used; i++) {
		const struct abi_node *node = &types->nodes[queue[i]];
		if (!node->declared_only || !node->text ||
			types->stamps[node->key] >= types->stamp)
			continue;
		types->stamps[node->key] = types->stamp;
		visit(node->text, data);
	}
}
