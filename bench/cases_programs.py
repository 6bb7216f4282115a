# SPDX-License-Identifier: MIT
"""Whole programs of Debian without and with the drop-in library: a fresh process each
time, start to end. Judged on its processor time; the time on the clock stands below."""
import os
import pathlib
import shutil
import subprocess
import time

from measure import Figure

SLOWER = 0.97 # no program may take more than 3 % longer

# Name -> command, how many runs, the ratio at least. What is not installed is left out.
PROGRAMS = {
    "python3 -c 'import numpy'": (['/usr/bin/python3', '-c', 'import numpy'], 41, SLOWER),
    'php -m': (['/usr/bin/php', '-m'], 41, SLOWER),
    'true': (['/usr/bin/true'], 201, None), # the bare cost of umod being there
}


def once(argv, env, silent):
    """One process and its children: processor time and time on the clock, in ns."""
    actions = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
    start = time.perf_counter_ns()
    process = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    taken = time.perf_counter_ns() - start
    if status:
        raise subprocess.CalledProcessError(status, argv)
    return (usage.ru_utime + usage.ru_stime) * 1e9, taken


def compare(argv, library, runs):
    """[Figure of processor time, Figure on the clock] of each, in turns; the first run of
    each does not count."""
    env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'HOME': '/'}
    # A variable of the same length in both: the stack begins alike.
    envs = {'glibc': {**env, 'UM_PRELOAD': library}, 'umod': {**env, 'LD_PRELOAD': library}}
    found = {label: [] for label in envs}
    with open(os.devnull, 'w', encoding='utf-8') as silent:
        for turn in range(-1, runs):
            for label in sorted(envs, reverse=turn % 2):
                value = once(argv, envs[label], silent.fileno())
                if turn >= 0:
                    found[label].append(value)
    return {label: [Figure(v) for v in zip(*values)] for label, values in found.items()}


def drop_in(bench):
    """The drop-in library of the release build."""
    subprocess.run(['ninja', '-C', bench.build, 'dlfcn/libumod-dl.so'], check=True,
                   stdout=subprocess.DEVNULL)
    return str(pathlib.Path(bench.build).resolve() / 'dlfcn' / 'libumod-dl.so')


def programs(bench, idle):
    if idle:
        return
    library = drop_in(bench)
    bench.report.title('Whole programs without and with umod preloaded, cpu')
    for name, (argv, runs, least) in PROGRAMS.items():
        if not shutil.which(argv[0]):
            bench.report.note(f'{argv[0]} is not installed')
            continue
        both = compare(argv, library, bench.runs(runs))
        glibc, umod = both['glibc'], both['umod']
        target = {'ratio_at_least': least} if least else {}
        bench.report.line(name, glibc[0], umod[0], **target)
        bench.report.line('    on the clock', glibc[1], umod[1])
