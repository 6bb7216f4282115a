# SPDX-License-Identifier: MIT
"""Run by python.py: runs test modules and writes the outcome of each test to a file:
python_suite.py FILE FOLDER-OF-MORE-TESTS MODULE..."""
import json
import pathlib
import sys
import unittest

import test
import test.support


class Outcomes(unittest.TextTestResult):
    """Keeps one word for each test and subtest."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.outcomes = {}

    def keep(self, case, outcome):
        key = name = str(case.id())
        count = 1
        while key in self.outcomes: # some ids come twice
            count += 1
            key = f'{name} ({count})'
        self.outcomes[key] = outcome

    def addSuccess(self, case):
        super().addSuccess(case)
        self.keep(case, 'ok')

    def addError(self, case, error):
        super().addError(case, error)
        self.keep(case, f'error {error[0].__name__}')

    def addFailure(self, case, error):
        super().addFailure(case, error)
        self.keep(case, 'failure')

    def addSkip(self, case, reason):
        super().addSkip(case, reason)
        self.keep(case, 'skip')

    def addExpectedFailure(self, case, error):
        super().addExpectedFailure(case, error)
        self.keep(case, 'expected failure')

    def addUnexpectedSuccess(self, case):
        super().addUnexpectedSuccess(case)
        self.keep(case, 'unexpected success')

    def addSubTest(self, case, subtest, error):
        super().addSubTest(case, subtest, error)
        if error:
            self.keep(subtest, 'subtest failed')


def modules(name, more):
    """A package that stands in @more is no part of Python's own folder, where it would
    look for its modules; so they are named."""
    package = pathlib.Path(more, name.rpartition('.')[2])
    return [f'{name}.{path.stem}' for path in sorted(package.glob('test_*.py'))] or [name]


def main():
    out, more, *names = sys.argv[1:]
    test.__path__.append(more)
    names = [module for name in names for module in modules(name, more)]
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(resultclass=Outcomes, verbosity=0).run(suite)
    print(f'{", ".join(names)}: {result.testsRun} run, {len(result.skipped)} skipped, '
          f'{len(result.failures)} failures, {len(result.errors)} errors')
    with open(out, 'w', encoding='utf-8') as file:
        json.dump({'run': result.testsRun, 'outcomes': result.outcomes}, file)


main()
