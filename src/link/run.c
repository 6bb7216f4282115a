/* SPDX-License-Identifier: MIT */
/*
 * Runs what an image wants run at its start and its end (gABI, "Initialization and
 * Termination Functions"). The order among images, and whether at all, is the caller's.
 */
#include "link/link.h"
#include "link/object/object.h"

#include <unistd.h>

typedef void init_function(int argc, char **argv, char **envp);
typedef void fini_function(void);

static int program_argc;
static char **program_argv;

/* glibc hands these to the init functions of what it loads, at start as later. */
__attribute__((constructor)) static void keep_arguments(int argc, char **argv)
{
	program_argc = argc;
	program_argv = argv;
}

/*
 * Read only now: a constructor may sit in relocated memory. 0 and -1 are what old tools
 * left at the ends of the arrays.
 */
static uintptr_t array_entry(const struct link_image *image, uint64_t vaddr, uint64_t i)
{
	uintptr_t entry;
	memcpy(&entry, (const void *)(image->bias + vaddr + i * sizeof(entry)),
		sizeof(entry));
	return entry == UINTPTR_MAX ? 0 : entry;
}

static void call_init(uintptr_t function)
{
	((init_function *)function)(program_argc, program_argv, environ);
}

static void call_fini(uintptr_t function)
{
	((fini_function *)function)();
}

void link_run_init(struct link_image *image)
{
	const struct elf_view *view = &image->view;
	if (view->init_vaddr)
		call_init(image->bias + view->init_vaddr);
	for (uint64_t i = 0; i < view->init_array_count; i++) {
		uintptr_t function = array_entry(image, view->init_array_vaddr, i);
		if (function)
			call_init(function);
	}
}

void link_run_fini(struct link_image *image)
{
	const struct elf_view *view = &image->view;
	for (uint64_t i = view->fini_array_count; i-- > 0;) {
		uintptr_t function = array_entry(image, view->fini_array_vaddr, i);
		if (function)
			call_fini(function);
	}
	if (view->fini_vaddr)
		call_fini(image->bias + view->fini_vaddr);
	/* A shared object's own start-up code does this, as the first of fini_array. */
	link_object_finalize(image);
}
