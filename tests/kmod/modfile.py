# SPDX-License-Identifier: MIT
"""Makes small kernel modules: relocatable objects with the sections that tools read.

build(name, ...) gives the bytes of one. Layouts of __ksymtab are those of the processors:
relative words (x86-64, AArch64) or absolute pointers (RISC-V).
"""
import struct

MACHINES = {'x86_64': 62, 'aarch64': 183, 'riscv': 243}
# Relocations that fill a relative and an absolute field.
RELATIVE = {'x86_64': 2, 'aarch64': 261}
ABSOLUTE = {'x86_64': 1, 'aarch64': 257, 'riscv': 2}


class Strings:
    def __init__(self):
        self.bytes, self.at = b'\0', {}

    def add(self, text):
        if text not in self.at:
            self.at[text] = len(self.bytes)
            self.bytes += text + b'\0'
        return self.at[text]


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


class Module:
    """Sections, symbols and relocations of one file."""

    def __init__(self, machine='x86_64'):
        self.machine = machine
        self.sections = [(b'', 0, 0, b'', 0, 0, 0)]
        self.locals, self.globals = [], []

    def section(self, name, data, kind=1, flags=2, link=0, info=0, entry=0):
        self.sections.append((raw(name), kind, flags, data, link, info, entry))
        return len(self.sections) - 1

    def finish(self):
        strings, names = Strings(), Strings()
        table = b'\0' * 24
        for name, info, section, value in self.locals + self.globals:
            table += struct.pack('<IBBHQQ', strings.add(name), info, 0, section, value, 0)
        count = len(self.sections)
        self.section('.symtab', table, 2, 0, count + 1, 1 + len(self.locals), 24)
        self.section('.strtab', strings.bytes, 3, 0)
        for section in self.sections:
            names.add(section[0])
        names.add(b'.shstrtab')
        self.section('.shstrtab', names.bytes, 3, 0)
        body, headers = b'\0' * 64, b''
        for name, kind, flags, data, link, info, entry in self.sections:
            body += b'\0' * (-len(body) % 8)
            link = count if kind == 4 else link
            headers += struct.pack('<IIQQQQIIQQ', names.at.get(name, 0), kind, flags, 0,
                                   len(body) if kind else 0, len(data), link, info,
                                   8 if kind else 0, entry)
            body += data
        body += b'\0' * (-len(body) % 8)
        header = b'\x7fELF\2\1\1' + b'\0' * 9 + struct.pack(
            '<HHIQQQIHHHHHH', 1, MACHINES[self.machine], 1, 0, 0, len(body), 0, 64, 0, 0,
            64, len(self.sections), len(self.sections) - 1)
        return header + body[64:] + headers


def add_exports(module, suffix, exports, fields, crcs, flags):
    """__ksymtab with its strings, CRCs and flags; @exports: (name, namespace, crc)."""
    width = 8 if module.machine == 'riscv' else 4
    kind = (ABSOLUTE if width == 8 else RELATIVE)[module.machine]
    text = module.section('.text' + suffix, b'\x90' * 16, 1, 6)
    strings = Strings()
    string_section = len(module.sections)
    module.section('__ksymtab_strings' if not suffix else '__ksymtab_strings', b'')
    table = module.section('__ksymtab' + suffix, b'\0' * (len(exports) * fields * width))
    relocations = b''
    for number, (name, space, _) in enumerate(exports):
        targets = [(text, 0), (string_section, strings.add(raw(name)))]
        if fields == 3:
            targets.append((string_section, strings.add(raw(space)) if space else 0))
        for field, (section, value) in enumerate(targets):
            module.locals.append((b'', 0, section, value))
            relocations += struct.pack('<QQq', (number * fields + field) * width,
                                       len(module.locals) << 32 | kind, 0)
    old = module.sections[string_section]
    module.sections[string_section] = old[:3] + (strings.bytes,) + old[4:]
    module.section('.rela__ksymtab' + suffix, relocations, 4, 0, 0, table, 24)
    if crcs:
        module.section('__kcrctab' + suffix,
                       b''.join(struct.pack('<I', crc) for _, _, crc in exports))
    if flags:
        module.section('__kflagstab', b'\1' * len(exports))


def build(exports=(), imports=(), info=(), machine='x86_64', fields=3, crcs=False,
          flags=False, gpl=(), versions=(), long_versions=(), weak=(), padding=0):
    """A module. @exports and @gpl: names or (name, namespace, crc); @info: "key=value"."""
    module = Module(machine)
    full = lambda items: [(e, '', 0) if isinstance(e, (str, bytes)) else e for e in items]
    if info:
        module.section('.modinfo', b''.join(raw(line) + b'\0' for line in info))
    if exports:
        add_exports(module, '', full(exports), fields, crcs, flags)
    if gpl:
        add_exports(module, '_gpl', full(gpl), fields, crcs, False)
    if crcs:  # as modpost leaves them: where kmod looks for what is exported
        for suffix, items in (('', full(exports)), ('_gpl', full(gpl))):
            for name, _, crc in items:
                module.locals.append((b'__crc_' + raw(name), 0, 0xfff1, crc))
    if versions:
        module.section('__versions', b''.join(
            struct.pack('<Q56s', crc, raw(name)) for name, crc in versions))
    if long_versions:
        module.section('__version_ext_crcs', b''.join(
            struct.pack('<I', crc) for _, crc in long_versions))
        module.section('__version_ext_names', b''.join(
            raw(name) + b'\0' for name, _ in long_versions))
    if padding:
        module.section('.data', b'\0' * padding, 1, 3)
    for name in imports:
        module.globals.append((raw(name), 0x10, 0, 0))
    for name in weak:
        module.globals.append((raw(name), 0x20, 0, 0))
    return module.finish()
