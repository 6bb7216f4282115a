#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""symbols.py HEADERS-LISTER MAP LIBRARY: the headers, the version script and the built
library must agree on what is exported, to the name; each declaration tells "Since"."""
import pathlib
import re
import subprocess
import sys

# glibc's, which umod answers in its place; no header of umod's declares them.
INTERPOSED = {'_dl_find_object': 'GLIBC_2.35', 'dl_iterate_phdr': 'GLIBC_2.2.5'}


def names_of_map(path):
    text = re.sub(r'/\*.*?\*/', '', path.read_text(), flags=re.S)
    names = {}
    for version, body in re.findall(r'(\w[\w.]*)\s*{(.*?)}', text, flags=re.S):
        for name in re.findall(r'(\w+)\s*;', body.split('local:')[0]):
            names[name] = version
    return names


def names_of_library(path):
    out = subprocess.run(['nm', '-D', '--defined-only', path], check=True,
                         capture_output=True, text=True).stdout
    names = {}
    for line in out.splitlines():
        kind, symbol = line.split()[-2:]
        if kind != 'A':
            name, _, version = symbol.partition('@')
            names[name] = version.lstrip('@')
    return names


def compare(number, what, left, right):
    lines = [f'# only in one: {n}: {left.get(n)} / {right.get(n)}'
             for n in sorted(set(left) | set(right)) if left.get(n) != right.get(n)]
    print('\n'.join(lines + [f'{"not ok" if lines else "ok"} {number} - {what}']))
    return bool(lines)


def main():
    lister, script, library = sys.argv[1:]
    out = subprocess.run([lister], check=True, capture_output=True, text=True).stdout
    declared = {name: 'UMOD_0.1' for name in out.split()} | INTERPOSED
    in_map = names_of_map(pathlib.Path(script))
    print('1..3')
    bad = compare(1, 'headers and version script agree', declared, in_map)
    bad |= compare(2, 'version script and library agree', in_map,
                   names_of_library(library))
    out = subprocess.run(['readelf', '-dW', library], check=True, capture_output=True,
                         text=True).stdout
    fine = '[libumod.so.0]' in out and 'TEXTREL' not in out and 'NODELETE' in out
    needed = set(re.findall(r'NEEDED.*\[(.*)\]', out))
    fine &= needed <= {'libc.so.6', 'ld-linux-x86-64.so.2'}
    print(f'# needs {sorted(needed)}')
    print(f'{"ok" if fine else "not ok"} 3 - libumod.so.0 needs libc alone, is never unmapped')
    sys.exit(1 if bad or not fine else 0)


if __name__ == '__main__':
    main()
