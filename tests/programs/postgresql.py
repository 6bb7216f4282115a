# SPDX-License-Identifier: MIT
"""PostgreSQL 15, every contrib extension created and used: postgresql.py LIBRARY"""
import os
import pathlib
import shutil
import signal
import sys
import tempfile

from common import Harness, need_installed
from servers import ask, both_ways, server

BIN = pathlib.Path('/usr/lib/postgresql/15/bin')
CONTROLS = pathlib.Path('/usr/share/postgresql/15/extension')
LIBRARIES = pathlib.Path('/usr/lib/postgresql/15/lib')
USER = 'postgres' if os.getuid() == 0 else None # it refuses to run as root
TABLE = '''create table t (id int primary key, a text, b int, c timestamp);
insert into t select i, 'row ' || i, i % 7 from generate_series(1, 500) i;'''
TRIGGER = '''create table {0}_t (id int, name text, at timestamp default '2000-01-01');
create trigger x before insert or update on {0}_t for each row execute function {1};
insert into {0}_t (id, name) values (1, 'one'); update {0}_t set id = 2;
select {2} from {0}_t;'''
# A query of each extension that runs code of its library.
QUERIES = {
    'adminpack': "select pg_file_write('adminpack.out', 'text', false)",
    'amcheck': "select bt_index_check('t_pkey'::regclass)",
    'autoinc': 'create sequence s; ' + TRIGGER.format(
        'autoinc', "autoinc('id', 's')", 'id'),
    'bloom': 'create index on t using bloom (a, b); set enable_seqscan = off; '
             "select count(*) from t where a = 'row 5'",
    'btree_gin': 'create index on t using gin (b); set enable_seqscan = off; '
                 'select count(*) from t where b = 3',
    'btree_gist': 'create index on t using gist (b); set enable_seqscan = off; '
                  'select id from t order by b <-> 5, id limit 3',
    'citext': "select 'ABC'::citext = 'abc'::citext, 'b'::citext > 'A'::citext",
    'cube': "select cube_distance('(0,0)', '(3,4)')",
    'dblink': "select * from dblink('host={folder} dbname=postgres user=' || current_user, "
              "'select 41 + 1') as x(n int)",
    'dict_int': "select ts_lexize('intdict', '12345678')",
    'dict_xsyn': "select ts_lexize('xsyn', 'supernova')",
    'earthdistance': "select round(earth_distance(ll_to_earth(0, 0), ll_to_earth(0, 1)))",
    'file_fdw': 'create server f foreign data wrapper file_fdw; '
                "create foreign table ft (n int) server f options (program 'seq 3'); "
                'select sum(n) from ft',
    'fuzzystrmatch': "select levenshtein('kitten', 'sitting'), soundex('loader'), "
                     "metaphone('phone', 4), dmetaphone('Thompson')",
    'hstore': "select 'a=>1, b=>2'::hstore - 'a'::text, hstore_to_json('x=>\"y\"')",
    'insert_username': TRIGGER.format('insert_username', "insert_username('name')",
                                      'name = current_user'),
    'intagg': 'select int_array_aggregate(b) from (select b from t order by id limit 4) s',
    'intarray': "select sort('{{3,1,2}}'::int[]), '{{1,2}}'::int[] && '{{2}}'::int[], "
                "'{{1,2,3}}'::int[] @@ '1&(2|4)'::query_int",
    'isn': "select isbn('978-0-393-04002-9'), is_valid('039304002X'::isbn)",
    'lo': "create table lo_t (o lo); create trigger x before delete on lo_t for each row "
          "execute function lo_manage(o); insert into lo_t values (lo_creat(-1)); "
          'delete from lo_t; select count(*) from pg_largeobject_metadata',
    'ltree': "select 'a.b.c'::ltree <@ 'a.b', subpath('a.b.c', 1), 'a.b.c'::ltree ~ '*.c'::lquery",
    'moddatetime': TRIGGER.replace('insert or ', '').format(
        'moddatetime', "moddatetime('at')", "at > '2001-01-01'"),
    'old_snapshot': 'select count(*) from pg_old_snapshot_time_mapping()',
    'pageinspect': "select page_checksum(get_raw_page('t', 0), 0) is not null, "
                   "(select count(*) > 0 from heap_page_items(get_raw_page('t', 0)))",
    'pg_buffercache': 'select count(*) > 0 from pg_buffercache',
    'pg_freespacemap': "select count(*) from pg_freespace('t')",
    'pg_prewarm': "select pg_prewarm('t') > 0",
    'pg_stat_statements': 'select count(*) > 0 from pg_stat_statements',
    'pg_surgery': "select heap_force_freeze('t'::regclass, array['(0,1)']::tid[])",
    'pg_trgm': "select similarity('loader', 'leader'), show_trgm('abc')",
    'pg_visibility': "select count(*) > 0 from pg_visibility('t')",
    'pg_walinspect': 'select count(*) > 0 from pg_get_wal_records_info('
                     "'0/1800000', pg_current_wal_lsn()) where false or true",
    'pgcrypto': "select encode(digest('x', 'sha256'), 'hex'), "
                "convert_from(decrypt(encrypt('text', 'key', 'aes'), 'key', 'aes'), 'utf8'), "
                "pgp_sym_decrypt(pgp_sym_encrypt('text', 'key'), 'key')",
    'pgrowlocks': "select count(*) from pgrowlocks('t')",
    'pgstattuple': "select table_len > 0 from pgstattuple('t')",
    'plpgsql': "do $$ begin raise notice 'said %', 6 * 7; end $$; select 1",
    'postgres_fdw': 'create server p foreign data wrapper postgres_fdw options '
                    "(host '{folder}', dbname 'postgres'); create user mapping for current_user "
                    "server p; create foreign table pt (id int, a text) server p options "
                    "(table_name 't'); select a from pt where id = 77",
    'refint': 'create table r (id int primary key); create table q (id int); '
              'create trigger x before insert on q for each row execute function '
              "check_primary_key('id', 'r', 'id'); insert into r values (1); "
              'insert into q values (1); insert into q values (2)',
    'seg': "select '1.5 .. 2.5'::seg && '2.0 .. 3'::seg, seg_center('1 .. 3')",
    'sslinfo': 'select ssl_is_used()',
    'tablefunc': "select count(*) from normal_rand(10, 5, 3); select * from crosstab("
                 "'values (1, 1, 10), (1, 2, 20), (2, 1, 30)') as c(r int, x int, y int)",
    'tcn': 'create table tcn_t (id int primary key); create trigger x after insert on '
           'tcn_t for each row execute function triggered_change_notification(); '
           'insert into tcn_t values (1); select count(*) from tcn_t',
    'tsm_system_rows': 'select count(*) from t tablesample system_rows(50)',
    'tsm_system_time': 'select count(*) from t tablesample system_time(1000)',
    'unaccent': "select unaccent('Hôtel à Orléans')",
    'uuid-ossp': "select uuid_generate_v5(uuid_ns_url(), 'text'), uuid_nil()",
    'xml2': "select xpath_string('<a><b>c</b></a>', '/a/b'), xml_valid('<a/>')",
}
# The languages that come with PostgreSQL, and contrib's extensions that join them to types.
TRANSFORM = """create function {0}_f(x {1}) returns {2} language {3} transform for type {1}
as $$ {4} $$; select {0}_f({5})"""
FUNCTION = "create function {0}_f() returns text language {0} as $$ {1} $$; select {0}_f()"
for u in ('', 'u'):
    QUERIES[f'plperl{u}'] = (
        f"create function plperl{u}_f() returns text language plperl{u} as $$ my $r = "
        "spi_exec_query('select 6 * 7 as n'); return join ',', $r->{{rows}}[0]{{n}}, sort "
        f"keys %{{{{ {{{{ b => 1, a => 2 }}}} }}}}; $$; select plperl{u}_f()")
    QUERIES[f'pltcl{u}'] = (
        f"create function pltcl{u}_f(int) returns text language pltcl{u} as $$ spi_exec "
        f'"select 6 * $1 as n"; return "tcl [expr {{{{$n + 1}}}}]" $$; select pltcl{u}_f(7)')
    QUERIES[f'bool_plperl{u}'] = TRANSFORM.format(
        f'bool_plperl{u}', 'bool', 'bool', f'plperl{u}', 'return !$_[0];', 'true')
    QUERIES[f'hstore_plperl{u}'] = TRANSFORM.format(
        f'hstore_plperl{u}', 'hstore', 'text', f'plperl{u}',
        'return join ",", map {{ "$_$_[0]{{$_}}" }} sort keys %{{$_[0]}};', "'b=>2, a=>1'")
    QUERIES[f'jsonb_plperl{u}'] = TRANSFORM.format(
        f'jsonb_plperl{u}', 'jsonb', 'jsonb', f'plperl{u}',
        'return [reverse @{{$_[0]}}];', """'[1, "x", {{"y": null}}]'""")
QUERIES['plperlu'] += '; ' + FUNCTION.format('plperlu', 'use POSIX; use Socket; return '
    'floor(3.7) . inet_ntoa(INADDR_LOOPBACK);').replace('plperlu_f', 'plperlu_g')
QUERIES['plpython3u'] = FUNCTION.format('plpython3u', '''
import ctypes, decimal, json, sqlite3, ssl, zlib
n = plpy.execute("select 6 * 7 as n")[0]["n"]
try:
    plpy.execute("select 1/0")
except plpy.SPIError as error:
    n = f"{{n}} {{error.sqlstate}}"
return f"{{n}} {{zlib.crc32(b'x')}} {{ctypes.sizeof(ctypes.c_long)}}"
''')
QUERIES['hstore_plpython3u'] = TRANSFORM.format(
    'hstore_plpython3u', 'hstore', 'text', 'plpython3u', 'return repr(sorted(x.items()))',
    "'b=>2, a=>1'")
QUERIES['jsonb_plpython3u'] = TRANSFORM.format(
    'jsonb_plpython3u', 'jsonb', 'jsonb', 'plpython3u', 'x["n"] += 1; return x',
    """'{{"n": 41.5, "m": [true]}}'""")
QUERIES['ltree_plpython3u'] = TRANSFORM.format(
    'ltree_plpython3u', 'ltree', 'text', 'plpython3u', 'return repr(x)', "'a.b.c'")
# Encodings, procedural compilation and what else the server loads by itself.
OTHERS = '''select convert('Grüße'::bytea, 'utf8', 'latin1');
select convert_from(convert_to('日本', 'euc_jp'), 'euc_jp');
select to_tsvector('english', 'loaders load loading');
set jit_above_cost = 0; set jit_optimize_above_cost = 0; set jit_inline_above_cost = 0;
select sum(b * 2 + id) from t;
load 'auto_explain'; load 'passwordcheck'; create role weak password 'weak';'''


def initial_data(folder):
    """One initdb for both runs."""
    if USER:
        shutil.chown(folder, USER, USER)
    said = ask([BIN / 'initdb', '-D', folder / 'data', '-A', 'trust', '-N', '-E', 'UTF8',
                '--locale=C.UTF-8'], USER)
    if not (folder / 'data/PG_VERSION').exists():
        sys.exit(f'Bail out! initdb: {said}')
    return folder / 'data'


def session(env, folder):
    data = folder / 'data'
    shutil.copytree(ORIGINAL, data, symlinks=True)
    if USER:
        for path in [data, *data.rglob('*')]:
            shutil.chown(path, USER, USER)

    def sql(text):
        return ask([BIN / 'psql', '-h', folder, '-XqAt', '-v', 'VERBOSITY=terse',
                    'postgres'], USER, text.replace('{folder}', str(folder)))

    said = []
    with server([BIN / 'postgres', '-D', data, '-k', folder, '-c', 'listen_addresses=',
                 '-c', 'fsync=off', '-c',
                 'shared_preload_libraries=pg_stat_statements,old_snapshot'], env, folder,
                lambda: sql('select 1').strip() == '1', USER, signal.SIGINT):
        said.append(sql(TABLE + "update t set c = '2000-01-01'"))
        for name in EXTENSIONS:
            query = QUERIES.get(name, '').replace('{{', '{').replace('}}', '}')
            said.append(f'{name}:\n' + sql(
                f'create extension if not exists "{name}" cascade; {query};'))
        said.append('others:\n' + sql(OTHERS))
    return '\n'.join(said).replace(str(folder), 'FOLDER')


harness = Harness(sys.argv[1])
need_installed(BIN / 'initdb', BIN / 'postgres', BIN / 'psql')
EXTENSIONS = sorted(path.stem for path in CONTROLS.glob('*.control') if path.stem in QUERIES)
harness.ok(EXTENSIONS == sorted(QUERIES), f'{len(EXTENSIONS)} extensions are there',
           *sorted(set(QUERIES) ^ set(EXTENSIONS)))
with tempfile.TemporaryDirectory(prefix='umod-programs-') as place:
    pathlib.Path(place).chmod(0o755)
    ORIGINAL = initial_data(pathlib.Path(place))
    # intagg and citext's like are SQL alone; plpgsql is one of these too.
    expected = [LIBRARIES / f'{name}.so' for name in EXTENSIONS
                if (LIBRARIES / f'{name}.so').exists()]
    told = both_ways(harness, 'PostgreSQL with its extensions', session,
                     expected + [LIBRARIES / 'llvmjit.so'], 45, 90)
errors = [line for line in told.splitlines() if 'ERROR' in line]
harness.ok(errors == ['ERROR:  tuple references non-existent key',
                      'ERROR:  password is too short'],
           'only the two errors that were asked for', *errors)
harness.done()
