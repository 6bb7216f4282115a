/* SPDX-License-Identifier: MIT */
/*
 * Finds the modules of a tree, decides between files of one name, and puts them in order.
 * Opens directories and the lists beside them, no module.
 */
#include "index/depmod_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A directory that is being walked, and those that it is in. */
struct place {
	const struct place *above;
	DIR *stream;
	char *path; /* PATH_MAX; ends after the directory's own '/' */
	size_t bytes;
	size_t base; /* where the path below the tree begins; 0: not in the tree */
};

bool depmod_is_excluded(const struct depmod_config *config, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		strcmp(name, "build") == 0 || strcmp(name, "source") == 0)
		return true;
	for (unsigned i = 0; i < config->exclude_count; i++) {
		if (strcmp(config->excludes[i].path, name) == 0)
			return true;
	}
	return false;
}

/* ---- which of two files of one name ---- */

static bool is_below(const char *path, size_t stem, const char *top, size_t bytes)
{
	return stem > bytes && path[bytes] == '/' && memcmp(path, top, bytes) == 0;
}

/* Where @path stands in the list of searches; -1: nowhere. */
static int external_rank(
	const struct depmod_config *config, const char *path, size_t stem, int first)
{
	int rank = -1;
	for (unsigned i = 0; i < config->external_count; i++) {
		const struct depmod_path *external = &config->externals[i];
		if (is_below(path, stem, external->path, external->bytes))
			rank = first + (int)i;
	}
	return rank;
}

/*
 * Whether @old stays although @path, too, has its name. The rules are kmod's, of which
 * one is that of two below the same directory of `search` the later wins.
 */
static bool keeps(const struct depmod_config *config, const struct depmod_module *old,
	const char *path, size_t stem)
{
	bool new_inside = path[0] != '/', old_inside = old->path[0] != '/';
	int new_rank = -1, old_rank = -1, built_in = -1, rank = 0;

	for (unsigned i = 0; i < config->override_count; i++) {
		const struct depmod_path *o = &config->overrides[i];
		if (new_inside && stem == o->bytes && memcmp(o->path, path, stem) == 0)
			return false;
		if (old_inside && old->stem_bytes == o->bytes &&
			memcmp(o->path, old->path, o->bytes) == 0)
			return true;
	}
	for (unsigned i = 0; i < config->search_count; i++, rank++) {
		const struct depmod_search *s = &config->searches[i];
		if (s->type == DEPMOD_BUILT_IN) {
			built_in = rank;
		} else if (s->type == DEPMOD_EXTERNAL) {
			int found = external_rank(config, path, stem, rank);
			new_rank = found >= 0 ? found : new_rank;
			found = external_rank(config, old->path, old->stem_bytes, rank);
			old_rank = found >= 0 ? found : old_rank;
			rank += (int)config->external_count;
		} else if (new_inside && is_below(path, stem, s->path, s->bytes)) {
			new_rank = rank;
		} else if (old_inside &&
			   is_below(old->path, old->stem_bytes, s->path, s->bytes)) {
			old_rank = rank;
		}
	}
	if (new_rank < 0)
		new_rank = built_in;
	if (old_rank < 0)
		old_rank = built_in;
	return new_rank <= old_rank;
}

/* ---- files ---- */

static struct depmod_module *find(struct depmod *depmod, const char *name, size_t length)
{
	uint64_t key = base_hash_bytes(name, length);
	size_t cursor = 0;
	void *value;

	while ((value = base_map_next(&depmod->by_name, key, &cursor)) != NULL) {
		struct depmod_module *module = &depmod->modules[(uintptr_t)value - 1];
		if (strcmp(module->name, name) == 0)
			return module;
	}
	return NULL;
}

/* @path is below the tree, or absolute. */
static int add(struct depmod *depmod, const char *path, size_t length)
{
	const char *slash = memrchr(path, '/', length);
	size_t start = slash ? (size_t)(slash - path) + 1 : 0;
	size_t name_bytes = strcspn(path + start, ".");
	char name[NAME_MAX + 1];

	if (name_bytes > NAME_MAX)
		return 0;
	for (size_t i = 0; i < name_bytes; i++)
		name[i] = path[start + i] == '-' ? '_' : path[start + i];
	name[name_bytes] = '\0';
	struct depmod_module *module = find(depmod, name, name_bytes);
	if (module && keeps(&depmod->config, module, path, start + name_bytes))
		return 0;
	if (!module) {
		int result = base_grow(&depmod->modules, depmod->module_count,
			&depmod->module_capacity, sizeof(*depmod->modules));
		if (result == 0)
			result = base_map_put(&depmod->by_name,
				base_hash_bytes(name, name_bytes),
				(void *)(uintptr_t)(depmod->module_count + 1));
		if (result)
			return result;
		module = &depmod->modules[depmod->module_count++];
	}
	*module = (struct depmod_module){
		.path = index_arena_copy(&depmod->arena, path, length),
		.name = index_arena_copy(&depmod->arena, name, name_bytes),
		.hash = index_kmod_hash(name, name_bytes),
		.order = INT_MAX,
		.stem_bytes = start + name_bytes,
	};
	module->shown = module->path;
	/* Those that are packed take long enough for threads. */
	if (length < 3 || memcmp(path + length - 3, ".ko", 3) != 0)
		depmod->any_packed = true;
	return module->path && module->name ? 0 : -ENOMEM;
}

static int walk(struct depmod *depmod, struct place *place);

/* A link may lead to a directory that we are in: that would not end. */
static bool is_above(const struct place *place, const struct stat *st)
{
	for (; place; place = place->above) {
		struct stat above;
		if (fstat(dirfd(place->stream), &above) == 0 &&
			above.st_dev == st->st_dev && above.st_ino == st->st_ino)
			return true;
	}
	return false;
}

static int enter(struct depmod *depmod, struct place *place, size_t length)
{
	struct place below = { place, NULL, place->path, place->bytes + length + 1,
		place->base };

	/* By path: from a descriptor would take two calls more. */
	below.stream = opendir(place->path);
	if (!below.stream) {
		depmod_say(depmod, INDEX_ERROR, "could not open directory %s: %s",
			place->path, strerror(errno));
		return 0;
	}
	place->path[place->bytes + length] = '/';
	place->path[place->bytes + length + 1] = '\0';
	int result = walk(depmod, &below);
	closedir(below.stream);
	return result;
}

/* DT_REG, DT_DIR, or DT_UNKNOWN: told. */
static unsigned char type_of(
	struct depmod *depmod, const struct place *place, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type == DT_REG || entry->d_type == DT_DIR)
		return entry->d_type;
	if (fstatat(dirfd(place->stream), entry->d_name, &st, 0) < 0) {
		depmod_say(depmod, INDEX_ERROR, "%s: %s", place->path, strerror(errno));
		return DT_UNKNOWN;
	}
	if (S_ISREG(st.st_mode))
		return DT_REG;
	if (!S_ISDIR(st.st_mode)) {
		depmod_say(depmod, INDEX_ERROR, "unsupported file type %s: %o",
			place->path, st.st_mode & S_IFMT);
		return DT_UNKNOWN;
	}
	if (is_above(place, &st)) {
		depmod_say(depmod, INDEX_ERROR,
			"%s: a link to a directory that it is in, not followed",
			place->path);
		return DT_UNKNOWN;
	}
	return DT_DIR;
}

static int walk(struct depmod *depmod, struct place *place)
{
	int result = 0;

	for (struct dirent *entry;
		result == 0 && (entry = readdir(place->stream)) != NULL;) {
		size_t length = strlen(entry->d_name);
		if (depmod_is_excluded(&depmod->config, entry->d_name))
			continue;
		/* Anything else costs nothing; links and unknowns must be looked at. */
		if (entry->d_type == DT_REG &&
			!index_is_module_file(entry->d_name, length))
			continue;
		if (place->bytes + length + 2 > PATH_MAX) {
			place->path[place->bytes] = '\0';
			depmod_say(depmod, INDEX_ERROR, "path is too long %s%s",
				place->path, entry->d_name);
			continue;
		}
		memcpy(place->path + place->bytes, entry->d_name, length + 1);
		unsigned char type = type_of(depmod, place, entry);
		if (type == DT_DIR)
			result = enter(depmod, place, length);
		else if (type == DT_REG && index_is_module_file(entry->d_name, length))
			result = add(depmod, place->path + place->base,
				place->bytes + length - place->base);
	}
	return result;
}

static int walk_from(struct depmod *depmod, const char *top, bool inside)
{
	char path[PATH_MAX + 1];
	struct place place = { NULL, NULL, path, strlen(top) + 1, 0 };
	int result;

	if (place.bytes >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, top, place.bytes - 1);
	path[place.bytes - 1] = '/';
	path[place.bytes] = '\0';
	place.base = inside ? place.bytes : 0;
	place.stream = opendir(top);
	if (!place.stream) {
		result = -errno;
		depmod_say(depmod, INDEX_ERROR, "could not open directory %s: %s", top,
			strerror(-result));
		return result;
	}
	result = walk(depmod, &place);
	closedir(place.stream);
	return result;
}

/* The files that were named. Below the tree they are called as if they had been found. */
static int add_files(struct depmod *depmod)
{
	const struct index_depmod_options *options = depmod->options;
	size_t bytes = depmod->directory_bytes;
	int result = 0;

	for (unsigned i = 0; options->files[i] && result == 0; i++) {
		const char *path = options->files[i];
		struct stat st;
		if (path[0] != '/')
			return depmod_fail(depmod, -EINVAL, path, "not absolute path.");
		if (stat(path, &st) != 0)
			return depmod_fail(depmod, -errno, path,
				"could not create module: %s", strerror(errno));
		if (strncmp(path, options->directory, bytes) == 0 && path[bytes] == '/')
			path += bytes + 1;
		unsigned before = depmod->module_count;
		result = add(depmod, path, strlen(path));
		if (result == 0 && depmod->module_count == before)
			return depmod_fail(depmod, -EEXIST, path,
				"could not add module: File exists");
	}
	return result;
}

int depmod_scan(struct depmod *depmod)
{
	const struct depmod_config *config = &depmod->config;
	int result;

	if (depmod->options->files)
		return add_files(depmod);
	result = walk_from(depmod, depmod->options->directory, true);
	if (result && result != -ENOMEM)
		return depmod_fail(depmod, result, depmod->options->directory,
			"could not search modules: %s", strerror(-result));
	for (unsigned i = 0; i < config->external_count && result == 0; i++) {
		/* One that is not there is told and passed over. */
		if (walk_from(depmod, config->externals[i].path, false) == -ENOMEM)
			result = -ENOMEM;
	}
	return result;
}

/* ---- order ---- */

static int compare(const void *a, const void *b)
{
	const struct depmod_module *x = a, *y = b;
	uint32_t p = x->hash % DEPMOD_NAME_CHAINS, q = y->hash % DEPMOD_NAME_CHAINS;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return p != q ? (p < q ? -1 : 1) : strcmp(x->name, y->name);
}

int depmod_read_input(struct depmod *depmod, const char *name, struct feature_buffer *out)
{
	struct umod_error cause = { 0 };
	int fd = openat(depmod->directory, name, O_RDONLY | O_CLOEXEC), result = -errno;

	if (fd >= 0) {
		result = feature_read(fd, name, FEATURE_LIMIT_BYTES, out, NULL, &cause);
		close(fd);
	}
	if (result == 0 && feature_buffer_reserve(out, out->count + 1))
		result = -ENOMEM;
	if (result) {
		depmod_say(depmod, INDEX_WARNING, "could not open %s at %s: %s", name,
			depmod->options->directory, strerror(-result));
		return result;
	}
	out->bytes[out->count] = '\0';
	return 0;
}

/* Gives each module its line. A list whose last line is cut is not used at all. */
static int number_lines(struct depmod *depmod, char *text, size_t count)
{
	struct base_map map = { 0 };
	int result = 0, number = 0;

	if (count && text[count - 1] != '\n') {
		for (size_t i = 0; i < count; i++)
			number += text[i] == '\n';
		depmod_say(depmod, INDEX_ERROR,
			"%s/modules.order:%d corrupted line misses '\\n'",
			depmod->options->directory, number + 1);
		return 0;
	}
	for (unsigned i = 0; i < depmod->module_count && result == 0; i++) {
		const struct depmod_module *m = &depmod->modules[i];
		result = base_map_put(&map, base_hash_bytes(m->path, m->stem_bytes),
			(void *)(uintptr_t)(i + 1));
	}
	for (char *line = text, *end; result == 0 && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		size_t bytes = (size_t)(end - line), cursor = 0;
		void *value;
		number++;
		if (bytes < 3 || memcmp(end - 3, ".ko", 3) != 0)
			continue;
		uint64_t key = base_hash_bytes(line, bytes - 3);
		while ((value = base_map_next(&map, key, &cursor)) != NULL) {
			struct depmod_module *m = &depmod->modules[(uintptr_t)value - 1];
			if (m->stem_bytes == bytes - 3 &&
				memcmp(m->path, line, bytes - 3) == 0)
				m->order = number;
		}
	}
	base_map_free(&map);
	return result;
}

int depmod_order(struct depmod *depmod)
{
	struct feature_buffer buffer = { 0 };
	int result = depmod_read_input(depmod, "modules.order", &buffer);

	if (result == 0)
		result = number_lines(depmod, (char *)buffer.bytes, buffer.count);
	feature_buffer_free(&buffer);
	if (depmod->module_count)
		qsort(depmod->modules, depmod->module_count, sizeof(*depmod->modules),
			compare);
	/* Numbers in it are old now, and nobody asks it again. */
	base_map_free(&depmod->by_name);
	depmod->by_name = (struct base_map){ 0 };
	return result == -ENOMEM ? result : 0;
}
