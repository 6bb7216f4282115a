# SPDX-License-Identifier: MIT
"""Runs a program without and with the drop-in library and compares the two runs. What
umod did is read from its own trace: it must have opened what the program loads, and must
have left nothing to ld.so but what ld.so held already. Knows no program."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TRACED = re.compile(r'^ *\d+:\t(.*)$', re.MULTILINE)
OPENED = re.compile(r'^(/.*): opened for .*, found by ')
LEFT = re.compile(r'^(.*): left to ld\.so: (.*)$')
REFUSED = re.compile(r'^(.*): not opened: (.*)$')
HELD = 'it holds this'


class Trace:
    """What umod says of one run, all its processes together."""

    def __init__(self, folder):
        self.opened, self.left, self.refused = [], [], []
        self.processes = set() # that opened something
        for path in sorted(pathlib.Path(folder).glob('trace.*')):
            text = path.read_text(encoding='utf-8', errors='replace')
            before = len(self.opened)
            for line in TRACED.findall(text):
                if found := OPENED.match(line):
                    self.opened.append(found[1])
                elif found := LEFT.match(line):
                    self.left.append((found[1], found[2]))
                elif found := REFUSED.match(line):
                    self.refused.append((found[1], found[2]))
            if len(self.opened) > before:
                self.processes.add(int(path.suffix[1:]))

    def files(self):
        """The files that umod mapped, each once, as realpath(3) has them."""
        return {os.path.realpath(path) for path in self.opened}

    def fallbacks(self):
        return [f'{name}: {why}' for name, why in self.left if why != HELD]


class Done:
    """A program that ended."""

    def __init__(self, process, out, err, trace=None):
        self.code, self.out, self.err, self.trace = process.returncode, out, err, trace
        self.pid = process.pid


def environment(**more):
    """Without what would make two runs differ, or name a loader."""
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(('UMOD_', 'LD_', 'PYTHON', 'PERL', 'RUBY', 'LUA_'))}
    env.update({'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', 'HOME': '/nonexistent',
                'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONHASHSEED': '0',
                'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'})
    env.update({key: str(value) for key, value in more.items()})
    return env


class Harness:
    """Tests in TAP; @library is libumod-dl.so."""

    def __init__(self, library):
        self.library = str(pathlib.Path(library).resolve(strict=True))
        self.count = self.failed = 0

    def ok(self, good, name, *why):
        self.count += 1
        self.failed += not good
        name = name.replace('#', '')
        print(f'{"ok" if good else "not ok"} {self.count} - {name}', flush=True)
        if not good:
            for line in '\n'.join(str(w) for w in why).splitlines()[:60]:
                print(f'# {line}', flush=True)
        return bool(good)

    def done(self):
        print(f'1..{self.count}', flush=True)
        sys.exit(1 if self.failed or not self.count else 0)

    def env_under_umod(self, env, traces):
        """The environment that puts umod under a program; its traces go to @traces."""
        preload = f'{self.library}:{env["LD_PRELOAD"]}' if env.get('LD_PRELOAD') else \
            self.library
        return {**env, 'LD_PRELOAD': preload, 'UMOD_DEBUG': 'files',
                'UMOD_DEBUG_OUTPUT': f'{traces}/trace'}

    def start(self, argv, env, cwd=None, stdin=subprocess.DEVNULL):
        return subprocess.Popen([str(a) for a in argv], env=env, cwd=cwd, stdin=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                errors='replace', start_new_session=True)

    def runs(self, argv, env=None, cwd=None, text='', timeout_s=240, together=False):
        """The program without and with umod, as (Done, Done). @argv may be a function of
        'plain' or 'umod'. @together: at the same time, for what mostly waits."""
        env = env or environment()
        of = argv if callable(argv) else lambda which: argv
        with tempfile.TemporaryDirectory(prefix='umod-programs-') as traces:
            envs = {'plain': env, 'umod': self.env_under_umod(env, traces)}
            done, started = {}, {}
            for which, its in envs.items():
                started[which] = self.start(of(which), its, cwd, subprocess.PIPE)
                if not together:
                    done[which] = finish(started[which], text, timeout_s)
            for which in envs:
                if together:
                    done[which] = finish(started[which], text, timeout_s)
            done['umod'].trace = Trace(traces)
        return done['plain'], done['umod']

    def compare(self, name, argv, *, expect=(), least=1, same=None, **how):
        """One test: same exit code, output and errors; umod opened the files @expect and
        at least @least, and fell back for none. @same: makes texts comparable. Returns
        the Done of umod's run."""
        plain, umod = self.runs(argv, **how)
        same = same or (lambda text: text)
        why = differences(plain, umod, same)
        why += trace_faults(umod.trace, expect, least)
        self.ok(not why, f'{name}: {len(umod.trace.files())} files opened by umod, '
                f'{len(plain.out.splitlines())} lines alike', *why)
        return umod


def finish(process, text='', timeout_s=240):
    try:
        out, err = process.communicate(text, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9) # the group that start() made
        out, err = process.communicate()
        err += f'\nended after {timeout_s} s'
    return Done(process, out, err)


def trace_faults(trace, expect=(), least=1):
    """What is wrong with what umod did, as lines."""
    files = trace.files()
    why = [f'left to ld.so: {text}' for text in trace.fallbacks()]
    missing = sorted(os.path.realpath(e) for e in expect
                     if os.path.realpath(e) not in files)
    why += [f'not opened by umod: {path}' for path in missing[:20]]
    if len(files) < least:
        why.append(f'{len(files)} files opened by umod, {least} expected at least')
    return why


def differences(plain, umod, same):
    why = []
    if plain.code != umod.code:
        why.append(f'exit code {plain.code}, under umod {umod.code}')
    for what in ('out', 'err'):
        one, other = (same(getattr(done, what)).splitlines() for done in (plain, umod))
        if one == other:
            continue
        at = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b),
                  min(len(one), len(other)))
        why += [f'std{what}, line {at + 1}:', '  plain: ' + ' / '.join(one[at:at + 3]),
                '  umod:  ' + ' / '.join(other[at:at + 12])]
    if not plain.out.strip():
        why.append('the program printed nothing')
    return why


def need_installed(*paths):
    """Tests fail, they do not shrink, where a package is missing."""
    missing = [str(path) for path in paths if not os.path.exists(path)]
    if missing:
        print(f'Bail out! not installed, see scripts/setup test: {" ".join(missing)}')
        sys.exit(1)
