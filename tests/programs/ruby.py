# SPDX-License-Identifier: MIT
"""Ruby's extensions and Debian's native gems under the drop-in library: ruby.py LIBRARY"""
import sys

from common import HERE, Harness, need_installed

RUBY = '/usr/bin/ruby3.1'

harness = Harness(sys.argv[1])
need_installed(RUBY)
done = harness.compare('extensions and gems in use', [RUBY, '-W0', HERE / 'ruby_use.rb'],
                       least=70)
failing = [line for line in done.out.splitlines() if ' fails: ' in line]
harness.ok(not failing and done.code == 0, 'each could be used', *failing, done.err)
harness.done()
