/* SPDX-License-Identifier: MIT */
/*
 * Handles that dlopen gave out, so that whatever a caller passes is known to be one or
 * not before it is used; and the message that a thread's dlerror tells next.
 */
#include "api/dl.h"

#include <stdio.h>
#include <stdlib.h>

#define SPACE_TAG 1 /* of a handle that stands for a namespace */

static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static struct base_map handles;    /* handle -> itself */
static _Atomic uint64_t forgotten; /* grows with each handle that goes */

/* What the calling thread asked for last: most calls in a row are about one handle. */
static __thread struct {
	void *handle;
	uint64_t forgotten;
} last_known __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void keep_lock(void)
{
	base_lock_across_fork(BASE_FORK_HANDLES, &handles_lock);
}

bool dl_handle_is_known(void *handle)
{
	size_t cursor = 0;
	uint64_t now = atomic_load_explicit(&forgotten, memory_order_acquire);
	if (handle && last_known.handle == handle && last_known.forgotten == now)
		return true;
	pthread_mutex_lock(&handles_lock);
	bool found = handle && base_map_next(&handles, base_mix((uintptr_t)handle),
				       &cursor) == handle;
	pthread_mutex_unlock(&handles_lock);
	if (found) {
		last_known.handle = handle;
		last_known.forgotten = now;
	}
	return found;
}

int dl_handle_keep(void *handle)
{
	size_t cursor = 0;
	uint64_t key = base_mix((uintptr_t)handle);
	pthread_mutex_lock(&handles_lock);
	int result = base_map_next(&handles, key, &cursor)
			     ? 0
			     : base_map_put(&handles, key, handle);
	pthread_mutex_unlock(&handles_lock);
	return result;
}

void *dl_handle_of_space(struct umod_namespace *space)
{
	return (char *)space + SPACE_TAG;
}

struct umod_namespace *dl_handle_space(void *handle)
{
	return (uintptr_t)handle & SPACE_TAG ? (void *)((char *)handle - SPACE_TAG)
					     : NULL;
}

void *dl_handle_of_module(struct umod_module *module)
{
	return &module->image.map;
}

struct umod_module *dl_handle_module(void *handle)
{
	return (void *)((char *)handle - offsetof(struct umod_module, image.map));
}

void dl_handle_forget(void *object)
{
	void *as_space = dl_handle_of_space(object);
	void *as_module = dl_handle_of_module(object);
	pthread_mutex_lock(&handles_lock);
	base_map_remove(&handles, base_mix((uintptr_t)as_module), as_module);
	base_map_remove(&handles, base_mix((uintptr_t)as_space), as_space);
	atomic_fetch_add(&forgotten, 1);
	pthread_mutex_unlock(&handles_lock);
}

/* ---- dlerror ---- */

struct messages {
	char *next;     /* of this thread's dlerror, owned; or NULL */
	char *told;     /* what dlerror gave last */
	bool ldso_next; /* else what ld.so may have is of a call before the last */
};

static __thread struct messages messages __attribute__((tls_model("initial-exec")));
static pthread_key_t key; /* its destructor frees a thread's messages */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void free_messages(void *data)
{
	struct messages *own = data;
	base_free(own->next);
	base_free(own->told);
	own->next = own->told = NULL;
}

static void make_key(void)
{
	if (pthread_key_create(&key, free_messages) != 0)
		key = (pthread_key_t)-1; /* setting it fails: threads leave a string */
}

void dl_error_clear(void)
{
	struct messages *own = &messages;
	if (base_unlikely(own->next)) {
		base_free(own->next);
		own->next = NULL;
	}
	own->ldso_next = false; /* rather than to have ld.so word what nobody reads */
}

void dl_error_of_ldso(void)
{
	messages.ldso_next = true;
}

/* What programs look for in a message of dlopen's, before what umod has to say. */
static const char *known_text(const struct umod_error *error)
{
	if (error->stage == UMOD_STAGE_OPEN && error->code == -ENOENT)
		return "cannot open shared object file: No such file or directory: ";
	if (error->stage == UMOD_STAGE_OPEN && error->code == -EACCES)
		return "cannot open shared object file: Permission denied: ";
	if (error->code == -ENOEXEC && strncmp(error->message, "e_ident", 7) == 0)
		return strstr(error->message, "an ELF header needs")
			       ? "file too short: "
			       : "invalid ELF header: ";
	return "";
}

void dl_error_set(const struct umod_error *error)
{
	struct messages *own = &messages;
	pthread_once(&key_once, make_key);
	pthread_setspecific(key, own);
	base_free(own->next);
	own->next = base_printf("%s%s%s%s", error->subject, error->subject[0] ? ": " : "",
		known_text(error), error->message);
}

char *dl_error(void)
{
	struct messages *own = &messages;
	base_free(own->told);
	own->told = own->next;
	own->next = NULL;
	if (own->told)
		return own->told;
	/* Without a face, calls of the program's own went past us. */
	return own->ldso_next || !dl_face() ? link_real()->error() : NULL;
}
