/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: links the input as a relocatable object through the whole pipeline, next
 * to the process's libc, asks the module for its symbols, settles and unloads it. None of
 * its code runs: IFUNC resolvers are not called, nothing is initialised.
 */
#include "fuzz.h"
#include "load/load.h"
#include "elf/object.h"
#include "elf/read.h"

#include <umod/umod.h>

#define INPUT_LIMIT ((size_t)1 << 20)

static struct umod_context *contexts[2]; /* without arenas, with */

static void setup(void)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	if (contexts[0])
		return;
	options.cache_path = "";
	options.allow_executable_stack = true;
	for (unsigned i = 0; i < 2; i++) {
		options.arena_limit_bytes = i ? INPUT_LIMIT : UMOD_ARENA_NONE;
		if (umod_context_new(&options, &contexts[i], NULL) != 0)
			abort();
	}
}

/* More is only a question of time and memory, which the fuzzer would wait for. */
static bool too_large(const uint8_t *data, size_t size)
{
	struct elf_bytes file = { .bytes = data, .count = size };
	struct elf_object object;
	uint64_t total = 0;
	if (elf_object_open(&object, "fuzz", &file, NULL))
		return false;
	for (unsigned i = 0; i < object.section_count; i++) {
		struct elf_section s;
		elf_object_section(&object, i, &s);
		if (s.flags & SHF_ALLOC && (total += s.bytes) > 64u << 20)
			return true;
	}
	return false;
}

static void ask_addresses(struct link_image *image)
{
	uint64_t step = (image->end - image->start) / 64 + 1;
	struct base_reader *reader = base_reader_enter();
	for (uintptr_t at = image->start; at < image->end; at += step)
		link_address_symbol(image, at);
	base_reader_leave(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct umod_error error = { 0 };
	struct umod_source source = { sizeof(source), .path = "/fuzz/fuzz.o",
		.buffer = data, .buffer_bytes = size };
	setup();
	/* What is no relocatable object is fuzz_load's. */
	if (size > INPUT_LIMIT || !link_object_is(data, size) || too_large(data, size))
		return 0;
	/* The size decides, so that a corpus file always takes the same way. */
	struct umod_context *context = contexts[size / 8 % 2];
	struct load load = { .space = umod_context_process_namespace(context),
		.context = context,
		.flags = UMOD_LOAD_NO_INIT | UMOD_LOAD_PRIVATE,
		.source = &source,
		.error = &error,
		.no_resolvers = true,
		.no_needs = true };
	registry_lock();
	int result = load_run(&load);
	registry_unlock();
	if (result && (error.code != result || !error.message[0] ||
			      error.stage == UMOD_STAGE_NONE))
		abort();
	if (result)
		return 0;
	ask_view(&load.root->image.view);
	ask_addresses(&load.root->image);
	registry_lock();
	link_object_settle(&load.root->image);
	registry_unlock();
	ask_addresses(&load.root->image);
	umod_module_unref(load.root, NULL);
	return 0;
}
