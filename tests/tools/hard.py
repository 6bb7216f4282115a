#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tools with hard input: hard.py UMOD FIXTURES. Prints TAP.

Damaged files, things that are no files, names that break lines, readers that go away,
thousands of files, children that must not stay. Each test fails if umod crashes or hangs.
"""
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

UMOD, FIXTURES = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
GOOD = FIXTURES / "good.so"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def umod(*arguments, **options):
    options.setdefault("timeout", 60)
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([UMOD, *arguments], capture_output="stdout" not in options,
                          check=False, **options)
    assert done.returncode in (0, 1, 2), f"{arguments}: status {done.returncode}"
    return done


def told(done):
    """One line on standard error that begins as it should, or several."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    assert lines and all(line.startswith("umod ") for line in lines), lines
    return lines


@test
def no_regular_files(folder):
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    empty = folder / "empty"
    empty.touch()
    for path in fifo, empty, folder, "/dev/zero", "/dev/null", "/proc/self/mem", "/nowhere", "":
        for command in "info", "symbols", "tree":
            done = umod(command, path, timeout=20)
            assert done.returncode == 1, (command, path, done)
            told(done)
        done = umod("check", "--timeout", "10", "--json", path, timeout=20)
        outcome = json.loads(done.stdout)["files"][0]
        assert outcome["outcome"] == "refused" and outcome["message"], outcome


@test
def truncated(folder):
    whole = GOOD.read_bytes()
    part = folder / "part.so"
    refused = 0
    for length in [*range(0, 130, 7), *range(130, len(whole), 509)]:
        part.write_bytes(whole[:length])
        done = umod("info", part)
        refused += done.returncode
        assert umod("symbols", "--versions", part).returncode == done.returncode
    assert refused > 20, refused


@test
def damaged(folder):
    """Every byte of the start, and every 61st behind it, is spoiled."""
    whole = GOOD.read_bytes()
    part = folder / "damaged.so"
    files = []
    for at in [*range(16, 64), *range(64, 700, 5), *range(700, 8000, 61)]:
        spoiled = bytearray(whole)
        spoiled[at] ^= 0xff
        part = folder / f"damaged-{at}.so"
        part.write_bytes(spoiled)
        files.append(part)
    done = umod("info", "--json", *files)
    answers = json.loads(done.stdout)["files"]
    assert len(answers) == len(files)
    bad = [a for a in answers if "error" in a]
    assert len(bad) > 40 and all(a["error"]["message"] for a in bad), len(bad)
    umod("symbols", "--json", *files)
    for file in files[::10]:
        umod("tree", file)


@test
def other_machine(folder):
    path = folder / "arm.so"
    path.write_bytes(GOOD.read_bytes()[:18] + struct.pack("<H", 183) +
                     GOOD.read_bytes()[20:])
    info = json.loads(umod("info", "--json", path).stdout)["files"][0]
    assert info["machine"] == "aarch64", info
    checked = json.loads(umod("check", "--json", path).stdout)["files"][0]
    assert checked["outcome"] == "refused" and "aarch64" in checked["message"], checked


@test
def as_binutils_says(folder):
    """Names, values and versions of a large library, against nm."""
    library = pathlib.Path("/usr/lib/x86_64-linux-gnu/libstdc++.so.6")
    if not library.exists():
        return
    done = umod("symbols", "--json", "--defined", library)
    own = set()
    for s in json.loads(done.stdout)["files"][0]["symbols"]:
        at = "@@" if s["version_default"] else "@"
        own.add((s["value"], s["name"] + (at + s["version"] if s["version"] else "")))
    nm = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True,
                        check=True, text=True)
    for line in nm.stdout.splitlines():
        value, kind, name = line.split()
        if kind != "A":
            assert (int(value, 16), name) in own, line
    assert len(own) > 5000, len(own)


@test
def demangled(folder):
    library = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
    if not os.path.exists(library):
        return
    done = umod("symbols", "--demangle", "--defined", library)
    assert b"std::ios_base::Init::Init()" in done.stdout, done.stderr


@test
def strange_names(folder):
    names = [b"quote\"back\\slash", b"new\nline", b"bell\a\x1b[31mred", b"latin\xe9",
             b"\xed\xa0\x80", "π".encode(), b"-dash"]
    paths = []
    for name in names:
        path = os.fsencode(folder) + b"/" + name + b".so"
        with open(path, "wb") as file:
            file.write(GOOD.read_bytes())
        paths.append(path)
    for command in ("info", "--json"), ("symbols", "--json"), ("check", "--json"):
        done = umod(*command, *paths)
        assert done.returncode == 0, done
        answer = json.loads(done.stdout.decode("utf-8"))
        assert [os.fsencode(f["path"]) for f in answer["files"]] == paths
    for command in "info", "check":
        text = umod(command, *paths).stdout
        assert b"\x1b" not in text and b"\a" not in text and b"new\nline" not in text
    # Also one that begins with a dash, without a slash.
    assert umod("info", "--", "-dash.so", cwd=folder).returncode == 0


@test
def nobody_reads(folder):
    library = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
    if not os.path.exists(library):
        library = GOOD
    for ignored in signal.SIG_IGN, signal.SIG_DFL:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [UMOD, "symbols", *[library] * 50], stdout=writer, stderr=subprocess.PIPE,
            timeout=60, check=False, restore_signals=False,
            preexec_fn=lambda how=ignored: signal.signal(signal.SIGPIPE, how))
        os.close(writer)
        assert done.returncode in (1, -signal.SIGPIPE), done
        assert done.stderr == b"", done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run([UMOD, "info", GOOD], stdout=full, stderr=subprocess.PIPE,
                              check=False, timeout=60)
    assert done.returncode == 1 and b"No space left" in done.stderr, done


@test
def many_files(folder):
    count = 1000
    done = umod("check", "--json", "--jobs", "4", "--from", "-", stdin=None,
                input=f"{GOOD}\n".encode() * count, timeout=200)
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["summary"]["umod"]["ok"] == count


@test
def order_is_kept(folder):
    slow = FIXTURES / "hang.so"
    done = umod("check", "--json", "--jobs", "4", "--timeout", "1", slow, GOOD, GOOD, slow)
    answer = json.loads(done.stdout)["files"]
    assert [f["outcome"] for f in answer] == ["hang", "ok", "ok", "hang"], answer


def running(path):
    """Processes that have @path mapped."""
    found = []
    for maps in pathlib.Path("/proc").glob("[0-9]*/maps"):
        try:
            if str(path) in maps.read_text(errors="replace"):
                found.append(int(maps.parent.name))
        except OSError:
            pass
    return found


def gone(path):
    end = time.monotonic() + 10
    while running(path) and time.monotonic() < end:
        time.sleep(0.05)
    return not running(path)


@test
def no_child_stays(folder):
    """The library that hangs has also forked: nothing of it may be left."""
    library = folder / "hanging.so"
    # A large one is mapped from its file, where running() sees it.
    library.write_bytes((FIXTURES / "hang.so").read_bytes() + bytes(100000))
    umod("check", "--timeout", "0.5", library)
    assert gone(library)
    for number in signal.SIGINT, signal.SIGTERM:
        with subprocess.Popen([UMOD, "check", "--jobs", "2", library, library],
                              stdout=subprocess.PIPE) as process:
            end = time.monotonic() + 10
            while len(running(library)) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            assert running(library)
            process.send_signal(number)
            assert process.wait(10) == -number
        assert gone(library)


@test
def children_outlive_nobody(folder):
    library = folder / "orphan.so"
    library.write_bytes((FIXTURES / "hang.so").read_bytes() + bytes(100000))
    with subprocess.Popen([UMOD, "check", library], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 10
        while len(running(library)) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        children = running(library)
        process.kill()
    end = time.monotonic() + 10
    # The child goes with its parent; what it forked itself is not ours to see.
    while len(running(library)) >= len(children) and time.monotonic() < end:
        time.sleep(0.05)
    left = running(library)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(left) < len(children), (left, children)


@test
def trace_is_seen(folder):
    environment = {**os.environ, "UMOD_DEBUG": "stages"}
    done = umod("check", GOOD, env=environment)
    assert done.returncode == 0 and b"bind" in done.stderr, done
    done = umod("features", env={**os.environ, "UMOD_DEBUG": "help"})
    assert b"bindings" in done.stderr, done


@test
def features_are_told(folder):
    features = json.loads(umod("features", "--json").stdout)
    assert features["features"]["arch:x86-64"] in ("yes", "no"), features
    lines = umod("features").stdout.decode().splitlines()
    assert dict(line.split(None, 1) for line in lines) == features["features"]


@test
def by_link_name(folder):
    link = folder / "umod-info"
    link.symlink_to(UMOD)
    done = subprocess.run([link, "--json", GOOD], capture_output=True, check=True)
    assert json.loads(done.stdout)["files"][0]["path"] == str(GOOD)


@test
def colours_only_on_a_terminal(folder):
    import pty
    for variables, coloured in ({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), \
            ({"TERM": "xterm", "NO_COLOR": "1"}, False):
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        environment.update(variables)
        master, slave = pty.openpty()
        with subprocess.Popen([UMOD, "tree", FIXTURES / "needs-missing.so"], stdout=slave,
                              stdin=slave, env=environment) as process:
            os.close(slave)
            text = b""
            while True:
                try:
                    piece = os.read(master, 4096)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            assert process.wait(30) == 1
        os.close(master)
        assert (b"\x1b[31m" in text) == coloured, (variables, text)


def main():
    bad = 0
    for number, function in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                function(pathlib.Path(folder))
                print(f"ok {number} - {function.__name__}", flush=True)
            except (AssertionError, subprocess.TimeoutExpired, ValueError, OSError,
                    KeyError, subprocess.CalledProcessError) as error:
                bad += 1
                text = f"{type(error).__name__}: {error}"[:2000].replace("\n", "\n# ")
                line = error.__traceback__
                while line.tb_next:
                    line = line.tb_next
                print(f"not ok {number} - {function.__name__}\n"
                      f"# line {line.tb_lineno}: {text}", flush=True)
    print(f"1..{len(TESTS)}")
    return bad != 0


sys.exit(main())
