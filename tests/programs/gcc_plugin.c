/* SPDX-License-Identifier: MIT */
/* A plugin of GCC's that tells and counts the functions that it reads. */
#include <gcc-plugin.h>
#include <plugin-version.h>
#include <tree.h>
#include <stringpool.h>

int plugin_is_GPL_compatible;
static int functions;

static void count(void *event, void *)
{
	functions++;
	printf("read %s\n", IDENTIFIER_POINTER(DECL_NAME((tree)event)));
}

static void tell(void *, void *)
{
	printf("%d functions\n", functions);
}

int plugin_init(struct plugin_name_args *info, struct plugin_gcc_version *version)
{
	if (!plugin_default_version_check(version, &gcc_version))
		return 1;
	printf("plugin %s, %d arguments\n", info->base_name, info->argc);
	register_callback(info->base_name, PLUGIN_FINISH_PARSE_FUNCTION, count, NULL);
	register_callback(info->base_name, PLUGIN_FINISH, tell, NULL);
	return 0;
}
