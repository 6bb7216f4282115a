/* SPDX-License-Identifier: MIT */
/*
 * The host's objects: what ld.so loaded, read through its link map, and the modules that
 * stand for them in namespaces. umod only reads them; what the program may still dlclose
 * is held while umod's modules use it.
 */
#include "registry/registry.h"

#include <dlfcn.h>

static struct registry_host_object *objects, **objects_end = &objects;
static uint64_t generation; /* of ld.so's list, as last read */
static bool substituted;
static const struct registry_answer *answers;
static _Atomic uint64_t pins;

void registry_set_answers(const struct registry_answer *list)
{
	answers = list;
}

bool registry_host_has_late(void)
{
	for (const struct registry_host_object *o = objects; o; o = o->next)
		if (!o->at_start)
			return true;
	return false;
}

uint64_t registry_host_pins(void)
{
	return atomic_load(&pins);
}

static void free_object(struct registry_host_object *object)
{
	elf_view_clear(&object->image.view);
	base_free(object->substitutes);
	base_free(object->soname);
	base_free(object->path);
	base_free(object);
}

/* A plugin of the host's may have been closed, built anew and opened at its old place. */
static bool is_same_file(const struct registry_host_object *object)
{
	struct stat st;
	return base_sys_stat(object->path, &st) != 0 ||
	       (st.st_dev == object->device && st.st_ino == object->inode);
}

static struct registry_host_object *find_known(const struct link_host_object *seen)
{
	for (struct registry_host_object *o = objects; o; o = o->next)
		if (o->image.bias == seen->bias &&
			o->image.view.phdr_count == seen->phdr_count &&
			strcmp(o->path, seen->path) == 0 &&
			(o->at_start || is_same_file(o)))
			return o;
	return NULL;
}

/* Where the storage of an object lies is told only for the calling thread; for one that
 * came with the program it is the same distance from the pointer in all threads. */
static void set_tls(struct link_image *image, const struct link_host_object *seen)
{
	image->tls_id = seen->tls_id;
	if (seen->tls_id && seen->tls_block && seen->at_start) {
		image->tls_static = true;
		image->tls_offset = (int64_t)((uintptr_t)seen->tls_block -
					      link_arch_thread_pointer());
	}
}

static struct registry_host_object *new_object(
	const struct link_host_object *seen, struct umod_error *error)
{
	struct registry_host_object *object = base_zalloc(sizeof(*object));
	struct stat st;
	if (!object || !(object->path = base_strdup(seen->path))) {
		base_free(object);
		return NULL;
	}
	struct link_image *image = &object->image;
	if (elf_view_host(&image->view, object->path, seen->bias, seen->phdrs,
		    seen->phdr_count, error)) {
		free_object(object);
		return NULL;
	}
	image->home = LINK_HOME_HOST;
	image->path = image->name = object->path;
	image->bias = seen->bias;
	image->start = seen->bias + image->view.span_start;
	image->end = seen->bias + image->view.span_end;
	image->bound = image->init_done = true;
	object->at_start = seen->at_start;
	const char *slash = strrchr(object->path, '/');
	const char *name = image->view.soname ? image->view.soname
			   : slash            ? slash + 1
					      : object->path;
	object->soname = base_strdup(name);
	object->is_family = registry_is_family(name);
	if (base_sys_stat(seen->path[0] ? seen->path : "/proc/self/exe", &st) == 0) {
		object->device = st.st_dev;
		object->inode = st.st_ino;
	}
	set_tls(image, seen);
	image->name = object->soname;
	/* Objects that may go without our knowledge are left to ld.so's own answers. */
	if (!object->soname || (object->at_start && link_publish(image, error))) {
		free_object(object);
		return NULL;
	}
	return object;
}

struct refresh {
	struct umod_error *error;
	int result;
};

static int see(const struct link_host_object *seen, void *data)
{
	struct refresh *refresh = data;
	struct umod_error ignored = { 0 };
	struct registry_host_object *object = find_known(seen);
	if (!object) {
		object = new_object(seen, &ignored);
		if (!object) {
			/* The vDSO and the like, which nobody needs by name, are left
			 * out. */
			if (ignored.code == -ENOMEM || ignored.code == 0)
				refresh->result = -ENOMEM;
			return refresh->result;
		}
		*objects_end = object;
		objects_end = &object->next;
	}
	object->seen = true;
	return 0;
}

int registry_host_refresh(struct umod_error *error)
{
	uint64_t now = link_host_generation();
	struct refresh refresh = { .error = error };
	if (now == generation && objects)
		return 0;
	for (struct registry_host_object *o = objects; o; o = o->next)
		o->seen = false;
	link_host_visit(see, &refresh);
	if (refresh.result)
		return base_error(error, UMOD_STAGE_OPEN, refresh.result, NULL,
			"no memory to read the list of the host's objects");
	for (struct registry_host_object **at = &objects; *at;) {
		struct registry_host_object *object = *at;
		if (object->seen || object->is_pinned || object->at_start) {
			at = &object->next;
			continue;
		}
		*at = object->next;
		free_object(object);
	}
	objects_end = &objects;
	while (*objects_end)
		objects_end = &(*objects_end)->next;
	if (!substituted && registry_substitute(objects, answers))
		return base_error(error, UMOD_STAGE_OPEN, -ENOMEM, NULL,
			"no memory for the symbols that umod answers itself");
	substituted = true;
	generation = now;
	return 0;
}

struct registry_host_object *registry_host_by_name(const char *soname)
{
	for (struct registry_host_object *o = objects; o; o = o->next)
		if (strcmp(o->soname, soname) == 0 || strcmp(o->path, soname) == 0)
			return o;
	return NULL;
}

struct registry_host_object *registry_host_by_file(dev_t device, ino_t inode)
{
	for (struct registry_host_object *o = objects; o; o = o->next)
		if (o->inode == inode && o->device == device)
			return o;
	return NULL;
}

static int pin(struct registry_host_object *object, struct umod_error *error)
{
	if (object->at_start || object->is_pinned)
		return 0;
	if (!link_real()->open(object->path, RTLD_LAZY | RTLD_NOLOAD))
		return base_error(error, UMOD_STAGE_ADMIT, -EBUSY, object->path,
			"the host's object went while it was taken");
	object->is_pinned = true;
	atomic_fetch_add(&pins, 1);
	return 0;
}

static int add_needs(struct umod_module *module, struct umod_error *error)
{
	const struct elf_view *view = &module->image.view;
	uint64_t offset;
	for (unsigned i = 0; elf_view_dynamic_value(view, DT_NEEDED, i, &offset); i++) {
		const char *name = elf_view_string(view, offset);
		struct registry_host_object *object =
			name ? registry_host_by_name(name) : NULL;
		struct umod_module *on;
		if (!object)
			continue;
		int result = registry_host_module(module->space, object, &on, error);
		if (!result && registry_add_edge(module, on, REGISTRY_NEED))
			result = -ENOMEM;
		if (result)
			return result;
	}
	return 0;
}

int registry_host_module(struct umod_namespace *space,
	struct registry_host_object *object, struct umod_module **out,
	struct umod_error *error)
{
	int result = pin(object, error);
	*out = NULL;
	if (result)
		return result;
	for (struct umod_module *m = registry_find_name(space, object->soname); m;
		m = NULL)
		if (m->host == object) {
			*out = m;
			return 0;
		}
	struct umod_module *module =
		registry_module_new(space, base_strdup(object->path));
	if (!module)
		goto no_memory;
	const char *path = module->path;
	module->image = object->image;
	module->image.owner = module;
	module->image.path = module->image.map.l_name = (char *)path;
	module->image.map.l_addr = object->image.bias;
	module->image.map.l_ld = (void *)object->image.view.dynamic;
	module->image.substitutes = object->substitutes;
	module->image.substitute_count = object->substitute_count;
	module->image.published = false;
	atomic_init(&module->image.address_index, NULL);
	module->host = object;
	module->pinned = true;
	module->state = UMOD_STATE_LIVE;
	module->device = object->device;
	module->inode = object->inode;
	if (registry_module_enter(module) ||
		registry_module_add_name(module, object->soname)) {
		registry_module_free(module);
		goto no_memory;
	}
	result = add_needs(module, error);
	if (result)
		return result; /* it stays, with the needs that could be entered */
	*out = module;
	return 0;
no_memory:
	return base_error(
		error, UMOD_STAGE_ADMIT, -ENOMEM, object->path, "no memory for a module");
}

/* The object that ld.so's @map stands for. */
static struct registry_host_object *find_map(const struct link_map *map)
{
	for (struct registry_host_object *o = objects; o; o = o->next)
		if (o->image.bias == map->l_addr && strcmp(o->path, map->l_name) == 0)
			return o;
	return NULL;
}

int registry_host_load(
	const char *soname, struct registry_host_object **out, struct umod_error *error)
{
	struct link_map *map = NULL;
	*out = NULL;
	const struct link_real *real = link_real();
	void *handle = real->open(soname, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = real->error();
		return base_error(error, UMOD_STAGE_OPEN, -ENOENT, soname,
			"is shared with the host, whose ld.so cannot load it: %s",
			why ? why : "no reason given");
	}
	atomic_fetch_add(&pins, 1);
	base_trace(BASE_TRACE_FILES, "%s: loaded through ld.so", soname);
	int result = registry_host_refresh(error);
	if (result)
		return result;
	if (real->info(handle, RTLD_DI_LINKMAP, &map) == 0)
		*out = find_map(map);
	if (*out)
		(*out)->is_pinned = true; /* by the handle, which stays open */
	return *out ? 0
		    : base_error(error, UMOD_STAGE_OPEN, -ENOENT, soname,
			      "was loaded through ld.so, but is not in its list");
}

int registry_host_enter(struct umod_namespace *space, struct umod_error *error)
{
	int result = registry_host_refresh(error);
	for (struct registry_host_object *o = objects; !result && o; o = o->next) {
		struct umod_module *module;
		if (!o->at_start)
			continue;
		result = registry_host_module(space, o, &module, error);
		if (!result && link_globals_add(space->globals, &module->image))
			result = base_error(error, UMOD_STAGE_NONE, -ENOMEM, NULL,
				"no memory for the global scope");
	}
	return result;
}

int registry_host_allocator(struct umod_module *module)
{
	if (module->space->is_process)
		return 0;
	return registry_substitute_private(objects, &module->image);
}
