#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""maps.py UMOD LIBRARY: umod maps, on processes of good and of bad will."""
import json
import os
import re
import subprocess

import dl
from dl import UMOD, Waiting, has, same, start, test


def maps(pid, *options):
    return start(UMOD, 'maps', *options, pid, preload=False)


@test
def listed(folder):
    """each file with its addresses, as the kernel has them, and its namespace"""
    with Waiting(folder / 'host', folder / 'plugin-1.so', folder / 'plugin-2.so', '--wait',
                 UMOD_ISOLATE='plugin-2.so') as program:
        pid = program.process.pid
        got = json.loads(maps(pid, '--json')[0])
        with open(f'/proc/{pid}/maps', encoding='utf-8') as file:
            kernel = [tuple(int(x, 16) for x in line.split()[0].split('-'))
                      for line in file]
        text, status = maps(pid)
    same(status, 0)
    same(got['pid'], pid)
    same(got['calls'], {'umod': 2, 'isolated': 1, 'host': 0, 'ldso': 0, 'fallbacks': 0,
                        'failures': 0})
    files = {module['path']: module for module in got['modules']}
    same(sorted(files), sorted(map(str, (
        folder / 'plugin-1.so', folder / 'plugin-2.so', folder / 'v1/libcommon.so.1',
        folder / 'v2/libcommon.so.1'))))
    for path, module in files.items():
        isolated = '2' in os.path.relpath(path, folder)
        same(module['namespace'], str(folder / 'plugin-2.so') if isolated else 'process')
        same(module['namespace_id'] != 0, isolated)
        same(module['mapped'], True)
        assert any(a <= module['start'] < b for a, b in kernel)
        has(text, f"(?m)^{module['start']:012x}-{module['end']:012x} +"
                  f"{module['home']} +{re.escape(module['namespace'])} {re.escape(path)}$")


@test
def python(folder):
    """a real program: python3, whose extension modules are all listed"""
    code = ('import _ctypes, _json, sys; print("ready", flush=True); '
            'sys.stdin.read(); print(len(open("/proc/self/maps").read()))')
    with Waiting('/usr/bin/python3', '-c', code) as program:
        text, status = maps(program.process.pid)
        with open(f'/proc/{program.process.pid}/maps', encoding='utf-8') as file:
            kernel = file.read()
    same(status, 0)
    has(text, r'process .*/_ctypes\.cpython-311.*\.so\n')
    has(text, r'process .*/libffi\.so')
    has(text, r'calls: [1-9]')
    for path in set(re.findall(r'/\S+\.so\S*', kernel)):
        assert '/_ctypes' not in path or path in text


@test
def loading(folder):
    """a process that loads and unloads all the time is read whole or not at all"""
    code = ('import ctypes, _ctypes, sys\nprint("ready", flush=True)\n'
            'import select\n'
            'while not select.select([0], [], [], 0)[0]:\n'
            f'\th = ctypes.CDLL("{folder}/v1/libcommon.so.1")\n'
            '\t_ctypes.dlclose(h._handle)\n')
    read = 0
    with Waiting('/usr/bin/python3', '-c', code) as program:
        for _ in range(100):
            text, status = maps(program.process.pid)
            if status == 0:
                read += 1
                has(text, r'(?m)^[0-9a-f]{12}-[0-9a-f]{12} \w+ +process .*_ctypes')
            else:
                has(text, 'it changes all the time|cannot be understood')
        same(program.process.poll(), None)
    assert read > 50, f'read {read} of 100 times'


@test
def not_there(folder):
    """processes without umod, with umod that loaded nothing, and no process"""
    with Waiting(folder / 'host', '--wait', preload=False) as program:
        same(maps(program.process.pid),
             (f'umod maps: {program.process.pid}: umod is not in this process\n', 1))
    with Waiting(folder / 'host', '--wait') as program:
        output, status = maps(program.process.pid)
        has(output, 'umod is there, but was not asked to load yet')
        same(status, 1)
    output, status = maps(program.process.pid)
    has(output, f'there is no process {program.process.pid}')
    same(status, 1)
    for wrong in '0', '-1', 'x', '1x', '99999999999999':
        same((wrong, maps('--', wrong)[1]), (wrong, 2))
    output, status = maps(2)  # kthreadd, or a container's second process
    assert status in (0, 1)


@test
def forbidden(folder):
    """a process of somebody else's is not read, and the message says who may"""
    with Waiting(folder / 'host', folder / 'simple.so', '--wait') as program:
        pid = program.process.pid
        same(maps(pid)[1], 0)
        done = subprocess.run(
            ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs',
             'sh', '-c', 'exec "$0" maps "$1"', '/proc/self/fd/9', str(pid)],
            pass_fds=[], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            preexec_fn=lambda: os.dup2(os.open(UMOD, os.O_RDONLY), 9, inheritable=True),
            close_fds=False, check=False)
    same(done.returncode, 1)
    has(done.stderr, r'its memory may not be read \(Permission denied\|?.*\): .*root')


@test
def damaged(folder):
    """what a process shows is not believed: circles, bad addresses, endless strings"""
    shower = folder / 'shower'
    dl.compile_fixture('shower.c', shower, f'-I{dl.SOURCE}/src')
    with Waiting(shower, 'fine', preload=False) as program:
        text, status = maps(program.process.pid)
    same(status, 0)
    same(text.count('/nowhere (not mapped)'), 2)
    assert '\033' not in text
    for what in ('circle', 'self', 'nowhere', 'endless', 'version', 'offset', 'backward',
                 'busy'):
        with Waiting(shower, what, preload=False) as program:
            output, status = maps(program.process.pid)
        has(output, 'cannot be understood')
        same((what, status), (what, 1))
    with Waiting(shower, 'nodes', preload=False) as program:
        has(maps(program.process.pid)[0], 'umod is not in this process')


dl.main()
