/* SPDX-License-Identifier: MIT */
/*
 * module_census SYMVERS CERTIFICATES LIST VERMAGIC [high]: inserts the kernel's modules
 * whose paths LIST has, a line each, what is needed first, into one namespace that takes
 * none without a signature by CERTIFICATES. The host lends what SYMVERS (Module.symvers)
 * says that vmlinux exports: each name an address with nothing behind it, below 2 GiB or,
 * on request, out of reach from there.
 *
 * Tells what came of it, then waits for "remove" on its input, while others look at its
 * memory. Everything is done through the public interface but one: where sections lie is
 * asked of the object linker.
 */
#include "registry/registry.h"

#include "link/object/object.h"

#include <umod/umod.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STUB_BYTES  16u
#define NAMES_BYTES 256

static struct umod_namespace *space;
static uint64_t stage_ns[UMOD_STAGE_COUNT];

static void die(const char *what, const struct umod_error *error)
{
	fprintf(stderr, "%s: %s\n", what, error ? error->message : strerror(errno));
	exit(2);
}

/* ---- the host's exports ---- */

/* "0xCRC\tNAME\tvmlinux\tEXPORT_SYMBOL[_GPL]\tNAMESPACE"; others are modules' own. */
static bool read_export(char *line, struct umod_host_export *item)
{
	char *fields[5] = { NULL };
	unsigned count = 0;
	for (char *at = line; at && count < 5; count++) {
		fields[count] = at;
		at = strpbrk(at, "\t\n");
		if (at)
			*at++ = 0;
	}
	if (count < 4 || strcmp(fields[2], "vmlinux") != 0)
		return false;
	*item = (struct umod_host_export){ .size_bytes = sizeof(*item),
		.name = fields[1],
		.export_space = fields[4] && fields[4][0] ? fields[4] : NULL,
		.gpl_only = strstr(fields[3], "_GPL") != NULL,
		.crc = (uint32_t)strtoul(fields[0], NULL, 16) };
	item->has_crc = item->crc != 0;
	return true;
}

static void lend_exports(const char *path, bool is_high)
{
	char line[1024];
	struct umod_host_export item;
	struct umod_error error = { 0 };
	unsigned lines = 0, count = 0;
	FILE *file = fopen(path, "re");
	if (!file)
		die(path, NULL);
	while (fgets(line, sizeof(line), file))
		lines++;
	rewind(file);
	/* Addresses alone: nothing there can be read, written or run. */
	char *stubs = mmap(NULL, (size_t)STUB_BYTES * (lines + 1u), PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (is_high ? 0 : MAP_32BIT),
		-1, 0);
	if (stubs == MAP_FAILED)
		die("stubs", NULL);
	while (fgets(line, sizeof(line), file)) {
		if (!read_export(line, &item))
			continue;
		item.address = stubs + (size_t)STUB_BYTES * count++;
		if (umod_export(space, &item, &error))
			die(item.name, &error);
		printf("stub %s %#lx\n", item.name, (unsigned long)item.address);
	}
	fclose(file);
}

/* ---- where sections lie ---- */

static int tell_sections(struct umod_module *module, enum umod_event event, void *data)
{
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	(void)data;
	if (event != UMOD_EVENT_COMING)
		return 0;
	umod_module_info_get(module, &info);
	printf("module %s %#lx %#lx %lu\n", info.path, info.start, info.end,
		(unsigned long)info.symbolic);
	printf("sections");
	for (unsigned i = 0; i < 0xffff; i++) {
		uint64_t bytes;
		void *at = link_object_address(&module->image, i, &bytes);
		if (at)
			printf(" %u:%#lx:%#lx", i, (unsigned long)at,
				(unsigned long)bytes);
	}
	printf("\n");
	return 0;
}

/* ---- modules ---- */

struct names {
	char (*items)[NAMES_BYTES];
	unsigned count;
};

static void keep_name(struct names *names, struct umod_module *module)
{
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	umod_module_info_get(module, &info);
	names->items = realloc(names->items, (names->count + 1u) * sizeof(*names->items));
	if (!names->items)
		die("names", NULL);
	snprintf(names->items[names->count++], NAMES_BYTES, "%s", info.name);
	if (info.signature != UMOD_SIGNATURE_VERIFIED)
		printf("unverified %s\n", info.path);
}

static void insert_all(const char *list, const char *vermagic, struct names *names)
{
	char path[4096];
	FILE *file = fopen(list, "re");
	if (!file)
		die(list, NULL);
	uint64_t start = base_now_ns();
	while (fgets(path, sizeof(path), file)) {
		struct umod_source source = { .size_bytes = sizeof(source),
			.path = path };
		struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
		struct umod_error error = { 0 };
		struct umod_module *module;
		path[strcspn(path, "\n")] = 0;
		options.flags = UMOD_INSERT_NO_RUN;
		options.vermagic = vermagic;
		options.stage_ns = stage_ns;
		if (umod_insert(space, &source, &options, &module, &error)) {
			printf("failed %s %s %d %s\n", path, umod_stage_name(error.stage),
				error.code, error.message);
			continue;
		}
		keep_name(names, module);
		umod_module_put(module);
	}
	fclose(file);
	printf("inserted %u %lu\n", names->count,
		(unsigned long)(base_now_ns() - start) / 1000);
	for (unsigned i = 0; i < UMOD_STAGE_COUNT; i++)
		if (stage_ns[i])
			printf("stage %s %lu\n", umod_stage_name((enum umod_stage)i),
				(unsigned long)stage_ns[i] / 1000);
}

static int count_one(struct umod_module *module, void *data)
{
	(void)module;
	++*(unsigned *)data;
	return 0;
}

static void remove_all(struct names *names)
{
	struct umod_error error = { 0 };
	unsigned count = 0, left = 0;
	for (unsigned i = names->count; i-- > 0;) {
		if (umod_remove(space, names->items[i], 0, 0, &error) == 0)
			count++;
		else
			printf("stays %s %s\n", names->items[i], error.message);
	}
	umod_modules_visit(space, count_one, &left);
	printf("removed %u, %u left\n", count, left);
}

static void read_keys(struct umod_context *context, const char *path)
{
	static char bytes[1 << 16];
	struct umod_error error = { 0 };
	FILE *file = fopen(path, "re");
	if (!file)
		die(path, NULL);
	size_t count = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	if (umod_key_add(context, bytes, count, path, &error))
		die(path, &error);
}

int main(int argc, char **argv)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context;
	struct umod_listener *listener = NULL;
	struct umod_error error = { 0 };
	struct names names = { 0 };
	char line[64];
	if (argc < 5)
		return 2;
	options.signatures = UMOD_SIGNATURES_ENFORCE;
	if (umod_context_new(&options, &context, &error) ||
		umod_namespace_new(context, NULL, &space, &error) ||
		umod_listener_add(space, tell_sections, NULL, &listener))
		die("context", &error);
	read_keys(context, argv[2]);
	lend_exports(argv[1], argc > 5);
	insert_all(argv[3], argv[4], &names);
	printf("ready\n");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin))
		remove_all(&names);
	umod_listener_remove(listener);
	umod_namespace_unref(space);
	umod_context_unref(context);
	free(names.items);
	return 0;
}
