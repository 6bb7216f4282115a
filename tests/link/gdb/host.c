/* SPDX-License-Identifier: MIT */
/* Loads the plugin of its first argument by umod, calls it and lets it go, twice. With a
 * second argument the image is mapped from its file; else it is copied into an arena. */
#include <umod/umod.h>

#include <stdio.h>

int main(int argc, char **argv)
{
	struct umod_context_options options = UMOD_CONTEXT_OPTIONS_INIT;
	struct umod_context *context;
	struct umod_error error = { 0 };
	int sum = 0;

	options.arena_limit_bytes = argc > 2 ? UMOD_ARENA_NONE : 1 << 20;
	if (umod_context_new(&options, &context, &error))
		return 1;
	for (int i = 0; i < 2; i++) {
		struct umod_module *module;
		struct umod_namespace *space;
		void *address;
		if (umod_namespace_new(context, NULL, &space, &error) ||
			umod_load(space, argv[1], NULL, &module, &error) ||
			umod_module_symbol(
				module, "plugin_function", NULL, &address, &error)) {
			printf("%s\n", error.message);
			return 1;
		}
		struct umod_module_info info = { .size_bytes = sizeof(info) };
		umod_module_info_get(module, &info);
		if (info.in_arena != (argc == 2)) {
			printf("in the wrong kind of memory\n");
			return 1;
		}
		sum += ((int (*)(int))address)(40 + i);
		umod_module_unref(module, &error);
		umod_namespace_unref(space);
	}
	umod_context_unref(context);
	printf("sum %d\n", sum);
	return sum != 1274 + 1275;
}
