/* SPDX-License-Identifier: MIT */
/*
 * umod maps: list what umod loaded in a process. How that is found in the process's
 * memory is remote.c's.
 */
#include "remote.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static const char *home_name(uint32_t home)
{
	static const char *const names[] = { [SHOWN_HOME_NONE] = "-",
		[SHOWN_HOME_FILE] = "file",
		[SHOWN_HOME_MEMORY] = "memory",
		[SHOWN_HOME_ARENA] = "arena" };
	return home < sizeof(names) / sizeof(names[0]) ? names[home] : "?";
}

static void print_counters(const struct shown_counters *c)
{
	printf("calls: %llu by umod (%llu isolated), %llu for what ld.so held, %llu left "
	       "to ld.so, %llu fallbacks, %llu failures\n",
		(unsigned long long)c->umod, (unsigned long long)c->isolated,
		(unsigned long long)c->host, (unsigned long long)c->ldso,
		(unsigned long long)c->fallbacks, (unsigned long long)c->failures);
}

static void print_text(const struct remote *remote)
{
	for (size_t i = 0; i < remote->count && !tool_output_failed(); i++) {
		const struct remote_image *image = &remote->images[i];
		printf("%012llx-%012llx %-6s ", (unsigned long long)image->start,
			(unsigned long long)image->end, home_name(image->home));
		tool_print(stdout, image->space);
		putchar(' ');
		tool_print(stdout, image->path);
		puts(image->mapped ? "" : " (not mapped)");
	}
	if (remote->has_counters)
		print_counters(&remote->counters);
}

static void print_json(const struct remote *remote)
{
	const struct shown_counters *c = &remote->counters;
	json_open(NULL, '{');
	json_number("pid", (uint64_t)remote->pid);
	json_open("modules", '[');
	for (size_t i = 0; i < remote->count; i++) {
		const struct remote_image *image = &remote->images[i];
		json_open(NULL, '{');
		json_string("path", image->path);
		json_number("start", image->start);
		json_number("end", image->end);
		json_string("home", home_name(image->home));
		json_string("namespace", image->space);
		json_number("namespace_id", image->space_id);
		json_bool("mapped", image->mapped);
		json_close('}');
	}
	json_close(']');
	if (remote->has_counters) {
		json_open("calls", '{');
		json_number("umod", c->umod);
		json_number("isolated", c->isolated);
		json_number("host", c->host);
		json_number("ldso", c->ldso);
		json_number("fallbacks", c->fallbacks);
		json_number("failures", c->failures);
		json_close('}');
	}
	json_close('}');
}

static int show(const char *text, bool json)
{
	struct remote remote;
	char why[512], *end;
	long pid = strtol(text, &end, 10);
	if (*end || end == text || pid <= 0 || pid > 0x7fffffff)
		return tool_usage("'%s' is no process's number", text);
	if (!remote_read((pid_t)pid, &remote, why, sizeof(why))) {
		tool_error("%ld: %s", pid, why);
		return TOOL_FAILED;
	}
	if (!remote.has_umod) {
		tool_error(remote.has_library
				   ? "%ld: umod is there, but was not asked to load yet"
				   : "%ld: umod is not in this process",
			pid);
		remote_free(&remote);
		return TOOL_FAILED;
	}
	if (json)
		print_json(&remote);
	else
		print_text(&remote);
	remote_free(&remote);
	return TOOL_OK;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		TOOL_COMMON_OPTIONS };
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		if (option != 'j')
			return tool_usage(NULL);
		json = true;
	}
	if (optind + 1 != argc)
		return tool_usage("one process is wanted");
	return show(argv[optind], json);
}

const struct tool_command tool_maps = {
	.name = "maps",
	.summary = "List what umod loaded in a process",
	.usage = "[--json] PID",
	.help = "Each line: addresses, where the memory comes from (file, arena, "
		"memory),\n"
		"namespace, path. Under umod run a last line counts who answered "
		"calls.\n\n"
		"  --json  Print JSON\n"
		"  --help  This text\n",
	.run = run,
};
