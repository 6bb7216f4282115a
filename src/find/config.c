/* SPDX-License-Identifier: MIT */
/*
 * What a context's searches work with: copies of its options, LD_LIBRARY_PATH where it
 * may count, the cache. Directories come later, as they are first searched (dirs.c).
 */
#include "find/internal.h"

static char *copy_or_null(const char *text, bool *failed)
{
	char *copy = text ? base_strdup(text) : NULL;

	*failed |= text && !copy;
	return copy;
}

static void free_program(struct find_asker *program)
{
	if (!program)
		return;
	base_free((char *)program->path);
	base_free((char *)program->soname);
	base_free((char *)program->rpath);
	base_free((char *)program->runpath);
	base_free(program);
}

static struct find_asker *copy_program(const struct find_asker *from, bool *failed)
{
	if (!from)
		return NULL;

	struct find_asker *program = base_zalloc(sizeof(*program));
	if (!program) {
		*failed = true;
		return NULL;
	}
	program->path = copy_or_null(from->path, failed);
	program->soname = copy_or_null(from->soname, failed);
	program->rpath = copy_or_null(from->rpath, failed);
	program->runpath = copy_or_null(from->runpath, failed);
	program->no_default_lib = from->no_default_lib;
	program->is_main = true;
	return program;
}

/* Opens the cache if there is one. */
static int open_cache(struct find_config *config, struct umod_error *error)
{
	struct umod_error local = { 0 };

	if (!config->cache_path)
		return 0;
	int err = find_cache_open(config->cache_path, &config->cache, &local);
	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	return err ? base_error(
			     error, local.stage, err, local.subject, "%s", local.message)
		   : 0;
}

int find_config_new(const struct find_options *options, struct find_config **out,
	struct umod_error *error)
{
	static const struct find_options none;
	const struct find_options *o = options ? options : &none;
	struct find_config *config = base_zalloc(sizeof(*config));
	bool failed = !config;

	if (config) {
		const char *path = o->library_path ? o->library_path
						   : base_getenv("LD_LIBRARY_PATH");
		if (path && path[0])
			config->library_path = copy_or_null(path, &failed);
		config->program = copy_program(o->program, &failed);
		if (o->root && o->root[0])
			config->root = copy_or_null(o->root, &failed);
		if (config->root) {
			size_t length = strlen(config->root);
			while (length > 0 && config->root[length - 1] == '/')
				length--;
			config->root[length] = '\0';
			config->root_length = length;
		}
		if (!o->cache_path)
			config->cache_path = base_printf(
				"%s" FIND_CACHE_PATH, config->root ? config->root : "");
		else if (o->cache_path[0])
			config->cache_path = base_strdup(o->cache_path);
		failed |= !config->cache_path && (!o->cache_path || o->cache_path[0]);
	}
	int err = failed          ? base_error(error, UMOD_STAGE_NONE, -ENOMEM, NULL,
					    "no memory for the search's configuration")
		  : o->late_cache ? 0
				  : open_cache(config, error);
	if (err)
		find_config_free(config);
	else
		*out = config;
	return err;
}

void find_config_free(struct find_config *config)
{
	if (!config)
		return;
	find_dirs_trim(config, true);
	find_cache_free(config->cache);
	free_program(config->program);
	base_free(config->library_path);
	base_free(config->cache_path);
	base_free(config->root);
	base_free(config);
}
