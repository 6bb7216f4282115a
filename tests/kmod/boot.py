#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""boot.py UMOD INIT KERNEL-TREES FOLDER: loads and removes modules for real. Debian's kernel is
booted in qemu, without acceleration, with an initial file system made here: the commands
under test, the C library, a shell, a few modules. The same commands are run twice, by
umod's links and by kmod's own; both transcripts come over the serial console and are
compared, and what must be in them is looked for.
"""
import gzip
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile

from tap import Tap, fetch, shadow

LINKS = ('modprobe', 'insmod', 'rmmod', 'lsmod', 'kmod')
MODULES = ('vfat', 'dummy', 'nls_ascii', 'nls_cp437', 'isofs', 'libcrc32c', 'overlay',
           'crc32c_generic', 'tun', 'fuse', 'snd_seq')
CONFIG = """\
options dummy numdummies=3
alias our-alias nls_ascii
install isofs echo installing $MODPROBE_MODULE; modprobe -i isofs $CMDLINE_OPTS
remove isofs modprobe -r -i isofs && echo removed
blacklist overlay
alias hidden-alias overlay
"""
# Each is run by both; what it prints and its status are in the transcript.
COMMANDS = [
    'modprobe vfat', 'lsmod', 'modprobe --first-time vfat', 'modprobe vfat',
    'rmmod fat', 'modprobe -r fat', 'modprobe -n -v dummy', 'modprobe -v dummy',
    'ls_net', 'modprobe -r -v dummy',
    'insmod DIR/kernel/drivers/net/dummy.ko numdummies=1', 'ls_net',
    'insmod DIR/kernel/drivers/net/dummy.ko', 'rmmod dummy', 'rmmod dummy',
    'insmod DIR/kernel/drivers/net/dummy.ko nosuch=1', 'rmmod -v dummy',
    'insmod DIR/kernel/fs/fat/vfat.ko', 'insmod /missing.ko', 'insmod /text.ko',
    'modprobe our-alias', 'modprobe -R our-alias', 'lsmod', 'modprobe -r our-alias',
    'modprobe isofs', 'lsmod', 'modprobe -r isofs', 'modprobe hidden-alias',
    'modprobe overlay', 'modprobe -r overlay', 'modprobe nosuch', 'modprobe -q nosuch',
    'modprobe -a nls_ascii nosuch', 'modprobe -r -a nls_ascii vfat', 'lsmod',
    'modprobe -r --first-time vfat', 'modprobe nls_cp437', 'modprobe -w 20 -r fat',
    'modprobe vfat', 'lsmod', 'modprobe -r vfat', 'rmmod nosuch',
    'modprobe configs', 'modprobe crypto-crc32c', 'modprobe -r libcrc32c', 'rmmod -f dummy',
    'modprobe', 'insmod', 'rmmod', 'lsmod x', 'modprobe -c x | head_count',
    'modprobe -r -a nls_cp437 crc32c_generic', 'lsmod', 'kmod list', 'kmod', 'kmod nosuch',
    'kmod static-nodes', 'kmod static-nodes -f tmpfiles', 'kmod static-nodes -f devname',
    'kmod static-nodes -f nosuch', 'kmod static-nodes -o /run/a/b -f tmpfiles; show /run/a/b',
]
# By umod alone: what kmod has not, or cannot do here.
OURS = ['insmod /packed/nls_ascii.ko.xz', 'lsmod', 'rmmod nls_ascii',
        'modprobe -C /forbid.conf vfat', 'modprobe -C /forbid.conf fat',
        'modprobe -C /forbid.conf -v dummy', 'rmmod dummy', 'lsmod --host /run/socket',
        'modprobe vfat', 'modprobe -r --remove-holders fat', 'lsmod']
MUST = {  # of umod's transcript, after the command: a pattern
    'modprobe --first-time vfat': r"ERROR: could not insert 'vfat': Module already in kernel",
    'rmmod fat': r'ERROR: Module fat is in use by: vfat',
    'modprobe -v dummy': r'/dummy.ko numdummies=3 \nstatus 0',
    'ls_net': r'^dummy0\ndummy1\ndummy2\nstatus 0',
    'modprobe -r --remove-holders fat': r'^status 0',
    'insmod /packed/nls_ascii.ko.xz': r'^status 0$',
    'modprobe -C /forbid.conf vfat': r'fat, which vfat depends on, is forbidden by '
                                     r'/forbid.conf line 1\nstatus 1',
    'modprobe -C /forbid.conf fat': r'fat is forbidden by /forbid.conf line 1\nstatus 1',
    'modprobe isofs': r'^installing isofs$', 'modprobe -r isofs': r'^removed$',
    'lsmod --host /run/socket': r'ERROR: --host /run/socket: no umod host answers[^\n]*\nstatus 1',
}
HELPERS = """\
ls_net() { for i in /sys/class/net/dummy*; do echo "${i##*/}"; done; }
show() { while read -r line; do echo "$line"; done <"$1"; }
head_count() { n=0; while read -r line; do n=$((n+1)); done; [ $n -gt 10 ] && echo many; }
run() { echo "\\$ $1"; cd /; eval "$2"; echo "status $?"; }
"""


class Archive:
    """The newc format of cpio."""

    def __init__(self):
        self.parts, self.seen, self.number = [], set(), 0

    def entry(self, name, mode, data=b'', device=(0, 0)):
        self.number += 1
        fields = [self.number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
        head = b'070701' + b''.join(b'%08X' % f for f in fields) + name.encode() + b'\0'
        self.parts += [head, b'\0' * (-len(head) % 4), data, b'\0' * (-len(data) % 4)]

    def folder(self, name):
        if name in ('', '.') or name in self.seen:
            return
        self.folder(str(pathlib.PurePath(name).parent))
        self.seen.add(name)
        self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        self.folder(str(pathlib.PurePath(name).parent))
        self.entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(str(pathlib.PurePath(name).parent))
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def program(self, name, path):
        """A program, with the libraries that it needs where it looks for them."""
        self.file(name, pathlib.Path(path).read_bytes())
        out = subprocess.run(['ldd', path], capture_output=True, text=True).stdout
        for library in re.findall(r'(/\S+) \(0x', out):
            self.library(library)

    def library(self, path):
        if path not in self.seen:
            self.seen.add(path)
            self.file(path[1:], pathlib.Path(path).read_bytes())

    def bytes(self):
        self.entry('TRAILER!!!', 0)
        return gzip.compress(b''.join(self.parts), 1)


def script(folder, commands, config):
    lines = [HELPERS, f'PATH={folder}:/bin', 'export PATH']
    for command in commands:
        lines.append(f"run '{command}' '{command.replace('DIR', '/lib/modules/' + config)}'")
    return '\n'.join(lines) + '\n'


def closure(tree, wanted):
    """Paths of modules and of what they depend on, by modules.dep."""
    lines = dict(line.rstrip().split(':', 1)
                 for line in (tree / 'modules.dep').read_text().splitlines())
    by_name = {pathlib.PurePath(p).name.split('.')[0].replace('-', '_'): p for p in lines}
    paths = set()
    for name in wanted:
        path = by_name[name]
        paths |= {path, *lines[path].split()}
    return sorted(paths)


def make_tree(source, release, folder):
    """A small tree for the machine, with indexes by kmod's depmod."""
    whole = shadow(source, release, folder / 'whole')
    subprocess.run(['/sbin/depmod', '-b', folder / 'whole', release], check=True)
    lib = folder / 'lib' / 'modules' / release
    for path in closure(whole, MODULES):
        (lib / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole / path, lib / path)
    for name in ('modules.order', 'modules.builtin', 'modules.builtin.modinfo'):
        shutil.copy(whole / name, lib)
    subprocess.run(['/sbin/depmod', '-b', folder, release], check=True)
    return lib


def archive(umod, init, lib, release, work):
    a = Archive()
    a.file('init', pathlib.Path(init).read_bytes())
    a.program('bin/sh', '/bin/dash')
    a.program('umod/umod', umod)
    a.program('kmod/kmod', '/bin/kmod')
    a.library('/lib/x86_64-linux-gnu/liblzma.so.5')
    for link in LINKS:
        a.link(f'umod/{link}', 'umod')
        if link != 'kmod':
            a.link(f'kmod/{link}', 'kmod')
    a.link('dev/stdout', '/proc/self/fd/1')
    a.entry('dev/console', stat.S_IFCHR | 0o600, device=(5, 1))
    a.entry('dev/null', stat.S_IFCHR | 0o666, device=(1, 3))
    for path in sorted(p for p in lib.rglob('*') if p.is_file()):
        a.file(f'lib/modules/{release}/{path.relative_to(lib)}', path.read_bytes(), 0o644)
    packed = next(lib.rglob('nls_ascii.ko'))
    a.file('packed/nls_ascii.ko.xz', subprocess.run(
        ['xz', '--check=crc32', '-c', packed], check=True, capture_output=True).stdout, 0o644)
    a.file('text.ko', b'this is no module\n', 0o644)
    a.file('etc/modprobe.d/test.conf', CONFIG.encode(), 0o644)
    a.file('forbid.conf', b'forbid fat\n', 0o644)
    a.file('run.sh', b'sh /kmod.sh; echo == both; sh /umod.sh; echo == ours; sh /ours.sh\n')
    a.file('kmod.sh', script('/kmod', COMMANDS, release).encode())
    a.file('umod.sh', script('/umod', COMMANDS, release).encode())
    a.file('ours.sh', script('/umod', OURS, release).encode())
    path = work / 'initrd.gz'
    path.write_bytes(a.bytes())
    return path


def boot(kernel, initrd, seconds):
    command = ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'max', '-m', '512',
               '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-nic', 'none',
               '-no-reboot', '-kernel', str(kernel), '-initrd', str(initrd), '-append',
               'console=ttyS0 quiet loglevel=1 panic=-1 nokaslr mitigations=off '
               'tsc=reliable random.trust_cpu=1 rdinit=/init']
    run = subprocess.run(command, capture_output=True, text=True, errors='replace',
                         stdin=subprocess.DEVNULL, timeout=seconds)
    return run.stdout.replace('\r', '')


def blocks(text):
    """The commands, each with what it printed."""
    found = []
    for block in re.split(r'^\$ ', text, flags=re.M)[1:]:
        command, _, rest = block.partition('\n')
        found.append((command, rest))
    return found


def alike(text):
    """Without libkmod's own words, which tell a file and a line of its source."""
    return re.sub(r'^\w+: (ERROR|INFO): \.\./libkmod/.*\n', '', text, flags=re.M)


def main():
    umod, init, script, folder = sys.argv[1:]
    (_, root, release), = fetch(script, folder, ['amd64'])
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix='umod-boot-') as name:
        work = pathlib.Path(name)
        lib = make_tree(root, release, work / 'tree')
        initrd = archive(umod, init, lib, release, work)
        try:
            console = boot(root / 'boot' / f'vmlinuz-{release}', initrd, 400)
        except subprocess.TimeoutExpired as error:
            console = (error.stdout or b'').decode(errors='replace').replace('\r', '')
    kmod, _, rest = console.partition('== both\n')
    both, _, ours = rest.partition('== ours\n')
    tap.check('== end 0' in ours, 'the machine ran all of it', console[-2000:])
    theirs, mine = blocks(kmod), blocks(both)
    for i, command in enumerate(COMMANDS):
        a = theirs[i] if i < len(theirs) else (None, '')
        b = mine[i] if i < len(mine) else (None, '')
        same = a[0] == b[0] == command and alike(a[1]) == alike(b[1])
        tap.check(same, f'as kmod: {command}', f'kmod:\n{a[1]}umod:\n{b[1]}')
    for command, pattern in MUST.items():
        text = next((t for c, t in mine + blocks(ours) if c == command), '')
        tap.check(re.search(pattern, text, re.M) is not None, f'{command}: as it must', text)
    tap.done()


if __name__ == '__main__':
    main()
