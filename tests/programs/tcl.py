# SPDX-License-Identifier: MIT
"""Tcl's load of Debian's C extensions under the drop-in library: tcl.py LIBRARY"""
import sys

from common import HERE, Harness, need_installed

TCLSH = '/usr/bin/tclsh8.6'

harness = Harness(sys.argv[1])
need_installed(TCLSH)
done = harness.compare('extensions in use', [TCLSH, HERE / 'tcl_use.tcl'], least=15)
harness.ok(done.code == 0, 'the script ran to its end', done.out[-1000:], done.err)
harness.done()
