/* SPDX-License-Identifier: MIT */
/*
 * C++ names, by the demangler of the C++ runtime: loaded through umod when it is asked
 * for, so that the program itself needs libc alone.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static char *(*demangler)(const char *name, char *buffer, size_t *bytes, int *status);

bool tool_demangle_setup(void)
{
	struct umod_namespace_options named = { sizeof(named), .name = "demangler" };
	struct umod_context *context = NULL;
	struct umod_namespace *space = NULL;
	struct umod_module *module;
	struct umod_error error;
	void *address;
	int result = umod_context_new(NULL, &context, &error);

	if (!result)
		result = umod_namespace_new(context, &named, &space, &error);
	if (!result)
		result = umod_load(space, "libstdc++.so.6", NULL, &module, &error);
	/* The module stays loaded until the program ends. */
	if (!result)
		result = umod_module_symbol(
			module, "__cxa_demangle", NULL, &address, &error);
	umod_namespace_unref(space);
	umod_context_unref(context);
	if (result) {
		tool_error("--demangle needs the C++ runtime libstdc++.so.6: %s",
			error.message);
		return false;
	}
	memcpy(&demangler, &address, sizeof(demangler));
	return true;
}

char *tool_demangle(const char *name)
{
	/* Other names can be read as types: "i" is no int. */
	if (!demangler || strncmp(name, "_Z", 2) != 0)
		return NULL;
	return demangler(name, NULL, NULL, NULL);
}
