/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: reads the input as a module, an object or a shared object, from bytes that
 * are not one too many, and describes it. What it answers must keep the promises of
 * module.h after the input has gone.
 */
#include "fuzz.h"
#include "module/module.h"
#include "module/version.h"

static volatile size_t sink; /* so that nothing is left out */

static void touch(const char *string)
{
	if (string)
		sink += strlen(string);
}

static void must(bool what)
{
	if (!what)
		abort();
}

static void check_names(const struct module_strings *list)
{
	char name[UMOD_MODULE_NAME_BYTES];

	for (unsigned i = 0; i < list->count; i++) {
		must(module_name_fold(list->items[i], strlen(list->items[i]), name));
		must(strcmp(name, list->items[i]) == 0);
	}
}

static void check_strings(const struct module_strings *list)
{
	for (unsigned i = 0; i < list->count; i++)
		must(list->items[i][0] != '\0');
}

static void check(const struct module_description *d)
{
	char name[UMOD_MODULE_NAME_BYTES];
	struct feature_field field;
	size_t cursor = 0;

	must(module_name_fold(d->name, strlen(d->name), name));
	must(strcmp(d->name, name) == 0);
	touch(d->license);
	touch(d->version);
	touch(d->vermagic);
	touch(d->author);
	check_names(&d->depends);
	check_strings(&d->before);
	check_strings(&d->after);
	check_strings(&d->weak);
	check_strings(&d->aliases);
	check_strings(&d->imports);
	check_strings(&d->needed);
	for (unsigned i = 0; i < d->export_count; i++) {
		must(d->exports[i].name[0] != '\0');
		must(!d->exports[i].space || d->exports[i].space[0]);
		must(module_description_export(d, d->exports[i].name) == &d->exports[i]);
		touch(d->exports[i].declaration);
		sink += module_space_admits(d->exports[i].space, d->name, &d->imports);
	}
	must(d->parameter_count * sizeof(struct umod_parameter) == d->parameters.bytes);
	must(d->kind == MODULE_UMOD || (!d->this_module.bytes && !d->parameters.bytes));
	while (feature_info_next(&d->fields, &cursor, &field))
		touch(field.value);
}

static void compare_versions(const struct elf_object *object)
{
	struct module_versions versions;

	if (module_imports_versions(object, &versions, NULL))
		return;
	for (unsigned i = 0; i < versions.count; i++) {
		for (unsigned j = 0; j < versions.items[i].name_bytes; j++)
			sink += (size_t)versions.items[i].name[j];
	}
	module_versions_free(&versions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct umod_error error = { 0 };
	struct module_description description;
	struct elf_object object;
	uint8_t *bytes = malloc(size ? size : 1);
	struct elf_bytes file = { .bytes = bytes, .count = size };

	memcpy(bytes, data, size);
	int result = elf_object_open_any(&object, "input", &file, &error);
	if (result == 0) {
		compare_versions(&object);
		result = module_describe(&object, "in-put.o", &description, &error);
		free(bytes);
		if (result == 0)
			check(&description);
		module_description_free(&description);
	} else {
		free(bytes);
	}
	must(error.code == result && !error.message[0] == !result);
	return 0;
}
