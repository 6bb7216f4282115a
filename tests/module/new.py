#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""new.py UMOD BUILD-FOLDER: what `umod new` writes builds with each tool, against an
installed umod alone, and by the one command that its README tells; mistakes are told."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

UMOD, BUILD = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
number = 0
failed = False


def report(name, problems, skip=''):
    global number, failed
    number += 1
    for line in problems:
        print('#', line)
    failed |= bool(problems)
    print(f'{"not ok" if problems else "ok"} {number} - {name}{skip}', flush=True)


def run(*words, cwd=None, check=True):
    out = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True)
    if check and out.returncode:
        raise RuntimeError(f'{" ".join(map(str, words))}: {out.stdout}{out.stderr}')
    return out


def judge(path, name):
    text = run(UMOD, 'modinfo', path).stdout
    return [f'{path}: {line} is missing' for line in (
        f'name:           {name}', 'license:        MIT', f'export:         {name}_level',
        'parm:           level:how much it tells (int)') if line not in text]


def build(tool, folder):
    """Builds in @folder and returns where the outcome is."""
    if tool == 'make':
        run('make', 'all', cwd=folder)
        return folder
    if tool == 'meson':
        run('meson', 'setup', 'build', cwd=folder)
        run('ninja', '-C', 'build', cwd=folder)
    else:
        run('cmake', '-B', 'build', cwd=folder)
        run('cmake', '--build', 'build', cwd=folder)
    return folder / 'build'


def built(root):
    for tool in ('meson', 'cmake', 'make'):
        for language, suffix in (('c', '.c'), ('c++', '.cc')):
            title = f'{tool}, {language}'
            if not shutil.which(tool):
                report(title, [], f' # SKIP there is no {tool}')
                continue
            folder = root / f'my-{tool}{suffix[1:]}'
            name = folder.name.replace('-', '_')
            problems = []
            try:
                out = run(UMOD, 'new', '--language', language, '--build', tool, folder)
                listed = sorted(pathlib.Path(p).name for p in out.stdout.splitlines())
                if listed != sorted(os.listdir(folder)) or len(listed) != 3:
                    problems.append(f'it names {listed}')
                where = build(tool, folder)
                problems += judge(where / f'{name}.o', name)
                problems += judge(where / f'{name}.so', name)
                readme = (folder / 'README.md').read_text()
                command = readme.partition('build without that | `')[2].partition('`')[0]
                alone = root / f'alone-{folder.name}'
                alone.mkdir()
                shutil.copy(folder / f'{name}{suffix}', alone)
                run('sh', '-c', command, cwd=alone)
                problems += judge(alone / f'{name}.o', name)
                text = ''.join((folder / path).read_text() for path in listed)
                for fine in ('@OUTPUT@', '@INPUT@', '$@'):
                    text = text.replace(fine, '')
                if '@' in text:
                    problems.append('a word between @ was left')
            except RuntimeError as error:
                problems += str(error).splitlines()
            report(title, problems)


def mistaken(root):
    (root / 'there').mkdir()
    for words, status, message in (
            (['there'], 1, 'File exists'), (['9lives'], 1, 'no digit first'),
            (['a.b'], 1, 'no name for a module'), (['x' * 56], 1, '1 to 55'),
            (['a/b/c'], 1, 'No such file'), ([], 2, 'one name'), (['a', 'b'], 2, 'one name'),
            (['--build', 'ant', 'a'], 2, 'meson, cmake or make'),
            (['--language', 'D', 'a'], 2, 'c or c++')):
        out = run(UMOD, 'new', *words, cwd=root, check=False)
        good = out.returncode == status and message in out.stderr
        report(f'new {" ".join(words)[:30]}', [] if good else [out.stderr])
    report('nothing was written', [] if not os.listdir(root / 'there') else ['it was'])


def main():
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        stage = root / 'stage'
        run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', stage)
        prefix = next(stage.rglob('share/umod')).parent.parent
        os.environ['PKG_CONFIG_PATH'] = str(next(stage.rglob('umod.pc')).parent)
        os.environ['PKG_CONFIG_SYSROOT_DIR'] = str(stage)
        os.environ['CMAKE_PREFIX_PATH'] = str(prefix)
        for variable in ('CFLAGS', 'CXXFLAGS', 'LDFLAGS', 'CC', 'CXX'):
            os.environ.pop(variable, None)
        built(root)
        mistaken(root)
    print(f'1..{number}')
    sys.exit(failed)


if __name__ == '__main__':
    main()
