/* SPDX-License-Identifier: MIT */
/*
 * A program with modules: host TREE. TREE is a tree of modules that
 * `umod depmod -b TREE 1.0` indexed. The host exports three functions to them, asks for
 * what it needs by alias, counts its uses, and has what nobody uses go again: the story
 * that books about Linux 2.2 told of fat, vfat and kerneld.
 */
#include "host.h"

#include <umod/umod.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct umod_namespace *space;

/* ---- what modules call ---- */

static const struct filesystem *filesystem;

int host_register_filesystem(const struct filesystem *new_one)
{
	if (filesystem)
		return -EBUSY;
	filesystem = new_one;
	return 0;
}

void host_unregister_filesystem(const struct filesystem *old_one)
{
	if (filesystem == old_one)
		filesystem = NULL;
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

/* ---- small help ---- */

static int tell(const struct umod_error *error)
{
	char text[1400];

	umod_error_format(error, text, sizeof(text));
	printf("  no: %s\n", text);
	return error->code;
}

static int export_function(const char *name, void *address)
{
	struct umod_host_export item = {
		.size_bytes = sizeof(item), .name = name, .address = address
	};
	struct umod_error error = { 0 };

	return umod_export(space, &item, &error) ? tell(&error) : 0;
}

static void request(const char *name)
{
	struct umod_error error = { 0 };

	printf("request %s\n", name);
	if (umod_request(space, &error, "%s", name))
		tell(&error);
}

static void remove_module(const char *name)
{
	struct umod_error error = { 0 };

	printf("remove %s\n", name);
	if (umod_remove(space, name, 0, 0, &error))
		tell(&error);
}

static void list(void)
{
	char *text = NULL;

	if (umod_text(space, UMOD_TEXT_LSMOD, &text, NULL))
		return;
	fputs(text, stdout);
	free(text);
}

/* A function of module @name, and a use of it that umod_module_put gives back. */
static struct umod_module *use(const char *name, const char *function, void *out)
{
	struct umod_module *module;
	void *address = NULL;

	request(name);
	module = umod_module_find(space, name);
	if (module)
		umod_module_symbol(module, function, NULL, &address, NULL);
	memcpy(out, &address, sizeof(address));
	return module;
}

/* ---- the story of fat and vfat ---- */

static void write_a_file(void)
{
	static const char file[] = "A long name.txt", data[] = "old chapters";
	char text[200] = "";
	int written = filesystem->write(file, data, sizeof(data));
	int read = filesystem->read(file, text, sizeof(text));

	printf("%s: wrote %d, read %d: %s\n", filesystem->name, written, read, text);
	filesystem->list(text, sizeof(text));
	printf("%s: %s", filesystem->name, text);
}

static void tell_the_story(void)
{
	request("fs-vfat");
	list();
	if (!filesystem)
		return;
	/* A disk is mounted: who serves it must stay. */
	struct umod_module *mounted =
		umod_module_of(space, (const void *)filesystem->write);
	write_a_file();
	remove_module("vfat");
	remove_module("fat");
	for (unsigned pass = 1; pass <= 2; pass++)
		printf("pass %u takes out %u\n", pass, umod_autoclean(space, false));
	umod_module_put(mounted);
	for (unsigned pass = 3; pass <= 4; pass++)
		printf("pass %u takes out %u\n", pass, umod_autoclean(space, false));
	list();
}

/* ---- the others ---- */

static void use_knobs(void)
{
	int (*show)(char *, unsigned);
	char text[400];
	struct umod_error error = { 0 };
	struct umod_module *knobs = use("knobs", "knobs_show", &show);

	if (!knobs)
		return;
	if (umod_parameter_set(knobs, "k_int", "400000", &error) ||
		umod_parameter_set(knobs, "k_byte", "300", &error))
		tell(&error);
	if (umod_parameter_get(knobs, "k_int", text, sizeof(text), &error) >= 0)
		printf("k_int is %s\n", text);
	if (show && show(text, sizeof(text)) > 0)
		printf("knobs: %s\n", text);
	umod_module_put(knobs);
}

static void *count_to_three(void *data)
{
	unsigned (*count)(void);

	memcpy(&count, data, sizeof(count));
	count();
	count();
	return (void *)(uintptr_t)count();
}

static void use_tally(void)
{
	unsigned (*count)(void), (*total)(void) = NULL;
	void *result = NULL;
	pthread_t thread;
	struct umod_module *tally = use("tally", "tally_count", &count);

	if (!tally)
		return;
	umod_module_symbol(tally, "tally_total", NULL, (void **)&total, NULL);
	for (unsigned i = 0; i < 2; i++) {
		if (pthread_create(&thread, NULL, count_to_three, &count) == 0)
			pthread_join(thread, &result);
	}
	printf("tally: a thread has %lu, all have %u\n", (unsigned long)(uintptr_t)result,
		total());
	umod_module_put(tally);
}

static void use_ledger(void)
{
	static const char *const lines[] = { "ann 50", "ann -120", "ann -120", "bob x",
		"nonsense" };
	long (*post)(const char *, char *, unsigned);
	char error[100];
	struct umod_module *ledger = use("ledger", "ledger_post", &post);

	for (unsigned i = 0; ledger && post && i < sizeof(lines) / sizeof(lines[0]);
		i++) {
		error[0] = '\0';
		long balance = post(lines[i], error, sizeof(error));
		if (error[0])
			printf("ledger: %s: %s\n", lines[i], error);
		else
			printf("ledger: %s: %ld\n", lines[i], balance);
	}
	umod_module_put(ledger);
}

/* ---- the program ---- */

static int set_up(const char *folder, struct umod_context **context)
{
	struct umod_namespace_options options = UMOD_NAMESPACE_OPTIONS_INIT;
	struct umod_modtree_options tree_options = UMOD_MODTREE_OPTIONS_INIT;
	struct umod_modtree *tree = NULL;
	struct umod_error error = { 0 };

	options.name = "example";
	tree_options.root = folder;
	tree_options.release = "1.0";
	tree_options.no_config = true;
	if (umod_context_new(NULL, context, &error) ||
		umod_namespace_new(*context, &options, &space, &error) ||
		umod_modtree_new(&tree_options, &tree, &error) ||
		umod_set_tree(space, tree, &error))
		return tell(&error);
	umod_modtree_unref(tree);
	if (export_function(
		    "host_register_filesystem", (void *)host_register_filesystem) ||
		export_function(
			"host_unregister_filesystem", (void *)host_unregister_filesystem))
		return -1;
	return export_function("host_say", (void *)host_say);
}

int main(int argc, char **argv)
{
	struct umod_context *context = NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2)
		return 2;
	if (set_up(argv[1], &context))
		return 1;
	tell_the_story();
	use_knobs();
	use_tally();
	use_ledger();
	printf("a last pass takes out %u\n", umod_autoclean(space, true));
	umod_namespace_unref(space);
	umod_context_unref(context);
	return 0;
}
