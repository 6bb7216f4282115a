#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""policy.py UMOD LIBRARY: what a policy file decides, and what a bad one does."""
import os
import re
import shutil
import subprocess

import dl
from dl import has, same, start, test, write_policy


def opened(folder, policy, *plugins, **more):
    path = write_policy(folder, policy) if policy is not None else ''
    return start(folder / 'host', *plugins, UMOD_POLICY=path, **more)[0].splitlines()


def calls(folder, policy, *plugins, **more):
    """The program's output, and umod maps' line of counters."""
    path = write_policy(folder, policy)
    with dl.Waiting(folder / 'host', *plugins, '--wait', UMOD_POLICY=path,
                    **more) as program:
        maps, _ = start(dl.UMOD, 'maps', program.process.pid, preload=False)
        return program.output.splitlines(), maps.splitlines()[-1], maps


@test
def no_policy(folder):
    """without a policy everything is umod's, in one namespace"""
    output, counters, _ = calls(folder, '', folder / 'simple.so', folder / 'plugin-1.so')
    same(output, ['host', 'plugin for 1, with common 1, of host'])
    has(counters, r'^calls: 2 by umod \(0 isolated\), 0 .* 0 left .* 0 fall.* 0 failures$')


@test
def they_clash(folder):
    """two plugins for two versions of one library clash under dlopen"""
    output, _ = start(folder / 'host', folder / 'plugin-1.so', folder / 'plugin-2.so',
                      preload=False)
    same(output.splitlines()[0], 'plugin for 1, with common 1, of host')
    same(output.splitlines()[1], 'plugin for 2, with common 1, of host')


def readme_policy():
    text = (dl.SOURCE / 'README.md').read_text()
    return re.search(r'two lines:\n\n((?:    .*\n)+)', text).group(1).replace('    ', '')


@test
def side_by_side(folder):
    """the README's policy of two lines has them side by side"""
    policy = readme_policy()
    same(len(policy.splitlines()), 2)
    output, counters, maps = calls(folder, policy, folder / 'plugin-1.so',
                                   folder / 'plugin-2.so')
    same(output, ['plugin for 1, with common 1, of host',
                  'plugin for 2, with common 2, of host'])
    has(counters, r'2 by umod \(2 isolated\)')
    same(sorted(re.findall(r'v[12]/libcommon.so.1', maps)),
         ['v1/libcommon.so.1', 'v2/libcommon.so.1'])


@test
def isolated_once(folder):
    """a file that is isolated has one namespace, however often it is opened"""
    policy = '[isolate]\nplugin = plugin-*.so\n'
    _, _, maps = calls(folder, policy, *[folder / 'plugin-2.so'] * 3)
    same(len(re.findall(r'/plugin-2.so\n', maps)), 1)


@test
def shared(folder):
    """[isolate] share takes a library from the process"""
    policy = '[isolate]\nplugin = plugin-2.so\nshare = libcommon.so.*\n'
    program = folder / 'host-with-common'
    dl.compile_fixture('host.c', program, '-rdynamic', '-Wl,--no-as-needed',
                       folder / 'v1/libcommon.so.1', f'-Wl,-rpath,{folder}/v1')
    path = write_policy(folder, policy)
    output, _ = start(program, folder / 'plugin-2.so', UMOD_POLICY=path)
    same(output, 'plugin for 2, with common 1, of host\n')
    path = write_policy(folder, '[isolate]\nplugin = plugin-2.so\n')
    output, _ = start(program, folder / 'plugin-2.so', UMOD_POLICY=path)
    same(output, 'plugin for 2, with common 2, of host\n')
    output, _ = start(program, folder / 'plugin-2.so', UMOD_POLICY=path,
                      UMOD_SHARING='libcommon.so.*')
    same(output, 'plugin for 2, with common 1, of host\n')


@test
def left_to_ldso(folder):
    """[load] ldso leaves a file to ld.so; [load] umod leaves all others"""
    plugin = folder / 'simple.so'
    for policy in f'[load]\nldso = {folder}/s*.so\n', '[load]\numod = plugin-*\n':
        output, counters, maps = calls(folder, policy, plugin)
        same(output, ['host'])
        has(counters, r'0 by umod .* 1 left to ld.so')
        assert 'simple.so' not in maps


@test
def refused(folder):
    """[load] refuse refuses, a dependency too, whatever fallback says"""
    policy = '[load]\nrefuse = simple.so libcommon.*\nfallback = yes\n'
    output = opened(folder, policy, folder / 'simple.so', folder / 'plugin-1.so')
    has(output[0], r'simple\.so: is refused by the policy .*policy\.conf: \[load\] refuse')
    has(output[1], r'v1/libcommon\.so\.1: is refused by the policy')


@test
def refused_by_its_name(folder):
    """[load] refuse means the file, whatever link leads to it; ldso too"""
    (folder / 'alias.so').symlink_to('simple.so')
    for more in '', 'ldso = alias.so\n':
        output = opened(folder, f'[load]\nrefuse = simple.so\n{more}', folder / 'alias.so')
        has(output[0], r'refused by the policy')


@test
def opened_by_plugins(folder):
    """what a plugin opens by a run path of its own is found, also when ld.so loads it"""
    below = folder / 'below'
    below.mkdir()
    shutil.copy(folder / 'simple.so', below / 'libsimple-below.so')
    dl.compile_fixture('opener.c', folder / 'opener.so', '-shared', '-fPIC',
                       '-Wl,-rpath,$ORIGIN/below')
    for policy in '', '[load]\nldso = libsimple*\n', '[isolate]\nplugin = libsimple*\n':
        output, counters, maps = calls(folder, policy, folder / 'opener.so')
        same(output, ['host'])
        same('libsimple' in maps, 'ldso' not in policy)


@test
def isolated_by_many(folder):
    """threads that open a file that is isolated get one and the same"""
    dl.compile_fixture('crowd.c', folder / 'crowd', '-rdynamic', '-pthread')
    path = write_policy(folder, '[isolate]\nplugin = plugin-*.so\n')
    for _ in range(20):
        output, status = start(folder / 'crowd', folder / 'plugin-2.so', UMOD_POLICY=path,
                               LD_LIBRARY_PATH=folder)
        same((output, status), ('1 handles\n', 0))


@test
def owners(folder):
    """[files] owner: root, self, a number"""
    mine = folder / 'owned.so'
    shutil.copy(folder / 'simple.so', mine)
    os.chown(mine, 12345, 12345)
    for words, fine in (('root', False), ('self', False), ('12345', True),
                        ('root 12345', True)):
        output = opened(folder, f'[files]\nowner = {words}\n', mine)
        has(output[0], 'host' if fine else r'refused .*: its owner is none of \[files\]')
    os.chown(mine, 0, 0)
    same(opened(folder, '[files]\nowner = self\n', mine), ['host'])


@test
def permissions(folder):
    """[files] writable-by: owner, group, any"""
    mine = folder / 'written.so'
    shutil.copy(folder / 'simple.so', mine)
    for mode, word, fine in ((0o755, 'owner', True), (0o775, 'owner', False),
                             (0o775, 'group', True), (0o757, 'group', False),
                             (0o757, 'owner', False), (0o777, 'any', True)):
        mine.chmod(mode)
        output = opened(folder, f'[files]\nwritable-by = {word}\n', mine)
        has(output[0], 'host' if fine else r'may write it, which \[files\] writable-by')


@test
def directories(folder):
    """[files] directory: where a file lies in truth, links followed"""
    allowed, other = folder / 'allowed', folder / 'allowed-not'
    allowed.mkdir()
    other.mkdir()
    shutil.copy(folder / 'simple.so', allowed / 'a.so')
    shutil.copy(folder / 'simple.so', other / 'b.so')
    (allowed / 'link.so').symlink_to(other / 'b.so')
    (other / 'link.so').symlink_to(allowed / 'a.so')
    policy = f'[files]\ndirectory = {allowed}/\n'
    output = opened(folder, policy, allowed / 'a.so', other / 'link.so', other / 'b.so',
                    allowed / 'link.so', other / '../allowed/a.so')
    same(output[:2] + output[4:], ['host'] * 3)
    (folder / 'allowed-link').symlink_to(allowed)
    policy_of_link = f'[files]\ndirectory = {folder}/allowed-link\n'
    same(opened(folder, policy_of_link, allowed / 'a.so'), ['host'])
    has(output[2], r'in none of the places of \[files\] directory')
    has(output[3], r'in none of the places of \[files\] directory')


@test
def parents(folder):
    """[files] parents asks the same of the directories above a file"""
    inner = folder / 'inner'
    inner.mkdir(mode=0o755)
    shutil.copy(folder / 'simple.so', inner / 'simple.so')
    (inner / 'simple.so').chmod(0o644)
    policy = '[files]\nowner = root self\nwritable-by = owner\nparents = yes\n'
    same(opened(folder, policy, inner / 'simple.so'), ['host'])
    for where, mode in ((inner, 0o775), (inner, 0o777), (folder, 0o757)):
        old = where.stat().st_mode
        where.chmod(mode)
        has(opened(folder, policy, inner / 'simple.so')[0],
            f'{where}: (others|its group) may write it')
        same(opened(folder, policy.replace('parents = yes', 'parents = no'),
                    inner / 'simple.so'), ['host'])
        where.chmod(old)


def sign(folder, path):
    """Signs it with a key of the test; the certificate's path."""
    key, certificate = folder / 'sign.key', folder / 'sign.crt'
    if not key.exists():
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout',
                        key, '-out', certificate, '-subj', '/CN=umod test', '-days', '30'],
                       check=True, stderr=subprocess.DEVNULL)
        certificate.chmod(0o644)
    subprocess.run([dl.UMOD, 'sign', '-k', key, '-c', certificate, path], check=True)
    return certificate


@test
def signatures(folder):
    """[signature] enforce refuses what is not signed, needs too, whatever fallback says"""
    signed, changed = folder / 'signed.so', folder / 'changed.so'
    shutil.copy(folder / 'simple.so', signed)
    ring = sign(folder, signed)
    content = bytearray(signed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    policy = f'[signature]\ncheck = enforce\nkeyring = {ring}\n'
    output = opened(folder, policy, signed, folder / 'simple.so', changed)
    same(output[0], 'host')
    has(output[1], 'simple.so: it is not signed')
    has(output[2], 'changed.so: .*changed after it was signed')
    output = opened(folder, policy + '[load]\nfallback = yes\n', folder / 'simple.so', changed)
    has(output[0], 'it is not signed')
    has(output[1], 'changed after it was signed')
    warn = policy.replace('enforce', 'warn')
    same(opened(folder, warn, folder / 'simple.so', signed), ['host', 'host'])
    has(opened(folder, warn, changed)[0], 'changed after it was signed')
    plugin = folder / 'signed-plugin.so'
    shutil.copy(folder / 'plugin-1.so', plugin)
    sign(folder, plugin)
    has(opened(folder, policy, plugin)[0], r'libcommon\.so\.1: it is not signed')
    ring.chmod(0o666)
    has(opened(folder, policy, signed)[0], 'others than its owner may write to it')
    ring.chmod(0o644)


@test
def fallback(folder):
    """[load] fallback: what umod will not load goes to ld.so, and is counted"""
    odd = folder / 'stack.so'
    dl.compile_fixture('simple.c', odd, '-shared', '-fPIC', '-Wl,-z,execstack')
    output, counters, _ = calls(folder, '[load]\nfallback = no\n', odd)
    has(output[0], 'error: .*stack.so: asks for an executable stack')
    has(counters, '0 fallbacks, 1 failures')
    output, counters, _ = calls(folder, '[load]\nfallback = yes\n', odd)
    same(output, ['host'])
    has(counters, '1 fallbacks, 0 failures')
    absent = folder / 'nothing.so'
    output, _, _ = calls(folder, '[load]\nfallback = yes\n', absent)
    has(output[0], 'cannot open shared object file: No such file or directory')


BAD = {
    'unknown key': ('[load]\nfalback = yes\n', r"line 2: there is no key 'falback' in sec"),
    'unknown section': ('\n[lod]\numod = *\n', r'line 3: there is no key .* \[lod\]'),
    'no section': ('umod = *\n', r'line 1: there is no key'),
    'no key': ('[load]\nfallback\n', r'line 2: neither \[section\] nor key = value'),
    'no yes': ('[load]\nfallback = perhaps\n', r"'perhaps' is neither yes nor no"),
    'no owner': ('[files]\nowner = nobody\n', r"'nobody' is neither root, nor self"),
    'no word': ('[files]\nwritable-by = me\n', r"'me' is none of owner, group and any"),
    'no user': ('[files]\nowner = 4294967296\n', r"'4294967296' is neither root, nor"),
    'nobody': ('[files]\nowner =\n', r'owner = names nothing'),
    'nowhere': ('[files]\ndirectory =\n  # none\n', r'directory = names nothing'),
    'key after a blank': ('[load]\numod = *\n  refuse = *\n', r'line 3 begins with a bl'),
    'no path': ('[files]\ndirectory = plugins\n', r'plugins is no absolute path'),
    'long line': (f'[load]\numod = {"x" * 200}\n', r'line 2 has more than 190 characters'),
    'no policy': ('[signature]\ncheck = maybe\n', r"'maybe' is none of off, warn and enforce"),
    'no date': ('[signature]\nexpired = yes\n', r"'yes' is neither accept nor refuse"),
    'no ring': ('[signature]\nkeyring = keys\n', r'keys is no absolute path'),
    'parents of nothing': ('[files]\nparents = yes\n', r'asks nothing without owner'),
    'a zero': ('[load]\n\0\n', r'has no byte that is 0'),
}


@test
def bad_policies(folder):
    """a policy with a mistake lets nothing in, and names the line"""
    for name, (text, pattern) in BAD.items():
        output = opened(folder, text, *[folder / 'simple.so'] * 2)
        for line in output:
            has(line, f'error: .*policy.conf: .*{pattern}')
        same((name, len(output)), (name, 2))


@test
def no_such_policy(folder):
    """nor does one that cannot be read; an empty name is none"""
    output, _ = start(folder / 'host', folder / 'simple.so', UMOD_POLICY=folder / 'none')
    has(output, 'none: the policy cannot be opened: No such file or directory')
    output, _ = start(folder / 'host', folder / 'simple.so', UMOD_POLICY=folder)
    has(output, 'a policy is a regular file')
    same(opened(folder, None, folder / 'simple.so'), ['host'])


@test
def no_parser(folder):
    """nor one that has no parser"""
    (folder / 'libinih.so.1').write_text('no library')
    path = write_policy(folder, '')
    output, _ = start(folder / 'host', folder / 'simple.so', UMOD_POLICY=path,
                      LD_LIBRARY_PATH=folder)
    (folder / 'libinih.so.1').unlink()
    has(output, r'policy\.conf: the policy cannot be read without its parser, libinih')


@test
def long_values(folder):
    """a value may go on in the next line, comments stand between"""
    policy = '# comment\n[load]\n; another\nrefuse = a.so\n  b.so, simple.so\n'
    has(opened(folder, policy, folder / 'simple.so')[0], 'is refused by the policy')


@test
def example(folder):
    """the installed example holds, and everything in it that is commented out"""
    text = (dl.SOURCE / 'dlfcn/policy.conf').read_text()
    same(opened(folder, text, folder / 'simple.so'), ['host'])
    keys = re.findall(r'^#([a-z-]+) =', text, flags=re.M)
    same(sorted(keys), ['check', 'directory', 'expired', 'fallback', 'keyring', 'ldso', 'owner',
                        'parents', 'plugin', 'private', 'refuse', 'share', 'umod',
                        'writable-by'])
    same(len(re.findall(r'^# Absent:', text, flags=re.M)), len(keys))
    live = re.sub(r'^#([a-z-]+ =)', r'\1', text, flags=re.M)
    (folder / 'keys').mkdir(mode=0o755)
    live = live.replace('/etc/umod/keys', str(folder / 'keys'))
    has(opened(folder, live, folder / 'simple.so')[0], r'refused by the policy|^host')


@test
def parser_stays_out(folder):
    """the parser is gone from the process once the policy is read"""
    _, _, maps = calls(folder, '[load]\numod = *\n', folder / 'simple.so')
    assert 'libinih' not in maps
    assert 'simple.so' in maps


def secure_host(folder):
    """A program that the kernel starts with AT_SECURE: it becomes somebody else."""
    program = folder / 'secure-host'
    shutil.copy(dl.LIBRARY, folder / 'libumod-dl.so')
    dl.compile_fixture('host.c', program, '-rdynamic', '-Wl,--no-as-needed',
                       folder / 'libumod-dl.so', f'-Wl,-rpath,{folder}')
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    return program


@test
def secure_execution(folder):
    """secure execution: UMOD_POLICY and UMOD_ISOLATE count for nothing"""
    program = secure_host(folder)
    policy = write_policy(folder, '[load]\nrefuse = *\n')
    output, _ = start(program, folder / 'simple.so', preload=False, UMOD_POLICY=policy)
    same(output, 'host\n')
    program.chmod(0o755)
    output, _ = start(program, folder / 'simple.so', preload=False, UMOD_POLICY=policy)
    has(output, 'is refused by the policy')


SYSTEM = '''
set -e
made=
[ -d /etc/umod ] || { mkdir /etc/umod; made=1; }
trap '[ -z "$made" ] || rmdir /etc/umod' EXIT
unshare -m sh -ec 'mount -t tmpfs tmpfs /etc/umod
	chmod 755 /etc/umod
	cp "$1" /etc/umod/policy.conf
	chmod "$2" /etc/umod/policy.conf
	shift 2
	exec "$@"' sh "$@"
'''


def with_system_policy(text, mode, folder, *command, **more):
    path = write_policy(folder, text, 'system.conf')
    done = subprocess.run(['sh', '-c', SYSTEM, 'sh', path, mode, *command],
                          env=dl.environment(**more), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@test
def system_policy(folder):
    """the system's policy counts in secure execution, and where none is named"""
    program = folder / 'secure-host'
    policy = '[load]\nrefuse = simple.so\n'
    empty = write_policy(folder, '')
    system = r'is refused by the policy /etc/umod/policy\.conf'
    program.chmod(0o4755)
    output = with_system_policy(policy, '644', folder, program, folder / 'simple.so',
                                UMOD_POLICY=empty)
    has(output, system)
    output = with_system_policy(policy, '666', folder, program, folder / 'simple.so')
    has(output, "must be root's, and nobody else's to write")
    program.chmod(0o755)
    has(with_system_policy(policy, '644', folder, program, folder / 'simple.so'), system)
    same(with_system_policy(policy, '644', folder, program, folder / 'simple.so',
                            UMOD_POLICY=empty), 'host\n')


dl.main()
