/* SPDX-License-Identifier: MIT */
/*
 * What ld.so cannot show of a search: the sentence for what is missing, what a search
 * costs, that each call of it may fail, and what it refuses in secure execution.
 */
#define TEST_OWN_MAIN
#include "places.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

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
int secure_main(void)
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
