/* SPDX-License-Identifier: MIT */
/*
 * SQL in two copies of libsqlite3: every thread has a database of its own, and each copy
 * its own globals.
 */
#include "use.h"

#define ROWS 500

static int keep_number(void *data, int columns, char **values, char **names)
{
	*(long *)data = columns == 1 && values[0] ? atol(values[0]) : -1;
	return 0;
}

static void begin(struct use_copy *copy)
{
	char **directory = use_symbol(copy, "sqlite3_temp_directory");
	static char **first;

	CHECK(*directory == NULL);
	*directory = (char *)(uintptr_t) "/"; /* the other copy must not see it */
	if (copy->index == 0)
		first = directory;
	else
		CHECK(first != directory);
}

static void work(struct use_copy *copy, unsigned thread)
{
	int (*open)(const char *, void **);
	int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *,
		char **);
	int (*close)(void *);
	void *database;
	char sql[256];
	long sum = 0, factor = (long)copy->index * 10 + thread + 1;

	USE_GET(copy, open, "sqlite3_open");
	USE_GET(copy, exec, "sqlite3_exec");
	USE_GET(copy, close, "sqlite3_close");
	REQUIRE_INT(open(":memory:", &database), 0);
	CHECK_INT(exec(database, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)", NULL,
			  NULL, NULL),
		0);
	for (int i = 1; i <= ROWS; i++) {
		snprintf(sql, sizeof(sql), "INSERT INTO t VALUES(%d, printf('%%d', %ld))",
			i, i * factor);
		if (!CHECK_INT(exec(database, sql, NULL, NULL, NULL), 0))
			break;
	}
	CHECK_INT(exec(database,
			  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n "
			  "WHERE i < 500) SELECT sum(b) FROM t JOIN n ON t.a = n.i",
			  keep_number, &sum, NULL),
		0);
	CHECK_INT(sum, factor * ROWS * (ROWS + 1) / 2);
	/* A wrong statement is an error, not an end. */
	CHECK_INT(exec(database, "SELECT nothing FROM nowhere", NULL, NULL, NULL), 1);
	CHECK_INT(close(database), 0);
}

static void end(struct use_copy *copy)
{
	char **directory = use_symbol(copy, "sqlite3_temp_directory");

	CHECK_STR(*directory, "/");
	*directory = NULL;
}

TEST(sql_in_libsqlite3)
{
	use_side_by_side(&(struct use_work){
		.library = "libsqlite3.so.0", .begin = begin, .work = work, .end = end });
}
