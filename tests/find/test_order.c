/* SPDX-License-Identifier: MIT */
/*
 * The order of the search and the words after $, against ld.so itself: it tells where it
 * finds what programs need (LD_TRACE_LOADED_OBJECTS), and the search must give the same.
 */
#define TEST_OWN_MAIN
#include "places.h"

#include <unistd.h>

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
