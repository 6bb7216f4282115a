#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""describe_trees.py PROGRAM KERNEL-TREES FOLDER TREE: every module of a real kernel is
described, and of a sample what was read agrees with readelf's and kmod's reading."""
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'kmod'))
from tap import Tap, fetch  # noqa: E402

SAMPLE = 200
ENTRY_BYTES = 12  # of __ksymtab


def text_of(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          check=True, **options).stdout


def section_bytes(path):
    found = {}
    for line in text_of('readelf', '-SW', path).splitlines():
        words = line.partition(']')[2].split()
        if len(words) > 4 and words[0] != 'Name':
            found[words[0]] = int(words[4], 16)
    return found


def expected(path):
    """Exports, of those GPL alone, aliases, dependencies, namespaces."""
    bytes_of = section_bytes(path)
    gpl = bytes_of.get('__ksymtab_gpl', 0) // ENTRY_BYTES
    counts = [bytes_of.get('__ksymtab', 0) // ENTRY_BYTES + gpl, gpl]
    for field in ('alias', 'depends', 'import_ns'):
        lines = text_of('/sbin/modinfo', '-F', field, path).splitlines()
        if field == 'depends':
            lines = [name for line in lines for name in line.split(',') if name]
        counts.append(len(lines))
    return counts


def main():
    program, scripts, folder, *names = sys.argv[1:]
    tap = Tap()
    for name, root, release in fetch(scripts, folder, names):
        paths = sorted((root / 'lib/modules' / release).rglob('*.ko'))
        done = subprocess.run([program], input='\n'.join(map(str, paths)) + '\n',
                              capture_output=True, text=True)
        lines = done.stdout.splitlines()
        tap.check(done.returncode == 0 and len(lines) == len(paths) >= SAMPLE,
                  f'{name}: all {len(paths)} modules are described',
                  '\n'.join(line for line in lines if ': ' in line))
        wrong = [line for path, line in zip(paths, lines)
                 if line.split()[:2] != [path.stem.replace('-', '_'), '1']]
        tap.check(not wrong, f'{name}: each is a kernel\'s, by its name', '\n'.join(wrong))
        rng = random.Random(4)
        some = rng.sample(list(zip(paths, lines)), min(SAMPLE, len(lines)))
        wrong = [f'{line}: {expected(path)}' for path, line in some
                 if [int(word) for word in line.split()[2:]] != expected(path)]
        tap.check(not wrong, f'{name}: {len(some)} agree with readelf and kmod',
                  '\n'.join(wrong))
    tap.done()


if __name__ == '__main__':
    main()
