# SPDX-License-Identifier: MIT
"""umod's depmod against Debian's, on whole module trees: time, memory, system calls."""
import os
import shutil
import subprocess
import tempfile
import time

from cases_kmod import HERE, Commands
from measure import Figure

# Of what kmod takes; and how much more memory or threads may cost.
PLAIN, PACKED, CALLS = 2, 1.8, 0.5


def once(argv, silent):
    """One process: nanoseconds, and its memory at most, in kB."""
    actions = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
    start = time.perf_counter_ns()
    process = os.posix_spawn(argv[0], [str(a) for a in argv],
                             {'PATH': '/bin', 'LC_ALL': 'C'}, file_actions=actions)
    _, status, usage = os.wait4(process, 0)
    taken = time.perf_counter_ns() - start
    if status:
        raise subprocess.CalledProcessError(status, argv)
    return taken, usage.ru_maxrss


def compare(commands, runs):
    """label -> (Figure of time, Figure of memory), in turns, the first not counted."""
    found = {label: [] for label in commands}
    silent = os.open('/dev/null', os.O_WRONLY)
    for turn in range(-1, runs):
        for label in sorted(commands, reverse=turn % 2):
            value = once(commands[label], silent)
            if turn >= 0:
                found[label].append(value)
    os.close(silent)
    return {label: [Figure(v) for v in zip(*values)] for label, values in found.items()}


def copy(root, release, folder):
    """A tree in @folder that may be written to: links to the modules, its lists."""
    tree = os.path.join(folder, 'lib', 'modules', release)
    source = os.path.join(root, 'lib', 'modules', release)
    os.makedirs(tree)
    os.symlink(os.path.join(source, 'kernel'), os.path.join(tree, 'kernel'))
    for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
        shutil.copy(os.path.join(source, name), tree)
    return folder


def system_calls(argv):
    """How many, of all threads; None without strace."""
    if not shutil.which('strace'):
        return None
    with tempfile.NamedTemporaryFile('r') as log:
        subprocess.run(['strace', '-f', '-c', '-o', log.name, *map(str, argv)],
                       stdout=subprocess.DEVNULL, check=True)
        total = log.read().splitlines()[-1].split()
    return Figure([int(total[3])])


def lines(bench, commands, where, what, least, runs):
    found = compare(commands.both('depmod', *where), runs)
    (kmod, kmod_memory), (umod, umod_memory) = found['kmod'], found['umod']
    bench.report.line(what, kmod, umod, ratio_at_least=least)
    bench.report.line('    memory', kmod_memory, umod_memory, unit='kB', ratio_at_least=1)
    return umod


def plain(bench, commands, writable):
    where = ['-n', '-b', commands.root, commands.release]
    several = lines(bench, commands, where, 'depmod -n', PLAIN, bench.runs(15))
    lines(bench, commands, ['-b', writable, commands.release], 'depmod', PLAIN,
          bench.runs(15))
    own = commands.both('depmod', *where)['umod']
    alone = compare({'umod': [*own, '--threads=1']}, bench.runs(15))['umod'][0]
    bench.report.check('    one thread takes', f'{alone.median / 1e6:.0f} ms',
                       several.median <= alone.median * 1.1, 'several: no more')
    calls = {label: system_calls(argv) for label, argv in
             commands.both('depmod', *where).items()}
    if calls['kmod']:
        bench.report.line('    system calls of depmod -n', calls['kmod'], calls['umod'],
                          unit='', ratio_at_least=1 / CALLS)
    umod = commands.both('depmod', '-b', writable, '--incremental', commands.release)['umod']
    bench.report.line('    depmod --incremental, nothing changed', None,
                      compare({'umod': umod}, bench.runs(15))['umod'][0])


def depmod(bench, idle):
    """Whole trees: plain modules, and modules packed by xz."""
    if idle:
        return
    commands = Commands(bench, bench.build)
    bench.report.title(f'kmod: depmod, {commands.release}', 'kmod')
    with tempfile.TemporaryDirectory(dir=bench.inputs) as folder:
        plain(bench, commands, copy(commands.root, commands.release, folder))
    if bench.quick:
        return
    out = subprocess.run([HERE.parent / 'scripts' / 'kernel-trees',
                          bench.inputs / 'kernel-trees', 'amd64-backports'], check=True,
                         capture_output=True, text=True).stdout
    _, root, release = out.split()
    bench.report.title(f'kmod: depmod, {release}, xz', 'kmod')
    with tempfile.TemporaryDirectory(dir=bench.inputs) as folder:
        writable = copy(root, release, folder)
        lines(bench, commands, ['-n', '-b', root, release], 'depmod -n', PACKED,
              bench.runs(5))
        lines(bench, commands, ['-b', writable, release], 'depmod', PACKED, bench.runs(5))
