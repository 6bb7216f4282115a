# SPDX-License-Identifier: MIT
"""nginx with every packaged module under the drop-in library: nginx.py LIBRARY"""
import os
import pathlib
import signal
import socket
import sys

from common import Harness, need_installed
from servers import ask, both_ways, free_ports, listens, server

NGINX, CURL = '/usr/sbin/nginx', '/usr/bin/curl'
MODULES = sorted(pathlib.Path('/usr/lib/nginx/modules').glob('*.so'),
                 key=lambda path: ('stream_' in path.name[4:] and
                                   path.name != 'ngx_stream_module.so', path.name))
CONFIGURATION = '''
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application live {{ live on; }} }} }}
stream {{
    js_import {folder}/answers.js;
    js_set $place answers.place;
    server {{ listen 127.0.0.1:{stream}; return "streamed from $place\\n"; }}
}}
http {{
    access_log off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    perl_set $shout 'sub {{ my $r = shift; return uc($r->uri); }}';
    js_import {folder}/answers.js;
    upload_progress uploads 1m;
    proxy_cache_path {folder}/cache keys_zone=pages:1m;
    upstream fairly {{ fair; server 127.0.0.1:{port}; server 127.0.0.1:{port}; }}
    more_set_headers "X-More: and more";
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        modsecurity on;
        modsecurity_rules 'SecRuleEngine On
            SecRule ARGS "@rx ev.l" "id:1,phase:1,deny,status:406"';
        location /echo {{ echo "echoed by $request_method"; }}
        location /subs {{ subs_filter page leaf; subs_filter_types text/plain; alias {folder}/page.txt; }}
        location /xslt {{ default_type text/xml; xslt_types text/xml; xslt_stylesheet {folder}/style.xslt; alias {folder}/page.xml; }}
        location /image {{ image_filter size; alias {folder}/dot.gif; }}
        location /perl {{ add_header X-Shout $shout; return 200 "perl $shout\\n"; }}
        location /lua {{ content_by_lua_block {{
            local fine, why = pcall(error, "caught")
            local all = {{}}
            for i = 1, 2000 do all[i] = ngx.md5(tostring(i)) end
            ngx.say("lua ", ngx.re.gsub(why, "c(a)u", "C$1U"), " ", ngx.md5(table.concat(all)))
        }} }}
        location /js {{ js_content answers.sum; }}
        location /misc {{ set_sha1 $sum page; set_quote_json_str $json "a\\nb"; return 200 "misc $sum $json\\n"; }}
        location /brotli {{ brotli on; brotli_min_length 1; brotli_types text/plain; alias {folder}/page.txt; }}
        location /static {{ brotli_static on; alias {folder}/; }}
        location /fancy/ {{ fancyindex on; fancyindex_time_format "-"; alias {folder}/few/; }}
        location /fair {{ proxy_pass http://fairly/echo; }}
        location /cached {{ proxy_pass http://127.0.0.1:{port}/echo; proxy_cache pages; proxy_cache_key $uri; proxy_cache_valid 200 1m; }}
        location /memc {{ set $memc_key page; memc_pass 127.0.0.1:{nobody}; }}
        location /stored {{ srcache_fetch GET /page.txt; return 200 never; }}
        location /dav {{ dav_ext_methods PROPFIND OPTIONS; alias {folder}/few; }}
        location /uploads {{ report_uploads uploads; }}
        location = /tell {{ nchan_publisher; nchan_channel_id one; }}
        location = /hear {{ nchan_subscriber; nchan_channel_id one; }}
        location /rtmp {{ rtmp_stat all; }}
        location /pam {{ auth_pam "in"; auth_pam_service_name none-such; }}
    }}
}}
'''
ANSWERS = '''export default {{place, sum}};
function place(session) {{ return 'js'.toUpperCase() + typeof session; }}
function sum(request) {{
    request.return(200, 'js ' + [1, 2, 39].reduce((a, b) => a + b) + ' ' +
        'pages'.replace(/(p)(a)/, '$2$1') + '\\\\n');
}}
'''.replace('{{', '{').replace('}}', '}').replace('\\\\n', '\\n')
# What is asked, and curl's options besides.
QUESTIONS = [['page.txt'], ['echo'], ['subs'], ['xslt'], ['image'], ['perl'], ['nowhere'],
             ['lua'], ['js'], ['misc'], ['static/page.txt', '-H', 'Accept-Encoding: br'],
             ['brotli', '-H', 'Accept-Encoding: br', '-w', '%{size_download} brotli\n', '-o',
              '/dev/null'],
             ['fancy/'], ['fair'], ['cached'], ['cached'], ['memc'],
             ['stored'], ['dav/', '-X', 'PROPFIND', '-H', 'Depth: 1'], ['uploads'],
             ['tell', '-d', 'a message', '-o', '/dev/null'], ['hear'], ['pam', '-u', 'who:why'],
             ['page.txt?q=evil'],
             ['echo', '-o', '/dev/null', '-w', '%header{x-more}\n']]
STYLE = '''<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text"/>
<xsl:template match="/">styled <xsl:value-of select="page/@name"/></xsl:template>
</xsl:stylesheet>'''
DOT = bytes.fromhex('47494638376103000200800000000000ffffff2c00000000030002000002028451003b')


def session(env, folder):
    ports = dict(zip(('port', 'rtmp', 'stream', 'nobody'), free_ports(4)))
    few = folder / 'few'
    few.mkdir()
    for path, text in ((folder / 'page.txt', 'a page\n'), (few / 'one.txt', 'one\n'),
                       (folder / 'page.txt.br', 'packed before\n'),
                       (folder / 'page.xml', '<page name="well"/>'),
                       (folder / 'answers.js', ANSWERS), (folder / 'style.xslt', STYLE)):
        path.write_text(text)
        os.utime(path, (0, 0))
    os.utime(few, (0, 0))
    (folder / 'dot.gif').write_bytes(DOT)
    (folder / 'conf').write_text(
        ''.join(f'load_module {path};\n' for path in MODULES) +
        CONFIGURATION.format(folder=folder, **ports))
    said, at = [], f'http://127.0.0.1:{ports["port"]}'
    with server([NGINX, '-p', folder, '-c', folder / 'conf', '-e', folder / 'error.log'],
                env, folder, lambda: listens(ports['port']), how=signal.SIGQUIT):
        for path, *more in QUESTIONS:
            said.append(ask([CURL, '-s', '-w', ' %{http_code}\n', *more, f'{at}/{path}']))
        said.append(ask([CURL, '-s', f'{at}/rtmp']).split('<applications>')[0].count('<rtmp>'))
        with socket.create_connection(('127.0.0.1', ports['stream']), 5) as stream:
            said.append(stream.makefile().read())
    text = '\n'.join(map(str, said)).replace(str(folder), 'FOLDER')
    for name, port in ports.items():
        text = text.replace(str(port), name.upper())
    return text


harness = Harness(sys.argv[1])
need_installed(NGINX, CURL)
harness.ok(len(MODULES) >= 30, f'{len(MODULES)} modules are there', *MODULES)
told = both_ways(harness, 'nginx with its modules', session, MODULES, len(MODULES), 10)
for what in ('a page', 'echoed by GET', 'a leaf', 'styled well', '"width": 3',
             'perl /PERL', '404', 'lua CaUght', 'js 42 apges', 'misc ', 'packed before',
             'brotli', 'one.txt', 'multistatus', 'a message', '406', 'and more',
             'streamed from JSobject'):
    harness.ok(what in told, f'served: {what}', told)
harness.done()
