/* SPDX-License-Identifier: MIT */
/* What the object linker refuses: stage, code and words of the message; undone whole. */
#include "object_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

static const struct refusal {
	const char *name, *stage;
	int code;
	const char *texts[4];
} refusals[] = {
	{ "WRITABLE", "map", -ENOEXEC, { ".both", "writable and executable" } },
	{ "ALIGNED", "validate", -ELIBBAD, { ".aligned", "sh_addralign" } },
	{ "COMMON", "validate", -ELIBBAD, { "refuse_common", "alignment 0x10000" } },
	{ "HIDDEN", "validate", -ENOSYS, { "refuse_hidden", "hidden" } },
	{ "EXECUTABLE_STACK", "admit", -EPERM, { "executable stack" } },
	{ "LINKED", "map", -ENOTSUP, { ".text+0", "R_X86_64_COPY", "linked files" } },
	{ "OTHERS_TLS", "map", -ELIBBAD, { "DTPOFF32", "errno", "another object" } },
	{ "TLS_PLAIN", "map", -ELIBBAD, { "GOTTPOFF", "refuse_data", "thread-local" } },
	{ "UNDEFINED", "bind", -ENOSYS, { "undefined symbol: refuse_nowhere" } },
	{ "FAR", "bind", -ERANGE, { ".text+0x8", "PC32 for stdout", "-fPIC" } },
	{ "NARROW", "bind", -ERANGE, { ".text+0", "R_X86_64_8 for refuse_run" } },
	{ "PLAIN_TLS", "bind", -ELIBBAD, { "refuse_tls", "thread-local" } },
	{ "OUTSIDE", "bind", -ELIBBAD, { ".data+0x8", "outside its section" } },
};

static void check_refusal(const struct refusal *refusal)
{
	char name[128];
	snprintf(name, sizeof(name), "refuse-%s.o", refusal->name);
	const char *path = object_path(name);
	unsigned before = atomic_load(&test_failures);
	REQUIRE(access(path, R_OK) == 0);
	for (unsigned i = 0; i < 2; i++) {
		struct umod_statistics now = { .size_bytes = sizeof(now) }, then = now;
		object_arenas = i;
		object_space();
		umod_statistics_get(&then);
		object_refused(path, refusal->stage, refusal->code, refusal->texts);
		umod_statistics_get(&now);
		CHECK_INT(now.modules, then.modules);
		CHECK_INT(now.mapped_bytes, then.mapped_bytes);
	}
	if (atomic_load(&test_failures) != before)
		printf("# in %s\n", name);
}

TEST(refused)
{
	for (unsigned i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		check_refusal(&refusals[i]);
}

/* Every length of an object gives an error or a module, never more. */
TEST(cut_short)
{
	static char bytes[1 << 20];
	const char *path = object_variant("tls", "gcc-pic");
	struct umod_source source = { sizeof(source), .path = "/nowhere/cut.o" };
	unsigned loaded = 0, refused = 0;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	REQUIRE(fd >= 0);
	ssize_t got = read(fd, bytes, sizeof(bytes));
	close(fd);
	source.buffer = bytes;
	for (ssize_t count = 1; count < got; count += 1 + count / 64) {
		struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
		struct umod_error error = { 0 };
		struct umod_module *module = NULL;
		options.flags = UMOD_LOAD_NO_INIT;
		source.buffer_bytes = (size_t)count;
		int result = umod_load_source(
			object_space(), &source, &options, &module, &error);
		CHECK((result == 0) == (module != NULL));
		CHECK(result == 0 || error.message[0]);
		loaded += result == 0;
		refused += result != 0;
		umod_module_unref(module, NULL);
	}
	printf("# %u loaded, %u refused\n", loaded, refused);
	CHECK(refused > 10);
}

TEST(without_code)
{
	static const char *const texts[] = { "-flto", "-ffat-lto-objects", NULL };
	object_refused(object_path("slim.o"), "validate", -ENOTSUP, texts);
}

/* One name, two definitions. */
TEST(defined_twice)
{
	static const char *const texts[] = { "basic_sort is defined twice", NULL };
	const char *path = object_path("twice.o");
	REQUIRE(access(path, R_OK) == 0);
	object_refused(path, "map", -ELIBBAD, texts);
}

/* ---- files that change while they are read ---- */

struct changed {
	int fd;
	const char *bytes;
	size_t count;
	unsigned seed, delay_ns;
	bool cut;
	atomic_bool ready, go, done;
};

static unsigned chance(unsigned *seed)
{
	return (unsigned)rand_r(seed);
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *change(void *data)
{
	struct changed *c = data;
	atomic_store(&c->ready, true);
	while (!atomic_load(&c->go))
		;
	uint64_t start = now_ns();
	while (now_ns() - start < c->delay_ns)
		;
	if (c->cut && ftruncate(c->fd, (off_t)(chance(&c->seed) % c->count)))
		FAIL("ftruncate");
	while (!c->cut && !atomic_load(&c->done)) {
		/* Words, so that addresses and sizes turn wild; then as it was. */
		for (unsigned i = 0; i < 16; i++) {
			uint64_t word =
				chance(&c->seed) % 3 ? chance(&c->seed) % 64 : ~0ull;
			size_t at = chance(&c->seed) % (c->count - 8) & ~7ul;
			/* Headers of sections lie at the end. */
			if (i % 2)
				at = c->count - 8 - (chance(&c->seed) % 4096 & ~7u);
			if (pwrite(c->fd, &word, sizeof(word), (off_t)at) != 8)
				FAIL("pwrite");
		}
		if (pwrite(c->fd, c->bytes, c->count, 0) != (ssize_t)c->count)
			FAIL("pwrite");
	}
	return NULL;
}

static int load_changed(const char *path, struct changed *changed)
{
	struct umod_load_options options = UMOD_LOAD_OPTIONS_INIT;
	struct umod_error error = { 0 };
	struct umod_module *module = NULL;
	pthread_t thread;
	options.flags = UMOD_LOAD_NO_INIT | UMOD_LOAD_PRIVATE;
	atomic_store(&changed->done, false);
	if (pthread_create(&thread, NULL, change, changed))
		return -EAGAIN;
	while (!atomic_load(&changed->ready))
		;
	atomic_store(&changed->go, true);
	int result = umod_load(object_space(), path, &options, &module, &error);
	atomic_store(&changed->done, true);
	pthread_join(thread, NULL);
	CHECK((result == 0) == (module != NULL));
	CHECK(result == 0 || (error.message[0] && error.stage != UMOD_STAGE_NONE));
	umod_module_unref(module, NULL);
	return result;
}

static void change_while_read(const char *name, bool cut, unsigned rounds)
{
	static char bytes[1 << 20];
	char path[] = "/tmp/umod-object-XXXXXX.o";
	int from = open(object_path(name), O_RDONLY | O_CLOEXEC);
	int fd = mkostemps(path, 2, O_CLOEXEC);
	unsigned loaded = 0;
	REQUIRE(from >= 0 && fd >= 0);
	ssize_t count = read(from, bytes, sizeof(bytes));
	close(from);
	REQUIRE(count > 65536);
	object_arenas = false; /* the file is mapped, not read */
	for (unsigned i = 0; i < rounds; i++) {
		struct changed changed = { .fd = fd,
			.bytes = bytes,
			.count = (size_t)count,
			.seed = i,
			.cut = cut,
			.delay_ns = i % 64 * 4000 };
		REQUIRE(pwrite(fd, bytes, (size_t)count, 0) == count);
		loaded += load_changed(path, &changed) == 0;
	}
	printf("# %u of %u loaded\n", loaded, rounds);
	close(fd);
	unlink(path);
}

TEST(cut_while_it_is_read)
{
	change_while_read("whole.o", true, 500);
}

/* What was checked may be another thing when it is used: an error, never a crash. */
TEST(changed_while_it_is_read)
{
	/* Without indirect functions, whose resolvers would run changed. */
	change_while_read("cxx-partial.o", false, 1000);
}
