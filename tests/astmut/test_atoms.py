"""What is certain without the compiler is held against the compiler: valid, changed, and different from all others."""

from __future__ import annotations

import random
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import libcst as cst
import pytest
from whole import tree

import astmut
from astmut.cell import Cell
from astmut.check import Checker
from astmut.words import balance

Cases = list[tuple[list[astmut.Edit], int]]
STDLIB = Path(sysconfig.get_path("stdlib"))
NEW = ["q", "_q1", "match", "type", "_", "True", "None", "if", "lambda", "await", "__debug__", "print", "q.r", "q.None"]
NEW += ["None.q", "7", "07", "7.5", "1e5", "'7'", '"-7"', "b'7'", "''", "é", "q ", "(q)", "-1", ""]

PROGRAMS = [
    """def f(a, b=c, *d, e: g = h, **i) -> j:
    a.b.c = d.e(a, *b, k=c, **d)
    a[b], c[d:e:f] = a[b, c:d], -a
    a.b: c = d
    x: y[a] = z
    a += b
    for a.b in c(d).e: pass
    for f(a).b, c[g(d)] in e, f: continue
    with a as b, c.d as e.f, g(h)[i] as j[k(l)]: pass
    with (a, b): pass
    del a.b, c[d], f(a).b, (g, h[i])
    assert a, b
    raise a from b
    return a, *b
""",
    """def f():
    yield
    yield a
    yield from b
    global x
    x = a(b)
""",
    """def f():
    c = lambda a, b=d: a + b
    return [a for b in c if d for (e, f) in g(h)], {a: b for c, d in e}, {a for b in c}, (a(b) for b in c), h(a for b in c)
""",
    """async def f(a):
    async with a(b) as c: await d(e)
    async for x in y(z): await (yield a)
    x = [await a async for b in c], [a for b in await c]
""",
    """from __future__ import annotations
import a.b, c as d
from e.f import g
from . import h
'doc'
x: a.b = 'c'
""",
    "'doc'\nfrom __future__ import annotations\na('b')\n",
    """a = 'b' 'c', 'd'.e, 'f' .g, 1 .h, 1.5.i, ('j'
  'k'), (  # '
 'l').m, 'n'if'o'else'p', 1if 2else 3, 'q'[0], 'r'(1), -'s', b't', u'v', r'w', [1or 2], [not(f)(x)], [not-1]
print(a==1, a is'b', a<1, a in(f)(x), x if-1else(f)(y))
""",
    """x = f'{a!r:>{b}} {c=} {d("e")} {1}' 'f' "g"
y = f'{a}', 'b'
z = (f'{a}'
     'b')
""",
    """match a(b), c:
    case 'a' | 1 | -1 | 1+2j | b.c | D(1, f='g') | {'h': 2, 1: 3}: l(m)
    case D(e, f=[g, -1]), {'h': i, 1: j, **k}: l(m)
    case [n, *o] if p(q): r
match a:
    case None: pass
match(a)(b)
match.x(a)
""",
    """@a
@b.c(d)
class A(B, metaclass=c(d)):
    'doc'
    @property
    def x(self, y=z): return super().x(y)
    @x.setter
    def x(self): __class__, a(b)
    a, b = c(d), e
    if (f := g(h)) and (i := f) > 1: pass
    try: a(b)
    except c(d): e
    except (f, g) as h: i
""",
    """if a(b): pass
elif not c: pass
while -1: break
a; b(c); 'd'; 1; -2
f(a)(b)(c).d(e)[g(h)]
f()()
[a, b(c).d], (d, *e), = k = {f, g}, {h: i, **j}
a = b = c(d)
(a), (b(c)) , ((d))
print(*a, *b(c), **d, e=f)
x = a if b else c(d), a and b or not c, a < b == c, a @ b, ~a, a[b](c), a[b:c(d)]
f(
  a,  # c
  'b'
)
""",
    "x = fi(\ufb01) + \ufb01(é) + é\n",
    "class A:\n    x = a(b)\n    global y\n    y = x\n",
    "def f():\n    c = a\n    def g():\n        nonlocal c\n        c = a(c)\n",
    "def f(): return a((yield)), b((c := d))\n",
]
if sys.version_info >= (3, 11):
    PROGRAMS.append("try: a\nexcept* b(c): d\nx[*a(b)] = c[*d]\n")
if sys.version_info >= (3, 12):
    PROGRAMS.append(
        "type A[T: b(c)] = d(e)\ndef f[T: a](b: T, c=d) -> T: return x(f'{a('b')}')\nclass B[T](c(d)): e = f\n"
    )


def changes(source: astmut.Source) -> Iterator[tuple[list[astmut.Edit], int]]:
    """Something new in the place of every node, calls that are cut to their names, and names that change places."""
    for at, node in enumerate(source.nodes):
        span = source.span(node)
        yield from (([astmut.Edit(span, new)], at) for new in NEW)
        if isinstance(node, cst.Call):
            arguments = astmut.Edit(astmut.Span(source.outer(node.func).end, span.end), "")
            yield [arguments], at
            if isinstance(node.func, cst.Attribute):
                yield [astmut.Edit(astmut.Span(span.start, source.span(node.func.attr).start), ""), arguments], at
    for one, other in combinations(source.of_types([cst.Name]), 2):
        names = source.nodes[one], source.nodes[other]
        if source.code(names[0]) != source.code(names[1]):
            yield (
                [
                    astmut.Edit(source.span(name), source.code(new))
                    for name, new in zip(names, reversed(names), strict=True)
                ],
                0,
            )


def certain(checker: Checker, edits: Sequence[astmut.Edit], at: int) -> tuple[astmut.Span, ...]:
    region = checker.cells.region(edits[0].span.start, edits[-1].span.end)
    return () if region is None else checker._certain(edits, at, region)


def hold(text: str, some: Callable[[Cases], Cases] = list) -> int:
    """Compare what is certain about a text with the compiler's word; return how much of it there is."""
    source = astmut.Source(text)
    checker = Checker(source)
    seen: dict[str | None, tuple[astmut.Span, ...]] = {tree(text): ()}
    count = 0
    for edits, at in some(list(changes(source))):
        if places := certain(checker, edits, at):
            count += 1
            got = tree(source.text.splice(edits))
            case = f"{edits} at {source.text.position(edits[0].span.start)} of\n{text}"
            assert got is not None, f"not Python: {case}"
            assert seen.setdefault(got, places) == places, f"unchanged, or as another: {case}"
    return count


@pytest.mark.parametrize("text", PROGRAMS, ids=range(len(PROGRAMS)))
def test_what_is_certain_is_valid_and_new(text: str) -> None:
    assert hold(text) or "global" in text or "nonlocal" in text


@pytest.mark.parametrize("name", ["abc", "bisect", "copy", "fnmatch", "graphlib", "sched"])
def test_what_is_certain_is_valid_and_new_in_real_code(name: str) -> None:
    text = (STDLIB / f"{name}.py").read_text("utf-8")
    assert hold(text, lambda cases: random.Random(name).sample(cases, min(400, len(cases)))) > 5


# The last occurrence, between bars, and what is put in its place.
CERTAIN = [
    *(("f(|a|)\n", "b"), ("f(|a|)\n", "None"), ("|f|(a)\n", "b"), ("|a|.b = c\n", "d"), ("x = |a|, b\n", "b")),
    *(("x = |'a'|\n", "1"), ("x = |'a'|\n", "1.5"), ("x = |1|\n", "'1'"), ("x = |-1|\n", "'-1'")),
    *(("x = |f(a)|\n", "None"), ("x = |f.g(a)|\n", "f.g"), ("|f(a)|\n", "f"), ("@a\ndef f(): return |b|\n", "c")),
]
FOR_THE_COMPILER = [
    *(("|a|, b = c\n", "d"), ("for |a| in b: pass\n", "c"), ("del |a|\n", "b"), ("import |a|.b\n", "c")),
    *(("f(|a|=b)\n", "c"), ("f(|a|)\n", "if"), ("f(|a|)\n", "match"), ("f(|a|)\n", "a"), ("f(|a|)\n", "é")),
    *(
        ("f(|\ufb01|)\n", "fi"),
        ("f(|a|)\n", "b c"),
        ("x = |a|.b\n", "1"),
        ("x = |'a'|.b\n", "1"),
        ("x = 'b' |'a'|\n", "1"),
    ),
    *(("x = |'a'|\n", "01"), ("x = |1|\n", "b'1'"), ("x = f'{|a|}'\n", "b"), ("x = |f(a)|\n", "f.None")),
    *(("if x: return_ = 1if|'a'|else 2\n", "3"), ("def f():\n    global b\n    x = |a|\n", "b")),
    *(("match a:\n    case |1|: pass\n", "'1'"), ("match a:\n    case |b|.c: pass\n", "d")),
    ("'a'\n|'b'|\nfrom __future__ import annotations\n", "1"),
]


@pytest.mark.parametrize(("text", "new"), CERTAIN)
def test_what_is_certain(text: str, new: str) -> None:
    assert is_certain(text, new)


@pytest.mark.parametrize(("text", "new"), FOR_THE_COMPILER)
def test_what_is_left_to_the_compiler(text: str, new: str) -> None:
    assert not is_certain(text, new)


def is_certain(text: str, new: str) -> bool:
    checker, edit = made(text, new)
    numbers = range(len(checker.source.nodes))
    return any(certain(checker, [edit], at) for at in (-1, *numbers))


def made(text: str, new: str) -> tuple[Checker, astmut.Edit]:
    before, old, behind = text.split("|")
    source = astmut.Source(before + old + behind)
    return Checker(source), astmut.Edit(astmut.Span(len(before.encode()), len((before + old).encode())), new)


# One tree by two edits of one text, of which one at least is certain.
TWINS = [
    ("f(|a|)\n", "b", "f|(a)|\n", "(b)"),
    ("f(|a|)\n", "b", "f(|a|)\n", "(b)"),
    ("f(|a|)\n", "b", "|f(|a)\n", "f(b if 0 else "),
    ("x = |'a'|\n", "1", "x = |'a'|\n", "0x1"),
    ("x = |1|\n", "'1'", "x = |1|\n", "'' '1'"),
    ("x = |f(y)|\n", "f", "x = f|(y)|\n", ""),
    ("x = |f(y)|\n", "None", "x = |f(y)|\n", "(None)"),
    ("def f():\n    if a:\n        x = |b|\n", "c", "def f():\n    |if a:\n        x = b|\n", "if a: x = c"),
    ("class A:\n    x = |b|\n", "c", "class A:\n    |x = b|\n", "x = (c)"),
    ("def f():\n    x = |b|\n    y\n", "c", "def f():\n    x |= b|\n    y\n", "= c # "),
]


@pytest.mark.parametrize(("text", "new", "text_2", "new_2"), TWINS)
def test_what_is_certain_is_compared_with_what_is_compiled(
    monkeypatch: pytest.MonkeyPatch, text: str, new: str, text_2: str, new_2: str
) -> None:
    monkeypatch.setattr("astmut.check.SHORT_LINE", 0)
    checker, one = made(text, new)
    _, other = made(text_2, new_2)
    numbers = range(len(checker.source.nodes))
    at = next((number for number in numbers if certain(checker, [one], number)), -1)
    assert at >= 0
    expected = tree(checker.source.text.splice([one])) == tree(checker.source.text.splice([other]))
    for pair in ((one, at), (other, -1)), ((other, -1), (one, at)):
        judge = Checker(checker.source)
        assert [judge.verdict((edit,), number) for edit, number in pair] == ["", "duplicate" if expected else ""]


@pytest.mark.parametrize(
    ("text", "edits", "same_as"),
    [
        ("if a: x\nelif b: y\n", [(0, 10, "")], [(0, 8, "")]),  # what is left of `elif` is no new word
        ("x = y.z\n", [(4, 6, "")], [(4, 7, "z")]),
        ("x = abc\n", [(4, 6, "")], [(4, 7, "c")]),
        ("a < b\n", [(3, 3, "=")], [(2, 3, "<=")]),
        ("x = 1.5\n", [(6, 7, "7")], [(4, 7, "1.7")]),
        ("x = 1e-5\n", [(7, 8, "7")], [(4, 8, "1e-7")]),
        ("x = 1e-5\n", [(6, 6, "+1")], [(4, 8, "1e+1-5")]),
        ("x = b'a'\n", [(4, 4, "r")], [(4, 8, "rb'a'")]),
        ("x = 'a'\n", [(4, 4, "b")], [(4, 7, "b'a'")]),
        ("f('a')\n", [(1, 2, ""), (5, 6, "")], None),
        ("x = not 'a'\n", [(4, 8, "")], [(4, 11, "'a'")]),
        ("f('a', b)\n", [(2, 3, ""), (5, 9, "")], None),  # a quote that is left open
        ("f(a, b)\n", [(2, 3, "x"), (3, 3, "y")], None),
        ("f(a)  # b\n", [(2, 3, "c)  # ")], None),
    ],
)
def test_the_balance_of_words(
    text: str, edits: list[tuple[int, int, str]], same_as: list[tuple[int, int, str]]
) -> None:
    def of(changes: list[tuple[int, int, str]]) -> tuple[int, int] | None:
        return balance(astmut.Source(text), [astmut.Edit(astmut.Span(a, b), new) for a, b, new in changes])

    assert of(edits) == (None if same_as is None else of(same_as))


def test_many_alike_changes_cost_no_comparison_each(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(Cell, "key", lambda *_: compared.append(1))
    lines = "".join(f"    f(a, a == {n})\n" for n in range(100))
    stats = astmut.Stats()
    mutants = list(astmut.mutate(f"def g(a, b):\n{lines}    if b: pass\n    if b: pass\n", stats=stats))
    assert len(mutants) > 500
    assert len(compared) < 20
