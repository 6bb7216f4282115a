#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""resolve.py UMOD KERNEL-TREES FOLDER TREE... [--all]: what modprobe says of a real tree, umod's against
kmod's: the modules that aliases mean, what each module needs, the configuration, versions.
A sample, or every module and 10,000 aliases.

Where kmod is known to be wrong, the difference must be just that:
- of several softdep lines for one module kmod takes the first, umod all;
- kmod prints export namespaces as exports where the kernel has no modversions.
"""
import concurrent.futures
import fnmatch
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from tap import Tap, fetch, link, shadow

KMOD = '/sbin/modprobe'
FORMS = ('modules.alias', 'modules.symbols')


class Tree:
    def __init__(self, umod, name, root, release, work):
        self.name, self.modprobe = name, link(umod, work, 'modprobe')
        self.arguments = ['-d', str(work), '-S', release]
        self.folder = shadow(root, release, work)
        subprocess.run(['/sbin/depmod', '-b', work, release], check=True)
        self.paths = [line.split(':')[0] for line in
                      (self.folder / 'modules.dep').read_text().splitlines()]

    def run(self, program, *arguments):
        done = subprocess.run([program, *self.arguments, *arguments], capture_output=True,
                              errors='surrogateescape', env={'LC_ALL': 'C'})
        return done.returncode, done.stdout

    def both(self, *arguments):
        return self.run(self.modprobe, *arguments), self.run(KMOD, *arguments)

    def softdeps(self):
        """Patterns of softdep lines, with their number of lines."""
        lines = self.run(KMOD, '-c')[1].split('# End of configuration')[0].splitlines()
        return [line.split()[1] for line in lines if line.startswith('softdep ')]


def name_of(path):
    return pathlib.PurePath(path).name.split('.')[0].replace('-', '_')


def concrete(pattern, rng):
    """A text that the pattern matches."""
    text = ''
    while pattern:
        c, pattern = pattern[0], pattern[1:]
        if c == '*':
            text += rng.choice(['', '0', '00001234', 'x'])
        elif c == '?':
            text += rng.choice('0aF')
        elif c == '[':
            characters, _, pattern = pattern.partition(']')
            text += characters[0]
        else:
            text += c
    return text


def aliases(tree, count, rng):
    lines = [line.split()[1] for form in FORMS
             for line in (tree.folder / form).read_text().splitlines()
             if line.startswith('alias ')]
    return [concrete(p, rng) for p in rng.sample(lines, min(count, len(lines)))]


def several_softdeps(output, patterns):
    """Whether a module of the output has more than one softdep line."""
    names = {name_of(line.split()[1]) for line in output.splitlines()}
    return any(sum(fnmatch.fnmatchcase(n, p) for p in patterns) > 1 for n in names)


def compare(pool, tree, questions, excuse=lambda question, mine, theirs: False):
    bad, excused = [], 0
    for question, (mine, theirs) in zip(questions,
                                        pool.map(lambda q: tree.both(*q), questions)):
        if mine == theirs:
            continue
        if excuse(question, mine, theirs):
            excused += 1
            continue
        difference = sorted(set(mine[1].splitlines()) ^ set(theirs[1].splitlines()))
        bad.append(f'{" ".join(question)}: {mine[0]} {theirs[0]} {difference[:4]}')
    return bad, excused


def dependencies(pool, tree, rng, everything):
    names = [name_of(p) for p in tree.paths]
    if not everything:
        names = rng.sample(names, 300) + ['btrfs', 'ext4']
    patterns = tree.softdeps()

    def excuse(_, mine, theirs):
        # Nothing may be missing, and the order of what both have is the same.
        a, b = mine[1].splitlines(), theirs[1].splitlines()
        return (mine[0] == theirs[0] == 0 and several_softdeps(mine[1], patterns) and
                set(b) <= set(a) and len(a) > len(b))

    bad, excused = compare(pool, tree, [('-D', name) for name in names], excuse)
    limit = max(4, len(names) // 100)
    if excused > limit:
        bad.append(f'{excused} modules have several softdep lines: that is too many')
    return bad, f'what {len(names)} modules need ({excused} with several softdep lines)'


def resolution(pool, tree, rng, everything):
    asked = aliases(tree, 10000 if everything else 1000, rng)
    asked += ['nosuch', 'pci:', 'symbol:nosuch', 'fs-ext4', 'net-pf-10', 'ext4', 'block']
    bad, _ = compare(pool, tree, [('-R', alias) for alias in asked])
    return bad, f'{len(asked)} aliases'


def configuration(pool, tree, rng, everything):
    bad, _ = compare(pool, tree, [('-c',)])
    return bad, 'the configuration and the indexes'


def versions(pool, tree, rng, everything):
    paths = [str(tree.folder / p) for p in tree.paths]
    if not everything:
        paths = rng.sample(paths, 60)
    mine, excused = compare(pool, tree, [('--show-modversions', p) for p in paths])
    return mine, f'versions that {len(paths)} modules need'


def exports(pool, tree, rng, everything):
    paths = [str(tree.folder / p) for p in tree.paths]
    if not everything:
        paths = rng.sample(paths, 100)

    def excuse(_, mine, theirs):
        # kmod has the order of its symbol table; and namespaces beside the exports where
        # there are no CRCs. That these are no symbols is checked with depmod.
        a, b = sorted(mine[1].splitlines()), sorted(theirs[1].splitlines())
        return mine[0] == theirs[0] and (a == b or (
            set(a) <= set(b) and all(re.match(r'0x00000000\t(\w+$|module:)', line)
                                     for line in set(b) - set(a))))

    bad, _ = compare(pool, tree, [('--show-exports', p) for p in paths], excuse)
    return bad, f'exports of {len(paths)} modules'


def main():
    arguments = [a for a in sys.argv[1:] if a != '--all']
    everything = len(arguments) < len(sys.argv) - 1
    umod, script, folder, *names = arguments
    tap = Tap()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, root, release in fetch(script, folder, names):
            with tempfile.TemporaryDirectory(prefix='umod-resolve-') as work:
                tree = Tree(umod, name, root, release, pathlib.Path(work))
                for check in (resolution, dependencies, configuration, versions, exports):
                    bad, what = check(pool, tree, random.Random(7), everything)
                    tap.check(not bad, f'{name}: {what}', '\n'.join(bad[:10]))
    tap.done()


if __name__ == '__main__':
    main()
