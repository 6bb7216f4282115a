/* SPDX-License-Identifier: MIT */
/*
 * The search for libraries, against ld.so itself where it can be asked: programs and
 * libraries are compiled into a temporary folder, ld.so tells where it finds what they
 * need (LD_TRACE_LOADED_OBJECTS), and the search must give the same path. What ld.so
 * cannot show (messages, costs, failing calls) is tested by itself.
 */
#define TEST_OWN_MAIN
#include "test.h"

#include "cache_builder.h"
#include "find/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TEST_CC
#define TEST_CC "cc"
#endif

#define WANT "libwant.so.1"

static char base[64]; /* the folder of this run */

BASE_PRINTF(1, 2) static bool run(const char *format, ...)
{
	char command[4096];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof(command), format, list);
	va_end(list);
	return system(command) == 0 || FAIL("fails: %s", command);
}

BASE_PRINTF(1, 2) static char *text(const char *format, ...)
{
	static char ring[16][PATH_MAX];
	static unsigned turn;
	char *out = ring[turn++ % 16];
	va_list list;

	va_start(list, format);
	vsnprintf(out, PATH_MAX, format, list);
	va_end(list);
	return out;
}

/* What a program's or library's dynamic section says of directories. */
enum { NONE, RPATH, RUNPATH, KINDS };
static const char *const kinds[] = { "none", "rpath", "runpath" };
static const char *const dtags[] = { "", "-Wl,--disable-new-dtags",
	"-Wl,--enable-new-dtags" };

static const char *rpath_flags(int kind, const char *dir)
{
	return kind == NONE ? "" : text("%s '-Wl,-rpath,%s'", dtags[kind], dir);
}

/*
 * base/libwant.so.1; base/user-KIND.so that needs it and looks in base/B;
 * base/prog-KIND-KIND that needs that library by path and looks in base/A.
 */
static bool build_programs(void)
{
	bool good = run(
		"cd %s && mkdir A B L && echo 'int want(void) { return 1; }' > want.c"
		" && echo 'int want(void); int user(void) { return want(); }' > user.c"
		" && echo 'int user(void); int main(void) { return user(); }' > prog.c"
		" && " TEST_CC " -shared -fPIC -Wl,-soname," WANT " -o " WANT " want.c",
		base);
	for (int u = 0; u < KINDS && good; u++) {
		good = run("cd %s && " TEST_CC
			   " -shared -fPIC -Wl,--no-as-needed -o user-%s.so"
			   " user.c " WANT " %s",
			base, kinds[u], rpath_flags(u, text("%s/B", base)));
		for (int p = 0; p < KINDS && good; p++)
			good = run("cd %s && " TEST_CC " -Wl,--no-as-needed"
				   " -Wl,--allow-shlib-undefined -o prog-%s-%s prog.c"
				   " %s/user-%s.so %s",
				base, kinds[p], kinds[u], base, kinds[u],
				rpath_flags(p, text("%s/A", base)));
	}
	return good;
}

static void put(const char *dir)
{
	char *to = text("%s/%s/" WANT, base, dir);

	unlink(to);
	CHECK_INT(link(text("%s/" WANT, base), to), 0);
}

static void clear(const char *dir)
{
	unlink(text("%s/%s/" WANT, base, dir));
}

/* Where ld.so finds @wanted for that program; "" where it does not. */
static const char *ask_loader(
	const char *program, const char *library_path, const char *wanted)
{
	static char found[PATH_MAX];
	char line[PATH_MAX], name[256], command[2 * PATH_MAX];

	snprintf(command, sizeof(command), "LD_TRACE_LOADED_OBJECTS=1 %s%s%s '%s' 2>&1",
		library_path ? "LD_LIBRARY_PATH='" : "", library_path ? library_path : "",
		library_path ? "'" : "", program);
	FILE *pipe = popen(command, "r");
	snprintf(found, sizeof(found), "?"); /* a program that asks for no such name */
	while (pipe && fgets(line, sizeof(line), pipe)) {
		char path[PATH_MAX];
		int fields = sscanf(line, " %255s => %4095[^(\n]", name, path);
		if (fields < 1 || strcmp(name, wanted) != 0)
			continue;
		if (fields == 1)
			strcpy(path,
				name); /* "NAME (ADDRESS)": in the current directory */
		char *end = path + strlen(path);
		while (end > path && end[-1] == ' ')
			*--end = '\0';
		strcpy(found, strcmp(path, "not found") == 0 ? "" : path);
	}
	if (pipe)
		pclose(pipe);
	return found;
}

/* What the search gives, or "" and the message in @error. */
static const char *ask_find(const struct find_options *options, const char *name,
	const struct find_asker *asker, struct umod_error *error)
{
	static char found[PATH_MAX];
	struct find_config *config;
	struct find_result result;

	memset(error, 0, sizeof(*error));
	found[0] = '\0';
	if (!CHECK_INT(find_config_new(options, &config, error), 0))
		return "configuration";
	if (find_library(config, name, asker, &result, error) == 0) {
		struct stat st;
		CHECK(fstat(result.fd, &st) == 0 && st.st_ino == result.st.st_ino);
		CHECK(result.head_bytes >= 64 && memcmp(result.head, "\177ELF", 4) == 0);
		strcpy(found, result.path);
		find_result_clear(&result);
	}
	find_config_free(config);
	return found;
}

static void set_kind(struct find_asker *asker, int kind, const char *dir)
{
	asker->rpath = kind == RPATH ? dir : NULL;
	asker->runpath = kind == RUNPATH ? dir : NULL;
}

/* Each kind of program with each kind of library, the file in each set of places. */
TEST(order_is_that_of_ld_so)
{
	char in_a[128], in_b[128], in_l[128];
	unsigned compared = 0;
	snprintf(in_a, sizeof(in_a), "%s/A", base);
	snprintf(in_b, sizeof(in_b), "%s/B", base);
	snprintf(in_l, sizeof(in_l), "%s/L", base);

	for (int combination = 0; combination < KINDS * KINDS * 8; combination++) {
		int places = combination % 8, u = combination / 8 % KINDS,
		    p = combination / 8 / KINDS;
		struct find_asker prog = { .path = text("%s/prog", base),
			.is_main = true };
		struct find_asker user = { .path = text("%s/user.so", base),
			.loader = &prog };
		struct find_options options = { .library_path = in_l };
		struct umod_error error;
		set_kind(&prog, p, in_a);
		set_kind(&user, u, in_b);
		places & 1 ? put("A") : clear("A");
		places & 2 ? put("B") : clear("B");
		places & 4 ? put("L") : clear("L");
		const char *theirs = ask_loader(
			text("%s/prog-%s-%s", base, kinds[p], kinds[u]), in_l, WANT);
		const char *ours = ask_find(&options, WANT, &user, &error);
		if (strcmp(ours, theirs) != 0)
			FAIL("prog %s, user %s, places %d: \"%s\", ld.so: \"%s\"",
				kinds[p], kinds[u], places, ours, theirs);
		CHECK_INT(error.code, ours[0] ? 0 : -ENOENT);
		/* The program told apart from the askers counts the same. */
		options.program = &prog;
		user.loader = NULL;
		CHECK_STR(ask_find(&options, WANT, &user, &error), theirs);
		compared++;
	}
	printf("# %u searches compared\n", compared);
	clear("A");
	clear("B");
	clear("L");
}

/* All subdirectories at once, then without the best, and so on: on any processor. */
TEST(subdirectories_are_those_of_ld_so)
{
	unsigned count, rounds = 0;
	const struct find_subdir *subs = find_subdirs(&count);
	char in_b[128];
	struct find_asker user = { .path = "/x/user.so", .runpath = in_b };
	struct find_options options = { .library_path = "" };
	struct umod_error error;

	snprintf(in_b, sizeof(in_b), "%s/B", base);
	static const char *const others[] = { "glibc-hwcaps/x86-64-v2",
		"glibc-hwcaps/x86-64-v3", "glibc-hwcaps/x86-64-v4", "glibc-hwcaps/none",
		"haswell", "avx512_1", "tls/haswell", "xeon_phi", "sse2" };
	for (unsigned i = 0; i < base_array_count(others); i++) {
		run("mkdir -p %s/%s", in_b, others[i]);
		put(text("B/%s", others[i]));
	}
	for (unsigned i = 0; i < count; i++) {
		run("mkdir -p %s/%s", in_b, subs[i].text);
		put(text("B/%s", subs[i].text));
	}
	for (;; rounds++) {
		const char *theirs =
			ask_loader(text("%s/prog-none-runpath", base), NULL, WANT);
		const char *ours = ask_find(&options, WANT, &user, &error);
		if (!CHECK_STR(ours, theirs) || !theirs[0])
			break;
		unlink(theirs);
	}
	printf("# %u subdirectories in ld.so's order\n", rounds);
	CHECK_INT(rounds, count);
	CHECK(count >= 5);
	run("rm -rf %s && mkdir %s", in_b, in_b);
}

TEST(library_path_as_ld_so_reads_it)
{
	char in_l[128], program[128], where[PATH_MAX];
	struct umod_error error;

	snprintf(in_l, sizeof(in_l), "%s/L", base);
	snprintf(program, sizeof(program), "%s/prog-none-none", base);
	put("L");
	REQUIRE(getcwd(where, sizeof(where)) && chdir(in_l) == 0);
	const char *paths[] = { text("/nonexistent-umod;%s", in_l), "", ":",
		"/nonexistent:", ".", "..:../L", text("%s///", in_l),
		text("%s/../L/.", in_l), "$LIB", "$UNKNOWN:.", "${LIB}x:./", "$ORIGIN/L",
		"$ORIGIN2/L:${ORIGIN}/L" };
	for (unsigned i = 0; i < base_array_count(paths); i++) {
		/* ld.so's $ORIGIN is here its program's folder, ours is this test's. */
		bool is_origin = strstr(paths[i], "ORIGIN");
		struct find_options options = { .library_path = paths[i] };
		const char *theirs = ask_loader(program, paths[i], WANT);
		const char *ours = ask_find(&options, WANT, NULL, &error);
		if (is_origin) {
			CHECK(strncmp(theirs, in_l, strlen(in_l)) == 0);
			CHECK_HAS(error.message, "/L");
			CHECK(!strstr(error.message, "$ORIGIN/"));
		} else if (strcmp(ours, theirs) != 0) {
			FAIL("\"%s\": \"%s\", ld.so: \"%s\"", paths[i], ours, theirs);
		}
	}
	CHECK_INT(chdir(where), 0);
	clear("L");
}

TEST(library_path_from_the_environment)
{
	struct umod_error error;

	put("L");
	setenv("LD_LIBRARY_PATH", text("%s/L", base), 1);
	CHECK_STR(ask_find(NULL, WANT, NULL, &error), text("%s/L/" WANT, base));
	/* An option replaces it, also the empty one. */
	struct find_options options = { .library_path = "" };
	CHECK_STR(ask_find(&options, WANT, NULL, &error), "");
	unsetenv("LD_LIBRARY_PATH");
	CHECK_STR(ask_find(NULL, WANT, NULL, &error), "");
	clear("L");
}

/* Each library of the machine's programs, and what those need, found where ld.so does. */
TEST(real_programs)
{
	static const char *const programs[] = { "/bin/bash", "/bin/tar", "/usr/bin/gcc",
		"/usr/bin/python3", "/usr/bin/perl", "/usr/bin/git", "/usr/bin/cmake",
		"/usr/bin/gdb", "/usr/bin/clang", "/usr/bin/curl", "/usr/bin/ffmpeg",
		"/usr/bin/apt", "/usr/bin/openssl", "/usr/bin/dpkg-deb", "/usr/bin/ld" };
	unsigned compared = 0;

	for (unsigned i = 0; i < base_array_count(programs); i++) {
		char line[PATH_MAX], name[256], path[PATH_MAX];
		if (access(programs[i], X_OK))
			continue;
		FILE *pipe = popen(
			text("LD_TRACE_LOADED_OBJECTS=1 %s 2>/dev/null", programs[i]),
			"r");
		while (pipe && fgets(line, sizeof(line), pipe)) {
			struct umod_error error;
			struct find_options options = { .library_path = "" };
			if (sscanf(line, " %255s => %4095s", name, path) != 2 ||
				path[0] != '/' || strchr(name, '/'))
				continue;
			/* Run paths are tested above; these are from the system. */
			const char *ours = ask_find(&options, name, NULL, &error);
			if (!ours[0])
				continue;
			CHECK_STR(ours, path);
			compared++;
		}
		if (pipe)
			pclose(pipe);
	}
	printf("# %u libraries compared\n", compared);
	CHECK(compared >= 10);
}

/* ---- words after $ ---- */

static void check_expansion(const char *in, const char *asker, const char *should)
{
	char *out = NULL;
	int err = find_expand(in, asker, &out);

	if (should)
		CHECK_INT(err, 0);
	else
		CHECK_INT(err, -ENOENT);
	CHECK_STR(out, should);
	base_free(out);
}

TEST(words)
{
	const char *lib = find_lib(), *platform = find_platform();
	char where[PATH_MAX];

	check_expansion("/plain", "/a/b.so", "/plain");
	check_expansion("", "/a/b.so", "");
	check_expansion("$ORIGIN", "/a/b.so", "/a");
	check_expansion("$ORIGIN", "/b.so", "/");
	check_expansion("${ORIGIN}", "/a/c/b.so", "/a/c");
	check_expansion("$ORIGIN/../x:y", "/a/b.so", "/a/../x:y");
	check_expansion("/u/$ORIGIN/x", "/a/b.so", "/u//a/x");
	check_expansion("${ORIGIN}x${ORIGIN}", "/a/b.so", "/ax/a");
	check_expansion("$ORIGINx", "/a/b.so", "$ORIGINx");
	check_expansion("$ORIGIN_", "/a/b.so", "$ORIGIN_");
	check_expansion("$ORIGIN-x", "/a/b.so", "/a-x");
	check_expansion("${ORIGIN", "/a/b.so", "${ORIGIN");
	check_expansion("${ORIGINx}", "/a/b.so", "${ORIGINx}");
	check_expansion("$$ORIGIN$", "/a/b.so", "$/a$");
	check_expansion("$origin$", "/a/b.so", "$origin$");
	check_expansion("/usr/$LIB/x", NULL, text("/usr/%s/x", lib));
	check_expansion("${LIB}${PLATFORM}", NULL, text("%s%s", lib, platform));
	check_expansion("/p/$PLATFORM", "/a/b", text("/p/%s", platform));
	check_expansion("$ORIGIN/x", NULL, NULL);
	check_expansion("$ORIGIN/x", "", NULL);
	REQUIRE(getcwd(where, sizeof(where)));
	check_expansion("$ORIGIN/x", "rel/b.so", text("%s/rel/x", where));
	check_expansion("$ORIGIN", "b.so", where);
	ssize_t n = readlink("/proc/self/exe", where, sizeof(where) - 1);
	REQUIRE(n > 0);
	where[n] = '\0';
	*strrchr(where, '/') = '\0';
	check_expansion("$ORIGIN", "/proc/self/exe", where);
}

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

static void write_cache(const struct cache_entry *entries, unsigned count, bool renamed)
{
	struct cache_recipe recipe = { .entries = entries, .count = count };
	struct cache_file file;
	char *path = text("%s/cache", base);

	cache_build(&recipe, &file);
	if (renamed)
		unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && write(fd, file.bytes, file.count) == (ssize_t)file.count);
	close(fd);
	free(file.bytes);
}

/* How it was found, or -1. */
static int how_found(struct find_config *config, const char *name,
	const struct find_asker *asker, char *path)
{
	struct find_result result;
	enum find_how how = (enum find_how) - 1;

	path[0] = '\0';
	if (find_library(config, name, asker, &result, NULL) == 0) {
		how = (int)result.how;
		strcpy(path, result.path);
		find_result_clear(&result);
	}
	return how;
}

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

/* ---- the message ---- */

TEST(message_of_a_missing_library)
{
	struct find_config *config;
	struct find_result result;
	struct umod_error error = { 0 };
	char whole[2048];
	struct find_asker prog = { .path = "/usr/bin/prog", .is_main = true };
	struct find_asker bar = { .path = "/opt/b/libbar.so",
		.soname = "libbar.so",
		.runpath = "$ORIGIN/dir1:/dir2",
		.loader = &prog };
	struct find_options options = { .library_path = "" };

	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK_INT(find_library(config, "libfoo.so.1", &bar, &result, &error), -ENOENT);
	umod_error_format(&error, whole, sizeof(whole));
	CHECK_STR(whole,
		"open: libfoo.so.1: not found; needed by libbar.so (/opt/b/libbar.so), "
		"needed by /usr/bin/prog; searched: DT_RUNPATH of libbar.so: "
		"/opt/b/dir1 (not there), /dir2 (not there); /etc/ld.so.cache; "
		"/lib/x86_64-linux-gnu, /usr/lib/x86_64-linux-gnu, /lib, /usr/lib");
	CHECK(result.fd == -1 && !result.path);
	find_config_free(config);
}

TEST(message_with_much_to_say)
{
	struct find_asker chain[100];
	struct umod_error error;
	char many[8192] = "";
	struct find_options options = { .library_path = many };

	for (unsigned i = 0; i < 200; i++)
		sprintf(many + strlen(many), "/directory/number/%u:", i);
	memset(chain, 0, sizeof(chain));
	for (unsigned i = 0; i < 100; i++) {
		chain[i].soname = "liblongname-of-somebody.so.1";
		chain[i].path = "/a/rather/long/path/to/liblongname-of-somebody.so.1";
		chain[i].loader = i + 1 < 100 ? &chain[i + 1] : NULL;
	}
	chain[99].soname = "the-first";
	CHECK_STR(ask_find(&options, "libfoo.so.1", chain, &error), "");
	CHECK_HAS(error.message, "by 96 more, needed by the-first");
	CHECK_HAS(error.message, "LD_LIBRARY_PATH: /directory/number/0 (not there), ");
	CHECK_INT(strlen(error.message), UMOD_ERROR_MESSAGE_BYTES - 1);
	CHECK_STR(error.message + strlen(error.message) - 3, "...");
}

/* ---- what it costs, and what fails ---- */

/* Calls that can fail (memory too) in one search; the result is cleared. */
static uint64_t count_calls(
	struct find_config *config, const char *name, const struct find_asker *asker)
{
	struct find_result result;

	base_fault_arm(UINT64_MAX, EIO);
	int err = find_library(config, name, asker, &result, NULL);
	uint64_t calls = base_fault_calls();
	base_fault_arm(0, 0);
	if (err == 0)
		find_result_clear(&result);
	return calls;
}

TEST(costs)
{
	struct find_config *config;
	struct find_options options = { .library_path =
						"/nowhere-umod-1:/nowhere-umod-2" };
	struct find_asker user = { .path = text("%s/u.so", base),
		.runpath = "$ORIGIN/B:/nowhere-umod-3" };

	put("B");
	REQUIRE_INT(find_config_new(&options, &config, NULL), 0);
	CHECK(count_calls(config, "libm.so.6", NULL) > 4);
	/* Open, fstat, read, and memory for the path. */
	CHECK_INT(count_calls(config, "libm.so.6", NULL), 4);
	CHECK_INT(count_calls(config, "libc.so.6", NULL), 4);
	CHECK(count_calls(config, WANT, &user) > 4);
	CHECK_INT(count_calls(config, WANT, &user), 4);
	/* One more where a directory that is there has not got it. (The first time also
	 * a look at one that the search before did not come to.) */
	CHECK_INT(count_calls(config, "libm.so.6", &user), 6);
	CHECK_INT(count_calls(config, "libm.so.6", &user), 5);
	find_config_free(config);
	clear("B");
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static void fail_in_turn(const char *name, bool is_there, int code)
{
	struct find_options options = { .library_path = text("%s/A:$ORIGIN/x", base) };
	struct find_asker user = { .path = text("%s/u.so", base),
		.runpath = "$ORIGIN/B:/nowhere-umod-3" };
	unsigned descriptors = count_descriptors(), failed = 0;

	for (uint64_t nth = 1; nth < 500; nth++) {
		struct find_config *config;
		struct find_result result;
		struct umod_error error = { 0 };
		base_fault_arm(nth, code);
		int err = find_config_new(&options, &config, &error);
		if (err == 0)
			err = find_library(config, name, &user, &result, &error);
		else
			config = NULL;
		uint64_t calls = base_fault_calls();
		base_fault_arm(0, 0);
		if (err == 0)
			find_result_clear(&result);
		else
			CHECK(error.code == err && error.message[0]);
		failed += err != 0;
		/* The same configuration finds it afterwards: nothing wrong was learnt.
		 */
		if (config) {
			int again = find_library(config, name, &user, &result, NULL);
			CHECK_INT(again, is_there ? 0 : -ENOENT);
			if (again == 0)
				find_result_clear(&result);
		}
		find_config_free(config);
		if (calls < nth)
			break;
	}
	CHECK(failed >= 8);
	CHECK_INT(count_descriptors(), descriptors);
}

TEST(each_call_fails_in_turn)
{
	put("B");
	fail_in_turn(WANT, true, EIO);
	fail_in_turn(WANT, true, ENOMEM);
	fail_in_turn("libm.so.6", true, EMFILE);
	fail_in_turn("libnowhere.so", false, EIO);
	clear("B");
}

/* A host with ever new directories: what is remembered stays bounded. */
TEST(many_directories)
{
	struct find_config *config;
	char path[PATH_MAX], runpath[64];
	struct find_asker user = { .path = "/x/u.so", .runpath = runpath };

	REQUIRE_INT(find_config_new(NULL, &config, NULL), 0);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(runpath, sizeof(runpath), "/nowhere-umod/%u", i);
		if (how_found(config, "libm.so.6", &user, path) != FIND_CACHE)
			FAIL("%u: not found", i);
	}
	CHECK(config->list_count <= 4096);
	find_config_free(config);
}

/* ---- secure execution ---- */

/* In a copy of this program that belongs to somebody else and is set-user-ID. */
static int secure_main(void)
{
	struct find_config *config;
	char path[PATH_MAX];
	struct find_asker user = { .path = "/proc/self/exe",
		.runpath = "$ORIGIN/B:/tmp/$ORIGIN" };

	if (!base_secure_execution())
		return 77;
	setenv("LD_LIBRARY_PATH", getenv("UMOD_TEST_DIR"), 1);
	check_expansion("$ORIGIN/x", "/tmp/a/b.so", NULL);
	check_expansion("$ORIGIN/x", "/proc/self/exe", NULL);
	check_expansion("$ORIGIN/../x", "/usr/lib/a/b.so", "/usr/lib/a/../x");
	check_expansion("$ORIGIN/../../../tmp", "/usr/lib/a/b.so", NULL);
	check_expansion("$ORIGIN/../../libx", "/usr/lib/a/b.so", NULL);
	check_expansion("/usr/lib/$ORIGIN", "/usr/lib/a/b.so", NULL);
	check_expansion("$ORIGIN-x", "/usr/lib/a/b.so", NULL);
	check_expansion("/opt/$LIB", "/tmp/a/b.so", text("/opt/%s", find_lib()));
	if (find_config_new(NULL, &config, NULL) == 0) {
		CHECK_INT(how_found(config, WANT, NULL, path), -1);
		CHECK_INT(how_found(config, WANT, &user, path), -1);
		CHECK_INT(how_found(config, "libm.so.6", &user, path), FIND_CACHE);
		find_config_free(config);
	}
	return atomic_load(&test_failures) ? 1 : 0;
}

TEST(secure_execution)
{
	if (getuid() != 0)
		SKIP("needs root to make a set-user-ID program");
	put("B");
	setenv("UMOD_TEST_DIR", text("%s/B", base), 1);
	run("chmod 755 %s && cp /proc/%d/exe %s/secure && chown 65534 %s/secure"
	    " && chmod 4755 %s/secure",
		base, (int)getpid(), base, base, base);
	pid_t child = fork();
	if (child == 0) {
		execl(text("%s/secure", base), "secure", "--secure", (char *)NULL);
		_exit(99);
	}
	int status = -1;
	waitpid(child, &status, 0);
	clear("B");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("set-user-ID has no effect there");
	CHECK_INT(status, 0);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--secure") == 0) {
		int status = secure_main();
		fflush(stdout);
		_exit(status); /* the leak checker cannot look into such a process */
	}
	unsetenv("LD_LIBRARY_PATH");
	snprintf(base, sizeof(base), "/tmp/umod-find-XXXXXX");
	if (!mkdtemp(base) || !build_programs()) {
		puts("Bail out! no fixtures");
		return 1;
	}
	int failed = test_run_all(argc, argv);
	run("rm -rf %s", base);
	return failed;
}
