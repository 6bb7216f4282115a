/* SPDX-License-Identifier: MIT */
/*
 * Demand loading: from a name or an alias to modules that are there, by the tree of the
 * namespace. Requests for one name share the work; of different ones only so many go on
 * at a time, so that modules which ask for one another in a circle come to an end.
 */
#include "index/index.h"
#include "life/life.h"

#define AT_ONCE 50u
#define WAIT_NS 5000000000ull
/* For another thread that is at the same name. */
#define SHARE_NS 30000000000ull

struct request { /* freed by the last of those who want its result */
	struct request *next;
	struct umod_namespace *space;
	pthread_t thread; /* that is at it */
	unsigned wanting;
	bool is_done;
	int result;
	struct umod_error error;
	char name[];
};

static struct request *under_way;
static unsigned count; /* of those */

int life_set_tree(
	struct umod_namespace *space, struct index_tree *tree, struct umod_error *error)
{
	struct life_space *life;
	registry_lock();
	int result = life_space_get(space, &life, error);
	if (!result) {
		struct index_tree *old = life->tree;
		if (tree)
			atomic_fetch_add(&tree->references, 1);
		life->tree = tree;
		if (old)
			index_tree_unref(old);
	}
	registry_unlock();
	return result;
}

/* The module @item, unless it is there; it comes by demand. */
static int bring(struct umod_namespace *space, const struct umod_modlist_item *item,
	struct umod_error *error)
{
	char folded[LIFE_NAME_BYTES];
	struct umod_source source = { .size_bytes = sizeof(source), .path = item->path };
	struct umod_insert_options options = { .size_bytes = sizeof(options),
		.parameters = item->options,
		.flags = UMOD_INSERT_AUTOCLEAN };
	struct umod_module *there =
		module_name_fold(item->name, strlen(item->name), folded)
			? life_by_name(space, folded)
			: NULL;
	if (there && there->state == UMOD_STATE_LIVE)
		return 0;
	if (!item->path)
		return item->builtin ? 0
				     : base_error(error, UMOD_STAGE_OPEN, -ENOENT,
					       item->name, "its file is not known");
	if (item->command)
		return base_error(error, UMOD_STAGE_ADMIT, -ENOTSUP, item->name,
			"has an install command, which no process runs for modules of "
			"its own: %s",
			item->command);
	int result = life_insert(space, &source, &options, NULL, error);
	if (result == -EEXIST) {
		umod_error_clear(error);
		result = 0;
	}
	return result;
}

static int bring_all(
	struct umod_namespace *space, struct umod_modlist *plan, struct umod_error *error)
{
	int result = 0;
	for (unsigned i = 0; !result && i < plan->count; i++) {
		struct umod_error own = { 0 };
		result = bring(space, &plan->items[i], &own);
		/* What only a softdep wants may be missing. */
		if (result && !plan->items[i].required)
			result = 0;
		else if (result && error)
			*error = own;
	}
	return result;
}

static int load_meant(struct umod_namespace *space, struct index_tree *tree,
	const char *name, struct umod_error *error)
{
	struct umod_modlist found = { 0 };
	int result = index_resolve(tree, name, &found, error);
	bool any = false;
	for (unsigned i = 0; !result && i < found.count; i++) {
		struct umod_modlist plan = { 0 };
		const struct umod_modlist_item *item = &found.items[i];
		result = index_plan(tree, item->name, item->alias, NULL, 0, &plan, error);
		if (!result)
			result = bring_all(space, &plan, error);
		any |= !result;
		index_list_free(&plan);
	}
	index_list_free(&found);
	/* An alias may mean several: one that came is enough. */
	return any ? 0 : result;
}

static struct request *same(const struct umod_namespace *space, const char *name)
{
	for (struct request *r = under_way; r; r = r->next)
		if (r->space == space && strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

static int take_result(struct request *request, struct umod_error *error)
{
	int result = request->result;
	if (result && error)
		*error = request->error;
	if (--request->wanting == 0)
		base_free(request);
	return result;
}

/* The result of @other, which another thread is at. */
static int share(struct request *other, struct umod_error *error)
{
	int result = 0;
	uint64_t until = base_now_ns() + SHARE_NS;
	if (pthread_equal(other->thread, pthread_self()))
		return base_error(error, UMOD_STAGE_ADMIT, -EDEADLK, other->name,
			"is asked for while this very thread is at it");
	other->wanting++;
	while (!other->is_done && !result)
		result = registry_wait(until);
	if (other->is_done)
		return take_result(other, error);
	other->wanting--; /* not the last: it is not done */
	return base_error(error, UMOD_STAGE_ADMIT, -EBUSY, other->name,
		result == -ETIMEDOUT
			? "another thread has been at it for 30 s"
			: "another thread is at it, and this one holds the load lock");
}

static int wait_for_turn(const char *name, struct umod_error *error)
{
	uint64_t until = base_now_ns() + WAIT_NS;
	while (count >= AT_ONCE)
		if (registry_wait(until))
			return base_error(error, UMOD_STAGE_ADMIT, -ETIME, name,
				"%u requests for modules are under way already", count);
	return 0;
}

static int do_request(struct umod_namespace *space, const char *name,
	struct index_tree *tree, struct umod_error *error)
{
	size_t bytes = strlen(name) + 1;
	struct request *own = base_zalloc(sizeof(*own) + bytes), **at = &under_way;
	if (!own)
		return base_error(error, UMOD_STAGE_ADMIT, -ENOMEM, name,
			"no memory to ask for it");
	memcpy(own->name, name, bytes);
	own->next = under_way;
	own->space = space;
	own->thread = pthread_self();
	own->wanting = 1;
	under_way = own;
	count++;
	atomic_fetch_add(&tree->references, 1);
	bool went = life_let_go();
	own->result = load_meant(space, tree, name, &own->error);
	life_take_back(went);
	index_tree_unref(tree);
	own->is_done = true;
	while (*at != own)
		at = &(*at)->next;
	*at = own->next;
	count--;
	registry_wake();
	return take_result(own, error);
}

int life_request(struct umod_namespace *space, const char *name, struct umod_error *error)
{
	char folded[LIFE_NAME_BYTES];
	struct umod_module *there;
	int result;
	registry_lock();
	struct request *other = same(space, name);
	if (other) {
		result = share(other, error);
	} else if (module_name_fold(name, strlen(name), folded) &&
		   (there = life_by_name(space, folded)) &&
		   there->state == UMOD_STATE_LIVE) {
		atomic_store(&there->life->visited, true);
		result = 0;
	} else if (!space->life || !space->life->tree) {
		result = base_error(error, UMOD_STAGE_OPEN, -ENOENT, name,
			"is not there, and no tree of modules was set to look for it");
	} else if (!(result = wait_for_turn(name, error))) {
		result = do_request(space, name, space->life->tree, error);
	}
	registry_unlock();
	return result;
}
