# SPDX-License-Identifier: MIT
"""Runs programs, each time a fresh process, the order rotating, and takes quartiles.
Knows no loader and no target."""
import os
import subprocess
import time

IDLE_S = 3


class Failed(Exception):
    """A measured program failed; its message says why."""


def run(argv, env=None, timeout_s=900):
    """One process; its "key value" lines as a dictionary."""
    done = subprocess.run([str(a) for a in argv], env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout_s)
    values = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(' ')
        try:
            values[key] = float(value)
        except ValueError:
            values[key] = value
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or
               [values.get('reason') or f'exit code {done.returncode}'])[-1]
        raise Failed(f'{argv[0].rsplit("/", 1)[-1]} {argv[1]}: {why}')
    return values


def series(commands, runs, idle=False, warm=True):
    """@commands: label -> (argv, env). Label -> list of dictionaries, or the Failed."""
    results = {label: [] for label in commands}
    labels = list(commands)
    for turn in range(-1 if warm else 0, runs):
        for at in range(len(labels)):
            label = labels[(at + turn) % len(labels)]
            if isinstance(results[label], Failed):
                continue
            if idle and turn >= 0:
                time.sleep(IDLE_S)
            try:
                values = run(*commands[label])
            except (Failed, subprocess.TimeoutExpired) as why:
                results[label] = why if isinstance(why, Failed) else Failed(str(why))
                continue
            if turn >= 0:
                results[label].append(values)
    return results


def quantile(values, share):
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


class Figure:
    """Median and quartiles of one quantity."""

    def __init__(self, values):
        self.values = list(values)
        self.low, self.median, self.high = (quantile(self.values, q)
                                            for q in (0.25, 0.5, 0.75))

    def json(self):
        return {'median': self.median, 'quartiles': [self.low, self.high],
                'runs': len(self.values)}


def figure(results, key):
    """The Figure of @key, None if it was not measured."""
    if isinstance(results, Failed) or not results:
        return None
    values = [one[key] for one in results if key in one]
    return Figure(values) if values else None
