/* SPDX-License-Identifier: MIT */
/*
 * Reads modules, each once: what they export and import, and the fields that index files
 * need. Threads take modules from a common counter, and each keeps what it found in
 * memory of its own; they share nothing that is written but that counter.
 *
 * Of plain modules only the parts that are needed are read, into a buffer that has the
 * file's layout, with few calls: most are read whole by the first.
 */
#include "index/depmod_internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_BYTES ((size_t)128 << 10)
/* Memory that a large module leaves behind is given back from here on. */
#define KEEP_BYTES  ((size_t)4 << 20)
#define MAX_THREADS 16u

/* ---- names of imports ---- */

static int grow_slots(struct depmod_names *names)
{
	uint32_t mask = names->slots ? names->slot_mask * 2 + 1 : 4095;
	uint32_t *slots = base_array((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (unsigned i = 0; i < names->count; i++) {
		uint32_t at = (uint32_t)names->items[i].hash & mask;
		while (slots[at])
			at = (at + 1) & mask;
		slots[at] = i + 1;
	}
	base_free(names->slots);
	names->slots = slots;
	names->slot_mask = mask;
	return 0;
}

uint32_t depmod_name_number(struct depmod_worker *worker, const char *name, size_t length)
{
	struct depmod_names *names = &worker->names;
	uint64_t hash = base_hash_bytes(name, length);

	if (!names->slots || names->count > names->slot_mask / 2) {
		if (grow_slots(names))
			return DEPMOD_NONE;
	}
	uint32_t at = (uint32_t)hash & names->slot_mask;
	for (; names->slots[at]; at = (at + 1) & names->slot_mask) {
		struct depmod_name *item = &names->items[names->slots[at] - 1];
		if (item->hash == hash && strcmp(item->text, name) == 0)
			return names->slots[at] - 1;
	}
	if (base_grow(
		    &names->items, names->count, &names->capacity, sizeof(*names->items)))
		return DEPMOD_NONE;
	char *copy = index_arena_copy(&worker->arena, name, length);
	if (!copy)
		return DEPMOD_NONE;
	names->items[names->count] = (struct depmod_name){ copy, hash };
	names->slots[at] = ++names->count;
	return names->count - 1;
}

/* ---- a plain file, in parts ---- */

struct parts {
	int fd;
	struct feature_buffer *buffer;
	uint64_t count; /* of the file */
	struct feature_parts read;
};

static int fetch(void *data, uint64_t offset, uint64_t count)
{
	struct parts *parts = data;
	uint64_t start, end, from, to;

	if (!feature_parts_want(&parts->read, offset, count, parts->count, &start, &end))
		return 0;
	for (from = start, to = end; feature_parts_next(&parts->read, &from, &to);
		from = to, to = end) {
		ssize_t got = pread(
			parts->fd, parts->buffer->bytes + from, to - from, (off_t)from);
		if (got < 0)
			return -errno;
		/* Cut short meanwhile. */
		if ((uint64_t)got < to - from)
			return -EBUSY;
	}
	return 0;
}

/* ---- one module ---- */

static int keep_exports(struct depmod_worker *worker, struct depmod_module *module)
{
	unsigned count = worker->exports.count;

	if (count == 0)
		return 0;
	module->exports =
		index_arena_alloc(&worker->arena, count * sizeof(*module->exports));
	if (!module->exports)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		const struct feature_export *export = &worker->exports.items[i];
		module->exports[i].crc = export->crc;
		module->exports[i].name = index_arena_copy(
			&worker->arena, export->name, strlen(export->name));
		if (!module->exports[i].name)
			return -ENOMEM;
	}
	module->export_count = count;
	return 0;
}

static int keep_imports(
	struct depmod_worker *worker, struct depmod_module *module, bool crcs)
{
	unsigned count = worker->imports.count;

	if (count == 0)
		return 0;
	module->imports =
		index_arena_alloc(&worker->arena, count * sizeof(*module->imports));
	if (crcs)
		module->import_crcs = index_arena_alloc(
			&worker->arena, count * sizeof(*module->import_crcs));
	if (!module->imports || (crcs && !module->import_crcs))
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		const struct feature_import *import = &worker->imports.items[i];
		uint32_t number =
			depmod_name_number(worker, import->name, strlen(import->name));
		if (number == DEPMOD_NONE)
			return -ENOMEM;
		module->imports[i] = number | (import->weak ? DEPMOD_WEAK : 0);
		if (crcs)
			module->import_crcs[i] = import->crc;
	}
	module->import_count = count;
	return 0;
}

static int field_kind(const struct feature_field *field)
{
	static const char *const keys[DEPMOD_FIELD_KINDS] = { "alias", "softdep",
		"weakdep" };

	for (int i = 0; i < DEPMOD_FIELD_KINDS; i++) {
		if (feature_field_is(field, keys[i]))
			return i;
	}
	return -1;
}

static int keep_fields(struct depmod_worker *worker, struct depmod_module *module,
	const struct feature_info *info)
{
	struct feature_field field;
	unsigned count = 0;

	for (size_t cursor = 0; feature_info_next(info, &cursor, &field);)
		count += field_kind(&field) >= 0;
	if (count == 0)
		return 0;
	module->fields =
		index_arena_alloc(&worker->arena, count * sizeof(*module->fields));
	if (!module->fields)
		return -ENOMEM;
	for (size_t cursor = 0; feature_info_next(info, &cursor, &field);) {
		int kind = field_kind(&field);
		if (kind < 0)
			continue;
		struct depmod_field *kept = &module->fields[module->field_count];
		kept->kind = (enum depmod_field_kind)kind;
		kept->value =
			index_arena_copy(&worker->arena, field.value, field.value_bytes);
		if (!kept->value)
			return -ENOMEM;
		module->field_count++;
	}
	return 0;
}

/*
 * As kmod, what can be read of a damaged module counts: its fields without its symbols.
 * Returns the first error.
 */
static int describe(struct depmod_worker *worker, struct depmod_module *module,
	const struct elf_bytes *bytes, struct umod_error *error)
{
	bool crcs = depmod_wants_versions(worker->depmod->options);
	struct umod_error later = { 0 };
	struct elf_object object;
	struct feature_info info;
	int result = elf_object_open(&object, module->path, bytes, error), other;

	if (result)
		return result;
	result = feature_exports_read(&object, &worker->exports, error);
	if (result == 0)
		result = keep_exports(worker, module);
	if (result == -ENOMEM)
		return result;
	other = feature_info_open(&object, &info, result ? &later : error);
	if (other == 0)
		other = keep_fields(worker, module, &info);
	if (other == -ENOMEM || result == 0)
		result = other;
	if (result == -ENOMEM)
		return result;
	other = feature_imports_read(
		&object, crcs, &worker->imports, result ? &later : error);
	if (other == 0)
		other = keep_imports(worker, module, crcs);
	return other == -ENOMEM || result == 0 ? other : result;
}

/* The first part tells what kind of file it is, and is most often all of it. */
static int read_open(struct depmod_worker *worker, struct depmod_module *module, int fd,
	struct umod_error *error)
{
	struct feature_buffer *buffer = &worker->buffer;
	struct parts parts = { .fd = fd, .buffer = buffer, .read = { .count = 1 } };
	struct elf_bytes bytes = { .count = 0 };
	struct stat st;

	if (feature_buffer_reserve(buffer, FIRST_BYTES))
		return -ENOMEM;
	ssize_t got = read(fd, buffer->bytes, FIRST_BYTES);
	if (got < 0)
		return base_error(error, UMOD_STAGE_OPEN, -errno, module->path,
			"cannot be read: %s", strerror(errno));
	if (feature_compression_of(buffer->bytes, (size_t)got) != FEATURE_PLAIN) {
		int result = lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
		if (result == 0)
			result = feature_read(fd, module->path, FEATURE_LIMIT_BYTES,
				buffer, NULL, error);
		if (result)
			return result;
		bytes = (struct elf_bytes){ .bytes = buffer->bytes,
			.count = buffer->count };
		return describe(worker, module, &bytes, error);
	}
	bytes.count = (uint64_t)got;
	if ((size_t)got == FIRST_BYTES) {
		if (fstat(fd, &st) != 0)
			return -errno;
		if ((uint64_t)st.st_size > FEATURE_LIMIT_BYTES)
			return base_error(error, UMOD_STAGE_OPEN, -EFBIG, module->path,
				"is too large for a module");
		if (st.st_size > got)
			bytes.count = (uint64_t)st.st_size;
		if (feature_buffer_reserve(buffer, bytes.count))
			return -ENOMEM;
	}
	parts.count = buffer->count = bytes.count;
	parts.read.items[0].end = (uint64_t)got;
	bytes.bytes = buffer->bytes;
	if (bytes.count > (uint64_t)got) {
		bytes.fetch = fetch;
		bytes.data = &parts;
	}
	return describe(worker, module, &bytes, error);
}

static void read_module(struct depmod_worker *worker, struct depmod_module *module)
{
	struct depmod *depmod = worker->depmod;
	struct umod_error error = { 0 };
	int directory = module->path[0] == '/' ? AT_FDCWD : depmod->directory, result;
	int fd = openat(directory, module->path, O_RDONLY | O_CLOEXEC);

	module->worker = worker;
	result = fd < 0 ? base_error(&error, UMOD_STAGE_OPEN, -errno, module->path,
				  "cannot be opened: %s", strerror(errno))
			: read_open(worker, module, fd, &error);
	if (fd >= 0)
		close(fd);
	if (worker->buffer.count > KEEP_BYTES)
		feature_buffer_trim(&worker->buffer, KEEP_BYTES);
	module->error = result;
	if (result == -ENOMEM && error.stage != UMOD_STAGE_DECOMPRESS)
		worker->error = result;
	if (result)
		module->message = index_arena_copy(&worker->arena,
			error.message[0] ? error.message : strerror(-result),
			strlen(error.message[0] ? error.message : strerror(-result)));
}

/* ---- threads ---- */

static void *run(void *data)
{
	struct depmod_worker *worker = data;
	struct depmod *depmod = worker->depmod;
	const struct index_depmod_options *options = depmod->options;
	unsigned step = depmod->any_packed ? 1 : 16;

	while (!worker->error) {
		unsigned first = atomic_fetch_add(&depmod->next_module, step);
		if (first >= depmod->module_count)
			break;
		unsigned end = first + step;
		if (end > depmod->module_count)
			end = depmod->module_count;
		for (unsigned i = first; i < end && !worker->error; i++) {
			if (!depmod->modules[i].reused)
				read_module(worker, &depmod->modules[i]);
		}
		unsigned done = atomic_fetch_add(&depmod->done_modules, end - first);
		if (worker == &depmod->workers[0] && options->progress)
			options->progress(
				options->data, done + end - first, depmod->module_count);
	}
	return NULL;
}

static unsigned thread_count(const struct depmod *depmod)
{
	unsigned wanted = depmod->options->threads,
		 useful = depmod->module_count / 64 + 1;
	cpu_set_t set;

	if (!wanted) {
		wanted = sched_getaffinity(0, sizeof(set), &set) == 0
				 ? (unsigned)CPU_COUNT(&set)
				 : 1;
		/* Plain files cost so little that more threads only meet one another. */
		if (!depmod->any_packed && wanted > 4)
			wanted = 4;
	}
	if (depmod->any_packed)
		useful = depmod->module_count ? depmod->module_count : 1;
	if (wanted > useful)
		wanted = useful;
	return wanted > MAX_THREADS ? MAX_THREADS : wanted;
}

/* What went wrong is told in the order of modules, whoever read them. */
static void report(struct depmod *depmod)
{
	struct index_depmod_result *result = depmod->result;

	for (unsigned i = 0; i < depmod->module_count; i++) {
		const struct depmod_module *module = &depmod->modules[i];
		bool absolute = module->path[0] == '/';
		if (module->reused)
			result->reused++;
		else
			result->read++;
		if (!module->error)
			continue;
		result->failed++;
		depmod_say(depmod, INDEX_ERROR, "failed to load symbols from %s%s%s: %s",
			absolute ? "" : depmod->options->directory, absolute ? "" : "/",
			module->path,
			module->message ? module->message : "out of memory");
	}
	result->modules = depmod->module_count;
}

int depmod_read(struct depmod *depmod)
{
	unsigned count = thread_count(depmod);
	int result = 0;

	depmod->workers = base_array(count, sizeof(*depmod->workers));
	if (!depmod->workers)
		return -ENOMEM;
	depmod->worker_count = count;
	for (unsigned i = 0; i < count; i++)
		depmod->workers[i].depmod = depmod;
	if (depmod->options->incremental)
		depmod_cache_read(depmod);
	/* Those that cannot be started are done without. */
	for (unsigned i = 1; i < count; i++) {
		struct depmod_worker *worker = &depmod->workers[i];
		worker->started = pthread_create(&worker->thread, NULL, run, worker) == 0;
	}
	run(&depmod->workers[0]);
	for (unsigned i = 0; i < count; i++) {
		if (depmod->workers[i].started)
			pthread_join(depmod->workers[i].thread, NULL);
		if (depmod->workers[i].error)
			result = depmod->workers[i].error;
		feature_buffer_free(&depmod->workers[i].buffer);
	}
	if (result == 0)
		report(depmod);
	return result;
}

void depmod_worker_free(struct depmod_worker *worker)
{
	index_arena_free(&worker->arena);
	base_free(worker->names.items);
	base_free(worker->names.slots);
	base_free(worker->names.resolved);
	feature_buffer_free(&worker->buffer);
	feature_exports_free(&worker->exports);
	feature_imports_free(&worker->imports);
}
