/* SPDX-License-Identifier: MIT */
/* What the object linker refuses: stage, code and words of the message; undone whole. */
#include "object_test.h"

#include <errno.h>
#include <fcntl.h>

static const struct refusal {
	const char *name, *stage;
	int code;
	const char *texts[4];
} refusals[] = {
	{ "WRITABLE", "validate", -EPERM, { ".both", "writable and executable" } },
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

/* One name, two definitions. */
TEST(defined_twice)
{
	static const char *const texts[] = { "basic_sort is defined twice", NULL };
	const char *path = object_path("twice.o");
	REQUIRE(access(path, R_OK) == 0);
	object_refused(path, "map", -ELIBBAD, texts);
}
