/* SPDX-License-Identifier: MIT */
/*
 * The dlfcn functions, once for all who call them: images of umod's, by the answers that
 * dlfcn.c lists, and whole programs, through the drop-in library (dlfcn/), which sets a
 * face. Each function returns false for what is ld.so's affair: the caller then asks
 * ld.so, in a way that keeps its own caller known.
 *
 * A handle is the address of a struct link_map, as glibc's are.
 */
#ifndef UMOD_API_DL_H
#define UMOD_API_DL_H

#include "api/api.h"

enum dl_choice {
	DL_UMOD,
	DL_LDSO,    /* left to ld.so */
	DL_ISOLATE, /* by umod, in a namespace of its own */
	DL_REFUSE,  /* by neither; told in the error */
};

/* How calls of the program itself are served. */
struct dl_face {
	/* The context that they go to; made at the first call. NULL with the error. */
	struct umod_context *(*context)(struct umod_error *error);
	/* What becomes of @file, which a program or an image wants opened. */
	enum dl_choice (*choose)(const char *file, struct umod_error *error);
	/* What namespaces made by dlmopen or by choice share; may be all zero. */
	const struct umod_namespace_options *(*sharing)(void);
	bool (*falls_back)(void); /* to ld.so, where umod cannot load a file */
};
/* Set once, before the first call. */
void dl_set_face(const struct dl_face *face);
const struct dl_face *dl_face(void);

/* What was opened, by whom; counted when a face is set. */
struct dl_counters {
	_Atomic uint64_t umod, isolated; /* calls that umod answered with a handle */
	_Atomic uint64_t host;           /* for what ld.so holds already */
	_Atomic uint64_t ldso;           /* left to ld.so by choice */
	_Atomic uint64_t fallbacks;      /* given to ld.so because umod failed */
	_Atomic uint64_t failures;
};
extern struct dl_counters dl_counters;

/* ---- dl_handle.c: handles, and what dlerror tells ---- */
int dl_handle_keep(void *handle);
bool dl_handle_is_known(void *handle);
/* One that stands for a namespace: dlopen(NULL) in it. */
void *dl_handle_of_space(struct umod_namespace *space);
struct umod_namespace *dl_handle_space(void *handle); /* NULL: it is a module's */
void *dl_handle_of_module(struct umod_module *module);
struct umod_module *dl_handle_module(void *handle);
/* However an object goes, its handle goes with it. */
void dl_handle_forget(void *object);

/* A call starts: nothing is left for dlerror to tell. */
void dl_error_clear(void);
void dl_error_set(const struct umod_error *error);
/* The call is handed to ld.so, which may leave a message. */
void dl_error_of_ldso(void);

/* ---- dl_open.c ---- */
/* The module of umod's whose code is at @caller, borrowed; NULL: the program's. */
struct umod_module *dl_caller(const void *caller);
bool dl_open(const char *file, int mode, const void *caller, void **handle);
/*
 * What to ask ld.so for in place of @file, which an image of umod's at @caller wants: it
 * cannot search on the image's behalf. Allocated; NULL: @file itself.
 */
char *dl_path_for_ldso(const char *file, const void *caller);
bool dl_open_in(Lmid_t id, const char *file, int mode, const void *caller, void **handle);
bool dl_close(void *handle, int *result);

/* ---- dl_symbol.c ---- */
/* @version NULL: dlsym, else dlvsym. */
bool dl_symbol(void *handle, const char *name, const char *version, const void *caller,
	void **address);

/* ---- dl_info.c: nothing here depends on the caller ---- */
char *dl_error(void);
int dl_address(const void *address, Dl_info *info);
int dl_address1(const void *address, Dl_info *info, void **extra, int flags);
int dl_info(void *handle, int request, void *out);

#endif
