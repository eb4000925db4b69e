"""Edits that keep part of a node in place: all but one child, or a suite moved to another indentation.

They are deletions only. That is what lets the changes of many nested sites be made together: deletions join.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import libcst as cst

from astmut.model import Span, new_tuple
from astmut.source import Source
from astmut.surroundings import suite_span


def keep(source: Source, whole: cst.CSTNode, part: cst.CSTNode) -> dict[Span, str]:
    """Return the edits that leave ``part``, with its own parentheses, of the text of ``whole``."""
    start, end = source.span(whole)
    first, last = source.outer(part)
    edits = {}
    if start < first:
        edits[new_tuple(Span, (start, first))] = ""
    if last < end:
        edits[new_tuple(Span, (last, end))] = ""
    return edits


def wrap(source: Source, node: cst.CSTNode, before: str = "(", behind: str = ")") -> dict[cst.CSTNode | Span, str]:
    """Return the edits that put something around a node and its own parentheses."""
    start, end = source.outer(node)
    edits: dict[cst.CSTNode | Span, str] = {Span(start, start): before}
    if behind:
        edits[Span(end, end)] = behind
    return edits


def hoist(source: Source, whole: cst.CSTNode, suite: cst.BaseSuite) -> dict[Span, str]:
    """Return the edits that leave the statements of ``suite`` in the place of the statement ``whole``.

    The suite's lines lose the indentation that they have over ``whole``, except lines that begin inside a string.
    """
    start, end = source.span(whole)
    first, last = suite_span(suite, source)
    edits = {Span(start, first): ""}
    lines = source.text.line_starts()
    base = source.text.cut(lines[bisect_right(lines, start) - 1], start)
    base = base.rpartition("\f")[2]  # behind a form feed indentation is counted anew
    deep = source.text.cut(lines[bisect_right(lines, first) - 1], first)
    if type(suite) is cst.IndentedBlock and deep.startswith(base):
        starts_with = source.text.starts_with
        body = source.text.cut(first, last)
        may_hold_strings = '"""' in body or "'''" in body or "\\" in body
        strings = source.strings_over_lines if may_hold_strings else []
        less, more = len(base), len(deep)
        for at in lines[bisect_right(lines, first) : bisect_left(lines, last)]:
            if starts_with(deep, at):
                before = bisect_left(strings, (at, 0)) - 1
                if before < 0 or strings[before].end <= at:
                    edits[new_tuple(Span, (at + less, at + more))] = ""
    if last < end:
        edits[Span(last, end)] = ""
    return edits
