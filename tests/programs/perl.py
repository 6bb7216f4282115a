# SPDX-License-Identifier: MIT
"""Perl under the drop-in library: perl.py LIBRARY modules | use | tests FETCH FOLDER
[MODULE...]. The tests are those of Perl's source for its XS modules, which FETCH,
scripts/debian-source, brings to FOLDER; they run on Debian's Perl."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from common import (HERE, Harness, differences, environment, finish, need_installed,
                    trace_faults, Trace)

PERL = '/usr/bin/perl'
# In Perl's order: a module that is there twice is taken from the first.
FOLDERS = ('/usr/lib/x86_64-linux-gnu/perl5/5.36', '/usr/lib/x86_64-linux-gnu/perl-base',
           '/usr/lib/x86_64-linux-gnu/perl/5.36')
LOAD = r'''
my $name = shift;
require threads if $name eq "threads::shared"; # does nothing without
eval "require $name; 1" or print "fails: $@";
no strict "refs";
print "$name ", join(" ", sort grep { defined &{"${name}::$_"} } keys %{"${name}::"}), "\n";
'''
TAP = re.compile(r'^\s*((?:not )?ok\b *\d*)[^\n#]*(?:#\s*(skip|todo)\b)?', re.M | re.I)
# No XS module of this system's; or what compiles, waits for the clock, or writes to the log.
LEFT_OUT = {'Win32', 'Win32API-File', 'VMS-DCLsym', 'VMS-Filespec', 'VMS-Stdio', 'XS-APItest',
            'XS-Typemap', 'ExtUtils-ParseXS', 'Sys-Syslog', 'Time-HiRes', 'Devel-PPPort',
            'Amiga-ARexx', 'Amiga-Exec'}
RANDOM = {'t/mbi_rand.t'} # what it tests differs each time


def installed():
    """File -> module of each XS module."""
    found = {}
    for folder in FOLDERS:
        auto = pathlib.Path(folder, 'auto')
        for path in sorted(auto.rglob('*.so')):
            name = '::'.join(path.relative_to(auto).parent.parts)
            if name not in found.values():
                found[str(path)] = name
    return found


def modules(harness):
    every = installed()
    harness.ok(len(every) >= 70, f'{len(every)} XS modules are installed')
    why, failing, opened = [], [], 0
    for path, name in every.items():
        plain, umod = harness.runs([PERL, '-e', LOAD, name])
        fails = 'fails: ' in plain.out
        failing += [name] * fails
        opened += len(umod.trace.files())
        bad = differences(plain, umod, str)
        bad += trace_faults(umod.trace, [] if fails else [path], 0 if fails else 1)
        why += [f'{name}: {line}' for line in bad]
    harness.ok(not why, f'each loaded in a fresh process: {opened} files opened by umod',
               *why)
    harness.ok(len(failing) <= 6, f'{len(failing)} fail in both', *failing)


def outcomes(text):
    return sorted((' '.join(word.split()), what.lower())
                  for word, what in TAP.findall(text))


def one_file(harness, folder, test):
    """A test file without and with umod, each in a fresh copy of its folder."""
    first = (folder / test).read_bytes().split(b'\n', 1)[0]
    taint = ['-T'] if re.match(rb'#!.*perl.*-\w*T', first) else []
    done = {}
    for which in ('plain', 'umod'):
        with tempfile.TemporaryDirectory(prefix='umod-perl-') as space:
            # As in the source: some look for its t/test.pl.
            copy, traces = (pathlib.Path(space, place) for place in
                            (f'{folder.parent.name}/{folder.name}', 'traces'))
            shutil.copytree(folder, copy)
            for part in ('t', 'lib'):
                (copy.parents[1] / part).symlink_to(folder.parents[1] / part)
            traces.mkdir()
            env = environment(TMPDIR=space, PERL_HASH_SEED='0')
            if which == 'umod':
                env = harness.env_under_umod(env, traces)
            done[which] = finish(harness.start([PERL, *taint, test], env, copy), None, 120)
            done[which].trace = Trace(traces)
    return done['plain'], done['umod']


def module_tests(harness, folder):
    """Whether there was something to compare."""
    why, run, opened, same = [], 0, 0, True
    for path in sorted((folder / 't').rglob('*.t')):
        test = str(path.relative_to(folder))
        if test in RANDOM:
            continue
        plain, umod = one_file(harness, folder, test)
        one, other = outcomes(plain.out), outcomes(umod.out)
        same = one == other and plain.code == umod.code
        run += len(other)
        opened += len(umod.trace.files())
        if not same:
            odd = sorted(set(one) ^ set(other))[:4]
            why.append(f'{test}: {len(one)} outcomes, {len(other)} under umod: {odd}; exit '
                       f'code {plain.code}, {umod.code}: {umod.err[-500:]}')
        why += [f'{test}: {line}' for line in trace_faults(umod.trace, (), 0)]
    if run:
        harness.ok(not why, f'{folder.name}: {run} tests with the same outcomes, {opened} '
                   'files opened by umod', *why)
        harness.ok(opened, f'{folder.name}: umod opened something')
    return run


def tests(harness, fetch, wanted):
    parts = ('*/ext', '*/dist', '*/cpan', '*/t', '*/lib')
    sources = pathlib.Path(subprocess.run([*fetch, 'perl', *parts], check=True, text=True,
                                          stdout=subprocess.PIPE).stdout.strip())
    folders = {path.parents[0] for part in ('ext', 'dist', 'cpan')
               for path in (sources / part).glob('*/t') if any(path.parent.rglob('*.xs'))}
    folders |= {sources / 'dist/XSLoader', sources / 'ext/DynaLoader'}
    total = 0
    for folder in sorted(folders):
        if folder.name in wanted or not wanted and folder.name not in LEFT_OUT:
            total += module_tests(harness, folder)
    harness.ok(total >= 40, f'{total} tests run')


def main():
    harness = Harness(sys.argv[1])
    need_installed(PERL, *FOLDERS)
    if sys.argv[2] == 'modules':
        modules(harness)
    elif sys.argv[2] == 'use':
        harness.compare('modules in use', [PERL, HERE / 'perl_use.pl'], least=12)
    else:
        tests(harness, sys.argv[3:5], sys.argv[5:])
    harness.done()


main()
