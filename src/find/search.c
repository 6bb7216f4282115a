/* SPDX-License-Identifier: MIT */
/*
 * The search for a library, in the order of ld.so(8) of glibc 2.36. The good path formats
 * nothing and asks the disk for what it needs: an open, an fstat and a read of the head.
 * What was searched is told by report.c, only when nothing was found.
 */
#include "find/internal.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_RISCV
#endif

/* A search under way. */
struct search {
	struct find_config *config;
	const char *name;
	size_t name_bytes; /* with its NUL */
	const struct find_asker *asker;
	struct find_result *out;
	struct umod_error *error;
	struct find_passed_over passed_over; /* the first one */
};

const char *find_how_name(enum find_how how)
{
	static const char *const names[] = {
		[FIND_PATH] = "its path",
		[FIND_RPATH] = "DT_RPATH",
		[FIND_LIBRARY_PATH] = "LD_LIBRARY_PATH",
		[FIND_RUNPATH] = "DT_RUNPATH",
		[FIND_CACHE] = "ld.so.cache",
		[FIND_DEFAULT] = "the default directories",
	};

	return (unsigned)how < base_array_count(names) ? names[how] : "unknown";
}

/* ---- one file ---- */

/*
 * As base_sys_open, but that it does not wait: not for somebody at the other end of a
 * FIFO, nor for a device. A file under a lease is asked for again in the patient way.
 */
static int open_file(const char *path)
{
	int code;
	long fd;

	if (base_fault_hit(&code))
		return -code;
	do {
		fd = syscall(SYS_openat, AT_FDCWD, path,
			O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	} while (fd < 0 && errno == EINTR);
	if (fd >= 0)
		return (int)fd;
	if (errno != EWOULDBLOCK)
		return -errno;
	struct stat st;
	int err = base_sys_stat(path, &st);
	if (err)
		return err;
	return S_ISREG(st.st_mode) ? base_sys_open(path) : -ENXIO;
}

/* Why an ELF file cannot be for us, from its first bytes; NULL if it may be. */
static const char *judge_head(const uint8_t *head, size_t bytes)
{
	uint16_t machine;

	/* What is no ELF file at all goes on to validation, which names the fault. */
	if (bytes < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return NULL;
	if (head[EI_CLASS] != ELFCLASS64)
		return "is not a 64-bit file";
	if (head[EI_DATA] != ELFDATA2LSB)
		return "is not little-endian";
	memcpy(&machine, head + offsetof(Elf64_Ehdr, e_machine), sizeof(machine));
	return machine != MACHINE ? "is for another processor" : NULL;
}

/* The errors of an open that say that there is no such file for us. */
static bool is_absent(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -ELOOP ||
	       err == -ENAMETOOLONG || err == -EPERM || err == -ENODEV || err == -ENXIO;
}

static void note_passed_over(struct search *s, const char *path, const char *why)
{
	if (s->passed_over.why)
		return;
	s->passed_over.why = why;
	strncpy(s->passed_over.path, path, sizeof(s->passed_over.path) - 1);
}

/*
 * Fills the result from an open file: 1 taken, 0 not for us. @fd is closed unless it is
 * taken.
 */
static int take_file(struct search *s, int fd, const char *path, enum find_how how)
{
	struct find_result *out = s->out;
	int err = base_sys_fstat(fd, &out->st);
	const char *problem = "cannot be asked for its kind";

	if (!err && !S_ISREG(out->st.st_mode)) {
		err = S_ISDIR(out->st.st_mode) ? -EISDIR : -ENOEXEC;
		problem = S_ISDIR(out->st.st_mode) ? "is a directory"
						   : "is not a regular file";
	} else if (!err) {
		int64_t got = base_sys_pread(fd, out->head, sizeof(out->head), 0);
		problem = "cannot be read";
		err = got < 0 ? (int)got : 0;
		out->head_bytes = got < 0 ? 0 : (size_t)got;
	}
	if (!err && how != FIND_PATH) {
		const char *why = judge_head(out->head, out->head_bytes);
		if (why) {
			note_passed_over(s, path, why);
			base_sys_close(fd);
			return 0;
		}
	}
	if (!err && !(out->path = base_strdup(path))) {
		err = -ENOMEM;
		problem = "no memory for its path";
	}
	if (err) {
		base_sys_close(fd);
		bool plain = err == -EISDIR || err == -ENOEXEC || err == -ENOMEM;
		return base_error(s->error, UMOD_STAGE_OPEN, err, path, "%s%s%s", problem,
			plain ? "" : ": ", plain ? "" : strerror(-err));
	}
	out->fd = fd;
	out->how = how;
	return 1;
}

/* 1 found, 0 not there, or an error that ends the search. */
static int try_file(struct search *s, const char *path, enum find_how how)
{
	base_trace(BASE_TRACE_LIBS, "  trying file=%s", path);
	int fd = open_file(path);

	if (fd >= 0)
		return take_file(s, fd, path, how);
	if (is_absent(fd)) {
		if (fd == -EACCES || fd == -EPERM)
			note_passed_over(s, path, "may not be opened");
		return 0;
	}
	return base_error(s->error, UMOD_STAGE_OPEN, fd, path, "cannot be opened: %s",
		strerror(-fd));
}

/* ---- the places ---- */

static int try_dir(struct search *s, struct find_dir *dir, enum find_how how)
{
	char path[PATH_MAX];
	unsigned count;
	const struct find_subdir *subs = find_subdirs(&count);
	uint32_t usable = find_dir_usable(dir);

	if (!usable || dir->length + sizeof(subs->text) + s->name_bytes >= sizeof(path))
		return 0;
	memcpy(path, dir->name, dir->length);
	for (unsigned i = 0; i < count; i++) {
		if (!(usable & 1u << i))
			continue;
		char *at = path + dir->length;
		memcpy(at, subs[i].text, subs[i].length);
		memcpy(at + subs[i].length, s->name, s->name_bytes);
		int found = try_file(s, path, how);
		if (found)
			return found;
	}
	return 0;
}

static int try_list(struct search *s, const struct find_list *list, enum find_how how)
{
	int found = 0;

	for (unsigned i = 0; list && i < list->count && !found; i++)
		found = try_dir(s, list->dirs[i], how);
	return found;
}

/* A list that an image brings. */
static int try_text(struct search *s, const char *text, const struct find_asker *owner,
	enum find_how how)
{
	struct find_list *list;
	int err = find_list_get(s->config, text, ":", owner->path, &list);

	if (err)
		return base_error(s->error, UMOD_STAGE_OPEN, err, s->name,
			"no memory for the directories of %s", find_how_name(how));
	base_trace(BASE_TRACE_LIBS, " search path=%s (%s of %s)", text,
		find_how_name(how), owner->path ? owner->path : "the asker");
	return try_list(s, list, how);
}

/* The asker's DT_RPATH, its loader's and so on, and at last the program's. */
static int try_rpaths(struct search *s)
{
	const struct find_asker *program = s->config->program;
	bool did_main = false;
	int found = 0;

	if (s->asker && s->asker->runpath)
		return 0;
	for (const struct find_asker *a = s->asker; a && !found; a = a->loader) {
		did_main |= a->is_main;
		if (a->rpath && !a->runpath)
			found = try_text(s, a->rpath, a, FIND_RPATH);
	}
	if (!found && !did_main && program && program->rpath && !program->runpath)
		found = try_text(s, program->rpath, program, FIND_RPATH);
	return found;
}

static const struct find_asker *asker_or_program(const struct search *s)
{
	return s->asker ? s->asker : s->config->program;
}

static bool in_default_dir(const char *path)
{
	for (const char *dir = find_default_path; *dir;) {
		size_t bytes = strcspn(dir, ":");
		if (strncmp(path, dir, bytes) == 0 && path[bytes] == '/')
			return true;
		dir += bytes + (dir[bytes] == ':');
	}
	return false;
}

static int try_cached(struct search *s)
{
	struct find_config *config = s->config;
	const char *path =
		config->cache ? find_cache_lookup(config->cache, s->name) : NULL;
	const struct find_asker *owner = asker_or_program(s);

	if (!path || (owner && owner->no_default_lib && in_default_dir(path)))
		return 0;
	if (!config->root || path[0] != '/')
		return try_file(s, path, FIND_CACHE);
	BASE_AUTO_FREE char *full = base_printf("%s%s", config->root, path);
	if (!full)
		return base_error(s->error, UMOD_STAGE_OPEN, -ENOMEM, s->name,
			"no memory for its path");
	return try_file(s, full, FIND_CACHE);
}

/*
 * A process lives longer than a cache: where the one in memory did not help, and ldconfig
 * has run since, the new one is asked. One that is damaged now is left alone.
 */
static int try_cache(struct search *s)
{
	struct find_config *config = s->config;
	struct find_cache *fresh;

	if (!config->cache_path)
		return 0;
	base_trace(BASE_TRACE_LIBS, " search cache=%s", config->cache_path);
	int found = try_cached(s);
	if (found || (config->cache && !find_cache_is_stale(config->cache)))
		return found;
	if (find_cache_open(config->cache_path, &fresh, NULL))
		return 0;
	find_cache_free(config->cache);
	config->cache = fresh;
	return try_cached(s);
}

static int try_default(struct search *s)
{
	const struct find_asker *owner = asker_or_program(s);
	struct find_list *list;

	if (owner && owner->no_default_lib)
		return 0;
	int err = find_default_list(s->config, &list);
	if (err)
		return base_error(s->error, UMOD_STAGE_OPEN, err, s->name,
			"no memory for the default directories");
	base_trace(BASE_TRACE_LIBS, " search path=%s (system search path)",
		find_default_path);
	return try_list(s, list, FIND_DEFAULT);
}

static int try_library_path(struct search *s)
{
	struct find_list *list;
	int err = find_library_list(s->config, &list);

	if (err)
		return base_error(s->error, UMOD_STAGE_OPEN, err, s->name,
			"no memory for the directories of LD_LIBRARY_PATH");
	if (!list)
		return 0;
	base_trace(BASE_TRACE_LIBS, " search path=%s (LD_LIBRARY_PATH)", list->text);
	return try_list(s, list, FIND_LIBRARY_PATH);
}

static int search_places(struct search *s)
{
	int found = try_rpaths(s);

	if (!found)
		found = try_library_path(s);
	if (!found && s->asker && s->asker->runpath)
		found = try_text(s, s->asker->runpath, s->asker, FIND_RUNPATH);
	if (!found)
		found = try_cache(s);
	if (!found)
		found = try_default(s);
	if (found)
		return found < 0 ? found : 0;
	return find_report_missing(
		s->config, s->name, s->asker, &s->passed_over, s->error);
}

/* A name with a slash is a path; what is there is taken, whatever it is. */
static int open_path(struct search *s)
{
	BASE_AUTO_FREE char *expanded = NULL;
	const struct find_asker *owner = asker_or_program(s);
	const char *path = s->name;

	if (strchr(path, '$') && owner) {
		int err = find_expand(path, owner->path, &expanded);
		if (err)
			return base_error(s->error, UMOD_STAGE_OPEN, err, s->name,
				err == -ENOENT ? "a word of it after $ has no value here"
					       : "no memory for its path");
		path = expanded;
	}
	base_trace(BASE_TRACE_LIBS, "  trying file=%s", path);
	int fd = open_file(path);
	const char *who = s->asker ? s->asker->path : NULL;
	if (who && strcmp(who, FIND_SELF) == 0)
		who = NULL;
	if (fd < 0)
		return base_error(s->error, UMOD_STAGE_OPEN, fd, path,
			"cannot be opened: %s%s%s", strerror(-fd),
			who ? "; needed by " : "", who ? who : "");
	int taken = take_file(s, fd, path, FIND_PATH);
	return taken < 0 ? taken : 0;
}

int find_library(struct find_config *config, const char *name,
	const struct find_asker *asker, struct find_result *out, struct umod_error *error)
{
	struct search s = {
		.config = config, .name = name, .asker = asker, .out = out, .error = error
	};

	out->fd = -1;
	out->path = NULL;
	out->head_bytes = 0;
	if (!name[0])
		return base_error(error, UMOD_STAGE_OPEN, -EINVAL, name,
			"a library's name must not be empty");
	if (strchr(name, '/'))
		return open_path(&s);
	s.name_bytes = strlen(name) + 1;
	base_trace(BASE_TRACE_LIBS, "find library=%s; searching", name);
	find_dirs_trim(config, false);
	return search_places(&s);
}

void find_result_clear(struct find_result *result)
{
	if (result->fd >= 0)
		base_sys_close(result->fd);
	base_free(result->path);
	result->fd = -1;
	result->path = NULL;
}
