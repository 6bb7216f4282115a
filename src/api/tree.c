/* SPDX-License-Identifier: MIT */
/*
 * umod_image_tree: where the needs of an image are, breadth first, as a load would find
 * them. Files are opened and described, never mapped to run. What it does not know: names
 * that other modules of the process already answer to; only the host's count.
 */
#include "registry/registry.h"

#include <umod/image.h>

#include <stdio.h>

/* One file of the tree. */
struct tree_node {
	char *path;
	char *strings[3]; /* soname, rpath, runpath: copies, as the file is closed */
	char **needs;
	unsigned need_count, need_capacity;
	dev_t device;
	ino_t inode;
	unsigned depth;
	struct find_asker asker; /* its loader is the asker of the node that needed it */
};

/* What a name was answered with: a node, or that it is missing. */
struct tree_name {
	struct tree_node *node;
	char *missing; /* the places searched */
	char text[];
};

struct tree_file {
	dev_t device;
	ino_t inode;
};

struct tree {
	struct umod_context *context;
	struct tree_node **nodes; /* in the order found */
	unsigned node_count, node_capacity;
	struct base_map names; /* hash -> struct tree_name */
	struct tree_name **all_names;
	unsigned name_count, name_capacity;
	struct base_map files;   /* inode -> struct tree_node */
	struct tree_file *hosts; /* the objects of ld.so */
	unsigned host_count, host_capacity;
	int (*visit)(unsigned depth, const char *name, const char *path, const char *how,
		void *data);
	void *data;
	struct umod_error *error;
};

static void node_free(struct tree_node *node)
{
	if (!node)
		return;
	for (unsigned i = 0; i < node->need_count; i++)
		base_free(node->needs[i]);
	base_free(node->needs);
	for (unsigned i = 0; i < base_array_count(node->strings); i++)
		base_free(node->strings[i]);
	base_free(node->path);
	base_free(node);
}

static void tree_clear(struct tree *tree)
{
	for (unsigned i = 0; i < tree->name_count; i++) {
		base_free(tree->all_names[i]->missing);
		base_free(tree->all_names[i]);
	}
	for (unsigned i = 0; i < tree->node_count; i++)
		node_free(tree->nodes[i]);
	base_free(tree->all_names);
	base_free(tree->nodes);
	base_free(tree->hosts);
	base_map_free(&tree->names);
	base_map_free(&tree->files);
}

static int no_memory(struct tree *tree, const char *name)
{
	return base_error(tree->error, UMOD_STAGE_OPEN, -ENOMEM, name,
		"no memory for the tree of needs");
}

static struct tree_name *name_find(const struct tree *tree, const char *text)
{
	uint64_t key = base_hash_bytes(text, strlen(text));
	struct tree_name *name;
	size_t cursor = 0;

	while ((name = base_map_next(&tree->names, key, &cursor))) {
		if (strcmp(name->text, text) == 0)
			return name;
	}
	return NULL;
}

/* @text means @node from now on; NULL: it is missing from the places in @missing. */
static int name_add(
	struct tree *tree, const char *text, struct tree_node *node, const char *missing)
{
	size_t length = strlen(text);
	struct tree_name *name;

	if (name_find(tree, text))
		return 0;
	if (base_grow(&tree->all_names, tree->name_count, &tree->name_capacity,
		    sizeof(*tree->all_names)))
		return no_memory(tree, text);
	name = base_zalloc(sizeof(*name) + length + 1);
	if (!name)
		return no_memory(tree, text);
	memcpy(name->text, text, length + 1);
	name->node = node;
	tree->all_names[tree->name_count++] = name;
	if (missing && !(name->missing = base_strdup(missing)))
		return no_memory(tree, text);
	if (base_map_put(&tree->names, base_hash_bytes(text, length), name))
		return no_memory(tree, text);
	return 0;
}

static int add_host(const struct link_host_object *object, void *data)
{
	struct tree *tree = data;
	struct stat st;

	if (!object->path || !object->path[0] || base_sys_stat(object->path, &st))
		return 0;
	if (base_grow(&tree->hosts, tree->host_count, &tree->host_capacity,
		    sizeof(*tree->hosts)))
		return no_memory(tree, object->path);
	tree->hosts[tree->host_count++] = (struct tree_file){ st.st_dev, st.st_ino };
	return 0;
}

static bool is_host(const struct tree *tree, const struct tree_node *node)
{
	for (unsigned i = 0; i < tree->host_count; i++) {
		if (tree->hosts[i].device == node->device &&
			tree->hosts[i].inode == node->inode)
			return true;
	}
	return false;
}

static struct tree_node *file_find(const struct tree *tree, const struct stat *st)
{
	struct tree_node *node;
	size_t cursor = 0;

	while ((node = base_map_next(&tree->files, st->st_ino, &cursor))) {
		if (node->device == st->st_dev && node->inode == st->st_ino)
			return node;
	}
	return NULL;
}

/* Copies from @image what the walk needs of it. */
static int node_describe(struct tree_node *node, const struct umod_image *image)
{
	struct umod_image_info info = { sizeof(info) };
	const char *name;

	umod_image_info_get(image, &info);
	const char *strings[3] = { info.soname, info.rpath, info.runpath };
	for (unsigned i = 0; i < base_array_count(strings); i++) {
		if (strings[i] && !(node->strings[i] = base_strdup(strings[i])))
			return -ENOMEM;
	}
	for (unsigned i = 0; (name = umod_image_need(image, i, NULL)) != NULL; i++) {
		if (base_grow(&node->needs, node->need_count, &node->need_capacity,
			    sizeof(*node->needs)))
			return -ENOMEM;
		node->needs[node->need_count] = base_strdup(name);
		if (!node->needs[node->need_count])
			return -ENOMEM;
		node->need_count++;
	}
	node->asker = (struct find_asker){ .path = node->path,
		.soname = node->strings[0],
		.rpath = node->strings[1],
		.runpath = node->strings[2],
		.no_default_lib = info.flags_1 & DF_1_NODEFLIB };
	return 0;
}

/* Enters the file @path, which is taken, also on failure. */
static int node_add(struct tree *tree, char *path, const struct stat *st,
	const struct tree_node *user, struct tree_node **out, struct umod_error *error)
{
	struct tree_node *node = base_zalloc(sizeof(*node));
	struct umod_image *image;

	if (!node) {
		base_free(path);
		return no_memory(tree, NULL);
	}
	node->path = path;
	node->device = st->st_dev;
	node->inode = st->st_ino;
	node->depth = user ? user->depth + 1 : 0;
	int result = umod_image_open(path, &image, error);
	if (result) {
		node_free(node);
		return result;
	}
	/* One file at a time: a large tree would fill the memory. */
	result = node_describe(node, image);
	umod_image_close(image);
	node->asker.loader = user ? &user->asker : NULL;
	if (!result)
		result = base_grow(&tree->nodes, tree->node_count, &tree->node_capacity,
			sizeof(*tree->nodes));
	if (!result)
		result = base_map_put(&tree->files, node->inode, node);
	if (result) {
		node_free(node);
		return no_memory(tree, NULL);
	}
	tree->nodes[tree->node_count++] = node;
	*out = node;
	return node->asker.soname ? name_add(tree, node->asker.soname, node, NULL) : 0;
}

/* In one word each, as the header promises; messages use longer names. */
static const char *how_name(enum find_how how)
{
	static const char *const names[] = {
		[FIND_PATH] = "path",
		[FIND_RPATH] = "rpath",
		[FIND_LIBRARY_PATH] = "library path",
		[FIND_RUNPATH] = "runpath",
		[FIND_CACHE] = "cache",
		[FIND_DEFAULT] = "default",
	};

	return (unsigned)how < base_array_count(names) ? names[how] : "unknown";
}

static int find(struct tree *tree, const char *name, const struct find_asker *asker,
	struct find_result *found, struct umod_error *error)
{
	/* The configuration remembers directories: guarded by the load lock. */
	registry_lock();
	int result = find_library(tree->context->find, name, asker, found, error);
	registry_unlock();
	return result;
}

/* A name that was not asked for before: finds it and tells the caller. */
static int need_new(struct tree *tree, struct tree_node *user, const char *name)
{
	struct find_result found = { .fd = -1 };
	struct umod_error why = { 0 };
	struct tree_node *node = NULL;
	const char *how = NULL;
	int result = find(tree, name, &user->asker, &found, &why);

	if (result == 0) {
		node = file_find(tree, &found.st);
		how = node ? "seen before" : how_name(found.how);
		if (!node) {
			char *path = found.path;
			found.path = NULL;
			result = node_add(tree, path, &found.st, user, &node, &why);
		}
	}
	find_result_clear(&found);
	if (result == -ENOMEM || (tree->error && tree->error->code))
		return no_memory(tree, name);
	if (result) {
		/* Missing, or there but damaged: the reason says which. */
		result = name_add(tree, name, NULL, why.message);
		return result ? result
			      : tree->visit(user->depth + 1, name, NULL, why.message,
					tree->data);
	}
	if (is_host(tree, node) && strcmp(how, "seen before") != 0)
		how = "host";
	result = name_add(tree, name, node, NULL);
	return result ? result
		      : tree->visit(user->depth + 1, name, node->path, how, tree->data);
}

static int need(struct tree *tree, struct tree_node *user, const char *name)
{
	const struct tree_name *known = name_find(tree, name);

	if (!known)
		return need_new(tree, user, name);
	return tree->visit(user->depth + 1, name, known->node ? known->node->path : NULL,
		known->node ? "seen before" : known->missing, tree->data);
}

static int walk(struct tree *tree)
{
	/* A node of the list can add others behind it: breadth first. */
	for (unsigned i = 0; i < tree->node_count; i++) {
		struct tree_node *node = tree->nodes[i];
		for (unsigned n = 0; n < node->need_count; n++) {
			int result = need(tree, node, node->needs[n]);
			if (result)
				return result;
		}
	}
	return 0;
}

/* The image itself, found as a load would find it. */
static int start(struct tree *tree, const char *path)
{
	static const struct find_asker nobody;
	struct find_result found = { .fd = -1 };
	struct tree_node *root;
	int result = link_host_visit(add_host, tree);

	if (!result)
		result = find(tree, path, &nobody, &found, tree->error);
	if (!result) {
		char *taken = found.path;
		found.path = NULL;
		result = node_add(tree, taken, &found.st, NULL, &root, tree->error);
		if (!result)
			result = tree->visit(0, path, root->path,
				is_host(tree, root) ? "host" : how_name(found.how),
				tree->data);
	}
	find_result_clear(&found);
	return result;
}

UMOD_EXPORT int umod_image_tree(struct umod_context *context, const char *path,
	int (*visit)(unsigned depth, const char *name, const char *path, const char *how,
		void *data),
	void *data, struct umod_error *error)
{
	struct umod_error own;
	struct tree tree = { .context = context, .visit = visit, .data = data };

	/* The walk itself asks whether something failed. */
	tree.error = error ? error : &own;
	umod_error_clear(tree.error);
	if (!context || !path || !visit)
		return base_error(tree.error, UMOD_STAGE_NONE, -EINVAL, path,
			"context, path and visit must not be NULL");
	int result = start(&tree, path);
	if (!result)
		result = walk(&tree);
	tree_clear(&tree);
	return result;
}
