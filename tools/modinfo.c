/* SPDX-License-Identifier: MIT */
/*
 * modinfo: its options, and which modules are meant: files, names, aliases. As in kmod,
 * what stands in modprobe.d plays no part.
 */
#include "modinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/format.h"

struct request {
	struct modinfo_show show;
	struct modinfo_verify verify;
	struct feature_keyring *keyring;
	const char *root, *release;
	bool by_name;
	struct umod_modtree *tree; /* opened when a name must be looked up */
	struct modinfo info;
	char *directory; /* this process's, with a slash */
};

enum { KEYRING = 256, VERIFY, ALLOW_EXPIRED, JSON };

static const struct option long_options[] = {
	{ "allow-expired", no_argument, NULL, ALLOW_EXPIRED },
	{ "author", no_argument, NULL, 'a' },
	{ "basedir", required_argument, NULL, 'b' },
	{ "description", no_argument, NULL, 'd' },
	{ "field", required_argument, NULL, 'F' },
	{ "filename", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, JSON },
	{ "keyring", required_argument, NULL, KEYRING },
	{ "license", no_argument, NULL, 'l' },
	{ "modname", no_argument, NULL, 'm' },
	{ "null", no_argument, NULL, '0' },
	{ "parameters", no_argument, NULL, 'p' },
	{ "set-version", required_argument, NULL, 'k' },
	{ "verify", no_argument, NULL, VERIFY },
	{ "version", no_argument, NULL, 'V' },
	TOOL_COMMON_OPTIONS,
};

static int help(const char *name)
{
	printf("Usage:\n\t%s [options] <modulename|filename> [args]\nOptions:\n", name);
	puts("\t-a, --author                Print only 'author'\n"
	     "\t-d, --description           Print only 'description'\n"
	     "\t-l, --license               Print only 'license'\n"
	     "\t-p, --parameters            Print only 'parm'\n"
	     "\t-n, --filename              Print only 'filename'\n"
	     "\t-0, --null                  Use \\0 instead of \\n\n"
	     "\t-m, --modname               Handle argument as module name instead of "
	     "alias or filename\n"
	     "\t-F, --field=FIELD           Print only provided FIELD\n"
	     "\t-k, --set-version=VERSION   Use VERSION instead of `uname -r`\n"
	     "\t-b, --basedir=DIR           Use DIR as filesystem root for /lib/modules\n"
	     "\t    --verify                Verify signatures: fields 'verified', "
	     "'reason'\n"
	     "\t    --keyring=DIR           Certificates for that: a directory or a "
	     "file\n"
	     "\t    --allow-expired         Take expired certificates, as the kernel "
	     "does\n"
	     "\t    --json                  Print JSON\n"
	     "\t-V, --version               Show version\n"
	     "\t-h, --help                  Show this help");
	return TOOL_OK;
}

/* ---- one module ---- */

/* @path as kmod shows it: from the root, but not made simpler. */
static char *absolute(struct request *r, const char *path)
{
	char *whole = NULL;

	if (path[0] == '/')
		return tool_strdup(path);
	if (!r->directory)
		r->directory = getcwd(NULL, 0);
	if (asprintf(&whole, "%s/%s", r->directory ? r->directory : "", path) < 0)
		return tool_realloc(NULL, SIZE_MAX, 1);
	return whole;
}

/* Whether modinfo_print_head has printed all that is asked for. */
static bool shows_head_alone(const struct request *r)
{
	return r->show.field && !r->show.json &&
	       (strcmp(r->show.field, "filename") == 0 ||
		       (!r->info.path && strcmp(r->show.field, "name") == 0));
}

/* Prints what was read. Returns @err, or why what was read is not enough. */
static int finish(struct request *r, int err, const struct umod_error *error)
{
	if (r->show.json)
		modinfo_print_json(&r->info, err ? error : NULL);
	else if (!err && !shows_head_alone(r))
		modinfo_print(&r->info, &r->show);
	if (err)
		kmod_error("could not get modinfo from '%s': %s", r->info.name,
			error->message[0] ? error->message : strerror(-err));
	else if (r->info.verified && r->info.verification.verdict != FEATURE_VERIFIED)
		return -EKEYREJECTED;
	return err;
}

/* @fd is -1 with errno where it could not be opened. */
static int show_open(struct request *r, const char *path, int fd)
{
	char name[INDEX_NAME_BYTES];
	struct umod_error error;
	int err = -errno;

	error.code = 0;
	error.message[0] = '\0';
	r->info.path = path;
	r->info.name = index_name_of_path(path, name, sizeof(name)) ? name : path;
	r->info.count = 0;
	r->info.verified = false;
	modinfo_print_head(&r->info, &r->show);
	if (shows_head_alone(r) && !r->verify.keyring)
		return 0;
	if (fd >= 0)
		err = modinfo_read(&r->info, fd, &r->verify, &error);
	return finish(r, err, &error);
}

static int show_path(struct request *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = show_open(r, path, fd);

	if (fd >= 0)
		close(fd);
	return err;
}

struct builtin {
	struct modinfo *info;
	char **text; /* to be freed */
	size_t count, capacity;
};

static int add_builtin(const char *key, const char *value, void *data)
{
	struct builtin *b = data;

	if (b->count + 2 > b->capacity) {
		b->capacity = b->capacity ? b->capacity * 2 : 64;
		b->text = tool_realloc(b->text, b->capacity, sizeof(*b->text));
	}
	char *k = b->text[b->count++] = tool_strdup(key);
	char *v = b->text[b->count++] = tool_strdup(value ? value : "");
	modinfo_add(b->info, k, strlen(k), v, strlen(v));
	return 0;
}

static int show_builtin(struct request *r, const char *name)
{
	struct builtin b = { .info = &r->info };
	struct umod_error error = { 0 };
	int err = 0;

	r->info.path = NULL;
	r->info.name = name;
	r->info.count = 0;
	r->info.verified = false;
	modinfo_print_head(&r->info, &r->show);
	if (r->verify.keyring || !shows_head_alone(r)) {
		err = umod_modtree_builtin_info(r->tree, name, add_builtin, &b, &error);
		/* Older kernels tell nothing of what is built in. */
		if (err == -ENOENT)
			err = 0;
		if (!err && r->verify.keyring)
			modinfo_not_checked(&r->info);
		err = finish(r, err, &error);
	}
	while (b.count)
		free(b.text[--b.count]);
	free(b.text);
	return err;
}

/* ---- names ---- */

static bool open_tree(struct request *r)
{
	struct umod_modtree_options options = UMOD_MODTREE_OPTIONS_INIT;
	struct umod_error error = { 0 };

	/* What is shown begins with it. */
	char *root = r->root ? absolute(r, r->root) : NULL;
	options.root = root;
	options.release = r->release;
	options.map_indexes = true;
	options.no_config = true;
	options.command_line = "";
	int err = r->tree ? 0 : umod_modtree_new(&options, &r->tree, &error);
	free(root);
	if (!err)
		return true;
	kmod_error("%s", error.message);
	return false;
}

static int show_item(struct request *r, const struct umod_modlist_item *item)
{
	char *path = umod_modtree_path(r->tree, item->name);

	if (!path)
		return show_builtin(r, item->name);
	int err = show_path(r, path);
	free(path);
	return err;
}

static int show_name(struct request *r, const char *name)
{
	const char *kind = r->by_name ? "name " : "alias ";
	struct umod_error error = { 0 };
	struct umod_modlist *list = NULL;
	const struct umod_modlist_item *item;
	int result = 0;

	if (!open_tree(r))
		return -EINVAL;
	int err = r->by_name ? umod_modtree_lookup_name(r->tree, name, &list, &error)
			     : umod_modtree_lookup(r->tree, name, &list, &error);
	if (err) {
		if (!r->by_name && err == -ENOENT)
			kind = "";
		kmod_error("Module %s%s not found.", kind, name);
		return err;
	}
	for (size_t i = 0; (item = umod_modlist_item(list, i)) != NULL; i++) {
		err = show_item(r, item);
		result = err ? err : result;
	}
	umod_modlist_free(list);
	return result;
}

/* A module of umod's: an object or a shared object, "x.o", "x.so", "x.so.1", packed too.
 */
static bool is_object_file(const char *name)
{
	static const char *const endings[] = { ".o", ".o.gz", ".o.xz", ".o.zst", ".so",
		".so.gz", ".so.xz", ".so.zst" };
	const char *slash = strrchr(name, '/');
	size_t length = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t bytes = strlen(endings[i]);
		if (length > bytes && strcmp(name + length - bytes, endings[i]) == 0)
			return true;
	}
	return strstr(slash ? slash : name, ".so.") != NULL;
}

/* A file if it is one and is called like a module's; else a name. */
static int show(struct request *r, const char *name)
{
	struct stat st;

	if (!index_is_module_file(name, strlen(name)) && !is_object_file(name))
		return show_name(r, name);
	/* Not to wait for a pipe's writer. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = errno;
	if (fd < 0 && (stat(name, &st) != 0 || !S_ISREG(st.st_mode)))
		return show_name(r, name);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return show_name(r, name);
	}
	char *path = absolute(r, name);
	errno = code;
	int err = show_open(r, path, fd);
	free(path);
	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- options ---- */

static bool read_keyring(struct request *r, const char *path)
{
	struct umod_error error = { 0 };

	if (!r->keyring && feature_keyring_new(&r->keyring) != 0)
		return false;
	if (feature_keyring_read(r->keyring, path, geteuid() == 0, &error) == 0)
		return true;
	kmod_error("%s: %s", error.subject, error.message);
	return false;
}

/* -1 to go on, or the exit status. */
static int take_option(struct request *r, int option, const char *name)
{
	static const struct {
		int option;
		const char *field;
	} fields[] = { { 'a', "author" }, { 'd', "description" }, { 'l', "license" },
		{ 'p', "parm" }, { 'n', "filename" } };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].option == option) {
			r->show.field = fields[i].field;
			return -1;
		}
	}
	switch (option) {
	case '0':
		r->show.separator = '\0';
		return -1;
	case 'm':
		r->by_name = true;
		return -1;
	case 'F':
		r->show.field = optarg;
		return -1;
	case 'k':
		r->release = optarg;
		return -1;
	case 'b':
		r->root = optarg;
		return -1;
	case JSON:
		r->show.json = true;
		return -1;
	case VERIFY:
		r->info.verified = true; /* asked for: see run() */
		return -1;
	case ALLOW_EXPIRED:
		r->verify.options.allow_expired = true;
		return -1;
	case KEYRING:
		return read_keyring(r, optarg) ? -1 : TOOL_FAILED;
	case 'V':
		return kmod_print_version();
	case 'h':
		return help(name);
	default:
		return TOOL_FAILED;
	}
}

static int run_request(struct request *r, char **names)
{
	int status = TOOL_OK;

	if (!*names) {
		kmod_error("missing module or filename.");
		return TOOL_FAILED;
	}
	if (r->info.verified && !r->keyring) {
		kmod_error("--verify needs --keyring");
		return TOOL_FAILED;
	}
	if (r->info.verified)
		r->verify.keyring = r->keyring;
	if (r->show.json)
		json_open(NULL, '[');
	for (; *names && !tool_output_failed(); names++) {
		int err = r->by_name ? show_name(r, *names) : show(r, *names);
		if (err)
			status = TOOL_FAILED;
	}
	if (r->show.json)
		json_close(']');
	return status;
}

static int run(int argc, char **argv)
{
	struct request r = { .show.separator = '\n' };
	int option, status = -1;

	kmod_begin(argv[0], LOG_ERR);
	while (status < 0 && (option = getopt_long(argc, argv, "adlpn0mF:k:b:Vh",
				      long_options, NULL)) != -1)
		status = take_option(&r, option, argv[0]);
	if (status < 0)
		status = run_request(&r, argv + optind);
	/* The rest goes with the process, which ends now. */
	feature_buffer_free(&r.info.file.buffer);
	feature_keyring_free(r.keyring);
	free(r.info.fields);
	free(r.info.text);
	free(r.directory);
	return status;
}

const struct tool_command tool_modinfo = {
	.name = "modinfo",
	.summary = "Tell what kernel modules say of themselves, and verify them",
	.usage = "[OPTION]... MODULE...",
	.help = "  See modinfo --help.\n",
	.run = run,
	.plain = true,
};
