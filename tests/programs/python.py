# SPDX-License-Identifier: MIT
"""Python under the drop-in library: python.py LIBRARY imports | use | suite NAME [FETCH
FOLDER], with scripts/debian-source for a suite that Debian does not package."""
import json
import pathlib
import subprocess
import sys
import tempfile

from common import HERE, Harness, differences, environment, need_installed, trace_faults

PYTHON = '/usr/bin/python3.11'
DYNLOAD = pathlib.Path('/usr/lib/python3.11/lib-dynload')
PACKAGES = pathlib.Path('/usr/lib/python3/dist-packages')
TAG = '.cpython-311-x86_64-linux-gnu.so'


def modules_below(folder, top):
    """File -> name of each extension module in a folder, counted from @top."""
    found = {}
    for path in sorted(folder.rglob('*.so')):
        name = path.relative_to(top).as_posix()
        for end in (TAG, '.abi3.so', '.so'):
            if name.endswith(end):
                name = name[:-len(end)]
                break
        found[str(path)] = name.replace('/', '.')
    return found


def groups():
    yield 'standard library', 40, modules_below(DYNLOAD, DYNLOAD)
    for name, least in (('numpy', 15), ('lxml', 5), ('PIL', 5), ('cryptography', 2)):
        yield name, least, modules_below(PACKAGES / name, PACKAGES)


def imports(harness):
    """Each extension module in a process of its own; then all of them in one."""
    run = [PYTHON, '-S', HERE / 'python_imports.py']
    env = environment(PYTHONPATH=PACKAGES)
    everything = {}
    for name, least, modules in groups():
        harness.ok(len(modules) >= least, f'{name}: {len(modules)} extension modules are '
                   'installed')
        everything.update(modules)
        why, refused = [], 0
        for path, module in modules.items():
            plain, umod = harness.runs([*run, module], env)
            # A module of a test that the reference cannot import either stays equal.
            bad = differences(plain, umod, str) + trace_faults(umod.trace, [path])
            refused += f'{module} fails:' in plain.out
            why += [f'{module}: {line}' for line in bad]
        harness.ok(not why, f'{name}: each imported in a fresh process', *why)
        harness.ok(refused == 0, f'{name}: none fails in both')
    harness.compare('all in one process', [*run, *everything.values()], env=env,
                    expect=everything)


def run_suite(harness, name, sources):
    """The Done of both runs, and what each told of its tests."""
    with tempfile.TemporaryDirectory(prefix='umod-python-') as folder:
        plain, umod = harness.runs(
            lambda which: [PYTHON, '-u', HERE / 'python_suite.py', f'{folder}/{which}',
                           f'{sources}/Lib/test', f'test.{name}'],
            environment(TMPDIR=folder, HOME=folder), cwd=folder,
            together=name == 'test_ssl', timeout_s=400) # which mostly waits
        outcomes = []
        for which, done in (('plain', plain), ('umod', umod)):
            try:
                with open(f'{folder}/{which}', encoding='utf-8') as file:
                    outcomes.append(json.load(file))
            except (OSError, ValueError) as error:
                harness.ok(False, f'{name} {which} has results', error,
                           f'exit code {done.code}', done.out[-2000:], done.err[-3000:])
                harness.done()
    return plain, umod, *outcomes


def suite(harness, name, *fetch):
    """CPython's own tests: the same outcome of each test, and as many run."""
    sources = ''
    if fetch:
        sources = subprocess.run([*fetch, 'python3.11', f'*/Lib/test/{name}'], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout.strip()
    for _ in range(2):
        plain, umod, one, other = run_suite(harness, name, sources)
        why = [f'{key}: {one["outcomes"].get(key)}, under umod {other["outcomes"].get(key)}'
               for key in sorted({*one['outcomes'], *other['outcomes']})
               if one['outcomes'].get(key) != other['outcomes'].get(key)]
        if not why:
            break
        # Some of them depend on timing, without umod too: what differs must do so twice.
        print('# differed, once more:', *why, sep='\n# ', flush=True)
    harness.ok(one['run'] == other['run'] > 0, f'{name}: {other["run"]} tests run',
               one['run'], other['run'])
    passed = sum(word == 'ok' for word in one['outcomes'].values())
    harness.ok(passed > one['run'] / 2, f'{name}: {passed} pass without umod',
               plain.err[-3000:])
    harness.ok(not why, f'{name}: the same outcome of each test', *why,
               umod.err[-3000:])
    why = trace_faults(umod.trace)
    harness.ok(not why, f'{name}: {len(umod.trace.files())} files opened by umod', *why)


def main():
    harness = Harness(sys.argv[1])
    need_installed(PYTHON, '/usr/lib/python3.11/test/test_ssl.py',
                   *(PACKAGES / p for p in ('numpy', 'lxml', 'PIL', 'cryptography')))
    if sys.argv[2] == 'imports':
        imports(harness)
    elif sys.argv[2] == 'use':
        harness.compare('libraries in use', [PYTHON, HERE / 'python_use.py'], least=40)
    else:
        suite(harness, *sys.argv[3:])
    harness.done()


main()
