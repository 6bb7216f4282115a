#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""host.py UMOD HOST FIXTURES: a program with modules, reached by the tools through its
socket, and loading modules on demand."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

UMOD, HOST, FIXTURES = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
count = bad = 0


def check(good, name, *seen):
    global count, bad
    count += 1
    bad += not good
    print(f'{"ok" if good else "not ok"} {count} - {name}', flush=True)
    for what in () if good else seen:
        print('# ' + repr(what))


def same(got, should, name):
    check(got == should, name, got, should)


class Program:
    def __init__(self, folder, release='1.0'):
        self.socket = folder / 'socket'
        self.process = subprocess.Popen(
            [HOST, self.socket, folder / 'tree', release], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = []
        self.until('ready')

    def until(self, end):
        """What it prints up to a line that begins with @end."""
        got = []
        for line in self.process.stdout:
            got.append(line.rstrip('\n'))
            if line.startswith(end):
                return got
        raise AssertionError(f'{end!r} did not come: {got}')

    def ask(self, line, end=''):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return self.until(end)

    def tool(self, command, *arguments):
        done = subprocess.run([UMOD, command, '--host', self.socket, *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        return self.process.returncode


def modules(program):
    """name -> (uses, users)"""
    code, text = program.tool('lsmod')
    assert code == 0, text
    lines = [line.split() for line in text.splitlines()[1:]]
    return {words[0]: (int(words[2]), words[3:]) for words in lines}


def make_tree(folder):
    place = folder / 'tree/lib/modules/1.0/kernel'
    place.mkdir(parents=True)
    for name in ('fat', 'vfat', 'importer', 'failing', 'old', 'asks-self', 'asks-fat'):
        shutil.copy(FIXTURES / f'{name}.o', place / f'{name}.ko')
    (place.parent / 'modules.order').write_text('')
    done = subprocess.run([UMOD, 'depmod', '-b', folder / 'tree', '1.0'], text=True,
                          capture_output=True, check=False)
    dep = (place.parent / 'modules.dep').read_text()
    check(done.returncode == 0 and 'kernel/vfat.ko: kernel/fat.ko' in dep,
          'depmod reads the exports of umod\'s own modules', dep, done.stderr)


def in_and_out(program):
    fat, vfat = FIXTURES / 'fat.o', FIXTURES / 'vfat.so'
    same(program.tool('insmod', fat), (0, ''), 'insmod')
    same(program.until(''), ['init fat'], 'its init ran in the program')
    same(program.tool('insmod', vfat)[0], 0, 'insmod of a shared object that uses it')
    program.until('init vfat')
    same(modules(program), {'vfat': (0, []), 'fat': (1, ['vfat'])}, 'lsmod')
    code, text = program.tool('rmmod', 'fat')
    check(code == 1 and 'is in use by: vfat' in text, 'rmmod of what is in use', text)
    code, text = program.tool('insmod', fat)
    check(code == 1 and 'is there already' in text, 'insmod of what is there', text)
    code, text = program.tool('insmod', FIXTURES / 'spaced.o')
    check(code == 1 and 'export namespace FAT' in text, 'why the host refuses', text)
    code, text = program.tool('insmod', FIXTURES / 'nothing.o')
    check(code == 1 and 'No such file' in text, 'no such file', text)
    same(program.tool('rmmod', 'vfat', 'fat'), (0, ''), 'rmmod of both')
    same(program.until('exit fat'), ['exit vfat', 'exit fat'], 'their exits')
    same(modules(program), {}, 'nothing is left')
    code, text = program.tool('rmmod', 'fat')
    check(code == 1 and 'is not currently loaded' in text, 'rmmod of what is not there', text)


def with_a_tree(program, folder):
    where = ['-d', folder / 'tree', '-S', '1.0']
    same(program.tool('modprobe', *where, 'vfat'), (0, ''), 'modprobe with dependencies')
    same(program.until('init vfat'), ['init fat', 'init vfat'], 'in their order')
    same(program.tool('modprobe', *where, 'vfat'), (0, ''), 'again: it is there')
    code, text = program.tool('modprobe', *where, '--first-time', 'vfat')
    check(code == 1, '--first-time', text)
    same(program.tool('modprobe', *where, '-r', 'vfat'), (0, ''), 'modprobe -r')
    same(program.until('exit fat'), ['exit vfat', 'exit fat'], 'with what it needed')
    code, text = program.tool('modprobe', *where, 'failing')
    check(code == 1, 'a failing init', text)
    program.until('init failing')


def on_demand(program):
    same(program.ask('request vfat', '0'), ['init fat', 'init vfat', '0 '], 'a request')
    same(program.ask('request vfat', '0'), ['0 '], 'again: it is there')
    same(program.ask('request symbol:fat_spaced', '0'), ['0 '], 'by a symbol')
    lsmod = program.ask('lsmod', 'end')
    check(all('(autoclean)' in line for line in lsmod[1:-1]) and len(lsmod) == 4,
          'lsmod shows who came on demand', lsmod)
    got = program.ask('request nosuch', '-')
    check(got[-1].startswith('-2'), 'what nobody knows', got)
    same(program.ask('autoclean 0', '0'), ['0 went'], 'a pass: they were used since the last')
    same(program.ask('autoclean 0', '2'), ['exit vfat', 'exit fat', '2 went'],
         'the next pass takes them out')
    same(program.tool('insmod', FIXTURES / 'importer.so')[0], 0,
         'an insmod that needs what is not there finds it')
    same(program.until('init importer'), ['init fat', 'init importer'], 'and it came first')
    same(program.ask('autoclean 1', ''), ['0 went'], 'what is used stays')
    program.tool('rmmod', 'importer')
    program.until('exit importer')
    same(program.ask('autoclean 1', '1'), ['exit fat', '1 went'], 'and goes afterwards')
    same(program.ask('request asks_fat', '0 '),
         ['init asks_fat', 'init fat', '0 '], 'an init asks for another')
    same(program.until('0 '), ['0 '], 'and is done')
    same(program.ask('autoclean 1', '2')[-1], '2 went', 'both go')
    got = program.ask('request asks_self', '-35')
    check('this very thread' in got[-1], 'an init that asks for itself is told so', got)
    got = program.until('-5')
    check('its init failed' in got[-1], 'and fails', got)
    code, text = program.tool('insmod', FIXTURES / 'asks-self.o')
    check(code == 1 and 'its init failed' in text, 'also where it is inserted', text)
    check('this very thread' in program.until('-16')[-1], 'at once')
    program.ask('request old', '0')
    same(program.ask('every 1', '0'), ['0'], 'a thread takes them out')
    same(program.until('exit old'), ['exit old'], 'on its second pass')


JSON = 6


def described(program):
    """The JSON document."""
    return json.loads('\n'.join(program.ask(f'text {JSON}', 'end')[:-1]))


def as_json(program):
    empty = described(program)
    same((empty['modules'], empty['statistics']['failed_load'] > 0), ([], True), 'JSON of no module')
    program.tool('insmod', FIXTURES / 'fat.o')
    program.tool('insmod', FIXTURES / 'vfat.so')
    word = 'a\\b\x01\x7f\u00e9\u20ac\U0001f600\udcff\udced\udca0\udc80'
    program.tool('insmod', FIXTURES / 'tuned.o', 'level=7', f'word={word}', 'numbers=1,2')
    program.until('init tuned')
    all_there = described(program)
    by_name = {one['name']: one for one in all_there['modules']}
    same(list(by_name), ['tuned', 'vfat', 'fat'], 'JSON, the newest first')
    fat, vfat, tuned = by_name['fat'], by_name['vfat'], by_name['tuned']
    same([(one['users'], one['holders'], one['needs'], one['uses'])
          for one in (fat, vfat)], [(['vfat'], ['vfat'], [], 1), ([], [], ['fat'], 0)],
         'who uses whom')
    same((fat['state'], fat['taints'], fat['license'], fat['init_size'], fat['permanent']),
         ('live', '', 'GPL', 0, False), 'what it is')
    exports = {one['name']: one for one in fat['exports']}
    same((exports['fat_gpl']['gpl_only'], exports['fat_count']['gpl_only'],
          exports['fat_spaced']['namespace'], 'fat_hidden' in exports),
         (True, False, 'FAT', False), 'its exports')
    kallsyms = program.ask('text 2', 'end')
    address = f'{int(exports["fat_count"]["address"], 16):016x} T fat_count\t[fat]'
    check(address in kallsyms, 'with their addresses', address, kallsyms)
    start, size = int(fat['address'], 16), fat['size']
    check(all(start <= int(one['address'], 16) <= start + size for one in fat['sections']),
          'and its sections', fat)
    same({one['name']: (one['type'], one['array'], one['permissions'], one['value'])
          for one in tuned['parameters']},
         {'level': ('int', False, '0644', '7'), 'word': ('charp', False, '0444', word),
          'numbers': ('ushort', True, '0444', '1,2')}, 'parameters, of whatever bytes')
    check({'host_note', 'host_pause'} <= {one['name'] for one in all_there['host_exports']},
          'what the host exports', all_there['host_exports'])
    program.tool('rmmod', 'tuned', 'vfat', 'fat')
    program.until('exit fat')
    same(described(program)['statistics']['loaded'], empty['statistics']['loaded'] + 3,
         'statistics')


def shown(program):
    program.tool('insmod', FIXTURES / 'fat.o')
    program.tool('insmod', FIXTURES / 'vfat.so')
    program.until('init vfat')
    for number, name in enumerate(('modules', 'lsmod', 'kallsyms', 'ksyms', 'stats',
                                   'unloaded-tainted', 'json')):
        text = ''.join(line + '\n' for line in program.ask(f'text {number}', 'end')[:-1])
        same(program.tool('show', name), (0, text), f'umod show {name}')
    program.tool('insmod', FIXTURES / 'many.o')
    program.until('init many')
    text = ''.join(line + '\n' for line in program.ask('text 2', 'end')[:-1])
    check(text.count(' many_symbol_') == 3000 and len(text) > 1 << 16, 'many symbols')
    same(program.tool('show', 'kallsyms'), (0, text), 'come in several packets')
    program.tool('rmmod', 'many')
    program.until('exit many')
    same(program.tool('show', 'sys'), (0, 'vfat/\nfat/\n'), 'umod show sys')
    same(program.tool('show', 'sys', 'fat/holders'), (0, 'vfat/\n'), 'a directory')
    same(program.tool('show', 'sys', 'fat/refcnt'), (0, '1\n'), 'a file')
    note = subprocess.run([UMOD, 'show', '--host', program.socket, 'sys',
                           'vfat/notes/.note.gnu.build-id'], check=True, capture_output=True)
    check(note.stdout[4:16] == b'\x14\0\0\0\3\0\0\0GNU\0' and len(note.stdout) == 36,
          'of bytes', note.stdout)
    same(program.tool('show', 'sys', 'fat/nosuch'),
         (1, 'umod show: fat/nosuch: no module has this file\n'), 'no such file')
    same(program.tool('show', 'nosuch'),
         (1, 'umod show: nosuch: is nothing that this version can show\n'), 'no such text')
    code, text = program.tool('show')
    check(code == 2 and 'nothing to show' in text, 'nothing named', text)
    code, text = program.tool('show', 'stats', 'json')
    check(code == 2 and 'more than is shown' in text, 'too much', text)
    program.tool('rmmod', 'vfat', 'fat')
    program.until('exit fat')


def versions(program, folder):
    names = {name: folder / f'{name}.o' for name in ('fat', 'fat-long', 'vfat')}
    for name, path in names.items():
        shutil.copy(FIXTURES / f'{name}.o', path)
    done = [subprocess.run([UMOD, 'abi', '--write', *more, names[name]], text=True,
                           capture_output=True, check=False)
            for name, more in (('fat', []), ('fat-long', []),
                               ('vfat', ['--with', names['fat']]))]
    if any('without libdw' in one.stderr for one in done):
        print('# versions: umod was built without libdw')
        return
    check(not any(one.returncode for one in done), 'umod abi writes versions',
          [one.stderr for one in done])
    same(program.tool('insmod', names['fat'])[0], 0, 'a module with versions')
    same(program.tool('insmod', names['vfat']), (0, ''), 'one that was built against it')
    program.tool('rmmod', 'vfat', 'fat')
    program.until('exit fat')
    same(program.tool('insmod', names['fat-long'])[0], 0, 'it with another type')
    code, text = program.tool('insmod', names['vfat'])
    check(code == 1 and ' int fat_count(void);' in text and ' long fat_count(void)' in text,
          'is refused, with both declarations', text)
    same(program.tool('insmod', '--force-modversion', names['vfat']), (0, ''), 'or forced')
    program.tool('rmmod', 'vfat', 'fat')
    program.until('exit fat')
    other = folder / 'other.o'
    other.write_bytes(names['fat'].read_bytes().replace(b' ptr64 ', b' ptr32 '))
    code, text = program.tool('insmod', other)
    check(code == 1 and 'ptr32' in text and 'ptr64' in text, 'another vermagic', text)
    same(program.tool('insmod', '--force-vermagic', other), (0, ''), 'or forced')
    program.tool('rmmod', 'fat')
    program.until('exit fat')


def sockets(program, folder):
    again = subprocess.run([HOST, folder / 'socket', folder / 'tree', '1.0'], text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    check(again.returncode == 1 and 'Address already in use' in again.stdout,
          'one host listens at a socket', again.stdout)
    mode = os.stat(folder / 'socket').st_mode & 0o777
    same(mode, 0o600, 'which is the user\'s alone')
    if os.geteuid() == 0:
        (folder / 'socket').chmod(0o777)
        done = subprocess.run([UMOD, 'lsmod', '--host', folder / 'socket'], text=True,
                              user=65534, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        check(done.returncode == 1, 'and asks who others are', done.stdout)
    program.process.kill()
    program.process.wait()
    code, text = program.tool('lsmod')
    check(code == 1 and 'no umod host answers' in text, 'nobody answers', text)
    after = Program(folder)
    same(modules(after), {}, 'a socket that was left is taken over')
    same(after.end(), 0, 'and the program ends well')
    check(not (folder / 'socket').exists(), 'and takes its socket away')


with tempfile.TemporaryDirectory(prefix='umod-host-') as name:
    place = pathlib.Path(name)
    place.chmod(0o755)
    make_tree(place)
    host = Program(place)
    in_and_out(host)
    with_a_tree(host, place)
    on_demand(host)
    as_json(host)
    shown(host)
    versions(host, place)
    sockets(host, place)
print(f'1..{count}')
sys.exit(bool(bad))
