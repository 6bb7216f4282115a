/* SPDX-License-Identifier: MIT */
/*
 * elfutils' libdw, loaded through umod when it is first needed, and attributes of DIEs
 * by it. Whatever an attribute's form is wrong for its use counts as not there.
 */
#include "abi_types.h"

struct abi_libdw abi_libdw;

int abi_libdw_load(struct umod_error *error)
{
	static const char *const names[] = {
#define NAME(name) #name,
		ABI_FUNCTIONS(NAME)
#undef NAME
			NULL
	};
	_Static_assert(
		sizeof(abi_libdw) == (base_array_count(names) - 1) * sizeof(void *),
		"the table holds pointers alone");
	return feature_backend_symbols(
		FEATURE_DW, names, (void **)(void *)&abi_libdw, error);
}

bool abi_has(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute at;

	return abi_libdw.dwarf_attr(die, attribute, &at) != NULL;
}

const char *abi_string(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute at;

	return abi_libdw.dwarf_attr(die, attribute, &at) ? abi_libdw.dwarf_formstring(&at)
							 : NULL;
}

bool abi_number(Dwarf_Die *die, unsigned attribute, uint64_t *out)
{
	Dwarf_Attribute at;
	Dwarf_Word word;
	Dwarf_Sword signed_word;

	if (!abi_libdw.dwarf_attr(die, attribute, &at))
		return false;
	unsigned form = abi_libdw.dwarf_whatform(&at);
	/* dataN have no sign of their own; compilers mean none. */
	if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
		if (abi_libdw.dwarf_formsdata(&at, &signed_word) != 0)
			return false;
		*out = (uint64_t)signed_word;
		return true;
	}
	if (abi_libdw.dwarf_formudata(&at, &word) != 0)
		return false;
	*out = word;
	return true;
}

bool abi_flag(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute at;
	bool flag = false;

	return abi_libdw.dwarf_attr(die, attribute, &at) &&
	       abi_libdw.dwarf_formflag(&at, &flag) == 0 && flag;
}

bool abi_die(Dwarf_Die *die, unsigned attribute, Dwarf_Die *out)
{
	Dwarf_Attribute at;

	return abi_libdw.dwarf_attr(die, attribute, &at) &&
	       abi_libdw.dwarf_formref_die(&at, out) != NULL;
}

bool abi_offset(Dwarf_Die *die, unsigned attribute, uint64_t *out)
{
	Dwarf_Attribute at;
	Dwarf_Op *operations;
	size_t count;

	if (abi_number(die, attribute, out))
		return true;
	if (!abi_libdw.dwarf_attr(die, attribute, &at) ||
		abi_libdw.dwarf_getlocation(&at, &operations, &count) != 0 || count != 1)
		return false;
	unsigned op = operations[0].atom;
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
		*out = op - DW_OP_lit0;
		return true;
	}
	*out = operations[0].number;
	return op == DW_OP_plus_uconst || (op >= DW_OP_const1u && op <= DW_OP_consts);
}

const char *abi_whole_string(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute at;

	return abi_libdw.dwarf_attr_integrate(die, attribute, &at)
		       ? abi_libdw.dwarf_formstring(&at)
		       : NULL;
}

bool abi_whole_flag(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute at;
	bool flag = false;

	return abi_libdw.dwarf_attr_integrate(die, attribute, &at) &&
	       abi_libdw.dwarf_formflag(&at, &flag) == 0 && flag;
}

bool abi_whole_die(Dwarf_Die *die, unsigned attribute, Dwarf_Die *out)
{
	Dwarf_Attribute at;

	return abi_libdw.dwarf_attr_integrate(die, attribute, &at) &&
	       abi_libdw.dwarf_formref_die(&at, out) != NULL;
}
