"""Conditions that never hold (DISCO for Python)."""

import libcst as cst

from astmut.layout import hoist, keep
from astmut.model import Span
from astmut.rulebook import Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_elif
from astmut.walrus import unbinds


@rule("if-to-else", "disco", "natural")
def if_to_else(node: cst.If | cst.IfExp, source: Source) -> Rewrites:
    """Turn an ``if``, or a conditional expression, into what it does when the condition does not hold.

    Not where a name that is read loses the ``:=`` that binds it.

    x = a if c else b        =>  x = b
    x = (a if c else b) + 1  =>  x = (b) + 1
    x if (n := f()) else n   =>

    if a:
        b
    else:
        c
        d
    =>
    c
    d

    if a:
        b
    elif c:
        d
    else:
        e
    =>
    if c:
        d
    else:
        e
    |
    if a:
        b
    else:
        e

    if a:
        b
    =>
    """
    whole: dict[Span, str] | None = None
    if not isinstance(node, cst.If):
        edits = keep(source, node, node.orelse)
    elif node.orelse is None:
        return
    elif is_elif(node, source):
        edits = {Span(source.span(node).start, source.span(node.orelse).start): ""}
    elif isinstance(node.orelse, cst.Else):
        edits = hoist(source, node, node.orelse.body)
    else:
        start = source.span(node).start
        edits, whole = _promote(source, start, node.orelse), _last(source, node, node.orelse)
    if not unbinds(source, edits):
        yield Rewrite(edits, together=whole if whole and not unbinds(source, whole) else None)


def _last(source: Source, node: cst.If, last: cst.If | cst.Else) -> dict[Span, str]:
    """Return the edits that let a ladder fall through to its last ``else``, or to its last ``elif``."""
    while isinstance(last, cst.If) and last.orelse is not None:
        last = last.orelse
    return (
        hoist(source, node, last.body)
        if isinstance(last, cst.Else)
        else _promote(source, source.span(node).start, last)
    )


def _promote(source: Source, start: int, elif_node: cst.If) -> dict[Span, str]:
    """Return the edits that make an ``elif`` the ``if`` that begins at ``start``."""
    return {Span(start, source.span(elif_node).start + len("el")): ""}
