/* SPDX-License-Identifier: MIT */
/*
 * modprobe -r: removes a module, before it what its softdeps loaded after it and, if
 * asked for, what holds it; then what nobody uses any more.
 */
#include "kmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int remove_module(
	const struct modprobe *m, const char *name, bool holders, bool may_be_builtin);

/* ---- the kernel's part ---- */

/* Waits up to wait_ms, in steps that double, for whoever uses it. */
static int remove_waiting(const struct modprobe *m, const char *name)
{
	unsigned flags = m->force ? UMOD_KERNEL_FORCE : 0;
	unsigned long waited = 0, step = 1;

	for (;;) {
		int err = kmod_target->remove(name, flags, NULL);
		if (err != -EAGAIN || waited >= m->wait_ms)
			return err;
		step = step > m->wait_ms - waited ? m->wait_ms - waited : step;
		struct timespec time = { (time_t)(step / 1000),
			(long)(step % 1000) * 1000000 };
		nanosleep(&time, NULL);
		waited += step;
		step *= 2;
	}
}

static int remove_now(const struct modprobe *m, const char *name)
{
	modprobe_show(m, "rmmod %s\n", name);
	if (m->dry_run)
		return 0;
	int err = remove_waiting(m, name);
	if (err == -EEXIST) {
		if (!m->first_time)
			return 0;
		kmod_log(m->log_level, "Module %s is not in kernel.", name);
		return err;
	}
	if (err)
		kmod_error("could not remove '%s': %s", name, strerror(-err));
	return err;
}

/* ---- order ---- */

static void remove_softdeps(
	const struct modprobe *m, const char *name, enum umod_softdep which)
{
	struct umod_modlist *list;

	if (umod_modtree_softdeps(m->tree, name, which, &list, NULL) != 0)
		return;
	/* What came last goes first. What stays does not matter. */
	for (size_t i = umod_modlist_count(list); i-- > 0;)
		remove_module(m, umod_modlist_item(list, i)->name, false, true);
	umod_modlist_free(list);
}

static int remove_unused_dependencies(const struct modprobe *m, const char *name)
{
	struct umod_modlist *list;
	int err = umod_modtree_dependencies(m->tree, name, &list, NULL);

	if (err)
		return err;
	for (size_t i = umod_modlist_count(list); i-- > 0;) {
		const char *dependency = umod_modlist_item(list, i)->name;
		if (kmod_target->references(dependency) == 0)
			remove_now(m, dependency);
	}
	umod_modlist_free(list);
	return 0;
}

static int add_holder(const char *holder, void *data)
{
	tool_files_add(data, holder);
	return 0;
}

static int remove_holders(const struct modprobe *m, const char *name)
{
	struct tool_files holders = { 0 };
	int err = 0;

	kmod_target->holders(name, add_holder, &holders);
	for (size_t i = holders.count; !err && i-- > 0;)
		err = remove_module(m, holders.names[i], true, true);
	tool_files_free(&holders);
	return err;
}

/* 0: go on; 1: there is nothing to do; or a negative errno. */
static int check_present(const struct modprobe *m, const char *name, bool may_be_builtin)
{
	if (umod_modtree_is_builtin(m->tree, name)) {
		if (may_be_builtin)
			return 1;
		kmod_log(m->log_level, "Module %s is builtin.", name);
		return -ENOENT;
	}
	if (kmod_target->state(name) != UMOD_KERNEL_ABSENT)
		return 0;
	if (!m->first_time)
		return 1;
	kmod_log(m->log_level, "Module %s is not in kernel.", name);
	return -ENOENT;
}

static int remove_module(
	const struct modprobe *m, const char *name, bool holders, bool may_be_builtin)
{
	const char *command =
		m->ignore_commands ? NULL : umod_modtree_remove_command(m->tree, name);
	int err = 0;

	if (!command && !m->ignore_loaded) {
		err = check_present(m, name, may_be_builtin);
		if (err)
			return err < 0 ? err : 0;
	}
	if (!m->ignore_commands)
		remove_softdeps(m, name, UMOD_SOFTDEP_POST);
	if (holders)
		err = remove_holders(m, name);
	if (err)
		return err;
	/* The last of its holders took it along, as nobody used it any more. */
	if (holders && !command && !m->dry_run && !m->ignore_loaded &&
		kmod_target->state(name) == UMOD_KERNEL_ABSENT)
		return 0;
	if (!command && !m->ignore_loaded && !m->wait_ms &&
		kmod_target->references(name) > 0) {
		kmod_log(m->log_level, "Module %s is in use.", name);
		return -EBUSY;
	}
	if (command) {
		char *text = modprobe_expand(command, "");
		modprobe_show(m, "remove %s\n", text);
		free(text);
		err = modprobe_run_command(m, "remove", command, name, NULL);
	} else {
		err = remove_now(m, name);
	}
	if (err)
		return err;
	if (!command)
		remove_unused_dependencies(m, name);
	if (!m->ignore_commands)
		remove_softdeps(m, name, UMOD_SOFTDEP_PRE);
	return 0;
}

int modprobe_remove(const struct modprobe *m, const char *name)
{
	const struct umod_modlist_item *module;
	struct umod_modlist *list;
	int err = 0;

	if (umod_modtree_lookup(m->tree, name, &list, NULL) != 0) {
		kmod_log(m->log_level, "Module %s not found.", name);
		return -ENOENT;
	}
	for (size_t i = 0; !err && (module = umod_modlist_item(list, i)); i++)
		err = remove_module(m, module->name, m->remove_holders, false);
	umod_modlist_free(list);
	return err;
}
