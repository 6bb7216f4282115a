#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py UMOD LIBRARY: umod run, from its options to what the program sees."""
import os

import dl
from dl import UMOD, has, same, start, test, write_policy


def run(*arguments, **more):
    return start(UMOD, 'run', *arguments, preload=False, **more)


@test
def arguments(folder):
    """the program has its own arguments, input, output and status"""
    same(run('sh', '-c', 'echo "$0 $@" --trace; exit 7', '--policy', '-h'),
         ('--policy -h --trace\n', 7))
    same(run(folder / 'host', folder / 'simple.so'), ('host\n', 0))


@test
def preload(folder):
    """the library comes first in LD_PRELOAD, what was there stays; once is enough"""
    same(run('sh', '-c', 'echo $LD_PRELOAD')[0], f'{dl.LIBRARY}\n')
    same(run('sh', '-c', 'echo $LD_PRELOAD', LD_PRELOAD='libm.so.6')[0],
         f'{dl.LIBRARY}:libm.so.6\n')
    same(run(UMOD, 'run', 'sh', '-c', 'echo $LD_PRELOAD')[0], f'{dl.LIBRARY}\n')
    other = f'{dl.LIBRARY}.other'
    has(run('sh', '-c', 'echo $LD_PRELOAD', LD_PRELOAD=other)[0],
        f'{dl.LIBRARY}:{other}\n')


@test
def trace(folder):
    """--trace tells what is loaded and unloaded"""
    output, _ = run('--trace', folder / 'host', folder / 'simple.so')
    has(output, r'simple\.so: opened for .*simple\.so, found by its path')
    has(output, r'simple\.so: fini at exit')


@test
def isolate(folder):
    """--isolate, also twice, and beside a policy"""
    plugins = folder / 'plugin-1.so', folder / 'plugin-2.so'
    both = ('plugin for 1, with common 1, of host\n'
            'plugin for 2, with common 2, of host\n')
    same(run('--isolate', 'plugin-*.so', folder / 'host', *plugins), (both, 0))
    same(run('--isolate', 'plugin-1.so', '--isolate', f'{folder}/*-2.so',
             folder / 'host', *plugins), (both, 0))
    policy = write_policy(folder, '[isolate]\nplugin = plugin-1.so\n')
    same(run('--policy', policy, '--isolate=plugin-2.so', folder / 'host', *plugins),
         (both, 0))
    same(run(folder / 'host', *plugins, UMOD_ISOLATE='plugin-1.so:plugin-2.so'), (both, 0))


@test
def policy(folder):
    """--policy is checked before the program starts, and holds wherever it goes"""
    bad = write_policy(folder, '[load]\nfalback = yes\n')
    output, status = run('--policy', bad, 'echo', 'started')
    has(output, r"^umod run: .*policy.conf: line 2: there is no key 'falback'")
    same(status, 1)
    output, status = run('--policy', folder / 'none', 'echo', 'started')
    has(output, 'none: No such file or directory')
    same(status, 1)
    write_policy(folder, '[load]\nrefuse = simple.so\n')
    here = os.getcwd()
    os.chdir(folder)
    try:
        output, _ = run('--policy', 'policy.conf', 'sh', '-c',
                        f'cd /; {folder}/host {folder}/simple.so')
    finally:
        os.chdir(here)
    has(output, 'is refused by the policy')


@test
def not_to_be_run(folder):
    """what cannot be run is told as env(1) tells it: 127 and 126; wrong usage is 2"""
    static = folder / 'static'
    dl.compile_fixture('host.c', static, '-static-pie', '-w')
    plain = folder / 'plain'
    plain.write_text('no program')
    for command, status, pattern in (
            (['no-such-program-anywhere'], 127, 'no such program in PATH'),
            ([folder / 'nothing'], 127, 'No such file or directory'),
            ([plain], 126, 'Permission denied'),
            ([static], 126, 'is linked statically'),
            ([], 2, 'a program is missing'),
            (['--nonsense', 'true'], 2, 'help')):
        output, got = run(*command)
        has(output, pattern)
        same((command, got), (command, status))


@test
def set_user_id(folder):
    """a program that becomes somebody else is started, with a word of warning"""
    program = folder / 'other'
    dl.compile_fixture('host.c', program, '-rdynamic')
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    output, status = run(program, folder / 'simple.so')
    has(output, r'other: changes its user or group: ld\.so does not preload umod')
    has(output, r'(?m)^host$')
    same(status, 0)


@test
def children(folder):
    """the program's own children are served, too; also scripts"""
    script = folder / 'script'
    script.write_text(f'#!/bin/sh\n{folder}/host {folder}/simple.so\n')
    script.chmod(0o755)
    output, _ = run('--trace', script)
    has(output, r'simple\.so: opened for')
    has(output, r'(?m)^host$')


dl.main()
