/* SPDX-License-Identifier: MIT */
/*
 * Which error is told where several hold: the table of umod/life.h. One module has every
 * two of the defects, and every tail of the list; the first that a load comes to counts.
 */
#include "life_test.h"

#include <elf.h>
#include <sys/wait.h>

enum defect {
	DISABLED,
	FLAGS,
	UNSIGNED,
	FORMAT,
	FORBIDDEN,
	VERMAGIC,
	DUPLICATE,
	WRITABLE_CODE,
	SYMBOL,
	LISTENER,
	PARAMETER,
	INIT,
	DEFECTS
};
static const struct {
	int code;
	const char *says;
} table[DEFECTS] = {
	[DISABLED] = { -EPERM, "disabled" },
	[FLAGS] = { -EINVAL, "unknown flags" },
	[UNSIGNED] = { -EKEYREJECTED, "policy" },
	[FORMAT] = { -ENOEXEC, "machine" },
	[FORBIDDEN] = { -EPERM, "forbidden" },
	[VERMAGIC] = { -ENOEXEC, "vermagic" },
	[DUPLICATE] = { -EEXIST, "there already" },
	[WRITABLE_CODE] = { -ENOEXEC, "writable and executable" },
	[SYMBOL] = { -ENOENT, "unknown symbol fat_count" },
	[LISTENER] = { -EDOM, "" },
	[PARAMETER] = { -EINVAL, "level" },
	[INIT] = { -ENOMEM, "init failed" },
};

static unsigned char bytes[1 << 20];
static size_t count;

static bool read_fixture(const char *name)
{
	char path[4096];
	const char *folder = getenv("UMOD_TEST_FIXTURES");
	snprintf(path, sizeof(path), "%s/%s", folder ? folder : ".", name);
	FILE *file = fopen(path, "rb");
	count = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	if (file)
		fclose(file);
	return count > 0 && count < sizeof(bytes);
}

static void spoil(enum defect defect)
{
	Elf64_Ehdr *header = (void *)bytes;
	Elf64_Shdr *sections = (void *)(bytes + header->e_shoff);
	unsigned char *text = memmem(bytes, count, "vermagic=", 9);
	if (defect == FORMAT)
		header->e_machine = EM_ARM;
	if (defect == VERMAGIC && CHECK(text))
		text[9] ^= 1;
	for (unsigned i = 0; defect == WRITABLE_CODE && i < header->e_shnum; i++)
		if (sections[i].sh_flags & SHF_EXECINSTR && sections[i].sh_size)
			sections[i].sh_flags |= SHF_WRITE;
}

static int refuse(struct umod_module *module, enum umod_event event, void *data)
{
	return event == UMOD_EVENT_COMING ? -EDOM : 0;
}

static int insert(
	struct umod_namespace *space, unsigned defects, struct umod_error *error)
{
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = "wrong.o",
		.buffer = bytes,
		.buffer_bytes = count };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	options.flags = defects & 1u << FLAGS ? 1u << 20 : 0;
	options.parameters = defects & 1u << PARAMETER ? "level=high" : "level=4";
	return umod_insert(space, &source, &options, NULL, error);
}

static void fill(struct umod_namespace *space, unsigned defects)
{
	struct umod_error error = { 0 };
	if (!(defects & 1u << SYMBOL))
		CHECK_INT(life_insert_file("fat.o"), 0);
	if (!(defects & 1u << DUPLICATE))
		return;
	/* One of that name, which lacks nothing. */
	REQUIRE(read_fixture("old.o"));
	struct umod_source source = { .size_bytes = sizeof(source),
		.path = "old.o",
		.buffer = bytes,
		.buffer_bytes = count };
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	options.name = "wrong";
	CHECK_INT(umod_insert(space, &source, &options, NULL, &error), 0);
}

/* A module with @defects, of which the first is to be told. */
static void check(unsigned defects)
{
	struct umod_listener *listener = NULL;
	struct umod_error error = { 0 };
	enum defect first = (enum defect)__builtin_ctz(defects | 1u << DEFECTS);
	life_begin();
	fill(host.space, defects);
	if (defects & 1u << UNSIGNED)
		umod_signature_enforce(host.context);
	if (defects & 1u << FORBIDDEN)
		CHECK_INT(umod_forbid(host.space, "wrong", "by a test"), 0);
	if (defects & 1u << LISTENER)
		CHECK_INT(umod_listener_add(host.space, refuse, NULL, &listener), 0);
	REQUIRE(read_fixture(defects & 1u << INIT ? "wrong.o" : "right.o"));
	for (enum defect d = 0; d < DEFECTS; d++)
		if (defects & 1u << d)
			spoil(d);
	int result = insert(host.space, defects, &error);
	if (!CHECK_INT(result, first == DEFECTS ? 0 : table[first].code) ||
		(first < DEFECTS && !CHECK_HAS(error.message, table[first].says)))
		printf("# defects %#x: %s\n", defects, error.message);
	umod_listener_remove(listener);
	umod_remove(host.space, "wrong", 0, 0, NULL);
	umod_remove(host.space, "fat", 0, 0, NULL);
	life_close();
}

TEST(no_defect)
{
	check(0);
}

TEST(one_defect)
{
	for (unsigned d = DISABLED + 1; d < DEFECTS; d++)
		check(1u << d);
}

TEST(every_two)
{
	for (unsigned d = DISABLED + 1; d < DEFECTS; d++)
		for (unsigned e = d + 1; e < DEFECTS; e++)
			check(1u << d | 1u << e);
}

TEST(all_from_one_on)
{
	for (unsigned d = DISABLED + 1; d < DEFECTS; d++)
		check((1u << DEFECTS) - (1u << d));
}

static int disabled(void)
{
	for (unsigned d = DISABLED; d < DEFECTS; d++) {
		struct umod_error error = { 0 };
		life_begin();
		read_fixture("wrong.o");
		spoil((enum defect)d);
		umod_insert_disable();
		if (insert(host.space, 1u << d, &error) != table[DISABLED].code ||
			!strstr(error.message, table[DISABLED].says))
			return 1;
		life_close();
	}
	return atomic_load(&test_failures) ? 1 : 0;
}

/* In a child: it is for good. */
TEST(disabled_before_all)
{
	int status = -1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(disabled());
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);
}

/* ---- flags that ignore versions ---- */

static void check_signed(enum umod_signatures policy, unsigned flags, int code)
{
	struct umod_context_options wants = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_namespace_options fresh =
		UMOD_OPTIONS_INIT(struct umod_namespace_options);
	struct umod_insert_options options = UMOD_INSERT_OPTIONS_INIT;
	struct umod_source source = {
		.size_bytes = sizeof(source), .path = "signed.o", .buffer = bytes
	};
	struct umod_context *context;
	struct umod_namespace *space;
	struct umod_error error = { 0 };
	wants.signatures = policy;
	REQUIRE(umod_context_new(&wants, &context, NULL) == 0);
	REQUIRE(umod_namespace_new(context, &fresh, &space, NULL) == 0);
	REQUIRE(read_fixture("signed.crt"));
	CHECK_INT(umod_key_add(context, bytes, count, "signed.crt", NULL), 0);
	REQUIRE(read_fixture("signed.o"));
	source.buffer_bytes = count;
	options.flags = flags;
	CHECK_INT(umod_insert(space, &source, &options, NULL, &error), code);
	if (code)
		CHECK_HAS(error.message, "counts as unsigned");
	else
		CHECK_INT(umod_remove(space, "signed", 0, 0, &error), 0);
	umod_namespace_unref(space);
	umod_context_unref(context);
}

TEST(signed_but_not_looked_at)
{
	if (!read_fixture("signed.o"))
		SKIP("built without umod sign");
	check_signed(UMOD_SIGNATURES_ENFORCE, 0, 0);
	check_signed(UMOD_SIGNATURES_ENFORCE, UMOD_INSERT_IGNORE_VERMAGIC, -EKEYREJECTED);
	check_signed(
		UMOD_SIGNATURES_ENFORCE, UMOD_INSERT_IGNORE_MODVERSIONS, -EKEYREJECTED);
	check_signed(UMOD_SIGNATURES_WARN, UMOD_INSERT_IGNORE_MODVERSIONS, 0);
}
