/* SPDX-License-Identifier: MIT */
/*
 * The demo: the published dlmopen experiment (github.com/mpoquet/dlmopen-test), done with
 * umod and printed line for line; then with 1,000 copies; then with a real library.
 *
 * The runner is linked with base-0, user-1 with base-1 and user-2 with base-2; all have
 * the same names and a mutable global each. Every line that is printed is also checked:
 * the demo exits 1 when a value is not what isolation demands.
 */
#include "demo.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COPIES 1000

int base_version(void);
extern int base_global_value;

/* The same names as in the user libraries, exported, so that a mix-up would show. */
int version(void);
extern int global_value;

int global_value = VERSION;

int version(void)
{
	return VERSION;
}

void demo_fail(const char *format, ...)
{
	va_list list;

	fflush(stdout);
	va_start(list, format);
	fputs("demo: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(1);
}

double demo_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

unsigned demo_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned lines = 0;
	int c;

	while (file && (c = getc(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

unsigned long demo_anonymous_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	unsigned long kib = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Anonymous: %lu kB", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib;
}

void *demo_symbol(struct umod_module *module, const char *name)
{
	struct umod_error error = { 0 };
	void *address = NULL;

	if (umod_module_symbol(module, name, NULL, &address, &error) < 0)
		demo_fail("%s", error.message);
	return address;
}

void demo_load(struct umod_context *context, const char *path,
	struct umod_namespace **space, struct umod_module **module)
{
	struct umod_error error = { 0 };

	if (umod_namespace_new(context, NULL, space, &error) < 0)
		demo_fail("no namespace: %s", error.message);
	if (umod_load(*space, path, NULL, module, &error) < 0)
		demo_fail("%s: %s", path, error.message);
}

void demo_unload(struct umod_namespace *space, struct umod_module *module)
{
	struct umod_error error = { 0 };
	int result = umod_module_unref(module, &error);

	if (result != 0)
		demo_fail("did not unload (%d): %s", result, error.message);
	umod_namespace_unref(space);
}

static struct demo_user user_load(struct umod_context *context, int number)
{
	const char *path = number == 1 ? DEMO_USER_1 : DEMO_USER_2;
	struct demo_user user = { .number = number };
	void *address;

	demo_load(context, path, &user.space, &user.module);
	address = demo_symbol(user.module, "fullname");
	memcpy(&user.fullname, &address, sizeof(address));
	user.global_value = demo_symbol(user.module, "global_value");
	user.base_global_value = demo_symbol(user.module, "base_global_value");
	return user;
}

/* What a fullname must be. */
static void expected(char *text, size_t bytes, int global, int own, int base, int of_base)
{
	snprintf(text, bytes,
		"my_glob='%d', my_version=%d, base_glob='%d', base_version=%d", global,
		own, base, of_base);
}

static void runner_check(int global, int base, bool print)
{
	char is[128], should[128];

	expected(is, sizeof(is), global_value, version(), base_global_value,
		base_version());
	expected(should, sizeof(should), global, VERSION, base, VERSION);
	if (print)
		printf("runner fullname: %s\n", is);
	if (strcmp(is, should) != 0)
		demo_fail("the runner has %s, not %s", is, should);
}

static void user_check(
	const struct demo_user *user, unsigned index, int global, int base, bool print)
{
	char is[128], should[128];

	user->fullname(is, sizeof(is));
	expected(should, sizeof(should), global, user->number, base, user->number);
	if (print)
		printf("user %u fullname: %s\n", index, is);
	if (strcmp(is, should) != 0)
		demo_fail("user %u has %s, not %s", index, is, should);
}

/* Values before and after every global is changed, the runner's included. */
static void experiment(
	struct umod_context *context, const int *numbers, unsigned count, unsigned shown)
{
	struct demo_user *users = calloc(count, sizeof(*users));

	if (!users)
		demo_fail("no memory");
	global_value = base_global_value = VERSION;
	runner_check(VERSION, VERSION, true);
	for (unsigned i = 0; i < count; i++)
		users[i] = user_load(context, numbers[i]);
	printf("All users have been loaded.\n");
	runner_check(VERSION, VERSION, true);
	for (unsigned i = 0; i < count; i++)
		user_check(&users[i], i, numbers[i], numbers[i],
			i < shown || i == count - 1);
	printf("Changing global values.\n");
	global_value = 42;
	base_global_value = 420;
	for (unsigned i = 0; i < count; i++) {
		*users[i].global_value = ((int)i + 1) * 10;
		*users[i].base_global_value = ((int)i + 1) * 100;
	}
	printf("Printing fullnames again.\n");
	runner_check(42, 420, true);
	for (unsigned i = 0; i < count; i++)
		user_check(&users[i], i, ((int)i + 1) * 10, ((int)i + 1) * 100,
			i < shown || i == count - 1);
	if (shown + 1 < count)
		printf("All %u users were compared, before and after.\n", count);
	printf("Removing user libs from memory.\n");
	for (unsigned i = 0; i < count; i++)
		demo_unload(users[i].space, users[i].module);
	runner_check(42, 420, true);
	free(users);
}

/* Loads @count copies only to measure them. */
static void measure(struct umod_context *context, unsigned count)
{
	struct demo_user *users = calloc(count, sizeof(*users));
	unsigned mappings = demo_mappings(), after;
	unsigned long kib = demo_anonymous_kib();
	double start, loaded, gone;

	if (!users)
		demo_fail("no memory");
	start = demo_now_ms();
	for (unsigned i = 0; i < count; i++)
		users[i] = user_load(context, 1 + (int)(i % 2));
	loaded = demo_now_ms();
	printf("%u namespaces with two libraries each: loaded in %.1f ms, with %u "
	       "mappings "
	       "and %lu KiB\n",
		count, loaded - start, demo_mappings() - mappings,
		demo_anonymous_kib() - kib);
	gone = demo_now_ms();
	for (unsigned i = 0; i < count; i++)
		demo_unload(users[i].space, users[i].module);
	printf("unloaded in %.1f ms", demo_now_ms() - gone);
	after = demo_mappings();
	/* Neighbours in the address space may split or join: allow for a few. */
	if (after > mappings + 16)
		demo_fail("%u mappings before, %u after", mappings, after);
	printf(", no mapping left behind\n");
	free(users);
}

int main(void)
{
	struct umod_context *context;
	struct umod_error error = { 0 };
	const int different[] = { 1, 2 }, same[] = { 1, 1 };
	int *many = calloc(COPIES, sizeof(*many));

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!many || umod_context_new(NULL, &context, &error) < 0)
		demo_fail("no context: %s", error.message);
	for (unsigned i = 0; i < COPIES; i++)
		many[i] = 1 + (int)(i % 2);

	printf("== 1. user-1 (with base-1) and user-2 (with base-2); the runner has "
	       "base-0\n");
	experiment(context, different, 2, 2);
	printf("\n== 2. user-1 loaded twice\n");
	experiment(context, same, 2, 2);
	printf("\n== 3. the same with %u copies, user-1 and user-2 by turns\n", COPIES);
	experiment(context, many, COPIES, 2);
	measure(context, COPIES);
	printf("\n== 4. the real libsqlite3, twice\n");
	demo_sqlite(context);

	printf("\nShown: each copy of a library has its own globals and its own base, "
	       "and none "
	       "touches the runner's;\n"
	       "%u namespaces live in one process, where dlmopen ends at 11; a real "
	       "library "
	       "works in two at once;\n"
	       "all of it unloads. Every value above was checked.\n",
		COPIES);
	free(many);
	umod_context_unref(context);
	return 0;
}
