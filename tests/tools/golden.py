#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Golden output: runs the commands of each golden/*.txt and compares what they print.

golden.py UMOD FIXTURES [--update] [NAME...]. A line "$ COMMAND" is run by bash in the
folder FIXTURES; its output, standard error included, and "[STATUS]" stand below it.
Times are printed as T, the folder as DIR.
"""
import difflib
import os
import pathlib
import re
import subprocess
import sys


def normal(text, folder):
    text = text.replace(str(folder), "DIR").replace(os.path.realpath(folder), "DIR")
    text = re.sub(r"\b\d+\.\d+ (ms|us)\b", r"T \1", text)
    text = re.sub(r'("\w+_ns"|"(?:%s)"): \d+' % "|".join(
        "open validate describe admit map bind protect publish init settle live".split()),
        r"\1: T", text)
    # How the message lists the places searched depends on the machine.
    return re.sub(r"(searched|tried)[: ].*", r"\1 PLACES", text)


def run(command, umod, folder):
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("UMOD_", "LD_LIBRARY_PATH"))}
    environment.update(LC_ALL="C.UTF-8", PATH=f"{umod.parent}:{environment['PATH']}")
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=100, check=False)
    text = done.stdout.decode("utf-8", "backslashreplace")
    if text and not text.endswith("\n"):
        text += "\n"
    return f"$ {command}\n{normal(text, folder)}[{done.returncode}]\n"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    umod, folder = pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1])
    golden = pathlib.Path(__file__).resolve().parent / "golden"
    bad = number = 0
    for file in sorted(golden.glob("*.txt")):
        if arguments[2:] and file.stem not in arguments[2:]:
            continue
        should = file.read_text(encoding="utf-8")
        commands = re.findall(r"^\$ (.*)$", should, re.M)
        got = "".join(run(c, umod, folder) for c in commands)
        if "--update" in sys.argv:
            file.write_text(got, encoding="utf-8")
        number += 1
        same = got == should or "--update" in sys.argv
        print(f"{'ok' if same else 'not ok'} {number} - {file.stem}")
        if not same:
            bad += 1
            for line in difflib.unified_diff(should.splitlines(), got.splitlines(),
                                             "golden", "now", lineterm=""):
                print("#", line)
    print(f"1..{number}")
    return bad != 0 or number == 0


sys.exit(main())
