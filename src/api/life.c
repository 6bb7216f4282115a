/* SPDX-License-Identifier: MIT */
/* Modules with a life, as callers see them: arguments are checked, life/ does the rest.
 */
#include "api/api.h"
#include "life/life.h"

#include <stdarg.h>

UMOD_EXPORT int umod_insert(struct umod_namespace *space,
	const struct umod_source *source, const struct umod_insert_options *options,
	struct umod_module **out, struct umod_error *error)
{
	struct umod_source own_source;
	struct umod_insert_options own;
	umod_error_clear(error);
	if (out)
		*out = NULL;
	int result = api_take_options(&own_source, sizeof(own_source), source, error);
	if (!result)
		result = api_take_options(&own, sizeof(own), options, error);
	if (!result)
		result = api_check_source(&own_source, error);
	return result ? result : life_insert(space, &own_source, &own, out, error);
}

UMOD_EXPORT int umod_remove(struct umod_namespace *space, const char *name,
	unsigned flags, int timeout_ms, struct umod_error *error)
{
	umod_error_clear(error);
	return life_remove(space, name, flags, timeout_ms, error);
}

UMOD_EXPORT struct umod_module *umod_module_find(
	struct umod_namespace *space, const char *name)
{
	return life_find(space, name);
}

UMOD_EXPORT bool umod_module_try_get(struct umod_module *module)
{
	return life_try_get(module);
}

UMOD_EXPORT void umod_module_put(struct umod_module *module)
{
	if (module)
		life_put(module);
}

UMOD_EXPORT struct umod_module *umod_module_of(
	struct umod_namespace *space, const void *address)
{
	return life_of(space, address);
}

UMOD_EXPORT void umod_insert_disable(void)
{
	life_disable();
}

UMOD_EXPORT int umod_forbid(
	struct umod_namespace *space, const char *name, const char *reason)
{
	return life_forbid(space, name, reason);
}

UMOD_EXPORT int umod_export(struct umod_namespace *space,
	const struct umod_host_export *item, struct umod_error *error)
{
	struct umod_host_export own;
	umod_error_clear(error);
	int result = api_take_options(&own, sizeof(own), item, error);
	return result ? result : life_export(space, &own, error);
}

static struct module_parameters *parameters_of(struct umod_module *module)
{
	return module->life ? module->life->parameters : NULL;
}

static int no_parameter(
	const struct umod_module *module, const char *name, struct umod_error *error)
{
	return base_error(error, UMOD_STAGE_PARAMETERS, -ENOENT, module->image.name,
		"has no parameter %s", name);
}

UMOD_EXPORT int umod_parameter_get(struct umod_module *module, const char *name,
	char *out, size_t bytes, struct umod_error *error)
{
	umod_error_clear(error);
	struct module_parameters *parameters = parameters_of(module);
	return parameters ? module_parameter_get(parameters, name, out, bytes, error)
			  : no_parameter(module, name, error);
}

UMOD_EXPORT int umod_parameter_set(struct umod_module *module, const char *name,
	const char *value, struct umod_error *error)
{
	umod_error_clear(error);
	struct module_parameters *parameters = parameters_of(module);
	return parameters ? module_parameter_set(parameters, name, value, NULL, error)
			  : no_parameter(module, name, error);
}

UMOD_EXPORT const char *umod_parameter_name(struct umod_module *module, unsigned index)
{
	const struct umod_parameter *parameter =
		parameters_of(module) ? module_parameter_at(parameters_of(module), index)
				      : NULL;
	return parameter ? parameter->name : NULL;
}

UMOD_EXPORT int umod_listener_add(struct umod_namespace *space,
	int (*call)(struct umod_module *module, enum umod_event event, void *data),
	void *data, struct umod_listener **out)
{
	return life_listener_add(space, call, data, out);
}

UMOD_EXPORT void umod_listener_remove(struct umod_listener *listener)
{
	if (listener)
		life_listener_remove(listener);
}

UMOD_EXPORT int umod_set_tree(
	struct umod_namespace *space, struct umod_modtree *tree, struct umod_error *error)
{
	umod_error_clear(error);
	return life_set_tree(space, (struct index_tree *)tree, error);
}

UMOD_EXPORT int umod_request(
	struct umod_namespace *space, struct umod_error *error, const char *format, ...)
{
	char name[LIFE_NAME_BYTES * 4];
	va_list arguments;
	umod_error_clear(error);
	va_start(arguments, format);
	int length = vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(name))
		return base_error(error, UMOD_STAGE_NONE, -ENAMETOOLONG, format,
			"makes a name of more than %zu bytes", sizeof(name) - 1);
	return life_request(space, name, error);
}

UMOD_EXPORT unsigned umod_autoclean(struct umod_namespace *space, bool all)
{
	return life_autoclean(space, all);
}

UMOD_EXPORT int umod_autoclean_every(
	struct umod_namespace *space, unsigned seconds, struct umod_error *error)
{
	umod_error_clear(error);
	return life_clean_every(space, seconds, error);
}

UMOD_EXPORT int umod_text(struct umod_namespace *space, enum umod_text which, char **out,
	struct umod_error *error)
{
	umod_error_clear(error);
	*out = NULL;
	if ((int)which < 0 || which >= UMOD_TEXT_COUNT)
		return base_error(error, UMOD_STAGE_NONE, -EINVAL, NULL,
			"there is no text number %d", (int)which);
	return life_text(space, which, out, error);
}

UMOD_EXPORT int umod_module_file(struct umod_namespace *space, const char *path,
	char **out, struct umod_error *error)
{
	umod_error_clear(error);
	return life_file(space, path, out, error);
}

UMOD_EXPORT int umod_control_new(struct umod_namespace *space, const char *path,
	struct umod_control **out, struct umod_error *error)
{
	umod_error_clear(error);
	return life_control_new(space, path, out, error);
}

UMOD_EXPORT void umod_control_free(struct umod_control *control)
{
	if (control)
		life_control_free(control);
}
