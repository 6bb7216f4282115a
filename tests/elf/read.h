/* SPDX-License-Identifier: MIT */
/*
 * Reads a file's bytes through the ELF floor as a load does, and then everything that a
 * view can be asked, so that a wild access shows. For tests and the fuzzer.
 */
#ifndef TESTS_ELF_READ_H
#define TESTS_ELF_READ_H

#include "elf/view.h"

/* Headers and tables. What is left in *@view is to be cleared, on failure too. */
static inline int read_view(struct elf_view *view, const uint8_t *bytes, uint64_t count,
	struct umod_error *error)
{
	uint64_t have = count < 64 ? count : 64, need = 0;
	int result = elf_view_headers(view, "test", bytes, have, count, &need, error);
	if (result == -EAGAIN && need > have && need <= count)
		result = elf_view_headers(view, "test", bytes, need, count, &need, error);
	if (result == 0)
		result = elf_view_tables(view, bytes, count, false, error);
	return result;
}

/* Asks for every symbol, by index and by name. Returns how many were found by name. */
static inline unsigned ask_view(const struct elf_view *view)
{
	unsigned found = 0;
	uint64_t limit = view->symbol_count < 5000 ? view->symbol_count : 5000;
	for (uint64_t i = 0; i < limit && i < view->symbol_limit; i++) {
		bool hidden;
		const struct elf_version *version =
			elf_view_symbol_version(view, i, &hidden);
		const char *name = elf_view_string(view, view->symbols[i].st_name);
		if (!name)
			continue;
		struct elf_reference reference = { .name = name,
			.length = (uint32_t)strlen(name),
			.version = version ? version->id : 0,
			.newest = i % 2 };
		reference.hash = base_gnu_hash(name, reference.length);
		found += elf_view_find(view, &reference) != 0;
	}
	for (unsigned i = 0; i < 3; i++) {
		uint64_t value;
		if (elf_view_dynamic_value(view, DT_NEEDED, i, &value))
			found += elf_view_string(view, value) != NULL;
	}
	return found;
}

#endif
