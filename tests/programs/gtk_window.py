# SPDX-License-Identifier: MIT
"""A window on GTK's own display server, and what GTK loads for it: a module that
GTK_MODULES names, the input methods of the arguments, printing's back ends."""
import ctypes
import sys

import gi

gi.require_version('Gdk', '3.0')
gi.require_version('Gtk', '3.0')
from gi.repository import Gdk, GLib, Gtk # noqa: E402 # after require_version


def printers():
    """Python's binding does not have them."""
    gtk = ctypes.CDLL('libgtk-3.so.0')
    gtk.gtk_printer_get_name.restype = ctypes.c_char_p
    gtk.gtk_printer_get_name.argtypes = [ctypes.c_void_p]
    found = []
    each = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
        lambda printer, _: found.append(gtk.gtk_printer_get_name(printer).decode()) or 0)
    gtk.gtk_enumerate_printers(each, None, None, 1)
    return sorted(found)


painted = []
print(type(Gdk.Display.get_default()).__name__)
window = Gtk.Window(title='a window')
entry = Gtk.Entry(text='typed')
window.add(entry)
window.show_all()
window.get_frame_clock().connect('after-paint', painted.append)
until = GLib.get_monotonic_time() + 10_000_000
while not painted and GLib.get_monotonic_time() < until:
    Gtk.main_iteration_do(False)
print('painted' if painted else 'not painted', entry.get_text())

for name in sys.argv[1:]:
    method = Gtk.IMMulticontext()
    method.set_client_window(window.get_window())
    method.set_context_id(name)
    method.focus_in()
    text, _, cursor = method.get_preedit_string()
    print(name, repr(text), cursor)

print(printers())
window.destroy()
