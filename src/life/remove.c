/* SPDX-License-Identifier: MIT */
/* Taking a module out: whether it may go, its exit, and the end of it. */
#include "life/life.h"

/* "a, b and 3 more": who is bound to @module. */
static void name_users(const struct umod_module *module, char *out, size_t bytes)
{
	size_t used = 0;
	out[0] = 0;
	for (const struct umod_module *m = module->space->first; m; m = m->next)
		for (unsigned i = 0; i < m->edge_count; i++) {
			if (m->edges[i] != module)
				continue;
			int more = snprintf(out + used, bytes - used, "%s%s",
				used ? ", " : "",
				m->life ? m->life->name : m->image.name);
			if (more < 0 || used + (size_t)more >= bytes)
				return; /* the rest is cut */
			used += (size_t)more;
			break;
		}
}

static int refuse(const struct umod_module *module, int code, struct umod_error *error,
	const char *why)
{
	return base_error(error, UMOD_STAGE_UNLOAD, code, module->life->name, "%s", why);
}

static int in_use(const struct umod_module *module, struct umod_error *error)
{
	char users[200];
	unsigned uses = atomic_load(&module->references) - 1;
	if (module->users == 0)
		return base_error(error, UMOD_STAGE_UNLOAD, -EWOULDBLOCK,
			module->life->name, "is in use: %u use%s", uses,
			uses == 1 ? "" : "s");
	name_users(module, users, sizeof(users));
	return base_error(error, UMOD_STAGE_UNLOAD, -EWOULDBLOCK, module->life->name,
		"is in use by: %s", users);
}

/* Takes the namespace's own reference, if nobody has another. */
static bool take_last(struct umod_module *module)
{
	unsigned one = 1;
	return module->users == 0 &&
	       atomic_compare_exchange_strong(&module->references, &one, 0);
}

static int wait_for_last(struct umod_module *module, const char *name, int timeout_ms,
	struct umod_error *error)
{
	uint64_t until = timeout_ms < 0 ? UINT64_MAX
					: base_now_ns() + (uint64_t)timeout_ms * 1000000;
	struct umod_namespace *space = module->space;
	int result = 1;
	life_await_puts();
	while (result == 1) {
		if (take_last(module))
			result = 0;
		else if (registry_wait(until))
			result = in_use(module, error);
		else if (life_by_name(space, name) != module ||
			 module->state != UMOD_STATE_LIVE)
			result = base_error(error, UMOD_STAGE_UNLOAD, -ENOENT, name,
				"has gone meanwhile");
	}
	life_await_no_puts();
	return result;
}

void life_end(struct umod_module *module, bool runs_exit)
{
	struct life *life = module->life;
	module->state = UMOD_STATE_GOING;
	if (runs_exit && life->exit) {
		base_trace(BASE_TRACE_INIT, "%s: exit", life->name);
		bool went = life_let_go();
		life->exit();
		life_take_back(went);
	}
	life_tell(module, UMOD_EVENT_GOING);
	life_count_gone(module);
	life_unlist(module);
	/* From here on as any image that nobody refers to. */
	module->state = UMOD_STATE_LIVE;
	atomic_store(&module->references, 1);
	load_unref(module, NULL);
	registry_wake();
}

/* What does not depend on its uses. */
static int may_go(
	const struct umod_module *module, unsigned flags, struct umod_error *error)
{
	if (module->state != UMOD_STATE_LIVE)
		return refuse(module, -EBUSY, error,
			module->state == UMOD_STATE_GOING ? "is going already"
							  : "is still coming");
	if (module->life->init && !module->life->exit && !(flags & UMOD_REMOVE_FORCE))
		return refuse(module, -EBUSY, error,
			"has init and no exit: it cannot be removed");
	return 0;
}

static int remove_found(struct umod_module *module, const char *name, unsigned flags,
	int timeout_ms, struct umod_error *error)
{
	/* In the kernel's order: users, state, exit, uses. */
	if (module->users)
		return in_use(module, error);
	int result = may_go(module, flags, error);
	if (!result && flags & UMOD_REMOVE_WAIT)
		result = wait_for_last(module, name, timeout_ms, error);
	else if (!result && !take_last(module)) {
		if (!(flags & UMOD_REMOVE_FORCE))
			return in_use(module, error);
		atomic_store(&module->references, 0);
	}
	if (!result && flags & UMOD_REMOVE_FORCE)
		life_taint(module, LIFE_TAINT_FORCED_RMMOD);
	if (!result && flags & UMOD_REMOVE_CHECK_STACKS) {
		result = life_stacks_check(module, error);
		if (result)
			atomic_store(&module->references, 1);
	}
	if (!result)
		life_end(module, true);
	return result;
}

int life_remove(struct umod_namespace *space, const char *name, unsigned flags,
	int timeout_ms, struct umod_error *error)
{
	char folded[LIFE_NAME_BYTES];
	struct umod_module *module = NULL;
	if (flags & ~(UMOD_REMOVE_WAIT | UMOD_REMOVE_FORCE | UMOD_REMOVE_CHECK_STACKS))
		return base_error(error, UMOD_STAGE_UNLOAD, -EINVAL, name,
			"unknown flags %#x to remove it with", flags);
	registry_lock();
	if (module_name_fold(name, strlen(name), folded))
		module = life_by_name(space, folded);
	int result = module ? remove_found(module, folded, flags, timeout_ms, error)
			    : base_error(error, UMOD_STAGE_UNLOAD, -ENOENT, name,
				      "there is no such module");
	registry_unlock();
	return result;
}
