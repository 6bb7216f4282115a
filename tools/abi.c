/* SPDX-License-Identifier: MIT */
/*
 * umod abi: versions of exported symbols, which are CRCs of their types as debug
 * information has them. Shows, compares and stores them; what computes them stands in
 * the files beside this one.
 */
#include "abi.h"

#include <errno.h>
#include <stdlib.h>

enum {
	OPTION_ALL = 256,
	OPTION_DIFF,
	OPTION_DUMP,
	OPTION_EXPORTS,
	OPTION_JSON,
	OPTION_SYMBOL,
	OPTION_SYMVERS,
	OPTION_WITH,
	OPTION_WRITE
};

static const struct option long_options[] = {
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "diff", no_argument, NULL, OPTION_DIFF },
	{ "dump", no_argument, NULL, OPTION_DUMP },
	{ "exports", required_argument, NULL, OPTION_EXPORTS },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "symbol", required_argument, NULL, OPTION_SYMBOL },
	{ "symvers", required_argument, NULL, OPTION_SYMVERS },
	{ "with", required_argument, NULL, OPTION_WITH },
	{ "write", no_argument, NULL, OPTION_WRITE },
	TOOL_COMMON_OPTIONS,
};

struct request {
	struct abi_choice choice;
	bool diff, dump, json, write;
	const char *symvers_path;
	FILE *symvers;
	struct tool_files with;
	struct abi_table providers; /* versions of imports */
	bool failed;
};

/* Exports of which debug information tells nothing. */
static void tell_unknown(
	struct request *r, const char *path, const struct abi_table *table)
{
	for (unsigned i = 0; i < table->count; i++) {
		if (table->exports[i].known)
			continue;
		tool_error("%s: %s: debug information tells nothing of it", path,
			table->exports[i].name);
		r->failed = true;
	}
}

static bool read_file(struct request *r, struct abi_file *file, bool want_types,
	struct abi_table *table)
{
	if (!abi_file_exports(file, &r->choice, table))
		return false;
	if (table->count && !abi_read(file, table, want_types))
		return false;
	tell_unknown(r, file->path, table);
	return true;
}

/* Versions of what a file of any kind exports: text, stored, or to be computed. */
static bool read_any(
	struct request *r, const char *path, bool stored, struct abi_table *table)
{
	struct abi_file file = { 0 };

	*table = (struct abi_table){ 0 };
	if (!abi_file_is_elf(path))
		return abi_symvers_read(path, table);
	bool good = abi_file_open(&file, path);
	if (good && stored)
		good = abi_file_stored(&file, table);
	if (good && !table->count)
		good = read_file(r, &file, !stored, table);
	abi_file_close(&file);
	return good;
}

static bool read_providers(struct request *r)
{
	for (size_t i = 0; i < r->with.count; i++) {
		struct abi_table table;
		bool good = read_any(r, r->with.names[i], true, &table);
		for (unsigned k = 0; good && k < table.count; k++) {
			const struct abi_export *from = &table.exports[k];
			struct abi_export *to = abi_table_add(&r->providers, from->name);
			if (to->known || !from->known)
				continue;
			to->known = true;
			to->crc = from->crc;
			if (from->declaration)
				to->declaration = tool_strdup(from->declaration);
		}
		abi_table_free(&table);
		if (!good)
			return false;
	}
	return true;
}

static bool store(
	struct request *r, struct abi_file *file, const struct abi_table *exports)
{
	struct abi_table imports = { 0 };
	struct tool_files names = { 0 };
	bool good = true;

	if (r->with.count)
		good = abi_file_imports(file, &names);
	for (size_t i = 0; i < names.count; i++) {
		const struct abi_export *from =
			abi_table_find(&r->providers, names.names[i]);
		if (!from || !from->known)
			continue;
		struct abi_export *to = abi_table_add(&imports, names.names[i]);
		to->known = true;
		to->crc = from->crc;
		if (from->declaration && !to->declaration)
			to->declaration = tool_strdup(from->declaration);
	}
	if (good)
		good = abi_write(file, exports, r->with.count ? &imports : NULL);
	abi_table_free(&imports);
	tool_files_free(&names);
	return good;
}

static bool run_file(struct request *r, const char *path, bool many)
{
	struct abi_table table = { 0 };
	struct abi_file file = { 0 };
	bool quiet = r->write || r->symvers;
	bool good = abi_file_open(&file, path) && read_file(r, &file, r->dump, &table);

	if (good && r->symvers)
		abi_symvers_print(r->symvers, &table, file.module);
	if (good && r->write)
		good = store(r, &file, &table);
	if (good && r->json) {
		abi_print_json(&file, &table);
	} else if (good && (!quiet || r->dump)) {
		if (many) {
			tool_print(stdout, path);
			puts(":");
		}
		if (r->dump)
			abi_print_dump(&table);
		else
			abi_print_list(&table);
	}
	abi_table_free(&table);
	abi_file_close(&file);
	return good;
}

static int run_diff(struct request *r, char **names)
{
	struct abi_table old = { 0 }, new = { 0 };
	int status = TOOL_FAILED;

	if (!names[0] || !names[1] || names[2])
		return tool_usage("--diff goes with two files");
	if (read_any(r, names[0], false, &old) && read_any(r, names[1], false, &new)) {
		unsigned count = r->json ? abi_print_diff_json(&old, &new)
					 : abi_print_diff(&old, &new);
		status = count || r->failed ? TOOL_FAILED : TOOL_OK;
	}
	abi_table_free(&old);
	abi_table_free(&new);
	return status;
}

static int run_request(struct request *r, char **names)
{
	int status = TOOL_OK;
	bool many = names[0] && names[1];

	if (!names[0])
		return tool_usage("a file is missing");
	if (r->with.count && !r->write)
		return tool_usage("--with goes with --write");
	if (r->write && r->choice.wanted.count)
		return tool_usage("--symbol does not go with --write");
	if (r->diff)
		return r->write || r->symvers_path || r->dump
			       ? tool_usage("--diff goes alone")
			       : run_diff(r, names);
	if (!read_providers(r))
		return TOOL_FAILED;
	if (r->symvers_path) {
		r->symvers = strcmp(r->symvers_path, "-") == 0
				     ? stdout
				     : fopen(r->symvers_path, "we");
		if (!r->symvers) {
			tool_error("%s: %s", r->symvers_path, strerror(errno));
			return TOOL_FAILED;
		}
	}
	for (; *names; names++) {
		if (!run_file(r, *names, many))
			status = TOOL_FAILED;
	}
	if (r->symvers && r->symvers != stdout && fclose(r->symvers) != 0) {
		tool_error("%s: %s", r->symvers_path, strerror(errno));
		status = TOOL_FAILED;
	}
	return r->failed ? TOOL_FAILED : status;
}

static int take_option(struct request *r, int option)
{
	switch (option) {
	case 'h':
		return tool_help(tool_current);
	case OPTION_ALL:
		r->choice.all = true;
		break;
	case OPTION_DIFF:
		r->diff = true;
		break;
	case OPTION_DUMP:
		r->dump = true;
		break;
	case OPTION_EXPORTS:
		r->choice.list = optarg;
		break;
	case OPTION_JSON:
		r->json = true;
		break;
	case OPTION_SYMBOL:
		tool_files_add(&r->choice.wanted, optarg);
		break;
	case OPTION_SYMVERS:
		r->symvers_path = optarg;
		break;
	case OPTION_WITH:
		tool_files_add(&r->with, optarg);
		break;
	case OPTION_WRITE:
		r->write = true;
		break;
	default:
		return tool_usage(NULL);
	}
	return -1;
}

static int run(int argc, char **argv)
{
	struct request r = { 0 };
	int option, status = -1;

	while (status < 0 &&
		(option = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		status = take_option(&r, option);
	if (status < 0)
		status = run_request(&r, argv + optind);
	tool_files_free(&r.choice.wanted);
	tool_files_free(&r.with);
	abi_table_free(&r.providers);
	return status;
}

const struct tool_command tool_abi = {
	.name = "abi",
	.summary = "Compute and store versions of exported symbols",
	.usage = "[OPTION]... FILE...\n       umod abi --diff OLD NEW",
	.help = "  --all            All global symbols, not those that are exported\n"
		"  --diff           Tell which symbols of OLD have changed in NEW\n"
		"  --dump           Show the types that each CRC is made of\n"
		"  --exports=LIST   The symbols named in LIST, a line each\n"
		"  --json           Print JSON\n"
		"  --symbol=NAME    This symbol alone; may be repeated\n"
		"  --symvers=FILE   Write a Module.symvers; - for standard output\n"
		"  --with=FILE      With --write: imports have FILE's versions, which is "
		"a\n"
		"                   Module.symvers or an object; may be repeated\n"
		"  --write          Store the versions in each FILE\n"
		"  --help           This text\n",
	.run = run,
};
