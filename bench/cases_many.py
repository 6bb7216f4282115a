# SPDX-License-Identifier: MIT
"""Many small things: plugins by the thousand, namespaces, look-ups, calls."""
import mmap
import os
import pathlib

import generate
from cases_load import BUSY, IDLE, LLVM, figures, installed, measured, show, told
from measure import Failed, Figure, figure, run, series

MAP_COUNT = pathlib.Path('/proc/sys/vm/max_map_count')
FLAT = 1.5  # the last tenth may cost so many times the first


def both(bench, arguments, runs, idle=False, warm=True):
    return series({loader: ([program, *arguments], None)
                   for loader, program in bench.programs.items()}, runs, idle, warm)


def each(results, keys):
    """Medians of several keys of a loader's runs, or None."""
    found = [figure(results, key) for key in keys]
    return [one.median for one in found] if all(found) else None


def plugins(bench, idle):
    state = IDLE if idle else BUSY
    count = 500 if bench.quick else 10000
    folder = generate.plugins(bench.inputs / f'plugins-{count}', count)
    bench.report.title(f'6, 8. {count:,} plugins of 14 kB, cpu ({state})')
    results = both(bench, ['plugins', folder, count], bench.runs(3 if idle else 5), idle)
    told(bench, 'plugins', results)
    for what, least in (('open', 3), ('close', 6)):
        bench.report.line(f'{what} all', *figures(results, f'{what}_ns'), state=state,
                          ratio_at_least=least)
        for part in ('first', 'last'):
            bench.report.line(f'    {what}, each of the {part} tenth',
                              *figures(results, f'{what}_{part}_ns'), state=state)
        ends = each(results.get('umod'), [f'{what}_first_ns', f'{what}_last_ns'])
        if ends:
            bench.report.check(f'    {what}, umod, dearer of first and last tenth',
                               f'{max(ends) / min(ends):.2f} times the other',
                               max(ends) <= FLAT * min(ends), f'<= {FLAT}', state)
    for key, name, unit in (('mappings', 'mappings', ''),
                            ('private_dirty_kb', 'private dirty', 'kB'),
                            ('mappings_left', 'mappings left after closing', '')):
        bench.report.line(name, *figures(results, key), unit=unit, state=state)


def limit_of_mappings(bench, wanted):
    """Raises vm.max_map_count if that was asked for; what it was, to put it back."""
    before = int(MAP_COUNT.read_text())
    if bench.raise_map_count and os.geteuid() == 0 and before < wanted:
        MAP_COUNT.write_text(str(wanted))
        return before
    return None


def warm_memory(wanted_bytes):
    """A virtual machine's host may have taken back idle memory: the first to touch it
    then pays several times the usual for each page, whoever that is."""
    free = os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    if free > 2 * wanted_bytes:
        with mmap.mmap(-1, wanted_bytes) as memory:
            for at in range(0, wanted_bytes, 4096):
                memory[at] = 1


def crowd(bench, idle):
    """How many plugins can be open at once."""
    if idle or bench.quick:
        return
    bench.report.title('6. 100,000 plugins open at once')
    folder = generate.plugins(bench.inputs / 'plugins-100000', 100000)
    bench.report.note(f'vm.max_map_count is {MAP_COUNT.read_text().strip()}')
    before = limit_of_mappings(bench, 300000)
    try:
        for loader, program in bench.programs.items():
            # glibc would take hours on the way there, if it did not stop.
            count = 100000 if loader == 'umod' else 14000
            warm_memory(3 << 30)
            values = run([program, 'plugins', folder, count, 'keep'])
            opened = int(values['opened'])
            bench.report.note(
                f'{loader}: {opened:,} opened, {int(values["mappings"]):,} mappings, '
                f'{values["open_ns"] / 1e6:.0f} ms' +
                (f'; then: {values["reason"]}' if 'reason' in values else ''))
            if loader == 'umod':
                bench.report.check('umod opens', f'{opened:,}', opened == count, '100,000')
                ends = [values['open_first_ns'], values['open_last_ns']]
            if loader == 'umod' and opened == count:
                bench.report.check('    last tenth against first, each',
                                   f'{ends[0] / 1e3:.1f} and {ends[1] / 1e3:.1f} µs',
                                   ends[1] <= FLAT * ends[0], f'<= {FLAT} times')
    except Failed as why:
        bench.report.failed('100,000 plugins', why)
    finally:
        if before is not None:
            MAP_COUNT.write_text(str(before))


def spaces(bench, idle):
    if idle:
        return
    small = generate.small(bench.inputs / 'small')
    plugin = small / 'plugin.so'
    bench.report.title('9. Namespaces, each a plugin with a private dependency, cpu')
    # glibc ends at about a dozen: what each of those cost stands beside.
    results = both(bench, ['spaces', plugin, 1000], bench.runs(7))
    told(bench, 'namespaces', results)
    umod = figure(results.get('umod'), 'open_ns')
    bench.report.line('1,000 made, loaded and called', None, umod, at_most=80e6)
    bench.report.line('    each', *figures(results, 'each_ns'))
    bench.report.line('    mappings each', *figures(results, 'mappings_each'), unit='',
                      at_most=10)
    bench.report.line('    private dirty each', *figures(results, 'private_dirty_kb_each'),
                      unit='kB', at_most=40)
    bench.report.line('    closed, all', *figures(results, 'close_ns'))
    for loader, one in results.items():
        if not isinstance(one, Failed) and 'reason' in one[0]:
            bench.report.note(f'{loader}: ends after {one[0]["opened"]:.0f}: '
                              f'{one[0]["reason"]}')
    if bench.quick or 'umod' not in bench.programs:
        return
    try:
        values = run([bench.programs['umod'], 'spaces', plugin, 10000])
    except Failed as why:
        bench.report.failed('10,000 namespaces', why)
        return
    bench.report.check('10,000 namespaces', f'{values["opened"]:.0f} in '
                       f'{values["open_ns"] / 1e6:.0f} ms', values['opened'] == 10000,
                       '10,000')
    bench.report.check('    mappings each', f'{values["mappings_each"]:.2f}',
                       values['mappings_each'] <= 6, '<= 6')
    if 'reason' in values:
        bench.report.note(f'umod: {values["reason"]}')


def by_name(bench, small, plugins_folder, count):
    lookup, runs = small / 'lookup.so', bench.runs(7)
    bench.report.title('10, 11. Look-ups by name, wall, hot')
    for threads, least in ((1, 2), (2, 10), (4, 10)):
        results = both(bench, ['handle', lookup, threads], runs)
        told(bench, 'by handle', results)
        bench.report.line(f'by handle, {threads} thread{"s" * (threads > 1)}, each',
                          *figures(results, 'handle_ns'), ratio_at_least=least)
    results = both(bench, ['handle', lookup, 1, plugins_folder / 'p00000.so'], runs)
    told(bench, 'by handle while loading', results)
    bench.report.line('by handle, another thread loads and unloads',
                      *figures(results, 'handle_ns'))
    medians = []
    for some in sorted({min(count, 500), count}):
        results = both(bench, ['global', plugins_folder, some], bench.runs(3))
        told(bench, 'global', results)
        for key, where in (('last', 'the last'), ('nowhere', 'none')):
            bench.report.line(f'global, {some:,} plugins, in {where}',
                              *figures(results, f'{key}_ns'), at_most=200)
        bench.report.line(f'global, {some:,} plugins, in libc',
                          *figures(results, 'libc_ns'))
        found = each(results.get('umod'), ['last_ns', 'nowhere_ns'])
        medians += [found] if found else []
    if len(medians) == 2:
        worst = max(b / a for a, b in zip(*medians))
        bench.report.check(f'global, {count:,} against {min(count, 500):,} plugins',
                           f'{worst:.2f} times', worst <= 2, 'flat: <= 2')


def by_address(bench, plugins_folder, count):
    bench.report.title('12. Look-ups by address, wall, hot')
    if installed(LLVM):
        results = both(bench, ['symbols', LLVM, 'LLVMContextCreate'], bench.runs(7))
        told(bench, 'symbols', results)
        bench.report.line('symbol, in libLLVM-14', *figures(results, 'large_ns'),
                          at_most=100)
        bench.report.line('symbol, in libLLVM-14, 1,000 addresses in turn',
                          *figures(results, 'scattered_ns'))
        bench.report.line('symbol, in libc', *figures(results, 'libc_ns'), at_most=60)
        bench.report.line('    first, in libLLVM-14 (umod makes its index)',
                          *figures(results, 'large_first_ns'))
        bench.report.line('    first, in libc', *figures(results, 'libc_first_ns'))
    for some in sorted({min(count, 500), count}):
        results = both(bench, ['modules', plugins_folder, some], bench.runs(3))
        told(bench, 'modules', results)
        bench.report.line(f'module, last of {some:,} (_dl_find_object)',
                          *figures(results, 'module_ns'), at_most=15)
        bench.report.line(f'symbol, last of {some:,}', *figures(results, 'symbol_ns'))


def lookups(bench, idle):
    if idle:
        return
    count = 500 if bench.quick else 10000
    folder = generate.plugins(bench.inputs / f'plugins-{count}', count)
    by_name(bench, generate.small(bench.inputs / 'small'), folder, count)
    by_address(bench, folder, count)


def others(bench, idle):
    if idle:
        return
    small = generate.small(bench.inputs / 'small')
    count = 500 if bench.quick else 10000
    folder = generate.plugins(bench.inputs / f'plugins-{count}', count)
    bench.report.title('Others')
    for some in sorted({1, 500, count}):
        results = both(bench, ['reopen', folder, some], bench.runs(3))
        told(bench, 'reopen', results)
        bench.report.line(f'open again and close, {some:,} open, cpu',
                          *figures(results, 'reopen_ns'))
    results = measured(bench, ['libz.so.1'], False, bench.runs(31))
    show(bench, 'libz.so.1, with init, cpu', results, BUSY)
    results = both(bench, ['call', small / 'calls.so'], bench.runs(5))
    told(bench, 'calls', results)
    for kind, name in (('plt', 'by PLT'), ('got', 'by GOT'), ('direct', 'direct')):
        bench.report.line(f'a call from a module, {name}', *figures(results, f'{kind}_ns'))


def context(bench, idle):
    """What making a context costs, apart from every load."""
    if idle or 'umod' not in bench.programs:
        return
    results = series({'umod': ([bench.programs['umod'], 'load', 'libz.so.1'], None)},
                     bench.runs(31))
    if told(bench, 'context', results):
        bench.report.title('Making a context, cpu')
        bench.report.line('umod_context_new', None,
                          Figure([one['context_ns'] for one in results['umod']]))
