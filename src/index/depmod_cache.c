/* SPDX-License-Identifier: MIT */
/*
 * What an incremental run keeps of each module: all that the index files are made of,
 * with the file's size, inode and times. A module whose file has all of these as before
 * is not read again; everything else of a run is as ever, so that its result is that of a
 * full one. A cache that is damaged, of another version or cut is not used.
 *
 * Its text: a header; then for each module its path, its stamp, and lists of strings.
 * Counts and stamps are little-endian; strings end with a NUL. A hash of all comes first.
 */
#include "index/depmod_internal.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define MAGIC        "umod depmod 1\n"
#define MAGIC_BYTES  14u
#define HEADER_BYTES 32u /* magic, padding, hash of what follows, count of modules */

/* How old a change must be so that the next one has other times: a kernel's tick and
 * more, or what times without fractions tell apart. */
#define YOUNG_NS       ((int64_t)100000000)
#define YOUNG_WHOLE_NS ((int64_t)2000000000)

/*
 * The file's identity; false: it cannot be told, or the file is so young at @now_ns that
 * it could change once more without its times telling. The time of its last change is
 * judged, which each writing sets and nobody can set back. Whole seconds are those of a
 * file system that knows no finer ones.
 */
static bool stamp_of(
	const struct depmod *depmod, const char *path, int64_t now_ns, uint64_t stamp[4])
{
	struct stat st;
	int directory = path[0] == '/' ? AT_FDCWD : depmod->directory;

	if (fstatat(directory, path, &st, 0) != 0)
		return false;
	stamp[0] = (uint64_t)st.st_size;
	stamp[1] = (uint64_t)st.st_ino ^ (uint64_t)st.st_dev << 48;
	stamp[2] =
		(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	stamp[3] =
		(uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
	return (int64_t)stamp[3] <
	       now_ns - (st.st_ctim.tv_nsec ? YOUNG_NS : YOUNG_WHOLE_NS);
}

/* ---- writing ---- */

static void put_number(void *to, uint64_t value)
{
	uint8_t *bytes = to;
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

static void add_number(struct index_text *text, uint64_t value)
{
	uint8_t bytes[8];
	put_number(bytes, value);
	index_text_add(text, bytes, sizeof(bytes));
}

static void add_string(struct index_text *text, const char *string)
{
	index_text_add(text, string, strlen(string) + 1);
}

static void add_module(struct index_text *text, const struct depmod_module *module)
{
	add_string(text, module->path);
	for (unsigned i = 0; i < base_array_count(module->stamp); i++)
		add_number(text, module->stamp[i]);
	add_number(text, module->export_count);
	add_number(text, module->import_count);
	add_number(text, module->field_count);
	for (unsigned i = 0; i < module->export_count; i++) {
		add_number(text, module->exports[i].crc);
		add_string(text, module->exports[i].name);
	}
	for (unsigned i = 0; i < module->import_count; i++) {
		uint32_t number = module->imports[i] & ~DEPMOD_WEAK;
		index_text_byte(text, module->imports[i] & DEPMOD_WEAK ? 'w' : 'u');
		add_string(text, module->worker->names.items[number].text);
	}
	for (unsigned i = 0; i < module->field_count; i++) {
		index_text_byte(text, (char)('0' + module->fields[i].kind));
		add_string(text, module->fields[i].value);
	}
}

int depmod_cache_write(struct depmod *depmod, struct index_text *text)
{
	char header[HEADER_BYTES] = { 0 };
	size_t start = text->count;
	uint64_t count = 0;

	index_text_add(text, header, sizeof(header));
	for (unsigned i = 0; i < depmod->module_count; i++) {
		const struct depmod_module *module = &depmod->modules[i];
		/* What failed or was young is tried again; stamps were taken before
		 * reading.
		 */
		if (module->error || module->stamp[3] == 0)
			continue;
		add_module(text, module);
		count++;
	}
	if (text->failed)
		return -ENOMEM;
	memcpy(header, MAGIC, sizeof(MAGIC));
	uint64_t hash = base_hash_bytes(
		text->bytes + start + HEADER_BYTES, text->count - start - HEADER_BYTES);
	put_number(header + 16, hash);
	put_number(header + 24, count);
	memcpy(text->bytes + start, header, sizeof(header));
	return 0;
}

/* ---- reading ---- */

/* Bytes that are left; NULL once something did not fit. */
struct cursor {
	const char *at, *end;
};

static uint64_t take_number(struct cursor *c)
{
	uint64_t value = 0;
	if (!c->at || c->end - c->at < 8) {
		c->at = NULL;
		return 0;
	}
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)(uint8_t)c->at[i] << 8 * i;
	c->at += 8;
	return value;
}

static const char *take_string(struct cursor *c)
{
	const char *string = c->at;
	const char *nul = string ? memchr(string, '\0', (size_t)(c->end - string)) : NULL;
	c->at = nul ? nul + 1 : NULL;
	return nul ? string : NULL;
}

static char take_byte(struct cursor *c)
{
	if (!c->at || c->at == c->end) {
		c->at = NULL;
		return '\0';
	}
	return *c->at++;
}

/* Counts of a module are bounded by the bytes that are left. */
static uint32_t take_count(struct cursor *c)
{
	uint64_t count = take_number(c);
	if (c->at && count > (uint64_t)(c->end - c->at))
		c->at = NULL;
	return c->at ? (uint32_t)count : 0;
}

/* Strings are taken over as they lie: the cache's bytes stay for the run. */
static void take_lists(
	struct depmod_worker *worker, struct depmod_module *m, struct cursor *c)
{
	m->export_count = take_count(c);
	m->import_count = take_count(c);
	m->field_count = take_count(c);
	m->exports =
		index_arena_alloc(&worker->arena, m->export_count * sizeof(*m->exports));
	m->imports =
		index_arena_alloc(&worker->arena, m->import_count * sizeof(*m->imports));
	m->fields =
		index_arena_alloc(&worker->arena, m->field_count * sizeof(*m->fields));
	if (!m->exports || !m->imports || !m->fields)
		c->at = NULL;
	for (uint32_t i = 0; i < m->export_count && c->at; i++) {
		m->exports[i].crc = take_number(c);
		m->exports[i].name = take_string(c);
	}
	for (uint32_t i = 0; i < m->import_count && c->at; i++) {
		bool weak = take_byte(c) == 'w';
		const char *name = take_string(c);
		uint32_t number = name ? depmod_name_number(worker, name, strlen(name))
				       : DEPMOD_NONE;
		if (number == DEPMOD_NONE)
			c->at = NULL;
		m->imports[i] = number | (weak ? DEPMOD_WEAK : 0);
	}
	for (uint32_t i = 0; i < m->field_count && c->at; i++) {
		m->fields[i].kind = (enum depmod_field_kind)(take_byte(c) - '0');
		m->fields[i].value = take_string(c);
		if (m->fields[i].kind >= DEPMOD_FIELD_KINDS)
			c->at = NULL;
	}
}

static struct depmod_module *module_of(
	struct depmod *depmod, const struct base_map *map, const char *path)
{
	size_t cursor = 0;
	void *value;

	while ((value = base_map_next(
			map, base_hash_bytes(path, strlen(path)), &cursor))) {
		struct depmod_module *module = &depmod->modules[(uintptr_t)value - 1];
		if (strcmp(module->path, path) == 0)
			return module;
	}
	return NULL;
}

/* One module of the cache. It is passed over if the tree's is another by now. */
static void take_module(
	struct depmod *depmod, const struct base_map *map, struct cursor *c)
{
	struct depmod_worker *worker = &depmod->workers[0];
	const char *path = take_string(c);
	struct depmod_module *module = path ? module_of(depmod, map, path) : NULL;
	struct depmod_module taken = { 0 };
	bool same = module != NULL;

	for (unsigned i = 0; i < base_array_count(taken.stamp); i++) {
		taken.stamp[i] = take_number(c);
		same = same && taken.stamp[i] == module->stamp[i];
	}
	take_lists(worker, &taken, c);
	if (!same || !c->at || taken.stamp[3] == 0)
		return;
	module->worker = worker;
	module->exports = taken.exports;
	module->imports = taken.imports;
	module->fields = taken.fields;
	module->export_count = taken.export_count;
	module->import_count = taken.import_count;
	module->field_count = taken.field_count;
	module->reused = true;
}

static void take_all(struct depmod *depmod, const char *bytes, size_t count)
{
	struct base_map map = { 0 };
	struct cursor cursor = { bytes + HEADER_BYTES, bytes + count };
	struct cursor header = { bytes + 16, bytes + HEADER_BYTES };
	uint64_t hash = take_number(&header), modules = take_number(&header);

	if (memcmp(bytes, MAGIC, MAGIC_BYTES) != 0 ||
		hash != base_hash_bytes(cursor.at, count - HEADER_BYTES))
		return;
	for (unsigned i = 0; i < depmod->module_count; i++) {
		const char *path = depmod->modules[i].path;
		if (base_map_put(&map, base_hash_bytes(path, strlen(path)),
			    (void *)(uintptr_t)(i + 1)))
			modules = 0;
	}
	for (; modules && cursor.at; modules--)
		take_module(depmod, &map, &cursor);
	base_map_free(&map);
}

void depmod_cache_read(struct depmod *depmod)
{
	struct feature_buffer buffer = { 0 };
	BASE_AUTO_FREE char *path =
		base_printf("%s/" DEPMOD_CACHE_NAME, depmod->options->output);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	/* Before anything is read: what changes from here on has another stamp. */
	for (unsigned i = 0; i < depmod->module_count; i++) {
		struct depmod_module *module = &depmod->modules[i];
		if (!stamp_of(depmod, module->path, now_ns, module->stamp))
			memset(module->stamp, 0, sizeof(module->stamp));
	}
	/* Versions of imports are not kept. */
	if (fd < 0 || depmod_wants_versions(depmod->options)) {
		if (fd >= 0)
			close(fd);
		return;
	}
	int result = feature_read(fd, path, FEATURE_LIMIT_BYTES, &buffer, NULL, NULL);
	close(fd);
	char *bytes = result || buffer.count < HEADER_BYTES
			      ? NULL
			      : index_arena_alloc(&depmod->arena, buffer.count);
	if (bytes) {
		memcpy(bytes, buffer.bytes, buffer.count);
		take_all(depmod, bytes, buffer.count);
	}
	feature_buffer_free(&buffer);
}
