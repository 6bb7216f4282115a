#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples.py UMOD HOST FOLDER: what the example's modules say of themselves, as objects
and as shared objects, and that their host loads and uses them."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

UMOD, HOST, FOLDER = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
EXPECTED = {
    'sectors': {'license': ['Dual MIT/GPL'], 'alias': ['disk-memory'], 'version': ['1.0'],
                'export': ['sectors_count'], 'export_ns': ['sectors_erase:module:fat,vfat*',
                                                           'sectors_read:SECTORS'],
                'export_gpl_ns': ['sectors_write:SECTORS'], 'parameters': 2},
    'fat': {'license': ['GPL'], 'depends': ['sectors'], 'import_ns': ['SECTORS'],
            'export_gpl': ['fat_format', 'fat_name', 'fat_read', 'fat_write'],
            'parameters': 0},
    'vfat': {'license': ['GPL'], 'depends': ['fat'], 'alias': ['fs-msdos*', 'fs-vfat'],
             'parameters': 2},
    'knobs': {'license': ['MIT'], 'export': ['knobs_show'], 'parameters': 18},
    'tally': {'license': ['MIT'], 'export': ['tally_count', 'tally_total'], 'parameters': 0},
    'ledger': {'license': ['MIT'], 'export': ['ledger_post'], 'parameters': 1,
               'runtime': ['libstdc++ cxx11']},
}


def run(*words):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True)


def fields(path):
    found = {}
    for line in run(UMOD, 'modinfo', path).stdout.splitlines():
        key, _, value = line.partition(':')
        found.setdefault(key, []).append(value.strip())
    return found


def main():
    number, failed = 0, False
    for name, expected in EXPECTED.items():
        for ending in ('o', 'so'):
            found = fields(FOLDER / f'{name}.{ending}')
            problems = [f'{key}: {sorted(found.get(key, []))}'
                        for key, value in expected.items()
                        if key != 'parameters' and sorted(found.get(key, [])) != value]
            if len(found.get('parm', [])) != expected['parameters']:
                problems.append(f'parameters: {found.get("parm")}')
            if found.get('name') != [name] or not found.get('vermagic'):
                problems.append('no name, or no vermagic')
            number += 1
            failed |= bool(problems)
            print(*(f'# {p}' for p in problems), sep='\n', end='\n' if problems else '')
            print(f'{"not ok" if problems else "ok"} {number} - {name}.{ending}')
    with tempfile.TemporaryDirectory(prefix='umod-examples-') as place:
        folder = pathlib.Path(place) / 'lib/modules/1.0'
        folder.mkdir(parents=True)
        for name in EXPECTED:
            shutil.copy(FOLDER / f'{name}.o', folder / f'{name}.ko')
        (folder / 'modules.order').write_text('')
        run(UMOD, 'depmod', '-b', place, '1.0')
        out = run(HOST, place)
    good = out.returncode == 0 and all(line in out.stdout for line in (
        'fat                    ', '1 vfat (autoclean)', 'vfat: is in use: 1 use',
        'fat: is in use by: vfat', 'wrote 13, read 13: old chapters',
        'pass 2 takes out 0', 'pass 3 takes out 0', 'pass 4 takes out 3', 'k_int is 400000',
        'tally: a thread has 1003, all have 6', 'ledger: ann -120: -70',
        'ledger: ann -120: refused: overdrawn', 'ledger: bob x: not understood: stol',
        'a last pass takes out 3'))
    number += 1
    print(''.join(f'# {line}\n' for line in (out.stdout + out.stderr).splitlines()), end='')
    print(f'{"ok" if good else "not ok"} {number} - the host loads and uses them')
    print(f'1..{number}')
    sys.exit(failed or not good)


if __name__ == '__main__':
    main()
