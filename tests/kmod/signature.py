#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""signature.py UMOD KERNEL-TREES FOLDER TREE... [--all]: signatures of real modules,
verified with the certificate that their kernel's image holds and refused with another
build's; signatures made by umod, by the kernel's sign-file and by openssl; and each way to
damage them, with its own reason.
"""
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from tap import Tap, fetch, link, run

MAGIC = b'~Module signature appended~\n'


def openssl(*arguments):
    subprocess.run(['openssl', *map(str, arguments)], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Keys:
    """Key pairs of a test: name.key, name.crt (PEM), name.der."""

    def __init__(self, folder):
        self.folder = folder
        ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1']
        for name, kind in (('rsa', ['-newkey', 'rsa:2048']), ('ec', ec),
                           ('other', ['-newkey', 'rsa:2048'])):
            openssl('req', '-x509', *kind, '-nodes', '-keyout', folder / f'{name}.key',
                    '-out', folder / f'{name}.crt', '-subj', f'/CN=umod test {name}',
                    '-days', '30')
            self.to_der(name)

    def to_der(self, name):
        openssl('x509', '-in', self.folder / f'{name}.crt', '-outform', 'DER',
                '-out', self.folder / f'{name}.der')

    def expired(self):
        """A certificate of the RSA key that ended long ago."""
        (self.folder / 'ca.cnf').write_text(
            f'[ca]\ndefault_ca=a\n[a]\ndatabase={self.folder}/ca.db\nserial={self.folder}/ca.srl\n'
            f'new_certs_dir={self.folder}\ndefault_md=sha256\npolicy=p\nunique_subject=no\n'
            '[p]\ncommonName=supplied\n')
        (self.folder / 'ca.db').write_text('')
        (self.folder / 'ca.srl').write_text('4711\n')
        openssl('req', '-new', '-key', self.folder / 'rsa.key', '-subj', '/CN=umod test expired',
                '-out', self.folder / 'expired.csr')
        openssl('ca', '-batch', '-selfsign', '-config', self.folder / 'ca.cnf', '-keyfile',
                self.folder / 'rsa.key', '-in', self.folder / 'expired.csr', '-startdate',
                '20010101000000Z', '-enddate', '20020101000000Z', '-notext', '-out',
                self.folder / 'expired.crt')
        shutil.copy(self.folder / 'rsa.key', self.folder / 'expired.key')


class Judge:
    def __init__(self, tap, umod, modinfo):
        self.tap, self.umod, self.modinfo = tap, umod, modinfo

    def one(self, path, keyring, *options):
        done = run(self.modinfo, '--json', '--verify', '--keyring', keyring, *options, path)
        found = json.loads(done.stdout)[0]
        return done.returncode, found

    def check(self, path, keyring, verdict, name, *options, reason=''):
        status, found = self.one(path, keyring, *options)
        told = found.get('verification', {})
        self.tap.check(told.get('verdict') == verdict and reason in told.get('reason', '') and
                       (status == 0) == (verdict == 'verified'), f'{name}: {verdict}',
                       f'{status} {told}')


def trees(judge, fetched, folder, everything):
    tap, certificates = judge.tap, {}
    for name, root, _ in fetched:
        image = next((root / 'boot').glob('vmlinu*'))
        certificates[name] = folder / f'{name}.pem'
        done = run(judge.umod, 'keyring', 'from-kernel', image, '-o', certificates[name])
        text = certificates[name].read_text() if done.returncode == 0 else ''
        tap.check(text.count('BEGIN CERTIFICATE') == 1,
                  f'{name}: its image holds one certificate', done.stderr)
    for name, root, release in fetched:
        paths = sorted((root / 'lib/modules' / release).rglob('*.ko*'))
        if not everything and not str(paths[0]).endswith('.ko'):
            paths = random.Random(5).sample(paths, 60)
        others = [n for n in certificates if n != name]
        keyrings = [(certificates[name], 'verified')]
        keyrings += [(certificates[n], 'unknown key') for n in others[:1]]
        for keyring, want in keyrings:
            done = run(judge.modinfo, '-F', 'verified', '--verify', '--keyring', keyring, *paths)
            lines = done.stdout.decode().splitlines()
            tap.check(lines == [want] * len(paths) and (done.returncode == 0) ==
                      (want == 'verified'), f'{name}: {len(paths)} modules by {keyring.stem}: '
                      f'{want}', f'{len(lines)} {sorted(set(lines))}')
        # The certificate is as openssl has it.
        openssl('x509', '-in', certificates[name], '-noout')
    return certificates


def images(judge, image, folder):
    """Damaged kernel images: a sentence and no certificate, or the same one."""
    content, rng, bad = image.read_bytes(), random.Random(9), []
    for number in range(12):
        changed = bytearray(content)
        if number % 2:
            del changed[rng.randrange(len(changed)):]
        for _ in range(20):
            changed[rng.randrange(0x260 if number % 3 else len(changed) - 1) %
                    max(1, len(changed))] ^= 1 << rng.randrange(8)
        path = folder / 'image'
        path.write_bytes(changed)
        done = run(judge.umod, 'keyring', 'from-kernel', path)
        if done.returncode not in (0, 1) or (done.returncode and not done.stderr):
            bad.append(f'{number}: {done.returncode} {done.stderr}')
    judge.tap.check(not bad, 'damaged kernel images', bad)
    for name, content in (('empty', b''), ('text', b'no kernel' * 999)):
        path = folder / name
        path.write_bytes(content)
        done = run(judge.umod, 'keyring', 'from-kernel', path)
        judge.tap.check(done.returncode == 1 and b'no certificate' in done.stderr,
                        f'an image without certificates: {name}', done.stderr)


def sign_file():
    found = sorted(pathlib.Path('/usr/lib').glob('linux-kbuild-*/scripts/sign-file'))
    return found[0]


def made(judge, body, keys, folder):
    """Signed by each tool; returns {name: path}."""
    out = {}
    for key in ('rsa', 'ec'):
        pair = [keys / f'{key}.key', keys / f'{key}.der']
        for algorithm in ('sha256', 'sha384', 'sha512'):
            name = f'{key}-{algorithm}'
            ours, theirs = folder / f'ours-{name}.ko', folder / f'theirs-{name}.ko'
            done = run(judge.umod, 'sign', '-k', pair[0], '-c', pair[1], '-H', algorithm,
                       '-o', ours, body)
            judge.tap.check(done.returncode == 0, f'umod sign {name}', done.stderr)
            subprocess.run([sign_file(), algorithm, *pair, body, theirs], check=True)
            out |= {f'ours {name}': ours, f'theirs {name}': theirs}
            if key == 'rsa':  # no random number in it
                judge.tap.same(ours.read_bytes(), theirs.read_bytes(),
                               f'{name}: the same bytes as sign-file')
            judge.tap.same(run('/sbin/modinfo', ours).stdout, run(judge.modinfo, ours).stdout,
                           f'{name}: modinfo as kmod')
        ours, theirs = folder / f'ours-{key}-id.ko', folder / f'theirs-{key}-id.ko'
        run(judge.umod, 'sign', '-i', '-k', pair[0], '-c', pair[1], '-o', ours, body)
        subprocess.run([sign_file(), '-k', 'sha256', *pair, body, theirs], check=True)
        cms, by_hand = folder / 'cms', folder / f'openssl-{key}.ko'
        openssl('cms', '-sign', '-binary', '-noattr', '-nocerts', '-nosmimecap', '-md', 'sha256',
                '-signer', keys / f'{key}.crt', '-inkey', pair[0], '-in', body, '-outform',
                'DER', '-out', cms)
        by_hand.write_bytes(append(body.read_bytes(), cms.read_bytes()))
        out |= {f'ours {key} by identifier': ours, f'theirs {key} by identifier': theirs,
                f'openssl {key}': by_hand}
    return out


def append(body, cms):
    return body + cms + struct.pack('>BBBBB3xI', 0, 0, 2, 0, 0, len(cms)) + MAGIC


def split(content):
    """Body, CMS, the 12 bytes of the trailer."""
    length = int.from_bytes(content[-32:-28], 'big')
    return content[:-40 - length], content[-40 - length:-40], content[-40:-28]


def by_openssl(judge, path, keys, key, folder):
    body, cms, _ = split(path.read_bytes())
    (folder / 'body').write_bytes(body)
    (folder / 'cms').write_bytes(cms)
    done = run('openssl', 'cms', '-verify', '-inform', 'DER', '-in', folder / 'cms', '-content',
               folder / 'body', '-binary', '-noverify', '-nointern', '-certfile',
               keys / f'{key}.crt', '-out', '/dev/null')
    judge.tap.check(done.returncode == 0, f'{path.name}: openssl accepts it', done.stderr)


def damaged(judge, path, keys, folder, body_bits):
    """Bits of a signed module changed, one at a time."""
    content, rng = path.read_bytes(), random.Random(11)
    body, cms, _ = split(content)
    _, whole = judge.one(path, keys / 'rsa.crt')
    signer = [f for f in whole['fields'] if f['key'] in ('signer', 'sig_key', 'sig_hashalgo')]
    files = {'body': rng.sample(range(len(body) * 8), body_bits),
             'rest': range(len(body) * 8, len(content) * 8)}
    for part, bits in files.items():
        wrong, accepted, batch = [], 0, []
        for bit in bits:
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            file = folder / f'flip{bit}.ko'
            file.write_bytes(changed)
            batch.append((bit, file))
        done = run(judge.modinfo, '--json', '--verify', '--keyring', keys / 'rsa.crt',
                   *(file for _, file in batch))
        found = json.loads(done.stdout.decode('utf-8', 'surrogateescape'))
        for (bit, file), one in zip(batch, found):
            file.unlink()
            good = one.get('verification', {}).get('verdict') == 'verified'
            accepted += good
            told = [f for f in one['fields'] if f['key'] in ('signer', 'sig_key', 'sig_hashalgo')]
            if good and (part == 'body' or told != signer):
                wrong.append(bit)
        judge.tap.check(len(found) == len(batch) and not wrong,
                        f'{len(batch)} changed bits of the {part}: {accepted} leave the same '
                        'signer and hash, the others are refused', wrong[:9])


def refused(judge, body, other, keys, folder):
    good = folder / 'ours-rsa-sha256.ko'
    content = good.read_bytes()
    text, cms, trailer = split(content)

    def case(name, data, verdict, reason='', keyring='rsa', options=()):
        path = folder / 'case.ko'
        path.write_bytes(data)
        judge.check(path, keys / f'{keyring}.crt', verdict, name, *options, reason=reason)

    case('no signature', text, 'unsigned', 'not signed')
    case('another key', content, 'unknown key', 'umod test rsa', 'other')
    case('another body', append(other, cms), 'mismatch', 'changed')
    case('bytes before the signature', append(text + b'x', cms), 'mismatch')
    case('magic alone', text + MAGIC, 'unsupported')
    case('a length past the file', text + cms + trailer[:8] + b'\xff' * 4 + MAGIC,
         'bad trailer', 'longer than the file')
    case('an empty signature', append(text, b''), 'bad trailer')
    case('a reserved byte', text + cms + b'\0\0\2\0\0\1' + trailer[6:] + MAGIC, 'bad trailer')
    case('another kind', text + cms + b'\0\0\1' + trailer[3:] + MAGIC, 'unsupported')
    case('a cut CMS', append(text, cms[:-9]), 'bad signature')
    case('bytes behind the CMS', append(text, cms + b'\0'), 'bad signature')
    case('a cut trailer', content[:-1], 'unsigned')
    attributes = folder / 'attributes'
    for name, options, reason in (('signed attributes', ['-nocerts'], 'signed attributes'),
                                  ('not detached', ['-noattr', '-nodetach'], 'of its own'),
                                  ('SHA-1', ['-noattr', '-md', 'sha1'], 'sha1')):
        openssl('cms', '-sign', '-binary', *options, '-signer', keys / 'rsa.crt', '-inkey',
                keys / 'rsa.key', '-in', body, '-outform', 'DER', '-out', attributes)
        case(name, append(text, attributes.read_bytes()),
             'unsupported' if name == 'SHA-1' else 'bad signature', reason)
    expired = folder / 'expired.ko'
    run(judge.umod, 'sign', '-k', keys / 'expired.key', '-c', keys / 'expired.crt', '-o', expired,
        body)
    case('expired', expired.read_bytes(), 'expired', '2002', 'expired')
    case('expired, as the kernel', expired.read_bytes(), 'verified', '', 'expired',
         ['--allow-expired'])


def keyrings(judge, path, keys, folder):
    """What a keyring may hold, and who may write to it."""
    ring = folder / 'ring'
    ring.mkdir(mode=0o755)
    for name in ('rsa', 'ec'):
        shutil.copy(keys / f'{name}.der', ring / f'{name}.der')
    (ring / 'README').write_text('no certificate')
    judge.check(path, ring, 'verified', 'a directory')
    done = run(judge.umod, 'keyring', 'list', '--json', ring)
    judge.tap.check([c['subject'] for c in json.loads(done.stdout)] ==
                    ['umod test ec', 'umod test rsa'], 'it is listed', done.stdout)
    (ring / 'bad.pem').write_text('-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n')
    done = run(judge.umod, 'keyring', 'list', ring)
    judge.tap.check(done.returncode == 1 and b'bad.pem' in done.stderr and
                    b'umod test rsa' in done.stdout, 'a damaged file does not hide the others')
    (ring / 'bad.pem').unlink()
    if os.geteuid() == 0:
        for mode, where in ((0o777, ring), (0o666, ring / 'rsa.der')):
            old = where.stat().st_mode
            where.chmod(mode)
            done = run(judge.modinfo, '--verify', '--keyring', ring, path)
            judge.tap.check(done.returncode == 1 and b'may write' in done.stderr,
                            f'{where.name} that others may write to is refused', done.stderr)
            where.chmod(old)
        os.chown(ring, 65534, -1)
        done = run(judge.modinfo, '--verify', '--keyring', ring, path)
        judge.tap.check(done.returncode == 1 and b'belongs to' in done.stderr,
                        'a keyring of somebody else is refused', done.stderr)
    for arguments in (['--verify'], ['--verify', '--keyring', folder / 'nosuch']):
        judge.tap.check(run(judge.modinfo, *arguments, path).returncode == 1,
                        f'{arguments[-1]}: refused')


def signing(judge, body, keys, folder):
    """umod sign replaces in place, keeps the mode, strips, refuses a wrong key."""
    path = folder / 'inplace.ko'
    shutil.copy(body, path)
    path.chmod(0o640)
    pair = ['-k', keys / 'rsa.key', '-c', keys / 'rsa.crt']
    run(judge.umod, 'sign', *pair, path)
    once = path.read_bytes()
    run(judge.umod, 'sign', *pair, path)
    judge.tap.check(path.read_bytes() == once and path.stat().st_mode & 0o7777 == 0o640,
                    'signing twice leaves one signature')
    run(judge.umod, 'sign', '--strip', path)
    judge.tap.check(path.read_bytes() == body.read_bytes(), 'and it can be taken off')
    for name, options in (('another certificate', ['-k', keys / 'rsa.key', '-c', keys / 'ec.crt']),
                          ('no such hash', [*pair, '-H', 'nosuch']),
                          ('no key', ['-k', keys / 'rsa.crt', '-c', keys / 'rsa.crt'])):
        done = run(judge.umod, 'sign', *options, path)
        judge.tap.check(done.returncode == 1 and done.stderr and
                        path.read_bytes() == body.read_bytes() and
                        not list(folder.glob('inplace.ko.*')), f'{name}: refused', done.stderr)


def main():
    arguments = [a for a in sys.argv[1:] if a != '--all']
    everything = len(arguments) < len(sys.argv) - 1
    umod, script, folder, *names = arguments
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix='umod-signature-') as name:
        work = pathlib.Path(name)
        judge = Judge(tap, pathlib.Path(umod), link(umod, work, 'modinfo'))
        fetched = fetch(script, folder, names)
        trees(judge, fetched, work, everything)
        _, root, release = fetched[0]
        images(judge, next((root / 'boot').glob('vmlinu*')), work)
        modules = sorted((root / 'lib/modules' / release).rglob('*.ko'), key=lambda p:
                         (p.stat().st_size, p))
        keys = work / 'keys'
        keys.mkdir()
        Keys(keys).expired()
        body = work / 'body.ko'
        body.write_bytes(split(modules[100].read_bytes())[0])
        for what, path in made(judge, body, keys, work).items():
            key = re.search('rsa|ec', what.split()[1]).group()
            judge.check(path, keys / f'{key}.crt', 'verified', what)
            by_openssl(judge, path, keys, key, work)
        damaged(judge, work / 'ours-rsa-sha256.ko', keys, work, 2000 if everything else 200)
        refused(judge, body, split(modules[200].read_bytes())[0], keys, work)
        keyrings(judge, work / 'ours-rsa-sha256.ko', keys, work)
        signing(judge, body, keys, work)
    tap.done()


if __name__ == '__main__':
    main()
