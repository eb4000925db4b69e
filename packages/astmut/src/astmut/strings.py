"""String literals as rules need them: how long, and what number can stand in their place."""

from __future__ import annotations

import ast
import re
import warnings

import libcst as cst

from astmut.rulebook import Edits, Rewrite
from astmut.source import Source
from astmut.surroundings import in_literal_type, is_docstring

_ONE_CHARACTER = re.compile(r"\\[\\'\"abfnrtv]")  # the escapes that need no look at what follows


def string_length(node: cst.SimpleString | cst.ConcatenatedString, source: Source) -> int | None:
    """Return the number of characters of a string's value.

    None for bytes, for a docstring, for what holds an f-string, for one part of strings written side by side, and
    for an argument of ``Literal[...]``.
    """
    lengths: dict[int, int | None] = source.memo.setdefault("string lengths", {})  # type: ignore[assignment]
    try:
        return lengths[id(node)]  # two rules ask for each
    except KeyError:
        length = lengths[id(node)] = _length_of_whole(node, source)
        return length


def _length_of_whole(node: cst.SimpleString | cst.ConcatenatedString, source: Source) -> int | None:
    above = type(source.parent(node))
    if above is cst.ConcatenatedString or (above is cst.Expr and is_docstring(node, source)):
        return None
    return None if above is cst.Index and in_literal_type(node, source) else _length(node)


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that Python does not know
            return total + len(ast.literal_eval(text))
    return total + len(bare) - (6 if bare[:3] in {'"""', "'''"} else 2)


def in_place_of_string(node: cst.SimpleString | cst.ConcatenatedString, source: Source, number: str) -> Rewrite | Edits:
    """Return the edits that put a number in the place of a string, as it can stand there: ``5.join`` is not Python.

    A string that is a statement has no effect, nor has the number: that is tagged ``trivial``.
    """
    above = type(source.parent(node))
    edits: Edits = {node: f"({number})" if above is cst.Attribute and not node.lpar else number}
    return Rewrite(edits, ("trivial",)) if above is cst.Expr else edits
