/* SPDX-License-Identifier: MIT */
/*
 * Rules of names, licences and export namespaces, which are the kernel's. Reads no files.
 */
#include "module/module.h"

static bool may_stand(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("_-.+", c) != NULL);
}

bool module_name_fold(const char *name, size_t length, char out[UMOD_MODULE_NAME_BYTES])
{
	out[0] = '\0';
	if (length == 0 || length >= UMOD_MODULE_NAME_BYTES)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!may_stand((unsigned char)name[i])) {
			out[0] = '\0';
			return false;
		}
		out[i] = name[i] == '-' ? '_' : name[i];
	}
	out[length] = '\0';
	return true;
}

/* Cuts @suffix off @name of *@length bytes. */
static bool cut(const char *name, size_t *length, const char *suffix)
{
	size_t bytes = strlen(suffix);

	if (*length <= bytes || memcmp(name + *length - bytes, suffix, bytes) != 0)
		return false;
	*length -= bytes;
	return true;
}

void module_name_of_path(const char *path, char out[UMOD_MODULE_NAME_BYTES])
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *name = slash ? slash + 1 : path ? path : "";
	size_t length = strlen(name);

	if (!cut(name, &length, ".gz") && !cut(name, &length, ".xz"))
		cut(name, &length, ".zst");
	if (!cut(name, &length, ".ko") && !cut(name, &length, ".o") &&
		!cut(name, &length, ".so")) {
		const char *version = strstr(name, ".so.");
		if (version && version > name && version < name + length)
			length = (size_t)(version - name);
	}
	if (length >= UMOD_MODULE_NAME_BYTES)
		length = UMOD_MODULE_NAME_BYTES - 1;
	for (size_t i = 0; i < length; i++)
		out[i] = may_stand((unsigned char)name[i]) && !strchr("-.", name[i])
				 ? name[i]
				 : '_';
	out[length] = '\0';
	if (length == 0)
		memcpy(out, "_", 2);
}

bool module_license_is_gpl(const char *license)
{
	static const char *const licenses[] = { "GPL", "GPL v2",
		"GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL",
		"Dual MPL/GPL" };

	for (unsigned i = 0; license && i < base_array_count(licenses); i++) {
		if (strcmp(license, licenses[i]) == 0)
			return true;
	}
	return false;
}

#define FOR_MODULES "module:"

/* @name against the list "a,b*"; each may have '-' for '_'. */
static bool list_names(const char *list, const char *name)
{
	while (*list) {
		size_t length = strcspn(list, ","), i = 0;
		while (i < length && list[i] != '*' && name[i] &&
			(list[i] == '-' ? '_' : list[i]) == name[i])
			i++;
		/* A star counts at the end alone. */
		if (i == length ? name[i] == '\0' : list[i] == '*' && i + 1 == length)
			return true;
		list += length;
		list += *list == ',';
	}
	return false;
}

bool module_space_admits(
	const char *space, const char *name, const struct module_strings *imports)
{
	if (!space || !space[0])
		return true;
	if (strncmp(space, FOR_MODULES, strlen(FOR_MODULES)) == 0)
		return list_names(space + strlen(FOR_MODULES), name);
	for (unsigned i = 0; imports && i < imports->count; i++) {
		if (strcmp(imports->items[i], space) == 0)
			return true;
	}
	return false;
}
