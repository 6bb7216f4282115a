#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The census: every shared object of the machine (or of a list), loaded, initialised and
unloaded in a fresh process, once with dlopen and twice with umod: in the process's
namespace, and in a new one. Compares the outcomes and tells the reason of each that
differs. Installs nothing: scripts/census does.

Writes DIRECTORY/census.tsv (a line per object) and DIRECTORY/census.txt (the summary).
Exits 1 when umod loads less than the wanted share of what dlopen loads, or crashes or
hangs where dlopen does not, or refuses with a message that says less.
"""
import argparse
import collections
import concurrent.futures
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time

WAYS = ("dlopen", "process", "new")
Outcome = collections.namedtuple("Outcome", "kind detail unload us")


def is_shared_object(path):
    """ET_DYN of this machine with a dynamic section, and no program."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
            if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
                return False
            kind, machine = struct.unpack_from("<HH", header, 16)
            if kind != 3 or machine != 62:
                return False
            phoff, = struct.unpack_from("<Q", header, 32)
            size, count = struct.unpack_from("<HH", header, 54)
            file.seek(phoff)
            table = file.read(size * count)
            for i in range(count):
                p_type, _, offset, _, _, bytes_ = struct.unpack_from("<IIQQQQ", table, i * size)
                if p_type != 2:
                    continue
                file.seek(offset)
                dynamic = file.read(bytes_)
                for tag, value in struct.iter_unpack("<qQ", dynamic[:len(dynamic) & ~15]):
                    if tag == 0:
                        break
                    if tag == 0x6ffffffb and value & 0x08000000:  # DF_1_PIE
                        return False
                return True
    except (OSError, struct.error):
        pass
    return False


def find_objects(top):
    """Paths of the shared objects below top, each inode once, separate debug files left out."""
    seen, found = set(), []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders if os.path.join(folder, f) != "/usr/lib/debug")
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path) or name.endswith(".debug"):
                continue
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen or not is_shared_object(path):
                continue
            seen.add((status.st_dev, status.st_ino))
            found.append(path)
    return found


def run(probe, mode, path, seconds, scratch):
    """One fresh process. Its outcome is ok, refused, signal, exit or timeout."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)  # a grandchild may keep the other end
    env = {"PATH": "/usr/bin:/bin", "HOME": scratch, "TMPDIR": scratch, "LC_ALL": "C",
           "XDG_RUNTIME_DIR": scratch}
    for name in ("UMOD_DEBUG", "ASAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    with tempfile.TemporaryFile() as noise:
        child = subprocess.Popen([probe, mode, path, str(writer)], stdin=subprocess.DEVNULL,
                                 stdout=noise, stderr=noise, cwd=scratch, env=env,
                                 pass_fds=(writer,), start_new_session=True)
        os.close(writer)
        timed_out = False
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        try:  # what the library itself may have started
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        noise.seek(0)
        noise_text = noise.read(4000).decode("utf-8", "replace")
    try:
        lines = os.read(reader, 65536).decode("utf-8", "replace").splitlines()
    except BlockingIOError:
        lines = []
    os.close(reader)
    return judge(lines, child.returncode, timed_out, noise_text)


def judge(lines, status, timed_out, noise):
    """From what a child reported and how it ended to its outcome."""
    words = {line.split(" ", 1)[0]: (line.split(" ", 1) + [""])[1] for line in lines}
    noise = " | ".join(noise.split("\n")[-4:]).strip(" |").replace("\t", " ")[:300]
    if "refused" in words:
        where = "after refusing"
    elif "end" in words:
        where = "at exit"
    elif "gone" in words or "stays" in words:
        where = "after unload"
    elif "loaded" in words:
        where = "in unload"
    else:
        where = "in load"
    unload = "gone" if "gone" in words else "stays: " + words["stays"] if "stays" in words else ""
    us = int(words["loaded"]) if "loaded" in words else 0
    if timed_out:
        return Outcome("timeout", where, unload, us)
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        return Outcome("signal", "%s %s%s" % (name, where, noise and ": " + noise), unload, us)
    if "refused" in words:
        return Outcome("refused", words["refused"], unload, us)
    if "loaded" in words and "end" in words and status == 0:
        return Outcome("ok", "", unload, us)
    return Outcome("exit", "%d %s%s" % (status, where, noise and ": " + noise), unload, us)


def examine(options, scratch, path):
    """All three ways; a way that does worse than dlopen gets two more tries."""
    outcomes, tries = {}, {}
    for way in WAYS:
        probe = options.probe_dlopen if way == "dlopen" else options.probe_umod
        if way != "dlopen" and not probe:
            continue
        tries[way] = 0
        while True:
            tries[way] += 1
            outcomes[way] = run(probe, "new" if way == "new" else "process", path,
                                options.timeout, scratch)
            kind = outcomes[way].kind
            if kind in ("ok", "timeout") or tries[way] >= options.tries:
                break
            if way != "dlopen" and outcomes["dlopen"].kind != "ok":
                break
            if way == "dlopen" and kind == "refused":
                break
    return path, outcomes, tries


def says_as_much(dlopen, umod):
    """Whether umod's message tells what dlopen's does."""
    library = re.match(r"(\S+): cannot open shared object file", dlopen)
    if library:
        return os.path.basename(library.group(1)) in umod
    version = re.search(r"version `(\S+)' not found", dlopen)
    if version:
        return version.group(1) in umod
    if "undefined symbol" in dlopen:  # of several missing, each loader names its first
        return "symbol" in umod and re.search(r"[A-Za-z_]\w{2,}", umod) is not None
    if "TLS" in dlopen:
        return "TLS" in umod or "thread-local" in umod
    return len(umod.rsplit(":", 1)[-1].strip()) >= 12


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def shape(message):
    """A message without its particulars, to count alike ones."""
    message = re.sub(r"/\S*/", "", message)
    return re.sub(r"0x[0-9a-f]+|\d+", "N", message)[:110]


def summary_of_way(way, rows, out):
    """Prints how one way compares with dlopen; gives (share, crashes, silent)."""
    loaded = [r for r in rows if r[1]["dlopen"].kind == "ok"]
    bad = [(p, o[way], o["dlopen"]) for p, o, _ in loaded if o[way].kind != "ok"]
    dead = [(p, o[way], o["dlopen"]) for p, o, _ in rows
            if o[way].kind in ("signal", "timeout", "exit") and o["dlopen"].kind in ("ok", "refused")]
    silent = [p for p, o, _ in rows if o[way].kind == o["dlopen"].kind == "refused" and
              not says_as_much(o["dlopen"].detail, o[way].detail)]
    share = percent(len(loaded) - len(bad), len(loaded))
    lost = [(p, o[way]) for p, o, _ in loaded if o[way].kind == "ok" and
            o["dlopen"].unload == "gone" and o[way].unload != "gone"]
    freed = sum(o[way].unload == "gone" for _, o, _ in loaded)
    more = sum(o[way].kind == "ok" for _, o, _ in rows if o["dlopen"].kind != "ok")
    again = sum(t[way] > 1 and o[way].kind == "ok" for _, o, t in rows)
    print("\n## umod, %s namespace" % ("process's" if way == "process" else "new"), file=out)
    print("loads %d of the %d that dlopen loads: %.2f %%" % (len(loaded) - len(bad), len(loaded),
                                                             share), file=out)
    print("ended by a signal, an exit or a time-out where dlopen is not: %d" % len(dead), file=out)
    print("loads %d that dlopen does not; %d only at a second try" % (more, again), file=out)
    print("refuses %d that dlopen refuses, %d with less of a message" % (
        sum(o[way].kind == o["dlopen"].kind == "refused" for _, o, _ in rows), len(silent)), file=out)
    print("unloads %d of them; %d stay that dlopen unloads" % (freed, len(lost)), file=out)
    print("\n### each that dlopen loads and umod does not", file=out)
    for path, outcome, _ in bad:
        print("%s\n    %s: %s" % (path, outcome.kind, outcome.detail), file=out)
    print("\n### each other that ends by a signal, an exit or a time-out", file=out)
    for path, outcome, dlopen in dead:
        if dlopen.kind != "ok":
            print("%s\n    %s: %s\n    dlopen %s: %s" % ((path,) + outcome[:2] + dlopen[:2]), file=out)
    print("\n### why those stay that dlopen unloads", file=out)
    for text, count in collections.Counter(shape(o.unload) for _, o in lost).most_common(20):
        print("%5d  %s" % (count, text), file=out)
    for path, outcome in lost[:200]:
        print("%s: %s" % (path, outcome.unload), file=out)
    return share, len(dead), silent


def summarise(rows, options, seconds, out):
    kinds = collections.Counter(o["dlopen"].kind for _, o, _ in rows)
    print("# census: %d shared objects, in %.0f s" % (len(rows), seconds), file=out)
    print("dlopen: " + ", ".join("%s %d" % k for k in sorted(kinds.items())), file=out)
    failed = []
    for way, wanted in (("process", options.want_process), ("new", options.want_new)):
        if not options.probe_umod:
            break
        share, dead, silent = summary_of_way(way, rows, out)
        if share < wanted:
            failed.append("%s: %.2f %% < %.2f %%" % (way, share, wanted))
        if dead:
            failed.append("%s: %d crashes or hangs" % (way, dead))
        if silent:
            failed.append("%s: %d refused with less of a message: %s" %
                          (way, len(silent), ", ".join(silent[:5])))
    print("\n## what dlopen does not load", file=out)
    for path, outcomes, _ in rows:
        if outcomes["dlopen"].kind == "ok":
            continue
        print(path, file=out)
        for way in outcomes:
            print("    %-8s%s: %s" % (way, outcomes[way].kind, outcomes[way].detail), file=out)
    if len(rows) < options.want_objects:
        failed.append("%d shared objects < %d" % (len(rows), options.want_objects))
    return failed


def write_table(rows, path):
    with open(path, "w", encoding="utf-8") as out:
        print("file", *("%s\t%s reason\t%s unload\t%s us" % (w, w, w, w) for w in WAYS),
              sep="\t", file=out)
        for file, outcomes, _ in rows:
            print(file, *("\t".join(map(str, outcomes[w])) if w in outcomes else "\t\t\t"
                          for w in WAYS), sep="\t", file=out)


def read_list(name):
    """A sample: a line is a path, or a path's end below the library folders."""
    found = []
    with open(name, encoding="utf-8") as file:
        for line in file:
            line = line.split("#", 1)[0].strip()
            if line and os.path.exists(line):
                found.append(os.path.realpath(line))
    return sorted(set(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe-dlopen", required=True)
    parser.add_argument("--probe-umod")
    parser.add_argument("--list", help="file with paths, in place of all below --top")
    parser.add_argument("--match", default="", help="only paths that match this expression")
    parser.add_argument("--top", default="/usr/lib")
    parser.add_argument("--out", default=".")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--timeout", type=float, default=20)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--want-process", type=float, default=99)
    parser.add_argument("--want-new", type=float, default=98)
    parser.add_argument("--want-objects", type=int, default=1)
    options = parser.parse_args()
    options.probe_dlopen = os.path.abspath(options.probe_dlopen)  # children work elsewhere
    options.probe_umod = options.probe_umod and os.path.abspath(options.probe_umod)

    paths = read_list(options.list) if options.list else find_objects(options.top)
    paths = [p for p in paths if re.search(options.match, p)]
    start = time.monotonic()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the children's
    rows = []
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
        for row in pool.map(lambda p: examine(options, scratch, p), paths):
            rows.append(row)
            if len(rows) % 250 == 0:
                print("%d of %d" % (len(rows), len(paths)), file=sys.stderr, flush=True)
    os.makedirs(options.out, exist_ok=True)
    write_table(rows, os.path.join(options.out, "census.tsv"))
    with open(os.path.join(options.out, "census.txt"), "w", encoding="utf-8") as out:
        failed = summarise(rows, options, time.monotonic() - start, out)
        for line in failed:
            print("FAILED " + line, file=out)
    with open(os.path.join(options.out, "census.txt"), encoding="utf-8") as text:
        for line in text:
            if line.startswith("## what dlopen"):
                break
            print(line, end="")
    for line in failed:
        print("FAILED " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
