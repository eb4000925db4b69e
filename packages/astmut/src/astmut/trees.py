"""What tells trees apart: the code that is compiled of them and, where that does not, the trees themselves."""

from __future__ import annotations

import ast
from types import CodeType
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """What compiling a program gave.

    ``outline`` depends on the tree alone, ``steps`` (the byte code) on tree and lines; neither depends on columns.
    """

    outline: tuple[Any, ...]
    steps: tuple[Any, ...]


def outcome(code: CodeType) -> Outcome:
    """Take from a code object what tells trees apart."""
    consts: list[Any] = []
    steps: list[Any] = [code.co_code]
    for const in code.co_consts:
        kind = type(const)
        if kind is CodeType:
            inner = outcome(const)
            steps.append(inner.steps)
            if inner.outline not in consts:  # equal functions are one constant where they stand on one line
                consts.append(inner.outline)
        elif kind is int and "__firstlineno__" in code.co_names:  # the body of a class, which knows its line since 3.13
            steps.append(const)
        else:
            consts += (kind, _equal_to_itself(const) if kind in _MAY_HOLD_NAN else const)
    outline = (
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        tuple(consts),
    )
    return Outcome(outline, tuple(steps))


_MAY_HOLD_NAN = {float, complex, tuple, frozenset}


def _equal_to_itself(const: object) -> object:
    """Return a constant with its numbers as text: a NaN, which folding may leave, is not equal to itself."""
    if isinstance(const, (float, complex)):
        return repr(const)
    if isinstance(const, tuple):
        return tuple(map(_equal_to_itself, const))
    if isinstance(const, frozenset):
        return frozenset(map(_equal_to_itself, const))
    return const


def dump(tree: ast.AST) -> str:
    """Return a text that two trees have in common where they are equal, positions aside.

    As ``ast.dump``, but without recursion: on Python 3.12 no stack is deep enough for that on a long ``elif`` ladder.
    """
    lines: list[str] = []
    left: list[Any] = [tree]
    while left:
        one = left.pop()
        if isinstance(one, ast.AST):
            lines.append(type(one).__name__)
            left += [getattr(one, name, None) for name in reversed(one._fields)]
        elif isinstance(one, list):
            lines.append(str(len(one)))
            left += reversed(one)
        else:
            lines.append(f"={one!r}")
    return "\n".join(lines)
