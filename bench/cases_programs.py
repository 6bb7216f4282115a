# SPDX-License-Identifier: MIT
"""Whole programs of Debian without and with the drop-in library: a fresh process each
time, start to end. Judged on its processor time; the time on the clock stands below."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from measure import Figure

SLOWER = 0.97 # no program may take more than 3 % longer

REDISEARCH = '/usr/lib/redis/modules/redisearch.so'
# Name -> command ({} is a folder of the run's own), how many runs, the ratio at least, and
# the file that says that a server is ready. What is not installed is left out.
PROGRAMS = {
    "python3 -c 'import numpy'": (['/usr/bin/python3', '-c', 'import numpy'], 41, SLOWER, ''),
    'php -m': (['/usr/bin/php', '-m'], 41, SLOWER, ''),
    'redis-server with RediSearch, start': (
        ['/usr/bin/redis-server', '--port', '0', '--unixsocket', '{}/socket', '--save', '',
         '--dir', '{}', '--loadmodule', REDISEARCH], 41, SLOWER, 'socket'),
    'GStreamer\'s scan of its plugins': (['/usr/bin/gst-inspect-1.0'], 21, SLOWER, ''),
    'true': (['/usr/bin/true'], 201, None, ''), # the bare cost of umod being there
}


def once(argv, env, silent, ready):
    """One process and its children: processor time and time on the clock, in ns; of a
    server until it is @ready, and its end."""
    actions = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
    with tempfile.TemporaryDirectory(prefix='umod-bench-') as folder:
        argv = [word.format(folder) for word in argv]
        env = {**env, 'GST_REGISTRY': f'{folder}/registry', 'GST_REGISTRY_FORK': 'no'}
        start = time.perf_counter_ns()
        process = os.posix_spawn(argv[0], argv, env, file_actions=actions)
        while ready and not os.path.exists(f'{folder}/{ready}'):
            time.sleep(0.0005)
        taken = time.perf_counter_ns() - start
        if ready:
            os.kill(process, signal.SIGTERM)
        _, status, usage = os.wait4(process, 0)
        if not ready:
            taken = time.perf_counter_ns() - start
    if status:
        raise subprocess.CalledProcessError(status, argv)
    return (usage.ru_utime + usage.ru_stime) * 1e9, taken


def compare(argv, library, runs, ready):
    """[Figure of processor time, Figure on the clock] of each, in turns; the first run of
    each does not count."""
    env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'HOME': '/'}
    # A variable of the same length in both: the stack begins alike.
    envs = {'glibc': {**env, 'UM_PRELOAD': library}, 'umod': {**env, 'LD_PRELOAD': library}}
    found = {label: [] for label in envs}
    with open(os.devnull, 'w', encoding='utf-8') as silent:
        for turn in range(-1, runs):
            for label in sorted(envs, reverse=turn % 2):
                value = once(argv, envs[label], silent.fileno(), ready)
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
    for name, (argv, runs, least, ready) in PROGRAMS.items():
        if not shutil.which(argv[0]):
            bench.report.note(f'{argv[0]} is not installed')
            continue
        both = compare(argv, library, bench.runs(runs), ready)
        glibc, umod = both['glibc'], both['umod']
        target = {'ratio_at_least': least} if least else {}
        bench.report.line(name, glibc[0], umod[0], **target)
        bench.report.line('    on the clock', glibc[1], umod[1])
