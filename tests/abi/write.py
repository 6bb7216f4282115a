#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Storing versions in objects and shared objects, and which symbols count as exported."""
import ctypes
import os
import sys

from common import *

tap = Tap()

MODULE = '''
#define FIELD(n, t) static const char info##n[] \\
	__attribute__((section(".modinfo"), used, aligned(1))) = t;
FIELD(1, "name=provider")
FIELD(2, "export=plain_one")
FIELD(3, "export_gpl=gpl_one")
FIELD(4, "export_ns=spaced:FS_CORE")
FIELD(5, "export_gpl_ns=chosen:module:a,b*")
FIELD(6, "license=GPL")
struct thing { int a; struct thing *next; };
int plain_one(struct thing *t) { return t->a; }
int gpl_one(const char *s) { return s[0]; }
int spaced(long l) { return (int)l; }
int chosen(void) { return 7; }
int hidden(struct thing *t) { return 1; }
'''
USER = '''
struct thing { int a; struct thing *next; };
int plain_one(struct thing *);
int gpl_one(const char *);
extern int puts(const char *);
int user(struct thing *t) { puts(""); return plain_one(t) + gpl_one("x"); }
'''
EXPORTS = ['chosen', 'gpl_one', 'plain_one', 'spaced']

KERNEL = '''
struct thing { int a; };
int one(struct thing *t) { return t->a; }
int two(void) { return 2; }
__asm__(".section \\"__ksymtab_strings\\",\\"aMS\\",%progbits,1\\n"
	"name: .asciz \\"one\\"\\nspace: .asciz \\"SPACE\\"\\n"
	".section \\"__ksymtab_gpl\\",\\"a\\"\\n.balign 4\\n"
	".long one-.\\n.long name-.\\n.long space-.\\n.text");
'''


def write(path, *arguments):
    return text(abi('--write', *arguments, path))


def copy(path, name):
    (ROOT / name).write_bytes(path.read_bytes())
    return ROOT / name


def test_exports(path):
    want = crcs(path)
    now = crcs(path, '--json')
    tap.same(list(now), EXPORTS, 'exports by .modinfo alone')
    tap.check(all(now[name] == want[name] for name in now), 'the same as with --all')
    out, err, code = text(abi('--symvers', '-', path))
    lines = [f'{want["chosen"]}\tchosen\tprovider\tEXPORT_SYMBOL_GPL\tmodule:a,b*',
             f'{want["gpl_one"]}\tgpl_one\tprovider\tEXPORT_SYMBOL_GPL\t',
             f'{want["plain_one"]}\tplain_one\tprovider\tEXPORT_SYMBOL\t',
             f'{want["spaced"]}\tspaced\tprovider\tEXPORT_SYMBOL\tFS_CORE']
    tap.same(out, '\n'.join(lines) + '\n', '--symvers')
    (ROOT / 'list').write_text('# what the host offers\nplain_one\n\n hidden # too\n')
    tap.same(list(crcs(path, '--exports', ROOT / 'list')), ['hidden', 'plain_one'],
             '--exports')
    (ROOT / 'list').write_text('plain_one\nnobody\n')
    out, err, code = text(abi('--exports', ROOT / 'list', path))
    tap.check(code == 1 and 'nobody: debug information tells nothing' in err and
              'plain_one' in out, '--exports of what is not there', err)
    for compiler in (GCC, CLANG):
        shared = compile(MODULE, 'p.so', compiler, ('-g', '-shared', '-fPIC'))
        tap.same(crcs(shared, '--json'), now, f'{compiler}: a shared object')
    real = compile(KERNEL, 'real.ko')
    out, err, code = text(abi('--symvers', '-', real))
    tap.same(out, f'{crcs(real)["one"]}\tone\treal\tEXPORT_SYMBOL_GPL\tSPACE\n',
             'exports by __ksymtab')
    out, err, code = text(abi('--exports', '/dev/null', path))
    tap.check(code == 0 and not out, 'an empty list', err)


def test_write(path):
    want = crcs(path, '--json')
    os.chmod(path, 0o640)
    out, err, code = write(path)
    tap.check(code == 0 and not out and not err, '--write', err)
    tap.check(os.stat(path).st_mode & 0o7777 == 0o640, 'permissions stay')
    have = stored(path)
    tap.same({k: v[0] for k, v in have.items()}, want, 'stored')
    tap.same(have['plain_one'][1], 'int plain_one(struct thing *)', 'with declarations')
    out, err, code = text(run(TOOL, 'modprobe', '--show-exports', path))
    tap.same({name: crc for crc, name in (line.split() for line in out.splitlines())},
             {name: want[name] for name in have}, 'modprobe shows them')
    tap.check(all(sections(path)[f'__export_ext_{p}'][1] == 0
                  for p in ('crcs', 'names', 'decls')), 'unallocated')
    before, stamp = path.read_bytes(), os.stat(path).st_mtime_ns
    write(path)
    tap.check(path.read_bytes() == before and os.stat(path).st_mtime_ns == stamp,
              'doing it again leaves the file as it is')
    # Other versions take the place of these, and it grows no more than they do.
    changed = compile(MODULE.replace('int a;', 'long a;'), 'c.o')
    write(changed)
    once = changed.read_bytes()
    for _ in range(3):
        write(changed, '--exports', '/dev/null')
        tap.check(stored(changed) == {}, 'exports that are gone')
        write(changed)
    tap.same(changed.read_bytes(), once, 'there and back')
    leftovers = [n for n in os.listdir(ROOT) if '.o.' in n or '.so.' in n]
    tap.check(not leftovers, 'no temporary files', leftovers)


def test_imports(path):
    want = stored(path)
    for compiler in (GCC, CLANG):
        user = compile(USER, 'u.o', compiler)
        before = len(sections(user))
        out, err, code = write(user, '--all', '--with', path)
        tap.check(code == 0 and not err, f'{compiler}: --with an object', err)
        tap.same(stored(user, 'version'), {n: want[n] for n in ('gpl_one', 'plain_one')},
                 f'{compiler}: versions of imports')
        tap.same(len(sections(user)), before + 6, 'six sections')
        write(user, '--all')
        tap.check(len(stored(user, 'version')) == 2, 'without --with they stay')
    abi('--symvers', ROOT / 'm.symvers', path)
    user = compile(USER, 'u.o')
    write(user, '--all', '--with', ROOT / 'm.symvers')
    have = stored(user, 'version')
    tap.check(have['plain_one'] == (want['plain_one'][0], ''), 'by a Module.symvers', have)
    fresh = compile(MODULE, 'fresh.o')
    user = compile(USER, 'u.o')
    write(user, '--all', '--with', fresh)
    tap.same(stored(user, 'version')['gpl_one'], want['gpl_one'],
             'by an object in which nothing is stored')
    (ROOT / 'bad.symvers').write_text('0x12\tname\n')
    out, err, code = write(user, '--all', '--with', ROOT / 'bad.symvers')
    tap.same(err, 'umod abi: bad.symvers:1: no line of a Module.symvers\n', 'a bad one')


def test_links(path):
    """What linkers and strip make of the sections."""
    user = compile(USER, 'u.o')
    write(user, '--all', '--with', path)
    for linker in ('ld', 'ld.lld-14'):
        done = run(linker, '-r', '-o', ROOT / 'r.o', path, user)
        if linker != 'ld' and done.returncode:
            continue
        both = {**stored(path), **stored(user)}
        tap.same(stored(ROOT / 'r.o'), both, f'{linker} -r of two')
    write(ROOT / 'r.o', '--all')
    tap.check(set(stored(ROOT / 'r.o')) == set(both) | {'hidden'}, 'then written again')
    for tool, flag in (('strip', '-g'), ('strip', '--strip-unneeded'),
                       ('llvm-strip-14', '-g')):
        run(tool, flag, '-o', ROOT / 's.o', path)
        tap.same(stored(ROOT / 's.o'), stored(path), f'{tool} {flag}')
    for name, flags in (('plain', []), ('gc', ['-Wl,--gc-sections', '-Wl,-z,now']),
                        ('lazy', ['-Wl,-z,lazy', '-O2'])):
        position = compile(MODULE, 'pic.o', flags=('-g', '-fPIC', '-c'))
        write(position)
        shared = ROOT / f'{name}.so'
        run(GCC, '-shared', *flags, '-o', shared, position)
        tap.same(stored(shared), stored(path), f'ld -shared, {name}')
        if name != 'gc':  # which takes .modinfo away
            write(shared)
        run('strip', '-o', ROOT / f'{name}-s.so', shared)
        tap.same(stored(ROOT / f'{name}-s.so'), stored(path), f'strip, {name}')
        for file in (shared, ROOT / f'{name}-s.so'):
            tap.same(ctypes.CDLL(str(file)).chosen(), 7, f'{file.name} can be loaded')
            done = run(TOOL, 'check', file)
            tap.check(done.returncode == 0, f'umod check {file.name}', done.stderr)
    objects = run('readelf', '-aW', ROOT / 'plain.so')
    tap.check(not objects.stderr, 'readelf has no complaint', objects.stderr)
    program = compile('int main(void) { return 3; }\nint offered(long l) { return 1; }',
                      'program', flags=('-g', '-rdynamic'))
    (ROOT / 'list').write_text('offered\n')
    write(program, '--exports', ROOT / 'list')
    tap.check(run(program).returncode == 3 and list(stored(program)) == ['offered'],
              'a program runs as before')
    link = ROOT / 'link.o'
    link.symlink_to(path.name)
    write(link, '--all')
    tap.check(link.is_symlink() and 'hidden' in stored(path), 'a link stays a link')


def test_refusals(path):
    key, certificate = ROOT / 'key.pem', ROOT / 'cert.pem'
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out',
        certificate, '-subj', '/CN=test', '-days', '30')
    signed = copy(path, 'signed.o')
    done = run(TOOL, 'sign', '-k', key, '-c', certificate, signed)
    before = signed.read_bytes()
    out, err, code = write(signed)
    tap.check(code == 1 and 'store versions first, then sign' in err and
              signed.read_bytes() == before, 'a signed file', done.stderr.decode() + err)
    run(TOOL, 'sign', '--strip', signed)
    tap.check(write(signed)[2] == 0, 'its signature taken off')
    more = copy(path, 'more.o')
    more.write_bytes(more.read_bytes() + b'x' * 100)
    out, err, code = write(more)
    tap.check(code == 1 and 'behind its end' in err and
              more.read_bytes().endswith(b'x' * 100), 'bytes behind the end', err)
    data = bytearray(path.read_bytes())
    for name, at, value in (('e_shoff', 40, 0xff), ('e_shnum', 60, 0xff),
                            ('e_shstrndx', 62, 0xff), ('e_type', 16, 9)):
        bad = bytearray(data)
        bad[at] = bad[at + 1] = value
        (ROOT / 'bad.o').write_bytes(bad)
        out, err, code = write(ROOT / 'bad.o')
        tap.check(code == 1 and err and (ROOT / 'bad.o').read_bytes() == bad,
                  f'a damaged {name}', err)
    if os.getuid() == 0:
        return
    folder = ROOT / 'readonly'
    folder.mkdir()
    inside = folder / 'x.o'
    inside.write_bytes(compile(MODULE, 'w.o').read_bytes())
    folder.chmod(0o555)
    tap.check(write(inside)[2] == 1, 'a folder that cannot be written to')
    folder.chmod(0o755)


def main():
    path = compile(MODULE, 'm.o')
    test_exports(path)
    test_write(path)
    test_imports(path)
    test_refusals(path)
    test_links(path)
    tap.done()


main()
