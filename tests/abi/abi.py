#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What changes the version of a symbol and what does not; texts; refusals.

abi.py TOOL LIBRARY: LIBRARY is a large one with debug information, libumod.
"""
import shutil
import sys

from common import *

tap = Tap()

# Each of the words in braces is a place where a variant may put something else.
C = '''
{first}
enum {tag} {{ RED = {red}, GREEN }};
typedef {word} word_t;
struct leaf {{ {leaf} }};
struct middle {{ {middle} }};
struct top {{ {top} }};
union both {{ int i; {union} }};
struct node {{ struct node *next, *previous; struct pair *pair; }};
struct pair {{ struct node a, b; }};
struct hidden;
{ret} deep({param}struct top *t, {const}char *s) {{ return 0; }}
int paint(enum {tag} c, word_t w, union both b) {{ return (int)w; }}
struct node *list(struct node *n, struct hidden *h) {{ return n; }}
{variable};
int many(const char *format, {many}) {{ return 0; }}
int call({callback}) {{ return 0; }}
{last}
'''
PLAIN = {
    'first': '', 'tag': 'colour', 'red': '0', 'word': 'unsigned int',
    'leaf': 'int a; long b; unsigned f : 3, g : 5; char tail[];',
    'middle': 'struct leaf *leaf; struct { int x; union { int p; float q; }; } in;',
    'top': 'const struct middle *middle; short n[4][2];', 'union': 'float f;',
    'ret': 'int', 'param': '', 'const': 'const ', 'variable': 'struct top table[2]',
    'many': '...', 'callback': 'int (*back)(void *, struct leaf *)', 'last': ''}
SYMBOLS = {'deep', 'paint', 'list', 'table', 'many', 'call'}


def source(**changes):
    return C.format(**{**PLAIN, **changes})


def base():
    return crcs(compile(source()))


def test_changes(plain):
    """A change of a type changes those symbols that reach it, and no other."""
    through = {'deep', 'table'}
    leaf = PLAIN['leaf']
    cases = [
        ('a member added, three pointers deep', {'leaf': 'int z; ' + leaf}, through | {'call'}),
        ('members reordered', {'leaf': leaf.replace('int a; long b;', 'long b; int a;')},
         through | {'call'}),
        ('a member renamed', {'leaf': leaf.replace('int a', 'int aa')}, through | {'call'}),
        ('a member widened', {'leaf': leaf.replace('int a', 'long a')}, through | {'call'}),
        ('a member of another sign', {'leaf': leaf.replace('int a', 'unsigned a')},
         through | {'call'}),
        ('a bit-field widened', {'leaf': leaf.replace('f : 3', 'f : 4')},
         through | {'call'}),
        ('a flexible array gone', {'leaf': leaf.replace('char tail[];', '')},
         through | {'call'}),
        ('a member in an anonymous union', {'middle': PLAIN['middle'].replace('float q',
                                                                              'double q')},
         through),
        ('a pointer to const dropped', {'top': PLAIN['top'].replace('const ', '')}, through),
        ('a pointer to volatile', {'top': PLAIN['top'].replace('const', 'volatile')},
         through),
        ('an array of another size', {'top': PLAIN['top'].replace('[4]', '[3]')}, through),
        ('dimensions swapped', {'top': PLAIN['top'].replace('[4][2]', '[2][4]')}, through),
        ('an enumerator of another value', {'red': '2'}, {'paint'}),
        ('an enum of another name', {'tag': 'color'}, {'paint'}),
        ('a typedef of another type', {'word': 'unsigned long'}, {'paint'}),
        ('a typedef through another', {'first': 'typedef unsigned int uint_t;',
                                       'word': 'uint_t'}, {'paint'}),
        ('a member of a union', {'union': 'float g;'}, {'paint'}),
        ('a return type', {'ret': 'long'}, {'deep'}),
        ('a parameter more', {'param': 'int more, '}, {'deep'}),
        ('a parameter of another qualifier', {'const': ''}, {'deep'}),
        ('a variable of another size', {'variable': 'struct top table[3]'}, {'table'}),
        ('a const variable', {'variable': 'const struct top table[2] = {}'}, {'table'}),
        ('variable arguments', {'many': 'int n'}, {'many'}),
        ('a parameter of a callback', {'callback': 'int (*back)(char *, struct leaf *)'},
         {'call'}),
        ('a type that was hidden', {'first': 'struct hidden { int h; };'}, {'list'}),
        ('an alignment', {'leaf': leaf.replace('long b', '_Alignas(64) long b')},
         through | {'call'}),
    ]
    for name, change, want in cases:
        for compiler in (GCC, CLANG):
            now = crcs(compile(source(**change), compiler=compiler))
            changed = {s for s in SYMBOLS if now.get(s) != plain[s]}
            tap.check(changed == want, f'{compiler}: {name}', f'{changed}, not {want}')


def test_harmless(plain):
    extra = 'struct unrelated { int u; }; int other(struct unrelated *u) { return u->u; }'
    cases = [
        ('unrelated declarations before', {'first': extra}),
        ('unrelated declarations behind', {'last': extra}),
        ('comments and lines', {'first': '#line 77 "elsewhere.c"\n/* a comment */\n\n'}),
        ('parameters renamed', {'callback': 'int (*fn)(void *data, struct leaf *l)'}),
        ('a const parameter', {'callback': 'int (*const back)(void *, struct leaf *)'}),
        ('a static function', {'last': 'static int list2(void) { return 1; }'
                                       'int use(void) { return list2(); }'}),
        ('types in another order', {'first': 'struct pair; struct node; struct pair *pp;'
                                             'struct top; extern struct top *q;'}),
        ('declared before', {'first': 'struct top; int deep(struct top *, const char *);'}),
    ]
    for name, change in cases:
        for compiler in (GCC, CLANG):
            now = crcs(compile(source(**change), compiler=compiler))
            changed = {s for s in SYMBOLS if now.get(s) != plain[s]}
            tap.check(not changed, f'{compiler}: harmless: {name}', changed)
    path = compile(source().replace('struct hidden *h) {', 'struct hidden *h) { n++;'))
    tap.check(crcs(path)['list'] == plain['list'], 'harmless: another function body')
    a = crcs(compile('int f(int a[4], int g(int)) { return 0; }'))
    b = crcs(compile('int f(int *a, int (*g)(int)) { return 0; }'))
    tap.check(a == b, 'harmless: parameters that decay')


def test_compilers(plain):
    """The same version, whatever the compiler, its options and the linker did."""
    for compiler in (GCC, CLANG):
        for flags in ('-O0', '-O1', '-O2', '-O3', '-Os', '-gdwarf-4', '-gdwarf-5',
                      '-gz -O1', '-g3', '-gdwarf-4 -O2', '-fPIC', '-fno-common',
                      '-O2 -ffunction-sections'):
            now = crcs(compile(source(), compiler=compiler,
                               flags=('-g', *flags.split(), '-c')))
            tap.same(now, plain, f'{compiler} {flags}')
        for flags in ('', '-O2 -Wl,--gc-sections', '-gz', '-gdwarf-4',
                      '-fdebug-types-section', '-O2 -s'):
            path = compile(source(), 'x.so', compiler,
                           ('-g', '-fPIC', '-shared', *flags.split()))
            now = crcs(path, '--json')
            if '-s' in flags.split():
                tap.check('no debug information' in now.get('error', ''),
                          f'{compiler} -shared {flags}: told', now)
            else:
                tap.same(now, plain, f'{compiler} -shared {flags}')
    path = compile(source(), 'x.so', GCC, ('-g', '-O2', '-flto', '-fPIC', '-shared'))
    tap.same(crcs(path, '--json'), plain, 'gcc -flto')
    # Two objects, linked together and each in one section for each function.
    compile('int second(struct top *t) { return t != 0; }', 'y.o',
            flags=('-g', '-c'))
    path = compile(source(), 'x.o')
    run('ld', '-r', '-o', ROOT / 'r.o', path, ROOT / 'y.o')
    now = crcs(ROOT / 'r.o')
    tap.check({s: now.get(s) for s in SYMBOLS} == plain and 'second' in now, 'ld -r', now)


TRICKY = '''
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <complex.h>
typedef const int three[3];
extern int growing[];
int growing[4] = { 1 };
const int grid[2][3] = { { 1 } };
three constants;
enum sign { MINUS = -1, PLUS = 3 };
enum large { FEW = 255, MANY = 0x80000000u };
typedef int vector __attribute__((vector_size(16)));
struct aligned { _Alignas(32) char c; } aligned;
struct cache { int x; } __attribute__((aligned(64))) cache;
struct __attribute__((packed)) packed { char c; int i; long l : 40; int z : 20; } packed;
struct empty { int n; int zero[0]; } ;
_Atomic int atomic;
_Thread_local int local;
char f1(const int x, int *restrict p, bool b, long double ld, double complex c,
	unsigned long long u, size_t s) { return 0; }
const char f2(enum sign e, enum large u) { return 0; }
int f3() { return 0; }
int f4(const char *f, ...) { va_list ap; va_start(ap, f); va_end(ap); return 0; }
int f5(const char *f, va_list ap) { return 0; }
void f6(int n, int a[n][n], struct empty *const *p, volatile struct empty *v) {}
int (*f7(int (*cb)(void *, int (*)[4]), int (*old)()))(int) { return 0; }
vector f8(vector x) { return x; }
__int128 f9(unsigned __int128 x, __float128 q, unsigned char c, signed char s, short h)
{ return x; }
int f10(three a, void fn(int)) { return 0; }
int real(struct empty *e) { return 1; }
int alias(struct empty *e) __attribute__((alias("real")));
static int inner(const char *s) { return 2; }
int outer(const char *s) __attribute__((alias("inner")));
'''


def test_tricky():
    want = crcs(compile(TRICKY))
    tap.check('error' not in want and None not in want.values(), 'tricky types', want)
    for compiler in (GCC, CLANG):
        for flags in ('-O0', '-O2', '-gdwarf-4', '-gdwarf-4 -O2'):
            now = crcs(compile(TRICKY, compiler=compiler,
                               flags=('-g', *flags.split(), '-c')))
            tap.same(now, want, f'{compiler} {flags}: tricky types')
    shared = compile(TRICKY, 'x.so', CLANG, ('-g', '-shared', '-fPIC'))
    tap.same(crcs(shared, '--json'), want, 'tricky types, shared')


DUMP = '''{crc}  deep
  int deep(struct top *, const char *)
  struct top 24 {{
  	0	const struct middle *middle
  	8	short n[4][2]
  }}
  struct middle 16 {{
  	0	struct leaf *leaf
  	8	struct 8 {{
  		0	int x
  		4	union 4 {{
  			0	int p
  			0	float q
  		}}
  	}} in
  }}
  struct leaf 24 {{
  	0	int a
  	8	long b
  	16.0	unsigned int f : 3
  	16.3	unsigned int g : 5
  	17	char tail[]
  }}
'''


def test_texts(plain):
    path = compile(source())
    out, err, code = text(abi('--dump', '--symbol=deep', path))
    tap.same(out, DUMP.format(crc=plain['deep']), '--dump')
    tap.check(not err and code == 0, '--dump: no complaint', err)
    body = ''.join(line[2:] + '\n' for line in out.splitlines()[1:])
    tap.same(f'0x{zlib.crc32(body.encode()):08x}', plain['deep'], 'the CRC is the text\'s')
    out, err, code = text(abi('--symbol', 'list', '--symbol', 'deep', path))
    tap.same(out, f'{plain["deep"]}  deep\n{plain["list"]}  list\n', '--symbol twice')
    out, err, code = text(abi('--dump', '--symbol=list', path))
    tap.check('  struct hidden;\n' in out, 'an incomplete type is a name', out)
    tap.check(out.count('struct node 24 {') == 1, 'a recursive type stands there once', out)
    value = json.loads(abi('--json', '--dump', '--symbol=deep', path).stdout)
    tap.check(value['module'] == 'x' and value['exports'][0]['crc'] == plain['deep'] and
              len(value['exports'][0]['types']) == 3, '--json --dump', value)
    out, err, code = text(abi('--all', path, path))
    tap.check(out.count(':\n') == 2 and code == 0, 'two files', out)


def test_diff():
    old = compile(source(), 'old.o')
    leaf = PLAIN['leaf'].replace('int a', 'long a')
    new = compile(source(leaf=leaf, const='', last='int fresh;', many='int n')
                  .replace('struct node *list', 'static struct node *list'), 'new.o')
    before, after = crcs(old), crcs(new)
    out, err, code = text(abi('--all', '--diff', old, new))
    tap.check(code == 1 and not err, '--diff: exit code', err)
    tap.check(f'changed  deep  {before["deep"]} {after["deep"]}\n'
              '  - int deep(struct top *, const char *)\n'
              '  + int deep(struct top *, char *)\n'
              '    struct leaf:\n'
              '    - \t0\tint a\n    + \t0\tlong a\n' in out, '--diff: a change', out)
    tap.check('removed  list\n  - struct node *list(struct node *, struct hidden *)\n' in out,
              '--diff: removed', out)
    tap.check('added    fresh\n  + int fresh\n' in out, '--diff: added', out)
    tap.check('paint' not in out, '--diff: what is the same is not told', out)
    value = json.loads(abi('--all', '--json', '--diff', old, new).stdout)
    tap.check([c['name'] for c in value['changed']] == ['call', 'deep', 'many', 'table'] and
              value['removed'] == ['list'] and value['added'] == ['fresh'], '--diff --json',
              value)
    out, err, code = text(abi('--all', '--diff', old, old))
    tap.check(code == 0 and not out, '--diff: none', out)
    abi('--all', '--symvers', ROOT / 'old.symvers', old)
    out, err, code = text(abi('--all', '--diff', ROOT / 'old.symvers', new))
    tap.check(code == 1 and 'changed  deep' in out and '- (not known)' in out,
              '--diff: with a Module.symvers', out + err)


CXX = '''
namespace lib {{ namespace {space} {{
struct Plain {{ int x; {plain} }};
{kind} Base {{ public: virtual ~Base(); virtual int {one}; virtual int {two};
	{method} {access} int data; }};
class Derived : {inherit} Base {{ public: int one(int) override; {derived} }};
template <typename T, int N> struct Box {{ T v[N]; {box} }};
Base::~Base() {{}}
int Base::one(int a) {{ return data; }}
int Base::two({arg}) {{ return 1; }}
int Derived::one(int a) {{ return 2; }}
int use(Derived {ref}d, Box<{param}, 3> *b, int Plain::*member)
{{ Plain p{{}}; return p.*member + b->v[0]; }}
}} }}
{last}
'''
CXX_PLAIN = {'space': 'v1', 'plain': '', 'kind': 'class', 'one': 'one(int)',
             'two': 'two(long)', 'method': '', 'access': 'public:', 'inherit': 'public',
             'derived': 'double d;', 'box': '', 'arg': 'long b', 'ref': '&', 'param': 'long',
             'last': ''}


def cxx(compiler, **changes):
    now = crcs(compile(CXX.format(**{**CXX_PLAIN, **changes}), compiler=compiler,
                       flags=('-g', '-c', '-std=c++17')))
    return {name: crc for name, crc in now.items() if 'use' in name}


def test_cxx():
    changes = [
        ('a virtual function added', {'derived': 'virtual int three(); double d;'}),
        ('virtual functions reordered', {'one': 'two(long)', 'two': 'one(int)'}),
        ('a virtual base', {'inherit': 'virtual'}),
        ('a member behind a base', {'access': 'public: long more;'}),
        ('a member of a template', {'box': 'T more;'}),
        ('an instance of another type', {'param': 'short'}),
        ('an rvalue reference', {'ref': '&&'}),
        ('another namespace', {'space': 'v2'}),
        ('a class of a pointer to member', {'plain': 'int y;'}),
    ]
    harmless = [
        ('a method', {'method': 'int plain_method() { return 3; }'}),
        ('a static member', {'method': 'static int count;'}),
        ('a class that was a struct', {'kind': 'struct'}),
        ('access', {'access': 'protected:', 'kind': 'class'}),
        ('unrelated code', {'last': 'namespace lib { struct Other {} o; }'}),
        ('a name of a parameter', {'arg': 'long renamed'}),
        ('a nested type', {'plain': 'struct Nested { int n; };'}),
    ]
    for compiler in (GXX, CLANGXX):
        plain = cxx(compiler)
        tap.check(len(plain) == 1, f'{compiler}: one symbol', plain)
        value = list(plain.values())
        for name, change in changes:
            now = list(cxx(compiler, **change).values())
            tap.check(len(now) == 1 and now != value and now[0], f'{compiler}: {name}', now)
        for name, change in harmless:
            now = list(cxx(compiler, **change).values())
            tap.check(now == value, f'{compiler}: harmless: {name}', (now, value))
    local = 'inline int g() { struct L { int v() { return 2; } }; int v = 1; return L().v(); }' \
        'int h() { return g(); }'
    for compiler in (GXX, CLANGXX):
        now = crcs(compile(local, compiler=compiler, flags=('-g', '-c')))
        tap.check(len(now) == 3 and all(now.values()), f'{compiler}: a local class', now)
    # A header of C that C++ uses too.
    function = 'int f(struct pod *p, bool b, void (*cb)(long long)) { return p->a; }'
    header = 'struct pod { int a; unsigned long b : 3; const char *c; };'
    a = crcs(compile('#include <stdbool.h>\n' + header + function))
    for compiler in (GXX, CLANGXX):
        b = crcs(compile(header + 'extern "C" ' + function, compiler=compiler))
        tap.same(b, a, f'{compiler}: what C has, C++ has')


def test_refusals():
    path = compile('int f(void) { return 0; }', flags=('-c',))
    out, err, code = text(abi('--all', path))
    tap.check(code == 1 and 'has no debug information' in err and 'compile with -g' in err,
              'without debug information', err)
    for compiler in (GCC, CLANG):
        for version in '45':
            path = compile('int f(int a) { return a; }', compiler=compiler,
                           flags=('-g', '-gsplit-dwarf', '-gdwarf-' + version, '-c'))
            out, err, code = text(abi('--all', path))
            tap.check(code == 1 and 'compile without -gsplit-dwarf' in err and not out,
                      f'{compiler} -gsplit-dwarf -gdwarf-{version}', err)
    path = compile(source())
    out, err, code = text(abi(path))
    tap.check(code == 1 and 'use --all' in err, 'an object that exports nothing', err)
    out, err, code = text(abi('--symbol=nothing', path))
    tap.same(err, 'umod abi: x.o: has no export nothing\n', 'an unknown symbol')
    out, err, code = text(abi('--all', ROOT / 'absent.o'))
    tap.check(code == 1 and 'No such file' in err, 'an absent file', err)
    (ROOT / 'text').write_text('text')
    out, err, code = text(abi('--all', ROOT / 'text'))
    tap.check(code == 1 and 'too short' in err or 'no ELF file' in err, 'no ELF file', err)
    run('xz', '-k', '-f', path)
    out, err, code = text(abi('--all', ROOT / 'x.o.xz'))
    tap.check(code == 1 and 'unpack it first' in err, 'a packed file', err)
    for arguments in ([], ['--with=x', path], ['--diff', path], ['--nonsense'],
                      ['--write', '--symbol=f', path], ['--diff', '--write', path, path]):
        out, err, code = text(abi(*arguments))
        tap.check(code == 2 and err, f'usage: {arguments[:1]}', err)
    path = compile('__asm__(".globl bare\\n.type bare,@function\\nbare: ret\\n");'
                   'int f(void) { return 0; }')
    out, err, code = text(abi('--all', path))
    tap.check(code == 1 and out.endswith('  f\n') and len(out.splitlines()) == 1 and
              'bare: debug information tells nothing of it' in err, 'assembler', err)
    declared = compile('int bare(long);\nint f(void) { return bare(1); }\n'
                       '__asm__(".globl bare\\n.type bare,@function\\nbare: ret\\n");')
    out, err, code = text(abi('--dump', '--symbol=bare', declared))
    tap.check(code == 0 and 'int bare(long)' in out, 'assembler with a declaration',
              out + err)


def test_extremes(library):
    for depth, want in ((150, 0), (300, 1)):
        kind = 'int'
        for _ in range(depth):
            kind = f'int (*p)({kind})'
        out, err, code = text(abi('--all', compile(f'int f({kind}) {{ return 0; }}',
                                                   flags=('-g', '-c'))))
        tap.check(code == want and ('nested too deeply' in err) == bool(want),
                  f'{depth} functions in one another', err)
    stars = '*' * 1000
    out, err, code = text(abi('--all', compile(f'int {stars}f;')))
    tap.check(code == 0, '1,000 pointers', err)
    nest = ''.join(f'struct s{i} {{ struct s{i + 1} *p; int a{i}; }};' for i in range(3000))
    path = compile(nest + 'int f(struct s0 *s) { return s->a0; }')
    out, err, code = text(abi('--dump', '--all', path))
    tap.check(code == 0 and 'int a2999' in out, 'a chain of 3,000 structs', err)
    inside = 'int x;'
    for i in range(240):
        inside = f'struct {{ {inside} }} m{i};'
    out, err, code = text(abi('--all', compile(
        f'struct outer {{ {inside} }}; int f(struct outer *o) {{ return 0; }}')))
    tap.check(code == 1 and 'nested too deeply' in err, '240 structs in one another', err)
    out, err, code = text(abi(library))
    lines = out.splitlines()
    tap.check(code == 0 and len(lines) > 50 and not err, 'libumod', err)
    done = abi('--all', TOOL)
    tap.check(done.returncode in (0, 1) and len(done.stdout.splitlines()) > 0,
              'a program', done.stderr[:500])


def test_dwz():
    """dwz moves types into partial units, also into those of another file."""
    if not shutil.which('dwz'):
        tap.check(True, 'dwz # SKIP no dwz')
        return
    includes = ''.join(f'#include <{name}.h>\n' for name in (
        'stdio', 'stdlib', 'pthread', 'signal', 'time', 'unistd', 'netdb', 'sys/stat'))
    body = 'int {}(FILE *f, pthread_attr_t *a, siginfo_t *i, struct tm *t, struct ' \
        'addrinfo *n, struct stat *s) {{ return 0; }}'
    paths = []
    for number in range(2):
        for part in range(3):
            compile(includes + body.format(f'f{number}{part}'), f'd{number}{part}.o',
                    flags=('-g', '-fPIC', '-c', '-gdwarf-4'))
        path = ROOT / f'd{number}.so'
        run(GCC, '-shared', '-o', path, *(ROOT / f'd{number}{p}.o' for p in range(3)))
        paths.append(path)
    want = [crcs(path, '--json') for path in paths]
    tap.check(all(len(set(w.values())) == 3 for w in want), 'dwz: versions before', want)
    done = run('dwz', '-m', ROOT / 'common.debug', *paths)
    tap.check(done.returncode == 0 and (ROOT / 'common.debug').exists() and
              '.gnu_debugaltlink' in sections(paths[0]), 'dwz works', done.stderr)
    tap.same([crcs(path, '--json') for path in paths], want, 'dwz: the same versions')


def main():
    plain = base()
    tap.check(set(plain) == SYMBOLS and None not in plain.values(), 'versions', plain)
    test_changes(plain)
    test_harmless(plain)
    test_compilers(plain)
    test_tricky()
    test_texts(plain)
    test_diff()
    test_cxx()
    test_refusals()
    test_extremes(sys.argv[2])
    test_dwz()
    tap.done()


main()
