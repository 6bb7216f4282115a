/* SPDX-License-Identifier: MIT */
/*
 * Directories and lists of them, remembered by their text, with which of the processor's
 * subdirectories are there: a name is then looked for only where it can be. As in ld.so,
 * a directory found missing stays so for the life of the configuration (or until there
 * are very many). The caller's lock protects it all.
 */
#include "find/internal.h"

#define LISTS_MAX 4096 /* a host with ever new plugin directories must not grow */

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#else
#define MULTIARCH "."
#endif
/* What Debian's ld.so is built with (ld.so --help lists it). */
const char find_default_path[] =
	"/lib/" MULTIARCH ":/usr/lib/" MULTIARCH ":/lib:/usr/lib";

/* The errors of a stat that say "not there", and not "not now". */
static bool is_missing(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -EACCES ||
	       err == -ENAMETOOLONG;
}

/* 1 a directory, 0 none, or a negative errno where that cannot be told. */
static int is_dir(const char *path)
{
	struct stat st;
	int err = base_sys_stat(path, &st);

	if (err)
		return is_missing(err) ? 0 : err;
	return S_ISDIR(st.st_mode);
}

/*
 * Asks first for the directory itself and for the first component of each subdirectory:
 * mostly none of them is there, and three or four calls settle it.
 */
static int probe(const struct find_dir *dir, uint32_t *usable)
{
	char path[PATH_MAX];
	unsigned count;
	const struct find_subdir *subs = find_subdirs(&count);
	uint32_t asked = 0, there = 0;
	int is = 1;

	*usable = 0;
	if (dir->length + sizeof(subs->text) >= sizeof(path))
		return 0;
	memcpy(path, dir->name, dir->length + 1);
	if (dir->length && (is = is_dir(path)) <= 0)
		return is;
	for (unsigned i = 0; i < count; i++) {
		const struct find_subdir *sub = &subs[i];
		uint32_t bit = 1u << sub->top;
		if (!(asked & bit) && sub->length) {
			memcpy(path + dir->length, sub->text, sub->top_length);
			path[dir->length + sub->top_length] = '\0';
			is = is_dir(path);
			if (is < 0)
				return is;
			asked |= bit;
			there |= is ? bit : 0;
		}
		is = sub->length == 0 || there & bit;
		if (is && sub->length > sub->top_length + 1) {
			memcpy(path + dir->length, sub->text, sub->length + 1);
			is = is_dir(path);
			if (is < 0)
				return is;
		}
		*usable |= is ? 1u << i : 0;
	}
	return 0;
}

uint32_t find_dir_usable(struct find_dir *dir)
{
	uint32_t usable;

	if (dir->is_probed)
		return dir->usable;
	if (probe(dir, &usable))
		return UINT32_MAX; /* cannot be told now: try everything, ask again */
	/* Where a relative one is depends on the current directory. */
	dir->is_probed = !dir->is_relative;
	dir->usable = usable;
	return usable;
}

/* The directory of that name, which is without slashes at its end. */
static struct find_dir *get_dir(struct find_config *config, const char *name, size_t n)
{
	bool has_root = config->root && name[0] == '/' &&
			!(n > config->root_length &&
				memcmp(name, config->root, config->root_length) == 0 &&
				name[config->root_length] == '/');
	size_t before = has_root ? config->root_length : 0;
	uint64_t key = base_hash_bytes(name, n) ^ has_root;
	size_t cursor = 0, length = before + n;
	struct find_dir *dir;

	length += n > 0 && name[n - 1] != '/';
	while ((dir = base_map_next(&config->dirs, key, &cursor))) {
		if (dir->length == length && memcmp(dir->name + before, name, n) == 0 &&
			(!before || memcmp(dir->name, config->root, before) == 0))
			return dir;
	}
	dir = base_zalloc(sizeof(*dir) + length + 1);
	if (!dir)
		return NULL;
	if (before)
		memcpy(dir->name, config->root, before);
	memcpy(dir->name + before, name, n);
	if (length > before + n)
		dir->name[length - 1] = '/';
	dir->length = length;
	dir->is_relative = dir->name[0] != '/';
	if (base_map_put(&config->dirs, key, dir)) {
		base_free(dir);
		return NULL;
	}
	return dir;
}

/* Adds the directory that @element (which this changes) names, unless it is there. */
static int add_element(struct find_config *config, char *element, const char *asker_path,
	struct find_list *list)
{
	BASE_AUTO_FREE char *expanded = NULL;

	if (strchr(element, '$')) {
		int err = find_expand(element, asker_path, &expanded);
		if (err)
			return err == -ENOENT ? 0 : err;
		element = expanded;
		if (!element[0])
			return 0;
	}
	size_t n = strlen(element);
	while (n > 1 && element[n - 1] == '/')
		n--;
	struct find_dir *dir = get_dir(config, element, n);
	if (!dir)
		return -ENOMEM;
	for (unsigned i = 0; i < list->count; i++) {
		if (list->dirs[i] == dir)
			return 0;
	}
	list->dirs[list->count++] = dir;
	return 0;
}

static int new_list(struct find_config *config, const char *text, const char *separators,
	const char *asker_path, const char *origin, struct find_list **out)
{
	BASE_AUTO_FREE char *copy = base_strdup(text);
	size_t text_bytes = strlen(text) + 1;
	size_t origin_bytes = origin ? strlen(origin) + 1 : 0;
	unsigned most = 1;

	if (!copy)
		return -ENOMEM;
	for (const char *p = text; (p = strpbrk(p, separators)); p++)
		most++;
	size_t head = sizeof(struct find_list) + most * sizeof(struct find_dir *);
	struct find_list *list = base_zalloc(head + text_bytes + origin_bytes);
	if (!list)
		return -ENOMEM;
	char *strings = (char *)list + head;
	list->text = memcpy(strings, text, text_bytes);
	list->separator = separators[1];
	if (origin)
		list->origin = memcpy(strings + text_bytes, origin, origin_bytes);
	/* An empty text is no directory; an empty element is the current one. */
	for (char *rest = text[0] ? copy : NULL, *element;
		(element = strsep(&rest, separators));) {
		int err = add_element(config, element, asker_path, list);
		if (err) {
			base_free(list);
			return err;
		}
	}
	*out = list;
	return 0;
}

int find_list_get(struct find_config *config, const char *text, const char *separators,
	const char *asker_path, struct find_list **out)
{
	char buffer[PATH_MAX];
	const char *origin = NULL;
	size_t cursor = 0;
	uint64_t key = base_hash_bytes(text, strlen(text)) ^ (uint8_t)separators[1];
	struct find_list *list;

	if (strchr(text, '$')) {
		origin = find_origin(asker_path, buffer) ? "" : buffer;
		key ^= base_mix(base_hash_bytes(origin, strlen(origin)));
	}
	while ((list = base_map_next(&config->lists, key, &cursor))) {
		if (strcmp(list->text, text) == 0 && list->separator == separators[1] &&
			!list->origin == !origin &&
			(!origin || strcmp(list->origin, origin) == 0)) {
			*out = list;
			return 0;
		}
	}
	int err = new_list(config, text, separators, asker_path, origin, &list);
	if (err)
		return err;
	err = base_map_put(&config->lists, key, list);
	if (err) {
		base_free(list);
		return err;
	}
	config->list_count++;
	*out = list;
	return 0;
}

int find_library_list(struct find_config *config, struct find_list **out)
{
	int err = 0;

	if (!config->library_list && config->library_path)
		err = find_list_get(config, config->library_path, ":;", FIND_SELF,
			&config->library_list);
	*out = config->library_list;
	return err;
}

int find_default_list(struct find_config *config, struct find_list **out)
{
	int err = 0;

	if (!config->default_list)
		err = find_list_get(
			config, find_default_path, ":", NULL, &config->default_list);
	*out = config->default_list;
	return err;
}

static void free_all(struct base_map *map)
{
	for (size_t i = 0; map->entries && i <= map->mask; i++) {
		void *value = map->entries[i].value;
		if (value && value != BASE_MAP_GONE)
			base_free(value);
	}
	base_map_free(map);
	memset(map, 0, sizeof(*map));
}

void find_dirs_trim(struct find_config *config, bool always)
{
	if (base_likely(!always && config->list_count < LISTS_MAX))
		return;
	free_all(&config->lists);
	free_all(&config->dirs);
	config->list_count = 0;
	config->library_list = config->default_list = NULL;
}
