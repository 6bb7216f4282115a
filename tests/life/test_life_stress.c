/* SPDX-License-Identifier: MIT */
/*
 * A thousand modules that use one another, and 32 threads that insert, call, look up and
 * remove them in random order: every state counted, and nothing left. UMOD_TEST_SECONDS
 * says how long; 2 if unset.
 */
#include "test.h"

#include <umod/umod.h>

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define MODULES 1000
#define THREADS 32
#define ROOM    16384

static struct umod_context *context;
static struct umod_namespace *space;
static unsigned char template[ROOM];
static size_t template_bytes;
static atomic_int alive[MODULES];
static atomic_ulong inserted, refused, removed, kept, called, missed, found;
static atomic_bool stop;

static void host_count(int number, int change)
{
	int now = atomic_fetch_add(&alive[number % MODULES], change) + change;
	if (now != 0 && now != 1)
		FAIL("module %d is alive %d times", number, now);
}

/* ---- modules ---- */

/* Every fourth stands by itself; each other one uses one of a lower number. */
static int used_by(int number)
{
	return number % 4 == 0 ? number : number / 2;
}

static void write_digits(unsigned char *bytes, size_t count, const char *mark, int number)
{
	char digits[8];
	snprintf(digits, sizeof(digits), "%04d", number);
	for (unsigned char *at = bytes;
		(at = memmem(at, count - (size_t)(at - bytes), mark, 4)); at += 4)
		memcpy(at, digits, 4);
}

static int insert(int number)
{
	unsigned char bytes[ROOM];
	char name[32], parameters[32];
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = name,
		.buffer = bytes,
		.buffer_bytes = template_bytes };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	struct umod_error error = { 0 };
	memcpy(bytes, template, template_bytes);
	write_digits(bytes, template_bytes, "AAAA", number);
	write_digits(bytes, template_bytes, "BBBB", used_by(number));
	snprintf(name, sizeof(name), "numbered_%04d.o", number);
	snprintf(parameters, sizeof(parameters), "number=%d", number);
	options.parameters = parameters;
	int result = umod_insert(space, &source, &options, NULL, &error);
	if (result && result != -EEXIST && result != -EBUSY && result != -ENOENT)
		FAIL("insert: %s", error.message);
	atomic_fetch_add(result ? &refused : &inserted, 1);
	return result;
}

static int remove_one(int number)
{
	char name[32];
	struct umod_error error = { 0 };
	snprintf(name, sizeof(name), "numbered_%04d", number);
	int result = umod_remove(space, name, 0, 0, &error);
	if (result && result != -ENOENT && result != -EWOULDBLOCK && result != -EBUSY)
		FAIL("remove: %s", error.message);
	atomic_fetch_add(result ? &kept : &removed, 1);
	return result;
}

static void call(int number)
{
	char name[32];
	void *function = NULL;
	snprintf(name, sizeof(name), "numbered_%04d", number);
	struct umod_module *module = umod_module_find(space, name);
	atomic_fetch_add(module ? &called : &missed, 1);
	if (!module)
		return;
	snprintf(name, sizeof(name), "number_%04d", number);
	if (CHECK_INT(umod_module_symbol(module, name, NULL, &function, NULL), 0)) {
		struct umod_module *owner = umod_module_of(space, function);
		CHECK(owner == module);
		umod_module_put(owner);
		CHECK_INT(((int (*)(int))function)(3), number);
		struct umod_address_info info;
		if (CHECK_INT(umod_address_symbol(function, &info), 0))
			atomic_fetch_add(&found, 1);
	}
	umod_module_put(module);
}

static void look(void)
{
	char *text = NULL;
	if (CHECK_INT(umod_text(space, UMOD_TEXT_MODULES, &text, NULL), 0))
		free(text);
}

/* ---- threads ---- */

static void *work(void *seed)
{
	uint64_t state = (uintptr_t)seed * 0x9e3779b97f4a7c15u;
	while (!atomic_load(&stop) && !atomic_load(&test_failures)) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		int number = (int)(state >> 33) % MODULES;
		unsigned what = (unsigned)(state & 1023);
		if (what < 400)
			insert(number);
		else if (what < 600)
			remove_one(number);
		else if (what < 1023)
			call(number);
		else
			look();
	}
	return NULL;
}

static bool prepare(void)
{
	const char *folder = getenv("UMOD_TEST_FIXTURES");
	char path[4096];
	struct umod_namespace_options options =
		UMOD_OPTIONS_INIT(struct umod_namespace_options);
	struct umod_host_export item = { .size_bytes = sizeof(item),
		.name = "host_count",
		.address = (void *)host_count };
	snprintf(path, sizeof(path), "%s/numbered.o", folder ? folder : ".");
	FILE *file = fopen(path, "rb");
	template_bytes = file ? fread(template, 1, ROOM, file) : 0;
	if (file)
		fclose(file);
	return CHECK(template_bytes && template_bytes < ROOM) &&
	       CHECK_INT(umod_context_new(NULL, &context, NULL), 0) &&
	       CHECK_INT(umod_namespace_new(context, &options, &space, NULL), 0) &&
	       CHECK_INT(umod_export(space, &item, NULL), 0);
}

/* All go, the users first; each name is free then. */
static void remove_all(void)
{
	unsigned left = 0;
	for (int number = MODULES; number-- > 0;)
		remove_one(number);
	for (int number = 0; number < MODULES; number++)
		left += (unsigned)atomic_load(&alive[number]);
	CHECK_INT(left, 0);
	char *text = NULL;
	if (CHECK_INT(umod_text(space, UMOD_TEXT_MODULES, &text, NULL), 0)) {
		CHECK_STR(text, "");
		free(text);
	}
	CHECK_INT(atomic_load(&inserted), atomic_load(&removed));
}

TEST(thousand_modules_and_32_threads)
{
	const char *seconds = getenv("UMOD_TEST_SECONDS");
	struct timespec duration = { seconds ? atoi(seconds) : 2, 0 };
	struct umod_statistics before = { .size_bytes = sizeof(before) }, after = before;
	pthread_t threads[THREADS];
	umod_statistics_get(&before);
	if (!prepare())
		return;
	for (int number = 0; number < MODULES; number++)
		insert(number);
	CHECK_INT(atomic_load(&inserted), MODULES);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	nanosleep(&duration, NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	remove_all();
	umod_namespace_unref(space);
	umod_context_unref(context);
	umod_statistics_get(&after);
	CHECK_INT(after.modules, before.modules);
	printf("# %lu inserted, %lu refused; %lu removed, %lu kept; %lu called, %lu "
	       "missed, "
	       "%lu addresses found\n",
		inserted, refused, removed, kept, called, missed, found);
}
