/* SPDX-License-Identifier: MIT */
/* kmod static-nodes: the device nodes that load their module when they are opened. */
#include "kmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

struct node {
	char module[4096], name[4096], type;
	unsigned major, minor;
};

enum format {
	HUMAN,
	TMPFILES,
	DEVNAME,
	FORMAT_COUNT,
};
static const struct {
	const char *name, *text;
} formats[FORMAT_COUNT] = {
	[HUMAN] = { "human", "(default) a human readable format. Do not parse." },
	[TMPFILES] = { "tmpfiles", "the tmpfiles.d(5) format used by systemd-tmpfiles." },
	[DEVNAME] = { "devname", "the modules.devname format." },
};

static int help(const char *name)
{
	printf("Usage:\n\t%s static-nodes [options]\n\n"
	       "kmod static-nodes outputs the static-node information of the currently "
	       "running kernel.\n\nOptions:\n"
	       "\t-f, --format=FORMAT  choose format to use: see \"Formats\"\n"
	       "\t-o, --output=FILE    write output to file\n"
	       "\t-h, --help           show this help\n\nFormats:\n",
		name);
	for (int i = 0; i < FORMAT_COUNT; i++)
		printf("\t%-12s %s\n", formats[i].name, formats[i].text);
	return TOOL_OK;
}

/* The directory is told before each node in it, as kmod does. */
static void write_tmpfiles(FILE *out, const struct node *node)
{
	const char *slash = strrchr(node->name, '/');

	if (slash)
		fprintf(out, "d /dev/%.*s 0755 - - -\n", (int)(slash - node->name),
			node->name);
	fprintf(out, "%c! /dev/%s 0600 - - - %u:%u\n", node->type, node->name,
		node->major, node->minor);
}

static void write_node(FILE *out, enum format format, const struct node *node)
{
	switch (format) {
	case TMPFILES:
		write_tmpfiles(out, node);
		break;
	case DEVNAME:
		fprintf(out, "%s %s %c%u:%u\n", node->module, node->name, node->type,
			node->major, node->minor);
		break;
	default:
		fprintf(out,
			"Module: %s\n\tDevice node: /dev/%s\n\t\tType: %s device\n"
			"\t\tMajor: %u\n\t\tMinor: %u\n",
			node->module, node->name,
			node->type == 'c' ? "character" : "block", node->major,
			node->minor);
	}
}

static int write_all(FILE *in, FILE *out, enum format format, const char *path)
{
	struct node node;
	char *line = NULL;
	size_t room = 0;
	int status = TOOL_OK;

	while (getline(&line, &room, in) > 0) {
		if (line[0] == '#')
			continue;
		if (strlen(line) < sizeof(node.module) &&
			sscanf(line, "%4095s %4095s %c%u:%u", node.module, node.name,
				&node.type, &node.major, &node.minor) == 5 &&
			(node.type == 'c' || node.type == 'b')) {
			write_node(out, format, &node);
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		fprintf(stderr, "Error: invalid devname entry: %s in %s\n", line, path);
		status = TOOL_FAILED;
	}
	free(line);
	return status;
}

/* The directories above @path are made as they are missing. */
static int make_parents(const char *path)
{
	char *copy = tool_strdup(path);
	int err = 0;

	for (char *p = strchr(copy + 1, '/'); !err && p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			err = -errno;
		*p = '/';
	}
	free(copy);
	return err;
}

static int convert(enum format format, const char *output)
{
	char path[4096];
	struct utsname names;
	int status;

	if (uname(&names) != 0) {
		fprintf(stderr, "Error: uname failed: %s\n", strerror(errno));
		return TOOL_FAILED;
	}
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.devname", names.release);
	FILE *in = fopen(path, "re"), *out = stdout;
	if (!in && errno == ENOENT) {
		/* A kernel without modules has no such nodes. */
		fprintf(stderr, "Warning: %s not found - ignoring\n", path);
		return TOOL_OK;
	}
	if (!in) {
		fprintf(stderr, "Error: could not open %s - %s\n", path, strerror(errno));
		return TOOL_FAILED;
	}
	if (output) {
		int err = make_parents(output);
		out = err ? NULL : fopen(output, "we");
		if (!out) {
			fprintf(stderr, "Error: could not create %s - %s\n", output,
				strerror(err ? -err : errno));
			fclose(in);
			return TOOL_FAILED;
		}
	}
	status = write_all(in, out, format, path);
	fclose(in);
	if (output && fclose(out) != 0) {
		fprintf(stderr, "Error: could not write %s - %s\n", output,
			strerror(errno));
		status = TOOL_FAILED;
	}
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "output", required_argument, NULL,
							 'o' },
		{ "format", required_argument, NULL, 'f' }, TOOL_COMMON_OPTIONS };
	const char *output = NULL, *wanted = "human";
	int option, format;

	while ((option = getopt_long(argc, argv, "o:f:h", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			output = optarg;
			break;
		case 'f':
			wanted = optarg;
			break;
		case 'h':
			return help("kmod");
		default:
			return TOOL_FAILED;
		}
	}
	for (format = 0; format < FORMAT_COUNT; format++) {
		if (strcmp(formats[format].name, wanted) == 0)
			return convert((enum format)format, output);
	}
	fprintf(stderr, "Unknown format: '%s'.\n", wanted);
	help("kmod");
	return TOOL_FAILED;
}

const struct tool_command tool_static_nodes = {
	.name = "static-nodes",
	.summary = "Show device nodes that load a kernel module",
	.usage = "[-f FORMAT] [-o FILE]",
	.help = "  See static-nodes --help.\n",
	.run = run,
	.plain = true,
};
