/* SPDX-License-Identifier: MIT */
/* umod features: what this build of libumod can do. */
#include "tool.h"

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		TOOL_COMMON_OPTIONS };
	const char *name, *state;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		if (option != 'j')
			return tool_usage(NULL);
		json = true;
	}
	if (optind < argc)
		return tool_usage("it takes no argument, '%s' is one", argv[optind]);
	if (json) {
		json_open(NULL, '{');
		json_string("version", umod_version());
		json_open("features", '{');
	}
	for (unsigned i = 0; (name = umod_feature(i, &state)) != NULL; i++) {
		if (json)
			json_string(name, state);
		else
			printf("%-24s %s\n", name, state);
	}
	if (json) {
		json_close('}');
		json_close('}');
	}
	return TOOL_OK;
}

const struct tool_command tool_features = {
	.name = "features",
	.summary = "List what this build can do",
	.usage = "[--json]",
	.help = "  --json  Print JSON\n"
		"  --help  This text\n",
	.run = run,
};
