/* SPDX-License-Identifier: MIT */
/*
 * Reads a policy file, with libinih (loaded by umod, into a namespace of its own, for as
 * long as that takes) for its lines, and checks every word: what is not known is an
 * error, since a slip of the pen must not open what was to be closed. Applies nothing.
 */
#include "policy.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_LIMIT 1048576
/* Of libinih, which would read the rest of a longer line as another one. */
#define LINE_LIMIT 190

typedef int ini_handler(
	void *user, const char *section, const char *name, const char *value);
typedef int ini_parse_string(const char *text, ini_handler *handler, void *user);

struct reading {
	struct policy *policy;
	struct umod_error *error;
	char why[256]; /* of the first line that is wrong, or "" */
};

/* ---- lists ---- */

int policy_list_add(struct policy_list *list, const char *text, bool colons)
{
	const char *separators = colons ? ", \t\n:" : ", \t\n";
	for (;;) {
		text += strspn(text, separators);
		size_t length = strcspn(text, separators);
		if (length == 0)
			return 0;
		/* One more, so that the last is always NULL. */
		if (base_grow(&list->items, list->count + 1, &list->capacity,
			    sizeof(*list->items)))
			return -ENOMEM;
		char *item = base_strndup(text, length);
		if (!item)
			return -ENOMEM;
		list->items[list->count++] = item;
		list->items[list->count] = NULL;
		text += length;
	}
}

void policy_list_clear(struct policy_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		base_free(list->items[i]);
	base_free(list->items);
	*list = (struct policy_list){ 0 };
}

static bool matches(const char *pattern, const char *name, const char *real)
{
	const char *slash = strrchr(name, '/');
	if (!strchr(pattern, '/'))
		return fnmatch(pattern, slash ? slash + 1 : name, 0) == 0;
	return slash && (fnmatch(pattern, name, 0) == 0 ||
				(real && fnmatch(pattern, real, 0) == 0));
}

bool policy_list_matches(const struct policy_list *list, const char *name)
{
	if (list->count == 0)
		return false;
	char *real = strchr(name, '/') ? realpath(name, NULL) : NULL;
	bool found = false;
	for (unsigned i = 0; !found && i < list->count; i++)
		found = matches(list->items[i], name, real);
	free(real);
	return found;
}

void policy_clear(struct policy *policy)
{
	struct policy_list *lists[] = { &policy->umod, &policy->ldso, &policy->refuse,
		&policy->isolate, &policy->share, &policy->is_private,
		&policy->directories, &policy->owners };
	for (unsigned i = 0; i < base_array_count(lists); i++)
		policy_list_clear(lists[i]);
	base_free(policy->path);
	*policy = (struct policy){ 0 };
}

/* ---- values ---- */

static int wrong(struct reading *r, const char *format, const char *a, const char *b)
{
	if (!r->why[0])
		snprintf(r->why, sizeof(r->why), format, a, b);
	return 0;
}

static int set_list(struct reading *r, struct policy_list *list, const char *value)
{
	return policy_list_add(list, value, false)
		       ? wrong(r, "no memory for the patterns%s%s", "", "")
		       : 1;
}

static int set_directories(struct reading *r, const char *name, const char *value)
{
	struct policy_list *list = &r->policy->directories;
	unsigned before = list->count;
	if (!set_list(r, list, value))
		return 0;
	for (unsigned i = before; i < list->count; i++)
		if (list->items[i][0] != '/')
			return wrong(
				r, "%s: %s is no absolute path", name, list->items[i]);
	return 1;
}

static int set_owners(struct reading *r, const char *name, const char *value)
{
	struct policy_list *list = &r->policy->owners;
	unsigned before = list->count;
	if (!set_list(r, list, value))
		return 0;
	for (unsigned i = before; i < list->count; i++) {
		const char *item = list->items[i];
		if (strcmp(item, "root") != 0 && strcmp(item, "self") != 0 &&
			item[strspn(item, "0123456789")])
			return wrong(r,
				"%s: '%s' is neither root, nor self, nor a user's number",
				name, item);
	}
	return 1;
}

static int set_writable(struct reading *r, const char *name, const char *value)
{
	static const char *const words[] = { [POLICY_WRITABLE_ANY] = "any",
		[POLICY_WRITABLE_GROUP] = "group",
		[POLICY_WRITABLE_OWNER] = "owner" };
	for (unsigned i = 0; i < base_array_count(words); i++)
		if (strcmp(value, words[i]) == 0) {
			r->policy->writable = i;
			return 1;
		}
	return wrong(r, "%s: '%s' is none of owner, group and any", name, value);
}

static int set_yes(struct reading *r, bool *out, const char *name, const char *value)
{
	*out = strcmp(value, "yes") == 0;
	return *out || strcmp(value, "no") == 0
		       ? 1
		       : wrong(r, "%s: '%s' is neither yes nor no", name, value);
}

/* One line, or one more line of a value. 0: it is wrong. */
static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	struct policy *p = r->policy;
	const struct {
		const char *section, *name;
		struct policy_list *list;
	} lists[] = {
		{ "load", "umod", &p->umod },
		{ "load", "ldso", &p->ldso },
		{ "load", "refuse", &p->refuse },
		{ "isolate", "plugin", &p->isolate },
		{ "isolate", "share", &p->share },
		{ "isolate", "private", &p->is_private },
	};
	for (unsigned i = 0; i < base_array_count(lists); i++)
		if (strcmp(section, lists[i].section) == 0 &&
			strcmp(name, lists[i].name) == 0)
			return set_list(r, lists[i].list, value);
	if (strcmp(section, "load") == 0 && strcmp(name, "fallback") == 0)
		return set_yes(r, &p->falls_back, name, value);
	if (strcmp(section, "files") == 0 && strcmp(name, "directory") == 0)
		return set_directories(r, name, value);
	if (strcmp(section, "files") == 0 && strcmp(name, "owner") == 0)
		return set_owners(r, name, value);
	if (strcmp(section, "files") == 0 && strcmp(name, "writable-by") == 0)
		return set_writable(r, name, value);
	return wrong(r, "there is no key '%s' in section [%s]", name, section);
}

/* ---- the file ---- */

static int check_owner(const char *path, const struct stat *st, struct umod_error *error)
{
	if (st->st_uid == 0 && !(st->st_mode & 022))
		return 0;
	return base_error(error, UMOD_STAGE_VERIFY, -EPERM, path,
		"a policy for secure execution must be root's, and nobody else's to "
		"write");
}

static int read_text(
	const char *path, bool trusted, char **text, struct umod_error *error)
{
	struct stat st;
	BASE_AUTO_CLOSE int fd = base_sys_open(path);
	int result = fd < 0 ? fd : base_sys_fstat(fd, &st);
	if (result)
		return base_error(error, UMOD_STAGE_VERIFY, result, path,
			"the policy cannot be opened: %s", strerror(-result));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_LIMIT)
		return base_error(error, UMOD_STAGE_OPEN, -EINVAL, path,
			"a policy is a regular file of at most %d bytes", FILE_LIMIT);
	result = trusted ? check_owner(path, &st, error) : 0;
	if (result)
		return result;
	*text = base_alloc((size_t)st.st_size + 1);
	if (!*text)
		return base_error(error, UMOD_STAGE_OPEN, -ENOMEM, path,
			"no memory for the policy");
	int64_t got = base_sys_pread(fd, *text, (size_t)st.st_size, 0);
	if (got < 0)
		return base_error(error, UMOD_STAGE_OPEN, (int)got, path,
			"the policy cannot be read: %s", strerror((int)-got));
	(*text)[got] = 0;
	if (strlen(*text) != (size_t)got)
		return base_error(error, UMOD_STAGE_VALIDATE, -EINVAL, path,
			"a policy has no byte that is 0");
	return 0;
}

static int check_lines(const char *path, const char *text, struct umod_error *error)
{
	for (unsigned line = 1; *text; line++) {
		size_t length = strcspn(text, "\n");
		if (length > LINE_LIMIT)
			return base_error(error, UMOD_STAGE_VALIDATE, -EINVAL, path,
				"line %u has more than %d characters; a value may go on "
				"in the next line, after a blank",
				line, LINE_LIMIT);
		text += length + (text[length] != 0);
	}
	return 0;
}

/* What refuses the parser must not refuse the policy: this context has no policy. */
static int with_parser(const char *text, struct reading *r, const char *path)
{
	struct umod_context *context = NULL;
	struct umod_namespace *space = NULL;
	struct umod_module *module = NULL;
	struct umod_error cause = { 0 };
	void *parse = NULL;
	int line = 0;
	int result = umod_context_new(NULL, &context, &cause);
	if (!result)
		result = umod_namespace_new(context, NULL, &space, &cause);
	if (!result)
		result = umod_load(space, "libinih.so.1", NULL, &module, &cause);
	if (!result)
		result = umod_module_symbol(
			module, "ini_parse_string", NULL, &parse, &cause);
	if (!result)
		line = ((ini_parse_string *)parse)(text, take_line, r);
	umod_module_unref(module, NULL);
	umod_namespace_unref(space);
	umod_context_unref(context);
	if (result)
		return base_error(r->error, UMOD_STAGE_VERIFY, result, path,
			"the policy cannot be read without its parser, libinih.so.1 "
			"(Debian: libinih1): %s",
			cause.message);
	if (line)
		return base_error(r->error, UMOD_STAGE_VALIDATE, -EINVAL, path,
			"line %d: %s", line,
			r->why[0] ? r->why : "neither [section] nor key = value");
	return 0;
}

int policy_parse(
	struct policy *policy, const char *path, bool trusted, struct umod_error *error)
{
	struct reading r = { .policy = policy, .error = error };
	BASE_AUTO_FREE char *text = NULL;
	*policy = (struct policy){ .path = base_strdup(path) };
	int result = read_text(path, trusted, &text, error);
	if (!result)
		result = check_lines(path, text, error);
	if (!result)
		result = with_parser(text, &r, path);
	if (result)
		policy_clear(policy);
	return result;
}
