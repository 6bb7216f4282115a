#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Damaged debug information: umod abi ends by itself, with a message, and soon.

hostile.py TOOL [COUNT]: COUNT mutants of each file.
"""
import random
import struct
import sys
import time

from common import *

tap = Tap()
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 60
SECONDS = 30

SOURCE = '''
struct node { struct node *next; int a : 3; union { int p; float q; }; };
enum colour { RED, GREEN = 5 };
typedef struct node node_t;
int f(node_t *n, enum colour c, int (*cb)(void *, ...)) { return n->a; }
node_t table[4][2];
'''


def spans(data):
    """[(name, offset, bytes)] of sections of debug information and of their tables."""
    at, = struct.unpack_from('<Q', data, 40)
    count, names = struct.unpack_from('<HH', data, 60)
    headers = [struct.unpack_from('<IIQQQQIIQQ', data, at + i * 64) for i in range(count)]
    start = headers[names][4]
    found = [('headers', at, count * 64)]
    for h in headers:
        name = bytes(data[start + h[0]:data.index(b'\0', start + h[0])])
        if h[1] != 8 and h[5] and (b'debug' in name or name in (b'.symtab', b'.strtab')):
            found.append((name.decode(), h[4], h[5]))
    return found


def mutants(path, seed):
    original = path.read_bytes()
    random.seed(seed)
    parts = spans(original)
    for number in range(COUNT):
        data = bytearray(original)
        name, offset, count = random.choice(parts)
        kind = random.choice(('flip', 'bytes', 'fill', 'cut'))
        if kind == 'cut':
            del data[random.randrange(64, len(data)):]
        for _ in range(1 if kind == 'flip' else random.randrange(1, 40)):
            at = offset + random.randrange(count)
            if at < len(data):
                data[at] = (data[at] ^ 1 << random.randrange(8) if kind == 'flip' else
                            0xff if kind == 'fill' else random.randrange(256))
        yield f'{number} {kind} {name}', bytes(data)


def try_one(path, arguments):
    """None, or what is wrong."""
    start = time.monotonic()
    try:
        done = abi(*arguments, path, timeout=SECONDS)
    except Exception as problem:  # it took too long
        return str(problem)
    if done.returncode not in (0, 1) or time.monotonic() - start > SECONDS:
        return f'exit {done.returncode}: {done.stderr[:300]}'
    if done.returncode == 1 and not done.stderr:
        return 'no message'
    if b'Sanitizer' in done.stderr:
        return done.stderr.decode(errors='replace')
    return None


def test_mutants():
    files = [(f'{compiler} {flags}', compile(SOURCE, name, compiler, flags.split()))
             for name, compiler, flags in (
                 ('a.o', GCC, '-g -c'), ('b.o', CLANG, '-g -c'),
                 ('c.so', GCC, '-g -gdwarf-4 -shared -fPIC'),
                 ('d.so', CLANG, '-g -shared -fPIC'), ('e.o', GXX, '-g -gz -c'),
                 ('f.so', GXX, '-g -fdebug-types-section -shared -fPIC'))]
    for seed, (name, path) in enumerate(files):
        wrong, signals = [], 0
        for what, data in mutants(path, seed):
            damaged = ROOT / 'damaged'
            damaged.write_bytes(data)
            for arguments in (['--all', '--dump'], ['--all', '--write']):
                problem = try_one(damaged, arguments)
                if problem:
                    wrong.append(f'{what} {arguments}: {problem}')
        tap.check(not wrong, f'{COUNT} mutants: {name}', '\n'.join(wrong[:5]))


# DIEs by hand: attributes that lead in circles, which no compiler writes.
ABBREVIATIONS = '''
	.section .debug_abbrev,"",@progbits
	.uleb128 1, 0x11; .byte 1; .uleb128 0x13, 0x0b, 0, 0	# compile_unit: language
	.uleb128 2, 0x34; .byte 0; .uleb128 0x03, 8, 0x49, 0x13, 0x3f, 0x19, 0x02, 0x18, 0, 0
	.uleb128 3, 0x0f; .byte 0; .uleb128 0x49, 0x13, 0, 0	# pointer: type
	.uleb128 4, 0x26; .byte 0; .uleb128 0x49, 0x13, 0, 0	# const: type
	.uleb128 5, 0x15; .byte 1; .uleb128 0x49, 0x13, 0, 0	# subroutine: type
	.uleb128 6, 0x05; .byte 0; .uleb128 0x49, 0x13, 0, 0	# parameter: type
	.uleb128 7, 0x13; .byte 1; .uleb128 0x0b, 0x0b, 0, 0	# struct: size
	.uleb128 8, 0x0d; .byte 0; .uleb128 0x49, 0x13, 0, 0	# member: type
	.uleb128 9, 0x16; .byte 0; .uleb128 0x03, 8, 0x49, 0x13, 0, 0	# typedef
	.uleb128 10, 0x01; .byte 1; .uleb128 0x49, 0x13, 0, 0	# array: type
	.uleb128 11, 0x34; .byte 0; .uleb128 0x03, 8, 0x31, 0x13, 0x3f, 0x19, 0, 0
	.uleb128 12, 0x13; .byte 1; .uleb128 0x01, 0x13, 0x0b, 0x0b, 0, 0  # struct: sibling
	.byte 0
'''
CIRCLES = {
    'a pointer to itself': 'one: .uleb128 3; .long one-start',
    'a const of itself': 'one: .uleb128 4; .long one-start',
    'an array of itself': 'one: .uleb128 10; .long one-start; .byte 0',
    'a typedef of itself': 'one: .uleb128 9; .asciz "t"; .long one-start',
    'a function of itself, often': 'one: .uleb128 5; .long one-start; ' +
    '.uleb128 6; .long one-start; ' * 12 + '.byte 0',
    'an unnamed struct in itself, often': 'one: .uleb128 7; .byte 8; ' +
    '.uleb128 8; .long one-start; ' * 12 + '.byte 0',
    'an instance of itself': 'one: .uleb128 11; .asciz "x"; .long one-start; .byte 1',
    'a sibling that is itself': 'one: .uleb128 12; .long one-start; .byte 8; '
    '.uleb128 8; .long one-start; .byte 0',
    'a type outside of the unit': 'one: .uleb128 3; .long 0x7fffffff',
}


def test_circles():
    for name, dies in CIRCLES.items():
        path = ROOT / 'circle.s'
        path.write_text(f'''{ABBREVIATIONS}
	.section .debug_info,"",@progbits
start:	.long end-body
body:	.value 4
	.long .debug_abbrev
	.byte 8
	.uleb128 1; .byte 12
	.uleb128 2; .asciz "x"; .long one-start; .byte 1; .byte 9, 3; .quad x
	{dies}
	.byte 0
end:
	.data
	.globl x
	.type x, @object
	.size x, 4
x:	.long 0
'''.replace('.byte 1; .byte 9', '.byte 9'))
        done = run(GCC, '-c', '-o', ROOT / 'circle.o', path)
        if not tap.check(done.returncode == 0, f'{name}: assembled', done.stderr):
            continue
        start = time.monotonic()
        problem = try_one(ROOT / 'circle.o', ['--all', '--dump'])
        tap.check(problem is None and time.monotonic() - start < 20, name, problem)


test_mutants()
test_circles()
tap.done()
