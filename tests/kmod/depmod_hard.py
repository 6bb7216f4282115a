#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""depmod on trees that are damaged, odd or hostile: a clear message, the rest still done,
the exit status that kmod has, nothing half-written.

depmod_hard.py UMOD [KERNEL-TREES FOLDER]: with a real tree its modules are packed in every
way, cut and changed. With "many" in place of those: 100,000 modules.
"""
import gzip
import json
import lzma
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from modfile import build
from tap import Tap, fetch, link, run

RELEASE = '6.0.0-test'


class Box:
    """A tree that is made for one case."""

    def __init__(self, tap, umod, work):
        self.tap, self.work = tap, pathlib.Path(work)
        self.umod = link(umod, work, 'depmod')
        self.root = self.work / 'root'
        self.config = self.work / 'config'
        self.config.mkdir()

    @property
    def tree(self):
        return self.root / 'lib' / 'modules' / RELEASE

    def fresh(self, order=True, **modules):
        """Modules by path below kernel/, "__" for "/" and "_ko" for the ending."""
        shutil.rmtree(self.root, ignore_errors=True)
        (self.tree / 'kernel').mkdir(parents=True)
        for name, content in modules.items():
            self.add(f'kernel/{name.replace("__", "/")}.ko', content)
        if order:
            paths = sorted(str(p.relative_to(self.tree)) for p in self.tree.rglob('*.ko'))
            (self.tree / 'modules.order').write_text(''.join(p + '\n' for p in paths))
        for name in ('modules.builtin', 'modules.builtin.modinfo'):
            (self.tree / name).write_bytes(b'')
        return self

    def add(self, path, content):
        path = self.tree / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else build(**content))

    def run(self, *options, program=None, **more):
        return run(program or self.umod, '-C', self.config, *options, '-b', self.root,
                   RELEASE, **more)

    def same(self, name, *options, says=None, status=None):
        """As kmod: output, exit status, and messages in so far as @says."""
        kmod = self.run('-n', *options, program='depmod')
        umod = self.run('-n', *options)
        text = b''.join(line for line in umod.stdout.splitlines(True)
                        if not line.startswith((b'# Weak', b'weakdep')))
        self.tap.same(text, kmod.stdout, f'{name}: as kmod')
        self.tap.check(umod.returncode == (kmod.returncode if status is None else status),
                       f'{name}: exit status', f'{umod} {kmod}')
        if says is not None:
            self.tap.check(says.encode() in umod.stderr if says else not umod.stderr,
                           f'{name}: {says or "no message"}', umod.stderr)
        return umod

    def holds(self, name, want, says='', status=0, options=()):
        """modules.dep is @want, a message says @says."""
        done = self.run('-n', *options)
        dep = done.stdout.decode('latin1').split('#')[0].splitlines()
        self.tap.check(dep == want and done.returncode == status, name,
                       f'{dep} {done.returncode} {done.stderr}')
        self.tap.check(says.encode() in done.stderr if says else not done.stderr,
                       f'{name}: {says or "no message"}', done.stderr)
        return done


def contents(box):
    a = {'exports': ['one', 'two'], 'info': ['alias=pci:v1-2', 'license=GPL']}
    b = {'imports': ['one', 'printk'], 'info': ['alias=odd[a-b]-c', 'alias=x[', 'alias=y]']}
    box.fresh(a=a, b=b).same('brackets', says='')
    done = box.run()
    box.tap.check(done.stderr.count(b'Unmatched bracket in') == 2 and done.returncode == 0,
                  'brackets without a partner', done.stderr)
    box.fresh(a=a, b={'imports': ['two'], 'info': [
        'alias=char-major-10-5', 'alias=devname:node', 'softdep=pre: c post: d',
        'weakdep=e f', b'alias=caf\xc3\xa9-\xff', 'alias', '=', 'alias=']})
    done = box.run('-n')
    box.tap.check(b'weakdep b e f' in done.stdout and b'b node c10:5' in done.stdout and
                  b'alias caf\xc3\xa9-\xff b' in done.stdout, 'fields of a module', done)
    done = box.run()
    box.tap.check(done.returncode == 0 and b'7-bit ASCII' in done.stderr and
                  (box.tree / 'modules.alias.bin').stat().st_size > 20,
                  'what is no ASCII is told, the rest is indexed', done)
    box.fresh(a={'info': ['alias=devname:x', 'alias=devname:y']}).same(
        'a device node without numbers', says="Module 'a' has devname (y) but lacks major")
    box.fresh(**{'a-b': {'exports': ['s']}, 'c__d': {'imports': ['s']}}).same('dashes', says='')
    box.fresh(a={'exports': ['s']}, b={'imports': ['t'], 'weak': ['s']}).same(
        'weak imports', says='')
    box.fresh(a={'exports': ['s']}, z={'exports': ['s']}, b={'imports': ['s']}).same(
        'two export a symbol', says='')
    long = 'n' * 240
    box.fresh(**{long: {'exports': ['s' * 4000]}, 'b': {'imports': ['s' * 4000]}}).holds(
        'names at the limit', ['kernel/b.ko: kernel/' + long + '.ko', f'kernel/{long}.ko:'])
    box.fresh(a={'info': ['alias=' + 'x' * 5000]})
    done = box.run()
    box.tap.check(done.returncode == 0 and b'Too many bytes' in done.stderr,
                  'an alias that is too long', done)


def layouts(box):
    """Exports as the processors have them, and what kmod cannot read."""
    spaced = [('in_a', 'SPACE', 1), ('plain', '', 2), ('for_b', 'module:b,c*', 3)]
    for machine in ('x86_64', 'aarch64', 'riscv'):
        for fields in (2, 3):
            box.fresh(a={'exports': spaced, 'gpl': ['free'], 'machine': machine,
                         'fields': fields, 'crcs': True},
                      b={'imports': ['in_a', 'free'], 'machine': machine})
            box.same(f'{machine}, {fields} fields', says='')
            box.fresh(a={'exports': spaced, 'machine': machine, 'fields': fields,
                         'flags': fields == 3}, b={'imports': ['SPACE'], 'machine': machine})
            done = box.run('-n').stdout.decode()
            box.tap.check('symbol:in_a a' in done and 'SPACE' not in done and
                          'module:' not in done and 'symbol:for_b a' in done,
                          f'{machine}, {fields} fields: a namespace is no export', done)


def versions(box):
    box.fresh(a={'exports': [('s', '', 7)], 'crcs': True},
              b={'imports': ['s', 'k'], 'versions': [('s', 7), ('k', 5),
                                                     ('module_layout', 9)]},
              c={'imports': ['s', 'k', 'gone'], 'versions': [('s', 8), ('k', 5)]})
    symvers = box.work / 'Module.symvers'
    symvers.write_text('0x00000005\tk\tvmlinux\tEXPORT_SYMBOL\t\n'
                       '0x9\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\nbad line\n'
                       '0xZ\tq\tvmlinux\tEXPORT_SYMBOL\n')
    done = box.same('versions', '-e', '-E', symvers, says='needs unknown symbol gone')
    box.tap.check(b'c.ko disagrees about version of symbol s' in done.stderr and
                  b'Invalid symbol version 0xZ' in done.stderr and
                  done.stderr.count(b'\n') == 3, 'versions: what is wrong', done.stderr)
    box.add('kernel/c.ko', {'imports': ['s', 'k' * 60], 'long_versions': [
        ('s', 8), ('k' * 60, 4)]})
    symvers.write_text(f'0x5\t{"k" * 60}\tvmlinux\tEXPORT_SYMBOL\n')
    done = box.run('-n', '-e', '-E', symvers)
    box.tap.check(f'symbol {"k" * 60}'.encode() in done.stderr, 'extended versions', done)
    system_map = box.work / 'System.map'
    system_map.write_text('c0 R __ksymtab_k\nbroken\nc4 r __kstrtab_x\n')
    box.same('System.map', '-e', '-F', system_map, says='invalid line: broken')
    got = [box.run('-n', '-e', '-F', system_map, program=p).stderr.splitlines()
           for p in (None, 'depmod')]
    lines = [sorted(line.split(b'WARNING: ')[1] for line in g if b'needs unknown' in line)
             for g in got]
    box.tap.same(lines[0], lines[1], 'System.map: what is unknown, as kmod')
    box.tap.check(any(b'module_layout' in line for line in lines[0]),
                  'System.map: what has a version alone', got)
    box.same('-e alone', '-e', says='-e needs -E or -F')
    box.same('no such map', '-e', '-F', box.work / 'none', says='FATAL')


def cycles(box):
    ring = lambda *names: {n: {'exports': [f's_{n}'], 'imports': [f's_{m}']}
                           for n, m in zip(names, names[1:] + names[:1])}
    for names in (('a', 'b'), ('a', 'b', 'c')):
        box.fresh(**ring(*names), d={'imports': ['s_a']}, e={})
        box.run()
        done = box.run()
        kmod = box.run('-n', program='depmod')
        want = [line for line in kmod.stderr.splitlines() if b'ycle' in line]
        box.tap.check(done.stderr.splitlines() == want and len(want) == 2 and
                      done.returncode == kmod.returncode == 1 and
                      not (box.tree / 'modules.dep').exists(),
                      f'a cycle of {len(names)}: as kmod, and nothing written',
                      f'{done} {kmod}')
    box.fresh(**ring('a', 'b'), **ring('x', 'y', 'z'), f={'exports': ['f'], 'imports': ['f']})
    done = box.run('-n')
    box.tap.check(b'Found 6 modules' in done.stderr and b'f -> f' in done.stderr,
                  'three cycles', done.stderr)


def priorities(box):
    mods = {'updates__m': {'exports': ['new']}, 'm': {'exports': ['old']},
            'extra__m': {'exports': ['extra']}, 'x': {'imports': ['old', 'new', 'extra']}}

    def tree(config, name, says=''):
        box.fresh()
        for path, content in mods.items():
            box.add(path.replace('__', '/') + '.ko' if '__' in path else f'kernel/{path}.ko',
                    content)
        (box.config / 'a.conf').write_text(config)
        done = box.same(name, says=says)
        (box.config / 'a.conf').unlink()
        return done
    tree('', 'updates first')
    tree('search extra updates built-in\n', 'search')
    tree('# none\nsearch built-in \\\n extra\n', 'a line goes on')
    tree('search updates\noverride m * extra\n', 'override')
    tree('override m 5.* extra\noverride m ^6 kernel\n', 'override by release')
    tree('exclude updates extra\n', 'exclude')
    tree('nonsense here\noverride m\n', 'bad lines', "ignoring bad line starting with 'override'")
    outside = box.work / 'outside'
    outside.mkdir(exist_ok=True)
    (outside / 'm.ko').write_bytes(build(exports=['ext'], imports=['one']))
    (outside / 'only.ko').write_bytes(build(exports=['one']))
    tree(f'external 6.0.0-test {outside}\nsearch external built-in\n', 'external')
    tree(f'external 6.0 {outside}\nexternal 6.0 /none/such\n', 'an external that is gone',
         'could not open directory /none/such')


def files(box):
    good = {'exports': ['s']}
    box.fresh(a=good, b={'imports': ['s']}, bad=b'', cut=build(**good)[:200],
              text=b'no ELF at all' * 9, zero=bytes(5000))
    box.same('damaged files', says='text.ko: no ELF file')
    box.fresh(a=good, elf32=b'\x7fELF\1\1\1' + bytes(200)).holds(
        'a 32-bit module', ['kernel/a.ko:', 'kernel/elf32.ko:'], 'a 32-bit ELF file')
    box.fresh(a=good, big=b'\x7fELF\2\2\1' + bytes(200)).holds(
        'big-endian', ['kernel/a.ko:', 'kernel/big.ko:'], 'little-endian')
    box.fresh(a=good)
    os.mkfifo(box.tree / 'kernel' / 'pipe.ko')
    (box.tree / 'kernel' / 'loop').symlink_to('loop')
    (box.tree / 'kernel' / 'gone.ko').symlink_to('nowhere')
    box.same('a pipe and links that lead nowhere', says='unsupported file type')
    box.fresh(a=good, **{'sub__b': {'imports': ['s']}})
    (box.tree / 'kernel' / 'sub' / 'up').symlink_to('../..')
    box.holds('a link to a directory above', ['kernel/a.ko:', 'kernel/sub/b.ko: kernel/a.ko'],
              'a link to a directory that it is in')
    box.fresh(order=False, a=good).same('no modules.order', says='could not open modules.order')
    box.fresh(a=good, b={})
    (box.tree / 'modules.order').write_text('kernel/b.ko\nkernel/a.ko')
    box.same('modules.order cut', says="corrupted line misses '\\n'")
    box.fresh(a=good)
    (box.tree / 'modules.builtin').write_text('kernel/x-y.ko\n/bad\nkernel/z.ko')
    (box.tree / 'modules.builtin.modinfo').write_bytes(
        b'x_y.alias=pci:a-b\0x_y.license=GPL\0.alias=no\0half')
    box.run(program='depmod')
    kmod = {p.name: p.read_bytes() for p in box.tree.glob('modules.builtin.*bin')}
    done = box.run()
    box.tap.check(len(kmod) == 2 and b'Invalid modules.builtin line: /bad' in done.stderr and
                  all((box.tree / n).read_bytes() == kmod[n] for n in kmod),
                  'odd lists of built-in modules', done.stderr)
    for name in ('modules.builtin', 'modules.builtin.modinfo', 'modules.order'):
        (box.tree / name).unlink()
    done = box.run()
    box.tap.check(done.returncode == 0 and (box.tree / 'modules.builtin.bin').stat().st_size
                  == 12, 'no lists at all: empty indexes', done)
    shutil.rmtree(box.tree)
    box.same('no tree', says='could not open directory')


def writing(box):
    box.fresh(a={'exports': ['s'] * 3, 'info': [f'alias=pci:v{i:08}' for i in range(3000)]})
    done = box.run()
    names = sorted(p.name for p in box.tree.iterdir())
    box.tap.check(len(names) == 15 and done.returncode == 0, 'the files of a run', names)
    before = {p: p.read_bytes() for p in box.tree.glob('modules.*')}
    box.add('kernel/b.ko', {'imports': ['s']})

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    done = box.run(preexec_fn=limit)
    after = {p: p.read_bytes() for p in box.tree.glob('modules.*')}
    box.tap.check(done.returncode == 1 and after == before and b'File too large' in done.stderr,
                  'a full disk: the old files stay, and no others', f'{done} {sorted(after)}')
    for name in ('modules.symbols', 'modules.devname'):
        (box.tree / name).unlink()
        (box.tree / name).mkdir()
        before = {p: p.is_file() and p.read_bytes() for p in box.tree.iterdir()}
        done = box.run()
        after = {p: p.is_file() and p.read_bytes() for p in box.tree.iterdir()}
        box.tap.check(done.returncode == 1 and after == before and
                      f'{name}: cannot be replaced'.encode() in done.stderr,
                      f'{name} is a directory: the old files stay, and no others', done)
        (box.tree / name).rmdir()
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([box.umod, '-n', '-b', box.root, RELEASE], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    box.tap.check(done.returncode == 1 and done.stderr, 'nobody can take the output', done)
    done = box.run('-o', box.work / 'new' / 'place')
    box.tap.check((box.work / 'new/place/lib/modules' / RELEASE / 'modules.dep').exists() and
                  done.returncode == 0, '-o makes its directory', done)
    os.utime(box.tree / 'modules.dep', (1, 1))
    box.run('-A')
    box.tap.check((box.tree / 'modules.dep').stat().st_mtime > 1, '-A: older than a module')
    os.utime(box.tree / 'modules.alias', (1, 1))
    box.run('-A')
    box.tap.check((box.tree / 'modules.alias').stat().st_mtime == 1, '-A: nothing to do')
    done = box.run('--json')
    document = json.loads(done.stdout)
    box.tap.check([m['name'] for m in document['modules']] == ['a', 'b'] and
                  document['modules'][1]['depends'] == ['kernel/a.ko'] and
                  len(document['modules'][0]['aliases']) == 3000, '--json', done.stderr)
    for arguments in (['-z'], ['noversion'], ['-P', 'ab'], ['6.0.0-test', 'relative.ko'],
                      ['6.0.0-test', '/none.ko']):
        got = [run(program, '-n', '-b', box.root, *arguments) for program in
               (box.umod, 'depmod')]
        box.tap.check(got[0].returncode == got[1].returncode == 1 and got[0].stderr and
                      not got[0].stdout, f'wrong: {arguments}', got)
    got = [run(program, '-n', '-b', box.root, RELEASE, box.tree / 'kernel/b.ko').stdout
           for program in (box.umod, 'depmod')]
    box.tap.check(b'kernel/b.ko:\n' in got[0] and b'a.ko' not in got[0] and
                  got[0].split(b'#')[0] == got[1].split(b'#')[0], 'one file alone', got)
    done = box.run('-n', '-v')
    box.tap.check(f'b.ko needs "s": {box.tree}/kernel/a.ko'.encode() in done.stdout, '-v', done)


WHOLE = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
int fstatat(int d, const char *path, struct stat *st, int flags)
{
	int (*next)(int, const char *, struct stat *, int) = dlsym(RTLD_NEXT, "fstatat");
	int result = next(d, path, st, flags);
	st->st_mtim.tv_nsec = st->st_ctim.tv_nsec = 0;
	return result;
}
"""


def incremental(box):
    """What has just changed may change again within the same times: it is not kept."""
    cache = box.tree / 'modules.umod'
    box.fresh(old={'exports': ['old']})
    time.sleep(0.3)
    for _ in range(9):  # a machine may be slow
        box.add('kernel/young.ko', {'exports': ['s']})
        box.run('--incremental')
        age = time.time() - (box.tree / 'kernel/young.ko').stat().st_ctime
        kept = b'kernel/young.ko\0' in cache.read_bytes()
        if not kept:
            break
    box.tap.check(not kept and b'kernel/old.ko\0' in cache.read_bytes(),
                  'incremental: a young file is not kept', age)
    time.sleep(0.3)
    box.run('--incremental')
    box.tap.check(b'kernel/young.ko\0' in cache.read_bytes(), 'incremental: an older one is')
    if b'__asan_init' in box.umod.read_bytes():
        return
    shim = box.work / 'whole.so'
    subprocess.run(['cc', '-xc', '-', '-shared', '-fPIC', '-w', '-o', shim, '-ldl'],
                   input=WHOLE.encode(), check=True)
    box.add('kernel/young.ko', {'exports': ['s']})
    time.sleep(0.3)
    box.run('--incremental', env={'LD_PRELOAD': str(shim)})
    box.tap.check(b'kernel/young.ko\0' not in cache.read_bytes(),
                  'incremental: young, as times have no fractions')
    box.add('kernel/young.ko', {'exports': ['t']})
    box.run('--incremental', env={'LD_PRELOAD': str(shim)})
    box.tap.check('symbol:t ' in (box.tree / 'modules.symbols').read_text(),
                  'incremental: changed within one second')


def packed(box, root, release):
    """Real modules, packed in every way; what is missing; what is cut or changed."""
    source = root / 'lib' / 'modules' / release / 'kernel'
    modules = sorted((source / 'net' / 'bluetooth').rglob('*.ko'))
    modules += sorted((source / 'drivers' / 'bluetooth').rglob('*.ko'))
    box.fresh()
    for module in modules:
        box.add(f'kernel/{module.name}', module.read_bytes())
    plain = box.same('real modules', says='').stdout
    ways = [('.gz', gzip.compress), ('.xz', lzma.compress)]
    for check in (lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_SHA256):
        ways.append(('.xz', lambda data, check=check: lzma.compress(data, check=check, filters=[
            {'id': lzma.FILTER_X86}, {'id': lzma.FILTER_LZMA2, 'dict_size': 64 << 20}])))
    ways.append(('.xz', lambda d: lzma.compress(d[:999]) + lzma.compress(d[999:])))

    def zstd(*options):
        def pack(data):
            (box.work / 'z').write_bytes(data)
            return run('zstd', '-q', '-c', *options, box.work / 'z').stdout
        return pack
    ways += [('.zst', zstd('-1')), ('.zst', zstd('-19')), ('.zst', zstd('--long=29'))]
    for number, (suffix, pack) in enumerate(ways):
        box.fresh()
        for module in modules:
            box.add(f'kernel/{module.name}{suffix}', pack(module.read_bytes()))
        done = box.run('-n')
        box.tap.check(sorted(done.stdout.replace(suffix.encode(), b'').splitlines()) ==
                      sorted(plain.splitlines()) and not done.stderr,
                      f'packed, way {number + 1} ({suffix})', done.stderr)
    # The library is there but is none.
    lacking = box.work / 'lacking'
    lacking.mkdir()
    (lacking / 'libzstd.so.1').write_bytes(b'')
    done = box.run('-n', env={'LD_LIBRARY_PATH': str(lacking)})
    box.tap.check(b'package libzstd1' in done.stderr and done.returncode == 0 and
                  done.stderr.count(b'\n') == len(modules), 'without libzstd', done.stderr[:500])
    chosen = random.Random(3)
    for suffix, pack in ways[:2] + ways[6:7] + [('', bytes)]:
        box.fresh()
        for number, module in enumerate(modules):
            data = bytearray(pack(module.read_bytes()))
            if number % 3 == 0:
                del data[chosen.randrange(len(data)):]
            elif number % 3 == 1:
                for _ in range(20):
                    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
            box.add(f'kernel/{module.name}{suffix}', bytes(data))
        done = box.run('-n')
        lines = done.stdout.split(b'#')[0].splitlines()
        # A needless symbol may close a cycle; that is the one reason to give up.
        box.tap.check((done.returncode == 0 and len(lines) == len(modules)) or
                      b'Cycle' in done.stderr, f'cut and changed ({suffix or "plain"})', done)
        box.tap.check(done.returncode >= 0 and done.stderr, f'told ({suffix or "plain"})', done)


def many(box):
    """As many modules as no kernel has; kmod ends at 65,535 of them."""
    count = 100000
    box.fresh()
    for number in range(count):
        box.add(f'kernel/d{number % 300}/m{number}.ko', build(
            exports=[f's{number}'], imports=[f's{number - 1}'] if number % 50 else ['printk'],
            info=[f'alias=test:{number}']))
    done = box.run()
    lines = (box.tree / 'modules.dep').read_text().splitlines()
    box.tap.check(done.returncode == 0 and len(lines) == count and not done.stderr,
                  '100,000 modules', done.stderr)
    longest = max(lines, key=len)
    box.tap.check(longest.count('.ko') == 50, 'the longest chain', longest)
    got = run('modprobe', '-C', '/dev/null', '-d', box.root, '-S', RELEASE, '-D',
              'test:77777').stdout.decode().splitlines()
    box.tap.check(len(got) == 28 and got[-1].strip().endswith('m77777.ko'),
                  'kmod reads the index', got[-3:])
    # One chain through all of them.
    box.fresh()
    count = 3000
    for number in range(count):
        box.add(f'kernel/m{number}.ko', build(exports=[f's{number}'],
                                              imports=[f's{number + 1}']))
    done = box.run('-n')
    box.tap.check(max(map(len, done.stdout.splitlines())) > 30000 and done.returncode == 0,
                  'a chain of 3,000', done.stderr)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix='umod-depmod-') as work:
        box = Box(tap, sys.argv[1], work)
        if sys.argv[2:] == ['many']:
            many(box)
        else:
            for case in (contents, layouts, versions, cycles, priorities, files, writing, incremental):
                case(box)
        if len(sys.argv) == 4:
            (_, root, release), = fetch(sys.argv[2], sys.argv[3], ['amd64'])
            packed(box, root, release)
    tap.done()


if __name__ == '__main__':
    main()
