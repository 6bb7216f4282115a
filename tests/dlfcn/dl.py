# SPDX-License-Identifier: MIT
"""What the tests of the drop-in library share: fixtures compiled into a folder of their
own, programs started under it, and TAP."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE / 'fixtures'
SOURCE = HERE.parent.parent
UMOD = pathlib.Path(sys.argv[1]).resolve()
LIBRARY = pathlib.Path(sys.argv[2]).resolve()
tests = []


def test(function):
    tests.append(function)
    return function


def environment(**more):
    """Ours, without what steers umod or ld.so, and with @more; None takes away."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(('UMOD_', 'LD_', 'MALLOC_'))}
    kept['LC_ALL'] = 'C.UTF-8'
    kept.update({k: str(v) for k, v in more.items() if v is not None})
    return kept


def start(*command, preload=True, **more):
    """Runs a program to its end; its output, errors included, and its status."""
    if preload:
        more['LD_PRELOAD'] = LIBRARY
    done = subprocess.run([str(c) for c in command], env=environment(**more),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return done.stdout, done.returncode


class Waiting:
    """A program that prints "ready" and waits for the end of its input."""

    def __init__(self, *command, preload=True, **more):
        if preload:
            more['LD_PRELOAD'] = LIBRARY
        self.process = subprocess.Popen(
            [str(c) for c in command], env=environment(**more), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output = ''

    def __enter__(self):
        for line in self.process.stdout:
            if line == 'ready\n':
                return self
            self.output += line
        raise AssertionError(f'it ended: {self.output}')

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def compile_fixture(source, out, *arguments):
    subprocess.run(['cc', '-O1', '-g', FIXTURES / source, '-o', out, *arguments], check=True)


def compile_all(folder):
    """host, simple.so, and two plugins with a libcommon.so.1 of their own each."""
    compile_fixture('host.c', folder / 'host', '-rdynamic')
    compile_fixture('simple.c', folder / 'simple.so', '-shared', '-fPIC')
    for version in 1, 2:
        own = folder / f'v{version}'
        own.mkdir()
        define = f'-DVERSION={version}'
        compile_fixture('common.c', own / 'libcommon.so.1', '-shared', '-fPIC', define,
                        '-Wl,-soname,libcommon.so.1')
        compile_fixture('plugin.c', folder / f'plugin-{version}.so', '-shared', '-fPIC',
                        define, own / 'libcommon.so.1', f'-Wl,-rpath,{own}')


def write_policy(folder, text, name='policy.conf'):
    path = folder / name
    path.write_text(text)
    return path


def same(got, should):
    assert got == should, f'got {got!r}, should be {should!r}'


def has(text, pattern):
    assert re.search(pattern, text), f'{pattern!r} is not in {text!r}'


def main():
    """Runs every test with a folder of compiled fixtures."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='umod-dlfcn-', dir='/tmp'))
    folder.chmod(0o755)
    bad = 0
    print(f'1..{len(tests)}')
    try:
        compile_all(folder)
        for number, function in enumerate(tests, 1):
            try:
                function(folder)
                print(f'ok {number} - {function.__doc__}', flush=True)
            except Exception:  # every failure is one of this test
                bad = 1
                print('# ' + traceback.format_exc().replace('\n', '\n# '))
                print(f'not ok {number} - {function.__doc__}', flush=True)
    finally:
        shutil.rmtree(folder)
    sys.exit(bad)
