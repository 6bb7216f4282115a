/* SPDX-License-Identifier: MIT */
/*
 * umod/life.h: modules with a life, as the kernel's have: inserted under a name with
 * parameters, counted, watched, asked for by an alias, and removed when they may go.
 * Their sources use umod/author.h.
 *
 * umod_load takes a file and gives a reference; umod_insert takes a module and leaves it
 * in its namespace, until umod_remove. A name stands for one module of a namespace at a
 * time; '-' in it means '_'.
 *
 * States: unformed while it is read, mapped and bound; coming from then until init has
 * succeeded; live; going while exit runs. init and exit are called without umod's lock,
 * unless a constructor or destructor of a shared object is on the stack: they may load,
 * and wait for threads that do.
 *
 * Errors have the kernel's numbers: -ENOEXEC (no module, or made for another host: its
 * vermagic), -EINVAL (a symbol's version differs, a namespace is not imported, a flag or
 * a parameter is wrong), -ENOENT (a symbol or a file is missing; to remove: no such
 * module), -EPERM (forbidden, or loading is disabled), -EEXIST (it is there), -EBUSY (one
 * of that name is loading, or has just failed; to remove: it has init but no exit, or is
 * not live), -EWOULDBLOCK (to remove: in use), -EKEYREJECTED (not signed, and it must
 * be), -EBADMSG (its signature is damaged). Where several hold, the first is told of
 * loading disabled, flags, signature, format, forbidden, vermagic, duplicate, writable
 * code, symbols and their versions, listeners, parameters, init.
 *
 * Any thread may call, each function at any time, also from init and exit.
 */
#ifndef UMOD_LIFE_H
#define UMOD_LIFE_H

#include <umod/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- in and out ---- */

enum umod_insert_flag {
	/* The numbers of finit_module(2). */
	UMOD_INSERT_IGNORE_MODVERSIONS = 1 << 0, /* taints; signed counts as unsigned */
	UMOD_INSERT_IGNORE_VERMAGIC = 1 << 1,    /* the same */
	UMOD_INSERT_COMPRESSED = 1 << 2,         /* allowed; packed files are known */
	UMOD_INSERT_AUTOCLEAN = 1 << 8, /* goes again when unused: umod_autoclean */
	/*
	 * Runs no code of it, ever: neither constructors nor init, exit, callbacks of
	 * parameters (it has none then) or resolvers of indirect functions. It is
	 * verified, mapped, bound, relocated, protected and listed, keeps its init
	 * sections, and offers what it exports to others that do not run. Modules of
	 * Linux's own come in only so, into a namespace other than the process's: see
	 * umod_insert.
	 */
	UMOD_INSERT_NO_RUN = 1 << 9,
};

struct umod_insert_options {
	size_t size_bytes;
	const char *name;       /* in place of its own, as insmod -o; NULL: its own */
	const char *parameters; /* "name=value ..."; NULL: none */
	unsigned flags;         /* enum umod_insert_flag */
	uint64_t *stage_ns;     /* [UMOD_STAGE_COUNT], or NULL */
	/* What its vermagic should be; NULL: umod's, and of Linux's own any. */
	const char *vermagic;
};
#define UMOD_INSERT_OPTIONS_INIT UMOD_OPTIONS_INIT(struct umod_insert_options)

/*
 * Inserts the module of @source into @space; what it depends on must be there, or be
 * found by umod_set_tree. @options NULL: none. Two calls at once for one file share one
 * load, and both succeed. On success 0; *@out, if @out is not NULL, holds a use, to be
 * given back with umod_module_put. On failure *@out is NULL and nothing is left.
 *
 * A module of Linux's own (.ko) needs UMOD_INSERT_NO_RUN, else -ENOEXEC. It lies below 2
 * GiB, needs no library, and is bound to exports of modules and to those of umod_export
 * alone, which should lie there too; exports, versions (also that of module_layout) and
 * export namespaces are read from the kernel's own tables. Since 0.1.
 */
int umod_insert(struct umod_namespace *space, const struct umod_source *source,
	const struct umod_insert_options *options, struct umod_module **out,
	struct umod_error *error);

enum umod_remove_flag {
	UMOD_REMOVE_WAIT = 1 << 0,  /* until nobody uses it: at most timeout_ms */
	UMOD_REMOVE_FORCE = 1 << 1, /* in use or without exit: taints */
	/* Refuse while a thread's stack has a return address in it. */
	UMOD_REMOVE_CHECK_STACKS = 1 << 2,
};

/*
 * Removes module @name of @space: exit runs, then all of it is gone. @timeout_ms counts
 * with UMOD_REMOVE_WAIT, and < 0 is for ever. Returns 0, or says in @error who holds it.
 * Since 0.1.
 */
int umod_remove(struct umod_namespace *space, const char *name, unsigned flags,
	int timeout_ms, struct umod_error *error);

/* ---- uses ---- */

/* The module called @name, with one more use; NULL: none that is live. Since 0.1. */
struct umod_module *umod_module_find(struct umod_namespace *space, const char *name);
/*
 * One more use, which keeps @module from going. False: it is going, or not live yet. The
 * caller knows that @module is there: by another use, or because it runs in it. Since
 * 0.1.
 */
bool umod_module_try_get(struct umod_module *module);
/* Gives a use back. NULL is ignored. Since 0.1. */
void umod_module_put(struct umod_module *module);
/* The module whose code or data is at @address, with one more use; or NULL. Since 0.1. */
struct umod_module *umod_module_of(struct umod_namespace *space, const void *address);

/* ---- rules ---- */

/* No module is inserted any more, in the whole process, for good. Since 0.1. */
void umod_insert_disable(void);
/* Never inserts module @name in @space, whoever needs it; 0 or -ENOMEM. Since 0.1. */
int umod_forbid(struct umod_namespace *space, const char *name, const char *reason);
/*
 * Lends a symbol of the program to the modules of @space, as modules export theirs:
 * @export_space "" or NULL: plain; @gpl_only; @crc 0: not versioned. Strings are copied.
 * 0, -EEXIST or -ENOMEM. Since 0.1.
 */
struct umod_host_export {
	size_t size_bytes;
	const char *name;
	void *address;
	const char *export_space;
	bool gpl_only;
	bool has_crc;
	uint32_t crc;
	const char *declaration; /* for messages, or NULL */
};
int umod_export(struct umod_namespace *space, const struct umod_host_export *item,
	struct umod_error *error);

/* ---- parameters ---- */

/*
 * Parameters of @module, of which the caller has a use. The value as text, as
 * /sys/module/NAME/parameters has it but for the newline, to @out of @bytes, cut if need
 * be; 4096 are enough. Returns the length of the whole; -ENOENT: there is none; -EACCES:
 * it may not be read; or what the module's callback returned. Since 0.1.
 */
int umod_parameter_get(struct umod_module *module, const char *name, char *out,
	size_t bytes, struct umod_error *error);
/*
 * Sets it. 0; -ENOENT; -EACCES: it may not be written while the module lives; -EINVAL or
 * -ERANGE, with what is expected; or what the module's callback returned. Since 0.1.
 */
int umod_parameter_set(struct umod_module *module, const char *name, const char *value,
	struct umod_error *error);
/* The name of the @index-th, borrowed; NULL past the last. Since 0.1. */
const char *umod_parameter_name(struct umod_module *module, unsigned index);

/* ---- listeners ---- */

enum umod_event {
	UMOD_EVENT_COMING, /* bound, before init: a listener may refuse it */
	UMOD_EVENT_LIVE,
	UMOD_EVENT_GOING, /* after exit; also when init failed or it was refused */
};
struct umod_listener;
/*
 * Has @call called for modules of @space (NULL: of all), in the order of their adding, in
 * the thread that loads. Returns 0, or for UMOD_EVENT_COMING a negative errno, which
 * fails the load: those told before are then told that it goes. Since 0.1.
 */
int umod_listener_add(struct umod_namespace *space,
	int (*call)(struct umod_module *module, enum umod_event event, void *data),
	void *data, struct umod_listener **out);
/* Not from within a listener. NULL is ignored. Since 0.1. */
void umod_listener_remove(struct umod_listener *listener);

/* ---- demand loading ---- */

struct umod_modtree;
/*
 * Where modules of @space are found by name, alias or symbol: a tree as depmod indexes
 * it, of which a reference is taken. @tree NULL: nowhere. 0 or -ENOMEM. Since 0.1.
 */
int umod_set_tree(struct umod_namespace *space, struct umod_modtree *tree,
	struct umod_error *error);
/*
 * Has the module that the name or alias @format (as printf) means be there, with what it
 * depends on; modules that come so are UMOD_INSERT_AUTOCLEAN. At most 50 at once; others
 * wait for 5 s: -ETIME. Requests for one name share the work. -ENOENT: none is known;
 * -ENAMETOOLONG. Since 0.1.
 */
int umod_request(struct umod_namespace *space, struct umod_error *error,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
/*
 * One pass over modules of @space that came on demand: those that nobody used since the
 * last pass go; @all: also those that were used, if nobody does now. Returns how many
 * went. Since 0.1.
 */
unsigned umod_autoclean(struct umod_namespace *space, bool all);
/* Has a thread make such passes each @seconds (the old kernel's 180); 0: no more. */
int umod_autoclean_every(
	struct umod_namespace *space, unsigned seconds, struct umod_error *error);

/* ---- seen ---- */

enum umod_text {
	UMOD_TEXT_MODULES, /* a line for each, as /proc/modules has it */
	UMOD_TEXT_LSMOD,   /* as lsmod prints them, "(autoclean)" as of old included */
	/*
	 * Symbols: "ADDRESS LETTER NAME\t[MODULE]", by address within each module;
	 * letters are those of /proc/kallsyms, in upper case for what is exported. What
	 * the program exports comes first, without a module. A shared object has its
	 * dynamic symbols.
	 */
	UMOD_TEXT_KALLSYMS,
	UMOD_TEXT_KSYMS, /* the exported alone, without letters, as the old /proc/ksyms */
	/*
	 * What came and what failed in @space so far, as the kernel's modules/stats in
	 * debugfs; then the modules that could not come because they were there. A file
	 * that failed once memory was laid out counts with that.
	 */
	UMOD_TEXT_STATS,
	UMOD_TEXT_UNLOADED_TAINTED, /* "NAME (TAINTS) TIMES": what has gone */
	/*
	 * All of it as one JSON document: modules with their state, sizes, addresses,
	 * uses, users, taints, exports, sections and parameters, whose values are read
	 * once the rest is written; the program's exports; the statistics. A byte that is
	 * no UTF-8 is a lone surrogate U+DC80..U+DCFF. Keys may be added.
	 */
	UMOD_TEXT_JSON,
	UMOD_TEXT_COUNT,
};
/*
 * The modules of @space at one moment, as text, the newest first. *@out is the caller's,
 * to be freed with free(3). 0, -EINVAL or -ENOMEM. Since 0.1.
 */
int umod_text(struct umod_namespace *space, enum umod_text which, char **out,
	struct umod_error *error);

/*
 * The file @path of the tree that the kernel has under /sys/module: "" lists the modules
 * of @space, "fat" what there is of one, both a line each and directories with a slash;
 * "fat/refcnt", coresize, initsize, initstate, taint, version, srcversion, import_ns,
 * "fat/parameters/NAME" and "fat/sections/.text" are as the kernel prints them, with the
 * newline; "fat/notes/.note.gnu.build-id" are bytes; "fat/holders/vfat" is the directory
 * of a module that uses it. *@out is the caller's, to be freed with free(3). Returns how
 * many bytes it has, to which a NUL is added; -ENOENT; -EINVAL: no such path; -EACCES or
 * -EBUSY for a parameter that may not be read, or not now; what its callback returned;
 * -ENOMEM. Since 0.1.
 */
int umod_module_file(struct umod_namespace *space, const char *path, char **out,
	struct umod_error *error);

/* ---- control ---- */

struct umod_control;
/*
 * Serves `umod insmod`, rmmod, lsmod, modprobe and show with `--host @path`: a thread
 * listens on a socket made at @path (an old one that nobody listens on is replaced; mode
 * 0600) and inserts into, removes from and tells of @space, for processes of the same
 * user and of root. 0; -EADDRINUSE: somebody listens there; what socket(2) and bind(2)
 * say; -ENOMEM. Since 0.1.
 */
int umod_control_new(struct umod_namespace *space, const char *path,
	struct umod_control **out, struct umod_error *error);
/* Ends it when the request under way is done, and removes the socket. NULL is ignored.
 * Since 0.1. */
void umod_control_free(struct umod_control *control);

#ifdef __cplusplus
}
#endif
#endif
