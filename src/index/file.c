/* SPDX-License-Identifier: MIT */
/*
 * One index of a tree: its file, opened once, copied or mapped, in one of two formats.
 * What is mapped is read under a guard, since another process may cut the file short.
 */
#include "index/index.h"

#include "elf/view.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

struct index_file {
	const struct index_format *format;
	enum index_kind kind;
	struct index_bytes bytes;
	bool borrowed;
	char *path;
};

static const struct {
	const char *name, *text; /* NULL: there is no text */
} kinds[INDEX_KIND_COUNT] = {
	[INDEX_DEP] = { "dep", "modules.dep" },
	[INDEX_ALIAS] = { "alias", "modules.alias" },
	[INDEX_SYMBOLS] = { "symbols", "modules.symbols" },
	[INDEX_BUILTIN] = { "builtin", "modules.builtin" },
	[INDEX_BUILTIN_ALIAS] = { "builtin.alias", NULL },
};

const char *index_kind_name(enum index_kind kind)
{
	return kinds[kind].name;
}

/* ---- values ---- */

void index_values_free(struct index_values *values)
{
	base_free(values->items);
	index_pool_free(&values->pool);
	memset(values, 0, sizeof(*values));
}

int index_values_add(
	struct index_values *values, const char *text, size_t length, uint32_t priority)
{
	unsigned at = 0;

	if (base_grow(&values->items, values->count, &values->capacity,
		    sizeof(*values->items)) != 0)
		return -ENOMEM;
	text = index_pool_copy(&values->pool, text, length);
	if (!text)
		return -ENOMEM;
	while (at < values->count && values->items[at].priority < priority)
		at++;
	memmove(values->items + at + 1, values->items + at,
		(values->count - at) * sizeof(*values->items));
	values->items[at] = (struct index_value){ text, priority };
	values->count++;
	return 0;
}

/* ---- files ---- */

int index_open(const char *path)
{
	int code, fd;

	if (base_fault_hit(&code))
		return -code;
	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* All of @bytes, or as many as there are. */
static int64_t read_all(int fd, char *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t got = read(fd, to + done, bytes - done);
		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
		else if (errno != EINTR)
			return -errno;
	}
	return (int64_t)done;
}

int index_read_file(const char *path, char **out, size_t *count, struct stat *st)
{
	struct stat own;
	BASE_AUTO_CLOSE int fd = index_open(path);
	int err = fd < 0 ? fd : base_sys_fstat(fd, &own);
	size_t used = 0, room;

	if (err)
		return err;
	if (st)
		*st = own;
	if (S_ISDIR(own.st_mode))
		return -EISDIR;
	/* Files of /proc have no size. */
	room = (size_t)(own.st_size > 0 ? own.st_size : 0) + 1;
	room = room < 4096 ? 4096 : room;
	char *bytes = base_alloc(room);
	while (bytes) {
		/* What is known to be there in one call, without another for the end. */
		size_t ask = (size_t)own.st_size > used ? (size_t)own.st_size - used
							: room - 1 - used;
		int64_t got = read_all(fd, bytes + used, ask);
		if (got < 0) {
			base_free(bytes);
			return (int)got;
		}
		used += (size_t)got;
		if ((size_t)got < ask || (size_t)own.st_size == used)
			break;
		char *more = base_realloc(bytes, room * 2);
		if (!more) {
			base_free(bytes);
			return -ENOMEM;
		}
		bytes = more;
		room *= 2;
	}
	if (!bytes)
		return -ENOMEM;
	bytes[used] = '\0';
	*out = bytes;
	*count = used;
	return 0;
}

static int map_file(const char *path, struct index_bytes *out)
{
	struct stat st;
	void *bytes;
	BASE_AUTO_CLOSE int fd = index_open(path);
	int err = fd < 0 ? fd : base_sys_fstat(fd, &st);

	if (err)
		return err;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size == 0) {
		out->bytes = base_zalloc(1);
		return out->bytes ? 0 : -ENOMEM;
	}
	err = base_sys_mmap(
		NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0, &bytes);
	if (err)
		return err;
	out->bytes = bytes;
	out->count = (size_t)st.st_size;
	out->mapped = true;
	return 0;
}

/* A use of a file's bytes, and whether they were all there. */
static int begin(const struct index_file *file, struct elf_guard *guard)
{
	return file->bytes.mapped
		       ? elf_guard_begin(guard, file->bytes.bytes, file->bytes.count)
		       : 0;
}

static int end(const struct index_file *file, struct elf_guard *guard, int result,
	struct umod_error *error)
{
	if (file->bytes.mapped && elf_guard_end(guard) && result >= 0)
		return base_error(error, UMOD_STAGE_LOOKUP, -ELIBBAD, file->path,
			"the index was cut short while it was read");
	return result;
}

static int open_format(const struct index_format *format, const char *path, bool map,
	struct index_file *file, struct umod_error *error)
{
	struct elf_guard guard;
	size_t count;
	char *bytes;
	int err;

	file->format = format;
	if (map) {
		err = map_file(path, &file->bytes);
	} else {
		err = index_read_file(path, &bytes, &count, NULL);
		if (!err)
			file->bytes =
				(struct index_bytes){ (uint8_t *)bytes, count, false };
	}
	if (err == -ENOENT || err == -ENOTDIR)
		return -ENOENT;
	if (err)
		return base_error(error, UMOD_STAGE_OPEN, err, path, "%s: %s", path,
			strerror(-err));
	err = begin(file, &guard);
	if (!err) {
		struct umod_error why = { 0 };
		err = end(file, &guard, format->check(&file->bytes, &why), &why);
		if (err)
			base_error(error, UMOD_STAGE_VALIDATE, err, path, "%s: %s", path,
				why.message);
	}
	return err;
}

static void free_bytes(struct index_file *file)
{
	if (file->bytes.mapped)
		base_sys_munmap((void *)file->bytes.bytes, file->bytes.count);
	else if (!file->borrowed)
		base_free((void *)file->bytes.bytes);
	memset(&file->bytes, 0, sizeof(file->bytes));
}

void index_file_free(struct index_file *file)
{
	if (!file)
		return;
	free_bytes(file);
	base_free(file->path);
	base_free(file);
}

bool index_file_is_text(const struct index_file *file)
{
	return file->format == &index_text_format;
}

const char *index_file_path(const struct index_file *file)
{
	return file->path;
}

/* @file's path and bytes are none so far, or free to be dropped. */
static int open_text(struct index_file *file, const char *directory, bool map,
	struct umod_error *error)
{
	if (!kinds[file->kind].text)
		return -ENOENT;
	free_bytes(file);
	base_free(file->path);
	file->path = index_join(directory, "/", kinds[file->kind].text, NULL);
	return file->path ? open_format(&index_text_format, file->path, map, file, error)
			  : -ENOMEM;
}

int index_file_open_text(const char *directory, enum index_kind kind, bool map,
	struct index_file **out, struct umod_error *error)
{
	struct index_file *file = base_zalloc(sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->kind = kind;
	int err = open_text(file, directory, map, error);
	if (err)
		index_file_free(file);
	else
		*out = file;
	return err;
}

int index_file_open(const char *directory, enum index_kind kind, bool map,
	struct index_file **out, struct umod_error *error)
{
	struct index_file *file = base_zalloc(sizeof(*file));
	int err = -ENOMEM;

	if (file) {
		file->kind = kind;
		file->path = index_join(
			directory, "/modules.", kinds[kind].name, ".bin", NULL);
		if (file->path)
			err = open_format(
				&index_trie_format, file->path, map, file, error);
	}
	if (err && err != -ENOMEM && kinds[kind].text)
		err = open_text(file, directory, map, error);
	if (err)
		index_file_free(file);
	else
		*out = file;
	return err;
}

int index_file_open_buffer(enum index_kind kind, bool is_text, const void *bytes,
	size_t count, struct index_file **out, struct umod_error *error)
{
	struct index_file *file = base_zalloc(sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->kind = kind;
	file->format = is_text ? &index_text_format : &index_trie_format;
	file->bytes = (struct index_bytes){ bytes, count, false };
	file->borrowed = true;
	int err = file->format->check(&file->bytes, error);
	if (err)
		index_file_free(file);
	else
		*out = file;
	return err;
}

/* Names the file in an error that a format wrote. */
static int name_file(const struct index_file *file, int result,
	const struct umod_error *why, struct umod_error *error)
{
	if (result >= 0 || !why->code)
		return result;
	return base_error(error, why->stage, result, file->path, "%s: %s",
		file->path ? file->path : "index", why->message);
}

int index_file_find(const struct index_file *file, const char *key,
	struct index_values *out, struct umod_error *error)
{
	struct umod_error why = { 0 };
	struct elf_guard guard;
	int err = begin(file, &guard);

	if (err)
		return err;
	err = file->format->find(&file->bytes, file->kind, key, out, &why);
	return name_file(file, end(file, &guard, err, &why), &why, error);
}

int index_file_search(const struct index_file *file, const char *text,
	struct index_values *out, struct umod_error *error)
{
	struct umod_error why = { 0 };
	struct elf_guard guard;
	int err = begin(file, &guard);

	if (err)
		return err;
	err = file->format->search(&file->bytes, file->kind, text, out, &why);
	return name_file(file, end(file, &guard, err, &why), &why, error);
}

int index_file_walk(const struct index_file *file, index_visit visit, void *data,
	struct umod_error *error)
{
	struct umod_error why = { 0 };
	struct elf_guard guard;
	int err = begin(file, &guard);

	if (err)
		return err;
	err = file->format->walk(&file->bytes, file->kind, visit, data, &why);
	return name_file(file, end(file, &guard, err, &why), &why, error);
}
