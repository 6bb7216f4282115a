/* SPDX-License-Identifier: MIT */
/*
 * Floor 6: modules with a life. Brings modules in by name, through the pipeline with a
 * convention of its own; keeps their uses, tells listeners, finds what is missing on
 * demand, and takes them out. Knows nothing of how an image is mapped or bound.
 *
 * Functions that are not called by the API's alone run under registry_lock(). init, exit
 * and listeners run without it where it is not nested: whatever was read before must then
 * be read again, but for a module that is coming or going, which only its loader changes.
 */
#ifndef UMOD_LIFE_INTERNAL_H
#define UMOD_LIFE_INTERNAL_H

#include "load/load.h"
#include "module/module.h"
#include "module/version.h"

#include <umod/life.h>

#include <stdio.h>

#define LIFE_NAME_BYTES UMOD_MODULE_NAME_BYTES /* with its NUL */

/* What a module has that an image has not. */
struct life {
	struct umod_module *module;
	char name[LIFE_NAME_BYTES]; /* folded: '_' for '-' */
	struct module_description about;
	struct module_parameters *parameters; /* or NULL */
	struct module_versions wanted;        /* of what it imports; */
	char *wanted_text;                    /* their names point into this */
	struct life_section *sections;        /* by address, once they are placed */
	unsigned section_count;
	int (*init)(void);
	void (*exit)(void);
	uint64_t taints;
	pthread_t loader;    /* the thread that brings it in */
	bool is_listed;      /* found by its name */
	bool by_demand;      /* UMOD_INSERT_AUTOCLEAN */
	bool never_runs;     /* UMOD_INSERT_NO_RUN */
	bool was_passed;     /* by the pass of autoclean.c under way */
	atomic_bool visited; /* used since the last pass */
};

/* ---- sections.c ---- */
struct life_section {
	const char *name; /* behind the array */
	struct module_place place;
	uintptr_t address;
	uint32_t type; /* of the section header; */
	uint64_t flags;
};
/* Reads which sections of the file will be loaded; and, from stage map on, where. */
int life_read_sections(
	struct life *life, const struct elf_object *object, struct umod_error *error);
void life_place_sections(struct umod_module *module);
/* False: it was there for init alone. */
bool life_section_is_there(
	const struct umod_module *module, const struct life_section *section);
/* The section that has @address, or ends there; NULL: none. */
const struct life_section *life_section_at(
	const struct umod_module *module, uintptr_t address);

/* ---- names.c ---- */
uint64_t life_key(const char *folded);
struct umod_module *life_by_name(const struct umod_namespace *space, const char *folded);
/* Enters it by its name; -ENOMEM. And takes it out, if it is in. */
int life_list(struct umod_module *module);
void life_unlist(struct umod_module *module);

/* ---- statistics.c: under the lock, but those that take it ---- */
enum life_failure { /* how far an insertion got */
	LIFE_FAILED_READ,
	LIFE_FAILED_DECOMPRESS,
	LIFE_FAILED_BECOMING, /* read, and not laid out */
	LIFE_FAILED_LOAD,
	LIFE_FAILURES
};
struct life_tally { /* how often what happened to which */
	struct life_tally_item {
		char name[LIFE_NAME_BYTES];
		uint64_t taints, times;
	} * items;
	unsigned count, capacity;
};
struct life_statistics {
	uint64_t loaded, total_bytes, text_bytes;
	uint64_t failed[LIFE_FAILURES], failed_bytes[LIFE_FAILURES];
	struct life_tally duplicates, tainted;
};
struct life_try;
/* Its init has succeeded, and is there still. */
void life_count_live(const struct umod_module *module);
/* It is about to be freed. */
void life_count_gone(const struct umod_module *module);
/* An insertion has failed in @stage; takes the lock. */
void life_count_failure(struct umod_namespace *space, const struct life_try *try,
	const struct umod_source *source, enum umod_stage stage);
void life_statistics_free(struct life_statistics *counts);
uint64_t life_wasted_bytes(const struct life_statistics *counts);
/* As the kernel's files of these names in debugfs; they take the lock. */
void life_print_statistics(struct umod_namespace *space, FILE *out);
void life_print_tainted(struct umod_namespace *space, FILE *out);

/* ---- rules.c ---- */

/* What a namespace keeps for its modules; made at first use. */
struct life_space {
	struct base_map by_name;   /* life_key -> struct umod_module */
	struct base_map exports;   /* GNU hash -> struct umod_host_export */
	struct base_map forbidden; /* life_key -> what rules.c keeps */
	struct index_tree *tree;   /* a reference, or NULL */
	struct life_cleaner *cleaner;
	struct life_statistics statistics;
};
int life_space_get(
	struct umod_namespace *space, struct life_space **out, struct umod_error *error);
void life_disable(void);
int life_forbid(struct umod_namespace *space, const char *name, const char *reason);
/* 0, or -EPERM: loading is disabled. */
int life_may_insert(const char *name, struct umod_error *error);
/* The same, or @name is forbidden. */
int life_may_come(
	const struct umod_namespace *space, const char *name, struct umod_error *error);
int life_export(struct umod_namespace *space, const struct umod_host_export *item,
	struct umod_error *error);
const struct umod_host_export *life_host_export(
	const struct umod_namespace *space, const struct elf_reference *reference);

/* ---- uses.c: as in umod/life.h ---- */
bool life_try_get(struct umod_module *module);
/* The same, but that nobody will have used it. */
bool life_hold(struct umod_module *module);
/* Those of callers and of modules. */
unsigned life_uses(const struct umod_module *module);
void life_put(struct umod_module *module);
/* From here on life_put wakes who waits; no more after as many of the other. */
void life_await_puts(void);
void life_await_no_puts(void);
struct umod_module *life_find(struct umod_namespace *space, const char *name);
struct umod_module *life_of(struct umod_namespace *space, const void *address);

/* ---- listen.c ---- */
int life_listener_add(struct umod_namespace *space,
	int (*call)(struct umod_module *module, enum umod_event event, void *data),
	void *data, struct umod_listener **out);
void life_listener_remove(struct umod_listener *listener);
void life_tell(struct umod_module *module, enum umod_event event);
/* That it comes; a listener may refuse, and those who know are then told it goes. */
int life_ask(struct umod_module *module, struct umod_error *error);
/* Gives the lock up, unless it is nested; what to give life_take_back. */
bool life_let_go(void);
void life_take_back(bool went);

/* ---- insert.c ---- */

/* One try at bringing a module in: load->data. */
struct life_try {
	const struct umod_insert_options *options;
	/* Why it failed, if that can change: what is to be asked for first, "" for none;
	 * whether another module is to come or go first; whether that one is of the same
	 * file; it is what in_the_way tells the name of. */
	char missing[256];
	bool is_blocked, is_same_file, has_asked_depends;
	bool is_duplicate; /* in_the_way has its own name */
	char in_the_way[LIFE_NAME_BYTES];
	uint64_t file_bytes, image_bytes; /* 0: it did not get so far */
};

/* ---- imports.c ---- */
/* Reads which versions of its imports a module was built against; a copy is kept. */
int life_read_versions(
	struct life *life, const struct elf_object *object, struct umod_error *error);
void life_free_versions(struct life *life);
/* In admit: its vermagic, and the version of the kernel's struct module. */
int life_built_for(struct load *load, struct umod_module *module);
/* Whether @load's root may use what it imports: licence, namespaces, states. */
int life_imports(struct load *load);

/* ---- insert.c ---- */
/* As umod_insert; takes the lock. */
int life_insert(struct umod_namespace *space, const struct umod_source *source,
	const struct umod_insert_options *options, struct umod_module **out,
	struct umod_error *error);

/* ---- remove.c ---- */
int life_remove(struct umod_namespace *space, const char *name, unsigned flags,
	int timeout_ms, struct umod_error *error);
/* Ends a module that nobody uses: exit, listeners, the memory. */
void life_end(struct umod_module *module, bool runs_exit);

/* ---- request.c, autoclean.c: they take the lock ---- */
struct index_tree;
int life_set_tree(
	struct umod_namespace *space, struct index_tree *tree, struct umod_error *error);
int life_request(
	struct umod_namespace *space, const char *name, struct umod_error *error);
unsigned life_autoclean(struct umod_namespace *space, bool all);
int life_clean_every(
	struct umod_namespace *space, unsigned seconds, struct umod_error *error);
void life_cleaner_stop(struct life_space *life);

/* ---- seen.c: they take the lock ---- */
struct life_seen {
	char name[LIFE_NAME_BYTES];
	char *users; /* "a,b,", owned */
	uint64_t bytes;
	uintptr_t start;
	unsigned uses; /* those of callers and of modules */
	enum umod_state state;
	uint64_t taints;
	bool is_permanent, by_demand;
};
struct life_snapshot {
	struct life_seen *items; /* the newest first */
	unsigned count, capacity;
};
/* What is in @space at one moment; 0 or -ENOMEM. life_look_away frees it. */
int life_look(struct umod_namespace *space, struct life_snapshot *out);
void life_look_away(struct life_snapshot *snapshot);
int life_text(struct umod_namespace *space, enum umod_text which, char **out,
	struct umod_error *error);
/* Whether it is there for who looks: its image is whole. Under the lock. */
bool life_is_seen(const struct umod_module *module);

/* ---- tree.c: as umod_module_file; takes the lock ---- */
int life_file(struct umod_namespace *space, const char *path, char **out,
	struct umod_error *error);

/* ---- kallsyms.c: takes the lock ---- */
/* All symbols as /proc/kallsyms, or the exported as /proc/ksyms; -ENOMEM. */
int life_print_symbols(struct umod_namespace *space, FILE *out, bool all);

/* Whether others may use the symbol of a module that has this @life. */
bool life_is_exported(const struct life *life, const Elf64_Sym *symbol, const char *name);

/* ---- json.c: takes the lock; -ENOMEM ---- */
int life_print_json(struct umod_namespace *space, FILE *out);

/* ---- control.c: as in umod/life.h ---- */
int life_control_new(struct umod_namespace *space, const char *path,
	struct umod_control **out, struct umod_error *error);
void life_control_free(struct umod_control *control);

/* ---- stacks.c ---- */
/* 0: no thread has a frame in @module; -EWOULDBLOCK with the thread and the function;
 * -ENOTSUP: they cannot be looked at. */
int life_stacks_check(const struct umod_module *module, struct umod_error *error);

/* ---- taints ---- */
enum life_taint { /* bits, as the kernel numbers them */
	LIFE_TAINT_PROPRIETARY = 0,
	LIFE_TAINT_FORCED_MODULE = 1,
	LIFE_TAINT_FORCED_RMMOD = 3,
	LIFE_TAINT_USER = 6, /* a parameter was set that taints */
	LIFE_TAINT_OUT_OF_TREE = 12,
	LIFE_TAINT_UNSIGNED = 13,
};
#define LIFE_TAINT_BYTES 24u
/* Their letters, "PO", ended; returns how many. */
unsigned life_taint_letters(uint64_t taints, char out[LIFE_TAINT_BYTES]);
static inline void life_taint(struct umod_module *module, enum life_taint taint)
{
	module->life->taints |= 1ull << taint;
}

#endif
