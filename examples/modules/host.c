/* SPDX-License-Identifier: MIT */
/*
 * A program with modules: host FOLDER. It lends them three functions, loads all six from
 * FOLDER, each after those that it needs, uses them, and takes them out again.
 */
#include "host.h"

#include <umod/umod.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what modules call ---- */

static const struct filesystem *filesystems[4];

int host_register_filesystem(const struct filesystem *filesystem)
{
	for (unsigned i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++) {
		if (!filesystems[i]) {
			filesystems[i] = filesystem;
			return 0;
		}
	}
	return -ENOSPC;
}

void host_unregister_filesystem(const struct filesystem *filesystem)
{
	for (unsigned i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++) {
		if (filesystems[i] == filesystem)
			filesystems[i] = NULL;
	}
}

void host_say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	printf("  ");
	vprintf(format, list);
	putchar('\n');
	va_end(list);
}

static const struct umod_lent_symbol lent[] = {
	{ "host_register_filesystem", (void *)host_register_filesystem },
	{ "host_unregister_filesystem", (void *)host_unregister_filesystem },
	{ "host_say", (void *)host_say },
};

/* ---- using them ---- */

static const char *const names[] = { "sectors", "fat", "vfat", "knobs", "tally",
	"ledger" };
#define MODULE_COUNT (sizeof(names) / sizeof(names[0]))
enum { SECTORS, FAT, VFAT, KNOBS, TALLY, LEDGER };

static struct umod_module *modules[MODULE_COUNT];

static int tell(const struct umod_error *error)
{
	char text[1400];

	umod_error_format(error, text, sizeof(text));
	fprintf(stderr, "host: %s\n", text);
	return error->code;
}

static void *function(unsigned module, const char *name)
{
	struct umod_error error = { 0 };
	void *address = NULL;

	if (umod_module_symbol(modules[module], name, NULL, &address, &error))
		tell(&error);
	return address;
}

static void *count_to_three(void *data)
{
	unsigned (*count)(void) = NULL;

	memcpy(&count, data, sizeof(count));
	count();
	count();
	return (void *)(uintptr_t)count();
}

static void use_tally(void)
{
	void *count = function(TALLY, "tally_count"), *result = NULL;
	unsigned (*total)(void) = NULL;
	pthread_t thread;

	*(void **)&total = function(TALLY, "tally_total");
	if (!count || !total)
		return;
	for (unsigned i = 0; i < 2; i++) {
		if (pthread_create(&thread, NULL, count_to_three, &count) == 0)
			pthread_join(thread, &result);
	}
	printf("tally: a thread has %lu, all have %u\n", (unsigned long)(uintptr_t)result,
		total());
}

static void use_ledger(void)
{
	static const char *const lines[] = { "ann 50", "ann -120", "ann -120", "bob x",
		"nonsense" };
	long (*post)(const char *, char *, unsigned) = NULL;
	char error[100];

	*(void **)&post = function(LEDGER, "ledger_post");
	for (unsigned i = 0; post && i < sizeof(lines) / sizeof(lines[0]); i++) {
		error[0] = '\0';
		long balance = post(lines[i], error, sizeof(error));
		if (error[0])
			printf("ledger: %s: %s\n", lines[i], error);
		else
			printf("ledger: %s: %ld\n", lines[i], balance);
	}
}

static void use_knobs(void)
{
	int (*show)(char *, unsigned) = NULL;
	char text[400];

	*(void **)&show = function(KNOBS, "knobs_show");
	if (show && show(text, sizeof(text)) > 0)
		printf("knobs: %s\n", text);
}

static void use_filesystems(void)
{
	static const char file[] = "A long name.txt", data[] = "old chapters";
	char text[200] = "";

	for (unsigned i = 0; i < sizeof(filesystems) / sizeof(filesystems[0]); i++) {
		const struct filesystem *fs = filesystems[i];
		if (!fs)
			continue;
		int written = fs->write(file, data, sizeof(data));
		int read = fs->read(file, text, sizeof(text));
		printf("%s: wrote %d, read %d: %s\n", fs->name, written, read, text);
		fs->list(text, sizeof(text));
		printf("%s: %s", fs->name, text);
	}
}

int main(int argc, char **argv)
{
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_load_options load = UMOD_LOAD_OPTIONS_INIT;
	struct umod_context *context = NULL;
	struct umod_namespace *space = NULL;
	struct umod_module *library = NULL;
	struct umod_error error = { 0 };
	char path[4096];

	options.name = "example";
	options.symbols = lent;
	options.symbol_count = sizeof(lent) / sizeof(lent[0]);
	load.flags = UMOD_LOAD_GLOBAL;
	if (argc < 2 || umod_context_new(NULL, &context, &error) ||
		umod_namespace_new(context, &options, &space, &error))
		return argc < 2 ? 2 : -tell(&error);
	/* For ledger: an object, unlike a shared object, loads no libraries. */
	if (umod_load(space, "libstdc++.so.6", &load, &library, &error))
		return -tell(&error);
	for (unsigned i = 0; i < MODULE_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s.o", argv[1], names[i]);
		if (umod_load(space, path, &load, &modules[i], &error))
			return -tell(&error);
	}
	use_knobs();
	use_tally();
	use_ledger();
	use_filesystems();
	for (unsigned i = MODULE_COUNT; i-- > 0;)
		umod_module_unref(modules[i], NULL);
	umod_module_unref(library, NULL);
	umod_namespace_unref(space);
	umod_context_unref(context);
	return 0;
}
