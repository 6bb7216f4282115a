# SPDX-License-Identifier: MIT
"""The kmod-compatible commands against Debian's kmod, on a Debian kernel's module tree.
Each run is a fresh process; what counts is the time from its start to its end."""
import os
import pathlib
import subprocess
import time

from measure import Figure

HERE = pathlib.Path(__file__).resolve().parent
ALIAS = 'pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00'


class Commands:
    """Both sets of commands, by the names of kmod's links, and a tree with its indexes."""

    def __init__(self, bench, build):
        umod = pathlib.Path(build).resolve() / 'tools' / 'umod'
        subprocess.run(['ninja', '-C', build, 'tools/umod'], check=True,
                       stdout=subprocess.DEVNULL)
        script = HERE.parent / 'scripts' / 'kernel-trees'
        out = subprocess.run([script, bench.inputs / 'kernel-trees', 'amd64'], check=True,
                             capture_output=True, text=True).stdout
        _, self.root, self.release = out.split()
        self.links = bench.inputs / 'kmod-links'
        self.links.mkdir(exist_ok=True)
        for name in ('depmod', 'modinfo', 'modprobe'):
            link = self.links / name
            link.unlink(missing_ok=True)
            link.symlink_to(umod)
        subprocess.run(['/sbin/depmod', '-b', self.root, self.release], check=True)

    def both(self, name, *arguments):
        return {'kmod': [f'/sbin/{name}', *arguments],
                'umod': [str(self.links / name), *arguments]}


def once(argv, silent):
    """Nanoseconds of one process."""
    actions = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
    start = time.perf_counter_ns()
    process = os.posix_spawn(argv[0], argv, {'PATH': '/bin', 'LC_ALL': 'C'},
                             file_actions=actions)
    _, status = os.waitpid(process, 0)
    taken = time.perf_counter_ns() - start
    if status:
        raise subprocess.CalledProcessError(status, argv)
    return taken


def compare(commands, runs):
    """Figures of each, in turns, after one run of each that does not count."""
    taken = {label: [] for label in commands}
    silent = os.open('/dev/null', os.O_WRONLY)
    for turn in range(-1, runs):
        for label in sorted(commands, reverse=turn % 2):
            value = once(commands[label], silent)
            if turn >= 0:
                taken[label].append(value)
    os.close(silent)
    return {label: Figure(values) for label, values in taken.items()}


def kmod_lookups(bench, idle):
    """Alias look-up, dependencies and configuration: a process each."""
    if idle:
        return
    commands = Commands(bench, bench.build)
    where = ['-d', commands.root, '-S', commands.release]
    bench.report.title('kmod: modprobe, a process each', 'kmod')
    for what, arguments, least in (
            ('modprobe -R ALIAS', ['-R', ALIAS], 2),
            ('modprobe -D amdgpu', ['--show-depends', 'amdgpu'], None),
            ('modprobe -c', ['-c'], None)):
        runs = bench.runs(301 if least else 31)
        found = compare(commands.both('modprobe', *where, *arguments), runs)
        bench.report.line(what, found['kmod'], found['umod'], ratio_at_least=least)


def modinfo(bench, idle):
    """Every module in one process, and a process each."""
    if idle:
        return
    commands = Commands(bench, bench.build)
    folder = pathlib.Path(commands.root) / 'lib' / 'modules' / commands.release
    paths = sorted(str(path) for path in folder.rglob('*.ko'))
    bench.report.title(f'kmod: modinfo, {len(paths)} modules', 'kmod')
    for what, arguments, least, runs in (
            ('all in one process', paths, 2, 15),
            ('all, -F depends', ['-F', 'depends', *paths], None, 15),
            ('a process for one', [paths[len(paths) // 2]], 1.3, 301)):
        found = compare(commands.both('modinfo', *arguments), bench.runs(runs))
        bench.report.line(what, found['kmod'], found['umod'], ratio_at_least=least)
