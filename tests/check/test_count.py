#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests scripts/count-tests: its last line and exit status for small logs."""
import json
import pathlib
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / 'scripts/count-tests'


def entry(result, stdout='', name='t'):
    return {'name': name, 'result': result, 'stdout': stdout}


CASES = [
    ('plain tests', [entry('OK'), entry('OK')], [], '2 passed, 0 failed', 0),
    ('one fails', [entry('OK'), entry('FAIL')], [], '1 passed, 1 failed', 1),
    ('one hangs', [entry('TIMEOUT')], [], '0 passed, 1 failed', 1),
    ('TAP lines count', [entry('OK', 'ok 1 - a\nok 2 - b\n1..2\n')], [],
     '2 passed, 0 failed', 0),
    ('a TAP line fails', [entry('FAIL', 'ok 1 - a\nnot ok 2 - b\n1..2\n')], [],
     '1 passed, 1 failed', 1),
    ('a crash after good lines', [entry('ERROR', 'ok 1 - a\n')], [], '1 passed, 1 failed', 1),
    ('skipped lines do not count', [entry('OK', 'ok 1 - a\nok 2 - b # SKIP\n')], [],
     '1 passed, 0 failed', 0),
    ('a skipped test does not count', [entry('OK'), entry('SKIP')], [],
     '1 passed, 0 failed', 0),
    ('nothing ran', [], [], '0 passed, 1 failed', 1),
    ('all skipped', [entry('SKIP')], [], '0 passed, 0 failed', 1),
    ('a build broke', [entry('OK')], ['--broken', '2'], '1 passed, 2 failed', 1),
]


def run(args):
    done = subprocess.run([sys.executable, TOOL, *args], capture_output=True, text=True)
    return done.stdout.splitlines()[-1], done.returncode


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / 'log.json'
        for number, (name, tests, args, line, status) in enumerate(CASES, 1):
            log.write_text(''.join(json.dumps(t) + '\n' for t in tests))
            got = run([*args, str(log)])
            fine = got == (line, status)
            bad += not fine
            print(f'{"ok" if fine else "not ok"} {number} - {name}')
            if not fine:
                print(f'# {got}')
        got = run([str(log) + '-missing'])
        fine = got == ('0 passed, 1 failed', 1)
        bad += not fine
        print(f'{"ok" if fine else "not ok"} {len(CASES) + 1} - a missing log')
    print(f'1..{len(CASES) + 1}')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
