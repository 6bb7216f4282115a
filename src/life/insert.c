/* SPDX-License-Identifier: MIT */
/*
 * Bringing a module in: the entry convention of umod's own modules, through the pipeline
 * up to where its code could run, then parameters, listeners, init.
 */
#include "life/life.h"

#include <stdlib.h>

/* For another module to come or go, as the kernel waits. */
#define WAIT_NS 30000000000ull
/* Modules that are asked for, one after the other, while one is inserted. */
#define MISSING_AT_MOST 1000u

/* ---- admit: what it is, and whether it may be ---- */

static int fail(const struct load *load, enum umod_stage stage, int code,
	const char *subject, const char *why)
{
	return base_error(load->error, stage, code, subject, "%s", why);
}

/* Linux's own: nothing of the process is for it, the C library least of all. */
static int admit_kernel(struct load *load, const struct life *life, const char *name)
{
	if (!life->never_runs)
		return fail(load, UMOD_STAGE_DESCRIBE, -ENOEXEC, name,
			"is a module of Linux's own, which runs in the kernel alone; "
			"UMOD_INSERT_NO_RUN takes it without running it");
	if (load->space->is_process)
		return fail(load, UMOD_STAGE_DESCRIBE, -EINVAL, name,
			"is a module of Linux's own, which needs a namespace other than "
			"the process's");
	load->is_freestanding = true;
	return 0;
}

static int describe(struct load *load, struct load_item *item, struct life *life)
{
	struct module_description *about = &life->about;
	const char *name = item->module->path;
	struct elf_bytes bytes = { .bytes = item->bytes, .count = item->file_bytes };
	struct elf_object object;
	int result = elf_object_open_any(&object, name, &bytes, load->error);
	if (!result)
		result = module_describe(&object, name, about, load->error);
	if (!result)
		result = life_read_versions(life, &object, load->error);
	if (!result)
		result = life_read_sections(life, &object, load->error);
	if (result)
		return result;
	if (about->kind == MODULE_PLAIN && !about->license)
		return fail(load, UMOD_STAGE_DESCRIBE, -ENOEXEC, name,
			"is no module: it has neither .gnu.linkonce.this_module nor a "
			"licence; umod_load takes any object");
	return about->kind == MODULE_KERNEL ? admit_kernel(load, life, name) : 0;
}

/* As asked for, or as it says, or as its file is called. */
static int take_name(struct load *load, struct life *life)
{
	const struct life_try *try = load->data;
	const char *name = try->options->name;
	if (!name)
		strcpy(life->name, life->about.name);
	else if (strlen(name) >= LIFE_NAME_BYTES)
		return fail(load, UMOD_STAGE_DESCRIBE, -ENAMETOOLONG, name,
			"is too long for the name of a module");
	else if (!module_name_fold(name, strlen(name), life->name))
		return fail(load, UMOD_STAGE_DESCRIBE, -EINVAL, name,
			"is no name of a module: letters, digits and _-.+ make one");
	return 0;
}

static int check_duplicate(
	struct load *load, const struct load_item *item, const struct life *life)
{
	struct life_try *try = load->data;
	struct umod_module *other = life_by_name(load->space, life->name);
	if (!other)
		return 0;
	try->is_duplicate = true;
	strcpy(try->in_the_way, life->name);
	if (other->state == UMOD_STATE_LIVE)
		return fail(
			load, UMOD_STAGE_ADMIT, -EEXIST, life->name, "is there already");
	if (pthread_equal(other->life->loader, pthread_self()))
		return fail(load, UMOD_STAGE_ADMIT, -EBUSY, life->name,
			"is coming or going by this very thread, which cannot wait for "
			"it");
	try->is_blocked = true;
	try->is_same_file = item->st.st_ino && other->inode == item->st.st_ino &&
			    other->device == item->st.st_dev;
	return fail(load, UMOD_STAGE_ADMIT, -EBUSY, life->name,
		"another module of this name is coming or going");
}

/* What it says it needs is asked for before, where somebody knows it. */
static int check_depends(struct load *load, const struct life *life)
{
	struct life_try *try = load->data;
	const struct module_strings *depends = &life->about.depends;
	if (try->has_asked_depends || !load->space->life->tree)
		return 0;
	for (unsigned i = 0; i < depends->count; i++) {
		const struct umod_module *other =
			life_by_name(load->space, depends->items[i]);
		if (other && other->state == UMOD_STATE_LIVE)
			continue;
		snprintf(try->missing, sizeof(try->missing), "%s", depends->items[i]);
		return base_error(load->error, UMOD_STAGE_ADMIT, -ENOENT, life->name,
			"needs module %s, which is not there", depends->items[i]);
	}
	return 0;
}

static bool is_offered(const char *name, void *data)
{
	return module_description_export(data, name) != NULL;
}

static int admit(struct load *load, struct load_item *item)
{
	struct life_try *try = load->data;
	struct umod_module *module = item->module;
	struct life_space *space;
	try->file_bytes = item->file_bytes;
	int result = life_space_get(load->space, &space, load->error);
	struct life *life = result ? NULL : base_zalloc(sizeof(*life));
	if (!life)
		return fail(load, UMOD_STAGE_DESCRIBE, -ENOMEM, module->path,
			"no memory for its life");
	module->life = life; /* from here on it goes with the module */
	life->module = module;
	life->loader = pthread_self();
	life->by_demand = try->options->flags & UMOD_INSERT_AUTOCLEAN;
	life->never_runs = try->options->flags & UMOD_INSERT_NO_RUN;
	result = describe(load, item, life);
	if (!result)
		result = take_name(load, life);
	if (!result)
		result = life_may_come(load->space, life->name, load->error);
	if (!result)
		result = life_built_for(load, module);
	if (!result && life->about.livepatch)
		result = fail(load, UMOD_STAGE_ADMIT, -ENOTSUP, life->name,
			"is a live patch, which umod does not apply yet");
	if (!result)
		result = check_duplicate(load, item, life);
	if (!result)
		result = check_depends(load, life);
	if (!result && life_list(module))
		result = fail(load, UMOD_STAGE_ADMIT, -ENOMEM, life->name,
			"no memory to enter its name");
	if (result)
		return result;
	atomic_store(&module->references, 1);
	if (life->about.offers_exports_alone)
		load->offer = (struct link_object_offer){ is_offered, &life->about };
	if (module->signature == UMOD_SIGNATURE_UNSIGNED)
		life_taint(module, LIFE_TAINT_UNSIGNED);
	if (!life->about.gpl_compatible)
		life_taint(module, LIFE_TAINT_PROPRIETARY);
	return 0;
}

/* ---- what the host lends ---- */

static bool lend(struct load *load, const struct elf_reference *reference,
	struct link_definition *definition)
{
	static struct link_image host = { .home = LINK_HOME_HOST,
		.path = "the host",
		.name = "the host",
		.bound = true };
	const struct umod_host_export *item = life_host_export(load->space, reference);
	if (item)
		*definition = (struct link_definition){ .image = &host,
			.address = item->address };
	return item != NULL;
}

/* ---- bound: its entry points and parameters ---- */

/* The old names, where it has no structure that says. */
static void *old_entry(const struct umod_module *module, const char *name)
{
	struct elf_reference reference;
	struct link_definition definition;
	link_reference(&reference, name, NULL);
	if (module->image.view.type == ET_REL)
		return link_object_find(&module->image, name);
	return link_image_find(&module->image, &reference, &definition)
		       ? link_definition_address(&definition)
		       : NULL;
}

static bool is_code(const struct umod_module *module, const void *address)
{
	return !address || elf_view_is_code(&module->image.view,
				   (uintptr_t)address - module->image.bias);
}

static int find_entries(struct load *load, struct umod_module *module)
{
	struct life *life = module->life;
	struct umod_this_module *own;
	void *init = NULL, *exit = NULL;
	int result = module_this_find(&module->image, &life->about, &own, load->error);
	if (result)
		return result;
	if (own) {
		memcpy(&init, &own->init, sizeof(init));
		memcpy(&exit, &own->exit, sizeof(exit));
		own->module = module;
	}
	if (!init)
		init = old_entry(module, "init_module");
	if (!exit)
		exit = old_entry(module, "cleanup_module");
	if (!is_code(module, init) || !is_code(module, exit))
		return fail(load, UMOD_STAGE_BIND, -ENOEXEC, life->name,
			"its init or exit is no code of it");
	memcpy(&life->init, &init, sizeof(init));
	memcpy(&life->exit, &exit, sizeof(exit));
	return 0;
}

static int bound(struct load *load)
{
	struct life *life = load->root->life;
	const struct umod_parameter *items;
	life_place_sections(load->root);
	int result = find_entries(load, load->root);
	if (life->never_runs) {
		life->init = NULL;
		life->exit = NULL;
		load->root->image.seals_late = false; /* nobody writes to it any more */
		return result;
	}
	if (!result)
		result = module_parameters_find(
			&load->root->image, &life->about, &items, load->error);
	if (!result && items)
		result = module_parameters_new(life->name, items,
			life->about.parameter_count, &life->parameters, load->error);
	return result;
}

/* ---- coming: listeners, then what it was given ---- */

static void tell_parameter(enum module_parameter_event event, const char *name,
	const char *value, void *data)
{
	struct umod_module *module = data;
	if (event == MODULE_PARAMETER_UNKNOWN)
		base_trace(BASE_TRACE_INIT, "%s: unknown parameter '%s' ignored",
			module->life->name, name);
	else if (event == MODULE_PARAMETER_IGNORED)
		base_trace(BASE_TRACE_INIT, "%s: '%s' behind '--' ignored",
			module->life->name, value);
	else
		life_taint(module, LIFE_TAINT_USER);
}

static int set_parameters(struct load *load)
{
	struct umod_module *module = load->root;
	const struct life_try *try = load->data;
	const struct module_parameter_listener listener = { tell_parameter, module };
	if (!module->life->parameters || !try->options->parameters)
		return 0;
	bool went = life_let_go(); /* callbacks are the module's */
	int result = module_parameters_parse(module->life->parameters,
		try->options->parameters, &listener, load->error);
	life_take_back(went);
	return result;
}

static int coming(struct load *load)
{
	struct umod_module *module = load->root;
	module->state = UMOD_STATE_COMING;
	module->image.name = module->life->name;
	int result = life_ask(module, load->error);
	if (result)
		return result;
	result = set_parameters(load);
	if (result)
		life_tell(module, UMOD_EVENT_GOING);
	return result;
}

/* ---- init, and live ---- */

static int run_init(struct umod_module *module, struct umod_error *error)
{
	struct life *life = module->life;
	if (!life->init)
		return 0;
	base_trace(BASE_TRACE_INIT, "%s: init", life->name);
	bool went = life_let_go();
	int result = life->init();
	life_take_back(went);
	if (result > 0)
		base_trace(BASE_TRACE_INIT, "%s: init gave %d, which should be 0 or less",
			life->name, result);
	if (result >= 0)
		return 0;
	/* -EEXIST says that a module is there. */
	return base_error(error, UMOD_STAGE_INIT, result == -EEXIST ? -EBUSY : result,
		life->name, "its init failed: %s (%d)", strerror(-result), result);
}

static int make_live(
	struct umod_module *module, struct umod_module **out, struct umod_error *error)
{
	int result = run_init(module, error);
	if (result) {
		life_end(module, false);
		return result;
	}
	life_count_live(module);
	module->state = UMOD_STATE_LIVE;
	if (!module->life->never_runs)
		link_object_settle(&module->image);
	if (out) {
		*out = module;
		life_try_get(module);
	}
	life_tell(module, UMOD_EVENT_LIVE);
	registry_wake();
	return 0;
}

static const struct load_convention convention = { admit, lend, life_imports, bound,
	coming };

/* ---- the whole ---- */

static int insert(struct umod_namespace *space, struct life_try *try,
	const struct umod_source *source, struct umod_module **out,
	struct umod_error *error)
{
	bool runs = !(try->options->flags & UMOD_INSERT_NO_RUN);
	struct load load = { .space = space,
		.context = space->context,
		.flags = UMOD_LOAD_GLOBAL | UMOD_LOAD_PRIVATE |
			 (runs ? 0 : UMOD_LOAD_NO_INIT),
		.no_resolvers = !runs,
		.source = source,
		.stage_ns = try->options->stage_ns,
		.error = error,
		.convention = &convention,
		.data = try };
	/* What is not looked at any more may have been taken out of the signed file. */
	load.counts_as_unsigned =
		try->options->flags &
		(UMOD_INSERT_IGNORE_MODVERSIONS | UMOD_INSERT_IGNORE_VERMAGIC);
	int result = load_run(&load);
	if (result == -ELIBBAD) /* the kernel tells no damage from another format */
		result = error->code = -ENOEXEC;
	if (result)
		return result;
	/* The load's reference: the namespace has one already. */
	atomic_fetch_sub(&load.root->references, 1);
	return make_live(load.root, out, error);
}

/*
 * Another thread is at a module of this name, or at one that is needed. 1: try again;
 * else what there is to say. Under the lock.
 */
static int wait_for_other(struct umod_namespace *space, const struct life_try *try,
	uint64_t until, struct umod_module **out, struct umod_error *error)
{
	if (registry_wait(until))
		return -EBUSY; /* the error of the try stands */
	struct umod_module *other =
		try->in_the_way[0] ? life_by_name(space, try->in_the_way) : NULL;
	if (!try->in_the_way[0] || (other && other->state != UMOD_STATE_LIVE))
		return 1;
	umod_error_clear(error);
	if (!other)
		return base_error(error, UMOD_STAGE_ADMIT, -EBUSY, try->in_the_way,
			"another load of it has just failed, or it has just gone");
	if (!try->is_same_file)
		return base_error(error, UMOD_STAGE_ADMIT, -EEXIST, try->in_the_way,
			"is there already");
	if (out && life_try_get(other))
		*out = other;
	return 0;
}

/* One try. 1: another may do better. */
static int try_once(struct umod_namespace *space, struct life_try *try,
	const struct umod_source *source, uint64_t until, struct umod_module **out,
	struct umod_error *error)
{
	registry_lock();
	try->missing[0] = try->in_the_way[0] = 0;
	try->is_blocked = try->is_duplicate = false;
	try->file_bytes = try->image_bytes = 0;
	int result = insert(space, try, source, out, error);
	if (result && try->is_blocked)
		result = wait_for_other(space, try, until, out, error);
	if (!space->life || !space->life->tree)
		try->missing[0] = 0; /* nobody to ask */
	registry_unlock();
	return result;
}

static int try_until(struct umod_namespace *space, struct life_try *try,
	const struct umod_source *source, struct umod_module **out,
	struct umod_error *error)
{
	uint64_t until = base_now_ns() + WAIT_NS;
	char asked[sizeof(try->missing)] = "";
	for (unsigned round = 0;; round++) {
		int result = try_once(space, try, source, until, out, error);
		/* What was asked for and still is missing will stay so. */
		if (result <= 0 && (!result || !try->missing[0] ||
					   strcmp(asked, try->missing) == 0 ||
					   round >= MISSING_AT_MOST))
			return result;
		if (result < 0) {
			strcpy(asked, try->missing);
			bool found = life_request(space, asked, NULL) == 0;
			if (!found && strncmp(asked, "symbol:", 7) == 0)
				return result;
			if (!found) /* perhaps it can do without */
				try->has_asked_depends = true;
		}
		umod_error_clear(error);
	}
}

static int check_options(
	const struct umod_insert_options *options, struct umod_error *error)
{
	const unsigned known = UMOD_INSERT_IGNORE_MODVERSIONS |
			       UMOD_INSERT_IGNORE_VERMAGIC | UMOD_INSERT_COMPRESSED |
			       UMOD_INSERT_AUTOCLEAN | UMOD_INSERT_NO_RUN;
	if (options->flags & ~known)
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, options->name,
			"unknown flags %#x to insert a module with",
			options->flags & ~known);
	if (options->flags & UMOD_INSERT_NO_RUN && options->parameters &&
		options->parameters[0])
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, options->name,
			"a module that does not run takes no parameters");
	return 0;
}

int life_insert(struct umod_namespace *space, const struct umod_source *source,
	const struct umod_insert_options *options, struct umod_module **out,
	struct umod_error *error)
{
	struct life_try try = { .options = options };
	struct umod_error own = { 0 };
	if (!error)
		error = &own;
	if (out)
		*out = NULL;
	int result = life_may_insert(source->path ? source->path : "a module", error);
	if (!result)
		result = check_options(options, error);
	if (result)
		return result;
	result = try_until(space, &try, source, out, error);
	if (result)
		life_count_failure(space, &try, source, error->stage);
	return result;
}
