/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: reads the input as a module, shared or not, from bytes that are not one
 * too many, and asks everything that the object view and the module's own description
 * answer. Every string that comes back is read to its end.
 */
#include "feature/feature.h"
#include "fuzz.h"
#include "module/version.h"

static volatile size_t sink; /* so that nothing is left out */

static void touch(const char *string)
{
	if (string)
		sink += strlen(string);
}

static void ask_sections(const struct elf_object *object)
{
	struct elf_relocations relocations;
	struct elf_section section;
	Elf64_Rela rela;

	for (unsigned i = 0; i < object->section_count; i++) {
		elf_object_section(object, i, &section);
		touch(section.name);
		const uint8_t *data = elf_object_data(object, &section, NULL);
		for (uint64_t j = 0; data && j < section.bytes; j += 1 + j / 64)
			sink += data[j];
		if (elf_object_relocations(object, i, &relocations, NULL) == 0 &&
			relocations.count) {
			elf_relocation_read(&relocations, relocations.count - 1, &rela);
			sink += rela.r_offset + relocations.target;
		}
		elf_object_relocations_of(object, i, &relocations, NULL);
	}
	for (unsigned side = 0; side < 2; side++) {
		struct elf_symbols symbols;
		if (side ? elf_object_dynamic_symbols(object, &symbols, NULL)
			 : elf_object_symbols(object, &symbols, NULL))
			continue;
		for (uint64_t i = 0; i < symbols.count; i++) {
			Elf64_Sym symbol;
			elf_symbol_read(&symbols, i, &symbol);
			touch(elf_symbol_name(&symbols, &symbol));
		}
	}
}

static void ask_versions(const struct elf_object *object)
{
	struct module_versions versions;

	for (unsigned side = 0; side < 2; side++) {
		if (side ? module_imports_versions(object, &versions, NULL)
			 : module_exports_versions(object, &versions, NULL))
			continue;
		for (unsigned i = 0; i < versions.count; i++) {
			for (size_t k = 0; k < versions.items[i].name_bytes; k++)
				sink += (size_t)versions.items[i].name[k];
			touch(versions.items[i].declaration);
		}
		module_versions_find(&versions, "a");
		module_versions_free(&versions);
	}
}

static void ask_module(const struct elf_object *object)
{
	struct feature_info info;
	struct feature_field field;
	struct feature_exports exports = { 0 };
	struct feature_imports imports = { 0 };
	struct feature_versions versions;
	struct feature_version version;
	size_t cursor = 0, index = 0, offset = 0;

	if (feature_info_open(object, &info, NULL) == 0) {
		while (feature_info_next(&info, &cursor, &field))
			touch(field.value);
		touch(feature_info_get(&info, "license"));
	}
	if (feature_exports_read(object, &exports, NULL) == 0) {
		for (unsigned i = 0; i < exports.count; i++) {
			touch(exports.items[i].name);
			touch(exports.items[i].space);
		}
	}
	if (feature_imports_read(object, true, &imports, NULL) == 0) {
		for (unsigned i = 0; i < imports.count; i++)
			touch(imports.items[i].name);
	}
	if (feature_versions_open(object, &versions, NULL) == 0) {
		while (feature_versions_next(&versions, &index, &offset, &version)) {
			for (size_t i = 0; i < version.name_bytes; i++)
				sink += (size_t)version.name[i];
		}
	}
	feature_exports_free(&exports);
	feature_imports_free(&imports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct umod_error error = { 0 };
	struct feature_signature signature;
	struct elf_object object;
	uint8_t *bytes = malloc(size ? size : 1);
	struct elf_bytes file = { .bytes = bytes, .count = size };

	memcpy(bytes, data, size);
	int result = elf_object_open_any(&object, "input", &file, &error);
	if (result == 0) {
		ask_sections(&object);
		ask_module(&object);
		ask_versions(&object);
	} else if (error.code != result || !error.message[0]) {
		abort();
	}
	if (feature_signature_find(&file, "input", &signature, NULL) == 0) {
		if (signature.offset + signature.bytes > size ||
			signature.body_bytes > signature.offset)
			abort();
	}
	free(bytes);
	return 0;
}
