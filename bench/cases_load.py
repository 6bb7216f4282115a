# SPDX-License-Identifier: MIT
"""Loads of libraries: one alone, its dependencies loaded before; whole trees; the
symbol-heavy trees. Judged without init functions, as those are the library's own time;
the whole figure stands beside."""
import pathlib
import re
import subprocess

import elffile
import generate
from measure import Failed, Figure, figure, series
from report import geometric_mean

FOLDERS = ('/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu')
LLVM = 'libLLVM-14.so.1'
# The table 'Where it goes'.
ALONE = ('libz.so.1', 'libsqlite3.so.0', 'libcrypto.so.3', 'libstdc++.so.6',
         'libicui18n.so.72', 'libpython3.11.so.1.0', 'libprotobuf.so.32', 'libz3.so.4',
         'libopencv_imgproc.so.406', 'librsvg-2.so.2', 'libflite_cmu_time_awb.so.1',
         'libvtkInteractionWidgets-9.1.so.1', 'libgrpc++.so.1.51', 'libgtk-x11-2.0.so.0',
         'libgtk-3.so.0', 'libQt5Widgets.so.5', 'libjavascriptcoregtk-4.0.so.18',
         'libclang-14.so.1', 'libclang-cpp.so.14', LLVM, 'libLLVM-15.so.1',
         'libLLVM.so.19.1', 'libQt5WebEngineCore.so.5', 'libwebkit2gtk-4.0.so.37')
QUICK_ALONE = ('libz.so.1', 'libcrypto.so.3', LLVM)
TREES = (('libvtkInteractionWidgets-9.1.so.1', 1.8), ('libwebkit2gtk-4.0.so.37', 1.4),
         ('libQt5WebEngineCore.so.5', 1.4), ('libgtk-3.so.0', 1.4),
         ('libgrpc++.so.1.51', 1.4))
# What runs the program itself; all else that a library needs is loaded before it.
IN_EVERY_PROCESS = ('libc.so.6', 'ld-linux-x86-64.so.2')
IDLE, BUSY = 'after 3 s of idling', 'back to back'
SAME = 0.97  # "not slower", within what two runs of one loader differ


def installed(soname):
    """The file of @soname, None if it is not installed."""
    found = (pathlib.Path(folder, soname) for folder in FOLDERS)
    path = next((path for path in found if path.exists()), None)
    return path and path.resolve()


def needs(path):
    return [need for need in elffile.Elf(path.read_bytes()).needs()
            if need not in IN_EVERY_PROCESS]


def bare_copy(bench, soname, path):
    folder = bench.inputs / 'bare'
    folder.mkdir(exist_ok=True)
    return generate.copy_without_runs(folder, soname, path)


def bare_tree(bench, soname):
    """Copies of a library and all that it needs, without init functions."""
    path = installed(soname)
    text = subprocess.run(['ldd', str(path)], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    for name, file in re.findall(r'^\s*(\S+) => (/\S+)', text, re.MULTILINE):
        if name not in generate.HOST:
            bare_copy(bench, name, pathlib.Path(file).resolve())
    return bare_copy(bench, soname, path)


def measured(bench, arguments, idle, runs, env=None):
    """Results of both loaders for the command "load @arguments"."""
    return series({loader: ([program, 'load', *arguments], env)
                   for loader, program in bench.programs.items()}, runs, idle)


def told(bench, name, results):
    """Says which loader failed; true when none did."""
    for loader, one in results.items():
        if isinstance(one, Failed):
            bench.report.failed(name, one)
    return not any(isinstance(one, Failed) for one in results.values())


def figures(results, key='cpu_ns'):
    return [figure(results.get(loader), key) for loader in ('glibc', 'umod')]


def stages(bench, results):
    """Where umod spent it, beside what making the context took."""
    runs = results.get('umod')
    if isinstance(runs, Failed) or not runs:
        return
    total = Figure([one['cpu_ns'] for one in runs]).median
    parts = []
    for key in runs[0]:
        if key.startswith('stage_'):
            value = Figure([one.get(key, 0) for one in runs]).median
            if value > total / 100:
                parts.append(f'{key[6:-3]} {value / 1e3:.0f}')
    context = Figure([one['context_ns'] for one in runs]).median
    bench.report.note(f'umod: context {context / 1e3:.0f} µs; stages, wall µs: '
                      f'{", ".join(parts)}')


def show(bench, name, results, state, **target):
    """The line of one load, with wall time and faults in the margin."""
    told(bench, name, results)
    ratio = bench.report.line(name, *figures(results), state=state, **target)
    walls = [f'{loader} {figure(one, "wall_ns").median / 1e6:.3f} ms wall, '
             f'{figure(one, "faults").median:.0f} faults, '
             f'{figure(one, "objects").median:.0f} objects'
             for loader, one in results.items() if not isinstance(one, Failed)]
    if bench.details:
        bench.report.note('; '.join(walls))
        stages(bench, results)
    return ratio


def alone_arguments(bench, soname):
    path = installed(soname)
    before = needs(path)
    return [*before, bare_copy(bench, soname, path)], [*before, soname]


def llvm(bench, idle):
    if not installed(LLVM):
        return
    state = IDLE if idle else BUSY
    bench.report.title(f'1. {LLVM} alone, its dependencies loaded before, cpu ({state})')
    bare, whole = alone_arguments(bench, LLVM)
    runs = bench.runs(11 if idle else 21)
    results = measured(bench, bare, idle, runs)
    show(bench, 'without init functions', results, state, ratio_at_least=1.25, want=2)
    glibc, umod = figures(results)
    if idle and glibc and umod:
        bench.report.check('third quartile of umod, median of glibc',
                           f'{umod.high / 1e6:.2f} <= {glibc.median / 1e6:.2f} ms',
                           umod.high <= glibc.median, 'below', state)
    if not idle:
        show(bench, 'with init functions', measured(bench, whole, idle, runs), state)


def symbols(bench, idle):
    state = IDLE if idle else BUSY
    bench.report.title('2. 200 generated libraries, 100,000 symbolic relocations, cpu '
                       f'({state})')
    for kind, name, least in (('short', generate.short_name, 3),
                              ('long', generate.long_name, 2.5)):
        folder = generate.symbol_tree(bench.inputs / f'tree-{kind}', name)
        last = folder / f'libtree{generate.LIBRARIES - 1:03d}.so'
        results = measured(bench, [last], idle, bench.runs(7 if idle else 15))
        label = 'short names' if kind == 'short' else '205-character names'
        show(bench, label, results, state, ratio_at_least=least)


def trees(bench, idle):
    state = IDLE if idle else BUSY
    bench.report.title(f'3. Whole trees of real libraries, cpu ({state})')
    for soname, least in TREES[:1] if bench.quick else TREES:
        if not installed(soname):
            bench.report.note(f'{soname} is not installed')
            continue
        copy = bare_tree(bench, soname)
        runs = bench.runs(7 if idle else 15)
        results = measured(bench, [copy], idle, runs,
                           {'LD_LIBRARY_PATH': str(copy.parent)})
        show(bench, f'{soname}, no init', results, state, ratio_at_least=least)
        if not idle:
            results = measured(bench, [soname], idle, runs)
            show(bench, f'{soname}, with init', results, state)


def alone(bench, idle):
    state = IDLE if idle else BUSY
    bench.report.title('4. Libraries alone, their dependencies loaded before, no init, '
                       f'cpu ({state})')
    ratios = {}
    for soname in QUICK_ALONE if bench.quick else ALONE:
        if not installed(soname):
            bench.report.note(f'{soname} is not installed')
            continue
        bare, whole = alone_arguments(bench, soname)
        runs = bench.runs(5 if idle else 15)
        results = measured(bench, bare, idle, runs)
        ratio = show(bench, soname, results, state, ratio_at_least=SAME)
        if ratio:
            ratios[soname] = ratio
        if not idle:
            show(bench, '    with init functions', measured(bench, whole, idle, runs),
                 state)
    if not ratios:
        return
    mean, worst = geometric_mean(ratios.values()), min(ratios, key=ratios.get)
    bench.report.check(f'geometric mean of {len(ratios)} libraries', f'{mean:.2f}x',
                       mean >= 1.6, '>= 1.6x', state)
    bench.report.check('none slower', f'{worst} {ratios[worst]:.2f}x',
                       ratios[worst] >= SAME, f'>= {SAME}x', state)
