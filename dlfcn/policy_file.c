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
	char why[256];  /* of the first line that is wrong, or "" */
	unsigned given; /* a bit for each of list_keys */
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
		return fnmatch(pattern, slash ? slash + 1 : name, 0) == 0 ||
		       (real && fnmatch(pattern, strrchr(real, '/') + 1, 0) == 0);
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
		&policy->directories, &policy->owners, &policy->keyrings };
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

/* Without links, as the places of files are compared with it. */
static int check_directory(struct reading *r, const char *name, char **item)
{
	if ((*item)[0] != '/')
		return wrong(r, "%s: %s is no absolute path", name, *item);
	char *real = realpath(*item, NULL); /* NULL: perhaps it is made later */
	char *copy = real ? base_strdup(real) : NULL;
	free(real);
	if (copy) {
		base_free(*item);
		*item = copy;
	}
	return 1;
}

static int check_owner_word(struct reading *r, const char *name, char **item)
{
	uid_t uid;
	return policy_owner(*item, &uid) ? 1
					 : wrong(r,
						   "%s: '%s' is neither root, nor self, "
						   "nor a user's number",
						   name, *item);
}

static int check_absolute(struct reading *r, const char *name, char **item)
{
	return (*item)[0] == '/' ? 1
				 : wrong(r, "%s: %s is no absolute path", name, *item);
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

static int set_signatures(struct reading *r, const char *name, const char *value)
{
	static const char *const words[] = { [UMOD_SIGNATURES_OFF] = "off",
		[UMOD_SIGNATURES_WARN] = "warn",
		[UMOD_SIGNATURES_ENFORCE] = "enforce" };
	for (unsigned i = 0; i < base_array_count(words); i++)
		if (strcmp(value, words[i]) == 0) {
			r->policy->signatures = i;
			return 1;
		}
	return wrong(r, "%s: '%s' is none of off, warn and enforce", name, value);
}

static int set_expired(struct reading *r, const char *name, const char *value)
{
	r->policy->refuses_expired = strcmp(value, "refuse") == 0;
	return r->policy->refuses_expired || strcmp(value, "accept") == 0
		       ? 1
		       : wrong(r, "%s: '%s' is neither accept nor refuse", name, value);
}

static int set_yes(struct reading *r, bool *out, const char *name, const char *value)
{
	*out = strcmp(value, "yes") == 0;
	return *out || strcmp(value, "no") == 0
		       ? 1
		       : wrong(r, "%s: '%s' is neither yes nor no", name, value);
}

/* The keys whose values are lists; @check NULL: any word will do. */
struct list_key {
	const char *section, *name;
	size_t list; /* offset in struct policy */
	int (*check)(struct reading *r, const char *name, char **item);
};
static const struct list_key list_keys[] = {
	{ "load", "umod", offsetof(struct policy, umod), NULL },
	{ "load", "ldso", offsetof(struct policy, ldso), NULL },
	{ "load", "refuse", offsetof(struct policy, refuse), NULL },
	{ "isolate", "plugin", offsetof(struct policy, isolate), NULL },
	{ "isolate", "share", offsetof(struct policy, share), NULL },
	{ "isolate", "private", offsetof(struct policy, is_private), NULL },
	{ "files", "directory", offsetof(struct policy, directories), check_directory },
	{ "files", "owner", offsetof(struct policy, owners), check_owner_word },
	{ "signature", "keyring", offsetof(struct policy, keyrings), check_absolute },
};

static struct policy_list *list_of(struct policy *policy, unsigned key)
{
	return (void *)((char *)policy + list_keys[key].list);
}

static int set_list(struct reading *r, unsigned key, const char *value)
{
	const struct list_key *k = &list_keys[key];
	struct policy_list *list = list_of(r->policy, key);
	unsigned before = list->count;
	int good = 1;
	r->given |= 1u << key;
	if (policy_list_add(list, value, false))
		return wrong(r, "no memory for the words of %s%s", k->name, "");
	for (unsigned i = before; good && k->check && i < list->count; i++)
		good = k->check(r, k->name, &list->items[i]);
	return good;
}

/* One line, or one more line of a value. 0: it is wrong. */
static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	for (unsigned i = 0; i < base_array_count(list_keys); i++)
		if (strcmp(section, list_keys[i].section) == 0 &&
			strcmp(name, list_keys[i].name) == 0)
			return set_list(r, i, value);
	if (strcmp(section, "load") == 0 && strcmp(name, "fallback") == 0)
		return set_yes(r, &r->policy->falls_back, name, value);
	if (strcmp(section, "files") == 0 && strcmp(name, "writable-by") == 0)
		return set_writable(r, name, value);
	if (strcmp(section, "files") == 0 && strcmp(name, "parents") == 0)
		return set_yes(r, &r->policy->parents, name, value);
	if (strcmp(section, "signature") == 0 && strcmp(name, "check") == 0)
		return set_signatures(r, name, value);
	if (strcmp(section, "signature") == 0 && strcmp(name, "expired") == 0)
		return set_expired(r, name, value);
	return wrong(r, "there is no key '%s' in section [%s]", name, section);
}

/* A list that is given and empty would mean what its absence means: a slip. */
static const char *empty_key(struct reading *r)
{
	for (unsigned i = 0; i < base_array_count(list_keys); i++)
		if (r->given & 1u << i && list_of(r->policy, i)->count == 0)
			return list_keys[i].name;
	return NULL;
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

/* What the parser would take for more words of the value before. */
static bool continues_with_key(const char *line, size_t length)
{
	size_t blank = strspn(line, " \t\r");
	return blank && blank < length && line[blank] != '#' && line[blank] != ';' &&
	       memchr(line, '=', length);
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
		if (continues_with_key(text, length))
			return base_error(error, UMOD_STAGE_VALIDATE, -EINVAL, path,
				"line %u begins with a blank, so it goes on with the "
				"value before it, but has a '=': a key begins its line",
				line);
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
	if (r->policy->parents && !r->policy->owners.count &&
		r->policy->writable == POLICY_WRITABLE_ANY)
		return base_error(r->error, UMOD_STAGE_VALIDATE, -EINVAL, path,
			"parents = yes asks nothing without owner or writable-by");
	const char *empty = empty_key(r);
	if (empty)
		return base_error(r->error, UMOD_STAGE_VALIDATE, -EINVAL, path,
			"%s = names nothing: leave the key out", empty);
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
