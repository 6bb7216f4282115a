/* SPDX-License-Identifier: MIT */
/* What the scenarios share. Each prints what it saw: two loaders must print the same. */
#ifndef SEMANTICS_H
#define SEMANTICS_H

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scenario {
	const char *name;
	void (*run)(void);
};
extern const struct scenario order_scenarios[], symbol_scenarios[], thread_scenarios[],
	info_scenarios[];

/* The plugin @name of the folder of plugins, as a path. */
const char *plugin(const char *name);
/* dlopen, told: "NAME: opened" or the known part of why not. */
void *open_told(const char *name, int mode);
void close_told(void *handle);
/* Whether the plugin is there, without a reference that stays. */
void there(const char *name);
/* What the function @name of @handle says, or "none". */
const char *say(void *handle, const char *name);
int call(void *handle, const char *name);
/* dlerror without paths and without what loaders word differently. */
const char *reason(void);
const char *last_part(const char *path);

#endif
