# SPDX-License-Identifier: MIT
"""OpenSSL's legacy provider, SQLite's .load, GCC's -fplugin, a pass of opt's and PAM under
the drop-in library: plugins.py LIBRARY"""
import pathlib
import subprocess
import sys
import tempfile

from common import HERE, Harness, environment, need_installed

MULTIARCH = pathlib.Path('/usr/lib/x86_64-linux-gnu')
SPATIALITE = MULTIARCH / 'mod_spatialite.so'
LEGACY = MULTIARCH / 'ossl-modules/legacy.so'
OPENSSL, SQLITE, OPT, PAM = ('/usr/bin/openssl', '/usr/bin/sqlite3', '/usr/bin/opt-14',
                             '/usr/bin/pamtester')
SOURCE = '''static int twice(int x) { return x > 3 ? x + x : -x; }
int sum(int n) { int s = 0; for (int i = 0; i < n; i++) s += twice(i); return s; }
int main(void) { return sum(9) != 42; }'''
BITCODE = '''define i32 @twice(i32 %x) {
  %y = add i32 %x, %x
  %z = add i32 %y, 1
  %w = add i32 %z, %z
  ret i32 %w
}'''
SQL = '''.load mod_spatialite
select spatialite_version() > '', round(ST_Area(GeomFromText('POLYGON((0 0,4 0,4 3,0 3,0 0))')), 3);
select AsText(ST_Buffer(GeomFromText('POINT(0 0)'), 1, 1)) is not null;
select ST_Distance(GeomFromText('POINT(0 0)'), GeomFromText('POINT(3 4)'));
.load /nonexistent/extension
select 'goes on';'''


def build(argv):
    done = subprocess.run([str(word) for word in argv], env=environment(), text=True,
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(f'Bail out! {" ".join(map(str, argv))}: {done.stderr}')


def output_of(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def openssl(harness):
    need_installed(OPENSSL, LEGACY)
    for digest in ('md4', 'whirlpool', 'ripemd160'):
        harness.compare(f'openssl {digest}', [
            OPENSSL, 'dgst', '-provider', 'legacy', '-provider', 'default', f'-{digest}'],
            text='some text', expect=[LEGACY])
    harness.compare('openssl, a cipher of the legacy provider', [
        OPENSSL, 'enc', '-provider', 'legacy', '-provider', 'default', '-bf-cbc', '-K',
        '00112233445566778899aabbccddeeff', '-iv', '0102030405060708', '-a'],
        text='some text', expect=[LEGACY])


def sqlite(harness):
    need_installed(SQLITE, SPATIALITE)
    done = harness.compare('SQLite\'s .load', [SQLITE, ':memory:'], text=SQL, least=10,
                           expect=[SPATIALITE], same=loader_words)
    harness.ok('1|12.0' in done.out and '5.0' in done.out and 'goes on' in done.out,
               'spatialite answered', done.out, done.err)


def loader_words(text):
    """After the words that all loaders use, each may say more."""
    known = 'cannot open shared object file: No such file or directory'
    return '\n'.join(line[:line.index(known) + len(known)] if known in line else line
                     for line in text.splitlines())


def gcc(harness, folder):
    plugin, source = folder / 'told.so', folder / 'source.c'
    headers = output_of('gcc-12', '-print-file-name=plugin') + '/include'
    need_installed(headers)
    source.write_text(SOURCE)
    build(['g++-12', '-shared', '-fPIC', '-fno-rtti', '-O1', '-w', f'-I{headers}', '-o',
           plugin, '-x', 'c++', HERE / 'gcc_plugin.c'])
    done = harness.compare('GCC\'s -fplugin', lambda which: [
        'gcc-12', '-O1', f'-fplugin={plugin}', '-fplugin-arg-told-why=not', '-o',
        folder / which, source], expect=[plugin])
    harness.ok('plugin told, 1 arguments' in done.out and '3 functions' in done.out,
               'the plugin was at work', done.out, done.err)
    made = [(folder / which).read_bytes() for which in ('plain', 'umod')]
    harness.ok(made[0] == made[1], 'the compiler made the same program')


def opt(harness, folder):
    need_installed(OPT)
    plugin, source = folder / 'doubling.so', folder / 'source.ll'
    source.write_text(BITCODE)
    flags = output_of('/usr/bin/llvm-config-14', '--cxxflags').split()
    build(['g++-12', *flags, '-shared', '-fPIC', '-O1', '-w', '-o', plugin,
           HERE / 'opt_pass.cpp'])
    done = harness.compare('a pass of opt\'s', [
        OPT, f'-load-pass-plugin={plugin}', '-passes=doubling,verify', '-S', source],
        expect=[plugin])
    harness.ok('twice: 2 shifts' in done.err and done.out.count('shl i32') == 2,
               'the pass was at work', done.out, done.err)


def pam(harness):
    """With a service of its own, which PAM looks for in the system's folder alone."""
    need_installed(PAM, '/etc/pam.d')
    service = pathlib.Path('/etc/pam.d/umod-test')
    modules = [MULTIARCH / 'security' / f'pam_{name}.so'
               for name in ('permit', 'env', 'limits', 'echo', 'debug', 'deny', 'warn')]
    service.write_text('''auth required pam_env.so
auth required pam_echo.so the modules are here
auth sufficient pam_debug.so auth=success
account required pam_permit.so
session required pam_limits.so
session required pam_warn.so
password required pam_deny.so
''')
    try:
        done = harness.compare('PAM', [PAM, 'umod-test', 'root', 'authenticate',
                                       'acct_mgmt', 'open_session', 'close_session'],
                               expect=modules)
        harness.ok('successfully authenticated' in done.out and
                   'the modules are here' in done.out + done.err, 'root was let in',
                   done.out, done.err)
        harness.compare('PAM, refused', [
            '/bin/sh', '-c', f'{PAM} umod-test root chauthtok 2>&1; echo $?'])
    finally:
        service.unlink()


harness = Harness(sys.argv[1])
openssl(harness)
sqlite(harness)
with tempfile.TemporaryDirectory(prefix='umod-programs-') as place:
    gcc(harness, pathlib.Path(place))
    opt(harness, pathlib.Path(place))
    pam(harness)
harness.done()
