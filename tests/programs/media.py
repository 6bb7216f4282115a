# SPDX-License-Identifier: MIT
"""GTK's and gdk-pixbuf's loaders and GStreamer's plugins: media.py LIBRARY"""
import pathlib
import re
import sys
import tempfile

from common import HERE, Harness, need_installed

MULTIARCH = pathlib.Path('/usr/lib/x86_64-linux-gnu')
IMMODULES = MULTIARCH / 'libgtk-3-0/gtk-query-immodules-3.0'
LOADERS = MULTIARCH / 'gdk-pixbuf-2.0/gdk-pixbuf-query-loaders'
INSPECT, LAUNCH = '/usr/bin/gst-inspect-1.0', '/usr/bin/gst-launch-1.0'
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


harness = Harness(sys.argv[1])
need_installed(IMMODULES, LOADERS, INSPECT, LAUNCH, GOOD)
modules = sorted((MULTIARCH / 'gtk-3.0/3.0.0/immodules').glob('*.so'))
harness.compare('GTK\'s input methods', [IMMODULES, *modules], expect=modules,
                least=len(modules))
loaders = sorted((MULTIARCH / 'gdk-pixbuf-2.0/2.10.0/loaders').glob('*.so'))
harness.compare('gdk-pixbuf\'s loaders', [LOADERS, *loaders], expect=loaders,
                least=len(loaders))
harness.compare('pictures through gdk-pixbuf', ['/usr/bin/python3.11', HERE / 'gtk_use.py'],
                least=20)

with tempfile.TemporaryDirectory(prefix='umod-programs-') as place:
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
