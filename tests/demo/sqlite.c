/* SPDX-License-Identifier: MIT */
/*
 * The demo's last part: the distribution's libsqlite3 in two namespaces, each answering
 * SQL on an in-memory database of its own. The prototypes are SQLite's documented ones;
 * no header of it is needed.
 */
#include "demo.h"

#include <stdio.h>
#include <string.h>

struct sqlite {
	struct umod_namespace *space;
	struct umod_module *module;
	void *database;
	int (*open)(const char *name, void **database);
	int (*exec)(void *database, const char *sql,
		int (*row)(void *, int, char **, char **), void *data, char **message);
	int (*close)(void *database);
	const char *(*libversion)(void);
	long long (*memory_used)(void);
	char **temp_directory; /* a mutable global of the library */
};

static void get(struct sqlite *lite, const char *name, void *function)
{
	void *address = demo_symbol(lite->module, name);

	memcpy(function, &address, sizeof(address));
}

static void lite_open(struct umod_context *context, struct sqlite *lite)
{
	demo_load(context, "libsqlite3.so.0", &lite->space, &lite->module);
	get(lite, "sqlite3_open", &lite->open);
	get(lite, "sqlite3_exec", &lite->exec);
	get(lite, "sqlite3_close", &lite->close);
	get(lite, "sqlite3_libversion", &lite->libversion);
	get(lite, "sqlite3_memory_used", &lite->memory_used);
	lite->temp_directory = demo_symbol(lite->module, "sqlite3_temp_directory");
	if (lite->open(":memory:", &lite->database) != 0)
		demo_fail("sqlite3_open failed");
}

static int keep_row(void *data, int columns, char **values, char **names)
{
	char *text = data;

	for (int i = 0; i < columns; i++) {
		if (text[0])
			strncat(text, ", ", 127 - strlen(text));
		strncat(text, values[i] ? values[i] : "NULL", 127 - strlen(text));
	}
	return 0;
}

/* Runs @sql; its rows must be @should. */
static void query(
	struct sqlite *lite, const char *name, const char *sql, const char *should)
{
	char text[128] = "", *message = NULL;

	if (lite->exec(lite->database, sql, keep_row, text, &message) != 0)
		demo_fail("%s: %s: %s", name, sql, message ? message : "failed");
	if (!should)
		return;
	printf("sqlite %s: %s -> %s\n", name, sql, text);
	if (strcmp(text, should) != 0)
		demo_fail("%s: %s gave %s, not %s", name, sql, text, should);
}

void demo_sqlite(struct umod_context *context)
{
	struct sqlite a = { 0 }, b = { 0 };
	long long used;

	lite_open(context, &a);
	lite_open(context, &b);
	if (a.open == b.open || a.temp_directory == b.temp_directory)
		demo_fail("both namespaces have the same libsqlite3");
	printf("libsqlite3 (version %s) is loaded in two namespaces\n", a.libversion());

	query(&a, "A", "CREATE TABLE planet(name, moons)", NULL);
	query(&b, "B", "CREATE TABLE planet(name, moons)", NULL);
	query(&a, "A", "INSERT INTO planet VALUES('Earth', 1), ('Mars', 2)", NULL);
	query(&b, "B", "INSERT INTO planet VALUES('Jupiter', 95)", NULL);
	query(&a, "A", "SELECT name, moons FROM planet ORDER BY name",
		"Earth, 1, Mars, 2");
	query(&b, "B", "SELECT name, moons FROM planet ORDER BY name", "Jupiter, 95");
	query(&a, "A", "SELECT count(*), sum(moons) FROM planet", "2, 3");
	query(&b, "B", "SELECT count(*), sum(moons) FROM planet", "1, 95");

	/* Each copy counts its own memory: what one takes, the other does not see. */
	used = b.memory_used();
	query(&a, "A", "CREATE TABLE big AS SELECT zeroblob(1000000) AS bytes", NULL);
	if (b.memory_used() != used || a.memory_used() < used + 1000000)
		demo_fail("the copies share their memory counters");
	printf("a blob of 1000000 bytes in A left B's memory counter as it was\n");

	if (a.close(a.database) != 0 || b.close(b.database) != 0)
		demo_fail("sqlite3_close failed");
	demo_unload(a.space, a.module);
	demo_unload(b.space, b.module);
}
