# SPDX-License-Identifier: MIT
"""What the tests of umod abi share: compiling, running, reading ELF sections."""
import json
import pathlib
import struct
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'kmod'))
from tap import Tap, run  # noqa: E402

TOOL = pathlib.Path(sys.argv[1]).resolve()
FOLDER = tempfile.TemporaryDirectory(prefix='umod-abi-')
ROOT = pathlib.Path(FOLDER.name)
GCC, CLANG, GXX, CLANGXX = 'gcc', 'clang-14', 'g++', 'clang++-14'


def compile(source, name='x.o', compiler=GCC, flags=('-g', '-O2', '-c')):
    """An object of the text @source; its path."""
    plus = '++' in compiler
    path = ROOT / ('source.cc' if plus else 'source.c')
    path.write_text(source)
    done = run(compiler, *flags, '-w', '-o', ROOT / name, path)
    if done.returncode:
        print('Bail out! ' + done.stderr.decode().splitlines()[0])
        sys.exit(1)
    return ROOT / name


def abi(*arguments, **options):
    return run(TOOL, 'abi', *arguments, **options)


def text(done):
    return done.stdout.decode(), done.stderr.decode().replace(str(ROOT) + '/', ''), \
        done.returncode


def crcs(path, *arguments):
    """{symbol: CRC} of a file."""
    arguments = arguments or ('--all',)
    done = abi(*arguments, '--json', path)
    if not done.stdout:
        return {'error': done.stderr.decode()}
    return {e['name']: e['crc'] for e in json.loads(done.stdout)['exports']}


def sections(path):
    """{name: (index, flags, bytes)} of an ELF file."""
    data = pathlib.Path(path).read_bytes()
    at, = struct.unpack_from('<Q', data, 40)
    count, names = struct.unpack_from('<HH', data, 60)
    headers = [struct.unpack_from('<IIQQQQIIQQ', data, at + i * 64) for i in range(count)]
    strings = data[headers[names][4]:headers[names][4] + headers[names][5]]
    found = {}
    for index, h in enumerate(headers):
        name = strings[h[0]:strings.index(b'\0', h[0])].decode()
        found[name] = (index, h[2], b'' if h[1] == 8 else data[h[4]:h[4] + h[5]])
    return found


def stored(path, side='export'):
    """{name: (CRC, declaration)} as stored in a file."""
    found = sections(path)
    if f'__{side}_ext_crcs' not in found:
        return None
    values, names, decls = (found[f'__{side}_ext_{part}'][2]
                            for part in ('crcs', 'names', 'decls'))
    numbers = struct.unpack(f'<{len(values) // 4}I', values)
    return {name.decode(): (f'0x{crc:08x}', declaration.decode()) for name, crc, declaration
            in zip(names.split(b'\0'), numbers, decls.split(b'\0'))}


__all__ = ['Tap', 'run', 'TOOL', 'ROOT', 'GCC', 'CLANG', 'GXX', 'CLANGXX', 'compile', 'abi',
           'text', 'crcs', 'sections', 'stored', 'zlib', 'json']
