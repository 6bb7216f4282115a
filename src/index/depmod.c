/* SPDX-License-Identifier: MIT */
/*
 * One run of depmod, step by step, and the question whether one is needed at all.
 */
#include "index/depmod_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void depmod_say(struct depmod *depmod, enum index_level level, const char *format, ...)
{
	const struct index_depmod_options *options = depmod->options;
	char message[4096 + 512];
	va_list arguments;

	if (!options->say)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	options->say(options->data, level, message);
}

int depmod_fail(
	struct depmod *depmod, int code, const char *subject, const char *format, ...)
{
	char message[UMOD_ERROR_MESSAGE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	return base_error(depmod->error, UMOD_STAGE_NONE, code, subject, "%s", message);
}

static void clear(struct depmod *depmod)
{
	for (unsigned i = 0; i < depmod->worker_count; i++)
		depmod_worker_free(&depmod->workers[i]);
	base_free(depmod->workers);
	base_free(depmod->modules);
	base_map_free(&depmod->by_name);
	base_free(depmod->symbols);
	base_free(depmod->symbol_slots);
	base_free(depmod->sorted);
	depmod_config_free(&depmod->config);
	index_arena_free(&depmod->arena);
	if (depmod->directory >= 0)
		close(depmod->directory);
}

/* Each step needs what the one before it left. */
static int run(struct depmod *depmod)
{
	int result = depmod_config_read(depmod);

	if (result == 0)
		result = depmod_scan(depmod);
	if (result == 0)
		result = depmod_order(depmod);
	if (result == 0)
		result = depmod_read(depmod);
	if (result == 0)
		result = depmod_resolve(depmod);
	if (result == 0)
		result = depmod_sort(depmod);
	if (result == 0)
		result = depmod_output(depmod);
	if (result && depmod->error && !depmod->error->code)
		depmod_fail(depmod, result, depmod->options->directory, "%s",
			strerror(-result));
	return result;
}

int index_depmod_run(const struct index_depmod_options *options,
	struct index_depmod_result *result, struct umod_error *error)
{
	struct index_depmod_options own = *options;
	struct index_depmod_result ignored = { 0 };
	struct umod_error unread = { 0 };
	struct depmod depmod = { .options = &own,
		.result = result ? result : &ignored,
		.error = error ? error : &unread,
		.directory_bytes = strlen(own.directory) };

	*depmod.result = (struct index_depmod_result){ 0 };
	if (!own.output)
		own.output = own.directory;
	depmod.directory = open(own.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (depmod.directory < 0 && !own.files) {
		int code = -errno;
		depmod_say(&depmod, INDEX_ERROR, "could not open directory %s: %s",
			own.directory, strerror(-code));
		return depmod_fail(&depmod, code, own.directory,
			"could not search modules: %s", strerror(-code));
	}
	int code = run(&depmod);
	clear(&depmod);
	return code;
}

/* ---- is a run needed? ---- */

/* 1: nothing below is newer; 0: something is, or cannot be looked at. */
static int is_older(
	const struct depmod_config *config, int fd, time_t when, unsigned depth)
{
	DIR *stream = fdopendir(fd);
	int result = 1;

	if (!stream) {
		close(fd);
		return 0;
	}
	for (struct dirent *entry; result == 1 && (entry = readdir(stream)) != NULL;) {
		struct stat st;
		bool file = index_is_module_file(entry->d_name, strlen(entry->d_name));
		/* A link to a directory counts with what the directory itself holds. */
		if (depmod_is_excluded(config, entry->d_name) ||
			(entry->d_type == DT_REG && !file))
			continue;
		if (entry->d_type != DT_DIR &&
			fstatat(dirfd(stream), entry->d_name, &st, 0) != 0)
			continue;
		if (entry->d_type == DT_DIR || S_ISDIR(st.st_mode)) {
			int below = openat(dirfd(stream), entry->d_name,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (below >= 0 && depth < 64)
				result = is_older(config, below, when, depth + 1);
			else if (below >= 0)
				close(below);
		} else if (S_ISREG(st.st_mode) && file) {
			result = st.st_mtime <= when;
		}
	}
	closedir(stream);
	return result;
}

int index_depmod_is_current(const struct index_depmod_options *options)
{
	const char *output = options->output ? options->output : options->directory;
	struct depmod_config config = { 0 };
	BASE_AUTO_FREE char *path = base_printf("%s/modules.dep", output);
	struct stat st;

	if (!path)
		return -ENOMEM;
	if (stat(path, &st) != 0)
		return -errno;
	int fd = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : is_older(&config, fd, st.st_mtime, 0);
}
