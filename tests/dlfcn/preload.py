#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""preload.py UMOD LIBRARY: that programs' dlfcn calls arrive, whatever they were built
with, and that the library costs nothing where nothing is opened."""
import re
import subprocess
import time

import dl
from dl import LIBRARY, has, same, start, test

NAMES = ['_dl_find_object', 'dl_iterate_phdr', 'dladdr', 'dladdr1', 'dlclose', 'dlerror',
         'dlinfo', 'dlmopen', 'dlopen', 'dlsym', 'dlvsym']
# What each program calls of these, directly or in its own libraries.
PROGRAMS = {'/usr/bin/perl': '-e1', '/usr/bin/python3': '-c0'}


@test
def exports(_):
    """exports glibc's names without versions, and nothing else; needs libc alone"""
    out = subprocess.run(['nm', '-D', '--defined-only', LIBRARY], check=True,
                         capture_output=True, text=True).stdout
    same(sorted(line.split()[-1] for line in out.splitlines()), NAMES)
    out = subprocess.run(['readelf', '-dW', LIBRARY], check=True, capture_output=True,
                         text=True).stdout
    needs = set(re.findall(r'NEEDED.*\[(.*)\]', out))
    assert needs <= {'libc.so.6', 'ld-linux-x86-64.so.2'}, needs
    has(out, 'NODELETE')


@test
def real_programs(_):
    """real programs are bound to it for every name that they call"""
    for program, argument in PROGRAMS.items():
        output, _ = start(program, argument, LD_DEBUG='bindings', LD_BIND_NOW=1)
        bound = re.findall(
            rf'binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `(dl\w+)\'', output)
        own = [(to, name) for source, to, name in bound
               if name in NAMES and source != str(LIBRARY) and '/libc.so' not in source]
        assert own, output[-500:]
        same({to for to, _ in own}, {str(LIBRARY)})


@test
def old_versions(folder):
    """a program that asks for the versions before glibc 2.34"""
    program = folder / 'old'
    dl.compile_fixture('old_names.c', program)
    out = subprocess.run(['nm', '-D', program], check=True, capture_output=True,
                         text=True).stdout
    has(out, r'U dlopen@GLIBC_2\.2\.5')
    output, status = start(program, 'libz.so.1', UMOD_DEBUG='files')
    has(output, r'libz\.so\.1: opened for')
    has(output, r'(?m)^1\.\d+(\.\d+)*$')
    same(status, 0)


@test
def linked(folder):
    """linked before libc it serves as well as preloaded"""
    program = folder / 'linked'
    dl.compile_fixture('host.c', program, '-rdynamic', '-Wl,--no-as-needed', LIBRARY,
                       f'-Wl,-rpath,{LIBRARY.parent}')
    output, _ = start(program, folder / 'simple.so', preload=False, UMOD_DEBUG='files')
    has(output, r'simple\.so: opened for')
    has(output, r'(?m)^host$')


@test
def libc_stays(_):
    """what libc opens for itself stays ld.so's: name services, character sets"""
    output, status = start('iconv', '-f', 'ISO-8859-15', '-t', 'UTF-8', '/etc/hostname',
                           UMOD_DEBUG='files')
    same(status, 0)
    assert 'opened for' not in output
    output, status = start('getent', 'hosts', 'localhost', UMOD_DEBUG='files')
    same(status, 0)
    assert 'opened for' not in output


@test
def idle(_):
    """a program that opens nothing: nothing is traced, opened or mapped for it"""
    same(start('true', UMOD_DEBUG='all'), ('', 0))
    output, _ = start('cat', '/proc/self/maps')
    own = [line for line in output.splitlines() if str(LIBRARY) in line]
    assert 3 <= len(own) <= 6, own
    plain, _ = start('cat', '/proc/self/maps', preload=False)
    extra = len(output.splitlines()) - len(plain.splitlines())
    assert extra <= len(own) + 2, output


def run_time(**more):
    settings = dl.environment(**more)
    begin = time.perf_counter()
    subprocess.run(['/bin/true'], env=settings, check=True)
    return time.perf_counter() - begin


@test
def cost(_):
    """what it costs true to have it there: less than a millisecond"""
    pairs = [(run_time(LD_PRELOAD=LIBRARY), run_time()) for _ in range(300)]
    least, plain = (min(times) for times in zip(*pairs))
    print(f'# true: {plain * 1e6:.0f} us, with the library {least * 1e6:.0f} us')
    assert least - plain < 0.001


dl.main()
