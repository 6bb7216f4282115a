/* SPDX-License-Identifier: MIT */
/*
 * Modules in the running kernel: its three system calls, /proc/modules and /sys/module.
 * Plain calls of libc, so that a shim under the program can stand in for the kernel.
 */
#include "feature/feature.h"
#include "index/index.h"

#include <dirent.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* finit_module(2)'s flags, which older headers lack. */
#define INIT_IGNORE_MODVERSIONS 1u
#define INIT_IGNORE_VERMAGIC    2u
#define INIT_COMPRESSED_FILE    4u

#define SYS_MODULE "/sys/module"

/* In libc, though no header declares them; a shim may stand in for them there. */
long init_module(const void *image, unsigned long bytes, const char *options);
long delete_module(const char *name, unsigned flags);

/* A short file of /sys in @text; its length or a negative errno. */
static int read_small(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, text, bytes - 1);
	int err = got < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	while (got > 0 && text[got - 1] == '\n')
		got--;
	text[got] = '\0';
	return (int)got;
}

/* SYS_MODULE/NAME/FILE, where the name has its '-' folded. */
static int sys_path(const char *name, const char *file, char *out, size_t bytes)
{
	char folded[256];

	if (strchr(name, '/') || !*name)
		return -EINVAL;
	if (index_fold_name(name, folded, sizeof(folded)) == 0)
		return -ENAMETOOLONG;
	snprintf(out, bytes, SYS_MODULE "/%s%s", folded, file);
	return 0;
}

static const char *const state_names[] = {
	[UMOD_KERNEL_LIVE] = "live",
	[UMOD_KERNEL_COMING] = "coming",
	[UMOD_KERNEL_GOING] = "going",
};

UMOD_EXPORT int umod_kernel_module_state(const char *name)
{
	char path[512], text[32];
	struct stat st;
	int err = sys_path(name, "/initstate", path, sizeof(path));

	if (err)
		return err == -ENAMETOOLONG ? UMOD_KERNEL_ABSENT : err;
	err = read_small(path, text, sizeof(text));
	if (err == -ENOENT) {
		/* Its directory comes before the state does; built-in ones have none. */
		sys_path(name, "/refcnt", path, sizeof(path));
		return stat(path, &st) == 0 ? UMOD_KERNEL_COMING : UMOD_KERNEL_ABSENT;
	}
	if (err < 0)
		return err;
	for (int i = UMOD_KERNEL_LIVE; i <= UMOD_KERNEL_GOING; i++) {
		if (strcmp(text, state_names[i]) == 0)
			return i;
	}
	return -EINVAL;
}

UMOD_EXPORT int umod_kernel_module_references(const char *name)
{
	char path[512], text[32], *end;
	int err = sys_path(name, "/refcnt", path, sizeof(path));

	if (!err)
		err = read_small(path, text, sizeof(text));
	if (err < 0)
		return err;
	long count = strtol(text, &end, 10);
	return end == text || *end || count < -1 || count > INT_MAX ? -EINVAL
								    : (int)count;
}

UMOD_EXPORT int umod_kernel_module_holders(
	const char *name, int (*visit)(const char *holder, void *data), void *data)
{
	char path[512];
	int err = sys_path(name, "/holders", path, sizeof(path));
	DIR *directory = err ? NULL : opendir(path);
	struct dirent *item;

	if (!directory)
		return err ? err : -errno;
	while (!err && (item = readdir(directory)) != NULL) {
		if (item->d_name[0] != '.')
			err = visit(item->d_name, data);
	}
	closedir(directory);
	return err;
}

/* ---- /proc/modules ---- */

/* "name size references users state address (taints)"; @line is changed. */
static bool parse_line(char *line, struct umod_kernel_module *out)
{
	char *words[5], *save, *end;
	unsigned count = 0;

	for (char *word = strtok_r(line, " \t\n", &save); word && count < 5;
		word = strtok_r(NULL, " \t\n", &save))
		words[count++] = word;
	if (count < 3)
		return false;
	memset(out, 0, sizeof(*out));
	out->name = words[0];
	out->size_bytes = strtoull(words[1], &end, 10);
	if (end == words[1] || *end)
		return false;
	out->references = -1;
	if (strcmp(words[2], "-") != 0) {
		out->references = strtoll(words[2], &end, 10);
		if (end == words[2] || *end)
			return false;
	}
	out->users = "";
	if (count > 3 && strcmp(words[3], "-") != 0) {
		size_t length = strlen(words[3]);
		if (length && words[3][length - 1] == ',')
			words[3][length - 1] = '\0';
		out->users = words[3];
	}
	out->state = UMOD_KERNEL_LIVE;
	if (count > 4 && strcmp(words[4], "Loading") == 0)
		out->state = UMOD_KERNEL_COMING;
	else if (count > 4 && strcmp(words[4], "Unloading") == 0)
		out->state = UMOD_KERNEL_GOING;
	return true;
}

UMOD_EXPORT int umod_kernel_modules_visit(
	int (*visit)(const struct umod_kernel_module *module, void *data), void *data,
	struct umod_error *error)
{
	FILE *in = fopen("/proc/modules", "re");
	char *line = NULL;
	size_t room = 0;
	int err = 0, number = 0;

	if (!in)
		return base_error(error, UMOD_STAGE_OPEN, -errno, "/proc/modules",
			"could not open /proc/modules: %s", strerror(errno));
	while (!err && getline(&line, &room, in) > 0) {
		struct umod_kernel_module module;
		number++;
		if (parse_line(line, &module))
			err = visit(&module, data);
		else
			err = base_error(error, UMOD_STAGE_DESCRIBE, -EINVAL,
				"/proc/modules",
				"invalid line format at /proc/modules:%d", number);
	}
	free(line);
	fclose(in);
	return err;
}

/* ---- loading ---- */

static bool kernel_unpacks(enum feature_compression packing)
{
	static const char *const names[] = {
		[FEATURE_GZIP] = "gzip", [FEATURE_XZ] = "xz", [FEATURE_ZSTANDARD] = "zstd"
	};
	char text[32];

	return read_small(SYS_MODULE "/compression", text, sizeof(text)) > 0 &&
	       strcmp(text, names[packing]) == 0;
}

/* From memory: unpacked here. The flags for versions do not exist in this call. */
static int insert_bytes(int fd, const char *path, const char *options, unsigned flags,
	struct umod_error *error)
{
	struct feature_buffer buffer = { 0 };

	if (flags)
		return base_error(error, UMOD_STAGE_INIT, -ENOTSUP, path,
			"the kernel cannot pass over versions of a file that it does "
			"not unpack itself");
	int err = feature_read(fd, path, FEATURE_LIMIT_BYTES, &buffer, NULL, error);
	if (!err && init_module(buffer.bytes, buffer.count, options) != 0)
		err = base_error(
			error, UMOD_STAGE_INIT, -errno, path, "%s", strerror(errno));
	feature_buffer_free(&buffer);
	return err;
}

UMOD_EXPORT int umod_kernel_insert(
	const char *path, const char *options, unsigned flags, struct umod_error *error)
{
	uint8_t magic[FEATURE_MAGIC_BYTES];
	unsigned kernel_flags = 0;

	options = options ? options : "";
	BASE_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return base_error(
			error, UMOD_STAGE_OPEN, -errno, path, "%s", strerror(errno));
	ssize_t got = pread(fd, magic, sizeof(magic), 0);
	if (got < 0)
		return base_error(
			error, UMOD_STAGE_OPEN, -errno, path, "%s", strerror(errno));
	enum feature_compression packing = feature_compression_of(magic, (size_t)got);
	if (flags & UMOD_KERNEL_IGNORE_MODVERSIONS)
		kernel_flags |= INIT_IGNORE_MODVERSIONS;
	if (flags & UMOD_KERNEL_IGNORE_VERMAGIC)
		kernel_flags |= INIT_IGNORE_VERMAGIC;
	if (packing != FEATURE_PLAIN && !kernel_unpacks(packing))
		return insert_bytes(fd, path, options, kernel_flags, error);
	if (packing != FEATURE_PLAIN)
		kernel_flags |= INIT_COMPRESSED_FILE;
	if (syscall(SYS_finit_module, fd, options, kernel_flags) == 0)
		return 0;
	if (errno == ENOSYS)
		return insert_bytes(
			fd, path, options, kernel_flags & ~INIT_COMPRESSED_FILE, error);
	return base_error(error, UMOD_STAGE_INIT, -errno, path, "%s", strerror(errno));
}

UMOD_EXPORT int umod_kernel_remove(
	const char *name, unsigned flags, struct umod_error *error)
{
	char folded[256];
	unsigned kernel_flags = O_NONBLOCK;

	if (index_fold_name(name, folded, sizeof(folded)) == 0)
		return base_error(error, UMOD_STAGE_UNLOAD, -ENOENT, name,
			"no module has such a name");
	if (flags & UMOD_KERNEL_FORCE)
		kernel_flags |= O_TRUNC;
	if (delete_module(folded, kernel_flags) == 0)
		return 0;
	return base_error(error, UMOD_STAGE_UNLOAD, -errno, name, "%s", strerror(errno));
}
