# SPDX-License-Identifier: MIT
"""redis-server with RediSearch under the drop-in library: redis.py LIBRARY"""
import sys

from common import Harness, need_installed
from servers import ask, both_ways, server

SERVER, CLIENT = '/usr/bin/redis-server', '/usr/bin/redis-cli'
MODULE = '/usr/lib/redis/modules/redisearch.so'
WORDS = 'loader linker symbol version namespace module image scope'.split()


def session(env, folder):
    place = folder / 'socket'

    def cli(*words):
        return ask([CLIENT, '-s', place, *words])

    def ready():
        return place.exists() and cli('PING').strip() == 'PONG'

    said = []
    with server([SERVER, '--port', 0, '--unixsocket', place, '--save', '', '--dir',
                 folder, '--loadmodule', MODULE], env, folder, ready):
        said.append(cli('FT.CREATE', 'books', 'SCHEMA', 'title', 'TEXT', 'WEIGHT', 5,
                        'body', 'TEXT', 'year', 'NUMERIC', 'SORTABLE'))
        for i, word in enumerate(WORDS):
            said.append(cli('FT.ADD', 'books', f'book{i}', '1.0', 'FIELDS', 'title', word,
                            'body', ' '.join(WORDS[i:]), 'year', 1990 + i))
        for query in ('symbol', 'scope @year:[1994 1996]', 'nam*', '-module image', '%linkr%'):
            said.append(cli('FT.SEARCH', 'books', query, 'NOCONTENT', 'SORTBY', 'year'))
        said.append(cli('FT.AGGREGATE', 'books', 'scope', 'GROUPBY', 0, 'REDUCE', 'SUM', 1,
                        '@year', 'AS', 'years'))
        said.append(cli('FT.EXPLAIN', 'books', '(a|b) c'))
        said.append(cli('MODULE', 'LIST'))
        said.append(cli('MODULE', 'UNLOAD', 'ft'))
        said.append(cli('FT.DROP', 'books'))
        said.append(cli('SHUTDOWN', 'NOSAVE'))
    return '\n'.join(said)


harness = Harness(sys.argv[1])
need_installed(SERVER, CLIENT, MODULE)
told = both_ways(harness, 'redis-server with RediSearch', session, [MODULE], lines=40)
harness.ok('book2' in told and 'ERR' not in told.split('ft')[0], 'queries were answered',
           told)
harness.done()
