# SPDX-License-Identifier: MIT
"""Keeps the lines of a run, judges them against their targets and prints them."""
import json
import math


def amount(value, unit):
    """Three digits, in a unit that a person reads."""
    if unit == 'ns':
        for unit in ('ns', 'µs', 'ms', 's'):
            if abs(value) < 999.5 or unit == 's':
                break
            value /= 1000
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f'{value:.{digits}f} {unit}'.strip()


def spread(figure, unit):
    if figure is None:
        return '-'
    text = amount(figure.median, unit)
    if len(figure.values) > 1:
        low, high = amount(figure.low, unit), amount(figure.high, unit)
        text += f' [{low.split()[0]}-{high}]' if low.split()[1:] != high.split()[1:] \
            else f' [{low.split()[0]}-{high.split()[0]}]'
    return text


class Report:
    HEAD = ('', 'glibc', 'umod', 'ratio', 'target', '')
    WIDTHS = (46, 25, 25, 7, 15, 6)

    def __init__(self):
        self.lines, self.failures = [], []

    def row(self, cells):
        print('  '.join(str(c).ljust(w) for c, w in zip(cells, self.WIDTHS)).rstrip(),
              flush=True)

    def title(self, text, other='glibc'):
        print(f'\n{text}')
        self.row((self.HEAD[0], other, *self.HEAD[2:]))

    def note(self, text):
        print(f'    {text}', flush=True)

    def failed(self, name, why):
        self.failures.append({'name': name, 'why': str(why)})
        self.note(f'{name}: NOT MEASURED: {why}')

    def line(self, name, glibc=None, umod=None, *, unit='ns', state='', ratio_at_least=None,
             want=None, at_most=None):
        """One quantity of both loaders. @ratio_at_least: glibc / umod; @want: what one
        would like of it; @at_most: of umod's median, in @unit."""
        ratio = glibc.median / umod.median if glibc and umod and umod.median > 0 else None
        target, met = '', None
        if ratio_at_least is not None:
            target = f'>= {ratio_at_least:g}x' + (f' ({want:g}x)' if want else '')
            met = ratio >= ratio_at_least if ratio is not None else None
        if at_most is not None:
            target = f'<= {amount(at_most, unit)}'
            met = umod.median <= at_most if umod else None
        self.lines.append({'name': name, 'state': state, 'unit': unit, 'target': target,
                           'glibc': glibc.json() if glibc else None,
                           'umod': umod.json() if umod else None,
                           'ratio': ratio, 'met': met})
        self.row((name, spread(glibc, unit), spread(umod, unit),
                  f'{ratio:.2f}x' if ratio else '', target,
                  '' if met is None else 'met' if met else 'MISSED'))
        return ratio

    def check(self, name, value, met, target, state=''):
        """A judgement on figures already shown."""
        self.lines.append({'name': name, 'state': state, 'value': value,
                           'target': target, 'met': met})
        self.row((name, '', value, '', target, 'met' if met else 'MISSED'))

    def summary(self):
        judged = [line for line in self.lines if line['met'] is not None]
        missed = [line for line in judged if not line['met']]
        print(f'\n{len(judged) - len(missed)} of {len(judged)} targets met')
        for line in missed:
            state = f' ({line["state"]})' if line['state'] else ''
            print(f'  missed: {line["name"]}{state}: {line["target"]}')
        for failure in self.failures:
            print(f'  not measured: {failure["name"]}: {failure["why"]}')

    def write(self, path):
        with open(path, 'w', encoding='utf-8') as file:
            json.dump({'lines': self.lines, 'failures': self.failures}, file, indent=1)


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))
