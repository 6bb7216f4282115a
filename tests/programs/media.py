# SPDX-License-Identifier: MIT
"""GTK's and gdk-pixbuf's loaders and GStreamer's plugins: media.py LIBRARY"""
import pathlib
import re
import sys
import tempfile

from common import HERE, Harness, environment, need_installed
from servers import free_port, listens, server

MULTIARCH = pathlib.Path('/usr/lib/x86_64-linux-gnu')
IMMODULES = MULTIARCH / 'libgtk-3-0/gtk-query-immodules-3.0'
LOADERS = MULTIARCH / 'gdk-pixbuf-2.0/gdk-pixbuf-query-loaders'
INSPECT, LAUNCH = '/usr/bin/gst-inspect-1.0', '/usr/bin/gst-launch-1.0'
BROADWAY = '/usr/bin/broadwayd'
GOOD = MULTIARCH / 'gstreamer-1.0'
TIMES = re.compile(r'[0-9]+:[0-9:.]+')


def without_times(text):
    """Sorted besides: several threads of a pipeline tell what they do."""
    return '\n'.join(sorted(TIMES.sub('TIME', text).splitlines()))


def pipeline(folder):
    return ('audiotestsrc num-buffers=8 ! audio/x-raw,rate=44100,channels=1 ! wavenc ! '
            'filesink location={0}/sound.wav videotestsrc num-buffers=3 ! '
            'videocrop left=9 ! videobox bottom=-4 ! videoconvert ! pngenc ! '
            'multifilesink location={0}/frame%d.png').format(folder).split()


def window(harness, folder):
    """On a display server of GTK's own, whose socket is named after @folder."""
    gtk, names = MULTIARCH / 'gtk-3.0', ('thai', 'ipa', 'am_et')
    loaded = [gtk / 'modules/libcanberra-gtk-module.so',
              *(gtk / f'3.0.0/immodules/im-{name.replace("_", "-")}.so' for name in names),
              *(gtk / '3.0.0/printbackends').glob('*.so')]
    env = environment(XDG_RUNTIME_DIR=folder, GDK_BACKEND='broadway', BROADWAY_DISPLAY=':5',
                      NO_AT_BRIDGE=1, GTK_MODULES='canberra-gtk-module')
    port = free_port()
    with server([BROADWAY, '--address', '127.0.0.1', '--port', port, ':5'], env, folder,
                lambda: listens(port)):
        done = harness.compare('a window, input methods and printers', [
            '/usr/bin/python3.11', HERE / 'gtk_window.py', *names], env=env, expect=loaded,
            least=len(loaded))
    harness.ok('painted typed' in done.out and 'Print to File' in done.out and
               len(loaded) == 6, 'the window was there', done.out, *loaded)


harness = Harness(sys.argv[1])
need_installed(IMMODULES, LOADERS, INSPECT, LAUNCH, GOOD, BROADWAY)
modules = sorted((MULTIARCH / 'gtk-3.0/3.0.0/immodules').glob('*.so'))
harness.compare('GTK\'s input methods', [IMMODULES, *modules], expect=modules,
                least=len(modules))
loaders = sorted((MULTIARCH / 'gdk-pixbuf-2.0/2.10.0/loaders').glob('*.so'))
harness.compare('gdk-pixbuf\'s loaders', [LOADERS, *loaders], expect=loaders,
                least=len(loaders))
harness.compare('pictures through gdk-pixbuf', ['/usr/bin/python3.11', HERE / 'gtk_use.py'],
                least=20)

with tempfile.TemporaryDirectory(prefix='umod-programs-') as place:
    window(harness, pathlib.Path(place))
    folder = pathlib.Path(place)
    # Each run scans: nothing is left for the next one to read.
    for fork in ('no', 'yes'):
        registry = {which: folder / f'{fork}-{which}' for which in ('plain', 'umod')}
        done = harness.compare(
            f'GStreamer\'s scan, {"in a process of its own" if fork == "yes" else "itself"}',
            lambda which, at=registry, fork=fork: [
                '/usr/bin/env', f'GST_REGISTRY={at[which]}', f'GST_REGISTRY_FORK={fork}',
                INSPECT],
            expect=sorted(GOOD.glob('libgst*.so')), least=100)
        by_itself = done.pid in done.trace.processes
        harness.ok(by_itself == (fork == 'no') and len(done.trace.processes) == 1,
                   'one process opened all', done.pid, done.trace.processes)
        harness.ok('plugins' in done.out.splitlines()[-1], done.out.splitlines()[-1])
        files = [path.read_bytes() for path in registry.values()]
        harness.ok(len(files[0]) > 100000 and len(files[0]) == len(files[1]),
                   'both wrote a registry of the same size')
    for which in ('plain', 'umod'):
        (folder / which).mkdir()
    harness.compare('a pipeline runs', lambda which: [
        '/usr/bin/env', f'GST_REGISTRY={folder}/no-{which}', LAUNCH,
        *pipeline(folder / which)], least=10, same=without_times)
    made = [sorted((path.name, path.read_bytes()) for path in (folder / which).iterdir())
            for which in ('plain', 'umod')]
    harness.ok(made[0] == made[1] and len(made[0]) == 4, 'and makes the same four files',
               *[name for name, _ in made[1]])
harness.done()
