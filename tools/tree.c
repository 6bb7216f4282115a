/* SPDX-License-Identifier: MIT */
/*
 * umod tree: draw what a file needs and where that is found. The library walks breadth
 * first; this puts its answers under the files that need them and draws them depth first,
 * each subtree once. Runs nothing.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

/* One answer of umod_image_tree: a need, or at 0 the file itself. */
struct record {
	char *name, *path, *how; /* path NULL: missing, how says why */
	unsigned depth;
	enum umod_need_kind kind;
	size_t node; /* the record whose subtree this one shows: itself or an earlier one
		      */
	size_t first, count; /* of a node: its needs */
	bool drawn;
};

struct records {
	struct record *items;
	size_t count, capacity;
};

static int collect(
	unsigned depth, const char *name, const char *path, const char *how, void *data)
{
	struct records *all = data;

	if (all->count == all->capacity) {
		all->capacity = all->capacity ? 2 * all->capacity : 64;
		all->items = tool_realloc(all->items, all->capacity, sizeof(*all->items));
	}
	all->items[all->count++] = (struct record){ .name = tool_strdup(name),
		.path = path ? tool_strdup(path) : NULL,
		.how = tool_strdup(how ? how : ""),
		.depth = depth };
	return 0;
}

static void records_free(struct records *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->items[i].name);
		free(all->items[i].path);
		free(all->items[i].how);
	}
	free(all->items);
}

static bool is_missing(const struct record *record)
{
	return !record->path && record->kind != UMOD_NEED_AUXILIARY;
}

/*
 * The answers come in the order of the files, and within a file in that of its needs: so
 * those of a file are the next ones, as many as it has needs.
 */
static void arrange(struct records *all)
{
	size_t next = 1;

	for (size_t i = 0; i < all->count; i++) {
		struct record *record = &all->items[i];
		struct umod_image *image;
		record->node = i;
		for (size_t k = 0; record->path && k < i; k++) {
			if (all->items[k].node == k && all->items[k].path &&
				strcmp(all->items[k].path, record->path) == 0) {
				record->node = k;
				break;
			}
		}
		if (record->node != i || !record->path ||
			umod_image_open(record->path, &image, NULL) != 0)
			continue;
		record->first = next;
		const char *need;
		while (next < all->count &&
			(need = umod_image_need(image, (unsigned)record->count,
				 &all->items[next].kind)) != NULL &&
			strcmp(need, all->items[next].name) == 0) {
			record->count++;
			next++;
		}
		umod_image_close(image);
	}
}

/* ---- drawing ---- */

/* Where the drawing is: a record, and which of its needs comes next. */
struct place {
	size_t record, next;
};

static void draw_branches(
	const struct records *all, const struct place *stack, size_t depth)
{
	/* Of the lines above, those that still go on pass by. */
	for (size_t i = 0; i < depth; i++) {
		const struct record *node = &all->items[all->items[stack[i].record].node];
		bool more = stack[i].next < node->count;
		if (i + 1 < depth)
			fputs(tool_utf8() ? (more ? "│   " : "    ")
					  : (more ? "|   " : "    "),
				stdout);
		else
			fputs(tool_utf8() ? (more ? "├── " : "└── ")
					  : (more ? "|-- " : "`-- "),
				stdout);
	}
}

static void draw_record(const struct record *record, const struct record *node)
{
	if (is_missing(record)) {
		tool_colour(TOOL_RED);
		tool_print(stdout, record->name);
		fputs(" => ", stdout);
		tool_print(stdout, record->how);
		tool_colour(TOOL_PLAIN);
		putchar('\n');
		return;
	}
	tool_print(stdout, record->name);
	if (record->kind == UMOD_NEED_FILTER)
		fputs(" [filter]", stdout);
	if (record->kind == UMOD_NEED_AUXILIARY)
		fputs(" [auxiliary]", stdout);
	if (!record->path) {
		puts(" => not there, not needed");
		return;
	}
	if (strcmp(record->path, record->name) != 0) {
		fputs(" => ", stdout);
		tool_print(stdout, record->path);
	}
	tool_colour(TOOL_DIM);
	printf(" (%s)", node->how);
	if (node->drawn && node->count)
		fputs(" [above]", stdout);
	tool_colour(TOOL_PLAIN);
	putchar('\n');
}

static void draw(struct records *all)
{
	/* A file's subtree is drawn once: no path is longer than there are records. */
	struct place *stack = tool_realloc(NULL, all->count + 1, sizeof(*stack));
	size_t depth = 0, current = 0;

	while (!tool_output_failed()) {
		struct record *record = &all->items[current];
		struct record *node = &all->items[record->node];
		draw_branches(all, stack, depth);
		draw_record(record, node);
		if (!node->drawn && node->count) {
			stack[depth++] = (struct place){ current, 0 };
			node->drawn = true;
		}
		while (depth) {
			struct place *place = &stack[depth - 1];
			const struct record *top =
				&all->items[all->items[place->record].node];
			if (place->next < top->count) {
				current = top->first + place->next++;
				break;
			}
			depth--;
		}
		if (!depth)
			break;
	}
	free(stack);
}

/* ---- lists ---- */

static void list_paths(const struct records *all)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i].path && all->items[i].node == i) {
			tool_print(stdout, all->items[i].path);
			putchar('\n');
		}
	}
}

static const char *kind_name(enum umod_need_kind kind)
{
	return kind == UMOD_NEED_FILTER      ? "filter"
	       : kind == UMOD_NEED_AUXILIARY ? "auxiliary"
					     : "needed";
}

static void json_need(const struct record *record)
{
	json_open(NULL, '{');
	json_string("name", record->name);
	json_string("kind", kind_name(record->kind));
	json_string("path", record->path);
	json_string("missing", record->path ? NULL : record->how);
	json_close('}');
}

static void json_tree(const struct records *all, size_t missing)
{
	json_open(NULL, '{');
	json_string("path", all->items[0].path);
	json_number("missing", missing);
	json_open("files", '[');
	for (size_t i = 0; i < all->count; i++) {
		const struct record *node = &all->items[i];
		if (!node->path || node->node != i)
			continue;
		json_open(NULL, '{');
		json_string("name", node->name);
		json_string("path", node->path);
		json_string("how", node->how);
		json_number("depth", node->depth);
		json_open("needs", '[');
		for (size_t k = 0; k < node->count; k++)
			json_need(&all->items[node->first + k]);
		json_close(']');
		json_close('}');
	}
	json_close(']');
	json_close('}');
}

/* ---- the command ---- */

static int failed(const struct umod_error *error, bool json)
{
	char text[UMOD_ERROR_SUBJECT_BYTES + UMOD_ERROR_MESSAGE_BYTES + 32];

	umod_error_format(error, text, sizeof(text));
	tool_error("%s", text);
	if (json) {
		json_open(NULL, '{');
		tool_json_error("error", error);
		json_close('}');
	}
	return TOOL_FAILED;
}

static int show(const char *path, bool json, bool paths)
{
	struct records all = { 0 };
	struct umod_context *context;
	struct umod_error error;
	size_t missing = 0;
	int result = umod_context_new(NULL, &context, &error);

	if (result)
		return failed(&error, json);
	result = umod_image_tree(context, path, collect, &all, &error);
	umod_context_unref(context);
	if (result) {
		records_free(&all);
		return failed(&error, json);
	}
	arrange(&all);
	for (size_t i = 0; i < all.count; i++)
		missing += is_missing(&all.items[i]);
	if (json)
		json_tree(&all, missing);
	else if (paths)
		list_paths(&all);
	else
		draw(&all);
	/* The drawing shows them. */
	for (size_t i = 0; paths && !json && i < all.count; i++) {
		if (is_missing(&all.items[i]))
			tool_error(
				"%s is missing: %s", all.items[i].name, all.items[i].how);
	}
	records_free(&all);
	return missing ? TOOL_FAILED : TOOL_OK;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		{ "paths", no_argument, NULL, 'p' }, TOOL_COMMON_OPTIONS };
	bool json = false, paths = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return tool_help(tool_current);
		if (option == 'j')
			json = true;
		else if (option == 'p')
			paths = true;
		else
			return tool_usage(NULL);
	}
	if (argc - optind != 1)
		return tool_usage(
			optind == argc ? "a file is missing" : "it takes one file");
	char *path = tool_file_path(argv[optind]);
	int status = show(path, json, paths);
	free(path);
	return status;
}

const struct tool_command tool_tree = {
	.name = "tree",
	.summary = "Draw what a file needs and where that is found",
	.usage = "[--json | --paths] FILE",
	.help = "Nothing of the file is run. A name without a slash that is no file here "
		"is\n"
		"searched for as a library. In brackets: how it was found (runpath, "
		"cache,\n"
		"default, ...; host: umod's own process has it loaded). [above]: its "
		"needs\n"
		"were drawn before. Exit status 1: something is missing.\n\n"
		"  --paths  List the files, each once, in the order of a load\n"
		"  --json   Print JSON\n"
		"  --help   This text\n",
	.run = run,
};
