/* SPDX-License-Identifier: MIT */
/*
 * Puts index files where they belong: each is written under a name of its own, and only
 * when all are there are they renamed. What fails leaves the old ones as they were: they
 * keep a second name until the last is renamed.
 */
#include "index/depmod_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

static const struct file {
	const char *name;
	int (*write)(struct depmod *depmod, struct index_text *text);
	bool text; /* shown as text */
	bool incremental;
} files[] = {
	{ "modules.dep", depmod_write_dep, true, false },
	{ "modules.dep.bin", depmod_write_dep_bin, false, false },
	{ "modules.alias", depmod_write_alias, true, false },
	{ "modules.alias.bin", depmod_write_alias_bin, false, false },
	{ "modules.softdep", depmod_write_softdep, true, false },
	{ "modules.weakdep", depmod_write_weakdep, true, false },
	{ "modules.symbols", depmod_write_symbols, true, false },
	{ "modules.symbols.bin", depmod_write_symbols_bin, false, false },
	{ "modules.builtin.bin", depmod_write_builtin_bin, false, false },
	{ "modules.builtin.alias.bin", depmod_write_builtin_alias_bin, false, false },
	{ "modules.devname", depmod_write_devname, true, false },
	{ DEPMOD_CACHE_NAME, depmod_cache_write, false, true },
};
#define FILE_COUNT   base_array_count(files)
#define NAME_BYTES   96
#define SECOND_BYTES (NAME_BYTES + 8)

static int write_all(int fd, const char *bytes, size_t count)
{
	while (count) {
		ssize_t wrote = write(fd, bytes, count);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		bytes += wrote;
		count -= (size_t)wrote;
	}
	return 0;
}

static bool is_wanted(const struct depmod *depmod, unsigned index)
{
	/* Versions count as imports, which other runs are not to take over. */
	return !files[index].incremental ||
	       (depmod->options->incremental && !depmod_wants_versions(depmod->options));
}

/* Makes the text of one file and writes it as @name. */
static int write_file(struct depmod *depmod, int directory, unsigned index,
	const char *name, struct index_text *text)
{
	text->count = 0;
	int result = files[index].write(depmod, text);
	if (result == 0 && text->failed)
		result = -ENOMEM;
	if (result)
		return depmod_fail(depmod, result, files[index].name,
			"Could not write index: %s", strerror(-result));
	int fd = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return depmod_fail(depmod, -errno, name, "cannot be created in %s: %s",
			depmod->options->output, strerror(errno));
	result = write_all(fd, text->bytes, text->count);
	/* A disk that is full may say so only now. */
	if (close(fd) != 0 && result == 0)
		result = -errno;
	if (result == 0)
		return 0;
	unlinkat(directory, name, 0);
	return depmod_fail(depmod, result, files[index].name,
		"Could not create index: %s", strerror(-result));
}

static int cannot_replace(struct depmod *depmod, unsigned index, int code)
{
	return depmod_fail(depmod, -code, files[index].name,
		"cannot be replaced in %s: %s", depmod->options->output, strerror(code));
}

/* The second name of an old file, while the new ones come. */
static void old_name(char *out, const char *name)
{
	snprintf(out, SECOND_BYTES, "%.*s.old", NAME_BYTES - 1, name);
}

enum old_file {
	NONE,
	KEPT, /* has a second name */
	LOST, /* on file systems without links: cannot be brought back */
};

/* Gives the old files second names; refuses what no file can replace. */
static int keep_old(struct depmod *depmod, int directory, char (*names)[NAME_BYTES],
	enum old_file old[FILE_COUNT])
{
	char second[SECOND_BYTES];
	struct stat st;

	for (unsigned i = 0; i < FILE_COUNT; i++) {
		if (!is_wanted(depmod, i))
			continue;
		old_name(second, names[i]);
		if (linkat(directory, files[i].name, directory, second, 0) == 0)
			old[i] = KEPT;
		else if (fstatat(directory, files[i].name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			old[i] = NONE;
		else if (S_ISDIR(st.st_mode))
			return cannot_replace(depmod, i, EISDIR);
		else
			old[i] = LOST;
	}
	return 0;
}

/* Brings the first @count old files back, or leaves all, and drops their second names. */
static void drop_old(const struct depmod *depmod, int directory,
	char (*names)[NAME_BYTES], const enum old_file old[FILE_COUNT], unsigned count)
{
	char second[SECOND_BYTES];

	for (unsigned i = 0; i < FILE_COUNT; i++) {
		if (!is_wanted(depmod, i))
			continue;
		old_name(second, names[i]);
		if (old[i] == KEPT && i < count)
			renameat(directory, second, directory, files[i].name);
		else if (old[i] == NONE && i < count)
			unlinkat(directory, files[i].name, 0);
		if (old[i] == KEPT)
			unlinkat(directory, second, 0);
	}
}

static int rename_all(struct depmod *depmod, int directory, char (*names)[NAME_BYTES])
{
	enum old_file old[FILE_COUNT] = { NONE };
	int result = keep_old(depmod, directory, names, old);
	unsigned done = 0;

	for (; done < FILE_COUNT && result == 0; done++) {
		if (is_wanted(depmod, done) && renameat(directory, names[done], directory,
						       files[done].name) != 0) {
			result = cannot_replace(depmod, done, errno);
			break;
		}
	}
	drop_old(depmod, directory, names, old, result ? done : 0);
	return result;
}

static int to_files(struct depmod *depmod)
{
	char names[FILE_COUNT][NAME_BYTES] = { { '\0' } };
	struct index_text text = { 0 };
	struct timeval now;
	BASE_AUTO_CLOSE int directory =
		open(depmod->options->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (directory < 0)
		return depmod_fail(depmod, -errno, depmod->options->output,
			"could not open directory: %s", strerror(errno));
	gettimeofday(&now, NULL);
	for (unsigned i = 0; i < FILE_COUNT && result == 0; i++) {
		if (!is_wanted(depmod, i))
			continue;
		snprintf(names[i], NAME_BYTES, "%s.%d.%ld.%ld", files[i].name,
			(int)getpid(), (long)now.tv_usec, (long)now.tv_sec);
		result = write_file(depmod, directory, i, names[i], &text);
		if (result)
			names[i][0] = '\0';
	}
	index_text_free(&text);
	if (result == 0)
		result = rename_all(depmod, directory, names);
	for (unsigned i = 0; i < FILE_COUNT && result; i++) {
		if (names[i][0])
			unlinkat(directory, names[i], 0);
	}
	return result;
}

static int to_text(struct depmod *depmod)
{
	const struct index_depmod_options *options = depmod->options;
	struct index_text text = { 0 };
	int result = 0;

	for (unsigned i = 0; i < FILE_COUNT && result == 0; i++) {
		if (!files[i].text)
			continue;
		text.count = 0;
		result = files[i].write(depmod, &text);
		if (result == 0 && text.failed)
			result = -ENOMEM;
		if (result == 0 && text.count)
			result = options->emit(options->data, text.bytes, text.count);
	}
	index_text_free(&text);
	return result;
}

int depmod_output(struct depmod *depmod)
{
	switch (depmod->options->target) {
	case INDEX_TO_TEXT:
		return to_text(depmod);
	case INDEX_TO_VISIT:
		return depmod_visit(depmod);
	case INDEX_TO_FILES:
		break;
	}
	return to_files(depmod);
}
