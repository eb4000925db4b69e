"""Conditions that never hold (DISCO for Python)."""

import libcst as cst

from astmut.layout import hoist, keep
from astmut.model import Span
from astmut.rulebook import Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_elif


@rule("if-to-else", "disco", "natural")
def if_to_else(node: cst.If | cst.IfExp, source: Source) -> Rewrites:
    """Turn an ``if``, or a conditional expression, into what it does when the condition does not hold.

    x = a if c else b        =>  x = b
    x = (a if c else b) + 1  =>  x = (b) + 1

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
    if not isinstance(node, cst.If):
        yield keep(source, node, node.orelse)
        return
    orelse = node.orelse
    if orelse is None:
        return
    start = source.span(node).start
    if is_elif(node, source):
        yield {Span(start, source.span(orelse).start): ""}
    elif isinstance(orelse, cst.Else):
        yield hoist(source, node, orelse.body)
    else:
        # All at once, a ladder falls through to its last else, or to its last elif.
        last: cst.If | cst.Else = orelse
        while isinstance(last, cst.If) and last.orelse is not None:
            last = last.orelse
        whole = hoist(source, node, last.body) if isinstance(last, cst.Else) else _promote(source, start, last)
        yield Rewrite(_promote(source, start, orelse), together=whole)


def _promote(source: Source, start: int, elif_node: cst.If) -> dict[Span, str]:
    """Return the edits that make an ``elif`` the ``if`` that begins at ``start``."""
    return {Span(start, source.span(elif_node).start + len("el")): ""}
