/* SPDX-License-Identifier: MIT */
/*
 * Names of types for umod abi: base types as C spells them, whichever compiler wrote
 * them, and the scopes of C++ (a DIE does not know its parent, so a unit is walked once
 * when the first of its types is asked for).
 */
#include "abi_types.h"

#include <stdlib.h>

/* ---- base types ---- */

struct words {
	unsigned signs, unsigneds, chars, shorts, ints, longs, int128s, others;
};

static void count_words(const char *name, struct words *words)
{
	while (*name) {
		size_t length = strcspn(name, " ");
#define IS(word) (length == strlen(word) && memcmp(name, word, length) == 0)
		if (IS("signed"))
			words->signs++;
		else if (IS("unsigned"))
			words->unsigneds++;
		else if (IS("char"))
			words->chars++;
		else if (IS("short"))
			words->shorts++;
		else if (IS("int"))
			words->ints++;
		else if (IS("long"))
			words->longs++;
		else if (IS("__int128"))
			words->int128s++;
		else
			words->others++;
#undef IS
		name += length;
		name += strspn(name, " ");
	}
}

/* "unsigned long" for "long unsigned int"; NULL: it is no integer of C. */
static const char *integer_name(const char *name, unsigned *size)
{
	static const struct {
		const char *plain, *without_sign;
		unsigned bytes;
	} kinds[] = { { "signed char", "unsigned char", 1 }, { "char", NULL, 1 },
		{ "short", "unsigned short", 2 }, { "int", "unsigned int", 4 },
		{ "long", "unsigned long", 8 }, { "long long", "unsigned long long", 8 },
		{ "__int128", "unsigned __int128", 16 } };
	struct words words = { 0 };

	count_words(name, &words);
	if (words.others || words.longs > 2 || !name[0])
		return NULL;
	unsigned kind = words.int128s  ? 6
			: words.chars  ? (words.signs || words.unsigneds ? 0 : 1)
			: words.shorts ? 2
				       : 3 + words.longs;
	*size = kinds[kind].bytes;
	return words.unsigneds ? kinds[kind].without_sign : kinds[kind].plain;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= '0' && c <= '9');
}

/* Bytes of the words of one integer type at @name: "long unsigned int". 0: none. */
static size_t integer_run(const char *name)
{
	size_t run = 0;

	while (is_letter(name[run])) {
		size_t end = run;
		char word[16];
		while (is_letter(name[end]))
			end++;
		if (end - run >= sizeof(word))
			break;
		snprintf(word, sizeof(word), "%.*s", (int)(end - run), name + run);
		struct words words = { 0 };
		count_words(word, &words);
		if (words.others)
			break;
		run = end + (name[end] == ' ');
	}
	return run && name[run - 1] == ' ' ? run - 1 : run;
}

char *abi_plain_name(const char *name)
{
	struct abi_text out = { 0 };
	char words[64];
	unsigned size;

	abi_text_put(&out, "%s", "");
	while (*name) {
		size_t run = integer_run(name);
		if (run && run < sizeof(words)) {
			snprintf(words, sizeof(words), "%.*s", (int)run, name);
			const char *plain = integer_name(words, &size);
			abi_text_put(&out, "%s", plain ? plain : words);
			name += run;
			continue;
		}
		for (run = 0; is_letter(name[run]); run++)
			;
		run += run == 0;
		abi_text_add(&out, name, run);
		name += run;
	}
	return out.bytes;
}

static const struct {
	const char *name, *shown;
	unsigned bytes, encoding;
} others[] = {
	{ "_Bool", "bool", 1, DW_ATE_boolean },
	{ "bool", "bool", 1, DW_ATE_boolean },
	{ "float", "float", 4, DW_ATE_float },
	{ "double", "double", 8, DW_ATE_float },
	{ "long double", "long double", 16, DW_ATE_float },
	{ "_Float128", "__float128", 16, DW_ATE_float },
	{ "__float128", "__float128", 16, DW_ATE_float },
	{ "wchar_t", "wchar_t", 4, DW_ATE_signed },
	{ "char8_t", "char8_t", 1, DW_ATE_UTF },
	{ "char16_t", "char16_t", 2, DW_ATE_UTF },
	{ "char32_t", "char32_t", 4, DW_ATE_UTF },
};

const char *abi_base_name(Dwarf_Die *die, char *buffer, size_t bytes)
{
	const char *name = abi_string(die, DW_AT_name);
	uint64_t size = 0, encoding = 0;
	unsigned usual = 0;

	abi_number(die, DW_AT_byte_size, &size);
	abi_number(die, DW_AT_encoding, &encoding);
	name = name ? name : "unnamed";
	/* Their names differ from compiler to compiler. */
	if (encoding == DW_ATE_complex_float && (size == 8 || size == 16 || size == 32))
		return size == 8    ? "float _Complex"
		       : size == 16 ? "double _Complex"
				    : "long double _Complex";
	const char *integer = integer_name(name, &usual);
	if (integer && usual == size &&
		(strcmp(integer, "char") != 0 || encoding == DW_ATE_signed_char))
		return integer;
	for (unsigned i = 0; i < base_array_count(others); i++) {
		if (strcmp(others[i].name, name) == 0 && others[i].bytes == size &&
			others[i].encoding == encoding)
			return others[i].shown;
	}
	snprintf(buffer, bytes, "%.*s:%llu:%llu", (int)bytes - 48,
		integer ? integer : name, (unsigned long long)size,
		(unsigned long long)encoding);
	return buffer;
}

/* ---- scopes ---- */

struct abi_named {
	char *name;
	Dwarf_Die die;
};

static uint64_t key_of(const void *address)
{
	return base_mix((uint64_t)(uintptr_t)address);
}

/* Scopes are kept once for each parent; entries point there. */
struct scope {
	const void *address; /* of the DIE that it is the scope of */
	const char *name;
};

static void put(struct base_map *map, uint64_t key, void *value)
{
	if (base_map_put(map, key, value))
		tool_realloc(NULL, SIZE_MAX, 1); /* ends the process, telling why */
}

static bool is_class(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type;
}

static const char *inner_scope(
	struct abi_scopes *scopes, const char *scope, Dwarf_Die *die, bool is_namespace)
{
	const char *name = abi_whole_string(die, DW_AT_name);
	Dwarf_Die whole;

	/* A stand-in for a class in a type unit does not stand in its namespace. */
	if (!is_namespace && abi_die(die, DW_AT_signature, &whole)) {
		scope = abi_scope_of(scopes, &whole);
		name = abi_string(&whole, DW_AT_name);
	}
	if (!name)
		name = is_namespace ? "(anonymous namespace)" : "(anonymous)";
	return scope[0] ? abi_format("%s::%s", scope, name) : tool_strdup(name);
}

struct scan {
	struct abi_scopes *scopes;
	uint64_t steps;
	unsigned depth;
};

static void scan_children(struct scan *scan, Dwarf_Die *parent, const char *scope)
{
	Dwarf_Die child;

	if (scan->depth >= 64 || abi_libdw.dwarf_child(parent, &child) != 0)
		return;
	scan->depth++;
	do {
		int tag = abi_libdw.dwarf_tag(&child);
		bool class = is_class(tag);
		if (++scan->steps > (uint64_t)1 << 26)
			break;
		if (scope[0]) {
			struct scope *entry = tool_realloc(NULL, 1, sizeof(*entry));
			*entry = (struct scope){ child.addr, scope };
			put(&scan->scopes->by_die, key_of(child.addr), entry);
		}
		if (class || tag == DW_TAG_namespace)
			scan_children(scan, &child,
				inner_scope(scan->scopes, scope, &child,
					tag == DW_TAG_namespace));
		if ((class || tag == DW_TAG_enumeration_type) &&
			!abi_flag(&child, DW_AT_declaration)) {
			const char *name = abi_whole_string(&child, DW_AT_name);
			Dwarf_Die declared;
			const char *in = abi_die(&child, DW_AT_specification, &declared)
						 ? abi_scope_of(scan->scopes, &declared)
						 : scope;
			if (!name)
				continue;
			struct abi_named *named = tool_realloc(NULL, 1, sizeof(*named));
			named->name = in[0] ? abi_format("%s::%s", in, name)
					    : tool_strdup(name);
			named->die = child;
			put(&scan->scopes->by_name,
				base_hash_bytes(named->name, strlen(named->name)), named);
		}
	} while (abi_libdw.dwarf_siblingof(&child, &child) == 0);
	scan->depth--;
}

static bool is_c(int language)
{
	return language == DW_LANG_C || language == DW_LANG_C89 ||
	       language == DW_LANG_C99 || language == DW_LANG_C11 ||
	       language == 0x2c /* C17 */ || language == 0x3e /* C23 */;
}

const char *abi_scope_of(struct abi_scopes *scopes, Dwarf_Die *die)
{
	Dwarf_Die unit, declared, at = *die;
	size_t cursor = 0;
	struct scope *entry;

	if (!abi_libdw.dwarf_diecu(die, &unit, NULL, NULL) ||
		is_c(abi_libdw.dwarf_srclang(&unit)))
		return "";
	if (!base_map_next(&scopes->units, key_of(unit.addr), &cursor)) {
		struct scan scan = { .scopes = scopes };
		put(&scopes->units, key_of(unit.addr), scopes);
		scan_children(&scan, &unit, "");
	}
	for (int i = 0; i < 8 && (abi_die(&at, DW_AT_abstract_origin, &declared) ||
					 abi_die(&at, DW_AT_specification, &declared));
		i++)
		at = declared;
	cursor = 0;
	while ((entry = base_map_next(&scopes->by_die, key_of(at.addr), &cursor)) !=
		NULL) {
		if (entry->address == at.addr)
			return entry->name;
	}
	return "";
}

bool abi_scope_definition(struct abi_scopes *scopes, const char *name, Dwarf_Die *die)
{
	uint64_t key = base_hash_bytes(name, strlen(name));
	struct abi_named *named;
	size_t cursor = 0;

	while ((named = base_map_next(&scopes->by_name, key, &cursor)) != NULL) {
		if (named->die.cu == die->cu && strcmp(named->name, name) == 0) {
			*die = named->die;
			return true;
		}
	}
	return false;
}
