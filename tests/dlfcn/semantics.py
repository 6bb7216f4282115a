# SPDX-License-Identifier: MIT
"""The semantics of the dlfcn functions: scenarios of semantics/ under ld.so and under the
drop-in library must print the same: semantics.py LIBRARY"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'programs'))
from common import Harness, Trace, environment # noqa: E402 # after the path to it

HERE = pathlib.Path(__file__).resolve().parent / 'semantics'
COMMON = ['-DCOMMON']
# Name: what plugin.c does more, and what it needs.
PLUGINS = {
    'd': (COMMON, []), 'c': (COMMON, ['d']), 'b': (COMMON, ['d']),
    'a': (COMMON, ['b', 'c']), 'tree': ([], ['c', 'b']),
    'deep': (COMMON, []), 'symbolic': (COMMON, ['-Wl,-Bsymbolic']),
    'giver': (['-DGIVES'], []), 'taker': (['-DTAKES'], []),
    'opener': (['-DOPENS="libd.so"'], []),
    'closer': (['-DOPENS="libd.so"', '-DCLOSES'], []),
    'selfish': (['-DOPENS="libselfish.so"'], []),
    'waiter': (['-DWAITS', '-pthread'], []), 'asks': (['-DASKS'], []),
    'leaver': (['-DAT_EXIT'], []), 'storage': (['-DSTORAGE'], []),
    'kinds': (['-DWEAK', '-DPROTECTED', '-DIFUNC'], []),
    'caller': (['-DOPENER'], ['-Wl,--disable-new-dtags', '-Wl,-rpath,$ORIGIN/below']),
}
def without(pattern):
    lines = re.compile(pattern)
    return lambda text: '\n'.join(line for line in text.splitlines()
                                  if not lines.search(line))


# Where umod is not as ld.so, on purpose: the lines that do not count, and why.
DIFFERENT = {
    # ld.so keeps what defines a unique symbol for ever; umod while somebody uses it.
    'unique': without('^-cc1'),
    # Which of a circle goes first is nobody's promise.
    'circle': lambda text: '\n'.join(sorted(text.splitlines())),
    # In a namespace of ld.so's, output goes through a C library of its own, which main's
    # exit does not flush in order; umod's namespaces share the one.
    'namespaces': without('^[-+]'),
    # ld.so leaves the flags of RTLD_DI_SERINFO 0; umod says which kind a place is.
    'places': lambda text: re.sub(' [0-9a-f]+$', '', text, flags=re.MULTILINE),
}
# What ld.so does not survive is asked of umod alone, and what it must print.
ALONE = {
    'many-namespaces': '200 namespaces, 200 globals of their own',
    'fork-meanwhile': '100 children were well, 0 failures',
    # ld.so takes it for the program alone.
    'asks-in-namespace': '1111',
    'cut-short': 'open short: a message',
}


def build(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f'Bail out! {" ".join(map(str, argv))}:\n{done.stderr}')


def plugin(out, name, flags=(), links=(), source='plugin.c'):
    """@links: other plugins, or words of the linker's."""
    compiler = 'c++' if source.endswith('.cc') else 'cc'
    words = [word if word.startswith('-') else out / f'lib{word}.so' for word in links]
    build(compiler, '-shared', '-fPIC', '-O1', '-g', '-Wl,--no-as-needed',
          '-D_GNU_SOURCE', f'-DNAME={name}', *flags,
          '-o', out / f'lib{name}.so', f'-Wl,-soname,lib{name}.so', '-Wl,-rpath,$ORIGIN',
          HERE / source, *words)


def build_all(folder):
    out = folder / 'plugins'
    (out / 'below').mkdir(parents=True)
    for name, (flags, links) in PLUGINS.items():
        plugin(out, name, flags, links)
    # A circle: y is built before x that it needs, and again with it.
    plugin(out, 'y')
    plugin(out, 'x', links=['y'])
    plugin(out, 'y', links=['-Wl,--no-as-needed', 'x'])
    (folder / 'versions').write_text('V1 {};\nV2 {};\n')
    script = f'-Wl,--version-script={folder}/versions'
    plugin(out, 'versioned', ['-DVERSIONED'], [script])
    for name in ('cc1', 'cc2'):
        plugin(out, name, source='plugin.cc')
    plugin(out / 'below', 'below')
    # Without a word at each coming and going.
    for name in ('quiet', 'silent'):
        (folder / f'{name}.c').write_text(f'int value; const char *common(void) {{ return "{name}"; }}')
        build('cc', '-shared', '-fPIC', folder / f'{name}.c', '-o', out / f'lib{name}.so')
    (folder / 'forks.c').write_text("""
#include <unistd.h>
int is_child;
pid_t child;
__attribute__((constructor)) static void start(void)
{
	child = fork();
	is_child = child == 0;
}
""")
    build('cc', '-shared', '-fPIC', folder / 'forks.c', '-o', out / 'libforks.so')
    # What no loader takes.
    plugin(out, 'gone')
    plugin(out, 'lacks', links=['-Wl,--no-as-needed', 'gone'])
    (out / 'libgone.so').unlink()
    (out / 'libtext.so').write_text('This is no library, but longer than an ELF header. ' * 9)
    (out / 'libshort.so').write_bytes((out / 'liba.so').read_bytes()[:700])
    (out / 'libempty.so').write_bytes(b'')
    wants_a_version(folder, out)
    (out / 'liba-link.so').symlink_to('liba.so')
    os.link(out / 'liba.so', out / 'liba-hard.so')
    program = folder / 'semantics'
    build('cc', '-O1', '-g', '-w', '-D_GNU_SOURCE', '-rdynamic', '-o', program,
          *[HERE / f'{name}.c' for name in ('main', 'order', 'symbols', 'info', 'threads')],
          '-pthread')
    return program, out


def wants_a_version(folder, out):
    """A plugin bound to a version that its need defined when it was built, and lost."""
    (folder / 'v9').mkdir()
    (folder / 'v9/map').write_text('V9 { global: versioned; local: *; };')
    (folder / 'v9/old.c').write_text('int versioned(void) { return 9; }')
    build('cc', '-shared', '-fPIC', folder / 'v9/old.c', '-o', folder / 'v9/libversioned.so',
          '-Wl,-soname,libversioned.so', f'-Wl,--version-script={folder}/v9/map')
    (folder / 'v9/use.c').write_text(
        'int versioned(void); int wants(void) { return versioned(); }')
    build('cc', '-shared', '-fPIC', folder / 'v9/use.c', '-o', out / 'libwants9.so',
          folder / 'v9/libversioned.so', '-Wl,-rpath,$ORIGIN')


def alone(harness, program, out, env, name, expected):
    with tempfile.TemporaryDirectory() as traces:
        done = subprocess.run([program, out, name], text=True, timeout=120, check=False,
                              env=harness.env_under_umod(env, traces),
                              capture_output=True)
        count = len(Trace(traces).files())
    harness.ok(done.returncode == 0 and expected in done.stdout and count,
               f'{name}, by umod alone', done.stdout[-800:], done.stderr[-800:])


harness = Harness(sys.argv[1])
with tempfile.TemporaryDirectory(prefix='umod-semantics-') as place:
    program, out = build_all(pathlib.Path(place).resolve())
    names = subprocess.run([program, out], capture_output=True, text=True,
                           check=True).stdout.split()
    env = environment()
    for name in names:
        if name in ALONE:
            # What a thread is at when it forks differs from run to run.
            for _ in range(10 if name == 'fork-meanwhile' else 1):
                alone(harness, program, out, env, name, ALONE[name])
            continue
        harness.compare(name, [program, out, name], env=env, timeout_s=120,
                        same=DIFFERENT.get(name))
    harness.ok(len(names) >= 40, f'{len(names)} scenarios')
harness.done()
