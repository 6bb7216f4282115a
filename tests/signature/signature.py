#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""signature.py UMOD PROBE: shared objects of the system, signed by umod sign, by the
kernel's sign-file and by openssl cms with a trailer laid out here, packed by gzip, xz and
zstd, and loaded under each policy; each way to damage them, with its own message; and what
an ordinary load costs when no signature is asked for.
"""
import errno
import gzip
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'kmod'))
from tap import Tap, run  # noqa: E402 pylint: disable=wrong-import-position

MAGIC = b'~Module signature appended~\n'
LIBRARIES = pathlib.Path('/usr/lib/x86_64-linux-gnu')
KINDS = {'rsa': ['rsa:2048'], 'p256': ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
         'p384': ['ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1'], 'other': ['rsa:2048']}


def openssl(*arguments):
    done = run('openssl', *arguments)
    if done.returncode:
        raise RuntimeError(f'openssl {arguments}: {done.stderr}')


def append(body, cms):
    return body + cms + struct.pack('>BBBBB3xI', 0, 0, 2, 0, 0, len(cms)) + MAGIC


def split(content):
    length = int.from_bytes(content[-32:-28], 'big')
    return content[:-40 - length], content[-40 - length:-40]


def make_keys(folder):
    for name, kind in KINDS.items():
        openssl('req', '-x509', '-newkey', *kind, '-nodes', '-keyout', folder / f'{name}.key',
                '-out', folder / f'{name}.crt', '-subj', f'/CN=umod test {name}', '-days', '30')
    (folder / 'ca.cnf').write_text(
        f'[ca]\ndefault_ca=a\n[a]\ndatabase={folder}/ca.db\nserial={folder}/ca.srl\n'
        f'new_certs_dir={folder}\ndefault_md=sha256\npolicy=p\nunique_subject=no\n'
        '[p]\ncommonName=supplied\n')
    (folder / 'ca.db').write_text('')
    (folder / 'ca.srl').write_text('4711\n')
    openssl('req', '-new', '-key', folder / 'rsa.key', '-subj', '/CN=umod test expired',
            '-out', folder / 'expired.csr')
    openssl('ca', '-batch', '-selfsign', '-config', folder / 'ca.cnf', '-keyfile',
            folder / 'rsa.key', '-in', folder / 'expired.csr', '-startdate', '20010101000000Z',
            '-enddate', '20020101000000Z', '-notext', '-out', folder / 'expired.crt')
    shutil.copy(folder / 'rsa.key', folder / 'expired.key')
    for name in (*KINDS, 'expired'):
        openssl('x509', '-in', folder / f'{name}.crt', '-outform', 'DER', '-out',
                folder / f'{name}.der')


class Test:
    def __init__(self, tap, umod, probe, folder):
        self.tap, self.umod, self.probe, self.folder = tap, umod, probe, folder
        self.keys, self.body = folder / 'keys', (LIBRARIES / 'libz.so.1').resolve()
        self.keys.mkdir()
        make_keys(self.keys)

    def load(self, *arguments):
        """[(result, stage, signature, signer, message)]"""
        done = run(self.probe, *arguments)
        lines = [line.split('\t') for line in done.stdout.decode().splitlines()]
        if done.returncode < 0 or done.stderr:
            return [[done.returncode, '', '', '', done.stderr]]
        return lines

    def accepted(self, path, name, *arguments, signer=None, signature='verified'):
        got = self.load(*arguments, path)
        self.tap.check(len(got) == 1 and got[0][0] == '0' and got[0][2] == signature and
                       (signer is None or got[0][3] == signer), f'{name}: {signature}', got)

    def refused(self, path, name, code, text, *arguments):
        got = self.load(*arguments, path)
        self.tap.check(len(got) == 1 and got[0][0] == str(-code) and got[0][1] == 'verify' and
                       text in got[0][4], f'{name}: {errno.errorcode[code]}, {text}', got)

    def strict(self, key='rsa'):
        return ['--enforce', '--keyring', self.keys / f'{key}.crt']

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def sign(self, body, key, name, *options):
        path = self.folder / name
        done = run(self.umod, 'sign', '-k', self.keys / f'{key}.key', '-c',
                   self.keys / f'{key}.crt', *options, '-o', path, body)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return path

    def sign_by_openssl(self, body, key, name, *options):
        cms = self.folder / 'cms'
        openssl('cms', '-sign', '-binary', '-noattr', '-nocerts', '-nosmimecap', '-md', 'sha256',
                *options, '-signer', self.keys / f'{key}.crt', '-inkey', self.keys / f'{key}.key',
                '-in', body, '-outform', 'DER', '-out', cms)
        return self.write(name, append(body.read_bytes(), cms.read_bytes()))


def signers(test):
    """By each tool with each kind of key, given in each way."""
    sign_file = sorted(pathlib.Path('/usr/lib').glob('linux-kbuild-*/scripts/sign-file'))[0]
    for key in ('rsa', 'p256', 'p384'):
        theirs = test.folder / f'theirs-{key}.so'
        subprocess.run([sign_file, 'sha256', test.keys / f'{key}.key', test.keys / f'{key}.der',
                        test.body, theirs], check=True)
        made = {'umod sign': test.sign(test.body, key, f'ours-{key}.so'),
                'umod sign, SHA-512, by identifier':
                test.sign(test.body, key, f'id-{key}.so', '-i', '-H', 'sha512'),
                'sign-file': theirs,
                'openssl cms': test.sign_by_openssl(test.body, key, f'openssl-{key}.so')}
        for by, path in made.items():
            test.accepted(path, f'{by}, {key}', *test.strict(key), '--symbol', 'inflate',
                          signer=f'umod test {key}')
    for by in ('path', 'fd', 'buffer'):
        test.accepted(test.folder / 'ours-rsa.so', f'given by {by}', *test.strict(), '--by', by)
    source, thing = test.folder / 'thing.c', test.folder / 'thing.o'
    source.write_text('int thing(void) { return 3; }')
    subprocess.run(['gcc', '-c', '-fPIC', '-o', thing, source], check=True)
    signed = test.sign(thing, 'p256', 'signed.o')
    test.accepted(signed, 'a relocatable object', *test.strict('p256'), '--symbol', 'thing')
    test.accepted(test.write('signed.o.gz', pack(signed, 'gz')), 'a packed one',
                  *test.strict('p256'), '--symbol', 'thing')
    test.refused(thing, 'an object without signature', errno.EKEYREJECTED, 'not signed',
                 *test.strict('p256'))
    # Large ones, that would be mapped from their file; with what they need.
    body = max((p for p in LIBRARIES.glob('lib*.so.*') if not p.is_symlink() and
                'crypto' in p.name), key=lambda p: p.stat().st_size)
    test.accepted(test.sign(body, 'rsa', 'large.so'), f'{body.name}', *test.strict())


def judged(test):
    """What each policy says of a file; each wrong one with its own message."""
    good = test.folder / 'ours-rsa.so'
    content = good.read_bytes()
    body, cms = split(content)
    other = (LIBRARIES / 'liblzma.so.5').read_bytes()
    test.accepted(good, 'off', '--off', signature='not checked')
    test.accepted(good, 'warn', '--warn', '--keyring', test.keys / 'rsa.crt')
    test.accepted(test.body, 'warn, no signature', '--warn', signature='unsigned')
    test.accepted(good, 'warn, another key', '--warn', '--keyring', test.keys / 'other.crt',
                  signature='unsigned')
    test.refused(test.body, 'no signature', errno.EKEYREJECTED, 'not signed', *test.strict())
    test.refused(good, 'another key', errno.EKEYREJECTED, 'not in the keyring',
                 *test.strict('other'))
    test.refused(good, 'no keys', errno.EKEYREJECTED, 'no keyring', '--enforce')
    both = [test.strict(), ['--warn', '--keyring', test.keys / 'rsa.crt']]
    for policy in both:
        for name, data, code, text in (
                ('swapped body', append(other, cms), errno.EKEYREJECTED, 'was changed'),
                ('one byte more', append(body + b'x', cms), errno.EKEYREJECTED, 'was changed'),
                ('trailer too long', body + cms + b'\0\0\2' + b'\0' * 5 + b'\xff' * 4 + MAGIC,
                 errno.EBADMSG, 'longer than the file'),
                ('empty signature', append(body, b''), errno.EBADMSG, 'is empty'),
                ('reserved byte', body + cms + b'\0\0\2\0\0\1\0\0' +
                 struct.pack('>I', len(cms)) + MAGIC, errno.EBADMSG, 'zeros'),
                ('truncated trailer', MAGIC, errno.EBADMSG, 'trailer is cut'),
                ('truncated CMS', append(body, cms[:-9]), errno.EBADMSG, '')):
            test.refused(test.write('case.so', data), f'{policy[0][2:]}: {name}', code, text,
                         *policy)
    test.refused(test.write('case.so', content[:-1]), 'a byte cut off', errno.EKEYREJECTED,
                 'not signed', *test.strict())
    expired = test.sign(test.body, 'expired', 'expired.so')
    test.accepted(expired, 'expired, as the kernel', *test.strict('expired'))
    test.refused(expired, 'expired', errno.EKEYEXPIRED, 'expired on 2002',
                 *test.strict('expired'), '--expired')
    test.accepted(expired, 'expired, warn', '--warn', '--keyring', test.keys / 'expired.crt',
                  '--expired', signature='unsigned')


def keys(test):
    """Keyrings, keys of the process, and enforcing for good."""
    good = test.folder / 'ours-rsa.so'
    for kind in ('crt', 'der'):
        test.accepted(good, f'a key added by the process, {kind}', '--enforce', '--key',
                      test.keys / f'rsa.{kind}')
    got = test.load('--enforce', '--key', test.body, good)
    test.tap.check(got[0][:2] == ['key', str(-errno.EBADMSG)] and
                   got[1][0] == str(-errno.EKEYREJECTED), 'no certificate: EBADMSG', got)
    ring = test.folder / 'ring'
    ring.mkdir(mode=0o755)
    shutil.copy(test.keys / 'rsa.crt', ring / 'rsa.pem')
    shutil.copy(test.keys / 'p384.der', ring / 'p384.der')
    test.accepted(good, 'a directory of keys', '--enforce', '--keyring', ring)
    test.accepted(test.folder / 'ours-p384.so', 'the other of it', '--enforce', '--keyring', ring)
    for path, mode in ((ring, 0o777), (ring / 'rsa.pem', 0o666)):
        old = path.stat().st_mode
        path.chmod(mode)
        got = test.load('--enforce', '--keyring', ring, good)
        test.tap.check(got[0][0] == str(-errno.EPERM) and 'may write' in got[0][4],
                       f'{path.name} that others may write to: no context', got)
        path.chmod(old)
    got = test.load('--enforce', '--keyring', test.folder / 'nosuch', good)
    test.tap.check(got[0][0] == str(-errno.ENOENT), 'no such keyring: no context', got)
    for late in ('context', 'all', 'before'):
        for policy in ('--off', '--warn', '--enforce'):
            test.refused(test.body, f'{policy[2:]}, enforced by {late}', errno.EKEYREJECTED,
                         'not signed', policy, '--late', late)
        test.accepted(good, f'verified, enforced by {late}', '--late', late, '--key',
                      test.keys / 'rsa.crt')


def family(test):
    """What is named like a member of the C library's family is no way round."""
    path = test.folder / 'libnss_umod-test.so.2'
    shutil.copy(test.body, path)
    got = test.load(*test.strict(), path)
    test.tap.check(got[0][0] == str(-errno.ENOENT) and 'ld.so cannot load it' in got[0][4],
                   'a path that ld.so would load is not handed to it', got)
    test.accepted(path, 'but for the policy off', '--off', signature='not checked')


def needs(test):
    """A dependency that umod loads is judged too."""
    folder = test.folder / 'needs'
    folder.mkdir()
    (folder / 'low.c').write_text('int low(void) { return 1; }')
    (folder / 'top.c').write_text('int low(void); int top(void) { return low(); }')
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', 'liblow.so', 'low.c'], cwd=folder, check=True)
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', 'libtop.so', 'top.c', '-L.', '-llow',
                    '-Wl,-rpath,$ORIGIN'], cwd=folder, check=True)
    run(test.umod, 'sign', '-k', test.keys / 'rsa.key', '-c', test.keys / 'rsa.crt',
        folder / 'libtop.so')
    test.refused(folder / 'libtop.so', 'its dependency is not signed', errno.EKEYREJECTED,
                 'not signed', *test.strict())
    run(test.umod, 'sign', '-k', test.keys / 'rsa.key', '-c', test.keys / 'rsa.crt',
        folder / 'liblow.so')
    test.accepted(folder / 'libtop.so', 'its dependency is signed', *test.strict())


def bits(test):
    for path, key in (('ours-rsa.so', 'rsa'), ('openssl-p384.so', 'p384'),
                      ('theirs-p256.so', 'p256')):
        got = test.load(*test.strict(key), '--flip', '400', test.folder / path)
        fine = (len(got) == 2 and got[0][0] == 'body' and got[0][1] == got[0][2] == '401' and
                got[1][0] == 'rest' and got[1][4] == '0')
        test.tap.check(fine, f'{path}: bits of the body, all bits of signature and trailer: {got}',
                       got)


def pack(path, how):
    if how == 'gz':
        return gzip.compress(path.read_bytes())
    command = {'xz': ['xz', '--check=sha256', '--lzma2=dict=64MiB', '-c'], 'zst': ['zstd', '-c']}
    return subprocess.run([*command[how], path], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def packed(test):
    good = test.folder / 'ours-rsa.so'
    for how in ('gz', 'xz', 'zst'):
        for body, policy, signature in ((test.body, ['--off'], 'not checked'),
                                        (good, test.strict(), 'verified')):
            content = pack(body, how)
            path = test.write(f'libfoo-{policy[0][2:]}.so.{how}', content)
            for by in ('path', 'fd', 'buffer'):
                test.accepted(path, f'{how} by {by}', *policy, '--by', by, '--symbol', 'inflate',
                              signature=signature)
        size = body.stat().st_size
        got = test.load('--off', '--limit', size - 1, path)
        test.tap.check(got[0][:2] == [str(-errno.EFBIG), 'decompress'], f'{how}: bounded', got)
        got = test.load('--off', '--limit', size, path)
        test.tap.check(got[0][0] == '0', f'{how}: as much as it may', got)
        got = test.load('--off', test.write('cut', content[:len(content) // 2]))
        test.tap.check(got[0][:2] == [str(-errno.EBADMSG), 'decompress'], f'{how}: cut', got)
        twice = test.write('twice', subprocess.run(
            ['gzip', '-c', path], check=True, stdout=subprocess.PIPE).stdout)
        got = test.load('--off', twice)
        test.tap.check(got[0][0] == str(-errno.ENOEXEC), f'{how}: packed twice is no ELF', got)


def cost(test):
    """No system call more than without a policy: open, fstat, read, as ever."""
    if not shutil.which('strace'):
        test.tap.check(True, 'strace is not there # SKIP')
        return
    signed, plain = test.folder / 'ours-rsa.so', test.folder / 'plain.so'
    shutil.copy(test.body, plain)
    log = test.folder / 'log'
    counts = []
    for path in (plain, signed):
        run('strace', '-o', log, test.probe, '--off', path)
        lines = log.read_text().splitlines()
        first = next(i for i, line in enumerate(lines) if str(path) in line and 'open' in line)
        calls = [re.match(r'\w+', line).group() for line in lines[first:] if line[0].isalpha()]
        calls = [c for c in calls if c in ('openat', 'newfstatat', 'read', 'pread64', 'mmap',
                                           'mprotect', 'munmap', 'close', 'rt_sigaction')]
        counts.append(calls)
        test.tap.check(not any('libcrypto' in line for line in lines), f'{path.name}: no back end')
    test.tap.check(counts[0] == counts[1] and counts[0].count('openat') <= 2 and
                   counts[0].count('pread64') <= 2, 'off: nothing is read for a signature',
                   counts)


def off(test, features):
    """What a build that leaves them out says."""
    for how, feature, package in (('gz', 'unpack-gzip', 'zlib1g'), ('xz', 'unpack-xz', 'liblzma5'),
                                  ('zst', 'unpack-zstd', 'libzstd1')):
        if features[feature] == 'no':
            path = test.write(f'packed.{how}', pack(test.body, how))
            got = test.load('--off', path)
            test.tap.check(got[0][:2] == [str(-errno.ENOTSUP), 'decompress'] and
                           package in got[0][4], f'no {feature}: ENOTSUP, {package}', got)
    if features['signatures'] == 'no':
        signed = test.sign_by_openssl(test.body, 'rsa', 'signed.so')
        test.refused(signed, 'no signatures, enforced', errno.ENOTSUP, 'libssl3', *test.strict())
        test.refused(test.body, 'unsigned, enforced', errno.EKEYREJECTED, 'not signed',
                     *test.strict())
        test.accepted(signed, 'warn', '--warn', '--keyring', test.keys / 'rsa.crt',
                      signature='not checked')
        changed = test.write('changed.so', signed.read_bytes()[:-29] + b'\xff' + MAGIC)
        test.refused(changed, 'a bad trailer all the same', errno.EBADMSG, '',
                     '--warn', '--keyring', test.keys / 'rsa.crt')


def main():
    umod, probe = sys.argv[1:]
    tap = Tap()
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix='umod-signature-') as name:
        test = Test(tap, pathlib.Path(umod), pathlib.Path(probe), pathlib.Path(name))
        features = dict(re.split(r'\s+', line, maxsplit=1) for line in
                        run(umod, 'features').stdout.decode().splitlines() if ' ' in line)
        if 'no' in (features['signatures'], *(v for k, v in features.items() if 'unpack' in k)):
            off(test, features)
            tap.done()
        for part in (signers, judged, keys, family, needs, bits, packed, cost):
            part(test)
    tap.done()


if __name__ == '__main__':
    main()
