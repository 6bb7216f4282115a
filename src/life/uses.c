/* SPDX-License-Identifier: MIT */
/*
 * Uses of a module. While it is in its namespace its references count one for that, and
 * one for each use; what goes takes the one away, after which no use can be had.
 */
#include "life/life.h"

bool life_hold(struct umod_module *module)
{
	unsigned count = atomic_load(&module->references);
	do {
		if (count == 0)
			return false;
	} while (!atomic_compare_exchange_weak(&module->references, &count, count + 1));
	return true;
}

bool life_try_get(struct umod_module *module)
{
	bool held = life_hold(module);
	if (held && module->life)
		atomic_store(&module->life->visited, true);
	return held;
}

unsigned life_uses(const struct umod_module *module)
{
	unsigned references = atomic_load(&module->references);
	return (references ? references - 1 : 0) + module->users;
}

static _Atomic unsigned awaited; /* threads that wait for some module's last use */

void life_await_puts(void)
{
	atomic_fetch_add(&awaited, 1);
}

void life_await_no_puts(void)
{
	atomic_fetch_sub(&awaited, 1);
}

void life_put(struct umod_module *module)
{
	/* From then on it may be gone: nothing of it is touched any more. */
	atomic_fetch_sub(&module->references, 1);
	if (!atomic_load(&awaited))
		return;
	registry_lock();
	registry_wake();
	registry_unlock();
}

struct umod_module *life_find(struct umod_namespace *space, const char *name)
{
	char folded[LIFE_NAME_BYTES];
	if (!module_name_fold(name, strlen(name), folded))
		return NULL;
	registry_lock();
	struct umod_module *module = life_by_name(space, folded);
	if (module && (module->state != UMOD_STATE_LIVE || !life_try_get(module)))
		module = NULL;
	registry_unlock();
	return module;
}

struct umod_module *life_of(struct umod_namespace *space, const void *address)
{
	struct base_reader *reader = base_reader_enter();
	struct link_image *image = link_address_find((uintptr_t)address);
	struct umod_module *module =
		image && image->home != LINK_HOME_HOST ? image->owner : NULL;
	/* Nothing that a reader sees is freed before the reader leaves. */
	if (module && (!module->life || module->space != space || !life_try_get(module)))
		module = NULL;
	base_reader_leave(reader);
	return module;
}
