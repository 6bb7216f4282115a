#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""module_census.py UMOD PROGRAM KERNEL-TREES FOLDER TREE... [--all]: real kernel modules,
through every stage but init. module_census.c inserts those of a tree, all of them or a
sample with what it needs, into a host that lends what the kernel's Module.symvers says;
without that, what the modules import and were built against. Signatures are enforced, by
the certificate in the kernel's image.

Then the memory of that process is read and compared, section by section, with what this
script computes from the files: nothing of umod's, nor a linker's, takes part but for where
each section lies. Permissions are those that the kernel of this machine tells.
"""
import bisect
import collections
import lzma
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import time

from tap import Tap, fetch, run

ALLOC, WRITE, EXECUTE, NOBITS, RELA, SYMTAB = 2, 1, 4, 8, 4, 2
SEALED = ('.data..ro_after_init', '.data.rel.ro', '.init_array', '.fini_array')
LOW = 1 << 31


def text(table, at):
    return table[at:table.index(b'\0', at)].decode()


class File:
    """A relocatable object, as the gABI has it."""

    def __init__(self, path):
        self.path = path
        content = path.read_bytes()
        if content[:6] == b'\xfd7zXZ\0':
            content = lzma.decompress(content)
        self.content = content
        at, count, names = struct.unpack_from('<Q12xHH', content, 40) # e_shoff, e_shnum, ...
        self.sections = list(struct.iter_unpack('<IIQQQQIIQQ', content[at:at + 64 * count]))
        names = self.data(names)
        self.names = [text(names, s[0]) for s in self.sections]
        table = next(i for i, s in enumerate(self.sections) if s[1] == SYMTAB)
        self.strings = self.data(self.sections[table][6])
        self.symbols = list(struct.iter_unpack('<IBBHQQ', self.data(table)))

    def data(self, index):
        _, kind, _, _, offset, size = self.sections[index][:6]
        return b'' if kind == NOBITS else self.content[offset:offset + size]

    def named(self, name):
        return self.data(self.names.index(name)) if name in self.names else b''

    def name(self, symbol):
        return text(self.strings, symbol[0])

    def info(self, key):
        found = [f.decode() for f in self.named('.modinfo').split(b'\0')
                 if f.startswith(key.encode() + b'=')]
        return found[0].partition('=')[2] if found else ''

    def exports(self):
        """{name: (section, value)}: each has an entry __ksymtab_NAME in the table."""
        places, names = {}, set()
        for symbol in self.symbols:
            name = self.name(symbol)
            if name.startswith('__ksymtab_') and symbol[3]:
                names.add(name[10:])
            elif symbol[3] and symbol[1] >> 4:
                places[name] = symbol[3], symbol[4]
        return {n: places[n] for n in names if n in places}

    def imports(self):
        return {self.name(s): s[1] >> 4 == 2 for s in self.symbols[1:] if s[3] == 0}

    def versions(self):
        """{name: CRC}: __versions, 64 bytes each, or the extended tables."""
        crcs = self.named('__version_ext_crcs')
        if crcs:
            names = self.named('__version_ext_names').split(b'\0')
            return {n.decode(): c for n, (c,) in zip(names, struct.iter_unpack('<I', crcs))}
        return {n.partition(b'\0')[0].decode(): crc & 0xffffffff
                for crc, n in struct.iter_unpack('<Q56s', self.named('__versions'))}


# ---- what the host must lend ----

class Tree:
    """The chosen modules of a tree, what is needed first, and the host's exports."""

    def __init__(self, folder, everything, count=12):
        paths = sorted(folder.rglob('*.ko*'))
        self.found, self.exported, self.needs = len(paths), {}, {}
        self.versions, self.differ = {}, []
        self.exports, self.vermagic = {}, ''
        imports = {}
        for path in paths:
            file = File(path)
            self.vermagic = self.vermagic or file.info('vermagic')
            self.exports[path] = file.exports()
            imports[path] = file.imports(), file.versions()
            for name in self.exports[path]:
                self.exported[name] = path
        chosen = paths if everything else random.Random(4).sample(paths, count)
        for path in paths:
            self.needs[path] = sorted({self.exported[n] for n in imports[path][0]
                                       if n in self.exported} - {path})
        self.order, self.added = [], set()
        for path in chosen:
            self.add(path)
        self.wanted = set()
        for path in self.order:
            names, versions = imports[path]
            self.wanted |= {n for n, weak in names.items()
                            if n not in self.exported and not weak}
            for name, crc in versions.items():
                if self.versions.setdefault(name, crc) != crc:
                    self.differ.append(f'{path}: {name}')
        self.wanted |= {'module_layout'} & set(self.versions)

    def add(self, path):
        if path in self.added:
            return
        self.added.add(path)
        for need in self.needs[path]:
            self.add(need)
        self.order.append(path)

    def symvers(self, root):
        path = next((root / 'usr/src').glob('*/Module.symvers'), None)
        return path.read_text() if path else ''.join(
            f'0x{self.versions.get(n, 0):08x}\t{n}\tvmlinux\tEXPORT_SYMBOL_GPL\t\n'
            for n in sorted(self.wanted))


# ---- what came of it ----

class Result:
    """What the program told."""

    def __init__(self, stream):
        self.stubs, self.sections, self.range, self.stages = {}, {}, {}, {}
        self.failed, self.other, self.relocations = [], [], 0
        self.inserted = self.microseconds = 0
        path = None
        for line in stream:
            word, _, rest = line.rstrip('\n').partition(' ')
            if word == 'stub':
                name, address = rest.split()
                self.stubs[name] = int(address, 16)
            elif word == 'module':
                path, start, end, count = rest.rsplit(' ', 3)
                path = pathlib.Path(path)
                self.range[path] = int(start, 16), int(end, 16)
                self.relocations += int(count)
            elif word == 'sections':
                self.sections[path] = {
                    int(i): (int(a, 16), int(n, 16))
                    for i, a, n in (s.split(':') for s in rest.split())}
            elif word == 'failed':
                self.failed.append(rest)
            elif word == 'inserted':
                self.inserted, self.microseconds = map(int, rest.split())
            elif word == 'stage':
                name, microseconds = rest.split()
                self.stages[name] = int(microseconds)
            elif word == 'ready':
                return
            else:
                self.other.append(line)
        self.other.append('it ended early')


class Memory:
    """That of the process, and its permissions."""

    def __init__(self, pid):
        self.descriptor = os.open(f'/proc/{pid}/mem', os.O_RDONLY)
        self.maps = []
        for line in pathlib.Path(f'/proc/{pid}/maps').read_text().splitlines():
            ends, permissions = line.split()[:2]
            start, end = (int(e, 16) for e in ends.split('-'))
            self.maps.append((start, end, permissions[:3]))
        self.starts = [m[0] for m in self.maps]

    def read(self, address, count):
        return os.pread(self.descriptor, count, address) if count else b''

    def permissions(self, address, count):
        """Those of all mappings that the range touches; '' where there is none."""
        found, end = set(), address + count
        at = bisect.bisect_right(self.starts, address) - 1
        while address < end:
            start, stop, what = self.maps[at] if 0 <= at < len(self.maps) else (0, 0, '')
            found.add(what if start <= address < stop else '')
            if not start <= address < stop:
                break
            address, at = stop, at + 1
        return found


class Compare:
    """Sections as they must be against sections as they are."""

    def __init__(self, tree, result, memory):
        self.tree, self.result, self.memory = tree, result, memory
        self.types = collections.Counter()
        self.modules = self.bytes = self.compared = self.through = self.gone = 0
        self.seconds, self.wrong = 0, []

    def value_of_import(self, name):
        provider = self.tree.exported.get(name)
        if provider in self.result.sections:
            section, value = self.tree.exports[provider][name]
            return self.result.sections[provider][section][0] + value
        return self.result.stubs.get(name, 0)

    def values(self, file, places):
        """What each symbol is; None: in a section that is not loaded."""
        out = []
        for symbol in file.symbols:
            section, value = symbol[3], symbol[4]
            if section == 0:
                out.append(self.value_of_import(file.name(symbol)) if symbol[0] else 0)
            elif section == 0xfff1:
                out.append(value)
            else:
                out.append(places[section][0] + value if section in places else None)
        return out

    def by_stub(self, path, place, value, kind):
        """The field at @place leads to @value by a stub, or a word, of the module's own."""
        start, end = self.result.range[path]
        target = place + 4 + struct.unpack('<i', self.memory.read(place, 4))[0]
        self.through += 1
        if kind in (2, 4):
            code = self.memory.read(target, 8)
            if code[:2] != b'\xff\x25' or not start <= target < end:
                return False
            target += 6 + struct.unpack('<i', code[2:6])[0]
        return start <= target < end and \
            struct.unpack('<Q', self.memory.read(target, 8))[0] == value

    def relocate(self, file, table, body, base, values):
        pack = struct.pack_into
        for offset, info, addend in struct.iter_unpack('<QQq', file.data(table)):
            kind, value = info & 0xffffffff, values[info >> 32]
            self.types[kind] += 1
            if value is None: # of what is not loaded: as ld leaves it
                size = 8 if kind in (1, 24) else 4
                body[offset:offset + size] = bytes(size)
                self.gone += 1
                continue
            try:
                if kind in (2, 4): # PC32, PLT32
                    pack('<i', body, offset, value + addend - base - offset)
                elif kind == 1: # 64
                    pack('<Q', body, offset, (value + addend) % (1 << 64))
                elif kind == 11: # 32S
                    pack('<i', body, offset, value + addend)
                elif kind == 10: # 32
                    pack('<I', body, offset, value + addend)
                elif kind == 24: # PC64
                    pack('<q', body, offset, value + addend - base - offset)
                elif kind in (9, 41, 42): # GOTPCREL and kin
                    raise struct.error
                elif kind:
                    self.wrong.append(f'{file.path.name}: relocation type {kind}')
            except struct.error:
                if kind in (2, 4, 9, 41, 42) and addend == -4 and \
                        self.by_stub(file.path, base + offset, value, kind):
                    body[offset:offset + 4] = self.memory.read(base + offset, 4)
                else:
                    self.wrong.append(f'{file.path.name}: type {kind} does not reach')

    def check_place(self, file, index, places):
        section, name = file.sections[index], file.names[index]
        address, size = places[index]
        start, end = self.result.range[file.path]
        want = 'r-x' if section[2] & EXECUTE else \
            'rw-' if section[2] & WRITE and not name.startswith(SEALED) else 'r--'
        if size != section[5] or address % max(1, section[8]) or address < start or \
                address + size > min(end, LOW):
            self.wrong.append(f'{file.path.name}: {name} at {address:#x}, {size} bytes')
        if size and self.memory.permissions(address, size) != {want}:
            self.wrong.append(f'{file.path.name}: {name} is '
                              f'{self.memory.permissions(address, size)}, not {want}')

    def module(self, path):
        file, places = File(path), self.result.sections[path]
        values = self.values(file, places)
        tables = collections.defaultdict(list)
        for index, section in enumerate(file.sections):
            if section[1] == RELA:
                tables[section[7]].append(index)
        loaded = {i for i, s in enumerate(file.sections) if s[2] & ALLOC and s[1]}
        if loaded != set(places):
            self.wrong.append(f'{path.name}: sections {loaded ^ set(places)}')
        spans = sorted(places[i] for i in loaded if i in places and places[i][1])
        if any(a + n > b for (a, n), (b, _) in zip(spans, spans[1:])):
            self.wrong.append(f'{path.name}: sections overlap')
        for index in sorted(loaded & set(places)):
            self.check_place(file, index, places)
            base, size = places[index]
            body = bytearray(file.data(index) or bytes(size))
            for table in tables[index]:
                self.relocate(file, table, body, base, values)
            got = self.memory.read(base, size)
            self.bytes += size
            self.compared += 1
            if got != body:
                first = next(i for i, (a, b) in enumerate(zip(got, body)) if a != b)
                self.wrong.append(f'{path.name}: {file.names[index]}+{first:#x}: '
                                  f'{got[first:first + 8].hex()}, not '
                                  f'{bytes(body[first:first + 8]).hex()}')
        self.modules += 1


# ---- the tests ----

def certificate(tap, umod, root, name, folder):
    out = folder / f'{name}.pem'
    image = next(p for p in (*root.glob('boot/vmlinu*'), *root.glob('lib/modules/*/vmlinu*')))
    done = run(umod, 'keyring', 'from-kernel', image, '-o', out)
    tap.check(done.returncode == 0, f'{name}: the build certificate is in {image.name}',
              done.stderr)
    return out


def start(program, folder, keys, symvers, paths, *options):
    (folder / 'Module.symvers').write_text(symvers)
    (folder / 'list').write_text(''.join(f'{p}\n' for p in paths))
    # pylint: disable-next=consider-using-with
    return subprocess.Popen(
        [program, folder / 'Module.symvers', keys, folder / 'list', *options], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def compared(process, tree):
    """What the program told, all of it compared, and its last words."""
    with process:
        result = Result(process.stdout)
        begin = time.monotonic()
        compare = Compare(tree, result, Memory(process.pid))
        for path in result.sections:
            compare.module(path)
        compare.seconds = time.monotonic() - begin
        return result, compare, ''.join(process.communicate('remove\n'))


def tell(result, compare):
    kinds = ', '.join(f'type {t}: {n}' for t, n in sorted(compare.types.items()))
    print(f'# relocations: {sum(compare.types.values())} ({kinds}); {compare.through} through '
          f'the GOT or a stub, {compare.gone} of what is not loaded')
    print(f'# inserted in {result.microseconds / 1e6:.2f} s, in milliseconds: ' + ', '.join(
        f'{s} {t // 1000}' for s, t in result.stages.items()) +
        f'; compared in {compare.seconds:.0f} s')


def census(tap, tree, name, begin):
    count = len(tree.order)
    result, compare, rest = compared(begin(tree.order), tree)
    tap.check(not result.failed and not result.other and result.inserted == count,
              f'{name}: {count} of {tree.found} modules inserted, {len(result.stubs)} exports '
              f'lent, {len(tree.wanted & set(result.stubs))} of them used, '
              f"{sum(len(tree.exports[p]) for p in tree.order)} of modules' own",
              '\n'.join(result.failed[:20] + result.other[:20]))
    tap.check(not compare.wrong and compare.modules == result.inserted,
              f'{name}: {compare.bytes} bytes of {compare.compared} sections of '
              f'{compare.modules} modules are as computed', '\n'.join(compare.wrong[:20]))
    tap.check(rest == f'removed {count}, 0 left\n', f'{name}: all of them go', rest[:2000])
    tell(result, compare)


def out_of_reach(tap, tree, name, begin):
    """The host's exports lie far off: calls go through stubs, and the rest is refused."""
    result, compare, _ = compared(begin(tree.order, 'high'), tree)
    there = {p.name for p in result.sections}
    odd = [f for f in result.failed if "out of this relocation's reach" not in f and
           'unknown symbol' not in f] + compare.wrong
    tap.check(not odd and compare.through and result.inserted,
              f'{name}: out of reach, {compare.through} calls of {len(there)} modules go '
              f'through stubs, {len(result.failed)} modules are refused',
              '\n'.join(odd[:20]) or f'{result.inserted} {result.failed[:3]}')


def refused(tap, tree, name, symvers, begin, keys, folder):
    """The same host and module, but for one thing."""
    path = next(p for p in tree.order if not tree.needs[p])
    file = File(path)
    used = next(n for n in sorted(file.imports()) if n in tree.wanted)
    changed, keyring = folder / path.name.replace('.xz', ''), folder / 'no-keys'
    content = bytearray(file.content)
    content[len(content) // 3] ^= 4
    changed.write_bytes(content)
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout',
                    '/dev/null', '-out', keyring, '-subj', '/CN=umod test'], check=True,
                   stderr=subprocess.DEVNULL)

    def line(of, pattern, to):
        return re.sub(pattern.format(of), to, symvers, flags=re.M)
    missing = line(used, '^0x[0-9a-f]*\t{}\t.*\n', '')
    spaced = line(used, '^(0x[0-9a-f]*\t{}\tvmlinux\t[A-Z_]*).*$', r'\1\tNOBODYS')
    crc, layout = (line(n, '^0x[0-9a-f]*\t{}\t', f'0x0badbad0\t{n}\t')
                   for n in (used, 'module_layout'))
    cases = [('by an unknown key', path, keyring, symvers, tree.vermagic, 'verify -129'),
             ('that was changed', changed, keys, symvers, tree.vermagic, 'verify -129'),
             ('of another vermagic', path, keys, symvers, '6.0.0 SMP ', 'admit -8'),
             ('with a missing export', path, keys, missing, tree.vermagic, 'bind -2'),
             ('outside an export namespace', path, keys, spaced, tree.vermagic, 'bind -22')]
    if tree.versions:
        cases += [('of another version of a symbol', path, keys, crc, tree.vermagic, 'bind -22'),
                  ('of another struct module', path, keys, layout, tree.vermagic, 'admit -8')]
    for what, module, ring, exports, vermagic, want in cases:
        out = ''.join(begin([module], keys=ring, symvers=exports,
                            vermagic=vermagic).communicate())
        failed = [x for x in out.splitlines() if x.startswith('failed')]
        tap.check(len(failed) == 1 and f' {want} ' in failed[0],
                  f'{name}: {module.name} {what} is refused', out[-500:])


def main():
    arguments = [a for a in sys.argv[1:] if a != '--all']
    everything = len(arguments) < len(sys.argv) - 1
    umod, program, script, folder, *names = arguments
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix='umod-modules-') as temporary:
        work = pathlib.Path(temporary)
        for name, root, release in fetch(script, folder, names):
            certificates = certificate(tap, umod, root, name, work)
            tree = Tree(root / 'lib/modules' / release, everything)
            exports = tree.symvers(root)
            tap.check(not tree.differ and tree.vermagic.startswith(release + ' '),
                      f'{name}: its modules agree about {len(tree.versions)} versions',
                      '\n'.join(tree.differ[:9]))

            # pylint: disable-next=too-many-arguments
            def begin(paths, *options, keys=certificates, symvers=exports,
                      vermagic=tree.vermagic):
                return start(program, work, keys, symvers, paths, vermagic, *options)
            census(tap, tree, name, begin)
            out_of_reach(tap, tree, name, begin)
            refused(tap, tree, name, exports, begin, certificates, work)
    tap.done()


if __name__ == '__main__':
    main()
