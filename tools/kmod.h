/* SPDX-License-Identifier: MIT */
/*
 * What the kmod-compatible commands share: messages as kmod words them, with its levels,
 * on standard error or to syslog; the version; opening a module tree. These commands set
 * no locale: what they print are bytes of files, as kmod prints them.
 */
#ifndef UMOD_TOOLS_KMOD_H
#define UMOD_TOOLS_KMOD_H

#include "tool.h"

#include <syslog.h>

/* Messages less urgent than this are not told; LOG_EMERG tells none. */
extern int kmod_verbosity;

/* Every command's first call: the name in its messages, and the level. */
void kmod_begin(const char *program, int verbosity);
/* -s, or when there is no standard error. */
void kmod_use_syslog(bool wanted);
/* "PROGRAM: ERROR: ...": the level's name, and @format, which needs no newline. */
void kmod_log(int level, const char *format, ...) TOOL_PRINTF(2, 3);
#define kmod_error(...) kmod_log(LOG_ERR, __VA_ARGS__)

/* For -V: "kmod version 34 (umod X)" and what it unpacks. Returns 0. */
int kmod_print_version(void);

/* Where modules are loaded: the functions of <umod/kernel.h>, of the kernel or a host. */
struct kmod_target {
	int (*insert)(const char *path, const char *options, unsigned flags,
		struct umod_error *error);
	int (*remove)(const char *name, unsigned flags, struct umod_error *error);
	int (*state)(const char *name);
	int (*references)(const char *name);
	int (*holders)(const char *name, int (*visit)(const char *holder, void *data),
		void *data);
	int (*visit)(int (*visit)(const struct umod_kernel_module *module, void *data),
		void *data, struct umod_error *error);
	bool tells_why; /* the kernel only gives a number, and logs the rest */
};
extern const struct kmod_target *kmod_target;
/* --host: the program that listens at @path, from now on. False: told why not. */
bool kmod_use_host(const char *path);
/*
 * Afterwards: what the host tells of @what ("text" or "file") called @name, to *@out, the
 * caller's to free.
 */
int kmod_host_read(const char *what, const char *name, char **out, size_t *bytes,
	struct umod_error *error);
/* What the kernel's refusal of a module means, as insmod says it. */
const char *kmod_insert_reason(int code);

/*
 * Appends to MODPROBE_OPTIONS, for a modprobe that an install command runs. @value may be
 * NULL.
 */
void kmod_pass_on(const char *option, const char *value);

/*
 * A tree at ROOT/lib/modules/RELEASE, whose complaints are told; NULL: told why.
 * @only_names: nothing else is asked of it. Not to be freed: the process ends.
 */
struct umod_modtree *kmod_open_tree(const char *root, const char *release,
	const char *const *config_paths, bool only_names);

/* ---- modprobe ---- */

struct modprobe {
	struct umod_modtree *tree;
	bool show, dry_run, ignore_loaded, lookup_only, first_time, ignore_commands,
		use_blacklist, force, force_modversion, force_vermagic, remove_holders;
	unsigned long wait_ms;
	int log_level; /* of what ends the command: FATAL, or WARNING with -a */
};

/* Each returns 0 or a negative errno, and has told why. */
int modprobe_insert(const struct modprobe *m, const char *name, const char *options);
int modprobe_remove(const struct modprobe *m, const char *name);
int modprobe_show_config(const struct modprobe *m);
int modprobe_show_versions(const char *path);
int modprobe_show_exports(const char *path);
/*
 * Runs @command, an install or remove line for @module, by the shell, with $CMDLINE_OPTS
 * replaced; with -n it is only shown. 0 or a negative errno.
 */
int modprobe_run_command(const struct modprobe *m, const char *kind, const char *command,
	const char *module, const char *options);
/* @command with each $CMDLINE_OPTS replaced. The caller's. */
char *modprobe_expand(const char *command, const char *options);
/* On standard output, if what is done is to be shown. */
void modprobe_show(const struct modprobe *m, const char *format, ...) TOOL_PRINTF(2, 3);
/* Whether actions are shown. */
bool modprobe_shows(const struct modprobe *m);

extern const struct tool_command tool_depmod, tool_insmod, tool_keyring, tool_kmod,
	tool_lsmod, tool_modinfo, tool_modprobe, tool_rmmod, tool_show, tool_sign,
	tool_static_nodes;

#endif
