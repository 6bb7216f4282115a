/* SPDX-License-Identifier: MIT */
/*
 * A tree: its indexes and its configuration, opened together and never changed. What they
 * mean together is resolve.c's.
 */
#include "index/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DIRECTORY "/lib/modules"

/* As kmod shows it: from the root, but not made simpler. */
static int make_absolute(char **path)
{
	char *here = (*path)[0] == '/' ? NULL : getcwd(NULL, 0);

	if (!here)
		return 0;
	char *whole = index_join(here, "/", *path, NULL);
	free(here); /* libc's */
	if (!whole)
		return -ENOMEM;
	base_free(*path);
	*path = whole;
	return 0;
}

static int find_directory(
	const struct umod_modtree_options *o, char **out, struct umod_error *error)
{
	struct utsname names;
	const char *root = o->root ? o->root : "";

	if (o->directory) {
		*out = base_strdup(o->directory);
	} else if (o->release) {
		*out = index_join(root, DIRECTORY "/", o->release, NULL);
	} else {
		if (uname(&names) != 0)
			return base_error(error, UMOD_STAGE_NONE, -errno, NULL,
				"the running kernel's release is not known: %s",
				strerror(errno));
		*out = index_join(root, DIRECTORY "/", names.release, NULL);
	}
	return *out ? make_absolute(out) : -ENOMEM;
}

static int open_index(struct index_tree *tree, enum index_kind kind)
{
	struct umod_error why = { 0 };
	struct index_file *file = NULL;
	BASE_AUTO_FREE char *path = index_join(
		tree->directory, "/modules.", index_kind_name(kind), ".bin", NULL);

	/* Before it is opened: a newer one makes the tree stale. */
	if (!path || index_config_stamp(&tree->config, path, NULL) != 0)
		return -ENOMEM;
	int err = index_file_open(tree->directory, kind, tree->map, &file, &why);
	if (err == -ENOMEM)
		return err;
	if (why.code)
		index_complain(&tree->complaints, "%s", why.message);
	if (file && index_file_is_text(file))
		index_complain(&tree->complaints, "%s%s%s is read instead",
			why.code ? "" : path,
			why.code ? "" : " is not there: ", index_file_path(file));
	atomic_store_explicit(&tree->slots[kind].file, file, memory_order_release);
	atomic_store_explicit(&tree->slots[kind].tried, true, memory_order_release);
	return 0;
}

struct index_file *index_tree_file(
	const struct index_tree *tree, enum index_kind kind, int *error)
{
	const struct index_slot *slot = &tree->slots[kind];

	*error = 0;
	if (!atomic_load_explicit(&slot->tried, memory_order_acquire)) {
		/* What a tree says does not change by this: it is const to callers. */
		struct index_tree *changed = (struct index_tree *)(uintptr_t)tree;
		pthread_mutex_lock(&changed->lock);
		if (!atomic_load_explicit(&slot->tried, memory_order_acquire))
			*error = open_index(changed, kind);
		pthread_mutex_unlock(&changed->lock);
	}
	return atomic_load_explicit(&slot->file, memory_order_acquire);
}

static void free_tree(struct index_tree *tree)
{
	for (unsigned kind = 0; kind < INDEX_KIND_COUNT; kind++) {
		index_file_free(tree->slots[kind].file);
		index_file_free(tree->slots[kind].damaged);
	}
	index_config_free(&tree->config);
	pthread_mutex_destroy(&tree->lock);
	base_free(tree->directory);
	base_free(tree);
}

int index_tree_new(const struct umod_modtree_options *options, struct index_tree **out,
	struct umod_error *error)
{
	struct index_tree *tree = base_zalloc(sizeof(*tree));

	if (!tree)
		return base_error(error, UMOD_STAGE_NONE, -ENOMEM, NULL,
			"no memory for a module tree");
	atomic_init(&tree->references, 1);
	pthread_mutex_init(&tree->lock, NULL);
	tree->map = options->map_indexes;
	tree->complaints = (struct index_complaints){ options->complain, options->data };
	int err = find_directory(options, &tree->directory, error);
	for (unsigned kind = 0; !err && !tree->map && kind < INDEX_KIND_COUNT; kind++)
		err = open_index(tree, kind);
	if (!err && !options->no_config)
		err = index_config_read(&tree->config, options->config_paths,
			options->only_names ? NULL : tree->directory,
			options->only_names ? "" : options->command_line,
			&tree->complaints);
	if (err) {
		free_tree(tree);
		return base_error(error, UMOD_STAGE_NONE, err, NULL,
			"a module tree cannot be read: %s", strerror(-err));
	}
	*out = tree;
	return 0;
}

void index_tree_unref(struct index_tree *tree)
{
	if (atomic_fetch_sub_explicit(&tree->references, 1, memory_order_acq_rel) == 1)
		free_tree(tree);
}

static bool any_stale(const struct index_tree *tree)
{
	for (unsigned i = 0; i < tree->config.stamp_count; i++) {
		const struct index_stamp *stamp = &tree->config.stamps[i];
		struct stat st;
		if (base_sys_stat(stamp->path, &st) != 0)
			memset(&st, 0, sizeof(st));
		if (st.st_ino != stamp->inode || st.st_size != stamp->bytes ||
			st.st_mtim.tv_sec != stamp->changed.tv_sec ||
			st.st_mtim.tv_nsec != stamp->changed.tv_nsec)
			return true;
	}
	return false;
}

bool index_tree_is_stale(const struct index_tree *tree)
{
	struct index_tree *locked = (struct index_tree *)(uintptr_t)tree;

	/* Opening an index adds to what is looked at. */
	pthread_mutex_lock(&locked->lock);
	bool stale = any_stale(tree);
	pthread_mutex_unlock(&locked->lock);
	return stale;
}

/*
 * The text in place of @bad, which others may be reading still; NULL: there is none, or
 * it is what is damaged. What else is known still counts.
 */
static struct index_file *instead(const struct index_tree *tree, enum index_kind kind,
	struct index_file *bad, const struct umod_error *why)
{
	struct index_tree *changed = (struct index_tree *)(uintptr_t)tree;
	struct index_slot *slot = &changed->slots[kind];
	struct index_file *text = NULL;

	if (index_file_is_text(bad)) {
		index_complain(&tree->complaints, "%s", why->message);
		return NULL;
	}
	pthread_mutex_lock(&changed->lock);
	text = atomic_load_explicit(&slot->file, memory_order_acquire);
	if (text == bad) {
		index_complain(&tree->complaints, "%s", why->message);
		text = NULL;
		if (index_file_open_text(tree->directory, kind, tree->map, &text, NULL) ==
			0) {
			index_complain(&tree->complaints, "%s is read instead",
				index_file_path(text));
			slot->damaged = bad;
			atomic_store_explicit(&slot->file, text, memory_order_release);
		}
	}
	pthread_mutex_unlock(&changed->lock);
	return text;
}

typedef int (*index_question)(const struct index_file *file, const char *key,
	struct index_values *out, struct umod_error *error);

static int ask(const struct index_tree *tree, enum index_kind kind,
	index_question question, const char *key, struct index_values *out)
{
	unsigned before = out->count;
	int err;
	struct index_file *file = index_tree_file(tree, kind, &err);

	while (file) {
		struct umod_error why = { 0 };
		err = question(file, key, out, &why);
		if (err >= 0 || err == -ENOMEM)
			return err;
		out->count = before;
		err = 0;
		file = instead(tree, kind, file, &why);
	}
	return err;
}

int index_tree_find(const struct index_tree *tree, enum index_kind kind, const char *key,
	struct index_values *out)
{
	return ask(tree, kind, index_file_find, key, out);
}

int index_tree_search(const struct index_tree *tree, enum index_kind kind,
	const char *text, struct index_values *out)
{
	return ask(tree, kind, index_file_search, text, out);
}

static int pass_over(const char *key, const char *value, void *data)
{
	(void)key;
	(void)value;
	(void)data;
	return 0;
}

int index_tree_walk(const struct index_tree *tree, enum index_kind kind,
	index_visit visit, void *data, struct umod_error *error)
{
	struct umod_error why = { 0 };
	int err;
	struct index_file *file = index_tree_file(tree, kind, &err), *text = NULL;

	if (!file)
		return err;
	if (index_file_walk(file, pass_over, NULL, &why) == -ELIBBAD)
		text = instead(tree, kind, file, &why);
	return index_file_walk(text ? text : file, visit, data, error);
}

int index_builtin_info(const struct index_tree *tree, const char *module,
	index_visit visit, void *data, struct umod_error *error)
{
	char name[INDEX_NAME_BYTES];
	size_t length = index_fold_name(module, name, sizeof(name)), count;
	BASE_AUTO_FREE char *path =
		index_join(tree->directory, "/modules.builtin.modinfo", NULL);
	BASE_AUTO_FREE char *bytes = NULL;
	int err = path ? index_read_file(path, &bytes, &count, NULL) : -ENOMEM;
	bool found = false;

	if (err)
		return base_error(
			error, UMOD_STAGE_OPEN, err, path, "%s", strerror(-err));
	/* "module.key=value", each ended with a NUL; there is one behind the last too.
	 * Another module of that name may follow further on: the first is meant. */
	for (char *p = bytes; !err && p < bytes + count; p += strlen(p) + 1) {
		char *key = p + length + 1;
		if (strncmp(p, name, length) != 0 || p[length] != '.') {
			if (found)
				break;
			continue;
		}
		found = true;
		char *value = strchr(key, '=');
		if (value)
			*value = '\0';
		err = visit(key, value ? value + 1 : "", data);
		if (value)
			*value = '=';
	}
	if (err || found)
		return err;
	return base_error(error, UMOD_STAGE_LOOKUP, -ENOENT, module,
		"%s has no entry in %s", name, path);
}
