/* SPDX-License-Identifier: MIT */
/*
 * A module's parameters in memory: parsing of text as the kernel's parse_args does it,
 * setting, showing, and the texts that were set. What a type takes is parameter_types.c's
 * matter; where text comes from, the caller's.
 */
#include "module/internal.h"

#include <stdio.h>

#define fail(...) base_error(error, UMOD_STAGE_PARAMETERS, __VA_ARGS__)
#define BLANKS    " \t\n\v\f\r"

/* A text that was set. It stays, since the module may be reading the one before. */
struct text {
	struct text *next;
	const void
		*where; /* the variable: two never share a text, which they may change */
	char bytes[];
};

struct module_parameters {
	char module[UMOD_MODULE_NAME_BYTES];
	const struct umod_parameter *items;
	unsigned count;
	pthread_mutex_t lock; /* for all below, and the variables */
	struct text *texts;
	struct base_map texts_map; /* each text is kept once for each variable */
};

/* ---- beginning and end ---- */

static bool is_sound_array(const struct umod_parameter_array *array)
{
	size_t bytes = module_type_bytes(array->type);

	return array->elements && array->max && bytes && array->element_bytes == bytes;
}

static bool is_sound(const struct umod_parameter *item)
{
	const struct umod_parameter_string *string = item->arg;

	if (!item->name || !item->name[0])
		return false;
	switch (item->type) {
	case UMOD_TYPE_CUSTOM:
		return item->ops != NULL;
	case UMOD_TYPE_STRING:
		return string && string->text && string->bytes;
	case UMOD_TYPE_ARRAY:
		return item->arg && is_sound_array(item->arg);
	default:
		return item->arg && module_type_bytes(item->type);
	}
}

int module_parameters_new(const char *module, const struct umod_parameter *items,
	unsigned count, struct module_parameters **out, struct umod_error *error)
{
	*out = NULL;
	for (unsigned i = 0; i < count; i++) {
		if (!is_sound(&items[i]))
			return fail(-ENOEXEC, module,
				"its parameter %u, '%.64s', is of type %u, which it is "
				"not fit "
				"for",
				i, items[i].name ? items[i].name : "", items[i].type);
	}
	struct module_parameters *parameters = base_zalloc(sizeof(*parameters));
	if (!parameters)
		return fail(-ENOMEM, module, "out of memory");
	snprintf(parameters->module, sizeof(parameters->module), "%s", module);
	parameters->items = items;
	parameters->count = count;
	pthread_mutex_init(&parameters->lock, NULL);
	*out = parameters;
	return 0;
}

void module_parameters_free(struct module_parameters *parameters)
{
	if (!parameters)
		return;
	for (unsigned i = 0; i < parameters->count; i++) {
		const struct umod_parameter *item = &parameters->items[i];
		if (item->type == UMOD_TYPE_CUSTOM && item->ops->free)
			item->ops->free(item->arg);
	}
	while (parameters->texts) {
		struct text *next = parameters->texts->next;
		base_free(parameters->texts);
		parameters->texts = next;
	}
	base_map_free(&parameters->texts_map);
	pthread_mutex_destroy(&parameters->lock);
	base_free(parameters);
}

static const char *keep_text(void *owner, const void *where, const char *value)
{
	struct module_parameters *parameters = owner;
	size_t bytes = strlen(value) + 1, cursor = 0;
	uint64_t key = base_hash_bytes(value, bytes) ^ base_mix((uintptr_t)where);
	struct text *text;

	while ((text = base_map_next(&parameters->texts_map, key, &cursor)) != NULL) {
		if (text->where == where && strcmp(text->bytes, value) == 0)
			return text->bytes;
	}
	text = base_alloc(sizeof(*text) + bytes);
	if (!text)
		return NULL;
	if (base_map_put(&parameters->texts_map, key, text)) {
		base_free(text);
		return NULL;
	}
	text->next = parameters->texts;
	text->where = where;
	memcpy(text->bytes, value, bytes);
	parameters->texts = text;
	return text->bytes;
}

/* ---- finding ---- */

static bool same_name(const char *a, const char *b)
{
	for (; (*a == '-' ? '_' : *a) == (*b == '-' ? '_' : *b); a++, b++) {
		if (!*a)
			return true;
	}
	return false;
}

const struct umod_parameter *module_parameter_find(
	const struct module_parameters *parameters, const char *name)
{
	for (unsigned i = 0; i < parameters->count; i++) {
		if (same_name(parameters->items[i].name, name))
			return &parameters->items[i];
	}
	return NULL;
}

const struct umod_parameter *module_parameter_at(
	const struct module_parameters *parameters, unsigned index)
{
	return index < parameters->count ? &parameters->items[index] : NULL;
}

/* ---- setting ---- */

/* The elements in @value, which is cut up. */
static int set_array(struct module_parameters *parameters,
	const struct umod_parameter_array *array, char *value, char *what,
	size_t what_bytes)
{
	unsigned count = 0;
	char element[512] = "";
	int result = 0;
	bool more = true;

	for (; result == 0 && more; count++) {
		if (count == array->max) {
			snprintf(what, what_bytes, "it takes %u values, and no more",
				array->max);
			return -EINVAL;
		}
		size_t length = strcspn(value, ",");
		more = value[length] == ',';
		value[length] = '\0';
		result = module_type_set(array->type,
			(char *)array->elements + (size_t)count * array->element_bytes,
			value, keep_text, parameters, element, sizeof(element));
		value += length + more;
		/* As many as are there now, as in the kernel. */
		if (array->count)
			*array->count = count + (result == 0);
	}
	if (result)
		snprintf(what, what_bytes, "value %u: %s", count, element);
	return result;
}

static int set_custom(const struct umod_parameter *item, const char *value, char *what,
	size_t what_bytes)
{
	if (!item->ops->set) {
		snprintf(what, what_bytes, "it cannot be set");
		return -EPERM;
	}
	int result = item->ops->set(value, item);
	if (result > 0)
		result = -EINVAL;
	if (result)
		snprintf(what, what_bytes, "the module refuses '%.100s': %s",
			value ? value : "", strerror(-result));
	return result;
}

static bool is_bare(const struct umod_parameter *item)
{
	return item->type == UMOD_TYPE_CUSTOM ? item->ops->flags & UMOD_PARAMETER_NOARG
					      : module_type_is_bare(item->type);
}

/* Sets @item; @value is NULL or is cut up. Under the lock. *@error is written anew. */
static int set_item(struct module_parameters *parameters,
	const struct umod_parameter *item, char *value,
	const struct module_parameter_listener *listener, struct umod_error *error)
{
	char what[600] = "";
	int result;

	if (!value && !is_bare(item)) {
		snprintf(what, sizeof(what), "it needs a value, %s=...", item->name);
		result = -EINVAL;
	} else if (item->type == UMOD_TYPE_CUSTOM) {
		result = set_custom(item, value, what, sizeof(what));
	} else if (item->type == UMOD_TYPE_ARRAY) {
		result = set_array(parameters, item->arg, value, what, sizeof(what));
	} else {
		result = module_type_set(item->type, item->arg, value, keep_text,
			parameters, what, sizeof(what));
	}
	if (result) {
		umod_error_clear(error);
		return fail(
			result, parameters->module, "parameter %s: %s", item->name, what);
	}
	if (listener && (item->flags & UMOD_PARAMETER_UNSAFE))
		listener->tell(
			MODULE_PARAMETER_UNSAFE, item->name, value, listener->data);
	return 0;
}

/* ---- parsing ---- */

/*
 * Takes the next "name" or "name=value" off @text, which is cut up: the kernel's
 * next_arg(). Returns what follows.
 */
static char *next_argument(char *text, char **name, char **value)
{
	bool quoted = text[0] == '"', in_quotes = quoted;
	size_t equals = 0, i;

	text += quoted;
	for (i = 0; text[i]; i++) {
		if (strchr(BLANKS, text[i]) && !in_quotes)
			break;
		if (equals == 0 && text[i] == '=')
			equals = i;
		if (text[i] == '"')
			in_quotes = !in_quotes;
	}
	char *end = text + i;
	char *next = end + (*end != '\0');
	*end = '\0';
	*name = text;
	*value = NULL;
	if (equals) {
		text[equals] = '\0';
		*value = text + equals + 1;
		if (**value == '"') {
			++*value;
			if (end[-1] == '"')
				end[-1] = '\0';
		}
	}
	if (quoted && i > 0 && end[-1] == '"')
		end[-1] = '\0';
	return next + strspn(next, BLANKS);
}

static bool is_magic(const char *name)
{
	return same_name(name, "async_probe") || same_name(name, "dyndbg");
}

static int parse_locked(struct module_parameters *parameters, char *text,
	const struct module_parameter_listener *listener, struct umod_error *error)
{
	int last = 0;
	char *name, *value;

	text += strspn(text, BLANKS);
	while (*text) {
		text = next_argument(text, &name, &value);
		if (!value && strcmp(name, "--") == 0) {
			if (*text && listener)
				listener->tell(MODULE_PARAMETER_IGNORED, NULL, text,
					listener->data);
			break;
		}
		const struct umod_parameter *item =
			module_parameter_find(parameters, name);
		if (item) {
			int result = set_item(parameters, item, value, listener, error);
			last = result ? result : last;
		} else if (listener && !is_magic(name)) {
			listener->tell(
				MODULE_PARAMETER_UNKNOWN, name, value, listener->data);
		}
	}
	return last;
}

/* The errors that are met come after one another; the caller's keeps its first writer. */
static int finish(int result, const struct umod_error *own, struct umod_error *error)
{
	if (result && error && !error->code)
		*error = *own;
	return result;
}

int module_parameters_parse(struct module_parameters *parameters, const char *text,
	const struct module_parameter_listener *listener, struct umod_error *error)
{
	struct umod_error own = { 0 };
	BASE_AUTO_FREE char *copy = base_strdup(text);

	if (!copy)
		return fail(-ENOMEM, parameters->module, "out of memory");
	pthread_mutex_lock(&parameters->lock);
	int result = parse_locked(parameters, copy, listener, &own);
	pthread_mutex_unlock(&parameters->lock);
	return finish(result, &own, error);
}

/* ---- one at a time ---- */

static const struct umod_parameter *permitted(const struct module_parameters *parameters,
	const char *name, unsigned bits, int *result, struct umod_error *error)
{
	const struct umod_parameter *item = module_parameter_find(parameters, name);

	*result = 0;
	if (!item)
		*result = fail(-ENOENT, parameters->module,
			"it has no parameter '%.100s'", name);
	else if (!(item->permissions & bits))
		*result = fail(-EACCES, parameters->module,
			"parameter %s: it is not to be %s: its permissions are %#04o",
			item->name, bits == 0222 ? "set while the module lives" : "read",
			item->permissions);
	return *result ? NULL : item;
}

int module_parameter_set(struct module_parameters *parameters, const char *name,
	const char *value, const struct module_parameter_listener *listener,
	struct umod_error *error)
{
	int result;
	const struct umod_parameter *item =
		permitted(parameters, name, 0222, &result, error);

	if (!item)
		return result;
	struct umod_error own = { 0 };
	BASE_AUTO_FREE char *copy = base_strdup(value);
	if (!copy)
		return fail(-ENOMEM, parameters->module, "out of memory");
	pthread_mutex_lock(&parameters->lock);
	result = set_item(parameters, item, copy, listener, &own);
	pthread_mutex_unlock(&parameters->lock);
	return finish(result, &own, error);
}

static int get_custom(const struct umod_parameter *item, struct module_text *out)
{
	if (!item->ops->get)
		return -EPERM;
	BASE_AUTO_FREE char *buffer = base_zalloc(UMOD_PARAMETER_TEXT_BYTES);
	if (!buffer)
		return -ENOMEM;
	int length = item->ops->get(buffer, item);
	if (length < 0)
		return length;
	if (length >= UMOD_PARAMETER_TEXT_BYTES)
		return -E2BIG;
	module_text_put(out, buffer, (size_t)length);
	return 0;
}

static void get_array(const struct umod_parameter_array *array, struct module_text *out)
{
	unsigned count = array->count ? *array->count : array->max;

	for (unsigned i = 0; i < count && i < array->max; i++) {
		if (i)
			module_text_put(out, ",", 1);
		module_type_get(array->type,
			(const char *)array->elements + (size_t)i * array->element_bytes,
			out);
	}
}

int module_parameter_get(struct module_parameters *parameters, const char *name,
	char *buffer, size_t bytes, struct umod_error *error)
{
	struct module_text out = { buffer, bytes, 0 };
	int result;
	const struct umod_parameter *item =
		permitted(parameters, name, 0444, &result, error);

	if (!item)
		return result;
	if (bytes)
		buffer[0] = '\0';
	pthread_mutex_lock(&parameters->lock);
	if (item->type == UMOD_TYPE_CUSTOM)
		result = get_custom(item, &out);
	else if (item->type == UMOD_TYPE_ARRAY)
		get_array(item->arg, &out);
	else
		module_type_get(item->type, item->arg, &out);
	pthread_mutex_unlock(&parameters->lock);
	if (result)
		return fail(result, parameters->module,
			"parameter %s: not to be read: %s", item->name,
			strerror(-result));
	/* The kernel's getters end with a newline; so may a module's. */
	if (item->type == UMOD_TYPE_CUSTOM && out.length && out.length < bytes &&
		buffer[out.length - 1] == '\n')
		buffer[--out.length] = '\0';
	return (int)out.length;
}
