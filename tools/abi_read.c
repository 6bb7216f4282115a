/* SPDX-License-Identifier: MIT */
/*
 * Has a child process read the debug information of a file for umod abi, with limits, for
 * libdw is not ours and files are hostile until they are validated. The child tells what
 * it found in a file in memory, of which the parent believes no length.
 */
#include "abi_types.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU_SECONDS  900
#define MEMORY_BYTES ((rlim_t)8 << 30)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

/* ---- the child ---- */

static void limit(int resource, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(resource, &now) != 0)
		return;
	if (now.rlim_cur == RLIM_INFINITY || now.rlim_cur > most)
		now.rlim_cur = most;
	setrlimit(resource, &now);
}

static void __attribute__((noreturn))
child(const struct abi_file *file, const struct abi_table *table, bool want_types, int fd)
{
	FILE *out = fdopen(fd, "w");

	if (!out)
		_exit(TOOL_FAILED);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* whose parent is stopped stops too */
	signal(SIGXCPU, SIG_DFL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, CPU_SECONDS);
	if (!SANITIZED) /* its shadow is much address space */
		limit(RLIMIT_DATA, MEMORY_BYTES);
	abi_search(file, table, want_types, out);
}

/* ---- the parent ---- */

struct reader {
	const uint8_t *bytes;
	size_t count, at;
	bool bad;
};

static uint32_t get_number(struct reader *in)
{
	uint32_t value = 0;

	if (in->count - in->at < sizeof(value)) {
		in->bad = true;
		return 0;
	}
	memcpy(&value, in->bytes + in->at, sizeof(value));
	in->at += sizeof(value);
	return value;
}

static const char *get_string(struct reader *in)
{
	uint32_t length = get_number(in);
	const char *s = (const char *)in->bytes + in->at;

	if (in->bad || in->count - in->at <= length || s[length] != '\0') {
		in->bad = true;
		return "";
	}
	in->at += (size_t)length + 1;
	return s;
}

static void take_export(struct reader *in, struct abi_export *export)
{
	export->known = get_number(in) == 1;
	if (!export->known)
		return;
	export->crc = get_number(in);
	export->declaration = tool_strdup(get_string(in));
	export->type_count = get_number(in);
	if ((in->count - in->at) / sizeof(*export->types) < export->type_count) {
		in->bad = true;
		export->type_count = 0;
	}
	export->types = tool_realloc(NULL, export->type_count, sizeof(*export->types));
	memcpy(export->types, in->bytes + in->at,
		export->type_count * sizeof(*export->types));
	in->at += export->type_count * sizeof(*export->types);
}

static bool take(const char *path, struct reader *in, struct abi_table *table)
{
	if (get_number(in) == 0 && !in->bad) {
		const char *message = get_string(in);
		tool_error("%s: %s", path, in->bad ? "no answer" : message);
		return false;
	}
	for (unsigned i = 0; i < table->count && !in->bad; i++)
		take_export(in, &table->exports[i]);
	unsigned count = get_number(in);
	if (in->bad || count > in->count - in->at)
		count = 0;
	table->types = tool_realloc(NULL, count, sizeof(*table->types));
	for (; table->type_count < count; table->type_count++) {
		struct abi_type *type = &table->types[table->type_count];
		type->name = tool_strdup(get_string(in));
		type->text = tool_strdup(get_string(in));
	}
	for (unsigned i = 0; i < table->count; i++) {
		struct abi_export *export = &table->exports[i];
		for (unsigned k = 0; k < export->type_count; k++)
			in->bad |= export->types[k] >= count;
	}
	if (in->bad)
		tool_error("%s: the answer of the process that read it is damaged", path);
	return !in->bad;
}

static bool fetch(const char *path, int fd, int status, struct abi_table *table)
{
	struct reader in = { 0 };
	struct stat st;
	void *bytes = MAP_FAILED;

	if (WIFSIGNALED(status)) {
		tool_error("%s: reading its debug information ended by signal %d (%s)%s",
			path, WTERMSIG(status), strsignal(WTERMSIG(status)),
			WTERMSIG(status) == SIGXCPU ? "" : "; is it damaged?");
		return false;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || fstat(fd, &st) != 0) {
		tool_error("%s: its debug information could not be read", path);
		return false;
	}
	if (st.st_size)
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED) {
		tool_error("%s: no answer of the process that read it", path);
		return false;
	}
	in.bytes = bytes;
	in.count = (size_t)st.st_size;
	bool good = take(path, &in, table);
	munmap(bytes, in.count);
	return good;
}

bool abi_read(struct abi_file *file, struct abi_table *table, bool want_types)
{
	int fd = memfd_create("umod-abi", MFD_CLOEXEC), status;

	fflush(stdout);
	pid_t pid = fd < 0 ? -1 : fork();
	if (pid == 0)
		child(file, table, want_types, fd);
	while (pid > 0 && waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			pid = -1;
	}
	bool good = pid > 0;
	if (!good)
		tool_error("%s: %s", file->path, strerror(errno));
	else
		good = fetch(file->path, fd, status, table);
	if (fd >= 0)
		close(fd);
	return good;
}
