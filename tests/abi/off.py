#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""umod abi where it is built without libdw: it says so, and does what needs none."""
from common import *

tap = Tap()
path = compile('int f(void) { return 0; }')
out, err, code = text(abi('--all', path))
tap.check(code == 1 and not out and 'built without libdw' in err, 'it says so', err)
(ROOT / 'a').write_text('0x00000001\tf\tm\tEXPORT_SYMBOL\t\n')
(ROOT / 'b').write_text('0x00000002\tf\tm\tEXPORT_SYMBOL\t\n')
out, err, code = text(abi('--diff', ROOT / 'a', ROOT / 'b'))
tap.check(code == 1 and 'changed  f  0x00000001 0x00000002' in out, 'texts', err)
done = run(TOOL, 'features')
tap.check(b'\nabi                      no\n' in done.stdout, 'umod features', done.stdout)
tap.done()
