/* SPDX-License-Identifier: MIT */
/*
 * Which files the search takes, passes over and refuses, and how it uses the cache, the
 * one that ldconfig(8) writes among others, and a root that is not "/".
 */
#define TEST_OWN_MAIN
#include "places.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- files that are not for us ---- */

static void damage(const char *path, off_t offset, uint8_t value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && pwrite(fd, &value, 1, offset) == 1);
	close(fd);
}

TEST(other_machines_are_passed_over)
{
	struct umod_error error;
	char both[256];
	struct find_options options = { .library_path = both };
	static const struct {
		off_t offset;
		uint8_t value;
		const char *why;
	} cases[] = { { 4, 1, "is not a 64-bit file" }, { 5, 2, "is not little-endian" },
		{ 18, 183, "is for another processor" } };

	snprintf(both, sizeof(both), "%s/A:%s/L", base, base);
	for (unsigned i = 0; i < base_array_count(cases); i++) {
		run("cp %s/" WANT " %s/A/", base, base);
		damage(text("%s/A/" WANT, base), cases[i].offset, cases[i].value);
		put("L");
		CHECK_STR(
			ask_find(&options, WANT, NULL, &error), text("%s/L/" WANT, base));
		if (cases[i].offset != 5) /* ld.so ends the search at that one */
			CHECK_STR(ask_loader(text("%s/prog-none-none", base), both, WANT),
				text("%s/L/" WANT, base));
		clear("L");
		CHECK_STR(ask_find(&options, WANT, NULL, &error), "");
		CHECK_INT(error.code, -ENOENT);
		CHECK_HAS(error.message, cases[i].why);
		CHECK_HAS(error.message, text("%s/A/" WANT, base));
		clear("A");
	}
}

/* As with ld.so, what is no ELF file at all ends the search; validation names it. */
TEST(no_elf_file_is_given_out)
{
	struct find_options options = { .library_path = text("%s/A:%s/L", base, base) };
	struct find_config *config;
	struct find_result result;

	put("L");
	run("echo 'GROUP ( /lib/libc.so )' > %s/A/" WANT, base);
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	REQUIRE_INT(find_library(config, WANT, NULL, &result, NULL), 0);
	CHECK_STR(result.path, text("%s/A/" WANT, base));
	CHECK_INT(result.head_bytes, strlen("GROUP ( /lib/libc.so )\n"));
	CHECK(memcmp(result.head, "GROUP", 5) == 0);
	CHECK_INT(result.how, FIND_LIBRARY_PATH);
	find_result_clear(&result);
	find_config_free(config);
	clear("A");
	clear("L");
}

static void check_refused(const char *name, int code, const char *part)
{
	struct umod_error error;
	struct find_options options = { .library_path = text("%s/A", base) };

	alarm(20); /* a hang must not be a wait without end */
	CHECK_STR(ask_find(&options, name, NULL, &error), "");
	alarm(0);
	CHECK_INT(error.code, code);
	CHECK_INT(error.stage, UMOD_STAGE_OPEN);
	CHECK_HAS(error.message, part);
}

TEST(what_is_no_file_is_refused_at_once)
{
	run("cd %s/A && mkfifo fifo.so " WANT " && mkdir folder.so && : > empty.so",
		base);
	check_refused(text("%s/A/fifo.so", base), -ENOEXEC, "is not a regular file");
	check_refused(WANT, -ENOEXEC, "is not a regular file");
	check_refused(text("%s/A/folder.so", base), -EISDIR, "is a directory");
	check_refused("folder.so", -EISDIR, "is a directory");
	check_refused("/dev/zero", -ENOEXEC, "is not a regular file");
	check_refused("/nowhere/at/all.so", -ENOENT, "cannot be opened");
	check_refused(text("%s/" WANT "/x", base), -ENOTDIR, "cannot be opened");
	check_refused("", -EINVAL, "must not be empty");
	check_refused("$ORIGIN/x.so", -ENOENT, "cannot be opened");
	run("cd %s/A && rm -r *", base);
}

TEST(a_wrong_file_named_by_its_path_is_given_out)
{
	struct find_config *config;
	struct find_result result;
	struct find_asker asker = { .path = text("%s/x.so", base) };

	run("cp %s/" WANT " %s/A/ && : > %s/A/empty.so", base, base, base);
	damage(text("%s/A/" WANT, base), 4, 1);
	REQUIRE_INT(find_config_new(NULL, &config, NULL), 0);
	REQUIRE_INT(find_library(config, "$ORIGIN/A/" WANT, &asker, &result, NULL), 0);
	CHECK_STR(result.path, text("%s/A/" WANT, base));
	CHECK_INT(result.how, FIND_PATH);
	CHECK_INT(result.head[4], 1);
	find_result_clear(&result);
	REQUIRE_INT(
		find_library(config, text("%s/A/empty.so", base), NULL, &result, NULL),
		0);
	CHECK_INT(result.head_bytes, 0);
	find_result_clear(&result);
	find_config_free(config);
	run("cd %s/A && rm -r *", base);
}

/* ---- the cache, in the search ---- */

TEST(cache_stands_after_run_paths_and_before_defaults)
{
	struct find_config *config;
	char path[PATH_MAX], in_a[128], in_m[128];
	snprintf(in_a, sizeof(in_a), "%s/A/" WANT, base);
	snprintf(in_m, sizeof(in_m), "%s/" WANT, base);
	const struct cache_entry cached[] = { { WANT, in_a }, { "libm.so.6", in_m } };
	struct find_asker user = { .path = in_m, .runpath = text("%s/B", base) };
	struct find_asker nodeflib = { .path = in_m, .no_default_lib = true };
	struct find_options options = { .library_path = "",
		.cache_path = text("%s/cache", base) };

	put("A");
	put("B");
	write_cache(cached, 2, false);
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(how_found(config, WANT, &user, path), FIND_RUNPATH);
	CHECK_INT(how_found(config, WANT, NULL, path), FIND_CACHE);
	CHECK_STR(path, in_a);
	CHECK_INT(how_found(config, "libm.so.6", NULL, path), FIND_CACHE);
	CHECK_STR(path, in_m);
	CHECK_INT(how_found(config, "libm.so.6", &nodeflib, path), FIND_CACHE);
	CHECK_INT(how_found(config, "libc.so.6", NULL, path), FIND_DEFAULT);
	CHECK_STR(path, text("/lib/x86_64-linux-gnu/libc.so.6"));
	CHECK_INT(how_found(config, "libc.so.6", &nodeflib, path), -1);
	/* What the cache names is gone: the search goes on. */
	clear("A");
	CHECK_INT(how_found(config, WANT, NULL, path), -1);
	find_config_free(config);
	/* With the machine's own cache: not a path in a default directory. */
	REQUIRE_INT(find_config_new(NULL, &config, NULL), 0);
	CHECK_INT(how_found(config, "libm.so.6", &nodeflib, path), -1);
	CHECK(how_found(config, "libm.so.6", NULL, path) >= 0);
	find_config_free(config);
	clear("B");
}

TEST(cache_written_anew_is_read_anew)
{
	struct find_config *config;
	char path[PATH_MAX], in_a[128], in_l[128];
	snprintf(in_a, sizeof(in_a), "%s/A/" WANT, base);
	snprintf(in_l, sizeof(in_l), "%s/L/" WANT, base);
	const struct cache_entry first[] = { { WANT, in_a } };
	const struct cache_entry second[] = { { WANT, in_l }, { "libnew.so.1", in_l } };
	struct find_options options = { .library_path = "",
		.cache_path = text("%s/cache", base) };

	put("A");
	put("L");
	write_cache(first, 1, true);
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(how_found(config, WANT, NULL, path), FIND_CACHE);
	CHECK_STR(path, in_a);
	write_cache(second, 2, true);
	CHECK_INT(how_found(config, "libnew.so.1", NULL, path), FIND_CACHE);
	CHECK_STR(path, in_l);
	/* A damaged one does not replace the good one. */
	run("echo damaged > %s/cache", base);
	CHECK_INT(how_found(config, "libold.so.1", NULL, path), -1);
	CHECK_INT(how_found(config, WANT, NULL, path), FIND_CACHE);
	find_config_free(config);
	/* At the start it is an error, and none at all is not. */
	struct umod_error error = { 0 };
	CHECK_INT(find_config_new(&options, &config, &error), -EINVAL);
	CHECK_HAS(error.message, "damaged");
	unlink(text("%s/cache", base));
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(how_found(config, WANT, NULL, path), -1);
	write_cache(first, 1, true);
	CHECK_INT(how_found(config, WANT, NULL, path), FIND_CACHE);
	find_config_free(config);
	clear("A");
	clear("L");
}

/* ldconfig writes the cache of a folder with subdirectories; the best one is chosen. */
TEST(cache_of_ldconfig_with_hwcaps)
{
	static const char *const dirs[] = { "", "glibc-hwcaps/x86-64-v2/",
		"glibc-hwcaps/x86-64-v3/", "glibc-hwcaps/x86-64-v4/" };
	char path[PATH_MAX];
	struct find_config *config;
	unsigned level = find_isa_level();

	run("mkdir -p %s/H && echo %s/H > %s/conf", base, base, base);
	for (unsigned i = 0; i < 4; i++)
		run("cd %s/H && mkdir -p ./%s && cp ../" WANT " ./%s", base, dirs[i],
			dirs[i]);
	if (!run("PATH=/sbin:$PATH ldconfig -X -f %s/conf -C %s/cache 2>/dev/null", base,
		    base))
		return;
	struct find_options options = { .library_path = "",
		.cache_path = text("%s/cache", base) };
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(how_found(config, WANT, NULL, path), FIND_CACHE);
	CHECK_STR(path, text("%s/H/%s" WANT, base, dirs[level]));
	CHECK_INT(how_found(config, "libc.so.6", NULL, path), FIND_CACHE);
	find_config_free(config);
	/* A file that says itself that it needs more than the processor has. */
	run("cd %s/H && " TEST_CC " -shared -fPIC -Wl,-z,x86-64-v4 -Wl,-soname," WANT
	    " -o glibc-hwcaps/x86-64-v2/" WANT
	    " ../want.c && rm -r glibc-hwcaps/x86-64-v[34]"
	    " && PATH=/sbin:$PATH ldconfig -X -f ../conf -C ../cache 2>/dev/null",
		base);
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(how_found(config, WANT, NULL, path), FIND_CACHE);
	CHECK_STR(path, text("%s/H/%s" WANT, base, dirs[level < 3 ? 0 : 1]));
	find_config_free(config);
}

TEST(root)
{
	struct find_config *config;
	char path[PATH_MAX];
	const char *root = text("%s/root/", base);
	struct find_options options = { .library_path = "/opt/x", .root = root };
	struct find_asker user = { .path = text("%s/root/usr/x/u.so", base),
		.runpath = "$ORIGIN/y" };
	const struct cache_entry cached[] = { { WANT, "/usr/lib/" WANT } };

	run("cd %s && mkdir -p root/etc root/lib root/usr/lib root/usr/x/y root/opt/x"
	    " && cp " WANT " root/usr/lib && cp " WANT " root/lib/libdef.so"
	    " && cp " WANT " root/opt/x/libopt.so && cp " WANT " root/usr/x/y/libor.so",
		base);
	write_cache(cached, 1, true);
	run("cp %s/cache %s/root/etc/ld.so.cache", base, base);
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(how_found(config, WANT, &user, path), FIND_CACHE);
	CHECK_STR(path, text("%s/root/usr/lib/" WANT, base));
	CHECK_INT(how_found(config, "libdef.so", &user, path), FIND_DEFAULT);
	CHECK_STR(path, text("%s/root/lib/libdef.so", base));
	CHECK_INT(how_found(config, "libopt.so", &user, path), FIND_LIBRARY_PATH);
	CHECK_STR(path, text("%s/root/opt/x/libopt.so", base));
	CHECK_INT(how_found(config, "libor.so", &user, path), FIND_RUNPATH);
	CHECK_STR(path, text("%s/root/usr/x/y/libor.so", base));
	CHECK_INT(how_found(config, "libc.so.6", &user, path), -1);
	find_config_free(config);
}
