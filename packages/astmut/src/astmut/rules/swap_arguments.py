"""Arguments in the wrong order (DISCO for Python)."""

import ast
from itertools import pairwise

import libcst as cst

from astmut.imports import is_builtin
from astmut.rulebook import Edits, Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.walrus import binds
from astmut.warned import quiet

_IN_ANY_ORDER = frozenset({"max", "min"})
_LAYOUT = frozenset(" \t\f\r\n\\()'\"")
_WITHOUT_LAYOUT = str.maketrans("", "", "".join(_LAYOUT))


def _alike(one: str, other: str) -> bool:
    """Whether two expressions are one tree. Those of different letters are not, but for numbers; the rest is parsed."""
    if one == other:
        return True
    if one.isdecimal() and other.isdecimal():
        return False
    numbers = one[:1].isdecimal() and other[:1].isdecimal()
    if not numbers:
        first, second = one[:1], other[:1]
        if first != second and first not in _LAYOUT and second not in _LAYOUT:
            return False
        if one.translate(_WITHOUT_LAYOUT) != other.translate(_WITHOUT_LAYOUT):
            return False
    try:
        with quiet():
            return ast.dump(ast.parse(f"({one}\n)")) == ast.dump(ast.parse(f"({other}\n)"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


@rule("swap-arguments", "disco", "natural", tokens=",")
def swap_arguments(node: cst.Call, source: Source) -> Rewrites:
    """Swap two neighbouring positional arguments of a call.

    Never two that are alike, however they are written, nor one that binds a name (``:=``), which the other may read.
    Keyword and star arguments stay where they are. The builtins ``max`` and ``min`` take them in any order: tagged
    ``trivial``.

    f(a, b)                =>  f(b, a)
    f(a, b, c)             =>  f(b, a, c)  |  f(a, c, b)
    f(a, *r, b, k=1)       =>  f(b, *r, a, k=1)
    f(a + 1, (b, c))       =>  f((b, c), a + 1)
    f(g(a, b), c)          =>  f(c, g(a, b))  |  f(g(b, a), c)
    f(a, a)                =>
    f(a, (a))              =>
    f("a", 'a', b)         =>  f("a", b, 'a')
    f(1, 0x1)              =>
    f(a + 1, a+1)          =>
    f((a := b), a)         =>
    f(":=", a)             =>  f(a, ":=")
    f(a, k=b)              =>
    f(*a, *b)              =>
    def f(a, b): pass      =>
    """
    if len(node.args) < 2:  # noqa: PLR2004 - it takes two
        return ()
    positional = [arg.value for arg in node.args if arg.keyword is None and not arg.star]
    written = [(value, source.code(value), source.outer(value)) for value in positional]
    swaps: list[Edits] = [
        {place: (b,), other_place: (a,)}
        for (a, one, place), (b, other, other_place) in pairwise(written)
        if not _alike(one, other) and not binds(source, place) and not binds(source, other_place)
    ]
    called = node.func
    if swaps and type(called) is cst.Name and is_builtin(called, source, _IN_ANY_ORDER):
        return [Rewrite(edits, ("trivial",)) for edits in swaps]
    return swaps
