# SPDX-License-Identifier: MIT
"""Lua's require of C modules under the drop-in library: lua.py LIBRARY"""
import sys

from common import HERE, Harness, need_installed

VERSIONS = {'lua5.1': 18, 'lua5.3': 18, 'lua5.4': 15} # and how many C modules at least

harness = Harness(sys.argv[1])
need_installed(*(f'/usr/bin/{version}' for version in VERSIONS))
for version, least in VERSIONS.items():
    done = harness.compare(version, [f'/usr/bin/{version}', HERE / 'lua_use.lua'],
                           least=least)
    used = int(done.out.rpartition('used\t')[2] or 0)
    harness.ok(used >= least, f'{version}: {used} C modules used', done.out)
harness.done()
