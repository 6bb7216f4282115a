#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""depmod against kmod's on the module trees of Debian's kernels.

depmod_trees.py UMOD KERNEL-TREES FOLDER TREE...: for each tree what `depmod -n` prints,
every index file byte for byte, what kmod's modprobe makes of umod's files, and that an
incremental run leaves what a full one does.
"""
import difflib
import lzma
import pathlib
import random
import re
import shutil
import sys
import tempfile

from tap import Tap, fetch, link, run, shadow

FILES = ['modules.dep', 'modules.alias', 'modules.softdep', 'modules.symbols',
         'modules.devname', 'modules.dep.bin', 'modules.alias.bin', 'modules.symbols.bin',
         'modules.builtin.bin', 'modules.builtin.alias.bin']
CORRECTIONS = pathlib.Path(__file__).parent / 'depmod-corrections.txt'


def corrections(spaces):
    """The rules, with the namespaces of this tree."""
    names = '|'.join([re.escape(space) for space in spaces] or ['(?!)'])
    rules = []
    for line in CORRECTIONS.read_text().splitlines():
        if line[:2] in ('< ', '> '):
            pattern = line[2:].split('\t#')[0].replace('NAMESPACE', f'(?:{names})')
            rules.append((line[0], re.compile(pattern)))
    return rules


def differences(kmod, umod, spaces):
    """Lines that differ and that no correction allows; and how many it allows."""
    rules, left, allowed = corrections(spaces), [], 0
    for line in difflib.unified_diff(kmod, umod, n=0, lineterm=''):
        if line[:3] in ('---', '+++') or line[:2] == '@@':
            continue
        side = {'-': '<', '+': '>'}[line[0]]
        if any(s == side and r.fullmatch(line[1:]) for s, r in rules):
            allowed += 1
        else:
            left.append(line)
    return left, allowed


class Tree:
    def __init__(self, tap, umod, work, name, root, release):
        self.tap, self.name, self.root, self.release = tap, name, root, release
        self.work = work / name
        self.work.mkdir()
        self.umod = link(umod, self.work, 'depmod')
        self.spaces = []

    def namespaces(self, left):
        """Of the "exports" that only kmod has, those that are no symbols of the module."""
        files = {re.sub(r'\.ko.*', '', path.name).replace('-', '_'): path for path in
                 (self.root / 'lib/modules' / self.release).rglob('*.ko*')}
        found = set()
        for line in left:
            match = re.fullmatch(r'-alias symbol:(\S+) (\S+)', line)
            if match and match[2] in files:
                plain = self.work / 'module.ko'
                packed = files[match[2]].read_bytes()
                plain.write_bytes(lzma.decompress(packed) if packed[:4] == b'\xfd7zX'
                                  else packed)
                symbols = run('nm', plain).stdout.decode('latin1').split()
                if len(symbols) > 3 and match[1] not in symbols:
                    found.add(match[1])
        return sorted(found)

    def text(self):
        kmod = run('depmod', '-n', '-b', self.root, self.release)
        umod = run(self.umod, '-n', '-b', self.root, self.release)
        self.tap.check(umod.returncode == 0 == kmod.returncode and not umod.stderr,
                       f'{self.name}: depmod -n', umod.stderr.decode('utf8', 'replace'))
        lines = [x.stdout.decode('latin1').splitlines() for x in (kmod, umod)]
        left, allowed = differences(*lines, [])
        if left:
            self.spaces = self.namespaces(left)
            left, allowed = differences(*lines, self.spaces)
        self.tap.check(not left and len(lines[1]) > 10000, f'{self.name}: {len(lines[1])} '
                       f'lines as kmod has them, but for {allowed} corrections',
                       '\n'.join(left[:20]))
        one = run(self.umod, '-n', '--threads=1', '-b', self.root, self.release)
        self.tap.same(one.stdout, umod.stdout, f'{self.name}: one thread or several')

    def files(self):
        self.kmod_tree = shadow(self.root, self.release, self.work / 'kmod')
        self.umod_tree = shadow(self.root, self.release, self.work / 'umod')
        run('depmod', '-b', self.work / 'kmod', self.release)
        done = run(self.umod, '-b', self.work / 'umod', self.release)
        self.tap.check(done.returncode == 0 and not done.stderr,
                       f'{self.name}: depmod', done.stderr.decode('utf8', 'replace'))
        for name in FILES:
            if 'symbols' in name and self.spaces:
                continue  # corrected: the text has been compared, and so is what it answers
            self.tap.check((self.kmod_tree / name).read_bytes() ==
                           (self.umod_tree / name).read_bytes(),
                           f'{self.name}: {name} as kmod writes it')
        left = [p.name for p in self.umod_tree.iterdir() if re.search(r'\.\d+\.\d+$', p.name)]
        self.tap.check(not left, f'{self.name}: no temporary files', left)

    def answers(self, modules, aliases):
        """kmod's own modprobe asks both trees the same."""
        text = (self.umod_tree / 'modules.alias').read_text('latin1')
        known = sorted({re.sub(r'[*?]|\[[^]]*\]', '0', line.split()[1])
                        for line in text.splitlines() if line.startswith('alias ')})
        names = sorted(line.split(':')[0].split('/')[-1].split('.')[0] for line in
                       (self.umod_tree / 'modules.dep').read_text().splitlines())
        chosen = random.Random(7)
        symbols = [line.split()[1] for line in
                   (self.umod_tree / 'modules.symbols').read_text().splitlines()[1:]]
        known += chosen.sample(symbols, min(aliases, len(symbols)))
        ask = {'-D': chosen.sample(names, min(modules, len(names))),
               '-R': chosen.sample(known, min(aliases, len(known)))}
        for option, arguments in ask.items():
            got = [run('modprobe', '-C', '/dev/null', '-d', self.work / which, '-S',
                       self.release, '-a', option, *arguments) for which in ('kmod', 'umod')]
            lines = [g.stdout.decode('latin1').replace(f'{self.work}/{which}', '')
                     for g, which in zip(got, ('kmod', 'umod'))]
            self.tap.check(lines[0].count('\n') >= len(arguments) // 2,
                           f'{self.name}: modprobe {option} knows {len(arguments)}', got[0])
            self.tap.same(lines[1], lines[0], f'{self.name}: modprobe {option}')

    def incremental(self):
        """A copy of a part of the tree that changes between runs."""
        tree = self.work / 'part' / 'lib' / 'modules' / self.release
        source = self.root / 'lib' / 'modules' / self.release
        (tree / 'kernel').mkdir(parents=True)
        for part in ('net', 'sound', 'fs'):
            shutil.copytree(source / 'kernel' / part, tree / 'kernel' / part)
        for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
            shutil.copy(source / name, tree / name)

        def compare(what):
            done = run(self.umod, '-b', self.work / 'part', '-o', self.work / 'inc',
                       '--incremental', self.release)
            full = run(self.umod, '-b', self.work / 'part', '-o', self.work / 'full',
                       self.release)
            trees = [self.work / o / 'lib' / 'modules' / self.release for o in ('inc', 'full')]
            same = all((trees[0] / n).read_bytes() == (trees[1] / n).read_bytes()
                       for n in FILES)
            self.tap.check(done.returncode == 0 == full.returncode and same and
                           not done.stderr, f'{self.name}: incremental, {what}', done.stderr)
        compare('the first')
        run('sleep', '0.2')
        compare('again')
        compare('nothing changed')
        modules = sorted((tree / 'kernel').rglob('*.ko*'))
        # Another file under an old name: all that tells are inode and times.
        a, b = modules[10], modules[-10]
        a.write_bytes(b.read_bytes())
        modules[20].unlink()
        modules[30].rename(modules[30].with_name('zz_' + modules[30].name))
        compare('one replaced, one gone, one renamed')
        cache = self.work / 'inc' / 'lib' / 'modules' / self.release / 'modules.umod'
        whole = cache.read_bytes()
        for what, damage in (('cut', whole[:len(whole) // 2]), ('empty', b''),
                             ('changed', whole[:5000] + b'?' + whole[5001:])):
            cache.write_bytes(damage)
            compare(f'its file {what}')


def main():
    umod, script, folder, *names = sys.argv[1:]
    tap = Tap()
    whole = 'whole' in names
    names = [name for name in names if name != 'whole']
    with tempfile.TemporaryDirectory(prefix='umod-depmod-') as work:
        for name, root, release in fetch(script, folder, names):
            tree = Tree(tap, umod, pathlib.Path(work), name, root, release)
            tree.text()
            tree.files()
            tree.answers(*((100000, 20000) if whole else (400, 1000)))
            tree.incremental()
    tap.done()


if __name__ == '__main__':
    main()
