/* SPDX-License-Identifier: MIT */
/*
 * Which configuration files there are, and in which order they count: of files with one
 * name that of the first directory, and all of them by name. What is in a file is
 * config_parse.c's.
 */
#include "index/index.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const default_paths[] = {
	"/etc/modprobe.d",
	"/run/modprobe.d",
	"/usr/local/lib/modprobe.d",
	"/usr/lib/modprobe.d",
	"/lib/modprobe.d",
	NULL,
};

/* A file that counts. Strings are in the configuration's pool. */
struct entry {
	const char *name, *path;
};
struct entries {
	struct entry *items;
	unsigned count, capacity;
	struct index_config *config;
	const struct index_complaints *complaints;
};

void index_complain(const struct index_complaints *to, const char *format, ...)
{
	va_list list;
	char text[1024];

	if (!to->complain)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	to->complain(to->data, text);
}

int index_config_stamp(
	struct index_config *config, const char *path, const struct stat *st)
{
	struct stat now;

	if (base_grow(&config->stamps, config->stamp_count, &config->stamp_capacity,
		    sizeof(*config->stamps)) != 0)
		return -ENOMEM;
	if (!st && base_sys_stat(path, &now) != 0)
		memset(&now, 0, sizeof(now));
	if (!st)
		st = &now;
	path = index_pool_copy(&config->pool, path, strlen(path));
	if (!path)
		return -ENOMEM;
	config->stamps[config->stamp_count++] = (struct index_stamp){ path, st->st_mtim,
		st->st_dev, st->st_ino, st->st_size };
	return 0;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), bytes = strlen(suffix);

	return length > bytes && strcmp(name + length - bytes, suffix) == 0;
}

/* Adds @path under @name unless a file of that name counts already. */
static int add(struct entries *entries, const char *name, const char *path)
{
	struct index_pool *pool = &entries->config->pool;

	for (unsigned i = 0; i < entries->count; i++) {
		if (strcmp(entries->items[i].name, name) == 0)
			return 0;
	}
	if (base_grow(&entries->items, entries->count, &entries->capacity,
		    sizeof(*entries->items)) != 0)
		return -ENOMEM;
	path = index_pool_copy(pool, path, strlen(path));
	name = index_pool_copy(pool, name, strlen(name));
	if (!path || !name)
		return -ENOMEM;
	entries->items[entries->count++] = (struct entry){ name, path };
	return 0;
}

/* Neither a directory nor a pipe can be configuration; a device may mask a file. */
static bool can_be_read(struct entries *entries, const char *path, unsigned char type)
{
	struct stat st;

	if (type == DT_REG)
		return true;
	if (base_sys_stat(path, &st) != 0)
		return true; /* told when it is read */
	if (!S_ISDIR(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return true;
	index_complain(entries->complaints, "%s is no file, and is passed over", path);
	return false;
}

static int add_directory(struct entries *entries, const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *item;
	int err = 0;

	if (!directory) {
		index_complain(entries->complaints, "%s: %s", path, strerror(errno));
		return 0;
	}
	while (!err && (item = readdir(directory)) != NULL) {
		const char *name = item->d_name;
		if (name[0] == '.' ||
			(!has_suffix(name, ".conf") && !has_suffix(name, ".alias")))
			continue;
		BASE_AUTO_FREE char *file = index_join(path, "/", name, NULL);
		if (!file)
			err = -ENOMEM;
		else if (can_be_read(entries, file, item->d_type))
			err = add(entries, name, file);
	}
	closedir(directory);
	return err;
}

static int add_path(struct entries *entries, const char *path)
{
	struct index_config *config = entries->config;
	struct stat st;
	int err = base_sys_stat(path, &st);

	if (err)
		memset(&st, 0, sizeof(st));
	if (index_config_stamp(config, path, &st) != 0)
		return -ENOMEM;
	if (err)
		return 0;
	const struct index_stamp *last = &config->stamps[config->stamp_count - 1];
	/* /lib is /usr/lib on most systems. */
	for (const struct index_stamp *s = config->stamps; s < last; s++) {
		if (s->inode == last->inode && s->device == last->device)
			return 0;
	}
	if (S_ISDIR(st.st_mode))
		return add_directory(entries, path);
	if (!can_be_read(entries, path, S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN))
		return 0;
	const char *slash = strrchr(path, '/');
	return add(entries, slash ? slash + 1 : path, path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int parse_entry(struct entries *entries, const struct entry *entry)
{
	char *bytes;
	size_t count;
	struct stat st;
	int err = index_read_file(entry->path, &bytes, &count, &st);

	if (err == -ENOMEM)
		return err;
	if (index_config_stamp(entries->config, entry->path, err ? NULL : &st) != 0) {
		if (!err)
			base_free(bytes);
		return -ENOMEM;
	}
	if (err) {
		index_complain(
			entries->complaints, "%s: %s", entry->path, strerror(-err));
		return 0;
	}
	err = index_config_parse(
		entries->config, entry->path, bytes, count, entries->complaints);
	base_free(bytes);
	return err;
}

static int read_command_line(struct index_config *config, const char *given)
{
	char *text = NULL;
	size_t count;

	if (given) {
		text = base_strdup(given);
		if (!text)
			return -ENOMEM;
	} else if (index_read_file("/proc/cmdline", &text, &count, NULL) != 0) {
		return 0; /* no /proc: in a chroot */
	}
	int err = index_config_parse_command_line(config, text);
	base_free(text);
	return err;
}

int index_config_read(struct index_config *config, const char *const *paths,
	const char *directory, const char *command_line,
	const struct index_complaints *complaints)
{
	static const char *const of_tree[] = { "modules.softdep", "modules.weakdep" };
	struct entries entries = { .config = config, .complaints = complaints };
	int err = 0;

	paths = paths ? paths : default_paths;
	for (unsigned i = 0; !err && paths[i]; i++)
		err = add_path(&entries, paths[i]);
	for (unsigned i = 0; !err && directory && i < base_array_count(of_tree); i++) {
		BASE_AUTO_FREE char *path = index_join(directory, "/", of_tree[i], NULL);
		err = path ? add_path(&entries, path) : -ENOMEM;
	}
	if (entries.count > 1)
		qsort(entries.items, entries.count, sizeof(*entries.items), by_name);
	for (unsigned i = 0; !err && i < entries.count; i++)
		err = parse_entry(&entries, &entries.items[i]);
	base_free(entries.items);
	return err ? err : read_command_line(config, command_line);
}

void index_config_free(struct index_config *config)
{
	for (unsigned i = 0; i < INDEX_CONFIG_COUNT; i++)
		base_free(config->lines[i].items);
	base_free(config->stamps);
	index_pool_free(&config->pool);
	memset(config, 0, sizeof(*config));
}

const struct index_config_line *index_config_find(const struct index_config *config,
	enum index_directive directive, const char *module)
{
	const struct index_config_lines *lines = &config->lines[directive];

	for (unsigned i = 0; i < lines->count; i++) {
		if (index_match(lines->items[i].name, module))
			return &lines->items[i];
	}
	return NULL;
}
