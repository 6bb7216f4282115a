#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""config.py UMOD: modprobe's configuration, directive by directive and mistake by mistake,
on a made tree. What both have is compared with kmod; what is umod's own is looked for.
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from tap import run

RELEASE = '1.0'
DEP = {'kernel/a.ko': 'kernel/b.ko kernel/c-d.ko', 'kernel/b.ko': '', 'kernel/c-d.ko': '',
       'kernel/e.ko': '', 'kernel/f.ko': 'kernel/e.ko', 'extra/long-name.ko.xz': ''}
ALIAS = ['pci:v00008086d*sv*sd*bc*sc*i* a', 'pci:v00008086d00001*sv*sd*bc*sc*i* b',
         'usb:v[0-4]*p?x e', 'fs_x f', 'of:N*T*Cfoo,bar c_d', 'many a', 'many b', 'many e', 'o-dash:* e']
# name: (configuration, arguments); the same from both.
EQUAL = {
    'options': ('options a x=1\noptions a y="2 3"\noptions b\tz\n', ['-D', 'a', 'w=4 5', 'v']),
    'options of an alias': ('alias me a\noptions me x=1\noptions a y=2\n', ['-D', 'me']),
    'a dash is an underscore': ('options c-d x=1\nalias c_e c-d\n', ['-D', 'c-e']),
    'aliases add up': ('alias two a\nalias two e\nalias t?o f\n', ['-R', 'two']),
    'an alias comes before the module': ('alias a e\n', ['-R', 'a']),
    'a pattern of alias': ('alias x[0-9]y* e\n', ['-R', 'x7yz']),
    'a bracket keeps its dash': ('alias x[a-c]-* e\n', ['-R', 'xb-z']),
    'install': ('install a echo hello $CMDLINE_OPTS\noptions a x=1\n', ['-D', 'a', 'y=2']),
    'install of a pattern': ('install [ab] true\n', ['-D', 'f', 'a']),
    'install of no module': ('install ghost echo boo\n', ['-D', 'ghost']),
    'the first install counts': ('install a first\ninstall a second\n', ['-D', 'a']),
    'install of a dependency': ('install b echo b\n', ['-D', 'a']),
    '-i passes over install': ('install a true\n', ['-i', '-D', 'a']),
    'softdep': ('softdep e pre: b post: c-d\n', ['-D', 'e']),
    'softdep of an alias': ('softdep e pre: fs-x\n', ['-D', 'f']),
    'softdep of nothing': ('softdep e pre: ghost b\n', ['-D', 'e']),
    'softdep round about': ('softdep e pre: b\nsoftdep b pre: e\n', ['-D', 'e']),
    'softdep without a label': ('softdep e b\n', ['-D', 'e']),
    '-i passes over softdep': ('softdep e pre: b\n', ['-i', '-D', 'e']),
    'blacklist': ('blacklist e\n', ['-D', 'e']),
    'blacklist and -b': ('blacklist e\n', ['-b', '-D', 'e']),
    'blacklist of an alias': ('blacklist e\nalias me e\n', ['-D', 'me']),
    'blacklist of one of many': ('blacklist b\n', ['-D', 'many']),
    'a comment': ('# options a x=1\noptions a y=2 # z\n', ['-D', 'a']),
    'a line goes on': ('options a x=1 \\\n y=2\\\n\nblack\\\nlist b\n', ['-D', 'a']),
    'blanks': ('options   a\t x=1\n\n \t\n', ['-D', 'a']),
    'no newline at the end': ('options a x=1', ['-D', 'a']),
    'a carriage return': ('options a x=1\r\n', ['-D', 'a']),
    'bad lines': ('nonsense\nalias\nalias a\noptions\noptions a\ninstall a\nsoftdep a\n'
                  'blacklist\nremove a\ninclude /x\nconfig y\noptions a x=1\n', ['-D', 'a']),
    'bytes that are no text': (b'options a x=\xff\xfe\nalias \xc3\x28 e\n', ['-c']),
    'show all': ('alias me a\noptions a x=1\ninstall b c d\nremove b e f\nblacklist c-d\n'
                 'softdep f pre: a  b\nsoftdep e post: a\n', ['-c']),
    'many matches': ('', ['-R', 'pci:v00008086d00001234sv0sd0bc0sc0i0']),
    'a set': ('', ['-R', 'usb:v34p7x']),
    'nothing matches': ('', ['-R', 'usb:v5p7x']),
    'no such module': ('', ['-D', 'ghost']),
    'not even quietly': ('', ['-q', 'ghost']),
    'some of them': ('', ['-a', '-D', 'ghost', 'e']),
    'a bracket too many': ('alias x] a\nalias y[ a\noptions a z=1\n', ['-D', 'a']),
    'a built-in module': ('', ['-D', 'inside']),
    'a backslash': ('install foo echo "a\\$b" c\\d\n', ['-c']),
    'a backslash for itself': ('options foo a=\\\\\noptions a x=1\n', ['-c']),
    'a long alias': (f'alias {"x" * 5000} a\n', ['-R', 'x']),
    'a long alias shown': (f'alias {"x" * 5000} a\n', ['-c']),
    'a remove command shown': ('remove a echo [$CMDLINE_OPTS] x\n', ['-r', '-n', '-v', 'a']),
    'versions of what is no module': ('', ['--show-modversions', '/etc/passwd']),
    'exports of what is no module': ('', ['--show-exports', '/etc/passwd']),
    'a packed module': ('', ['-D', 'long_name']),
}
# name: (configuration, arguments, status, in standard output, in standard error)
OURS = {
    'softdeps add up': ('softdep e pre: b\nsoftdep e pre: c-d\n', ['-D', 'e'], 0,
                        'kernel/b.ko \ninsmod TREE/kernel/c-d.ko \ninsmod TREE/kernel/e.ko',
                        ''),
    'a softdep leaves install': ('softdep e pre: b\ninstall e /bin/false\n', ['-D', 'e'], 0,
                                 'install /bin/false', ''),
    'forbid': ('forbid e\n', ['-D', 'e'], 1, '',
               "could not insert 'e': e is forbidden by FILE line 1"),
    'forbid what is needed': ('#\nforbid e\n', ['-D', 'f'], 1, '',
                              'e, which f depends on, is forbidden by FILE line 2'),
    'forbid what is liked': ('forbid b\nsoftdep e pre: b\n', ['-D', 'e'], 0, 'kernel/e.ko',
                             'softdep b of e is left out: b is forbidden'),
    'forbid by pattern': ('forbid [ef]\n', ['-D', 'f'], 1, '', 'is forbidden by'),
    'forbid a path': ('forbid e\n', ['-D', 'TREE/kernel/e.ko'], 1, '', 'is forbidden by'),
    'forbid without a name': ('forbid\n', ['-D', 'e'], 0, 'kernel/e.ko',
                              "FILE line 1: ignoring bad line starting with 'forbid'"),
    'forbid a link': ('forbid e\n', ['-D', 'TREE/../odd/link.ko'], 1, '',
                      'e, which is what TREE/../odd/link.ko holds, is forbidden by FILE line 1'),
    'forbid a copy': ('forbid e\n', ['-D', 'TREE/../odd/copy.ko'], 1, '', 'is forbidden by FILE'),
    'forbid nothing else': ('forbid a\n', ['-D', 'TREE/../odd/copy.ko'], 0, 'copy.ko', ''),
    'forbid what is packed': ('forbid e\n', ['-D', 'TREE/../odd/odd.ko.xz'], 1, '',
                              'cannot be unpacked'),
    'forbid leaves other softdeps': (
        'forbid e\nsoftdep b pre: f c-d\nsoftdep f pre: c-d\n', ['-D', 'b'], 0,
        'insmod TREE/kernel/c-d.ko \ninsmod TREE/kernel/b.ko', 'softdep f of b is left out'),
    'forbid is told even quietly': ('forbid e\n', ['-q', '-n', 'e'], 1, '', 'is forbidden by'),
    'forbid and blacklist': ('forbid e\nblacklist e\nalias me e\n', ['-D', 'me'], 0, '', ''),
    'a path': ('options e x=1\n', ['-D', 'TREE/kernel/e.ko', 'y=2'], 0,
               'insmod TREE/kernel/e.ko x=1 y=2\n', ''),
    'softdep shown': ('softdep f post: e pre: a  b\n', ['-c'], 0,
                      'softdep f pre: a b post: e\n', ''),
    'weakdep': ('weakdep e b c-d\n', ['-c'], 0, 'weakdep e b c-d', ''),
    'a bad line is told': ('\nnonsense x\n', ['-D', 'e'], 0, 'kernel/e.ko',
                           "FILE line 2: ignoring bad line starting with 'nonsense'"),
    'old and new spellings': ('', ['--show-alias', 'fs-x'], 0, 'f\n', ''),
    'the older spelling': ('', ['--resolve-alias', 'fs-x'], 0, 'f\n', ''),
    'no control socket': ('', ['--host', '/run/x', 'e'], 1, '', 'no umod host answers there'),
    'softdeps too deep': (''.join(f'softdep s{i} pre: s{i + 1}\ninstall s{i} x\n'
                                  for i in range(400)), ['-D', 's0'], 1, '', 'nested'),
}


def make_tree(folder):
    lib = folder / 'lib' / 'modules' / RELEASE
    for path in DEP:
        (lib / path).parent.mkdir(parents=True, exist_ok=True)
        (lib / path).write_bytes(b'')
    (lib / 'modules.dep').write_text(''.join(f'{p}: {d}\n' for p, d in DEP.items()))
    (lib / 'modules.alias').write_text(''.join(f'alias {a}\n' for a in ALIAS))
    (lib / 'modules.builtin').write_text('kernel/inside.ko\n')
    return lib


class Bench:
    def __init__(self, umod, work):
        self.work, self.number, self.failed = work, 0, False
        self.links = work / 'bin'
        self.links.mkdir()
        (self.links / 'modprobe').symlink_to(pathlib.Path(umod).resolve())
        self.tree = make_tree(work / 'root')
        self.binary = pathlib.Path(umod).resolve()

    def run(self, kmod, config, arguments, environment=None):
        arguments = [a.replace('TREE', str(self.tree)) for a in arguments]
        program = '/sbin/modprobe' if kmod else str(self.links / 'modprobe')
        command = [program, '-d', str(self.work / 'root'), '-S', RELEASE]
        for path in config:
            command += ['-C', str(path)]
        done = subprocess.run(command + arguments, capture_output=True,
                              errors='surrogateescape', stdin=subprocess.DEVNULL,
                              env={'LC_ALL': 'C', 'PATH': '/bin', **(environment or {})})
        return done.returncode, done.stdout, done.stderr

    def result(self, good, what, details=''):
        self.number += 1
        self.failed |= not good
        if not good:
            print('\n'.join('# ' + line.encode('ascii', 'backslashreplace').decode()
                            for line in details.splitlines()))
        print(f'{"ok" if good else "not ok"} {self.number} - {what}')

    def equal(self, what, config, arguments, **more):
        mine = self.run(False, config, arguments, **more)
        theirs = self.run(True, config, arguments, **more)
        self.result(mine[:2] == theirs[:2], what, f'umod: {mine}\nkmod: {theirs}')

    def file(self, name, text):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


def write_indexes(bench):
    """The .bin files by kmod's depmod, from modules that say what DEP and ALIAS say."""
    source, odd = bench.work / 'module.c', bench.tree.parent / 'odd'
    odd.mkdir()
    needs = {p: [pathlib.PurePath(d).name.split('.')[0].replace('-', '_')
                 for d in deps.split()] for p, deps in DEP.items()}
    for path in DEP:
        name = pathlib.PurePath(path).name.split('.')[0].replace('-', '_')
        said = [f'alias={a.split()[0]}' for a in ALIAS if a.split()[1] == name]
        text = '\\0'.join(['license=GPL', *said, f'name={name}'])
        code = [f'__attribute__((section(".modinfo"), used)) static char i[] = "{text}";',
                f'void {name}_here(void) {{}}',
                f'__attribute__((section("__ksymtab_strings"), used)) static char k[] = '
                f'"{name}_here";']
        for need in needs[path]:
            code += [f'void {need}_here(void);',
                     f'void {name}_{need}(void) {{ {need}_here(); }}']
        source.write_text('\n'.join(code))
        target = bench.tree / path
        subprocess.run(['cc', '-c', '-w', '-O1', source, '-o', bench.work / 'module.o'],
                       check=True)
        packed = (bench.work / 'module.o').read_bytes()
        if path.endswith('.xz'):
            packed = subprocess.run(['xz', '-c'], input=packed, check=True,
                                    capture_output=True).stdout
        target.write_bytes(packed)
        if path == 'kernel/e.ko':
            (odd / 'copy.ko').write_bytes(packed)
    (odd / 'link.ko').symlink_to('../1.0/kernel/e.ko')
    (odd / 'odd.ko.xz').write_bytes(b'\xfd7zXZ\0' + b'x' * 40)
    for text in ('modules.dep', 'modules.alias'):
        (bench.tree / text).unlink()
    (bench.tree / 'modules.order').write_text(''.join(f'{p}\n' for p in DEP))
    (bench.tree / 'modules.builtin.modinfo').write_bytes(
        b'inside.alias=in:*\0inside.license=GPL\0')
    subprocess.run(['/sbin/depmod', '-b', bench.work / 'root', RELEASE], check=True)


def text_alone(bench):
    """Before there are .bin files, the texts answer."""
    for arguments, wanted in ((['-R', 'fs-x'], 'f\n'), (['-R', 'many'], 'a\nb\ne\n'),
                              (['-D', 'inside'], 'builtin inside\n')):
        status, out, _ = bench.run(False, [], arguments)
        bench.result((status, out) == (0, wanted), f'text alone: {" ".join(arguments)}', out)
    status, out, _ = bench.run(False, [], ['-D', 'f'])
    bench.result(status == 0 and out.splitlines() == [
        f'insmod {bench.tree}/kernel/e.ko ', f'insmod {bench.tree}/kernel/f.ko '],
        'text alone: -D f', out)


def told_texts(bench):
    """A .bin that is damaged anywhere, or missing: its text is asked, which is told."""
    for name, question in (('modules.dep', ['-D', 'f']), ('modules.alias', ['-R', 'fs-x']),
                           ('modules.alias', ['-R', 'o-dash:x']), ('modules.symbols',
                           ['-R', 'symbol:a_here']), ('modules.alias', ['-c']),
                           ('modules.builtin', ['-D', 'inside'])):
        path = bench.tree / f'{name}.bin'
        whole = path.read_bytes()
        wanted = bench.run(False, [], question)[:2]
        root = int.from_bytes(whole[8:12], 'big') & 0x0fffffff
        at = root + 2 if whole[8] & 0x20 else root + 1
        for what, data in (('missing', None), ('cut', whole[:11]),
                           ('damaged', whole[:at] + b'\x7f' * (len(whole) - at))):
            path.unlink()
            if data is not None:
                path.write_bytes(data)
            status, out, err = bench.run(False, [], question)
            same = sorted(out.splitlines()) == sorted(wanted[1].splitlines())
            bench.result(status == wanted[0] and same and f'{path}' in err and
                         (not data or f'{name} is read instead' in err),
                         f'{name}.bin is {what}: {question}', f'{out}\n{wanted}\n{err}')
            path.write_bytes(whole)
    # What is damaged and has no text: the rest is shown.
    path, text = bench.tree / 'modules.alias.bin', bench.tree / 'modules.alias'
    whole, kept = path.read_bytes(), text.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    text.unlink()
    _, out, _ = bench.run(False, [], ['-c'])
    bench.result('alias symbol:a_here a' in out, 'a damaged index: the next is shown', out)
    path.write_bytes(whole)
    text.write_bytes(kept)


def relative_root(bench):
    os.chdir(bench.work)
    for root in ('root', './root', '.'):
        got = [run(program, '-C', '/dev/null', '-d', root, '-S', RELEASE, '-D', 'f')
               for program in (bench.links / 'modprobe', '/sbin/modprobe')]
        bench.result(got[0].stdout == got[1].stdout and
                     got[0].returncode == got[1].returncode, f'-d {root}', f'{got}')
    os.chdir('/')


def removing(bench):
    (bench.links / 'rmmod').symlink_to(pathlib.Path(bench.binary).resolve())
    for name in ('a/b', '/no/such.ko', 'nosuch.ko', 'no-such.x.y'):
        got = [run(program, name) for program in (bench.links / 'rmmod', '/sbin/rmmod')]
        said = [g.stderr.split(b'ERROR: ')[-1] for g in got]
        bench.result(said[0] == said[1] and got[0].returncode == got[1].returncode,
                     f'rmmod {name}', f'{got}')
    got = run(bench.links / 'rmmod', '')
    bench.result(got.returncode == 1 and b'not currently loaded' in got.stderr, 'rmmod ""',
                 f'{got}')


def damaged_indexes(bench):
    """Cut and changed .bin files: no crash, and what is wrong is said."""
    rng, crashed, silent, questions = random.Random(3), [], [], (
        ['-R', 'pci:v00008086d00001234sv0sd0bc0sc0i0'], ['-D', 'f'], ['-c'],
        ['-R', 'in:x'], ['-R', 'symbol:a_here'], ['-R', 'ghost'])
    for path in sorted(bench.tree.glob('*.bin')):
        whole = path.read_bytes()
        damage = [whole[:n] for n in (0, 1, 11, 12, len(whole) // 2, len(whole) - 1)]
        for _ in range(40):
            changed = bytearray(whole)
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(len(whole))] = rng.randrange(256)
            damage.append(bytes(changed))
        for number, data in enumerate(damage):
            path.write_bytes(data)
            said = ''
            for arguments in questions:
                status, _, err = bench.run(False, [], arguments)
                said += err
                if status not in (0, 1):
                    crashed.append(f'{path.name} {number} {arguments}: {status}')
            # What is cut before the root's end cannot go unseen.
            if number < 4 and path.name not in said:
                silent.append(f'{path.name} {number}: {said}')
        path.write_bytes(whole)
    bench.result(not crashed, 'damaged indexes: no crash', '\n'.join(crashed[:9]))
    bench.result(not silent, 'damaged indexes: told', '\n'.join(silent[:9]))


def directories(bench):
    """Of files with one name the first directory's counts; all go by name."""
    one, two = bench.work / 'one.d', bench.work / 'two.d'
    bench.file('one.d/b.conf', 'options a one-b\n')
    bench.file('two.d/b.conf', 'options a two-b\n')
    bench.file('two.d/a.conf', 'options a two-a\n')
    bench.file('one.d/c.alias', 'alias from-alias a\n')
    bench.file('one.d/.hidden.conf', 'options a hidden\n')
    bench.file('one.d/other.txt', 'options a other\n')
    (one / 'folder.conf').mkdir()
    (one / 'mask.conf').symlink_to('/dev/null')
    bench.file('two.d/mask.conf', 'options a masked\n')
    (one / 'gone.conf').symlink_to('/nowhere')
    os.mkfifo(one / 'pipe.confx')
    single = bench.file('z.conf', 'options a single\n')
    for what, paths in (('two directories', [one, two]), ('the other way', [two, one]),
                        ('a file too', [one, single, two]), ('none', [bench.work / 'none']),
                        ('a file alone', [single])):
        bench.equal(f'directories: {what}', paths, ['-D', 'a'])
    bench.equal('directories: an alias file', [one], ['-R', 'from-alias'])
    bench.equal('MODPROBE_OPTIONS', [single], ['-D', 'a'],
                environment={'MODPROBE_OPTIONS': f'-C {two} --show-depends'})
    # kmod 30 takes what follows a quote for an empty word.
    status, out, _ = bench.run(False, [single], ['a'], environment={
        'MODPROBE_OPTIONS': f"  -C '{two}'  --show-dep'ends'"})
    bench.result(status == 0 and 'a.ko two-a two-b masked single' in out,
                 'MODPROBE_OPTIONS with quotes', out)
    os.mkfifo(one / 'pipe.conf')  # kmod would wait for a writer
    status, out, err = bench.run(False, [one], ['-D', 'a'])
    bench.result(status == 0 and 'pipe.conf is no file' in err, 'a pipe is passed over', err)


def system_directories(bench):
    """The default directories and the kernel's command line, in a mount namespace."""
    places = ('/etc/modprobe.d', '/run/modprobe.d', '/usr/local/lib/modprobe.d',
              '/lib/modprobe.d')
    lines = ['set -e']
    made = [place for place in places if not pathlib.Path(place).exists()]
    for i, place in enumerate(places):
        lines += [f'mkdir -p {place}', f'mount -t tmpfs none {place}',
                  f'echo "options e {place}" >{place}/same.conf',
                  f'echo "options a {place}" >{place}/{9 - i}.conf',
                  f'echo "options b {place}" >{place}/{i}-b.conf']
        if i:
            lines.append(f'echo "options f {place}" >{place}/lower.conf')
    lines += ['printf \'quiet a.x=1 modprobe.blacklist=b,c_d e.y="1 2" c_d.z root=/dev/x.y\\n'
              f'\' >{bench.work}/cmdline',
              f'mount --bind {bench.work}/cmdline /proc/cmdline']
    where = f'-d {bench.work}/root -S {RELEASE}'
    for program, name in ((f'{bench.links}/modprobe', 'umod'), ('/sbin/modprobe', 'kmod')):
        lines.append(f'(for m in a f; do {program} {where} -D $m; done; {program} {where} '
                     f'-c) >{bench.work}/{name}.out 2>&1')
    done = subprocess.run(['unshare', '-m', 'sh', '-c', '\n'.join(lines)],
                          capture_output=True, text=True)
    for place in made:
        if pathlib.Path(place).exists():
            os.rmdir(place)
    mine, theirs = ((bench.work / f'{n}.out').read_text() if (bench.work / f'{n}.out').exists()
                    else '' for n in ('umod', 'kmod'))
    bench.result(done.returncode == 0 and mine == theirs and 'options a x=1' in mine and
                 'options e /etc/modprobe.d' in mine and 'blacklist c_d' in mine,
                 'the default directories, and the kernel command line',
                 f'{done.stderr}\n--- umod\n{mine}\n--- kmod\n{theirs}')


def main():
    with tempfile.TemporaryDirectory(prefix='umod-config-') as name:
        bench = Bench(sys.argv[1], pathlib.Path(name))
        text_alone(bench)
        write_indexes(bench)
        for what, (text, arguments) in EQUAL.items():
            bench.equal(what, [bench.file('test.conf', text)], arguments)
        for what, (text, arguments, status, out, err) in OURS.items():
            path = bench.file('test.conf', text)
            got = bench.run(False, [path], arguments)
            bench.result(got[0] == status and out.replace('TREE', str(bench.tree)) in got[1] and
                         err.replace('FILE', str(path)).replace('TREE', str(bench.tree))
                         in got[2], what, f'{got}')
        told_texts(bench)
        relative_root(bench)
        removing(bench)
        damaged_indexes(bench)
        directories(bench)
        system_directories(bench)
        print(f'1..{bench.number}')
    sys.exit(bench.failed)


if __name__ == '__main__':
    main()
