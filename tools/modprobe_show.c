/* SPDX-License-Identifier: MIT */
/* modprobe: what is only shown: the configuration, and versions in a module's file. */
#include "kmod.h"

#include "feature/feature.h"
#include "index/format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int print_line(const char *name, const char *value, void *data)
{
	printf("%s %s%s%s\n", (const char *)data, name, value ? " " : "",
		value ? value : "");
	return 0;
}

int modprobe_show_config(const struct modprobe *m)
{
	static const char *const directives[] = { "blacklist", "install", "remove",
		"alias", "options", "softdep", "weakdep", "forbid" };
	static const char *const indexes[] = { "alias", "symbols" };
	int result = 0;

	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		umod_modtree_config_visit(
			m->tree, directives[i], print_line, (void *)directives[i]);
	puts("\n# End of configuration files. Dumping indexes now:\n");
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		struct umod_error error = { 0 };
		int err = umod_modtree_index_visit(
			m->tree, indexes[i], print_line, (void *)"alias", &error);
		if (err)
			kmod_error("%s", error.message);
		result = err ? err : result;
	}
	return result;
}

/* A module's file in memory, as an object. */
struct file {
	struct feature_buffer buffer;
	struct elf_object object;
};

static int open_file(struct file *file, const char *path, struct umod_error *error)
{
	int err = feature_read_path(
		AT_FDCWD, path, FEATURE_LIMIT_BYTES, &file->buffer, NULL, error);
	if (err)
		return err;
	struct elf_bytes bytes = { .bytes = file->buffer.bytes,
		.count = file->buffer.count };
	return elf_object_open(&file->object, path, &bytes, error);
}

static int finish(struct file *file, const char *path, const char *what, int err,
	const struct umod_error *error)
{
	feature_buffer_free(&file->buffer);
	if (err && error->stage == UMOD_STAGE_OPEN && err == -ENOENT)
		kmod_log(LOG_CRIT, "Module %s not found.", path);
	else if (err)
		kmod_log(LOG_CRIT, "could not get %s of %s: %s", what, path,
			error->message[0] ? error->message : strerror(-err));
	return err;
}

int modprobe_show_versions(const char *path)
{
	struct file file = { 0 };
	struct umod_error error = { 0 };
	struct feature_versions versions;
	int err = open_file(&file, path, &error);

	if (!err)
		err = feature_versions_open(&file.object, &versions, &error);
	/* As kmod has it, again. */
	if (!err && versions.count == 0)
		err = base_error(
			&error, UMOD_STAGE_DESCRIBE, -ENOENT, path, "it has no versions");
	if (!err) {
		struct feature_version version;
		size_t index = 0, offset = 0;
		while (feature_versions_next(&versions, &index, &offset, &version))
			printf("0x%08" PRIx64 "\t%.*s\n", version.crc,
				(int)version.name_bytes, version.name);
	}
	return finish(&file, path, "modversions", err, &error);
}

int modprobe_show_exports(const char *path)
{
	struct file file = { 0 };
	struct umod_error error = { 0 };
	struct feature_exports exports = { 0 };
	int err = open_file(&file, path, &error);

	if (!err)
		err = feature_exports_read(&file.object, &exports, &error);
	/* As kmod has it: a module that exports nothing has no symbols to show. */
	if (!err && exports.count == 0)
		err = base_error(
			&error, UMOD_STAGE_DESCRIBE, -ENOENT, path, "it exports nothing");
	for (unsigned i = 0; !err && i < exports.count; i++)
		printf("0x%08" PRIx64 "\t%s\n", exports.items[i].crc,
			exports.items[i].name);
	feature_exports_free(&exports);
	return finish(&file, path, "symbols", err, &error);
}
