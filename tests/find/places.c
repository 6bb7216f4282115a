/* SPDX-License-Identifier: MIT */
/* See places.h. The folder is made before the first test, and removed after the last. */
#define TEST_OWN_MAIN
#include "places.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

char base[64];

bool run(const char *format, ...)
{
	char command[4096];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof(command), format, list);
	va_end(list);
	return system(command) == 0 || FAIL("fails: %s", command);
}

char *text(const char *format, ...)
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

const char *const kinds[] = { "none", "rpath", "runpath" };
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

void put(const char *dir)
{
	char *to = text("%s/%s/" WANT, base, dir);

	unlink(to);
	CHECK_INT(link(text("%s/" WANT, base), to), 0);
}

void clear(const char *dir)
{
	unlink(text("%s/%s/" WANT, base, dir));
}

const char *ask_loader(const char *program, const char *library_path, const char *wanted)
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

const char *ask_find(const struct find_options *options, const char *name,
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

void write_cache(const struct cache_entry *entries, unsigned count, bool renamed)
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

int how_found(struct find_config *config, const char *name,
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

void check_expansion(const char *in, const char *asker, const char *should)
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
