# SPDX-License-Identifier: MIT
"""Makes the inputs that no package has, once, in a folder of the build: the
symbol-heavy trees, the plugins, and copies of libraries without init functions.

Files are written in pieces of 64 kB, as an installer does: one large write makes large
folios in the page cache, whose read faults cost a fraction."""
import os
import pathlib
import random
import subprocess

import elffile

LIBRARIES, EXPORTS, IMPORTS = 200, 500, 500
# Never copied without init functions: the process already runs on these.
HOST = ('libc.so.6', 'libm.so.6', 'libpthread.so.0', 'libdl.so.2', 'librt.so.1',
        'ld-linux-x86-64.so.2', 'libresolv.so.2', 'libutil.so.1', 'libmvec.so.1',
        'libgcc_s.so.1', 'libnsl.so.1')


def write(path, data):
    with open(path, 'wb', buffering=0) as file:
        for at in range(0, len(data), 65536):
            file.write(data[at:at + 65536])


def compile_c(source, output, *options):
    subprocess.run(['gcc', '-shared', '-fPIC', '-O2', '-x', 'c', '-', '-x', 'none',
                    '-o', str(output), '-Wl,-z,now', '-Wl,--hash-style=gnu', *options],
                   input=source, text=True, check=True)


def once(make):
    """Runs @make into a folder that appears only when it is whole."""
    def made(folder, *arguments):
        folder = pathlib.Path(folder)
        if not folder.exists():
            draft = folder.with_name(folder.name + '.draft')
            subprocess.run(['rm', '-rf', str(draft)], check=True)
            draft.mkdir(parents=True)
            make(draft, *arguments)
            draft.rename(folder)
        return folder
    return made


def short_name(library, index):
    return f'lib{library}_function_{index}'


def long_name(library, index):
    """205 characters, most of them shared with the neighbours, as C++ names are."""
    head = '_ZN5bench7library'
    body = f'{library:03d}'.join(['9namespaceI', 'S1_13basic_stringIcSt11char_traitsIcE',
                                  'N9__gnu_cxx17__normal_iteratorIPKS2_', 'EEvT0_'])
    tail = f'E{library:03d}method{index:04d}'
    return head + (body * 3)[:205 - len(head) - len(tail)] + tail


@once
def symbol_tree(folder, name):
    """200 libraries of 500 functions, each importing 500 of random earlier ones: half by
    a pointer in its data, half by a call. Chained, and linked with three others."""
    chance = random.Random(1)
    for library in range(LIBRARIES):
        lines = ['.section .note.GNU-stack,"",@progbits', '.text']
        for index in range(EXPORTS):
            symbol = name(library, index)
            lines += [f'.globl {symbol}', f'.type {symbol},@function',
                      f'{symbol}: mov ${index},%eax', 'ret',
                      f'.size {symbol},.-{symbol}']
        imports = set()
        while len(imports) < IMPORTS:
            imports.add((chance.randrange(max(library, 1)), chance.randrange(EXPORTS)))
        imports = [name(*one) for one in sorted(imports)]
        chance.shuffle(imports)
        lines += [f'call {symbol}@PLT' for symbol in imports[::2]]
        lines += ['.data'] + [f'.quad {symbol}' for symbol in imports[1::2]]
        needs = sorted({library - 1, *(chance.randrange(max(library, 1))
                                       for _ in range(3))})
        needs = [f'libtree{one:03d}.so' for one in needs if 0 <= one < library]
        soname = f'libtree{library:03d}.so'
        subprocess.run(['gcc', '-x', 'assembler', '-', '-x', 'none', '-shared', '-nostdlib',
                        '-o', soname, f'-Wl,-soname,{soname},-z,now,-rpath,$ORIGIN',
                        '-Wl,--hash-style=gnu,--no-as-needed,--allow-shlib-undefined,'
                        '--unresolved-symbols=ignore-all', *needs],
                       input='\n'.join(lines) + '\n', text=True, check=True, cwd=folder)


PLUGIN = r'''
int host_register(const char *name);
void host_log(const char *text);
void *host_alloc(unsigned long bytes);
unsigned long strlen(const char *text);
int memcmp(const void *a, const void *b, unsigned long bytes);
static const char *const names[4] = { "one", "two", "three", "four" };
static volatile int i = 1;
int OnLoad(void)
{
	host_log(names[i]);
	return host_register(names[i + 1]) + (host_alloc(16) != 0) + strlen(names[i + 2]);
}
int unique_00000(const char *text)
{
	return memcmp(text, "unique", 6);
}
'''


@once
def plugins(folder, count):
    """Plugins of 14 kB that differ in the name of one symbol: copies of a template, as
    the compiler would take minutes."""
    compile_c(PLUGIN, folder / 'template', '-nostdlib', '-fno-builtin',
              '-fno-asynchronous-unwind-tables')
    template = elffile.Template((folder / 'template').read_bytes())
    for number in range(count):
        write(folder / f'p{number:05d}.so', template.copy(number))


@once
def modules(folder, count):
    """The same as relocatable objects: there only the name itself is to be changed."""
    subprocess.run(['gcc', '-c', '-fPIC', '-O2', '-fno-builtin',
                    '-fno-asynchronous-unwind-tables', '-x', 'c', '-', '-o',
                    str(folder / 'template')], input=PLUGIN, text=True, check=True)
    data = (folder / 'template').read_bytes()
    for number in range(count):
        write(folder / f'p{number:05d}.o',
              data.replace(b'unique_00000', b'unique_%05d' % number))


def functions_source(count):
    chance = random.Random(1)
    lines = ['unsigned long strlen(const char *text);', 'int abs(int x);']
    for i in range(count):
        lines += [f'int object_{i}(int x);', f'extern int value_{i};']
    for i in range(count):
        calls = ' + '.join(f'object_{chance.randrange(count)}(x - 1)' for _ in range(6))
        lines += [f'int value_{i} = {i};', f'int object_{i}(int x)', '{',
                  f'\tif (x <= 0)\n\t\treturn value_{chance.randrange(count)} + abs(x);',
                  f'\tvalue_{i}++;', f'\treturn {calls} + (int)strlen("name {i}" + (x & 1));',
                  '}']
    names = ', '.join(f'object_{i}' for i in range(count))
    lines.append(f'int (*const table[])(int) = {{ {names} }};')
    return '\n'.join(lines) + '\n'


@once
def relocatable(folder):
    """1,000 functions: each calls six others and the C library, reads and writes
    variables by the GOT, has a string, and is in a table of pointers."""
    draft = folder / 'draft.o'
    subprocess.run(['gcc', '-c', '-fPIC', '-O1', '-fno-inline', '-w', '-x', 'c', '-', '-o',
                    str(draft)], input=functions_source(1000), text=True, check=True)
    write(folder / 'functions.o', draft.read_bytes())


SPACE = ('''
static int calls;
int *dependency_counter(void) { return &calls; }
''', '''
int *dependency_counter(void);
static int own;
int plugin_run(void) { own++; return ++*dependency_counter(); }
''')

CALLS = r'''
void host_nothing(void);
static __attribute__((noinline)) void nothing(void) { __asm__ volatile(""); }
void call_plt(unsigned long calls)
{
	while (calls--)
		host_nothing();
}
void call_direct(unsigned long calls)
{
	while (calls--)
		nothing();
}
'''
GOT = r'''
__attribute__((noplt)) void host_nothing(void);
void call_got(unsigned long calls)
{
	while (calls--)
		host_nothing();
}
'''


@once
def small(folder):
    """A plugin with a private dependency, 2,000 names to look up, and calls to count."""
    compile_c(SPACE[0], folder / 'libprivate.so', '-Wl,-soname,libprivate.so',
              '-Wl,--no-as-needed', '-lc')
    compile_c(SPACE[1], folder / 'plugin.so', str(folder / 'libprivate.so'),
              '-Wl,-rpath,$ORIGIN', '-Wl,--no-as-needed', '-lc')
    names = ''.join(f'int lookup_{i}(void) {{ return {i}; }}\n' for i in range(2000))
    compile_c(names, folder / 'lookup.so')
    (folder / 'got.c').write_text(GOT)
    subprocess.run(['gcc', '-c', '-fPIC', '-O2', '-o', str(folder / 'got.o'),
                    str(folder / 'got.c')], check=True)
    compile_c(CALLS, folder / 'calls.so', str(folder / 'got.o'))


def copy_without_runs(folder, soname, path):
    """A copy of @path under @soname, made again when the library is newer."""
    target = pathlib.Path(folder) / soname
    if not target.exists() or target.stat().st_mtime < os.stat(path).st_mtime:
        draft = target.with_name(soname + '.draft')
        write(draft, elffile.without_runs(pathlib.Path(path).read_bytes()))
        draft.rename(target)
    return target
