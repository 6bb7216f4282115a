/* SPDX-License-Identifier: MIT */
/* A module's life: in and out, exports and their rules, uses, listeners, refusals. */
#include "life_test.h"

#include <sys/wait.h>

struct life_host host = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };
static struct umod_statistics before;

static void note(const char *what, const char *who)
{
	pthread_mutex_lock(&host.lock);
	size_t used = strlen(host.notes);
	snprintf(host.notes + used, sizeof(host.notes) - used, "%s%s %s",
		used ? ", " : "", what, who);
	pthread_mutex_unlock(&host.lock);
}

static int pause_module(const char *who)
{
	note("pause", who);
	pthread_mutex_lock(&host.lock);
	host.paused++;
	pthread_cond_broadcast(&host.changed);
	while (!host.go_on)
		pthread_cond_wait(&host.changed, &host.lock);
	host.paused--;
	pthread_cond_broadcast(&host.changed);
	pthread_mutex_unlock(&host.lock);
	return 0;
}

static int insert_for_module(const char *who)
{
	char file[64];
	snprintf(file, sizeof(file), "%s.o", who);
	return life_insert_file(file);
}

static void lend(const char *name, void *address)
{
	struct umod_host_export item = {
		.size_bytes = sizeof(item), .name = name, .address = address
	};
	CHECK_INT(umod_export(host.space, &item, &host.error), 0);
	CHECK_INT(umod_export(host.space, &item, &host.error), -EEXIST);
}

void life_begin(void)
{
	struct umod_namespace_options options =
		UMOD_OPTIONS_INIT(struct umod_namespace_options);
	before.size_bytes = sizeof(before);
	umod_statistics_get(&before);
	host.notes[0] = 0;
	host.go_on = false;
	CHECK_INT(umod_context_new(NULL, &host.context, NULL), 0);
	CHECK_INT(umod_namespace_new(host.context, &options, &host.space, NULL), 0);
	lend("host_note", (void *)note);
	lend("host_pause", (void *)pause_module);
	lend("host_insert", (void *)insert_for_module);
}

void life_close(void)
{
	struct umod_statistics after = { .size_bytes = sizeof(after) };
	umod_namespace_unref(host.space);
	umod_context_unref(host.context);
	umod_statistics_get(&after);
	CHECK_INT(after.modules, before.modules);
}

static const char *path_of(const char *file, char out[4096])
{
	const char *folder = getenv("UMOD_TEST_FIXTURES");
	snprintf(out, 4096, "%s/%s", folder ? folder : ".", file);
	return out;
}

int life_insert_file(const char *file)
{
	char path[4096];
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = path_of(file, path) };
	struct umod_error error = { 0 };
	int result = umod_insert(host.space, &source, NULL, NULL, &error);
	if (result) {
		pthread_mutex_lock(&host.lock);
		host.error = error;
		pthread_mutex_unlock(&host.lock);
	}
	return result;
}

int life_remove_name(const char *name, unsigned flags)
{
	struct umod_error error = { 0 };
	int result = umod_remove(host.space, name, flags, 5000, &error);
	if (result) {
		pthread_mutex_lock(&host.lock);
		host.error = error;
		pthread_mutex_unlock(&host.lock);
	}
	return result;
}

const char *life_notes(void)
{
	static char told[sizeof(host.notes)];
	pthread_mutex_lock(&host.lock);
	strcpy(told, host.notes);
	host.notes[0] = 0;
	pthread_mutex_unlock(&host.lock);
	return told;
}

void life_wait_paused(unsigned count)
{
	pthread_mutex_lock(&host.lock);
	while (host.paused != count)
		pthread_cond_wait(&host.changed, &host.lock);
	pthread_mutex_unlock(&host.lock);
}

void life_go_on(void)
{
	pthread_mutex_lock(&host.lock);
	host.go_on = true;
	pthread_cond_broadcast(&host.changed);
	pthread_mutex_unlock(&host.lock);
}

/* ---- in and out ---- */

static void fat_and_vfat(const char *kind)
{
	char fat[16], vfat[16];
	snprintf(fat, sizeof(fat), "fat.%s", kind);
	snprintf(vfat, sizeof(vfat), "vfat.%s", kind);
	life_begin();
	CHECK_INT(life_insert_file(fat), 0);
	CHECK_INT(life_insert_file(vfat), 0);
	CHECK_STR(life_notes(), "init fat, init vfat");
	CHECK_INT(life_insert_file(fat), -EEXIST);
	CHECK_HAS(host.error.message, "is there already");
	CHECK_INT(life_remove_name("fat", 0), -EWOULDBLOCK);
	CHECK_HAS(host.error.message, "is in use by: vfat");
	CHECK_INT(life_remove_name("fat", UMOD_REMOVE_FORCE), -EWOULDBLOCK);
	CHECK_INT(life_remove_name("vfat", 0), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	CHECK_STR(life_notes(), "exit vfat, exit fat");
	CHECK_INT(life_remove_name("fat", 0), -ENOENT);
	CHECK_INT(life_remove_name("", 0), -ENOENT);
	CHECK_INT(life_remove_name("fat", 1 << 20), -EINVAL);
	life_close();
}

TEST(relocatable)
{
	fat_and_vfat("o");
}

TEST(shared)
{
	fat_and_vfat("so");
}

TEST(mixed)
{
	life_begin();
	CHECK_INT(life_insert_file("fat.so"), 0);
	CHECK_INT(life_insert_file("vfat.o"), 0);
	CHECK_INT(life_remove_name("vfat", 0), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}

/* What is still there goes with its namespace, without exit: nobody asked for that. */
TEST(old_names)
{
	life_begin();
	CHECK_INT(life_insert_file("old.o"), 0);
	CHECK_INT(life_remove_name("old", 0), 0);
	CHECK_INT(life_insert_file("old.so"), 0);
	CHECK_INT(life_remove_name("old", 0), 0);
	CHECK_STR(life_notes(), "init old, exit old, init old, exit old");
	life_close();
}

TEST(another_name)
{
	char path[4096];
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = path_of("fat.o", path) };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	struct umod_module *module = NULL;
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	options.name = "fat-2";
	CHECK_INT(umod_insert(host.space, &source, &options, &module, &host.error), 0);
	CHECK(module && umod_module_find(host.space, "fat_2") == module);
	umod_module_put(module);
	CHECK_INT(life_remove_name("fat-2", 0), -EWOULDBLOCK);
	CHECK_HAS(host.error.message, "1 use");
	umod_module_put(module);
	CHECK_INT(life_remove_name("fat-2", 0), 0);
	options.name = "a/b";
	CHECK_INT(umod_insert(host.space, &source, &options, NULL, &host.error), -EINVAL);
	options.name = "a-name-that-is-longer-than-fifty-five-bytes-as-the-kernel-has-it";
	CHECK_INT(umod_insert(host.space, &source, &options, NULL, &host.error),
		-ENAMETOOLONG);
	options.name = NULL;
	options.flags = 1 << 20;
	CHECK_INT(umod_insert(host.space, &source, &options, NULL, &host.error), -EINVAL);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}

/* ---- parameters ---- */

static void with_parameters(const char *file)
{
	char path[4096], text[64];
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = path_of(file, path) };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	struct umod_module *module = NULL;
	int (*get_level)(void) = NULL;
	life_begin();
	options.parameters = "level=many";
	CHECK_INT(umod_insert(host.space, &source, &options, NULL, &host.error), -EINVAL);
	CHECK_HAS(host.error.message, "level");
	CHECK_STR(life_notes(), "");
	options.parameters = "level=7 word=\"two words\" nosuch=1 numbers=1,2,3 -- rest";
	CHECK_INT(umod_insert(host.space, &source, &options, &module, &host.error), 0);
	REQUIRE(module);
	CHECK_INT(
		umod_module_symbol(module, "get_level", NULL, (void **)&get_level, NULL),
		0);
	CHECK_INT(get_level(), 7);
	CHECK_INT(umod_parameter_get(module, "word", text, sizeof(text), NULL), 9);
	CHECK_STR(text, "two words");
	CHECK_INT(umod_parameter_get(module, "numbers", text, sizeof(text), NULL), 5);
	CHECK_STR(text, "1,2,3");
	CHECK_INT(umod_parameter_set(module, "level", "-8", &host.error), 0);
	CHECK_INT(get_level(), -8);
	CHECK_INT(umod_parameter_set(module, "word", "x", &host.error), -EACCES);
	CHECK_INT(umod_parameter_set(module, "nosuch", "x", &host.error), -ENOENT);
	CHECK(umod_parameter_name(module, 2) != NULL);
	CHECK(!umod_parameter_name(module, 3));
	umod_module_put(module);
	CHECK_INT(life_remove_name("tuned", 0), 0);
	life_close();
}

TEST(parameters)
{
	with_parameters("tuned.o");
	with_parameters("tuned.so");
}

/* ---- exports ---- */

TEST(exports)
{
	static const struct {
		const char *file;
		int result;
		const char *why;
	} users[] = {
		{ "proprietary.o", -ENOENT, "compatible with the GPL" },
		{ "proprietary.so", -ENOENT, "compatible with the GPL" },
		{ "free.o", 0, NULL },
		{ "spaced.o", -EINVAL, "export namespace FAT of fat" },
		{ "importer.o", 0, NULL },
		{ "importer.so", -EEXIST, NULL },
		{ "named.o", 0, NULL },
		{ "vfx.o", 0, NULL },
		{ "unnamed.o", -EINVAL, "namespace module:named,vf* of fat, which" },
		{ "secret.o", -ENOENT, "unknown symbol fat_hidden" },
	};
	life_begin();
	CHECK_INT(life_insert_file("vfat.o"), -ENOENT);
	CHECK_HAS(host.error.message, "unknown symbol fat_count");
	CHECK_INT(life_insert_file("fat.o"), 0);
	for (unsigned i = 0; i < sizeof(users) / sizeof(*users); i++) {
		if (!CHECK_INT(life_insert_file(users[i].file), users[i].result))
			printf("# %s\n", users[i].file);
		if (users[i].why)
			CHECK_HAS(host.error.message, users[i].why);
	}
	static const char *const there[] = { "free_one", "importer", "named", "vfx",
		"fat" };
	for (unsigned i = 0; i < sizeof(there) / sizeof(*there); i++)
		CHECK_INT(life_remove_name(there[i], 0), 0);
	life_close();
}

/* ---- refusals ---- */

TEST(init_fails)
{
	life_begin();
	CHECK_INT(life_insert_file("failing.o"), -EBUSY); /* it said -EEXIST */
	CHECK_HAS(host.error.message, "its init failed");
	CHECK_INT(life_insert_file("failing.so"), -EBUSY);
	CHECK_STR(life_notes(), "init failing, init failing");
	CHECK_INT(life_remove_name("failing", 0), -ENOENT);
	life_close();
}

TEST(stays_for_good)
{
	life_begin();
	CHECK_INT(life_insert_file("staying.o"), 0);
	CHECK_INT(life_remove_name("staying", 0), -EBUSY);
	CHECK_HAS(host.error.message, "has init and no exit");
	CHECK_INT(life_remove_name("staying", UMOD_REMOVE_FORCE), 0);
	life_close();
}

TEST(forbidden)
{
	life_begin();
	CHECK_INT(umod_forbid(host.space, "fat", "it was found out"), 0);
	CHECK_INT(life_insert_file("fat.o"), -EPERM);
	CHECK_HAS(host.error.message, "is forbidden: it was found out");
	CHECK_INT(life_insert_file("old.o"), 0);
	CHECK_INT(life_remove_name("old", 0), 0);
	life_close();
}

/* In a child: it is for good. */
TEST(disabled)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		int status;
		life_begin();
		status = life_insert_file("fat.o") == 0;
		umod_insert_disable();
		status = status && life_insert_file("old.o") == -EPERM &&
			 life_remove_name("fat", 0) == 0;
		_exit(status ? 0 : 1);
	}
	int status = -1;
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);
}

TEST(no_module)
{
	char path[4096];
	struct umod_source source = { .size_bytes = sizeof(source), .path = path };
	life_begin();
	snprintf(path, sizeof(path), "/lib/x86_64-linux-gnu/libz.so.1");
	CHECK_INT(umod_insert(host.space, &source, NULL, NULL, &host.error), -ENOEXEC);
	CHECK_HAS(host.error.message, "is no module");
	snprintf(path, sizeof(path), "/nonexistent/x.o");
	CHECK_INT(umod_insert(host.space, &source, NULL, NULL, &host.error), -ENOENT);
	source.path = NULL;
	CHECK_INT(umod_insert(host.space, &source, NULL, NULL, &host.error), -EINVAL);
	CHECK_INT(umod_request(host.space, &host.error, "fs-%s", "nothing"), -ENOENT);
	life_close();
}

/* ---- listeners ---- */

struct ear {
	const char *name;
	int answer; /* to COMING */
	char *heard;
};

static int listen(struct umod_module *module, enum umod_event event, void *data)
{
	static const char *const words[] = { "coming", "live", "going" };
	struct ear *ear = data;
	struct umod_module_info info = { .size_bytes = sizeof(info) };
	umod_module_info_get(module, &info);
	sprintf(ear->heard + strlen(ear->heard), "%s:%s-%s ", ear->name, info.name,
		words[event]);
	return event == UMOD_EVENT_COMING ? ear->answer : 0;
}

TEST(listeners)
{
	char heard[1000] = "";
	struct ear ears[3] = { { "a", 0, heard }, { "b", 0, heard }, { "c", 0, heard } };
	struct umod_listener *listeners[3];
	life_begin();
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(umod_listener_add(i == 1 ? NULL : host.space, listen, &ears[i],
				  &listeners[i]),
			0);
	CHECK_INT(life_insert_file("fat.o"), 0);
	CHECK_STR(heard, "a:fat-coming b:fat-coming c:fat-coming a:fat-live b:fat-live "
			 "c:fat-live ");
	heard[0] = 0;
	CHECK_INT(life_remove_name("fat", 0), 0);
	CHECK_STR(heard, "a:fat-going b:fat-going c:fat-going ");
	heard[0] = 0;
	life_notes();
	ears[1].answer = -EACCES;
	CHECK_INT(life_insert_file("fat.so"), -EACCES);
	CHECK_HAS(host.error.message, "a listener refused it");
	CHECK_STR(heard, "a:fat-coming b:fat-coming a:fat-going ");
	CHECK_STR(life_notes(), "");
	for (unsigned i = 0; i < 3; i++)
		umod_listener_remove(listeners[i]);
	heard[0] = 0;
	CHECK_INT(life_insert_file("fat.o"), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	CHECK_STR(heard, "");
	life_close();
}

TEST(init_inserts)
{
	life_begin();
	CHECK_INT(life_insert_file("inserting.o"), 0);
	CHECK_STR(life_notes(), "init inserting, init fat");
	CHECK_INT(life_remove_name("inserting", 0), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}

/* ---- uses ---- */

TEST(of_address)
{
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	struct umod_module *module = umod_module_find(host.space, "fat"), *found;
	void *address = NULL;
	REQUIRE(module);
	CHECK_INT(umod_module_symbol(module, "fat_count", NULL, &address, NULL), 0);
	found = umod_module_of(host.space, address);
	CHECK(found == module);
	umod_module_put(found);
	CHECK(!umod_module_of(host.space, &found));
	CHECK(!umod_module_of(umod_context_process_namespace(host.context), address));
	CHECK(umod_module_try_get(module));
	umod_module_put(module);
	umod_module_put(module);
	CHECK_INT(
		umod_module_symbol(module, "fat_hidden", NULL, &address, NULL), -ENOENT);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}
