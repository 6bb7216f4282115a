# SPDX-License-Identifier: MIT
"""Relocatable objects: one of 1,000 functions against LLVM's run-time linkers and against
ld and dlopen; and ten thousand small ones, the last hundred against an early one."""
import pathlib
import shutil
import subprocess

import generate
from measure import Failed, figure, series

HERE = pathlib.Path(__file__).resolve().parent
FUNCTION = 'object_0'
# A program that knows nothing of umod: how long ld and dlopen take together.
LINK = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
extern char **environ;
static double now(void)
{
	struct timespec t;
	struct rusage u;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	getrusage(RUSAGE_CHILDREN, &u);
	return (t.tv_sec + u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 + t.tv_nsec +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}
int main(int argc, char **argv)
{
	char *ld[] = { "ld", "-shared", "-o", argv[2], argv[1], 0 };
	double start = now();
	int status;
	pid_t pid;
	if (posix_spawnp(&pid, "ld", 0, 0, ld, environ) || waitpid(pid, &status, 0) != pid ||
		status)
		return 1;
	void *module = dlopen(argv[2], RTLD_NOW);
	void *function = module ? dlsym(module, "object_0") : 0;
	printf("cpu_ns %.6g\n", now() - start);
	return !function;
}
'''


def compile_cpp(source, output, *options):
    subprocess.run(['g++', '-O2', '-w', '-std=c++17', str(source), '-o', str(output),
                    *options], check=True)


def rivals(bench, path):
    """Label -> command, of those that can be built here."""
    folder = bench.inputs / 'object'
    source, program = folder / 'link.c', folder / 'link'
    source.write_text(LINK)
    subprocess.run(['gcc', '-O2', '-w', str(source), '-o', str(program)], check=True)
    found = {'ld and dlopen': ([program, path, folder / 'linked.so'], None)}
    config = shutil.which('llvm-config-14')
    if not config or not pathlib.Path('/usr/lib/llvm-14/include/llvm').exists():
        bench.report.note('no llvm-14-dev: LLVM is left out')
        return found
    jit = folder / 'object-jit'
    compile_cpp(HERE / 'object_jit.cpp', jit, '-I/usr/lib/llvm-14/include',
                '-L/usr/lib/llvm-14/lib', '-lLLVM-14')
    found['RuntimeDyld'] = ([jit, 'runtimedyld', path, FUNCTION], None)
    found['JITLink'] = ([jit, 'jitlink', path, FUNCTION], None)
    return found


def one(bench):
    path = generate.relocatable(bench.inputs / 'object') / 'functions.o'
    bench.report.title('13. A relocatable object of 1,000 functions and 10,000 relocations, '
                       'cpu')
    commands = rivals(bench, path)
    if 'umod' in bench.programs:
        commands['umod'] = ([bench.programs['umod'], 'load', path], None)
    results = series(commands, bench.runs(31))
    for label, result in results.items():
        if isinstance(result, Failed):
            bench.report.failed(label, result)
    umod = figure(results.get('umod'), 'cpu_ns')
    bench.report.line('umod', None, umod, at_most=0.6e6)
    others = {label: figure(results[label], 'cpu_ns') for label in commands
              if label != 'umod'}
    others = {label: value for label, value in others.items() if value}
    fastest = min(others, key=lambda label: others[label].median, default=None)
    for label, value in others.items():
        least = 13 if label == 'RuntimeDyld' else 10 if label == fastest else None
        bench.report.line(f'    against {label}', value, umod, ratio_at_least=least)


def many(bench):
    if 'umod' not in bench.programs:
        return
    count = 1000 if bench.quick else 10000
    folder = generate.modules(bench.inputs / f'modules-{count}', count)
    bench.report.title(f'13. {count:,} relocatable modules, wall')
    results = series({'umod': ([bench.programs['umod'], 'objects', folder, count],
                               None)}, bench.runs(5))
    if isinstance(results['umod'], Failed):
        bench.report.failed('modules', results['umod'])
        return
    for what in ('load', 'lookup', 'unload'):
        early = figure(results['umod'], f'{what}_early_ns')
        late = figure(results['umod'], f'{what}_late_ns')
        bench.report.line(f'    {what}, each of modules 100 to 200', None, early)
        bench.report.line(f'    {what}, each of the last hundred', None, late)
        ratio = late.median / early.median
        bench.report.check(f'    {what}, last hundred against 100 to 200',
                           f'{ratio:.2f} times', ratio <= 1.2, '<= 1.2')
    bench.report.line('    mappings', None, figure(results['umod'], 'mappings'), unit='')


def objects(bench, idle):
    if not idle:
        one(bench)
        many(bench)
