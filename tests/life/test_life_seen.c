/* SPDX-License-Identifier: MIT */
/* What umod tells of modules: symbols, statistics and files, as the
 * kernel has them. */
#include "life_test.h"

#include <inttypes.h>
#include <stdlib.h>

static char *text_of(enum umod_text which)
{
	char *text = NULL;
	CHECK_INT(umod_text(host.space, which, &text, &host.error), 0);
	return text;
}

/* ---- symbols ---- */

static uintptr_t address_of(const char *module, const char *name)
{
	struct umod_module *found = umod_module_find(host.space, module);
	void *address = NULL;
	CHECK_INT(umod_module_symbol(found, name, NULL, &address, NULL), 0);
	umod_module_put(found);
	return (uintptr_t)address;
}

/* Each module's lines are in the order of addresses. */
static void check_order(const char *text)
{
	uintptr_t before = 0;
	char module[80] = "", of[80], rest[400];
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		uintptr_t address;
		of[0] = 0;
		if (!CHECK(sscanf(line, "%" SCNxPTR " %399[^\t\n]\t[%79[^]]", &address,
				   rest, of) >= 2))
			return;
		CHECK(strcmp(of, module) || address >= before);
		strcpy(module, of);
		before = address;
	}
}

static void check_symbols(const char *fat, const char *hidden)
{
	char line[200];
	life_begin();
	CHECK_INT(life_insert_file(fat), 0);
	CHECK_INT(life_insert_file("tuned.o"), 0);
	char *text = text_of(UMOD_TEXT_KALLSYMS);
	snprintf(line, sizeof(line), "\n%016" PRIxPTR " T fat_count\t[fat]\n",
		address_of("fat", "fat_count"));
	CHECK_HAS(text, line);
	CHECK_HAS(text, hidden);
	CHECK_HAS(text, " d level\t[tuned]\n");
	CHECK_HAS(text, " b numbers\t[tuned]\n");
	CHECK_HAS(text, " T get_level\t[tuned]\n");
	CHECK_HAS(text, " T host_note\n");
	CHECK(!strstr(text, " start\t[fat]\n")); /* of init, which is gone */
	CHECK_HAS(text, " t end\t[tuned]\n");
	check_order(text);
	free(text);
	text = text_of(UMOD_TEXT_KSYMS);
	snprintf(line, sizeof(line), "\n%08" PRIxPTR " fat_count\t[fat]\n",
		address_of("fat", "fat_count"));
	CHECK_HAS(text, line);
	CHECK(!strstr(text, "fat_hidden"));
	CHECK_HAS(text, " host_note\n");
	check_order(text);
	free(text);
	CHECK_INT(life_remove_name("tuned", 0), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	text = text_of(UMOD_TEXT_KSYMS);
	CHECK(!strstr(text, "["));
	free(text);
	life_close();
}

TEST(symbols)
{
	check_symbols("fat.o", " t fat_hidden\t[fat]\n");
}

TEST(symbols_of_a_shared_object)
{
	check_symbols("fat.so", " T fat_stay\t[fat]\n");
}

/* ---- statistics ---- */

/* Of the line "   NAME\tVALUE". */
static uint64_t number(const char *text, const char *name)
{
	char line[64];
	snprintf(line, sizeof(line), "%25s\t", name);
	const char *at = strstr(text, line);
	CHECK(at == text || (at && at[-1] == '\n'));
	return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}

static void check_failures(uint64_t read, uint64_t becoming, uint64_t load)
{
	char *text = text_of(UMOD_TEXT_STATS);
	CHECK_INT(number(text, "Mods failed on kread"), read);
	CHECK_INT(number(text, "Mods failed on decompress"), 0);
	CHECK_INT(number(text, "Mods failed on becoming"), becoming);
	CHECK_INT(number(text, "Mods failed on load"), load);
	CHECK_INT(number(text, "Failed kread bytes"), 0);
	CHECK(!number(text, "Failed becoming bytes") == !becoming);
	CHECK(!number(text, "Failed kmod bytes") == !load);
	CHECK_INT(number(text, "Virtual mem wasted bytes"),
		number(text, "Failed becoming bytes") +
			number(text, "Failed kmod bytes"));
	if (load)
		CHECK(number(text, "Average fail load bytes") >=
			number(text, "Failed kmod bytes") / load);
	free(text);
}

TEST(statistics)
{
	life_begin();
	check_failures(0, 0, 0);
	char *text = text_of(UMOD_TEXT_STATS);
	CHECK(strncmp(text, "         Mods ever loaded\t0\n", 28) == 0);
	CHECK(!strstr(text, "Average mod size") && !strstr(text, "Duplicate"));
	free(text);
	CHECK_INT(life_insert_file("fat.o"), 0);
	CHECK_INT(life_insert_file("vfat.so"), 0);
	CHECK_INT(life_insert_file("nothing.o"), -ENOENT);
	CHECK_INT(life_insert_file("fat.o"), -EEXIST);
	CHECK_INT(life_insert_file("fat-again.so"), -EEXIST);
	CHECK_INT(life_insert_file("vfat.o"), -EEXIST);
	check_failures(1, 3, 0);
	CHECK_INT(life_insert_file("failing.o"), -EBUSY); /* by its init */
	CHECK_INT(life_insert_file("secret.o"), -ENOENT); /* unknown symbol */
	check_failures(1, 3, 2);
	text = text_of(UMOD_TEXT_STATS);
	CHECK_INT(number(text, "Mods ever loaded"), 2);
	CHECK(number(text, "Total mod text size") > 0);
	CHECK(number(text, "Total module size") > number(text, "Total mod text size"));
	CHECK_INT(number(text, "Average mod size"),
		(number(text, "Total module size") + 1) / 2);
	CHECK_HAS(text, "\nDuplicate failed modules:\n              Module-name\t "
			"How-many-times\t                   Reason\n"
			"                     vfat\t              1\t"
			"                 Becoming\n"
			"                      fat\t              2\t"
			"                 Becoming\n");
	free(text);
	CHECK_INT(life_remove_name("vfat", 0), 0);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}

TEST(tainted_ones_that_went)
{
	life_begin();
	CHECK_INT(life_insert_file("fat.o"), 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_INT(life_insert_file("staying.o"), 0);
		CHECK_INT(life_remove_name("staying", UMOD_REMOVE_FORCE), 0);
	}
	CHECK_INT(life_insert_file("free.o"), 0);
	CHECK_INT(life_remove_name("free_one", 0), 0);
	char *text = text_of(UMOD_TEXT_UNLOADED_TAINTED);
	CHECK_STR(text, "staying (R) 3\n");
	free(text);
	CHECK_INT(life_remove_name("fat", 0), 0);
	life_close();
}

/* ---- the tree ---- */

static int file(const char *path, const char *expected)
{
	char *text = NULL;
	int result = umod_module_file(host.space, path, &text, &host.error);
	if (result >= 0) {
		CHECK_INT(strlen(text), result);
		CHECK_STR(text, expected ? expected : "");
	} else {
		CHECK(!text && host.error.message[0] && host.error.code == result);
	}
	free(text);
	return result;
}

static void check_bad_paths(void)
{
	static const char *const bad[] = { "/", "/fat", "fat//refcnt", ".", "..",
		"fat/..", "fat/./refcnt", "fat/holders/..", "//" };
	static const char *const missing[] = { "nosuch", "fat/nosuch", "fat/refcnt/",
		"fat/refcnt/x", "fat/sections/.nosuch", "fat/sections/.text/",
		"fat/version", "fat/parameters", "fat/parameters/x", "fat/holders/fat",
		"fat/holders/tuned", "vfat/holders/fat", "fat/notes/.text",
		"tuned/parameters/nosuch", "tuned/parameters/level/" };
	char name[400];
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!CHECK_INT(file(bad[i], NULL), -EINVAL))
			printf("# %s\n", bad[i]);
	for (unsigned i = 0; i < sizeof(missing) / sizeof(*missing); i++)
		if (!CHECK_INT(file(missing[i], NULL), -ENOENT))
			printf("# %s\n", missing[i]);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	CHECK_INT(file(name, NULL), -EINVAL);
	name[200] = 0;
	CHECK_INT(file(name, NULL), -ENOENT);
}

TEST(tree)
{
	char text[200];
	life_begin();
	CHECK_INT(file("", ""), 0);
	CHECK_INT(life_insert_file("fat.o"), 0);
	CHECK_INT(life_insert_file("vfat.so"), 0);
	CHECK_INT(life_insert_file("tuned.o"), 0);
	CHECK(file("", "tuned/\nvfat/\nfat/\n") > 0);
	CHECK(file("fat", "holders/\nsections/\ncoresize\ninitsize\ninitstate\nrefcnt\n"
			  "taint\n") > 0);
	CHECK(file("tuned/", "holders/\nparameters/\nsections/\ncoresize\ninitsize\n"
			     "initstate\nrefcnt\ntaint\n") > 0);
	file("fat/refcnt", "1\n");
	file("vfat/refcnt", "0\n");
	file("fat/initstate", "live\n");
	file("fat/initsize", "0\n");
	file("fat/taint", "\n");
	file("fat/holders", "vfat/\n");
	file("vfat/holders/", "");
	file("fat/holders/vfat/refcnt", "0\n");
	file("tuned/parameters", "level\nnumbers\nword\n");
	file("tuned/parameters/level", "3\n");
	file("tuned/parameters/word", "none\n");
	file("tuned/parameters/numbers", "\n");
	check_bad_paths();
	uintptr_t address = address_of("fat", "fat_count");
	char *start = NULL;
	CHECK(umod_module_file(host.space, "fat/sections/.text", &start, NULL) == 19);
	CHECK(start && strtoull(start, NULL, 16) <= address &&
		strtoull(start, NULL, 16) + 4096 > address);
	free(start);
	CHECK(umod_module_file(host.space, "vfat/sections", &start, NULL) > 0);
	CHECK_HAS(start, ".dynamic\n");
	free(start);
	file("vfat/notes", ".note.gnu.build-id\n");
	CHECK_INT(umod_module_file(
			  host.space, "vfat/notes/.note.gnu.build-id", &start, NULL),
		16 + 20);
	CHECK(start && memcmp(start + 8, "\3\0\0\0GNU", 8) == 0);
	free(start);
	char *module = text_of(UMOD_TEXT_MODULES);
	snprintf(text, sizeof(text), "%s\n",
		strtok(strstr(module, "\nfat ") + strlen("\nfat "), " "));
	file("fat/coresize", text);
	free(module);
	const char *const names[] = { "tuned", "vfat", "fat" };
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(life_remove_name(names[i], 0), 0);
	CHECK_INT(file("", ""), 0);
	life_close();
}

static char *while_coming;
static int look(struct umod_module *module, enum umod_event event, void *data)
{
	if (module && !data && event == UMOD_EVENT_COMING) {
		file("tuned/initstate", "coming\n");
		CHECK_INT(file("tuned/parameters/level", NULL), -EBUSY);
		CHECK(umod_module_file(
			      host.space, "tuned/initsize", &while_coming, NULL) > 0);
		CHECK(strtoul(while_coming, NULL, 10) >= 4096);
		free(while_coming);
		CHECK(umod_module_file(
			      host.space, "tuned/sections", &while_coming, NULL) > 0);
		CHECK_HAS(while_coming, ".init.text\n");
		free(while_coming);
	}
	return 0;
}

TEST(tree_of_what_comes)
{
	struct umod_listener *listener = NULL;
	life_begin();
	CHECK_INT(umod_listener_add(host.space, look, NULL, &listener), 0);
	CHECK_INT(life_insert_file("tuned.o"), 0);
	CHECK_INT(file("tuned/sections/.init.text", NULL), -ENOENT);
	umod_listener_remove(listener);
	CHECK_INT(life_remove_name("tuned", 0), 0);
	life_close();
}

/* ---- JSON: host.py reads it ---- */

TEST(json_of_what_comes_and_goes)
{
	life_begin();
	CHECK_INT(life_insert_file("tuned.so"), 0);
	char *text = text_of(UMOD_TEXT_JSON);
	CHECK_HAS(text, "\"name\":\"tuned\"");
	CHECK_HAS(text, "\"uses\":0,");
	free(text);
	text = text_of(UMOD_TEXT_JSON); /* what was held for its parameters is not */
	CHECK_HAS(text, "\"uses\":0,");
	free(text);
	CHECK_INT(life_remove_name("tuned", 0), 0);
	life_close();
}

TEST(no_such_text)
{
	char *text;
	life_begin();
	CHECK_INT(umod_text(host.space, UMOD_TEXT_COUNT, &text, &host.error), -EINVAL);
	CHECK_HAS(host.error.message, "there is no text number");
	life_close();
}
