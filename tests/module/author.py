#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""author.py UMOD INCLUDE KERNEL-HEADERS: <umod/author.h> as compilers, standards and
linkers take it: each outcome has one section of each kind, says the same to modinfo, and
its exports are there."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent / 'author'
UMOD, INCLUDE, KERNEL = sys.argv[1:4]
COMMON = ['-Wall', '-Wextra', '-Werror', '-fPIC', f'-I{INCLUDE}']
EXPORTS = {'author_plain', 'author_gpl', 'author_spaced', 'author_friends', 'author_variable'}
EXPECTED = (HERE / 'everything.golden').read_text()
# Name, and what is compiled with it.
C = [c for c in ('gcc', 'clang', 'clang-14') if shutil.which(c)][:2]
CXX = [c for c in ('g++', 'clang++', 'clang++-14') if shutil.which(c)][:2]
LINKERS = [name for name in ('bfd', 'gold', 'lld') if shutil.which(f'ld.{name}')]
number = 0
failed = False


def report(name, problems):
    global number, failed
    number += 1
    for line in problems:
        print('#', line)
    failed |= bool(problems)
    print(f'{"not ok" if problems else "ok"} {number} - {name}', flush=True)


def run(*words, check=True):
    out = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if check and out.returncode:
        raise RuntimeError(f'{" ".join(map(str, words))}: {out.stderr}')
    return out


def sections(path):
    """Name to sizes, for the sections that modules have."""
    found = {}
    for line in run('readelf', '-SW', path).stdout.splitlines():
        words = line.partition(']')[2].split()
        if words and words[0] in ('.modinfo', '__param', '.gnu.linkonce.this_module'):
            found.setdefault(words[0], []).append(int(words[4], 16))
    return found


def judge(path, expected):
    problems = []
    found = sections(path)
    if set(map(len, found.values())) != {1} or len(found) != 3:
        problems.append(f'sections: {found}')
    elif found['__param'][0] != 20 * 32 or found['.gnu.linkonce.this_module'][0] != 88:
        problems.append(f'sizes: {found}')
    text = run(UMOD, 'modinfo', path).stdout.splitlines()[1:]
    # The runtime is C++'s alone; gcc turns the order round as it optimizes.
    text = sorted(line for line in text 
                  if not line.startswith(('runtime:', 'needed:         libstdc++')))
    if text != sorted(expected.splitlines()):
        problems += ['modinfo says:'] + text
    return problems


def compiled(folder):
    for compilers, standards, extra in (
            (C, ('c99', 'c11', 'gnu11', 'c17', 'c2x', 'gnu2x'), []),
            (CXX, ('c++11', 'gnu++14', 'c++17', 'c++20'), ['-x', 'c++'])):
        for compiler in compilers:
            problems = []
            for standard in standards:
                path = folder / f'{compiler}-{standard}.o'
                run(compiler, *COMMON, '-Wpedantic', f'-std={standard}', '-c', *extra,
                    HERE / 'everything.c', '-o', path)
                problems += judge(path, EXPECTED)
                if extra and b'runtime=lib' not in path.read_bytes():
                    problems.append('no run-time library is named')
            report(f'{compiler} -c: {", ".join(standards)}', problems)


OPTIONS = {'plain': [], 'hidden': ['-fvisibility=hidden'],
           'gc': ['-O2', '-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections'],
           'asan': ['-fsanitize=address'], 'lto': ['-O2', '-flto', '-Wl,--gc-sections']}


def linked(folder):
    for compiler in C:
        for linker in LINKERS:
            problems = []
            for name, options in OPTIONS.items():
                clang = compiler.startswith('clang')
                if name == 'lto' and clang != (linker == 'lld'):
                    continue
                path = folder / f'{compiler}-{linker}-{name}.so'
                run(compiler, *COMMON, f'-fuse-ld={linker}', *options, '-shared',
                    HERE / 'everything.c', '-o', path)
                problems += [f'{name}: {line}' for line in judge(path, EXPECTED)]
                names = {line.split()[-1] for line in
                         run('nm', '-D', '--defined-only', path).stdout.splitlines()}
                # clang heeds a visibility only above the definition: author.h tells.
                expected = {'author_variable'} if clang and name == 'hidden' else EXPORTS
                if not expected <= names:
                    problems.append(f'{name}: exports {sorted(names)}')
            report(f'{compiler} -shared with {linker}: {", ".join(OPTIONS)}', problems)


SECOND = '''#include <umod/author.h>
static int extra;
UMOD_PARAM(extra, int, 0);
UMOD_ALIAS("second");
int use_extra(void);
int use_extra(void) { return extra + (UMOD_THIS_MODULE != NULL); }
'''


def together(folder):
    second = folder / 'second.c'
    second.write_text(SECOND)
    for compiler in C:
        problems = []
        for linker in LINKERS:
            path = folder / f'{compiler}-{linker}-r.o'
            run(compiler, *COMMON, f'-fuse-ld={linker}', '-r', '-nostdlib',
                HERE / 'everything.c', second, '-o', path)
            found = sections(path)
            if set(map(len, found.values())) != {1} or found['__param'] != [21 * 32]:
                problems.append(f'{linker}: {found}')
            if 'alias:          second' not in run(UMOD, 'modinfo', path).stdout:
                problems.append(f'{linker}: the second source says nothing')
        report(f'{compiler}: two sources, linked by ld -r', problems)
        twice = run(compiler, *COMMON, '-shared', folder / f'{compiler}-c11.o',
                    folder / f'{compiler}-c99.o', '-o', folder / 'twice.so', check=False)
        report(f'{compiler}: two UMOD_MODULE do not link',
               [] if twice.returncode and 'umod_only_one_UMOD_MODULE' in twice.stderr
               else [twice.stderr])


MISTAKES = {
    'static long x; UMOD_PARAM(x, int, 0644);': 'umod_parameter_x_must_be_int',
    'static char x[4]; UMOD_PARAM(x, charp, 0644);': 'umod_parameter_x_must_be_charp',
    'static int x[4]; UMOD_PARAM_ARRAY(x, uint, NULL, 0);': 'umod_parameter_x_must_be_uint',
    'static int x[4]; UMOD_PARAM_STRING(x, x, 0);': 'umod_parameter_x_must_be_chars',
    'static int x; UMOD_PARAM(x, int, 0666);': 'umod_parameter_x_has_wrong_permissions',
    'static int x; UMOD_PARAM(x, int, 07777);': 'umod_parameter_x_has_wrong_permissions',
    'UMOD_MODULE(a_name_that_is_so_long_that_no_module_of_umod_s_has_it_x, 0, 0);':
        'umod_name_a_name_that_is_so_long',
}


def mistaken(folder):
    problems = []
    for text, message in MISTAKES.items():
        path = folder / 'mistake.c'
        path.write_text(f'#include <umod/author.h>\n{text}\n')
        for compiler in C:
            out = run(compiler, f'-I{INCLUDE}', '-fsyntax-only', path, check=False)
            if out.returncode == 0 or message not in out.stderr:
                problems.append(f'{compiler}: {text}: {out.stderr}')
        for compiler in CXX:
            out = run(compiler, '-x', 'c++', f'-I{INCLUDE}', '-fsyntax-only', path, check=False)
            if out.returncode == 0:
                problems.append(f'{compiler}: {text} compiles')
    report('mistakes do not compile, and the message names them', problems)


def kernel_style(folder):
    for compiler in C:
        problems = []
        for kind in ('-c', '-shared', '-r'):
            path = folder / f'kernel{kind}.{"so" if kind == "-shared" else "o"}'
            sources = [HERE / 'kernel_style.c']
            if kind != '-c':
                (folder / 'k2.c').write_text('#include <linux/module.h>\n'
                                             'struct module *which(void);\n'
                                             'struct module *which(void)\n'
                                             '{ return THIS_MODULE; }\n')
                sources.append(folder / 'k2.c')
            run(compiler, *COMMON, f'-I{KERNEL}', kind, *(['-nostdlib'] if kind == '-r' else []),
                *sources, '-o', path)
            found = sections(path)
            if found['.gnu.linkonce.this_module'] != [88] or found['__param'] != [5 * 32]:
                problems.append(f'{kind}: {found}')
            names = {line.split()[-1] for line in run('nm', path).stdout.splitlines()}
            if not {'init_module', 'cleanup_module', 'hello_count'} <= names:
                problems.append(f'{kind}: {sorted(names)}')
            text = run(UMOD, 'modinfo', path).stdout
            for line in ('license:        GPL', 'alias:          hello-*', 'intree:         Y',
                         'export_gpl:     hello_count', 'parm:           values:array of int',
                         'parm:           count:How many times (int)', 'vermagic:       umod-1'):
                if line not in text:
                    problems.append(f'{kind}: modinfo does not say {line}')
        report(f'{compiler}: a source in the kernel\'s words', problems)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (compiled, linked, together, mistaken, kernel_style):
            try:
                part(folder)
            except RuntimeError as error:
                report(part.__name__, str(error).splitlines()[:20])
    print(f'1..{number}')
    sys.exit(failed)


if __name__ == '__main__':
    main()
