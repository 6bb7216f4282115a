# SPDX-License-Identifier: MIT
"""Each optional feature left out of a build: all the rest is there, the pipeline is the
same, and what is asked of it is answered: features.py SOURCE"""
import gzip
import json
import lzma
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1])
OPTIONS = {'gzip': 'unpack-gzip', 'xz': 'unpack-xz', 'zstd': 'unpack-zstd',
           'signatures': 'signatures', 'abi': 'abi'}
LIBRARY = pathlib.Path('/lib/x86_64-linux-gnu/libz.so.1').resolve()
count = failed = 0


def ok(good, text, *why):
    global count, failed
    count += 1
    failed += not good
    print('ok' if good else 'not ok', count, '-', text, flush=True)
    for line in '\n'.join(map(str, why)).splitlines() if not good else ():
        print('#', line)
    return good


def run(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL, timeout=300)
    return done.returncode, done.stdout + done.stderr


def build(folder, off):
    given = [f'-D{name}={"disabled" if name in off else "enabled"}' for name in OPTIONS]
    code, text = run('meson', 'setup', '--buildtype=plain', '-Dtests=false', '-Dwerror=true',
                     *given, folder, SOURCE)
    if code == 0:
        code, text = run('ninja', '-C', folder, 'tools/umod')
    return ok(code == 0, f'builds without {" ".join(off)}', text[-2000:])


def files(folder):
    library = LIBRARY.read_bytes()
    (folder / 'lib.so.gz').write_bytes(gzip.compress(library))
    (folder / 'lib.so.xz').write_bytes(lzma.compress(library))
    run('zstd', '-q', LIBRARY, '-o', folder / 'lib.so.zst')
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', folder / 'key',
        '-out', folder / 'crt', '-subj', '/CN=features', '-days', '2')
    (folder / 'typed.c').write_text('int typed(int x) { return x; }')
    run('cc', '-g', '-c', folder / 'typed.c', '-o', folder / 'typed.o')


def answers(umod, folder, off):
    told = json.loads(run(umod, 'features', '--json')[1])['features']
    wrong = {name: told[key] for name, key in OPTIONS.items()
             if told[key] != ('no' if name in off else 'yes')}
    ok(not wrong, 'umod features says so', wrong)
    code, text = run(umod, 'check', LIBRARY)
    ok(code == 0, 'plain files load', text)
    for name, ending in ('gzip', 'gz'), ('xz', 'xz'), ('zstd', 'zst'):
        code, text = run(umod, 'check', folder / f'lib.so.{ending}')
        if name in off:
            ok(code == 1 and 'umod was built without' in text, f'{name}: refused, and why', text)
        else:
            ok(code == 0, f'{name}: loads', text)
    shutil.copy(LIBRARY, folder / 'own.so')
    code, text = run(umod, 'sign', '-k', folder / 'key', '-c', folder / 'crt', folder / 'own.so')
    if 'signatures' in off:
        ok(code == 1 and 'built without' in text, 'signing: refused, and why', code, text)
    else:
        ok(code == 0, 'signs', text)
    code, text = run(umod, 'abi', '--all', folder / 'typed.o')
    if 'abi' in off:
        ok(code == 1 and 'built without libdw' in text, 'abi: refused, and why', text)
    else:
        ok(code == 0 and 'typed' in text, 'abi: computes', text)


with tempfile.TemporaryDirectory(prefix='umod-features-') as place:
    place = pathlib.Path(place)
    files(place)
    for off in [[name] for name in OPTIONS] + [list(OPTIONS)]:
        print('# without', *off)
        if build(place / 'build', off):
            answers(place / 'build/tools/umod', place, off)
        shutil.rmtree(place / 'build', ignore_errors=True)
print(f'1..{count}')
sys.exit(failed > 0)
