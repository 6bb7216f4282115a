# SPDX-License-Identifier: MIT
"""nginx with every packaged module under the drop-in library: nginx.py LIBRARY"""
import pathlib
import signal
import sys

from common import Harness, need_installed
from servers import ask, both_ways, free_port, listens, server

NGINX, CURL = '/usr/sbin/nginx', '/usr/bin/curl'
MODULES = sorted(pathlib.Path('/usr/lib/nginx/modules').glob('*.so'),
                 key=lambda path: ('stream_' in path.name[4:] and
                                   path.name != 'ngx_stream_module.so', path.name))
CONFIGURATION = '''
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    perl_set $shout 'sub {{ my $r = shift; return uc($r->uri); }}';
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        location /echo {{ echo "echoed by $request_method"; }}
        location /subs {{ subs_filter page leaf; subs_filter_types text/plain; alias {folder}/page.txt; }}
        location /xslt {{ default_type text/xml; xslt_types text/xml; xslt_stylesheet {folder}/style.xslt; alias {folder}/page.xml; }}
        location /image {{ image_filter size; alias {folder}/dot.gif; }}
        location /perl {{ add_header X-Shout $shout; return 200 "perl $shout\\n"; }}
    }}
}}
'''
STYLE = '''<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:template match="/">styled <xsl:value-of select="page/@name"/></xsl:template>
</xsl:stylesheet>'''
DOT = bytes.fromhex('47494638376103000200800000000000ffffff2c00000000030002000002028451003b')


def session(env, folder):
    port = free_port()
    (folder / 'page.txt').write_text('a page\n')
    (folder / 'page.xml').write_text('<page name="well"/>')
    (folder / 'style.xslt').write_text(STYLE)
    (folder / 'dot.gif').write_bytes(DOT)
    (folder / 'conf').write_text(
        ''.join(f'load_module {path};\n' for path in MODULES) +
        CONFIGURATION.format(folder=folder, port=port))
    said = []
    with server([NGINX, '-p', folder, '-c', folder / 'conf', '-e', folder / 'error.log'],
                env, folder, lambda: listens(port), how=signal.SIGQUIT):
        for path in ('page.txt', 'echo', 'subs', 'xslt', 'image', 'perl', 'nowhere'):
            said.append(ask([CURL, '-s', '-w', ' %{http_code}\n',
                             f'http://127.0.0.1:{port}/{path}']))
    return '\n'.join(said)


harness = Harness(sys.argv[1])
need_installed(NGINX, CURL)
harness.ok(len(MODULES) >= 13, f'{len(MODULES)} modules are there', *MODULES)
told = both_ways(harness, 'nginx with its modules', session, MODULES, len(MODULES), 10)
for what in ('a page', 'echoed by GET', 'a leaf', 'styled well', '"width": 3',
             'perl /PERL', '404'):
    harness.ok(what in told, f'served: {what}', told)
harness.done()
