/* SPDX-License-Identifier: MIT */
/*
 * depmod.d: which directories of a tree come first, which further ones there are, which
 * are left out. Directories of configuration are read as kmod reads them: of files of one
 * name the first directory's counts, and files are taken in the order of their names.
 */
#include "index/depmod_internal.h"
#include "index/index.h"

#include <dirent.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const default_paths[] = { "/etc/depmod.d", "/run/depmod.d",
	"/usr/local/lib/depmod.d", "/usr/lib/depmod.d", "/lib/depmod.d", NULL };

/* Files found, by name. */
struct list {
	struct file {
		const char *name, *path;
	} * items;
	unsigned count, capacity;
};

static bool matches(struct depmod *depmod, const char *pattern)
{
	regex_t expression;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool match = regexec(&expression, depmod->options->release, 0, NULL, 0) == 0;
	regfree(&expression);
	return match;
}

static int add_path(struct depmod *depmod, struct depmod_path **items, unsigned *count,
	unsigned *capacity, const char *path)
{
	int result = base_grow(items, *count, capacity, sizeof(**items));
	if (result)
		return result;
	const char *copy = index_arena_copy(&depmod->arena, path, strlen(path));
	(*items)[*count] = (struct depmod_path){ copy, strlen(path) };
	++*count;
	return copy ? 0 : -ENOMEM;
}

static int add_search(struct depmod *depmod, const char *path)
{
	struct depmod_config *config = &depmod->config;
	int result = base_grow(&config->searches, config->search_count,
		&config->search_capacity, sizeof(*config->searches));
	if (result)
		return result;
	struct depmod_search *search = &config->searches[config->search_count++];
	search->type = strcmp(path, "built-in") == 0   ? DEPMOD_BUILT_IN
		       : strcmp(path, "external") == 0 ? DEPMOD_EXTERNAL
						       : DEPMOD_PATH;
	search->path = index_arena_copy(&depmod->arena, path, strlen(path));
	search->bytes = strlen(path);
	return search->path ? 0 : -ENOMEM;
}

/* "override MODULE RELEASE DIRECTORY", kept as "DIRECTORY/MODULE". */
static int add_override(struct depmod *depmod, char **words, const char *where)
{
	struct depmod_config *config = &depmod->config;
	char *path;

	if (!matches(depmod, words[1])) {
		depmod_say(depmod, INDEX_INFO, "%s: override kernel did not match %s",
			where, words[1]);
		return 0;
	}
	path = base_printf("%s/%s", words[2], words[0]);
	if (!path)
		return -ENOMEM;
	int result = add_path(depmod, &config->overrides, &config->override_count,
		&config->override_capacity, path);
	base_free(path);
	return result;
}

static int add_external(struct depmod *depmod, char **words, const char *where)
{
	struct depmod_config *config = &depmod->config;

	if (!matches(depmod, words[0])) {
		depmod_say(depmod, INDEX_INFO, "%s: external directory did not match %s",
			where, words[0]);
		return 0;
	}
	return add_path(depmod, &config->externals, &config->external_count,
		&config->external_capacity, words[1]);
}

static int parse(struct depmod *depmod, const char *command, char **words, unsigned count,
	const char *where)
{
	struct depmod_config *config = &depmod->config;
	int result = 0;

	if (strcmp(command, "search") == 0) {
		for (unsigned i = 0; i < count && result == 0; i++)
			result = add_search(depmod, words[i]);
	} else if (strcmp(command, "override") == 0 && count >= 3) {
		result = add_override(depmod, words, where);
	} else if (strcmp(command, "external") == 0 && count >= 2) {
		result = add_external(depmod, words, where);
	} else if (strcmp(command, "exclude") == 0) {
		for (unsigned i = 0; i < count && result == 0; i++)
			result = add_path(depmod, &config->excludes,
				&config->exclude_count, &config->exclude_capacity,
				words[i]);
	} else if (strcmp(command, "include") == 0 ||
		   strcmp(command, "make_map_files") == 0) {
		depmod_say(depmod, INDEX_INFO, "%s: command %s not implemented yet",
			where, command);
	} else {
		depmod_say(depmod, INDEX_ERROR,
			"%s: ignoring bad line starting with '%s'", where, command);
	}
	return result;
}

/* Splits a line at blanks and hands it on; lines that '\' joined are one line. */
static int parse_line(
	struct depmod *depmod, char *line, const char *path, unsigned number)
{
	BASE_AUTO_FREE char **words = base_array(strlen(line) / 2 + 1, sizeof(*words));
	BASE_AUTO_FREE char *where = base_printf("%s:%u", path, number);
	unsigned count = 0;
	char *state;

	if (!words || !where)
		return -ENOMEM;
	if (line[0] == '#')
		return 0;
	char *command = strtok_r(line, "\t ", &state);
	if (!command)
		return 0;
	for (char *word; (word = strtok_r(NULL, "\t ", &state)) != NULL;)
		words[count++] = word;
	return parse(depmod, command, words, count, where);
}

static int parse_text(struct depmod *depmod, char *text, const char *path)
{
	unsigned number = 0;
	int result = 0;

	for (const char *end = text + strlen(text); text < end && result == 0;) {
		unsigned lines;
		char *line = index_config_line(&text, end, &lines);
		number += lines;
		result = parse_line(depmod, line, path, number);
	}
	return result;
}

static int parse_file(struct depmod *depmod, const char *path)
{
	struct feature_buffer buffer = { 0 };
	struct umod_error cause = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC), result = -errno;

	if (fd >= 0) {
		result = feature_read(fd, path, 16 << 20, &buffer, NULL, &cause);
		close(fd);
	}
	if (result == 0)
		result = feature_buffer_reserve(&buffer, buffer.count + 1);
	if (result != 0 || !buffer.bytes) {
		depmod_say(depmod, INDEX_ERROR, "file parse %s: %s", path,
			strerror(-result));
		result = result == -ENOMEM ? result : 0;
	} else {
		buffer.bytes[buffer.count] = '\0';
		result = parse_text(depmod, (char *)buffer.bytes, path);
	}
	feature_buffer_free(&buffer);
	return result;
}

static int add_file(
	struct depmod *depmod, struct list *list, const char *directory, const char *name)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].name, name) == 0)
			return 0;
	}
	int result = base_grow(
		&list->items, list->count, &list->capacity, sizeof(*list->items));
	if (result)
		return result;
	char *path =
		directory ? base_printf("%s/%s", directory, name) : base_strdup(name);
	if (!path)
		return -ENOMEM;
	const char *copy = index_arena_copy(&depmod->arena, path, strlen(path));
	base_free(path);
	if (!copy)
		return -ENOMEM;
	const char *slash = strrchr(copy, '/');
	list->items[list->count++] = (struct file){ slash ? slash + 1 : copy, copy };
	return 0;
}

static bool is_config(struct depmod *depmod, const char *path, const char *name)
{
	size_t length = strlen(name);

	if (name[0] == '.')
		return false;
	if (length < 6 || strcmp(name + length - 5, ".conf") != 0) {
		depmod_say(depmod, INDEX_INFO, "All cfg files need .conf: %s/%s", path,
			name);
		return false;
	}
	return true;
}

static int add_place(struct depmod *depmod, struct list *list, const char *path)
{
	int result = 0;
	struct stat st;

	if (stat(path, &st) != 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return add_file(depmod, list, NULL, path);
	DIR *directory = opendir(path);
	if (!directory) {
		depmod_say(
			depmod, INDEX_ERROR, "files list %s: %s", path, strerror(errno));
		return 0;
	}
	for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;) {
		if (!is_config(depmod, path, entry->d_name))
			continue;
		if (fstatat(dirfd(directory), entry->d_name, &st, 0) == 0 &&
			S_ISDIR(st.st_mode))
			depmod_say(depmod, INDEX_ERROR,
				"Directories inside directories are not supported: %s/%s",
				path, entry->d_name);
		else
			result = add_file(depmod, list, path, entry->d_name);
	}
	closedir(directory);
	return result;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void reverse(void *items, unsigned count, size_t bytes)
{
	char kept[sizeof(struct depmod_search)];

	if (count == 0)
		return;
	char *low = items, *high = low + (count - 1) * bytes;
	for (; low < high; low += bytes, high -= bytes) {
		memcpy(kept, low, bytes);
		memcpy(low, high, bytes);
		memcpy(high, kept, bytes);
	}
}

int depmod_config_read(struct depmod *depmod)
{
	struct depmod_config *config = &depmod->config;
	const char *const *paths = depmod->options->config_paths;
	struct list list = { 0 };
	int result = 0;

	if (!paths)
		paths = default_paths;
	for (; *paths && result == 0; paths++)
		result = add_place(depmod, &list, *paths);
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_name);
	for (unsigned i = 0; i < list.count && result == 0; i++)
		result = parse_file(depmod, list.items[i].path);
	base_free(list.items);
	if (result == 0 && config->search_count == 0)
		result = add_search(depmod, "updates");
	/* What comes last in the files is asked first. */
	reverse(config->searches, config->search_count, sizeof(*config->searches));
	reverse(config->overrides, config->override_count, sizeof(*config->overrides));
	reverse(config->externals, config->external_count, sizeof(*config->externals));
	return result;
}

void depmod_config_free(struct depmod_config *config)
{
	base_free(config->searches);
	base_free(config->overrides);
	base_free(config->externals);
	base_free(config->excludes);
}
