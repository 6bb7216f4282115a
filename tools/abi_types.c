/* SPDX-License-Identifier: MIT */
/*
 * Types as C declares them, from DIEs: declarators, specifiers, and the graph of named
 * types, each of whose texts is made once. What is in a struct or an enum is another
 * file's matter. Debug information that runs in circles ends by a count of steps.
 */
#include "abi_types.h"

#include <stdlib.h>

#define DEPTH_LIMIT 200
/* For one text: steps, bytes of all of its parts, bytes of a declarator. */
#define STEP_LIMIT       ((uint64_t)1 << 22)
#define TEXT_LIMIT       ((uint64_t)1 << 25)
#define DECLARATOR_LIMIT ((size_t)1 << 16)

bool abi_step(struct abi_types *types)
{
	if (types->problem)
		return false;
	if (types->steps++ < STEP_LIMIT && types->spelled_bytes < TEXT_LIMIT)
		return true;
	types->problem = "its debug information runs in circles";
	return false;
}

bool abi_first_child(struct abi_types *types, Dwarf_Die *die, Dwarf_Die *child)
{
	return abi_step(types) && abi_libdw.dwarf_child(die, child) == 0;
}

bool abi_next_sibling(struct abi_types *types, Dwarf_Die *die)
{
	return abi_step(types) && abi_libdw.dwarf_siblingof(die, die) == 0;
}

bool abi_type_of(struct abi_types *types, Dwarf_Die *die, Dwarf_Die *out)
{
	Dwarf_Die at = *die;
	Dwarf_Attribute attribute;

	if (abi_whole_die(&at, DW_AT_type, out))
		return true;
	if (abi_libdw.dwarf_attr_integrate(&at, DW_AT_type, &attribute))
		types->problem = "its debug information refers to types that are not "
				 "there; is it of an object with type units? link it, or "
				 "compile with -fno-debug-types-section";
	return false;
}

/* ---- named types ---- */

static void put(struct base_map *map, uint64_t key, void *value)
{
	if (base_map_put(map, key, value))
		tool_realloc(NULL, SIZE_MAX, 1); /* ends the process, telling why */
}

static void *more(void *items, unsigned count, unsigned *capacity, size_t bytes)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity ? 2 * *capacity : 64;
	return tool_realloc(items, *capacity, bytes);
}

static const char *keyword_of(int tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type: /* which of both is no matter of layout */
		return "struct ";
	case DW_TAG_union_type:
		return "union ";
	case DW_TAG_enumeration_type:
		return "enum ";
	default:
		return "";
	}
}

char *abi_type_name(struct abi_types *types, Dwarf_Die *die)
{
	const char *name = abi_whole_string(die, DW_AT_name);

	if (!name || !name[0])
		return NULL;
	const char *scope = abi_scope_of(&types->scopes, die);
	char *whole = abi_format("%s%s%s%s", keyword_of(abi_libdw.dwarf_tag(die)), scope,
		scope[0] ? "::" : "", name);
	char *plain = strchr(whole, '<') ? abi_plain_name(whole) : NULL;
	if (!plain)
		return whole;
	free(whole);
	return plain;
}

static unsigned key_of(struct abi_types *types, const char *name)
{
	uint64_t hash = base_hash_bytes(name, strlen(name));
	size_t cursor = 0;
	void *value;

	while ((value = base_map_next(&types->by_key, hash, &cursor)) != NULL) {
		unsigned key = (unsigned)(uintptr_t)value - 1;
		if (strcmp(types->keys[key], name) == 0)
			return key;
	}
	unsigned capacity = types->key_capacity;
	types->keys = more(types->keys, types->key_count, &types->key_capacity,
		sizeof(*types->keys));
	if (capacity != types->key_capacity) {
		types->stamps = tool_realloc(
			types->stamps, types->key_capacity, sizeof(*types->stamps));
		memset(types->stamps + capacity, 0,
			(types->key_capacity - capacity) * sizeof(*types->stamps));
	}
	types->keys[types->key_count++] = tool_strdup(name);
	put(&types->by_key, hash, (void *)(uintptr_t)types->key_count);
	return types->key_count - 1;
}

static unsigned node_of(struct abi_types *types, Dwarf_Die *named, const char *name)
{
	Dwarf_Die die = *named;
	size_t cursor = 0;
	void *value;

	if (abi_flag(&die, DW_AT_declaration))
		abi_scope_definition(&types->scopes,
			name + strlen(keyword_of(abi_libdw.dwarf_tag(&die))), &die);
	uint64_t hash = base_mix((uint64_t)(uintptr_t)die.addr);
	while ((value = base_map_next(&types->by_die, hash, &cursor)) != NULL) {
		unsigned index = (unsigned)(uintptr_t)value - 1;
		if (types->nodes[index].die.addr == die.addr)
			return index;
	}
	bool is_typedef = keyword_of(abi_libdw.dwarf_tag(&die))[0] == '\0';
	char *key = is_typedef ? abi_format("typedef %s", name) : tool_strdup(name);
	types->nodes =
		more(types->nodes, types->count, &types->capacity, sizeof(*types->nodes));
	types->nodes[types->count++] = (struct abi_node){ .die = die,
		.key = key_of(types, key),
		.declared_only = abi_flag(&die, DW_AT_declaration) };
	free(key);
	put(&types->by_die, hash, (void *)(uintptr_t)types->count);
	return types->count - 1;
}

static void refer(struct abi_types *types, Dwarf_Die *die, const char *name)
{
	unsigned node = node_of(types, die, name);

	for (unsigned i = 0; i < types->ref_count; i++) {
		if (types->refs[i] == node)
			return;
	}
	types->refs = more(types->refs, types->ref_count, &types->ref_capacity,
		sizeof(*types->refs));
	types->refs[types->ref_count++] = node;
}

/* ---- specifiers ---- */

/* Qualifiers that a typedef, or the elements of an array, bring along. */
static unsigned implied(struct abi_types *types, Dwarf_Die *die)
{
	Dwarf_Die at = *die;
	unsigned found = 0;

	do {
		switch (abi_libdw.dwarf_tag(&at)) {
		case DW_TAG_const_type:
			found |= ABI_QUALIFIER_CONST;
			break;
		case DW_TAG_volatile_type:
			found |= ABI_QUALIFIER_VOLATILE;
			break;
		case DW_TAG_restrict_type:
			found |= ABI_QUALIFIER_RESTRICT;
			break;
		case DW_TAG_typedef:
		case DW_TAG_array_type:
			break;
		default:
			return found;
		}
	} while (abi_step(types) && abi_type_of(types, &at, &at));
	return found;
}

static char *specifier(struct abi_types *types, Dwarf_Die *die, unsigned *qualifiers)
{
	struct abi_text text = { 0 };
	char buffer[160], *name;
	int tag = abi_libdw.dwarf_tag(die);
	Dwarf_Die whole;

	/* It stands in a type unit, its name perhaps too. */
	if (abi_has(die, DW_AT_signature) && abi_die(die, DW_AT_signature, &whole))
		die = &whole;

	switch (tag) {
	case DW_TAG_base_type:
		return tool_strdup(abi_base_name(die, buffer, sizeof(buffer)));
	case DW_TAG_typedef:
	case DW_TAG_template_alias:
		*qualifiers &= ~implied(types, die);
		/* fall through */
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
		name = abi_type_name(types, die);
		if (name) {
			refer(types, die, name);
			return name;
		}
		abi_text_put(&text, "%s", keyword_of(tag));
		if (tag == DW_TAG_enumeration_type)
			abi_spell_enum(types, die, &text);
		else if (keyword_of(tag)[0])
			abi_spell_body(types, die, &text);
		return text.bytes ? text.bytes : tool_strdup("typedef");
	default:
		name = (char *)abi_string(die, DW_AT_name);
		if (tag == DW_TAG_unspecified_type && name)
			return tool_strdup(name);
		return abi_format("<tag 0x%x %s>", (unsigned)tag, name ? name : "");
	}
}

/* ---- declarators ---- */

static const char *qualifier_text(unsigned qualifiers)
{
	static const char *const texts[8] = { "", "const ", "volatile ",
		"const volatile ", "restrict ", "const restrict ", "volatile restrict ",
		"const volatile restrict " };

	return texts[qualifiers & 7];
}

static unsigned qualifier_of(int tag)
{
	switch (tag) {
	case DW_TAG_const_type:
		return ABI_QUALIFIER_CONST;
	case DW_TAG_volatile_type:
		return ABI_QUALIFIER_VOLATILE;
	case DW_TAG_restrict_type:
		return ABI_QUALIFIER_RESTRICT;
	case DW_TAG_atomic_type: /* DWARF 4 has none */
		return ABI_QUALIFIER_NONE;
	default:
		return 0;
	}
}

/* Steps over const, volatile and restrict. False: void is left. */
static bool unqualified(struct abi_types *types, Dwarf_Die *die)
{
	while (qualifier_of(abi_libdw.dwarf_tag(die))) {
		if (!abi_step(types) || !abi_type_of(types, die, die))
			return false;
	}
	return true;
}

/* Frees @old. */
static char *replace(char *old, char *new)
{
	free(old);
	return new;
}

static char *pointer_to(struct abi_types *types, Dwarf_Die *die, int tag,
	unsigned qualifiers, char *inner)
{
	Dwarf_Die target;
	const char *sign = tag == DW_TAG_reference_type          ? "&"
			   : tag == DW_TAG_rvalue_reference_type ? "&&"
								 : "*";
	const char *spelled = qualifier_text(
		tag == DW_TAG_pointer_type || tag == DW_TAG_ptr_to_member_type
			? qualifiers
			: 0);
	char *class = NULL;
	size_t length = strlen(spelled) - (spelled[0] && !inner[0] ? 1 : 0);

	if (tag == DW_TAG_ptr_to_member_type &&
		abi_die(die, DW_AT_containing_type, &target)) {
		class = abi_type_name(types, &target);
		if (class)
			refer(types, &target, class);
	}
	inner = replace(
		inner, abi_format("%s%s%s%.*s%s", class ? class : "", class ? "::" : "",
			       sign, (int)length, spelled, inner));
	free(class);
	/* What stands behind binds more strongly. */
	if (abi_type_of(types, die, &target) && unqualified(types, &target) &&
		((abi_libdw.dwarf_tag(&target) == DW_TAG_array_type &&
			 !abi_flag(&target, DW_AT_GNU_vector)) ||
			abi_libdw.dwarf_tag(&target) == DW_TAG_subroutine_type))
		inner = replace(inner, abi_format("(%s)", inner));
	return inner;
}

/* "[4]"; "[]" for none, none known, and one that is computed. */
static void dimension(Dwarf_Die *range, struct abi_text *text)
{
	uint64_t value, lower = 0;

	if (abi_number(range, DW_AT_count, &value)) {
		/* As a flexible array, one of no elements ends a struct. */
		if (value == 0 || value == UINT64_MAX)
			abi_text_put(text, "[]");
		else
			abi_text_put(text, "[%llu]", (unsigned long long)value);
		return;
	}
	abi_number(range, DW_AT_lower_bound, &lower);
	if (abi_number(range, DW_AT_upper_bound, &value) && value - lower != UINT64_MAX) {
		value = value - lower + 1;
		abi_text_put(text, "[%llu]", (unsigned long long)value);
		return;
	}
	abi_text_put(text, "[]");
}

static char *array_of(struct abi_types *types, Dwarf_Die *die, char *inner)
{
	struct abi_text text = { 0 };
	bool vector = abi_flag(die, DW_AT_GNU_vector);
	Dwarf_Die child;

	abi_text_put(&text, "%s", vector ? "__vector " : inner);
	if (abi_first_child(types, die, &child)) {
		do {
			if (abi_libdw.dwarf_tag(&child) == DW_TAG_subrange_type)
				dimension(&child, &text);
		} while (abi_next_sibling(types, &child));
	}
	if (vector && inner[0])
		abi_text_put(&text, " %s", inner);
	free(inner);
	return text.bytes;
}

/* A function's, or a list of them in a pack. */
static void add_parameters(struct abi_types *types, Dwarf_Die *die, bool is_method,
	unsigned *count, struct abi_text *out)
{
	Dwarf_Die child, type;

	if (!abi_first_child(types, die, &child))
		return;
	do {
		int tag = abi_libdw.dwarf_tag(&child);
		char *text = NULL;
		if (tag == DW_TAG_unspecified_parameters) {
			text = tool_strdup("...");
		} else if (tag == DW_TAG_GNU_formal_parameter_pack) {
			if (types->depth < DEPTH_LIMIT) {
				types->depth++;
				add_parameters(types, &child, is_method, count, out);
				types->depth--;
			}
		} else if (tag == DW_TAG_formal_parameter) {
			/* Besides `this`: what constructors of virtual bases get. */
			if (abi_whole_flag(&child, DW_AT_artificial) &&
				(is_method || *count))
				continue;
			bool there = abi_type_of(types, &child, &type) &&
				     unqualified(types, &type);
			text = abi_spell(types, there ? &type : NULL, 0, "");
		}
		if (text)
			abi_text_put(out, "%s%s", (*count)++ ? ", " : "", text);
		free(text);
	} while (abi_next_sibling(types, &child));
}

char *abi_spell_parameters(struct abi_types *types, Dwarf_Die *die, bool is_method)
{
	struct abi_text text = { 0 };
	unsigned count = 0;

	abi_text_put(&text, "(");
	add_parameters(types, die, is_method, &count, &text);
	abi_text_put(&text, count ? ")" : "void)");
	return text.bytes;
}

static char *function_of(
	struct abi_types *types, Dwarf_Die *die, unsigned qualifiers, char *inner)
{
	char *parameters = abi_spell_parameters(types, die, false);

	inner = replace(
		inner, abi_format("%s%s%s%s", inner, parameters,
			       qualifiers & ABI_QUALIFIER_CONST ? " const" : "",
			       qualifiers & ABI_QUALIFIER_VOLATILE ? " volatile" : ""));
	free(parameters);
	return inner;
}

char *abi_spell(struct abi_types *types, Dwarf_Die *type, unsigned qualifiers,
	const char *declarator)
{
	char *inner = tool_strdup(declarator), *specified = NULL;
	bool there = type != NULL;
	Dwarf_Die die = there ? *type : (Dwarf_Die){ 0 };

	if (types->depth >= DEPTH_LIMIT)
		types->problem = "its types are nested too deeply";
	types->depth++;
	while (!specified) {
		if (strlen(inner) > DECLARATOR_LIMIT)
			types->problem = "a declaration is too long";
		if (!there || types->depth > DEPTH_LIMIT || !abi_step(types)) {
			specified = tool_strdup("void");
			break;
		}
		int tag = abi_libdw.dwarf_tag(&die);
		bool function = tag == DW_TAG_subroutine_type;
		if (qualifier_of(tag)) {
			qualifiers |= qualifier_of(tag);
		} else if (tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
			   tag == DW_TAG_rvalue_reference_type ||
			   tag == DW_TAG_ptr_to_member_type) {
			inner = pointer_to(types, &die, tag, qualifiers, inner);
			qualifiers = 0;
		} else if (tag == DW_TAG_array_type) {
			inner = array_of(types, &die, inner);
		} else if (function) {
			inner = function_of(types, &die, qualifiers, inner);
			qualifiers = 0;
		} else {
			specified = specifier(types, &die, &qualifiers);
			break;
		}
		there = abi_type_of(types, &die, &die);
		if (there && function)
			there = unqualified(types, &die);
	}
	types->depth--;
	char *text = abi_format("%s%s%s%s", qualifier_text(qualifiers), specified,
		inner[0] ? " " : "", inner);
	free(specified);
	free(inner);
	types->spelled_bytes += strlen(text);
	return text;
}

char *abi_spell_of(struct abi_types *types, Dwarf_Die *die, const char *declarator)
{
	Dwarf_Die type;
	bool there = abi_type_of(types, die, &type);

	return abi_spell(types, there ? &type : NULL, 0, declarator);
}
