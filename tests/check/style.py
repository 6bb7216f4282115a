#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails when a source lacks its licence line or its opening paragraph, or has a line that
is too wide; with --sizes, lists the files and functions that STYLE calls a smell."""
import pathlib
import re
import sys

COLUMNS, FILE_LINES, FUNCTION_LINES = 90, 500, 60
FOLDERS = ('include', 'src', 'dlfcn', 'tools', 'tests', 'fuzz', 'bench', 'examples')


def width(line):
    return len(line.expandtabs(8))


def check(path, lines):
    if not lines or 'SPDX-License-Identifier: MIT' not in lines[0]:
        yield f'{path}:1: the first line is not the licence'
    head = '\n'.join(lines[1:3])
    if path.suffix in ('.c', '.h', '.S') and not re.match(r'/\*', head):
        yield f'{path}:2: no opening paragraph that tells the job of the file'
    for number, line in enumerate(lines, 1):
        if width(line) > COLUMNS:
            yield f'{path}:{number}: {width(line)} columns'


def sizes(path, lines):
    if len(lines) > FILE_LINES:
        yield f'{path}: {len(lines)} lines'
    start, name = 0, ''
    for number, line in enumerate(lines, 1):
        if line == '{':
            start, name = number, lines[number - 2].strip()
        elif line == '}' and start:
            if number - start - 1 > FUNCTION_LINES:
                yield f'{path}:{start}: {number - start - 1} lines: {name}'
            start = 0


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    paths = [p for folder in FOLDERS for p in sorted((root / folder).rglob('*.[chS]'))]
    judge = sizes if '--sizes' in sys.argv else check
    found = [what for path in paths
             for what in judge(path.relative_to(root), path.read_text().splitlines())]
    print('\n'.join(found))
    sys.exit(1 if found and judge is check else 0)


if __name__ == '__main__':
    main()
