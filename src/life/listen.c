/* SPDX-License-Identifier: MIT */
/* Those who are told of modules that come and go, and may refuse one. */
#include "life/life.h"

struct umod_listener {
	struct umod_listener *next;
	struct umod_namespace *space; /* NULL: all */
	int (*call)(struct umod_module *module, enum umod_event event, void *data);
	void *data;
	uint64_t serial;
	unsigned running; /* calls under way: it stays until they are done */
};

static struct umod_listener *listeners; /* in the order of their adding */
static uint64_t serials;

bool life_let_go(void)
{
	bool nested = registry_lock_is_nested();
	if (!nested)
		registry_unlock();
	return !nested;
}

void life_take_back(bool went)
{
	if (went)
		registry_lock();
}

static int call_one(
	struct umod_listener *listener, struct umod_module *module, enum umod_event event)
{
	listener->running++;
	bool went = life_let_go();
	int result = listener->call(module, event, listener->data);
	life_take_back(went);
	listener->running--;
	registry_wake();
	return result;
}

/* The first that was added after number @serial and cares for @space. The list may have
 * changed since the last call. */
static struct umod_listener *next_after(uint64_t serial, struct umod_namespace *space)
{
	for (struct umod_listener *l = listeners; l; l = l->next)
		if (l->serial > serial && (!l->space || l->space == space))
			return l;
	return NULL;
}

static void tell_until(struct umod_module *module, enum umod_event event, uint64_t end)
{
	struct umod_listener *l;
	uint64_t last = 0;
	while ((l = next_after(last, module->space)) && l->serial < end) {
		last = l->serial;
		call_one(l, module, event);
	}
}

void life_tell(struct umod_module *module, enum umod_event event)
{
	tell_until(module, event, UINT64_MAX);
}

int life_ask(struct umod_module *module, struct umod_error *error)
{
	struct umod_listener *l;
	uint64_t last = 0;
	while ((l = next_after(last, module->space))) {
		last = l->serial;
		int result = call_one(l, module, UMOD_EVENT_COMING);
		if (result >= 0)
			continue;
		tell_until(module, UMOD_EVENT_GOING, last);
		return base_error(error, UMOD_STAGE_PUBLISH, result, module->path,
			"a listener refused it: %s", strerror(-result));
	}
	return 0;
}

int life_listener_add(struct umod_namespace *space,
	int (*call)(struct umod_module *module, enum umod_event event, void *data),
	void *data, struct umod_listener **out)
{
	struct umod_listener **end = &listeners;
	*out = base_zalloc(sizeof(**out));
	if (!*out)
		return -ENOMEM;
	registry_lock();
	**out = (struct umod_listener){
		.space = space, .call = call, .data = data, .serial = ++serials
	};
	while (*end)
		end = &(*end)->next;
	*end = *out;
	registry_unlock();
	return 0;
}

void life_listener_remove(struct umod_listener *listener)
{
	struct umod_listener **at = &listeners;
	registry_lock();
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	while (listener->running && registry_wait(UINT64_MAX) == 0)
		;
	registry_unlock();
	base_free(listener);
}
