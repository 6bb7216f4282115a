/* SPDX-License-Identifier: MIT */
/*
 * Two embedded interpreters: two copies of libpython3.11, each running a script that
 * imports extension modules. An extension is loaded by the interpreter's own dlopen,
 * which umod answers in the namespace that the call comes from; it takes the
 * interpreter's symbols from there, for Debian's extensions name no libpython that they
 * need.
 */
#include "use.h"

static const char script[] =
	"import sys, _ctypes, ctypes, decimal, hashlib, json, math, zlib, bz2, lzma, "
	"sqlite3\n"
	"import multiprocessing.shared_memory, array, struct, datetime, unicodedata\n"
	"loaded = [m.__file__ for m in (_ctypes, sys.modules['_decimal'],\n"
	"          sys.modules['_hashlib'], sys.modules['_sqlite3'], "
	"sys.modules['_bz2'])]\n"
	"assert all(f.endswith('.so') for f in loaded), loaded\n"
	"decimal.getcontext().prec = 30\n"
	"third = str(decimal.Decimal(1) / 3)\n"
	"assert third == '0.' + '3' * 30, third\n"
	"digest = hashlib.sha256(b'abc').hexdigest()\n"
	"assert digest.startswith('ba7816bf8f01cfea'), digest\n"
	"text = b'umod ' * 1000\n"
	"for packer in (zlib, bz2, lzma):\n"
	"    assert packer.decompress(packer.compress(text)) == text\n"
	"database = sqlite3.connect(':memory:')\n"
	"database.execute('create table t(a)')\n"
	"database.executemany('insert into t values(?)', [(i,) for i in range(101)])\n"
	"total = database.execute('select sum(a) from t').fetchone()[0]\n"
	"assert total == 5050\n"
	"strlen = ctypes.CDLL(None).strlen\n"
	"assert strlen(b'ctypes') == 6\n"
	"compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),\n"
	"                           ctypes.POINTER(ctypes.c_int))\n"
	"numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3)\n"
	"ctypes.CDLL('libc.so.6').qsort(numbers, 5, 4,\n"
	"                               compare(lambda a, b: a[0] - b[0]))\n"
	"assert list(numbers) == [1, 2, 3, 4, 5]\n"
	"try:\n"
	"    ctypes.CDLL('libno-such-library.so.7')\n"
	"    assert False\n"
	"except OSError as error:\n"
	"    assert 'libno-such-library.so.7' in str(error), error\n"
	"answer = json.loads(json.dumps({'answer': total}))['answer']\n";

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
	snprintf(text, sizeof(text), "assert sys.told == %u and answer == 5050",
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
	/* CPython never closes the extensions that it opened. */
	use_side_by_side(&(struct use_work){ .library = "libpython3.11.so.1.0",
		.begin = begin,
		.work = work,
		.end = end,
		.may_stay = true });
}
