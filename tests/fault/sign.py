#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sign.py UMOD LIBRARY SIGNED PACKED CERTIFICATE: a key of its own, the library signed with
it, and that packed by xz."""
import lzma
import pathlib
import subprocess
import sys
import tempfile

umod, library, signed, packed, certificate = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    key = pathlib.Path(folder) / 'key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', certificate,
                    '-subj', '/CN=umod test fault', '-days', '3650'], check=True,
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pathlib.Path(certificate).chmod(0o644)
    subprocess.run([umod, 'sign', '-k', key, '-c', certificate, '-o', signed, library], check=True)
pathlib.Path(packed).write_bytes(lzma.compress(pathlib.Path(signed).read_bytes()))
