/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: loads the input as a shared object through the whole pipeline, next to the
 * process's libc, asks the module for its symbols and unloads it. None of its code runs:
 * IFUNC resolvers are not called, nothing is initialised; no other file is opened.
 */
#include "fuzz.h"
#include "load/load.h"
#include "elf/read.h"

#include <umod/umod.h>

#include <sys/mman.h>
#include <unistd.h>

#define INPUT_LIMIT ((size_t)1 << 20)

enum way { WAY_ARENA, WAY_MEMORY, WAY_FILE, WAY_LAZY, WAYS };

static struct umod_context *with_arenas, *without_arenas;

static void setup(void)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_error error = { 0 };
	if (with_arenas)
		return;
	options.arena_limit_bytes = INPUT_LIMIT;
	options.cache_path = "";
	/* More of the code is reached with what the defaults refuse. */
	options.allow_text_relocations = options.allow_executable_stack = true;
	if (umod_context_new(&options, &with_arenas, &error) != 0)
		abort();
	options.arena_limit_bytes = UMOD_ARENA_NONE;
	if (umod_context_new(&options, &without_arenas, &error) != 0)
		abort();
}

/* More is only a question of time and memory, which the fuzzer would wait for. */
static bool too_large(const uint8_t *bytes, size_t size)
{
	struct elf_view view;
	uint64_t need;
	int result = elf_view_headers(&view, "fuzz", bytes, size, size, &need, NULL);
	uint64_t span = result ? 0 : view.span_end - view.span_start;
	uint64_t align = result ? 0 : view.max_align + view.tls_memory_bytes;
	elf_view_clear(&view);
	return span > 64u << 20 || align > 64u << 20;
}

/* The namespaces lend nothing, so libc is reached through the host's global scope. */
static int run(enum way way, const struct umod_source *source, struct umod_error *error,
	struct umod_module **module)
{
	struct umod_context *context =
		way == WAY_ARENA || way == WAY_LAZY ? with_arenas : without_arenas;
	struct load load = { .space = umod_context_process_namespace(context),
		.context = context,
		.flags = UMOD_LOAD_NO_INIT | UMOD_LOAD_PRIVATE | UMOD_LOAD_PIE |
			 (way == WAY_LAZY ? UMOD_LOAD_LAZY : 0),
		.source = source,
		.error = error,
		.no_resolvers = true,
		.no_needs = true };
	registry_lock();
	int result = load_run(&load);
	registry_unlock();
	*module = result ? NULL : load.root;
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct umod_error error = { 0 };
	struct umod_module *module;
	struct umod_source source = { sizeof(source), .path = "/fuzz/libfuzz.so" };
	/* The size decides, so that a corpus file always takes the same way. */
	enum way way = size / 8 % WAYS;
	setup();
	if (size == 0 || size > INPUT_LIMIT || too_large(data, size))
		return 0;
	if (way == WAY_FILE) {
		source.has_descriptor = true;
		source.descriptor = memfd_create("fuzz", MFD_CLOEXEC);
		if (write(source.descriptor, data, size) != (ssize_t)size)
			abort();
	} else {
		source.buffer = data;
		source.buffer_bytes = size;
	}
	int result = run(way, &source, &error, &module);
	if (way == WAY_FILE)
		close(source.descriptor);
	if (result && (error.code != result || !error.message[0] ||
			      error.stage == UMOD_STAGE_NONE))
		abort();
	if (result)
		return 0;
	ask_view(&module->image.view);
	module->pinned = false; /* or memory would only ever grow */
	umod_module_unref(module, NULL);
	return 0;
}
