/* SPDX-License-Identifier: MIT */
/*
 * umod check in two parts: check.c reads the options and tells what came out, trial.c
 * runs each file in a child process of its own and finds out.
 */
#ifndef UMOD_TOOL_CHECK_H
#define UMOD_TOOL_CHECK_H

#include "tool.h"

enum trial_loader {
	TRIAL_UMOD,
	TRIAL_DLOPEN,
	TRIAL_LOADERS,
};

enum trial_outcome {
	TRIAL_OK,      /* loaded, initialised, unloaded */
	TRIAL_REFUSED, /* the loader said no */
	TRIAL_CRASH,   /* a signal ended the child */
	TRIAL_HANG,    /* killed after the time allowed */
	TRIAL_EXIT,    /* the file's code ended the child by exit(3) */
	TRIAL_UNTRIED, /* no child could be started */
	TRIAL_OUTCOMES,
};

/* What the child writes, in memory that it shares with its parent. */
struct trial_report {
	enum trial_phase {
		TRIAL_STARTING,
		TRIAL_LOADING,
		TRIAL_UNLOADING,
		TRIAL_DONE,
	} phase;
	uint64_t stage_ns[UMOD_STAGE_COUNT];
	uint64_t context_ns, load_ns, unload_ns;
	int code;                /* of the load: 0, or a negative errno */
	struct umod_error error; /* of dlopen: only the message */
	int stays;               /* of umod_module_unref, see <umod/module.h> */
	struct umod_error stays_error;
};

struct trial {
	enum trial_outcome outcome;
	int number; /* signal, exit status, or the errno why it was not tried */
	struct trial_report report;
};

struct trial_options {
	bool private_namespace, lazy, global, deepbind, no_init;
	bool compare, verbose;
	double timeout_seconds; /* 0: none */
	unsigned jobs;
};

/*
 * Tries each of @files and calls @tell with its trials, by loader, in the order of the
 * list. @progress, if not NULL, is called when a trial has ended. Stops early when
 * @tell returns false.
 */
void trial_run(const struct tool_files *files, const struct trial_options *options,
	bool (*tell)(const char *path, const struct trial *trials, void *data),
	void (*progress)(size_t done, const char *path, void *data), void *data);

/* The stage in which a child was when it ended. */
enum umod_stage trial_stage(const struct trial *trial);

#endif
