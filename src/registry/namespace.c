/* SPDX-License-Identifier: MIT */
/*
 * Namespaces: what they share with the host, and their maps from names and files to
 * modules.
 */
#include "registry/registry.h"

#include <fnmatch.h>

static struct umod_namespace *namespaces; /* all, under the lock */
static uint64_t next_id = 1;

/* What must never exist twice in a process: see DESIGN in docs/. */
static const char *const family[] = { "ld-linux*.so*", "libc.so.6", "libm.so.6",
	"libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libresolv.so.2",
	"libnss_*.so.2", "libnsl.so.1", "libanl.so.1", "libutil.so.1", "libgcc_s.so.1",
	"libc_malloc_debug.so.0", "libBrokenLocale.so.1", "libumod.so*", "libumod-dl.so*",
	"libjemalloc.so*", "libtcmalloc*.so*", "libmimalloc*.so*", "libasan.so*",
	"libhwasan.so*", "libtsan.so*", "libubsan.so*", "liblsan.so*", "libclang_rt.*" };

/* Those that cannot have a private copy at all. */
static const char *const core[] = { "ld-linux*.so*", "libc.so.6", "libpthread.so.0" };

static bool matches(const char *const *patterns, size_t count, const char *name)
{
	for (size_t i = 0; i < count && patterns[i]; i++) {
		size_t plain = strcspn(patterns[i], "*?[\\");
		if (strncmp(patterns[i], name, plain) == 0 &&
			(patterns[i][plain] ? fnmatch(patterns[i], name, 0) == 0
					    : name[plain] == 0))
			return true;
	}
	return false;
}

/* The first letters of the family decide for most names without a pattern match. */
static bool maybe_family(const char *name)
{
	return name[0] == 'l' && (name[1] == 'd' || (name[1] == 'i' && name[2] == 'b'));
}

bool registry_is_family(const char *name)
{
	return maybe_family(name) && matches(family, base_array_count(family), name);
}

bool registry_is_core(const char *soname)
{
	return maybe_family(soname) && matches(core, base_array_count(core), soname);
}

bool registry_is_shared(
	const struct umod_namespace *space, const char *soname, bool *must)
{
	const char *slash = strrchr(soname, '/');
	const char *name = slash ? slash + 1 : soname;
	*must = false;
	/* Not those of the core, whatever a pattern says. */
	if (space->keep_private && !matches(core, base_array_count(core), name) &&
		matches((const char *const *)space->keep_private, SIZE_MAX, name))
		return false;
	if (registry_is_family(name)) {
		*must = true;
		return true;
	}
	return space->is_process ||
	       (space->share &&
		       matches((const char *const *)space->share, SIZE_MAX, name));
}

static void free_strings(char **strings)
{
	for (char **s = strings; s && *s; s++)
		base_free(*s);
	base_free(strings);
}

static int copy_strings(const char *const *from, char ***out)
{
	size_t count = 0;
	if (!from)
		return 0;
	while (from[count])
		count++;
	*out = base_array(count + 1, sizeof(char *));
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!((*out)[i] = base_strdup(from[i])))
			return -ENOMEM;
	return 0;
}

static int set_lent(
	struct umod_namespace *space, const struct umod_namespace_options *options)
{
	struct link_image *lent = base_zalloc(sizeof(*lent));
	space->lent = lent;
	if (!lent || !(lent->symbols = link_symbol_list_new()))
		return -ENOMEM;
	lent->home = LINK_HOME_SYMBOLS;
	lent->path = lent->name = "symbols lent by the host";
	for (size_t i = 0; i < options->symbol_count; i++)
		if (link_symbol_list_add(lent->symbols, options->symbols[i].name,
			    options->symbols[i].address))
			return -ENOMEM;
	return 0;
}

static void free_namespace(struct umod_namespace *space)
{
	registry_end_space(space);
	if (space->lent)
		link_symbol_list_free(space->lent->symbols);
	base_free(space->lent);
	link_globals_free(space->globals);
	link_index_free(space->index);
	base_map_free(&space->by_name);
	base_map_free(&space->by_file);
	base_map_free(&space->uniques);
	free_strings(space->share);
	free_strings(space->keep_private);
	base_free(space->name);
	base_free(space);
}

static int set_options(struct umod_namespace *space,
	const struct umod_namespace_options *options, struct umod_error *error)
{
	int result = 0;
	if (!options)
		return 0;
	for (size_t i = 0; options->keep_private && options->keep_private[i]; i++)
		if (matches(core, base_array_count(core), options->keep_private[i]))
			return base_error(error, UMOD_STAGE_NONE, -EINVAL,
				options->keep_private[i],
				"cannot be loaded privately: a process has "
				"one C library and one ld.so");
	if (options->name && !(space->name = base_strdup(options->name)))
		result = -ENOMEM;
	if (!result)
		result = copy_strings(options->share, &space->share);
	if (!result)
		result = copy_strings(options->keep_private, &space->keep_private);
	space->use_process = options->use_process;
	if (!result && options->symbol_count)
		result = set_lent(space, options);
	return result;
}

int registry_namespace_new(struct umod_context *context,
	const struct umod_namespace_options *options, bool is_process,
	struct umod_namespace **out, struct umod_error *error)
{
	struct umod_namespace *space = base_zalloc(sizeof(*space));
	*out = NULL;
	if (!space)
		return base_error(error, UMOD_STAGE_NONE, -ENOMEM, NULL,
			"no memory for a namespace");
	int result = set_options(space, options, error);
	space->is_process = is_process;
	if (!result && (!(space->globals = link_globals_new()) ||
			       !(space->index = link_index_new(LINK_INDEX_ALL))))
		result = -ENOMEM;
	registry_lock();
	space->id = is_process ? 0 : next_id++;
	if (!result && !space->name)
		space->name = is_process ? base_strdup("process")
					 : base_printf("#%lu", space->id);
	if (!result && !space->name)
		result = -ENOMEM;
	if (result) {
		registry_unlock();
		free_namespace(space);
		return base_error(error, UMOD_STAGE_NONE, result, NULL,
			"no memory for a namespace");
	}
	/* The process's own lives in the context; another keeps it alive. */
	space->context = is_process ? context : umod_context_ref(context);
	atomic_init(&space->references, 1);
	space->next = namespaces;
	if (namespaces)
		namespaces->previous = space;
	namespaces = space;
	registry_unlock();
	*out = space;
	return 0;
}

void registry_namespace_end(struct umod_namespace *space)
{
	registry_lock();
	if (space->has_handle)
		registry_say_goodbye(space);
	if (space->previous)
		space->previous->next = space->next;
	else
		namespaces = space->next;
	if (space->next)
		space->next->previous = space->previous;
	/* umod's own modules hold a reference: only those of host objects are left. */
	for (struct umod_module *m = space->hosts; m; m = m->next)
		registry_drop_edges(m);
	while (space->hosts)
		registry_module_free(space->hosts);
	free_namespace(space);
	registry_unlock();
}

void registry_namespace_ref(struct umod_namespace *space)
{
	if (space->is_process)
		umod_context_ref(space->context);
	else
		atomic_fetch_add_explicit(&space->references, 1, memory_order_relaxed);
}

void registry_namespace_unref(struct umod_namespace *space)
{
	if (!space)
		return;
	struct umod_context *context = space->context;
	if (!space->is_process) {
		if (atomic_fetch_sub_explicit(
			    &space->references, 1, memory_order_acq_rel) != 1)
			return;
		registry_namespace_end(space);
	}
	umod_context_unref(context);
}

struct umod_namespace *registry_first_namespace(void)
{
	return namespaces;
}

struct umod_module *registry_find_name(struct umod_namespace *space, const char *name)
{
	size_t cursor = 0;
	uint64_t key = base_hash_bytes(name, strlen(name));
	struct umod_module *module;
	while ((module = base_map_next(&space->by_name, key, &cursor)))
		for (struct registry_name *n = module->names; n; n = n->next)
			if (n->key == key && module->state != UMOD_STATE_GOING &&
				strcmp(n->text, name) == 0)
				return module;
	return NULL;
}

static uint64_t file_key(dev_t device, ino_t inode)
{
	return base_mix((uint64_t)inode + base_mix((uint64_t)device));
}

/*
 * A mapping of the file keeps its inode. Of an image that was copied the file may be
 * gone, and another may have its number now.
 */
static bool still_has_file(const struct umod_module *module)
{
	struct stat st;
	if (module->image.home != LINK_HOME_ARENA &&
		module->image.home != LINK_HOME_MEMORY)
		return true;
	return module->path[0] != '/' ||
	       (base_sys_stat(module->path, &st) == 0 && st.st_dev == module->device &&
		       st.st_ino == module->inode);
}

struct umod_module *registry_find_file(
	struct umod_namespace *space, dev_t device, ino_t inode)
{
	size_t cursor = 0;
	struct umod_module *module;
	uint64_t key = file_key(device, inode);
	while ((module = base_map_next(&space->by_file, key, &cursor))) {
		if (module->device != device || module->inode != inode ||
			module->state == UMOD_STATE_GOING)
			continue;
		if (still_has_file(module))
			return module;
		base_map_remove(&space->by_file, key, module);
		module->inode = 0;
		cursor = 0;
	}
	return NULL;
}

int registry_unique(struct umod_namespace *space, struct link_definition *definition,
	const char *name)
{
	size_t length = strlen(name), cursor = 0;
	uint64_t key = base_hash_bytes(name, length);
	struct registry_unique *unique;
	while ((unique = base_map_next(&space->uniques, key, &cursor)))
		if (strcmp(unique->name, name) == 0) {
			*definition = unique->definition;
			return 0;
		}
	unique = base_alloc(sizeof(*unique) + length + 1);
	if (!unique)
		return -ENOMEM;
	memcpy(unique->name, name, length + 1);
	unique->key = key;
	unique->definition = *definition;
	if (base_map_put(&space->uniques, key, unique)) {
		base_free(unique);
		return -ENOMEM;
	}
	struct umod_module *module = registry_module(definition->image);
	unique->next_of_module = module->uniques;
	module->uniques = unique;
	return 0;
}
