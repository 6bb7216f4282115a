/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: validates, maps, binds and protects the input as a shared object, next to
 * the process's libc, and asks it for its symbols. None of its code runs: IFUNC resolvers
 * are not called, nothing is initialised, and what it needs is never loaded.
 */
#include "fuzz.h"
#include "link/link.h"
#include "elf/read.h"

#include <sys/mman.h>
#include <unistd.h>

#define INPUT_LIMIT ((size_t)1 << 20)

enum way { WAY_ARENA, WAY_MEMORY, WAY_FILE, WAY_LAZY, WAYS };

static struct link_image libc_image;

static int take_libc(const struct link_host_object *object, void *data)
{
	struct umod_error error = { 0 };
	if (!strstr(object->path, "/libc.so.6"))
		return 0;
	libc_image.path = libc_image.name = "libc.so.6";
	libc_image.home = LINK_HOME_HOST;
	libc_image.bias = object->bias;
	libc_image.bound = true;
	return elf_view_host(&libc_image.view, "libc.so.6", object->bias, object->phdrs,
		       object->phdr_count, &error)
		       ? -1
		       : 1;
}

static void setup(void)
{
	static bool done;
	struct umod_error error = { 0 };
	if (done)
		return;
	done = true;
	link_arch_setup();
	if (link_tls_setup(&error) != 0 || link_host_visit(take_libc, NULL) != 1)
		abort();
}

static struct link_image *find_needed(const char *name, void *data)
{
	return strcmp(name, "libc.so.6") == 0 ? &libc_image : NULL;
}

/* Through the file's mapping, as a load of a path. */
static int map_file(struct link_image *image, const uint8_t *bytes, size_t count,
	struct link_map_options *options, struct umod_error *error)
{
	const uint8_t *mapped;
	options->fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (options->fd < 0 || write(options->fd, bytes, count) != (ssize_t)count)
		return -EIO;
	int result = link_map_file(image, options, &mapped, error);
	if (!result)
		result = elf_view_tables(&image->view, mapped, count, false, error);
	if (!result)
		result = link_map_segments(image, options, error);
	return result;
}

static int map(struct link_image *image, enum way way, const uint8_t *bytes, size_t count,
	struct umod_error *error)
{
	struct link_map_options options = { .fd = -1,
		.bytes = bytes,
		.file_bytes = count,
		.arena_limit_bytes = way == WAY_MEMORY ? 0 : INPUT_LIMIT };
	uint64_t need = 0;
	int result =
		elf_view_headers(&image->view, "fuzz", bytes, count, count, &need, error);
	if (result)
		return result;
	/* More is only a question of time and memory, which the fuzzer would wait for. */
	if (image->view.span_end - image->view.span_start > 64u << 20)
		return -ENOMEM;
	if (way == WAY_FILE) {
		options.bytes = NULL;
		result = map_file(image, bytes, count, &options, error);
		if (options.fd >= 0)
			close(options.fd);
		return result;
	}
	result = elf_view_tables(&image->view, bytes, count, false, error);
	return result ? result : link_map_segments(image, &options, error);
}

static int bind(struct link_image *image, enum way way, struct umod_error *error)
{
	struct link_image *images[] = { image, &libc_image };
	struct link_bind_options options = {
		.scope = NULL, .mark = 1, .no_resolvers = true
	};
	int result = 0;
	options.lazy = way == WAY_LAZY;
	image->mark = 1;
	options.scope = link_scope_new(NULL, NULL, images, 2, false);
	if (!options.scope)
		return -ENOMEM;
	result = link_check_versions(image, find_needed, NULL, error);
	if (!result)
		result = link_bind(image, &options, error);
	if (!result)
		result = link_protect_text(image, error);
	if (!result)
		result = link_bind_ifuncs(image, &options, error);
	if (!result)
		result = link_protect(image, error);
	link_scope_unref(options.scope);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_image image = { .path = "fuzz", .name = "fuzz" };
	struct umod_error error = { 0 };
	setup();
	if (size > INPUT_LIMIT)
		return 0;
	/* The size decides, so that a corpus file always takes the same way. */
	enum way way = size / 8 % WAYS;
	uint8_t *bytes = malloc(size ? size : 1);
	memcpy(bytes, data, size);
	int result = map(&image, way, bytes, size, &error);
	free(bytes);
	if (!result && image.view.tls_memory_bytes)
		result = link_tls_register(&image, &error);
	if (!result)
		result = bind(&image, way, &error);
	if (!result)
		ask_view(&image.view);
	if (result && error.code && (!error.message[0] || error.stage == UMOD_STAGE_NONE))
		abort();
	link_bind_clear(&image);
	link_tls_unregister(&image);
	link_unmap(&image);
	elf_view_clear(&image.view);
	return 0;
}
