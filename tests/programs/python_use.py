# SPDX-License-Identifier: MIT
"""Run by python.py: uses what numpy, lxml, PIL, cryptography and the standard library's
extension modules offer, and prints what comes out; the same each time."""
import asyncio
import bz2
import concurrent.futures
import ctypes
import ctypes.util
import datetime
import decimal
import dbm.gnu
import hashlib
import io
import json
import lzma
import multiprocessing
import os
import sqlite3
import ssl
import struct
import tempfile
import uuid
import zlib

import numpy
import numpy.linalg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from lxml import etree, html
from PIL import Image, ImageDraw, ImageFilter


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def arrays():
    random = numpy.random.default_rng(7)
    a = random.standard_normal((40, 40))
    print('numpy', a.sum(), numpy.linalg.det(a), digest(numpy.fft.fft(a).tobytes()))
    print(numpy.linalg.eigvalsh(a @ a.T)[-1], numpy.einsum('ij,ji->', a, a))
    try:
        numpy.linalg.inv(numpy.zeros((2, 2)))
    except numpy.linalg.LinAlgError as error:
        print('LinAlgError', error)


def documents():
    tree = etree.fromstring('<a><b n="2">x</b><b n="1">y</b></a>')
    sheet = etree.XSLT(etree.XML(
        '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform">'
        '<x:template match="/"><o><x:for-each select="a/b"><x:sort select="@n"/>'
        '<i><x:value-of select="."/></i></x:for-each></o></x:template></x:stylesheet>'))
    print(str(sheet(tree)), tree.xpath('sum(//@n)'), html.fromstring('<p>q<br>r').xpath('//p'
          )[0].text_content())
    try:
        etree.fromstring('<a>')
    except etree.XMLSyntaxError as error:
        print('XMLSyntaxError', error)


def pictures():
    image = Image.new('RGB', (90, 60), 'navy')
    ImageDraw.Draw(image).ellipse((10, 5, 80, 55), fill='gold', outline='red')
    image = image.filter(ImageFilter.GaussianBlur(2)).rotate(30, Image.BICUBIC)
    for kind in ('PNG', 'JPEG', 'TIFF', 'GIF', 'WEBP', 'JPEG2000'):
        out = io.BytesIO()
        image.save(out, kind)
        again = Image.open(io.BytesIO(out.getvalue()))
        again.load()
        print(kind, again.size, digest(again.convert('RGB').tobytes()))


def secrets():
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    print('ed25519', digest(key.sign(b'text')))
    seal = Cipher(algorithms.AES(bytes(32)), modes.GCM(bytes(12))).encryptor()
    print('aes', digest(seal.update(b'text' * 99) + seal.finalize() + seal.tag))
    pair = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    signed = pair.sign(b'text', padding.PKCS1v15(), hashes.SHA256())
    pair.public_key().verify(signed, b'text', padding.PKCS1v15(), hashes.SHA256())
    pem = pair.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.PKCS1)
    print('rsa', len(signed), pem.splitlines()[0])


def standard():
    base = sqlite3.connect(':memory:')
    base.create_function('twice', 1, lambda n: 2 * n)
    print(base.execute('select twice(21), sqlite_version()').fetchall())
    data = bytes(range(256)) * 50
    print([digest(pack(data)) for pack in (zlib.compress, bz2.compress, lzma.compress)])
    print(json.dumps({'π': [1.5, None]}), struct.pack('>hd', 1, 2.5).hex(),
          decimal.Decimal(2).sqrt(), uuid.uuid5(uuid.NAMESPACE_DNS, 'x'))
    print(ssl.OPENSSL_VERSION, len(ssl.create_default_context().get_ciphers()))
    libm = ctypes.CDLL(ctypes.util.find_library('m'))
    libm.cos.restype, libm.cos.argtypes = ctypes.c_double, [ctypes.c_double]
    order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    ctypes.CDLL(None).qsort(numbers, 5, 4, order(lambda a, b: (
        ctypes.c_int.from_address(a).value - ctypes.c_int.from_address(b).value)))
    print(libm.cos(1.0), list(numbers))
    with tempfile.TemporaryDirectory() as folder:
        with dbm.gnu.open(os.path.join(folder, 'base'), 'c') as file:
            file['k'] = 'v'
            print(file['k'])
    print(datetime.datetime(2024, 2, 29).isoformat())


def square(n):
    return int(numpy.full(3, n) @ numpy.full(3, n))


def together():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(square, range(8))))
    for method in ('fork', 'spawn'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(square, range(5)))

    async def wait(n):
        await asyncio.sleep(0.001)
        return n

    async def gather():
        return await asyncio.gather(*(wait(n) for n in range(4)))
    print(asyncio.run(gather()))


if __name__ == '__main__':
    arrays()
    documents()
    pictures()
    secrets()
    standard()
    together()
