#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails when a file includes a header of a floor above its own, or one beside it.

The floors are STYLE's: base < elf < find = link < registry = feature = snapshot = index
= module < load < api. Floors of one height do not know each other, but index and module
read files through feature. The tools see include/umod, base, elf, feature, index and module; the drop-in dlfcn
library stands above api and sees all; the host sees include/umod alone.
"""
import pathlib
import re
import sys

HEIGHT = {'base': 1, 'elf': 2, 'find': 3, 'link': 3, 'registry': 4, 'feature': 4,
          'snapshot': 4, 'index': 4, 'module': 4, 'load': 5, 'life': 6,
          'api': 7}
# Folders outside src/, and the floors that each may include.
OUTSIDE = {'tools': {'base', 'elf', 'feature', 'index', 'module'}, 'dlfcn': set(HEIGHT), 'host': set(),
           'examples': set()}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def target_floor(root, source, name):
    """The floor of an included header; None where it is no floor's."""
    for base in (source.parent, root / 'src'):
        path = (base / name).resolve()
        if path.is_file() and (root / 'src') in path.parents:
            return path.relative_to(root / 'src').parts[0]
    first = name.split('/')[0]
    return first if first in HEIGHT else None


def problem(floor, folder, other):
    if other is None or other == floor:
        return None
    if floor is None:
        return None if other in OUTSIDE[folder] else f'{folder}/ may not include {other}/'
    if HEIGHT[other] < HEIGHT[floor] or (other == 'feature' and
                                        floor in ('index', 'module')):
        return None
    return f'floor {floor} ({HEIGHT[floor]}) includes {other} ({HEIGHT[other]})'


def check(root):
    found = []
    for folder in ['src', *OUTSIDE]:
        for source in sorted((root / folder).rglob('*.[chS]')):
            parts = source.relative_to(root / folder).parts
            floor = parts[0] if folder == 'src' else None
            if folder == 'src' and floor not in HEIGHT:
                found.append(f'{source.relative_to(root)}: {floor} is no floor')
                continue
            for number, line in enumerate(source.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                what = match and problem(floor, folder, target_floor(root, source, match[1]))
                if what:
                    found.append(f'{source.relative_to(root)}:{number}: {what}')
    return found


def main():
    here = pathlib.Path(__file__).resolve().parent.parent.parent
    found = check(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here)
    print('\n'.join(found))
    sys.exit(1 if found else 0)


if __name__ == '__main__':
    main()
