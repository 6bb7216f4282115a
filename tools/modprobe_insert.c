/* SPDX-License-Identifier: MIT */
/* modprobe: loading. What is loaded, and in which order, the tree's plan says. */
#include "kmod.h"

#include "index/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool modprobe_shows(const struct modprobe *m)
{
	return m->show || kmod_verbosity > LOG_WARNING;
}

void modprobe_show(const struct modprobe *m, const char *format, ...)
{
	va_list list;

	if (!modprobe_shows(m))
		return;
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
}

/* ---- commands ---- */

char *modprobe_expand(const char *command, const char *options)
{
	static const char variable[] = "$CMDLINE_OPTS";
	size_t bytes = strlen(command) + 1;

	for (const char *p = command; (p = strstr(p, variable)); p += strlen(variable))
		bytes += strlen(options);
	char *text = tool_realloc(NULL, bytes, 1), *to = text;
	for (const char *p; (p = strstr(command, variable));
		command = p + strlen(variable)) {
		to = mempcpy(to, command, (size_t)(p - command));
		to = stpcpy(to, options);
	}
	strcpy(to, command);
	return text;
}

int modprobe_run_command(const struct modprobe *m, const char *kind, const char *command,
	const char *module, const char *options)
{
	if (m->dry_run)
		return 0;
	char *text = modprobe_expand(command, options ? options : "");
	fflush(stdout);
	setenv("MODPROBE_MODULE", module, 1);
	int status = system(text), err = 0;
	unsetenv("MODPROBE_MODULE");
	if (status == -1) {
		kmod_error("Could not run %s command '%s' for module %s: %s", kind, text,
			module, strerror(errno));
		err = -EINVAL;
	} else if (!WIFEXITED(status)) {
		kmod_error("Error running %s command '%s' for module %s: signal %d", kind,
			text, module, WTERMSIG(status));
		err = -EINVAL;
	} else if (WEXITSTATUS(status)) {
		kmod_error("Error running %s command '%s' for module %s: retcode %d",
			kind, text, module, WEXITSTATUS(status));
		err = -EINVAL;
	}
	free(text);
	return err;
}

/* ---- loading ---- */

/*
 * Options of the configuration, then those of the command line, as kmod joins them: with
 * the blank between them even where nothing follows. The caller's.
 */
static char *all_options(const char *configured, const char *given)
{
	char *text = NULL;

	if (!configured)
		return tool_strdup(given ? given : "");
	if (asprintf(&text, "%s %s", configured, given ? given : "") < 0)
		return tool_strdup(configured);
	return text;
}

static bool in_kernel(const struct modprobe *m, const char *name, bool builtin)
{
	return builtin || umod_modtree_is_builtin(m->tree, name) ||
	       kmod_target->state(name) == UMOD_KERNEL_LIVE;
}

static unsigned kernel_flags(const struct modprobe *m)
{
	unsigned flags = 0;

	if (m->force || m->force_modversion)
		flags |= UMOD_KERNEL_IGNORE_MODVERSIONS;
	if (m->force || m->force_vermagic)
		flags |= UMOD_KERNEL_IGNORE_VERMAGIC;
	return flags;
}

static int load_file(const struct modprobe *m, const struct umod_modlist_item *item,
	const char *options, struct umod_error *error)
{
	if (item->path)
		modprobe_show(m, "insmod %s %s\n", item->path, options);
	else if (item->builtin)
		modprobe_show(m, "builtin %s\n", item->name);
	if (m->dry_run)
		return 0;
	if (item->path)
		return kmod_target->insert(item->path, options, kernel_flags(m), error);
	if (item->builtin)
		return 0;
	kmod_error("could not find module by name='%s'", item->name);
	error->stage = UMOD_STAGE_INIT;
	return error->code = -ENOENT;
}

static int load_item(const struct modprobe *m, const struct umod_modlist_item *item,
	const char *given, struct umod_error *error)
{
	char *options = all_options(item->options, given);
	int err;

	if (item->command) {
		modprobe_show(m, "install %s %s\n", item->command, options);
		err = modprobe_run_command(
			m, "install", item->command, item->name, options);
		error->stage = UMOD_STAGE_INIT;
	} else {
		err = load_file(m, item, options, error);
	}
	free(options);
	return err;
}

/* Loads what the plan lists; the last of @list is not always the module asked for. */
static int load_plan(const struct modprobe *m, const struct umod_modlist *list,
	const char *asked, const char *given, struct umod_error *error)
{
	const struct umod_modlist_item *item;
	int err = 0;

	for (size_t i = 0; (item = umod_modlist_item(list, i)); i++) {
		struct umod_error why = { 0 };
		bool is_asked = strcmp(item->name, asked) == 0;
		if (!m->ignore_loaded && in_kernel(m, item->name, item->builtin))
			err = -EEXIST;
		else
			err = load_item(m, item, is_asked ? given : NULL, &why);
		/* Somebody else may have loaded it between the look and the load. */
		if (err == -EEXIST && !(is_asked && m->first_time))
			err = 0;
		if (err && item->required) {
			*error = why;
			break;
		}
		if (err && why.message[0])
			kmod_log(LOG_INFO, "softdep %s: %s", item->name, why.message);
		err = 0;
	}
	return err;
}

static int tell(const char *name, int err, const struct umod_error *error)
{
	/* Why something is forbidden is said also to who asks quietly. */
	if (err == -EPERM && error->stage == UMOD_STAGE_ADMIT && kmod_verbosity < LOG_ERR)
		kmod_verbosity = LOG_ERR;
	switch (err) {
	case -EEXIST:
		kmod_error("could not insert '%s': Module already in kernel", name);
		break;
	case -ENOENT:
		if (error->stage != UMOD_STAGE_OPEN) {
			kmod_error("could not insert '%s': Unknown symbol in module, or "
				   "unknown parameter (see dmesg)",
				name);
			break;
		}
		/* fall through */
	default:
		if (error->stage == UMOD_STAGE_INIT && err != -ENOTSUP)
			kmod_error("could not insert '%s': %s", name, strerror(-err));
		else if (error->stage == UMOD_STAGE_OPEN)
			kmod_error("could not insert '%s': %s: %s", name, error->subject,
				error->message);
		else
			kmod_error("could not insert '%s': %s", name, error->message);
	}
	return err;
}

/* @path: the file that was asked for, or NULL. */
static int insert_module(const struct modprobe *m, const struct umod_modlist_item *module,
	const char *path, const char *given)
{
	struct umod_error error = { 0 };
	struct umod_modlist *list;
	int err;

	if (m->lookup_only) {
		puts(module->name);
		return 0;
	}
	if (!m->ignore_loaded && in_kernel(m, module->name, module->builtin))
		return m->first_time ? tell(module->name, -EEXIST, &error) : 0;
	if ((module->alias || m->use_blacklist) &&
		umod_modtree_is_blacklisted(m->tree, module->name))
		return 0;
	err = umod_modtree_plan(m->tree, module->name, module->alias, path,
		m->ignore_commands ? UMOD_PLAN_IGNORE_COMMANDS : 0, &list, &error);
	if (!err) {
		err = load_plan(m, list, module->name, given, &error);
		umod_modlist_free(list);
	}
	return err ? tell(module->name, err, &error) : 0;
}

static int insert_path(const struct modprobe *m, const char *path, const char *given)
{
	char name[INDEX_NAME_BYTES];
	struct umod_modlist_item module = { .name = name };
	struct stat st;

	if (stat(path, &st) != 0 || index_name_of_path(path, name, sizeof(name)) == 0) {
		kmod_log(m->log_level, "Failed to get module from path %s: %s", path,
			strerror(ENOENT));
		return -ENOENT;
	}
	char *full = path[0] == '/' ? tool_strdup(path) : realpath(path, NULL);
	int err = insert_module(m, &module, full ? full : path, given);
	free(full);
	return err;
}

int modprobe_insert(const struct modprobe *m, const char *name, const char *given)
{
	const struct umod_modlist_item *module;
	struct umod_modlist *list;
	int err = 0;

	if (name[0] == '/' || strncmp(name, "./", 2) == 0)
		return insert_path(m, name, given);
	if (umod_modtree_lookup(m->tree, name, &list, NULL) != 0) {
		kmod_log(m->log_level, "Module %s not found in directory %s", name,
			umod_modtree_directory(m->tree));
		return -ENOENT;
	}
	for (size_t i = 0; (module = umod_modlist_item(list, i)); i++)
		err = insert_module(m, module, NULL, given);
	umod_modlist_free(list);
	return err;
}
