# SPDX-License-Identifier: MIT
"""What the tests of kmod's commands share: TAP, running programs, trees."""
import os
import pathlib
import subprocess
import sys


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, fine, name, detail=''):
        self.count += 1
        self.failed += not fine
        print(f'{"ok" if fine else "not ok"} {self.count} - {name}', flush=True)
        if not fine and detail:
            for line in str(detail)[:4000].splitlines():
                print(f'# {line}', flush=True)
        return fine

    def same(self, got, want, name):
        """Equal, or the first line that differs."""
        if got == want:
            return self.check(True, name)
        got, want = (x.splitlines() if isinstance(x, (str, bytes)) else list(x)
                     for x in (got, want))
        for number, (a, b) in enumerate(zip(got + [None] * len(want), want), 1):
            if a != b:
                return self.check(False, name, f'line {number}\n got {a!r}\nwant {b!r}')
        return self.check(False, name, f'got {len(got)} lines, want {len(want)}; '
                                       f'more: {got[len(want):][:3]}')

    def done(self):
        print(f'1..{self.count}')
        sys.exit(1 if self.failed else 0)


def run(*command, **options):
    """A finished process; output as bytes."""
    environment = dict(os.environ, LC_ALL='C', PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
    environment.update(options.pop('env', {}))
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment, check=False, **options)


def link(tool, folder, name):
    """A link to umod by which it is the command @name."""
    path = pathlib.Path(folder) / name
    path.unlink(missing_ok=True)
    path.symlink_to(pathlib.Path(tool).resolve())
    return path


def fetch(script, folder, names):
    """Module trees of Debian's kernels: [(name, root, release)]."""
    done = subprocess.run([str(script), str(folder), *names], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f'Bail out! kernel trees cannot be fetched ({done.returncode})')
        sys.exit(1)
    return [(name, pathlib.Path(root), release) for name, root, release in
            (line.split('\t') for line in done.stdout.splitlines())]


def shadow(root, release, folder):
    """A tree of its own whose modules are those of @root: links, and the input files."""
    tree = pathlib.Path(folder) / 'lib' / 'modules' / release
    source = root / 'lib' / 'modules' / release
    tree.mkdir(parents=True)
    (tree / 'kernel').symlink_to(source / 'kernel')
    for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
        (tree / name).write_bytes((source / name).read_bytes())
    return tree
