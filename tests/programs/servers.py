# SPDX-License-Identifier: MIT
"""Servers for tests of programs: started in a folder of their own, asked on loopback or
a socket in that folder, and stopped again, also when a test fails. Knows no server."""
import contextlib
import difflib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from common import Trace, environment, trace_faults


def free_port():
    return free_ports(1)[0]


def free_ports(count):
    """All held until the last is found: no two alike."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(('127.0.0.1', 0))
        return [probe.getsockname()[1] for probe in probes]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
        return True
    return False


def stop(process, how=signal.SIGTERM):
    """Politely, then not; whatever it started goes too."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def server(argv, env, folder, ready, user=None, how=signal.SIGTERM):
    """Runs @argv until the block ends; @ready() tells when it can be asked."""
    more = {'user': user, 'group': user, 'extra_groups': []} if user else {}
    with open(folder / 'log', 'ab') as log:
        process = subprocess.Popen([str(word) for word in argv], env=env, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True, **more)
    try:
        until = time.monotonic() + 60
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError('the server did not start:\n' +
                                   (folder / 'log').read_text(errors='replace')[-3000:])
            time.sleep(0.02)
        yield process
    finally:
        stop(process, how)


def ask(argv, user=None, text=None):
    """What a client prints, its errors too."""
    more = {'user': user, 'group': user, 'extra_groups': []} if user else {}
    done = subprocess.run([str(word) for word in argv], env=environment(), input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                          text=True, errors='replace', check=False, **more)
    return done.stdout


def both_ways(harness, name, session, expect=(), least=1, lines=1):
    """One test: session(env, folder) gives the same text without and with umod, of at
    least @lines lines; umod opened @expect, and left nothing to ld.so. Returns it."""
    said, trace = {}, None
    for which in ('plain', 'umod'):
        with tempfile.TemporaryDirectory(prefix='umod-programs-') as place:
            folder, traces = pathlib.Path(place) / 'run', pathlib.Path(place) / 'traces'
            for path in (folder, traces):
                path.mkdir()
                path.chmod(0o1777)
            pathlib.Path(place).chmod(0o755)
            env = environment()
            if which == 'umod':
                env = harness.env_under_umod(env, traces)
            try:
                said[which] = session(env, folder)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                said[which] = f'{which}: {error}'
            trace = Trace(traces)
    why = trace_faults(trace, expect, least)
    if said['plain'] != said['umod']:
        why += list(difflib.unified_diff(said['plain'].splitlines(),
                                         said['umod'].splitlines(), 'plain', 'umod', n=1,
                                         lineterm=''))
    count = len(said['plain'].splitlines())
    if count < lines:
        why += [f'{count} lines were said, {lines} expected at least:', said['plain']]
    harness.ok(not why, f'{name}: {len(trace.files())} files opened by umod, '
               f'{count} lines alike', *why)
    return said['umod']
