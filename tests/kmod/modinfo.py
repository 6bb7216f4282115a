#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""modinfo.py UMOD KERNEL-TREES FOLDER TREE... [--all]: umod's modinfo against kmod's: every
module of real trees (in CI every module of plain trees, a sample of packed ones), built-in
ones, names and aliases, each option, odd and damaged files.

Only Debian's kmod is at hand to be compared with. Where a signature names its key by
identifier kmod shows nothing of it, umod what there is; no Debian kernel has such.
"""
import json
import lzma
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import modfile
from tap import Tap, fetch, link, run, shadow

KMOD = '/sbin/modinfo'
SAMPLE = 60


def batches(paths, size=400):
    return [paths[i:i + size] for i in range(0, len(paths), size)]


def outcome(program, *arguments, **options):
    done = run(program, *arguments, **options)
    return done.returncode, done.stdout


def same(tap, modinfo, name, *arguments, **options):
    tap.same(repr(outcome(modinfo, *arguments, **options)),
             repr(outcome(KMOD, *arguments, **options)), name)


def trees(tap, modinfo, fetched, everything, work):
    rng = random.Random(7)
    for name, root, release in fetched:
        paths = sorted(str(p) for p in (root / 'lib/modules' / release).rglob('*.ko*'))
        packed = [p for p in paths if not p.endswith('.ko')]
        if packed and not everything:
            paths = rng.sample(paths, SAMPLE)
        for options in ([], ['-0'], ['-p']):
            wrong = [batch[0] for batch in batches(paths)
                     if outcome(modinfo, *options, *batch) != outcome(KMOD, *options, *batch)]
            tap.check(len(paths) >= SAMPLE and not wrong,
                      f'{name}: {" ".join(["modinfo", *options])} of {len(paths)} modules',
                      f'in the batches that begin with {wrong}')
        for field in ('depends', 'signature', 'sig_key', 'vermagic', 'filename', 'parm'):
            some = rng.sample(paths, 20)
            same(tap, modinfo, f'{name}: -F {field}', '-F', field, *some)
        names(tap, modinfo, name, root, release, work / name, rng)


def names(tap, modinfo, name, root, release, work, rng):
    folder = shadow(root, release, work)
    subprocess.run(['/sbin/depmod', '-b', work, release], check=True)
    where = ['-b', str(work), '-k', release]
    dep = [line.split(':')[0] for line in (folder / 'modules.dep').read_text().splitlines()]
    aliases = [line.split()[1].replace('*', '0') for line in
               (folder / 'modules.alias').read_text().splitlines()[1:]]
    builtin = [pathlib.Path(line).stem for line in
               (folder / 'modules.builtin').read_text().splitlines()]
    asked = [pathlib.Path(p).name.split('.')[0] for p in rng.sample(dep, 20)]
    asked += rng.sample(aliases, 40) + builtin + ['ext4', 'fs-ext4', 'nosuch', 'nosuch.ko', 'a[']
    wrong = [a for a in asked if outcome(modinfo, *where, a) != outcome(KMOD, *where, a)]
    tap.check(not wrong, f'{name}: {len(asked)} names, aliases and built-in modules', wrong)
    for options in (['-m', 'ext4'], ['-m', 'ext4.ko'], ['-m', 'fs-ext4'], ['-F', 'name', builtin[0]],
                    ['-n', builtin[0]], ['-0', *builtin[:9]], ['-p', *builtin]):
        same(tap, modinfo, f'{name}: {" ".join(options[:2])}', *where, *options)
    same(tap, modinfo, f'{name}: a relative root', '-b', '.', '-k', release, 'ext4', cwd=work)


def odd_files(tap, modinfo, work):
    info = ['a', 'parm=x', 'parm=y:desc', 'parmtype=z:int', 'parm=z:more', 'parmtype=y',
            'parmtype=y:uint', 'parmtype=y:uint2', 'parm=z:again', '=novalue', '=', 'parm=q:',
            'a_key_that_is_longer_than_the_column=1', 'fifteen_letters=1', 'sixteen__letters=1',
            'parmtype=w:', 'parmtype=v:int', 'license=\xff\xfe\x1b[31m', 'parm=']
    good = modfile.build(info=info)
    files = {'odd': good, 'none': modfile.build(), 'empty': b'', 'short': b'\x7fELF',
             'cut': good[:len(good) // 2], 'gzip': b'\x1f\x8b' + b'x' * 40,
             'text': b'no module\n' * 99,
             'magic': good + b'~Module signature appended~\n',
             'trailer': good + b'\0\0\2\0\0\0\0\0\xff\xff\xff\xff~Module signature appended~\n',
             'bad-cms': good + b'\x30\x03xyz' + b'\0\0\2\0\0\0\0\0\0\0\0\5'
                        b'~Module signature appended~\n'}
    for name, content in files.items():
        (work / f'{name}.ko').write_bytes(content)
        for options in ([], ['-0'], ['-p'], ['-n'], ['-F', 'a']):
            same(tap, modinfo, f'{name}: {options}', *options, work / f'{name}.ko')
    done = run(modinfo, work / 'cut.ko', work / 'odd.ko', work / 'none.ko')
    tap.check(done.returncode == 1 and b'novalue' in done.stdout and
              done.stderr.count(b'could not get modinfo from') == 2,
              'a damaged file is told, and the others are shown', done.stderr)
    (work / 'directory.ko').mkdir()
    (work / 'loop.ko').symlink_to('loop.ko')
    os.mkfifo(work / 'pipe.ko')
    for name in ('directory.ko', 'loop.ko', 'missing.ko'):
        same(tap, modinfo, name, work / name)
    done = run(modinfo, work / 'pipe.ko', timeout=20)
    tap.check(done.returncode == 1, 'a pipe is not waited for')
    same(tap, modinfo, 'a relative path', './odd.ko', '-n', cwd=work)
    for options in ([], ['-h'], ['--nosuch'], ['-F']):
        tap.check(run(modinfo, *options).returncode == run(KMOD, *options).returncode,
                  f'exit status of {options}')


def built_in(tap, modinfo, work):
    """A built-in module with more fields than any kernel has."""
    tree = work / 'many' / 'lib' / 'modules' / '1.0'
    tree.mkdir(parents=True)
    (tree / 'modules.builtin').write_text('kernel/inside.ko\n')
    (tree / 'modules.builtin.modinfo').write_bytes(b''.join(
        b'inside.alias=x%d\0' % i for i in range(3000)) + b'inside.license=GPL\0')
    (tree / 'modules.order').write_bytes(b'')
    subprocess.run(['/sbin/depmod', '-b', work / 'many', '1.0'], check=True)
    same(tap, modinfo, 'a built-in module with 3,001 fields', '-b', work / 'many', '-k', '1.0',
         'inside')


def verified(tap, modinfo, path, work):
    """--verify has its exit status whatever is shown."""
    key = work / 'key.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=x',
                    '-keyout', '/dev/null', '-out', key], check=True, stderr=subprocess.DEVNULL)
    for options in (['-n'], ['-F', 'filename'], ['-F', 'license'], []):
        done = run(modinfo, '--verify', '--keyring', key, *options, path)
        tap.check(done.returncode == 1 and done.stdout, f'--verify {options}: the exit status',
                  done)
    where = ['-b', work / 'many', '-k', '1.0']
    for options in (['-n'], ['-F', 'name'], []):
        done = run(modinfo, '--verify', '--keyring', key, *where, *options, 'inside')
        tap.check(done.returncode == 1 and (options or b'verified:       not checked\n' in
                                            done.stdout),
                  f'--verify {options}: what is built in is not checked', done)
        if options:
            tap.same(done.stdout, run(KMOD, *where, *options, 'inside').stdout,
                     f'--verify {options}: shows no more')
    done = run(modinfo, '--verify', '--keyring', key, *where, '--json', 'inside')
    tap.check(json.loads(done.stdout)[0]['verification']['verdict'] == 'not checked',
              '--verify --json: what is built in', done)


def unpacked(path):
    content = pathlib.Path(path).read_bytes()
    return lzma.decompress(content) if str(path).endswith('.xz') else content


def damage(tap, modinfo, path, work, count):
    """Changed bytes: no crash, and a sentence when it fails."""
    content, rng, bad = unpacked(path), random.Random(3), []
    headers = int.from_bytes(content[40:48], 'little')
    for number in range(count):
        changed = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            at = rng.choice([rng.randrange(64), rng.randrange(headers, len(content)),
                             rng.randrange(len(content) - 800, len(content))])
            changed[at] = rng.randrange(256)
        if number % 5 == 0:
            del changed[rng.randrange(len(changed)):]
        file = work / f'damaged{number}.ko'
        file.write_bytes(changed)
    files = [str(work / f'damaged{number}.ko') for number in range(count)]
    done = run(modinfo, *files)
    told = done.stderr.count(b'could not get modinfo')
    shown = done.stdout.count(b'filename: ')
    if done.returncode not in (0, 1) or shown != count or not told:
        bad = [done.returncode, shown, told, done.stderr[-500:]]
    tap.check(not bad, f'{count} changed modules: {told} are refused, none ends it', bad)


def as_json(tap, modinfo, paths):
    done = run(modinfo, '--json', *paths)
    found = json.loads(done.stdout.decode('utf-8', 'surrogateescape'))
    plain = run(modinfo, '-0', *paths).stdout
    fields = sum(len(m['fields']) for m in found)
    parameters = sum(len(m['parameters']) for m in found)
    tap.check(len(found) == len(paths) and
              fields + parameters + len(paths) == plain.count(b'\0') and
              [m['filename'] for m in found] == paths, 'JSON tells the same')


def main():
    arguments = [a for a in sys.argv[1:] if a != '--all']
    everything = len(arguments) < len(sys.argv) - 1
    umod, script, folder, *wanted = arguments
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix='umod-modinfo-') as name:
        work = pathlib.Path(name)
        modinfo = link(umod, work, 'modinfo')
        fetched = fetch(script, folder, wanted)
        trees(tap, modinfo, fetched, everything, work)
        odd_files(tap, modinfo, work)
        built_in(tap, modinfo, work)
        _, root, release = fetched[0]
        paths = sorted(str(p) for p in (root / 'lib/modules' / release).rglob('*.ko*'))[:50]
        damage(tap, modinfo, paths[5], work, 2000 if everything else 300)
        as_json(tap, modinfo, paths)
        verified(tap, modinfo, paths[5], work)
    tap.done()


if __name__ == '__main__':
    main()
