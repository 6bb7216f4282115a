#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the layer check: small trees, each with one include that is right or wrong."""
import pathlib
import sys
import tempfile

import layers

TREES = [
    ('a floor includes itself', 'src/elf/a.c', '"elf/view.h"', True),
    ('by a relative name', 'src/elf/a.c', '"view.h"', True),
    ('a lower floor', 'src/link/a.c', '"base/base.h"', True),
    ('a floor from its subfolder', 'src/link/arch/a.c', '"link/link.h"', True),
    ('a higher floor', 'src/base/a.c', '"elf/view.h"', False),
    ('a floor of the same height', 'src/find/a.c', '"link/link.h"', False),
    ('a higher floor, by a relative name', 'src/base/a.c', '"../link/link.h"', False),
    ('a higher floor, not there', 'src/elf/a.c', '"load/load.h"', False),
    ('a tool and base', 'tools/a.c', '"base/base.h"', True),
    ('a tool and a floor', 'tools/a.c', '"link/link.h"', False),
    ('the dlfcn library and a floor', 'dlfcn/a.c', '"api/dl.h"', True),
    ('the host and base', 'host/a.c', '"base/base.h"', False),
    ('the public headers', 'dlfcn/a.c', '<umod/umod.h>', True),
    ('a folder that is no floor', 'src/other/a.c', '<stdio.h>', False),
]


def holds(path, include, right):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for header in ('base/base.h', 'elf/view.h', 'link/link.h'):
            (root / 'src' / header).parent.mkdir(parents=True, exist_ok=True)
            (root / 'src' / header).touch()
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f'#include {include}\n')
        return (layers.check(root) == []) == right


def main():
    print(f'1..{len(TREES)}')
    bad = 0
    for number, (name, *tree) in enumerate(TREES, 1):
        fine = holds(*tree)
        bad += not fine
        print(f'{"ok" if fine else "not ok"} {number} - {name}')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
