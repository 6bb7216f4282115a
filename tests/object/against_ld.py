#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Relocated bytes against GNU ld's: against_ld.py LINKED OBJECT...

Each object is linked by umod; then ld links it with every section at the same address and
every undefined name at the address that umod was given. Sections must agree byte by byte,
but for what either linker is free to choose: instructions that read the GOT for a symbol
of another object, and .eh_frame, which ld rewrites.
"""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

# Types that depend on where the GOT is -> bytes: GOTPCREL and its relaxed kinds, GOTPC32,
# GOTOFF64, GOT64, GOTPCREL64, GOTPC64, PLTOFF64.
GOT = {9: 4, 41: 4, 42: 4, 26: 4, 25: 8, 27: 8, 28: 8, 29: 8, 31: 8}


def run(*argv):
    return subprocess.run([str(a) for a in argv], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


class Elf:
    def __init__(self, path):
        self.data = path.read_bytes()
        at, = struct.unpack_from('<Q', self.data, 40)
        size, count, names = struct.unpack_from('<HHH', self.data, 58)
        self.sections = [struct.unpack_from('<IIQQQQIIQQ', self.data, at + i * size)
                         for i in range(count)]
        self.names = [self.string(names, s[0]) for s in self.sections]

    def string(self, table, offset):
        start = self.sections[table][4] + offset
        return self.data[start:self.data.index(b'\0', start)].decode()

    def bytes(self, index):
        _, kind, _, _, offset, size, *_ = self.sections[index]
        return self.data[offset:offset + size] if kind != 8 else bytes(size)

    def free_to_choose(self, target):
        """Where section @target reads the GOT."""
        for index, section in enumerate(self.sections):
            if section[1] != 4 or section[7] != target:
                continue
            for offset, info, _ in struct.iter_unpack('<QQq', self.bytes(index)):
                if info & 0xffffffff in GOT:
                    yield from range(max(0, offset - 3),
                                     offset + GOT[info & 0xffffffff])


def link_by_ld(folder, path, names, sections):
    """The same at the same addresses. Strings stay as they are: no merging."""
    plain = folder / 'plain.o'
    arguments = []
    elf = Elf(path)
    for index, section in enumerate(elf.sections):
        if section[2] & 0x10 and section[2] & 2:
            arguments += ['--set-section-flags',
                          f'{elf.names[index]}=alloc,readonly,data,contents']
    run('objcopy', *arguments, path, plain)
    script = ['SECTIONS {']
    for name, address in sorted(sections, key=lambda s: s[1]):
        script.append(f'  {name} {address:#x} : {{ *({name}) }}')
    # What ld adds lies out of the way; what reads it is not compared.
    script.append(f'  .got {max(a for _, a in sections) + 0x1000000:#x} : '
                  '{ *(.got) *(.got.plt) *(.iplt) *(.rela.iplt) }')
    script += ['  /DISCARD/ : { *(.comment .note* .debug*) }', '}']
    (folder / 'script').write_text('\n'.join(script))
    run('ld', '-static', '-nostdlib', '--no-relax', '-T', folder / 'script', '--no-warn-rwx-segments',
        '-e', '0', *(f'--defsym={n}={a:#x}' for n, a in names), '-o', folder / 'out', plain)
    return Elf(folder / 'out')


def compare(linked, path):
    """Sections compared, or a text that says what differs."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        undefined = re.findall(r' U (\S+)', run('nm', '-u', path))
        undefined = [n for n in undefined if n != '_GLOBAL_OFFSET_TABLE_']
        told = run(linked, path, folder, *undefined)
        names = [(n, int(a, 16)) for n, a in re.findall(r'name (\S+) (\S+)', told)]
        sections = [(int(i), n, int(a, 16))
                    for i, n, a in re.findall(r'section (\d+) (\S+) (\S+)', told)]
        if len({n for _, n, _ in sections}) != len(sections):
            raise ValueError('sections of one name')
        out = link_by_ld(folder, path, names, [(n, a) for _, n, a in sections])
        elf, compared = Elf(path), 0
        for index, name, _ in sections:
            own = bytearray((folder / str(index)).read_bytes())
            if name == '.eh_frame' or not own or elf.sections[index][1] == 8:
                continue
            if name not in out.names and name.startswith('.note'):
                continue  # which ld writes itself
            other = bytearray(out.bytes(out.names.index(name)))
            for at in elf.free_to_choose(index):
                own[at] = other[at] = 0
            if len(own) != len(other):
                return f'{name}: {len(own)} bytes, ld: {len(other)}'
            if own != other:
                at = next(i for i, (a, b) in enumerate(zip(own, other)) if a != b)
                return f'{name}+{at:#x}: {own[at:at + 8].hex()}, ld: {other[at:at + 8].hex()}'
            compared += 1
        return compared


def main():
    linked, failed = pathlib.Path(sys.argv[1]), 0
    print(f'1..{len(sys.argv) - 2}')
    for number, path in enumerate(map(pathlib.Path, sys.argv[2:]), 1):
        try:
            result = compare(linked, path)
        except subprocess.CalledProcessError as why:
            result = f'{why.cmd[0]}: {why.stderr.strip()}'
        is_sound = isinstance(result, int) and result > 0
        failed += not is_sound
        print(f'{"ok" if is_sound else "not ok"} {number} - {path.name}')
        print(f'# {result} sections' if is_sound else f'# {result}')
    sys.exit(failed != 0)


if __name__ == '__main__':
    main()
