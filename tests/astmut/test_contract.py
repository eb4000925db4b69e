"""The contract of a mutant, over real code and in both directions, worked out anew from the texts with `ast`.

Nothing here asks the engine whether a mutant is good: whole texts are compiled and whole trees are compared.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import sysconfig
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whole import tree

import astmut
from astmut.check import SHORT_LINE, Checker, _is_short_line

STDLIB = Path(sysconfig.get_path("stdlib"))
ROOT = Path(__file__).parents[2]
# Small files of many kinds, so that compiling each of hundreds of mutants as a whole stays cheap.
FILES = [
    *(STDLIB / name for name in ("abc.py", "bisect.py", "colorsys.py", "copy.py", "fnmatch.py", "graphlib.py")),
    *(STDLIB / name for name in ("linecache.py", "nturl2path.py", "quopri.py", "reprlib.py", "sched.py", "queue.py")),
    ROOT / "benchmarks" / "common.py",
    ROOT / "packages" / "astmut" / "src" / "astmut" / "layout.py",
]
T = TypeVar("T")
MODES = ("each", "together", "sample")
PER_FILE = 50  # mutants of a file that are compiled and compared as a whole


def made(text: str, edits: Sequence[astmut.Edit]) -> str:
    """Make edits from the last to the first, so that no offset moves: not how the engine does it."""
    data = text.encode()
    for (start, end), new in reversed(edits):
        data = data[:start] + new.encode() + data[end:]
    return data.decode()


def some(mutants: list[T], seed: str) -> list[T]:
    return random.Random(seed).sample(mutants, min(PER_FILE, len(mutants)))


@cache
def source_of(path: Path) -> astmut.Source:
    return astmut.Source(path.read_bytes())


def mutants_of(path: Path, mode: str, stats: astmut.Stats | None = None) -> list[astmut.Mutant]:
    return list(astmut.mutate(source_of(path), mode=mode, count=40 if mode == "sample" else None, stats=stats))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_mutants_are_python_changed_and_all_different(path: Path, mode: str) -> None:
    mutants = mutants_of(path, mode)
    assert len({mutant.text for mutant in mutants}) == len(mutants)
    trees = [tree(mutant.text) for mutant in some(mutants, f"{path.name} {mode}")]
    assert trees
    assert None not in trees
    assert len({tree(source_of(path).text.value), *trees}) == 1 + len(trees)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_changes_outside_the_edits_and_revert_is_exact(path: Path, mode: str) -> None:
    text = source_of(path).text.value
    for mutant in mutants_of(path, mode):
        spans = [edit.span for edit in mutant.edits]
        assert all(a.end <= b.start for a, b in pairwise(spans)), mutant
        assert spans[0].start >= 0
        assert spans[-1].end <= len(text.encode())
        assert all(mutant.origin.cut(*span) != new for span, new in mutant.edits), f"an edit of nothing: {mutant}"
        assert mutant.text == made(text, mutant.edits)
        assert made(mutant.text, mutant.inverse) == text
        assert astmut.revert(mutant) == text


def hostile(node: cst.CSTNode, source: astmut.Source) -> astmut.Rewrites:
    """Write what is no Python, what changes nothing, and the same change twice."""
    number = source.code(node)
    for new in (f"{number} {number}", f"({number})", f"({number}", "0x51", "81", "f(81)", "f( 81 )", "81\n"):
        yield {node: new}


HOSTILE = astmut.Rule("hostile", (), (cst.Integer,), hostile)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_refused_sites_are_refused_for_a_reason(path: Path) -> None:
    source, stats = source_of(path), astmut.Stats()
    accepted = list(astmut.mutate(source, rules=[HOSTILE], stats=stats))
    taken = {mutant.edits for mutant in accepted}
    refused = [site for site in astmut.sites(source, rules=[HOSTILE]) if site.edits not in taken]
    for site in some(refused, path.name):
        after = tree(made(source.text.value, site.edits))
        if after is None or after == tree(source.text.value):
            continue
        here = (mutant for mutant in accepted if mutant.edits[0].span == site.edits[0].span)
        assert any(tree(mutant.text) == after for mutant in here), f"refused without need: {site}"
    numbers = len(source.by_type.get(cst.Integer, ()))
    assert len(refused) == stats.refused.total() >= 3 * numbers
    assert not numbers or {reason for _, reason in stats.refused} >= {"invalid-syntax", "same-tree", "duplicate"}


@pytest.mark.parametrize(
    "text", ["x = f(a, b)", "x = a + b\r\ny = a - b", "if a: b", "if a:\n  b == c", "é = f(a, b)", ""]
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_no_site_ends_behind_the_text(text: str, mark: str) -> None:
    sites = astmut.sites(mark + text)
    assert sites or not text
    assert all(site.span.end <= len((mark + text).encode()) for site in sites)
    assert all(site.origin.position(site.span.end) == site.end for site in sites)


@pytest.mark.parametrize("mode", ["each", "sample"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sites_are_mutants_and_refusals(path: Path, mode: str) -> None:
    stats = astmut.Stats()
    everything = astmut.mutate(source_of(path), mode=mode, stats=stats, count=10**6)  # type: ignore[arg-type]
    assert Counter(mutant.rule for mutant in everything) == stats.mutants
    refused: Counter[str] = Counter()
    for (rule, _reason), count in stats.refused.items():
        refused[rule] += count
    assert stats.mutants + refused == stats.sites


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_together_accounts_for_every_rule_with_sites(path: Path) -> None:
    stats = astmut.Stats()
    mutants = mutants_of(path, "together", stats)
    rules = [mutant.rule for mutant in mutants]
    assert len(set(rules)) == len(rules)
    assert Counter(rules) == stats.mutants
    assert {*rules, *(rule for rule, _ in stats.refused)} == {rule for rule, n in stats.sites.items() if n}
    assert all(mutant.sites for mutant in mutants)


# --- ids ------------------------------------------------------------------------------------------


def test_ids_are_unique_and_do_not_depend_on_the_order_of_rules() -> None:
    text = (STDLIB / "fnmatch.py").read_text("utf-8")
    names = sorted(astmut.RULES)
    expected = [mutant.id for mutant in astmut.mutate(text)]
    assert len(set(expected)) == len(expected)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in expected)
    for seed in range(3):
        random.Random(seed).shuffle(names)
        assert [mutant.id for mutant in astmut.mutate(text, rules=names)] == expected
        drawn = [m.id for m in astmut.mutate(text, rules=names, mode="sample", seed=5, count=30)]
        assert drawn == [m.id for m in astmut.mutate(text, mode="sample", seed=5, count=30)]


def test_ids_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "import astmut, json, sys; text = open(sys.argv[1], encoding='utf-8').read(); "
        "print(json.dumps([m.id for mode in ('each', 'together', 'sample') for m in astmut.mutate(text, mode=mode)]))"
    )
    outcomes = []
    for hash_seed in ("0", "1", "4242"):
        command = [sys.executable, "-c", code, str(STDLIB / "bisect.py")]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        outcomes.append(json.loads(run.stdout))
    assert outcomes[0]
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_ids_tell_sources_rules_and_edits_apart() -> None:
    by_source = {mutant.id for text in ("a < b", "a < b\n", "a <= b") for mutant in astmut.mutate(text)}
    assert len(by_source) == sum(1 for text in ("a < b", "a < b\n", "a <= b") for _ in astmut.mutate(text))


# --- sample ---------------------------------------------------------------------------------------


def drawn(seed: int, count: int) -> list[str]:
    return [m.id for m in astmut.mutate(source_of(STDLIB / "queue.py"), mode="sample", seed=seed, count=count)]


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    long = drawn(3, 60)
    assert len(long) == 60
    assert len(set(long)) == 60
    for count in (0, 1, 7, 30, 59):
        assert drawn(3, count) == long[:count]


def test_the_seed_changes_the_draw() -> None:
    assert len({tuple(drawn(seed, 10)) for seed in range(6)}) == 6


def test_a_sample_takes_rules_in_turn() -> None:
    source = source_of(STDLIB / "queue.py")
    sites = Counter(mutant.rule for mutant in astmut.mutate(source))
    rules = [mutant.rule for mutant in astmut.mutate(source, mode="sample", count=sites.total())]
    assert len(rules) == sites.total()
    left, start = dict(sites), 0
    while start < len(rules):
        turn = rules[start : start + sum(n > 0 for n in left.values())]
        assert sorted(turn) == sorted(rule for rule, n in left.items() if n > 0)
        for rule in turn:
            left[rule] -= 1
        start += len(turn)


def test_a_sample_is_drawn_from_what_each_gives() -> None:
    source = source_of(STDLIB / "queue.py")
    assert set(drawn(0, 10**6)) == {mutant.id for mutant in astmut.mutate(source)}


# --- the check against arbitrary edits ------------------------------------------------------------

PROGRAMS: list[str] = [
    """from __future__ import annotations
import os, sys
x = 1
def f(a, b=2, *c, d=3, **e):
    "doc"
    global x
    x = a + b
    if x: y = 1
    else: y = 2
    for i in c:
        if i: continue
        else: break
    return x
class A(object, metaclass=type):
    "doc"
    y = [i for i in range(3)]
    z: int = 3
    @property
    def g(self): return self.y
    def h(self, q):
        return (lambda k=1: k + q)(2)
""",
    """def outer():
    n = 0
    def inner(m):
        nonlocal n
        n += m
        print(n)
        return n
    class B:
        n = [n := 1, 2]
        k = n
    return inner
""",
    """async def gen(a):
    async for i in a:
        yield i
    await a
    return
async def co(a):
    async with a as b, c:
        return await b
    x = [await i async for i in a]
    return x
def plain(x):
    y = yield x
    return y
""",
    """while x:
    try:
        break
    except A:
        continue
    except:
        pass
    finally:
        y = 1
else:
    pass
with open(a) as f, g(b): pass
""",
    """match x:
    case 1 | 2 if a > b:
        y = 1
    case [a, *b]:
        pass
    case {"k": v, **r}: z = v
    case P(a, b=c) as d:
        def f(): return d
    case _:
        pass
del x[0], y.z
a = b = c, d = e
x += 1
assert x, y
raise A(b) from c
""",
    """@dec(a, b=1)
@other
class C(B):
    @staticmethod
    @d2(x)
    def f(a: int, /, b: str = "q", *, c) -> int:
        def g():
            return [j for j in a if (k := j)]
        return g
    class D:
        v = 1
        def m(self):
            while self:
                if self.a: break
            else:
                return 1
    async def n(self):
        return [x async for x in self]
""",
    """def f():
  if a:
    x = 1
    if b:
      y = 2
    elif c == d and e or not f:
      z = 3
    else:
      del q
  elif g:
    pass
  else:
    return -1
x = (a
     + b # c
     ); y = 2
z = f"{a!r:>{b}} {c=}" "d"
""",
    """global q
q = 1
class E:
    global w
    w = 2
    def f(self):
        global q
        q = 3
        def g():
            global q
            del q
    x = 5
if q:
    r = 1
""",
    """def f():
    x = 1
    def g():
        nonlocal x
        x = 2
    global y
    y = x == 1
    z[0] = y
    return g
""",
    """class A:
    def f(self):
        x = 1
    @d
    def g(self): pass
    if a:
        y = 1
    for i in z:
        w = i
        def h(): return i
    async def k(): pass
""",
    # Statements so long that they are judged by element.
    """result = call(aaaaaaaaaaaaaaaaaaaaaaaaa, [bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, ccccccccccccccccccccccccc == 1],
    key=value(ddddddddddddddddddddd, *eeeeeeeeeeeeee), **{'fffffffffffffffffffff': gggggggggggggggg if x else y},
    other={hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh: iiiiiiiiiiiiiiiiiii, **jjjjjjjjjjjjjjjjjjjj}, more=(kkkkk, *lll, not z))
(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbb[ccccccccccccccccccccccc, ddddddddddddddddd], eee.fffffffffff,
  *gggggggggggggggggggggggggggggggggggg, [hhhhhhhhhhhhhhhhhhhhhhh, iiiiiiiiiiiiiiiiiiiiiiiiii(jjjjjjjjjjjjjjjjjj).kkkkkk],
  x[lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll]) = mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm
""",
]
if sys.version_info >= (3, 11):
    PROGRAMS.append("""try:
    pass
except* (A, B) as e:
    x = 1
    f(a)
except* C:
    pass
def f():
    for i in j:
        try: pass
        except* A: x = i
""")
if sys.version_info >= (3, 12):
    PROGRAMS.append("""type A[T: int, *U, **V] = dict[T, U]
def f[T: (int, str)](a: T) -> T:
    x = f"{a['k']} {f'{a}'}"
    return x
class C[T](B[T]):
    def f(self): return T
""")

PROGRAMS.append("""TABLE = {
    'a': f(1, 'b' 'c', [x for x in y if "#"]),  # one
    "d": (f'{e}' 'f', g("h", 'h'), "h"),
    f"i{j!r}": k(l, *m, n=(o), p=lambda: (q, r)),  # two
    's': "s" "", 't': [u, (v), w, (x # three
        + y), z], "a-b": "c-d",
    **{'e': b'f'},
}; end(1, [2], (3, 'very long, so that elements are judged by themselves and not the statement that they stand in'),
    "as the check does with all that is over three hundred bytes") # four
""")

# Each is judged as a whole: with a line end or without, with blank lines before it, a comment behind it.
LINES = [
    "df[df['a'] == 1].sort_values(by=['b', \"c\"], ascending=False)\n",
    "x = [int(i) for i in re.split(r'[,;]', s) if i and not i.isspace()]",
    "a, *b = f(-1, not x, *y, key=lambda t: t[0] or None, **{'k': {1, 2}}); del b\n",
    "print(f'{x!r:>{n}}' 'b', 1if y else 2)  # one",
    "if (n := len(a)) > 10: raise ValueError('too long') from None",
    "async def f(x: int = 0) -> 'y': return [await g(i) async for i in x]\r\n",
    '\n\n  \t\nassert all(i in d for i in e), "no"',
]

LAYOUT = ["\n", "\n    ", "\n        ", "\\\n", "\\", " ", "\t", "\x0c", "#", "# c", ";", "; "]
SCRAPS = [
    *("yield", "yield x", "await ", "return x", "return", "x := 1", "(x := 1)", "global x", "global q", "nonlocal n"),
    *("*", "**", ",", ":", "(", ")", "[", "]", "{", "}", "=", "==", "!=", ".", "->", "@", "-", "...", "'", "'''"),
    *("not ", "in", "is", "if ", "else", "for i in x", "async ", "lambda: ", "pass", "break", "continue", "from x"),
    *("import os", "from a import *", "del x", "x", "n", "q", "1", "0", "0.0", "-0.0", "1j", "10", "1_0", "None"),
    *("True", "'a'", "f'{x}'", "x = 1", "x: int", "class C: pass", "def f(): pass", "except", "assert x", "raise"),
    *("__class__", "super()", "_", "case _", "a if b else c", "*a", "é", ""),
]


class Piece:
    """A program with its tokens, ready for edits."""

    def __init__(self, text: str) -> None:
        self.source = astmut.Source(text)
        self.tokens = list(tokens_of(text))
        self.tree = tree(text)
        assert self.tree is not None


def tokens_of(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end (in characters) and text of each token; for ASCII texts only."""
    assert text.isascii()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.string:
            yield starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1], token.string


@cache
def pieces() -> list[Piece]:
    return [Piece(text) for text in PROGRAMS]


@cache
def lines() -> list[Piece]:
    assert all(map(_is_short_line, LINES))
    return [Piece(line) for line in LINES]


@cache
def real_pieces() -> list[Piece]:
    own = ROOT / "packages" / "astmut" / "src" / "astmut" / "layout.py"
    files = (own, STDLIB / "bisect.py", STDLIB / "colorsys.py", STDLIB / "keyword.py", STDLIB / "sched.py")
    return [Piece(path.read_text("utf-8")) for path in files]


@st.composite
def edits_in(draw: st.DrawFn, piece: Piece) -> astmut.Edit:
    """Draw one edit at the level of tokens: delete, replace, insert before or behind, copy a piece elsewhere."""
    at = draw(st.integers(0, len(piece.tokens) - 1))
    start, end, _ = piece.tokens[at]
    _, last, _ = piece.tokens[min(at + draw(st.integers(0, 3)), len(piece.tokens) - 1)]
    scrap = st.one_of(
        st.sampled_from(SCRAPS), st.sampled_from(LAYOUT), st.sampled_from(piece.tokens).map(lambda token: token[2])
    )
    new = draw(st.one_of(scrap, st.tuples(scrap, scrap).map(" ".join)))
    blank = draw(st.sampled_from(["", " "]))
    how = draw(st.sampled_from(["delete", "replace", "replace more", "before", "behind", "inside"]))
    if how == "inside":  # a string or word, perhaps
        cuts = draw(st.tuples(st.integers(start, end), st.integers(start, end)))
        return astmut.Edit(astmut.Span(min(cuts), max(cuts)), new)
    if how == "delete":
        return astmut.Edit(astmut.Span(start, end), "")
    if how == "replace":
        return astmut.Edit(astmut.Span(start, end), new)
    if how == "replace more":
        return astmut.Edit(astmut.Span(start, max(end, last)), new)
    if how == "before":
        return astmut.Edit(astmut.Span(start, start), new + blank)
    return astmut.Edit(astmut.Span(end, end), blank + new)


@st.composite
def rounds(draw: st.DrawFn, choose: Callable[[], list[Piece]]) -> tuple[Piece, list[astmut.Edit], int]:
    """Draw a program and edits to be judged one after the other by one checker."""
    piece = draw(st.sampled_from(choose()))
    return piece, draw(st.lists(edits_in(piece), min_size=1, max_size=8)), draw(st.integers(0, 6))


def nodes_around(source: astmut.Source, edit: astmut.Edit) -> list[int]:
    """The indices of the nodes that hold an edit, from large to small: a rule could have been asked about any."""
    start, end = edit.span
    return [i for i in range(len(source.nodes)) if source.starts[i] <= start and end <= source.ends[i]]


def touches_layout(piece: Piece, edit: astmut.Edit) -> bool:
    """Whether an edit moves line ends, comments, quotes, or what a line begins with.

    Such a change can turn lines far away into something else (a comment, a string, another block). The check may
    refuse it though it is valid; accept it where it is not, it may not.
    """
    text = piece.source.text.value
    old = text[edit.span.start : edit.span.end]
    line = text[: edit.span.start].rpartition("\n")[2]
    return not line.strip() or any(mark in old + edit.text for mark in "\n\\#'\";\x0c:")


def judge(piece: Piece, edits: Sequence[astmut.Edit], level: int) -> None:
    """Compare the check's word on each edit with that of the whole text."""
    checker, accepted = Checker(piece.source), {piece.tree}
    for edit in edits:
        around = nodes_around(piece.source, edit)
        at = around[max(len(around) - level, 0)] if level and around and level <= len(around) else -1
        new = made(piece.source.text.value, [edit])
        after = tree(new)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = checker.verdict((edit,), at)
            alone = Checker(piece.source).combined((edit,))
        case = f"{edit} at {piece.source.text.position(edit.span.start)}, node {at} of\n{piece.source.text.value}"
        if after is None:
            assert (verdict, alone) == ("invalid-syntax", "invalid-syntax"), f"not Python: {case}"
        elif touches_layout(piece, edit) and verdict == "invalid-syntax":
            continue
        elif after == piece.tree:
            assert verdict == "same-tree", f"unchanged: {case}"
            assert touches_layout(piece, edit) or alone == "same-tree", f"unchanged: {case}"
        else:
            assert verdict == ("duplicate" if after in accepted else ""), case
            assert touches_layout(piece, edit) or not alone, case
            accepted.add(after)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(rounds(pieces))
def test_the_check_agrees_with_the_whole_text_on_any_edit(case: tuple[Piece, list[astmut.Edit], int]) -> None:
    judge(*case)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rounds(real_pieces))
def test_the_check_agrees_with_the_whole_text_on_any_edit_of_real_code(
    case: tuple[Piece, list[astmut.Edit], int],
) -> None:
    judge(*case)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rounds(lines))
def test_the_check_agrees_with_the_whole_text_on_any_edit_of_a_line(
    case: tuple[Piece, list[astmut.Edit], int],
) -> None:
    judge(*case)


@pytest.mark.parametrize("mode", MODES)
def test_one_line_has_the_same_mutants_by_itself_and_cell_by_cell(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    texts = [*LINES, *(f"\ufeff{line}" for line in LINES), "x = 'é' + f(1, ü, ü)", "return x < 1", "1", "", "# a"]

    def found() -> list[tuple[list[str], astmut.Stats]]:
        every = []
        for text in texts:
            stats = astmut.Stats()
            mutants = astmut.mutate(text, mode=mode, stats=stats)  # type: ignore[arg-type]
            every.append(([mutant.id for mutant in mutants], stats))
        return every

    whole = found()
    monkeypatch.setattr("astmut.check.SHORT_LINE", 0)
    assert found() == whole
    assert sum(len(ids) for ids, _ in whole) > 50


def test_what_is_one_short_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_one(text: str) -> bool:
        checker = Checker(astmut.Source(text))
        with monkeypatch.context() as patched:
            patched.setattr(Checker, "cells", property(lambda _: pytest.fail("its cells were looked for")))
            try:
                return checker.verdict((astmut.Edit(astmut.Span(0, 1), "y"),)) == ""
            except pytest.fail.Exception:
                return False

    one_less = "x = " + "a" * (SHORT_LINE - 5)
    assert is_one(f"{one_less}a")
    assert is_one(f"{one_less}\n")
    assert not is_one(f"{one_less}aa")
    assert not is_one("x = 1\nz\n")
    assert not is_one("x = 1\rz")


@pytest.mark.slow
@settings(max_examples=15_000, deadline=None)
@given(rounds(pieces))
def test_the_check_agrees_with_the_whole_text_on_very_many_edits(case: tuple[Piece, list[astmut.Edit], int]) -> None:
    judge(*case)


# Minimal programs for every way that was found to deceive a check of small pieces: text, what to replace in it (its
# last occurrence, between bars), by what, and whether the result is Python.
LONG = ", ".join(f"{letter * 20}_{n}" for n in range(3) for letter in "abcdef")
DECEPTIONS: list[tuple[str, str, bool]] = [
    # A statement, decorator or argument that vanishes, or leaves only blanks.
    ("if a:\n    |pass|\n", "", False),
    ("if a:\n    |pass|\nelse:\n    b\n", "\f", False),
    ("if a: |b|\nc\n", "\n", False),
    ("if a:\n    |b|\n    c\n", "", True),
    ("class A:\n    |'doc'|\n    b = 1\n", "", True),
    ("@|a|\ndef f(): pass\n", "", False),
    (f"f({LONG}, |a|, b)\n", "", False),
    # A declaration behind a use in another statement.
    ("while x: pass\nwith a: pass||\n", "; global x", False),
    ("while y: pass\nwith a: pass||\n", "; global x", True),
    ("class A:\n    x\n    y = |1|\n", "1; global x", False),
    ("x\nif a: |globals()|\n", "1; global x", False),
    # A line joined to the end of the file, and to an empty line.
    ("assert a, |b|", "b \\\n", False),
    ("assert a, |b|\n", "b \\\n", True),
    ("if a:\n    assert a, |b|", "b \\\n", False),
    # The wrapper's last line as a block.
    ("c = '''\nx'''||\n", "\nif a: ", False),
    ("def f():\n    if b:\n        c = '''\nx'''||\n", "\nif a:", False),
    ("class A:\n    def f(): b||\n", "\nif a:\t", False),
    # What stands before a semicolon.
    ("|a|;\nc", "x", True),
    ("|a|;\nc", "x\n", False),
    ("|a|;\nc", "x;", False),
    ("|a|  \\\n ;\nc", "x;", False),
    ("if b: |a|;\nc\n", "x;", False),
    ("import |a|; pass\nz\n", "b\n", False),
    ("if a:\n  x\n  |y = 2| ;\n", "\t", False),
    ("if a:\n  x\n  |y = 2| ;\n", "", False),
    ("if a:\n  x;|y = 2| ;\n", "", False),
    ("if a:\n  x;|y = 2|\n", "", True),
    # What a line begins with decides which block it is in.
    ("class A:\n    |async| def f(): pass\n    x = 1\n", "", False),
    ("class A:\n    ||def f():\n        pass\n    x = 1\n", "# ", False),
    ("class A:\n    |x =| y\n    z\n", "", False),
    ("class A:\n    |if a:|\n        y\n    z\n", "", False),
    ("def f():\n    |if a:|\n        y\n    z\n", "", False),
    ("class A:\n    x = |y|\n    z = 1\n", "y\nz", False),
    ("class A:\n    x = |y|\n    z = 1\n", "y\n    z", True),
    # A backslash at the end takes in the next line, which is another one in the check.
    ("class A:\n    @d\n    def g(self): |pass|\n    if a:\n        y = 1\n", "\\", False),
    ("def f(): |pass|\nif a: b\n", "\\", False),
    ("class A|(B):|\n    pass\n", ": \\", True),
    ("def f():\n    x = |y|\n    z\n", "\\", True),
    ("def f():\n    x = \\\n    |y|\n    if z: w\n", "", False),
    # A decorator or argument stands in parentheses in the check, not in the text.
    ("@|a|\ndef f(): pass\n", "a, b", False),
    ("@|a|\ndef f(): pass\n", "a for a in b", False),
    ("@|a|\ndef f(): pass\n", "a if b else c", True),
    ("def f():\n    @|a|\n    def g(): pass\n", "yield a", False),
    (f"x = [{LONG}, |a|]\n", "a)(b", False),
    (f"[{LONG}, |a|] = x\n", "f()", False),
    (f"[{LONG}, x[|a|]] = x\n", "f()", True),
    (f"del ({LONG}, |a|)\n", "1", False),
    (f"f'{{({LONG}, |a|)}}'\n", "'a'", sys.version_info >= (3, 12)),
    # A header decides what may stand in its block.
    ("for i in x:\n    |while| a:\n        break\n", "if", True),
    ("|while| a:\n    break\n", "if", False),
    ("|for| i in x:\n    continue\n", "if", False),
    ("|async| def f():\n    await a\n", "", False),
    ("|async def f():\n    async for a in b: pass\n    x = a|\n", "def f():\n    x = a", True),
    ("class A:\n    |def| f(a):\n        return b\n", "while", False),
    ("|def f():|\n    return b\n", "class f:", False),
    # Declarations of names reach beyond their statement.
    ("def f(x):\n    |pass|\n", "global x", False),
    ("def f():\n    n |=| 0\n    def g():\n        nonlocal n\n", ",", False),
    ("def f():\n    |del| n\n    def g():\n        nonlocal n\n", "not", False),
    ("def f():\n    for n |in| x: pass\n    def g():\n        nonlocal n\n", ".a in", False),
    ("def f():\n    global x\n    x |=| 1\n", ":", False),
    ("def f():\n    global x\n    |y|: int = 1\n", "x", False),
    ("def f(|a|):\n    global b\n", "b", False),
    ("x = |y|\nglobal z\n", "z", False),
    ("def f():\n    x = |y|\n    global z\n", "z", False),
    # A return with a value, a yield, and the kind of the function.
    ("async def f():\n    yield 1\n    |pass|\n", "return a", False),
    ("async def f():\n    return 1\n    |pass|\n", "yield", False),
    ("async def f():\n    yield 1\n    return| |\n", " a", False),
    ("async def f():\n    |yield| 1\n    return\n", "await", True),
    ("def f():\n    class A:\n        |pass|\n", "return", False),
    ("def f():\n    class A:\n        def g(): |pass|\n", "return", True),
    # Loops.
    ("for i in x:\n    def f():\n        |pass|\n", "break", False),
    ("for i in x: pass\nelse:\n    |pass|\n", "break", False),
    ("while a:\n    for i in x: pass\n    else:\n        |pass|\n", "break", True),
    # One line holds simple statements only.
    ("if a: |b|\n", "while c: d", False),
    ("def f(): |pass|\n", "class C: pass", False),
    ("if a:\n    |b|\n", "while c: d", True),
    # A line that slips out of its block at the very end of a piece.
    ("class A:\n    def f():\n        return |b|\n    x = 2\n", "\nb", False),
    ("def f():\n    def g():\n        return |b|\n    x = 2\n", "\nb", False),
    # The name of a keyword argument is no argument.
    (f"f({LONG}, |key|=a)\n", "'a'", False),
    (f"f({LONG}, |key|=a)\n", "", False),
    (f"f({LONG}, key=a, |yek|=b)\n", "key", False),
    (f"f({LONG}, |key|=a)\n", "other", True),
    # Lines that move and change nothing.
    ("def f():\n    class A: pass\n    x = |(|a)\n", "(\n", True),
    ("|def| f():\n    class A: pass\n", "\ndef", True),
    ("def f():\n    x = (|a|)\n    class A: pass\n", "a\n", True),
    ("x = f'{|a|}'\n", "a\n", sys.version_info >= (3, 12)),
    # The same constant or name in another spelling.
    ("x = f(|0o17|, 15)\n", "15", True),
    ("x = f(|15|, 1)\n", "0xF", True),
    ("x = f(|1_0e2|, 1)\n", "1000.0", True),
    ("x = f(|'a'|, 1)\n", "u'a'", True),
    ("x = f(|'a'|, 1)\n", 'r"""a"""', True),
    ("x = f(|b'a'|, 1)\n", "RB'a'", True),
    ("x = |fi|\n", "\ufb01", True),
    ("x = |0xf |or b\n", "15 ", True),
    # An element that becomes two, or none, or slips out of its brackets.
    (f"x = [a, |(c)|, {LONG}]\n", "c) + (d", False),
    (f"x = [a, |(c)|, {LONG}]\n", "c] + [d", True),
    (f"x = [a, |(c)|, {LONG}]\n", "c,", False),
    (f"x = [a, |(c)|, {LONG}]\n", "c, # d", False),
    (f"x = [a, |(c)|, {LONG}]\n", "c, d", True),
    (f"x = [a, |(c)|, {LONG}]\n", "c for c in d", False),
    (f"x = [a, |(c)|, {LONG}]\n", "*c", True),
    (f"x = [a, |(c)|, {LONG}]\n", "'](' + ')['", True),
    (f"x = f(a=|(b := c)|, e=[{LONG}])\n", "b := c", False),
    (f"x = f(a=b(|c, d|), e=[{LONG}])\n", "d, c", True),
    (f"x = f(a=b|(c, d)|, e=[{LONG}])\n", ", d=c", True),
    # A comment whose line end is taken away.
    (f"x = [a # b\n|    + c|, {LONG}]\n", "", True),
    (f"x = [a # b|\n    + c|, {LONG}]\n", "", False),
    ("x = (a # b|\n    + c|); d\n", "", False),
    ("if a:\n    x = (b # c|\n    )|; d\n", "", False),
    (f'x = [{LONG}, f("#"), |f("#"), y]\n'.replace("|f(", "||f("), '"', False),
    ('x = ||f("#"); y = """\n"""\n', '"', False),
    (f'x = [{LONG}, a + |"""|x\n# """, y]\n', "", False),
    (f'x = [{LONG}, a |# c\n| + """\n+b # """, y]\n', "# c", False),
    (f"if c:\n    x = {LONG}, f(\n    a|)|, b\n    y\n", ")\n+ d", False),
    (f"z = [f({LONG}, [(|y| := 1)]) for x in w]\n", "x", False),
    ("if c:\n    x = f(\n  a|)|\n", ")\n" + " " * 37 + "y", False),
    # What only a whole statement knows.
    ("try:\n    pass\nexcept |A|:\n    pass\nexcept B:\n    pass\n", "", False),
    ("try:\n    pass\nexcept A:\n    pass\nexcept |B|:\n    pass\n", "", True),
    ("match x:\n    case |1|: pass\n    case 2: pass\n", "_", False),
    ("x = 1\n|pass|\n", "from __future__ import annotations", False),
    ("if a:\n    |pass|\n", "from a import *", True),
    ("def f():\n    |pass|\n", "from a import *", False),
]
if sys.version_info >= (3, 11):
    DECEPTIONS += [
        ("try:\n    pass\nexcept|*| A:\n    pass\nexcept* B:\n    pass\n", "", False),
        ("try:\n    pass\nexcept|| A:\n    pass\nexcept B:\n    pass\n", "*", False),
        ("try:\n    pass\nexcept|*| A:\n    pass\n", "", True),
        ("for i in x:\n    try: pass\n    except* A: |pass|\n", "break", False),
        ("try:\n    pass\nexcept* (A, B|)| as e:\n    x = 1\nexcept* C:\n    pass\n", ") as e", False),
    ]


@pytest.fixture(params=[SHORT_LINE, 0], ids=["short lines as a whole", "all cell by cell"])
def short_line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge a text that is one short line as all are judged, too: there are few words in what deceives a check."""
    monkeypatch.setattr("astmut.check.SHORT_LINE", request.param)


@pytest.mark.usefixtures("short_line")
@pytest.mark.parametrize(("text", "new", "valid"), DECEPTIONS)
def test_known_deceptions(text: str, new: str, valid: bool) -> None:
    before, old, behind = text.split("|")
    source = astmut.Source(before + old + behind)
    edit = astmut.Edit(astmut.Span(len(before.encode()), len((before + old).encode())), new)
    after = tree(before + new + behind)
    assert (after is not None) == valid, "the table is wrong"
    expected = "invalid-syntax" if after is None else "same-tree" if after == tree(source.text.value) else ""
    levels = [-1, *nodes_around(source, edit)]
    verdicts = {level: Checker(source).verdict((edit,), level) for level in levels}
    assert set(verdicts.values()) == {expected}, verdicts
    assert Checker(source).combined((edit,)) == expected


# Two changes that give one tree in each case, by the text and what to replace between the bars of a context.
Place = tuple[str, str]
TWINS: list[tuple[str, list[Place], list[Place]]] = [
    # An element inside another one.
    (f"x = f(g({LONG} + 1), c, d)\n", [("+ |1|", "2")], [("+ |1|", "2"), (")|,| c", ", ")]),
    # From a comment into a string, and back into one.
    (
        "def f():\n    x = y  # one\n    return 'a'\n",
        [("|one\n    return 'a|", "two\n    return 'b")],
        [("'|a|'", "b")],
    ),
    (
        "def f():\n    x = y  # one\n    return ab\n",
        [("one|\n    return a|", "\n    return a+a")],
        [("n |ab|", "a+ab")],
    ),
    # Joined lines in a string of a file with CR LF.
    ("if c:\r\n    x = 'a\\\r\nb'; z = g('c', d)\r\n", [(", |d|", "1+d")], [("|; z = g('c', d|", "; z = g('c', 1+d")]),
    # A prefix that a word becomes.
    ("if c:\n    x = [b, v]\n", [("b|, v|", "'a'")], [("|if c:\n    x = [b, v]|", "if c:\n    x = [b'a']")]),
    # Numbers and names in another spelling.
    ("if c:\n    x = f(1.e5)\n", [("1.|e5|", "")], [("|if c:\n    x = f(1.e5)|", "if c:\n    x = f(1.0)")]),
    ("if c:\n    x = f(a)\n", [("(|a|)", "\u00e9")], [("|if c:\n    x = f(a)|", "if c:\n    x = f(e\u0301)")]),
    # Patterns in brackets and parentheses.
    (
        "match x:\n    case [a, b]:\n        pass\nz\n",
        [(", |b|", "c")],
        [("|match x:\n    case [a, b]|", "match x:\n    case (a, c)")],
    ),
    # Statements that come behind one and before the next.
    ("a()\nb()\n", [("|a()|", "a()\na()")], [("|b()|", "a()\nb()")]),
    ("class A:\n    a()\n    b()\n", [("|a()|", "a(); b()")], [("|b()|", "b(); b()")]),
    ("a()\na() # 2\n", [("|a()\n|", "\n")], [("|a()| # 2", "")]),
    # Strings on both sides of a comma, beside f-strings and not.
    (
        "if c:\n    x = [f'{a}' 'b', 'd', e]\n",
        [("'|b|'", "bc")],
        [("|if c:\n    x = [f'{a}' 'b'|", "if c:\n    x = [f'{a}b' 'c'")],
    ),
]


@pytest.mark.usefixtures("short_line")
@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize(("text", "one", "other"), TWINS)
def test_known_twins(text: str, one: list[Place], other: list[Place], turn: bool) -> None:
    def edit(place: Place) -> astmut.Edit:
        before, old, behind = place[0].split("|")
        start = text.index(before + old + behind) + len(before)
        return astmut.Edit(astmut.Span(*(len(text[:at].encode()) for at in (start, start + len(old)))), place[1])

    changes = [tuple(map(edit, places)) for places in ((other, one) if turn else (one, other))]
    trees = [tree(made(text, change)) for change in changes]
    assert trees[0] == trees[1] not in {None, tree(text)}, "the table is wrong"
    checker = Checker(astmut.Source(text))
    assert [checker.verdict(change) for change in changes] == ["", "duplicate"]


@pytest.mark.parametrize(
    ("literal", "part", "new", "again"),
    [
        ('"a-b"', "-", "+", "'a+b'"),
        ('f"{a - b}"', "-", "+", 'f"{a+b}"'),
        ('"a" "b"', 'b"', 'c"', "'ac'"),
        ('f"a{b}" "c"', 'c"', '" "d"', 'f"a{b}d"'),
        ('b"a-b"', "-", "\\x2b", 'b"a+b"'),
    ],
)
@pytest.mark.parametrize("others", ["", f", {LONG}"])
def test_a_change_inside_a_string_is_one_of_the_string(
    literal: str, part: str, new: str, again: str, others: str
) -> None:
    text = f"if c:\n    x = f({literal}{others})\n"
    start = text.index(literal)
    inside = start + literal.index(part)
    checker = Checker(astmut.Source(text))
    assert checker.verdict((astmut.Edit(astmut.Span(inside, inside + len(part)), new),)) == ""
    whole = astmut.Edit(astmut.Span(0, len(text)), text.replace(literal, again).replace("f(", "f (", 1))
    assert checker.verdict((whole,)) == "duplicate"


@pytest.mark.parametrize("first", [0, 1])
def test_a_change_of_several_statements_is_compared_with_that_of_one(first: int) -> None:
    text = "class A(f(a)):\n    b = 1\nc = 2\nd = 3\n"
    at = text.index("2")
    one = astmut.Edit(astmut.Span(at, at + 1), "4")
    base = text.index("(a)")
    other = astmut.Edit(astmut.Span(base, base + 3), "")
    for edit, new in (one, text.replace("2", "4")), (other, text.replace("(a)", "")):
        checker = Checker(astmut.Source(text))
        edits = [edit, astmut.Edit(astmut.Span(0, len(text)), new.replace("\n", "\n\n"))]
        assert [checker.verdict((edit,)) for edit in (edits[first], edits[1 - first])] == ["", "duplicate"]


def test_a_change_inside_a_comment_is_none() -> None:
    text = "if c:\n    x = f(  # one\n        a)\n"
    comment, use = text.index("one"), text.index("a)")
    checker = Checker(astmut.Source(text))
    other = astmut.Edit(astmut.Span(use, use + 1), "b")
    remark = astmut.Edit(astmut.Span(comment, comment + 3), "two")
    assert checker.verdict((remark,)) == "same-tree"
    assert checker.verdict((remark, other)) == ""
    assert checker.verdict((other,)) == "duplicate"


@pytest.mark.usefixtures("short_line")
@pytest.mark.parametrize("before", ["", "if x:\n    pass\n"])
def test_what_is_commented_out_is_what_is_taken_away(before: str) -> None:
    text = f"{before}def f(): return d\n"
    at = len(text) - 2
    checker = Checker(astmut.Source(text))
    assert checker.verdict((astmut.Edit(astmut.Span(at, at + 1), ""),)) == ""
    assert checker.verdict((astmut.Edit(astmut.Span(at, at), "#"),)) == "duplicate"
