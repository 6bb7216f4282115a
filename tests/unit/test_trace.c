/* SPDX-License-Identifier: MIT */
/*
 * Tests of the trace: a child with UMOD_DEBUG set writes, the parent reads. Called with
 * "child" as its first argument this program is that child.
 */
#define TEST_OWN_MAIN
#include "base/base.h"
#include "test.h"

#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

static char written[65536];

static int child(void)
{
	char longer[6000];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	errno = EXDEV;
	base_trace(BASE_TRACE_FILES, "open %s", "a.so");
	base_trace(BASE_TRACE_STAGES, "stage %d", 7);
	base_trace(BASE_TRACE_SYMBOLS, "two\nlines");
	base_trace(BASE_TRACE_TLS, "%s", longer);
	return errno == EXDEV ? 0 : 1;
}

/* Runs the child with UMOD_DEBUG=@words; what came on standard error is in written. */
static pid_t run(const char *words, const char *output)
{
	int ends[2], status = -1;
	size_t used = 0;
	ssize_t n;

	fflush(stdout);
	if (pipe(ends))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		setenv("UMOD_DEBUG", words, 1);
		if (output)
			setenv("UMOD_DEBUG_OUTPUT", output, 1);
		execl("/proc/self/exe", "test", "child", (char *)NULL);
		_exit(9);
	}
	close(ends[1]);
	while ((n = read(ends[0], written + used, sizeof(written) - 1 - used)) > 0)
		used += (size_t)n;
	written[used] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	return pid;
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

TEST(only_what_is_named_is_traced)
{
	char should[64];

	pid_t pid = run("stages", NULL);
	snprintf(should, sizeof(should), "%10d:\tstage 7\n", pid);
	CHECK_STR(written, should);
	run("", NULL);
	CHECK_STR(written, "");
	run("files,stages", NULL);
	CHECK_INT(count_lines(written), 2);
	CHECK_HAS(written, "open a.so\n");
	run("files: stages", NULL);
	CHECK_INT(count_lines(written), 2);
}

TEST(all_means_all_and_each_is_one_line)
{
	run("all", NULL);
	CHECK_INT(count_lines(written), 4);
	CHECK_HAS(written, "two lines\n");
	CHECK_HAS(written, "xxx...\n");
	CHECK(strlen(written) < 4096 + 200);
}

TEST(help_and_mistakes_are_answered)
{
	run("help", NULL);
	for (unsigned i = 0; base_trace_name(i); i++)
		CHECK_HAS(written, base_trace_name(i));
	CHECK(!strstr(written, "stage 7"));
	run("nonsense,stages", NULL);
	CHECK_HAS(written, "unknown word 'nonsense'");
	CHECK_HAS(written, "stage 7\n");
	run("stage", NULL); /* no prefixes */
	CHECK_HAS(written, "unknown word 'stage'");
	CHECK(!strstr(written, "stage 7"));
}

TEST(output_goes_to_a_file)
{
	char folder[] = "/tmp/umod-trace-XXXXXX", path[PATH_MAX], text[256] = "";

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/trace", folder);
	pid_t pid = run("stages,files", path);
	CHECK_STR(written, "");
	snprintf(path, sizeof(path), "%s/trace.%d", folder, pid);
	FILE *file = fopen(path, "r");
	REQUIRE(file != NULL);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	CHECK_INT(count_lines(text), 2);
	CHECK_HAS(text, ":\tstage 7\n");
	unlink(path);
	rmdir(folder);
}

/* In a set-user-ID program: the trace is off and the environment is not read. */
static int secure_child(void)
{
	if (!base_secure_execution())
		return 77;
	return base_trace_mask || base_getenv("UMOD_DEBUG") ? 1 : 0;
}

static int copy_self(const char *to)
{
	char buffer[65536];
	FILE *in = fopen("/proc/self/exe", "r"), *out = fopen(to, "w");
	size_t n;

	while (in && out && (n = fread(buffer, 1, sizeof(buffer), in)) > 0)
		fwrite(buffer, 1, n, out);
	if (in)
		fclose(in);
	return out ? fclose(out) : -1;
}

TEST(secure_execution_reads_no_environment)
{
	char folder[] = "/tmp/umod-secure-XXXXXX", path[PATH_MAX];
	int status = -1;

	if (geteuid() != 0)
		SKIP("needs root, to make a program of another user's");
	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/test", folder);
	REQUIRE_INT(copy_self(path), 0);
	/* The file's user is nobody: whoever runs it, root too, runs it as another. */
	CHECK_INT(chmod(folder, 0755) | chown(path, 65534, 0) | chmod(path, 04755), 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		setenv("UMOD_DEBUG", "all", 1);
		execl(path, "test", "secure", (char *)NULL);
		_exit(9);
	}
	waitpid(pid, &status, 0);
	unlink(path);
	rmdir(folder);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("set-user-ID has no effect in /tmp");
	CHECK_INT(status, 0);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "secure") == 0)
		_exit(secure_child()); /* a leak checker may not look into it */
	if (argc == 2 && strcmp(argv[1], "child") == 0)
		return child();
	return test_run_all(argc, argv);
}
