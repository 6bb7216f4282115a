# SPDX-License-Identifier: MIT
"""
What the embedded interpreters of test_python.c run. Each thread defines job and calls it;
job keeps to its own variables.
"""
import _ctypes, bz2, ctypes, decimal, hashlib, json, lzma, sqlite3, sys, zlib
import datetime, multiprocessing.shared_memory, unicodedata


def job():
    extensions = [_ctypes] + [sys.modules[m] for m in ("_decimal", "_hashlib", "_sqlite3", "_bz2")]
    files = [e.__file__ for e in extensions]
    assert all(f.endswith(".so") for f in files), files

    with decimal.localcontext() as context:
        context.prec = 30
        third = str(decimal.Decimal(1) / 3)
    assert third == "0." + "3" * 30, third
    digest = hashlib.sha256(b"abc").hexdigest()
    assert digest.startswith("ba7816bf8f01cfea"), digest
    text = b"umod " * 1000
    for packer in (zlib, bz2, lzma):
        assert packer.decompress(packer.compress(text)) == text

    database = sqlite3.connect(":memory:")
    database.execute("create table t(a)")
    database.executemany("insert into t values(?)", [(i,) for i in range(101)])
    total = database.execute("select sum(a) from t").fetchone()[0]
    assert total == 5050, total

    # Through dlopen(NULL), dlopen and dlsym; and back into Python from libc's qsort.
    assert ctypes.CDLL(None).strlen(b"ctypes") == 6
    pointer = ctypes.POINTER(ctypes.c_int)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer)
    numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
    ctypes.CDLL("libc.so.6").qsort(numbers, 5, 4, compare(lambda a, b: a[0] - b[0]))
    assert list(numbers) == [1, 2, 3, 4, 5]
    try:
        ctypes.CDLL("libno-such-library.so.7")
        raise AssertionError("a library that is not there was loaded")
    except OSError as error:
        assert "libno-such-library.so.7" in str(error), error
    return json.loads(json.dumps({"answer": total}))["answer"]
