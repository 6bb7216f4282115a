# SPDX-License-Identifier: MIT
"""Just enough ELF to make inputs: what a library needs, a copy without init functions,
and a copy of a plugin under another symbol name. Trusts its files: they are ours or the
distribution's."""
import struct

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_SYMTAB, DT_GNU_HASH = 1, 5, 6, 0x6ffffef5
# DT_INIT, DT_FINI, DT_INIT_ARRAY, DT_FINI_ARRAY and the sizes of these two.
RUNS = {12, 13, 25, 26, 27, 28}


class Elf:
    def __init__(self, data):
        self.data = data
        start, = struct.unpack_from('<Q', data, 32)
        size, count = struct.unpack_from('<HH', data, 54)
        self.headers = [struct.unpack_from('<IIQQQQQQ', data, start + i * size)
                        for i in range(count)]
        self.dynamic_offset, self.dynamic = 0, []
        for kind, _, offset, _, _, bytes_, _, _ in self.headers:
            if kind == PT_DYNAMIC:
                self.dynamic_offset = offset
                self.dynamic = [struct.unpack_from('<qQ', data, offset + at)
                                for at in range(0, bytes_, 16)]
        for index, (tag, _) in enumerate(self.dynamic):
            if tag == 0:
                self.dynamic = self.dynamic[:index]
                break

    def offset(self, vaddr):
        for kind, _, offset, start, _, bytes_, _, _ in self.headers:
            if kind == PT_LOAD and start <= vaddr < start + bytes_:
                return vaddr - start + offset
        raise ValueError(f'{vaddr:#x} is in no segment')

    def tag(self, wanted):
        return next(value for tag, value in self.dynamic if tag == wanted)

    def needs(self):
        strings = self.offset(self.tag(DT_STRTAB))
        for tag, value in self.dynamic:
            if tag == DT_NEEDED:
                start = strings + value
                yield self.data[start:self.data.index(b'\0', start)].decode()


def without_runs(data):
    """The library with no init and fini functions in its dynamic section."""
    elf = Elf(data)
    kept = [entry for entry in elf.dynamic if entry[0] not in RUNS]
    kept += [(0, 0)] * (len(elf.dynamic) - len(kept))
    out = bytearray(data)
    for index, entry in enumerate(kept):
        struct.pack_into('<qQ', out, elf.dynamic_offset + index * 16, *entry)
    return bytes(out)


def gnu_hash(name):
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xffffffff
    return value


class Template:
    """A plugin whose symbol unique_00000 can be given another number. Its hash table is
    written anew with one bucket, so that the order of the symbols does not matter."""
    PREFIX = b'unique_'

    def __init__(self, data):
        self.data = data
        elf = Elf(data)
        self.table = elf.offset(elf.tag(DT_GNU_HASH))
        _, self.first, words, self.shift = struct.unpack_from(
            '<IIII', data, self.table)
        if words != 1:
            raise ValueError(f'template: {words} filter words')
        strings, symbols = (elf.offset(elf.tag(t)) for t in (DT_STRTAB, DT_SYMTAB))
        self.names = []  # of the exported symbols, in order: where, what
        for index in range(self.first, (strings - symbols) // 24):
            at, = struct.unpack_from('<I', data, symbols + index * 24)
            start = strings + at
            self.names.append((start, data[start:data.index(b'\0', start)]))
        if not any(name.startswith(self.PREFIX) for _, name in self.names):
            raise ValueError('template: no unique symbol')

    def copy(self, number):
        out = bytearray(self.data)
        hashes, word = [], 0
        for start, name in self.names:
            if name.startswith(self.PREFIX):
                name = self.PREFIX + b'%05d' % number
                out[start:start + len(name)] = name
            hashes.append(gnu_hash(name))
        for value in hashes:
            word |= 1 << value % 64 | 1 << (value >> self.shift) % 64
        chain = [value & ~1 for value in hashes]
        chain[-1] |= 1
        struct.pack_into(f'<IIIIQI{len(chain)}I', out, self.table, 1, self.first, 1,
                         self.shift, word, self.first, *chain)
        return out
