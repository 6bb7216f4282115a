# SPDX-License-Identifier: MIT
"""Pictures written and read back through gdk-pixbuf's loaders, by its Python binding."""
import gi

gi.require_version('GdkPixbuf', '2.0')
from gi.repository import GdkPixbuf, GLib # noqa: E402 # after require_version

SVG = b'''<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">
<rect width="20" height="10" fill="#336699"/><circle cx="5" cy="5" r="4" fill="red"/></svg>'''
XPM = b'''/* XPM */
static char *x[] = {"2 2 2 1", "a c #ff0000", "b c #00ff00", "ab", "ba"};'''


def load(data):
    loader = GdkPixbuf.PixbufLoader()
    loader.write(data)
    loader.close()
    return loader.get_format().get_name(), loader.get_pixbuf()


def describe(name, picture):
    pixels = picture.get_pixels()
    print(name, picture.get_width(), picture.get_height(), picture.get_n_channels(),
          sum(pixels) % 65521, picture.scale_simple(3, 3, 2).get_pixels()[:9].hex())


print(sorted(form.get_name() for form in GdkPixbuf.Pixbuf.get_formats()))
name, picture = load(SVG)
describe(name, picture)
describe(*load(XPM))
for kind in ('png', 'jpeg', 'bmp', 'tiff', 'ico'):
    good, data = picture.save_to_bufferv(kind, [], [])
    describe(*load(data))
try:
    load(b'not a picture at all' * 10)
except GLib.Error as error:
    print(error.message)
