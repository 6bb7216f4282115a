# SPDX-License-Identifier: MIT
"""PHP and its extensions under the drop-in library: php.py LIBRARY"""
import pathlib
import sys

from common import HERE, Harness, need_installed

PHP = '/usr/bin/php8.2'
EXTENSIONS = pathlib.Path('/usr/lib/php/20220829')
CONFIGURATION = pathlib.Path('/etc/php/8.2/cli/conf.d')

harness = Harness(sys.argv[1])
need_installed(PHP, EXTENSIONS, CONFIGURATION)
wanted = {EXTENSIONS / f'{path.stem.partition("-")[2]}.so'
          for path in CONFIGURATION.glob('*.ini')}
harness.ok(len(wanted) >= 40, f'{len(wanted)} extensions are switched on')
harness.compare('php -m', [PHP, '-m'], expect=wanted)
harness.compare('extensions in use', [PHP, HERE / 'php_use.php'], expect=wanted)
harness.compare('with the cache of compiled files',
                [PHP, '-d', 'opcache.enable_cli=1', '-d', 'opcache.jit=tracing',
                 '-d', 'opcache.jit_buffer_size=16M', HERE / 'php_use.php'], expect=wanted)
harness.done()
