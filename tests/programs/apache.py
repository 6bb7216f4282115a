# SPDX-License-Identifier: MIT
"""Apache with every module of its package under the drop-in library: apache.py LIBRARY"""
import pathlib
import signal
import sys

from common import Harness, need_installed
from servers import ask, both_ways, free_port, listens, server

APACHE, CURL = '/usr/sbin/apache2', '/usr/bin/curl'
FOLDER = pathlib.Path('/usr/lib/apache2/modules')
# One multi-processing module at a time; suexec and systemd want a system's set-up.
OTHER_MPM = {'mod_mpm_prefork', 'mod_mpm_worker'}
# What others need comes before them; the rest in the order of names.
FIRST = ['mod_mpm_event', 'mod_watchdog', 'mod_slotmem_shm', 'mod_dbd', 'mod_ldap',
         'mod_authn_core', 'mod_authz_core', 'mod_session', 'mod_proxy', 'mod_cache',
         'mod_dav', 'mod_xml2enc', 'mod_http2', 'mod_socache_shmcb', 'mod_heartmonitor']
CONFIGURATION = '''
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
DefaultRuntimeDir {folder}
DocumentRoot {folder}/www
TypesConfig /etc/mime.types
LogLevel warn
<Directory {folder}/www>
  Require all granted
  Options +Includes +Indexes
  AddOutputFilter INCLUDES .shtml
  AddOutputFilterByType SUBSTITUTE text/plain
  Substitute s/page/leaf/
</Directory>
<Location /status>
  SetHandler server-status
  Require all denied
</Location>
<Location /header>
  Header set X-Answer "forty-two"
  Require all granted
</Location>
RewriteEngine on
RewriteRule ^/old$ /page.txt [L]
'''


def modules():
    """Those of the package, each with the name of its symbol; not other packages'."""
    found = {path.stem: path for path in sorted(FOLDER.glob('mod_*.so'))
             if not path.stem.startswith(('mod_php', 'mod_perl')) and
             path.stem not in OTHER_MPM}
    order = [stem for stem in FIRST if stem in found]
    order += [stem for stem in found if stem not in order]
    return [(symbol(stem), found[stem]) for stem in order]


def symbol(stem):
    known = {'mod_mime_magic': 'mime_magic_module', 'mod_authnz_fcgi': 'authnz_fcgi_module'}
    return known.get(stem, stem.removeprefix('mod_') + '_module')


def session(env, folder):
    port, site = free_port(), folder / 'www'
    site.mkdir()
    (site / 'page.txt').write_text('a page\n')
    (site / 'all.shtml').write_text('<!--#include virtual="/page.txt" -->included')
    (site / 'header').write_text('with a header')
    loads = ''.join(f'LoadModule {name} {path}\n' for name, path in modules())
    (folder / 'conf').write_text(
        loads + CONFIGURATION.format(folder=folder, port=port))
    said = []
    with server([APACHE, '-f', folder / 'conf', '-D', 'FOREGROUND'], env, folder,
                lambda: listens(port), how=signal.SIGTERM):
        for path in ('page.txt', 'old', 'all.shtml', 'status', 'nowhere'):
            said.append(ask([CURL, '-s', '-w', ' %{http_code}\n',
                             f'http://127.0.0.1:{port}/{path}']).replace(str(port), 'PORT'))
        said.append(ask([CURL, '-s', '-o', '/dev/null', '-D', '-',
                         f'http://127.0.0.1:{port}/header']).split('X-Answer')[-1][:12])
    return '\n'.join(said)


harness = Harness(sys.argv[1])
need_installed(APACHE, CURL)
paths = [path for _, path in modules()]
harness.ok(len(paths) >= 100, f'{len(paths)} modules are there')
told = both_ways(harness, 'Apache with its modules', session, paths, len(paths), 8)
for what in ('a leaf', 'included', '403', '404', 'forty-two'):
    harness.ok(what in told, f'served: {what}', told)
harness.done()
