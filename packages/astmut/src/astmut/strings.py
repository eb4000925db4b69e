"""String literals as rules need them: how long, and what number can stand in their place."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

import libcst as cst

from astmut.rulebook import Edits, Rewrite
from astmut.source import Source
from astmut.surroundings import in_literal_type, is_docstring
from astmut.warned import quiet

_ONE_CHARACTER = re.compile(r"\\[\\'\"abfnrtv]")  # the escapes that need no look at what follows


class Measured(NamedTuple):
    """A string: how many characters its value has, and what a number in its place must heed."""

    length: int
    dotted: bool  # an attribute of it is taken: `5.join` is not Python
    is_statement: bool  # it has no effect, nor has the number


def measured(node: cst.SimpleString | cst.ConcatenatedString, source: Source) -> Measured | None:
    """Return what rules need to know of a string.

    None for bytes, for a docstring, for what holds an f-string, for one part of strings written side by side, and
    for an argument of ``Literal[...]``.
    """
    known: dict[int, Measured | None] = source.memo.setdefault("strings", {})  # type: ignore[assignment]
    try:
        return known[id(node)]  # two rules ask for each
    except KeyError:
        found = known[id(node)] = _measured(node, source)
        return found


def _measured(node: cst.SimpleString | cst.ConcatenatedString, source: Source) -> Measured | None:
    above = type(source.parent(node))
    if above is cst.ConcatenatedString or (above is cst.Expr and is_docstring(node, source)):
        return None
    if above is cst.Index and in_literal_type(node, source):
        return None
    length = _length(node)
    return None if length is None else Measured(length, above is cst.Attribute and not node.lpar, above is cst.Expr)


def _length(node: cst.BaseExpression) -> int | None:
    total = 0
    while type(node) is cst.ConcatenatedString:  # leans to the right, thousands deep in a table of texts
        part = _length(node.left)
        if part is None:
            return None
        total += part
        node = node.right
    if type(node) is not cst.SimpleString:
        return None
    text = node.value
    bare = text.lstrip("rRuUbB")
    prefix = text[: len(text) - len(bare)].lower()
    if "b" in prefix:
        return None
    if "\\" in text and "r" not in prefix:
        bare = _ONE_CHARACTER.sub("x", bare)
    if ("\\" in bare and "r" not in prefix) or "\r" in text:
        with quiet():  # about escapes that Python does not know
            return total + len(ast.literal_eval(text))
    return total + len(bare) - (6 if bare[:3] in {'"""', "'''"} else 2)


def in_place_of_string(node: cst.CSTNode, found: Measured, number: str) -> Rewrite | Edits:
    """Return the edits that put a number in the place of a string, tagged where that has no effect."""
    edits: Edits = {node: f"({number})" if found.dotted else number}
    return Rewrite(edits, ("trivial",)) if found.is_statement else edits
