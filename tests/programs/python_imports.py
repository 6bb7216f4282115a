# SPDX-License-Identifier: MIT
"""Run by python.py: imports the modules that it is told and prints what each offers."""
import importlib
import sys
import types

for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except BaseException as error: # also what a module raises by mistake
        print(name, 'fails:', type(error).__name__, error)
        continue
    kinds = [f'{key}:{type(value).__name__}' for key, value in sorted(vars(module).items())
             if not isinstance(value, types.ModuleType) and key != '__builtins__']
    print(name, getattr(module, '__file__', 'built in'), *kinds)
