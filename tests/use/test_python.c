/* SPDX-License-Identifier: MIT */
/*
 * Two embedded interpreters: two copies of libpython3.11, each running a script that
 * imports extension modules. An extension is loaded by the interpreter's own dlopen,
 * which umod answers in the namespace that the call comes from; it takes the
 * interpreter's symbols from there, for Debian's extensions name no libpython that they
 * need.
 */
#include "use.h"

static char script[16384]; /* script.py */

static bool read_script(void)
{
	FILE *file = fopen(USE_SCRIPT, "re");
	size_t bytes = file ? fread(script, 1, sizeof(script) - 1, file) : 0;

	if (file)
		fclose(file);
	return CHECK(bytes > 500 && bytes < sizeof(script) - 1);
}

static void begin(struct use_copy *copy)
{
	void (*initialize)(int);
	void *(*save)(void);
	int *isolated = use_symbol(copy, "Py_IsolatedFlag");
	int *no_site = use_symbol(copy, "Py_NoSiteFlag");
	int *ignore = use_symbol(copy, "Py_IgnoreEnvironmentFlag");
	int (*run)(const char *);
	char text[64];

	USE_GET(copy, initialize, "Py_InitializeEx");
	USE_GET(copy, run, "PyRun_SimpleString");
	USE_GET(copy, save, "PyEval_SaveThread");
	*isolated = *no_site = *ignore = 1;
	initialize(0);
	/* What one interpreter is told, the other must not know. */
	CHECK_INT(run("import sys\nassert not hasattr(sys, 'told')"), 0);
	snprintf(text, sizeof(text), "sys.told = %u", copy->index + 1);
	CHECK_INT(run(text), 0);
	copy->data = save(); /* other threads may enter */
}

static void work(struct use_copy *copy, unsigned thread)
{
	int (*ensure)(void), (*run)(const char *);
	void (*release)(int);
	char text[128];
	int state;

	USE_GET(copy, ensure, "PyGILState_Ensure");
	USE_GET(copy, release, "PyGILState_Release");
	USE_GET(copy, run, "PyRun_SimpleString");
	state = ensure();
	CHECK_INT(run(script), 0);
	snprintf(text, sizeof(text), "assert sys.told == %u and job() == 5050",
		copy->index + 1);
	CHECK_INT(run(text), 0);
	release(state);
}

static void end(struct use_copy *copy)
{
	void (*restore)(void *);
	int (*finalize)(void);

	USE_GET(copy, restore, "PyEval_RestoreThread");
	USE_GET(copy, finalize, "Py_FinalizeEx");
	restore(copy->data);
	CHECK_INT(finalize(), 0);
}

TEST(a_script_in_libpython)
{
	REQUIRE(read_script());
	/* CPython never closes the extensions that it opened. */
	use_side_by_side(&(struct use_work){ .library = "libpython3.11.so.1.0",
		.begin = begin,
		.work = work,
		.end = end,
		.may_stay = true });
}
