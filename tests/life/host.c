/* SPDX-License-Identifier: MIT */
/*
 * A program with modules: listens at the socket argv[1] for the tools, finds modules in
 * the tree argv[2] of release argv[3], and does what lines of its input say:
 * "request NAME", "autoclean 0|1", "every SECONDS", "text NUMBER", "lsmod"; answers
 * each.
 */
#include <umod/umod.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct umod_namespace *space;

static void note(const char *what, const char *who)
{
	printf("%s %s\n", what, who);
}

static int no_pause(const char *who)
{
	return who == NULL;
}

/* A module asks for another from its init. */
static int request(const char *who)
{
	struct umod_error error = { 0 };
	int result = umod_request(space, &error, "%s", who);
	printf("%d %s\n", result, result ? error.message : "");
	return result;
}

static void lend(const char *name, void *address)
{
	struct umod_host_export item = {
		.size_bytes = sizeof(item), .name = name, .address = address
	};
	if (umod_export(space, &item, NULL))
		abort();
}

static void obey(char *line)
{
	struct umod_error error = { 0 };
	line[strcspn(line, "\n")] = 0;
	char *argument = line + strcspn(line, " ");
	if (*argument)
		*argument++ = 0;
	if (strcmp(line, "request") == 0) {
		int result = umod_request(space, &error, "%s", argument);
		printf("%d %s\n", result, result ? error.message : "");
	} else if (strcmp(line, "autoclean") == 0) {
		printf("%u went\n", umod_autoclean(space, atoi(argument)));
	} else if (strcmp(line, "every") == 0) {
		printf("%d\n",
			umod_autoclean_every(space, (unsigned)atoi(argument), NULL));
	} else if (strcmp(line, "lsmod") == 0 || strcmp(line, "text") == 0) {
		enum umod_text which =
			*argument ? (enum umod_text)atoi(argument) : UMOD_TEXT_LSMOD;
		char *text;
		if (umod_text(space, which, &text, NULL) == 0) {
			fputs(text, stdout);
			free(text);
		}
		printf("end\n");
	}
}

int main(int argc, char **argv)
{
	struct umod_context *context;
	struct umod_control *control;
	struct umod_modtree_options options = UMOD_MODTREE_OPTIONS_INIT;
	struct umod_modtree *tree = NULL;
	struct umod_error error = { 0 };
	char line[256];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4 || umod_context_new(NULL, &context, &error) ||
		umod_namespace_new(context, NULL, &space, &error))
		return 2;
	lend("host_note", (void *)note);
	lend("host_pause", (void *)no_pause);
	lend("host_insert", (void *)request);
	options.root = argv[2];
	options.release = argv[3];
	options.no_config = true;
	if (umod_modtree_new(&options, &tree, &error) ||
		umod_set_tree(space, tree, &error) ||
		umod_control_new(space, argv[1], &control, &error)) {
		printf("%s: %s\n", error.subject, error.message);
		return 1;
	}
	umod_modtree_unref(tree);
	puts("ready");
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	umod_control_free(control);
	umod_autoclean_every(space, 0, NULL);
	return 0;
}
