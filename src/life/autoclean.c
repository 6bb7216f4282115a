/* SPDX-License-Identifier: MIT */
/*
 * Modules that came on demand go again when nobody uses them, by the rule of the old
 * kernel daemon: a pass clears the mark of those that were used since the last, and
 * removes those whose mark was clear.
 */
#include "life/life.h"

#include <signal.h>

struct life_cleaner { /* freed by its thread */
	struct umod_namespace *space;
	uint64_t every_ns;
	bool is_ending; /* its namespace is not to be touched any more */
};

static struct umod_module *next_unused(struct umod_namespace *space, bool all)
{
	/* The newest first: what it needs may then go in the same pass. */
	for (struct umod_module *m = space->last; m; m = m->previous) {
		if (!m->life || !m->life->by_demand || m->life->was_passed ||
			m->state != UMOD_STATE_LIVE)
			continue;
		m->life->was_passed = true;
		if (m->users || atomic_load(&m->references) != 1)
			continue;
		if (atomic_exchange(&m->life->visited, false) && !all)
			continue;
		if (!m->life->init || m->life->exit)
			return m;
	}
	return NULL;
}

unsigned life_autoclean(struct umod_namespace *space, bool all)
{
	char name[LIFE_NAME_BYTES];
	unsigned gone = 0;
	bool more = true;
	registry_lock();
	for (struct umod_module *m = space->first; m; m = m->next)
		if (m->life)
			m->life->was_passed = false;
	registry_unlock();
	while (more) {
		registry_lock();
		struct umod_module *module = next_unused(space, all);
		more = module != NULL;
		if (more)
			strcpy(name, module->life->name);
		registry_unlock(); /* exit runs without it */
		if (more)
			gone += life_remove(space, name, 0, 0, NULL) == 0;
	}
	return gone;
}

static void *clean(void *data)
{
	struct life_cleaner *cleaner = data;
	registry_lock();
	uint64_t next = base_now_ns() + cleaner->every_ns;
	while (!cleaner->is_ending) {
		struct umod_namespace *space = cleaner->space;
		if (base_now_ns() < next) {
			registry_wait(next);
			continue;
		}
		registry_namespace_ref(space);
		registry_unlock();
		life_autoclean(space, false);
		registry_namespace_unref(space);
		registry_lock();
		next = base_now_ns() + cleaner->every_ns;
	}
	registry_unlock();
	base_free(cleaner);
	return NULL;
}

void life_cleaner_stop(struct life_space *life)
{
	if (life->cleaner)
		life->cleaner->is_ending = true;
	life->cleaner = NULL;
	registry_wake();
}

static int start(struct life_cleaner *cleaner)
{
	pthread_t thread;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* they are the program's */
	int result = pthread_create(&thread, NULL, clean, cleaner);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (result == 0)
		pthread_detach(thread);
	return -result;
}

int life_clean_every(
	struct umod_namespace *space, unsigned seconds, struct umod_error *error)
{
	struct life_space *life;
	registry_lock();
	int result = life_space_get(space, &life, error);
	if (!result)
		life_cleaner_stop(life);
	if (!result && seconds) {
		struct life_cleaner *cleaner = base_zalloc(sizeof(*cleaner));
		if (cleaner)
			*cleaner = (struct life_cleaner){ space,
				(uint64_t)seconds * 1000000000, false };
		result = cleaner ? start(cleaner) : -ENOMEM;
		if (result) {
			base_free(cleaner);
			base_error(error, UMOD_STAGE_NONE, result, space->name,
				"no thread to take out unused modules: %s",
				strerror(-result));
		} else {
			life->cleaner = cleaner;
		}
	}
	registry_unlock();
	return result;
}
