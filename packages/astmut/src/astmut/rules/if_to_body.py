"""Conditions that always hold (SYNC rule 9)."""

import libcst as cst

from astmut.layout import hoist, keep
from astmut.model import Span
from astmut.rulebook import Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_elif
from astmut.walrus import unbinds


@rule("if-to-body", "sync", "disco", "natural")
def if_to_body(node: cst.If | cst.IfExp, source: Source) -> Rewrites:
    """Turn an ``if``, or a conditional expression, into what it does when the condition holds.

    With or without an ``else``. An ``elif`` becomes the ``else``. Not where a name that is read loses the ``:=`` that
    binds it.

    x = a if c else b        =>  x = a
    x = (a if c else b) + 1  =>  x = (a) + 1
    f"{a if c else b}"       =>  f"{a}"
    [x for x in y if x]      =>
    n if (n := f()) else 0   =>
    x = c and a or b         =>

    if a: b
    =>
    b

    if a:
        b
        c
    else:
        d
    =>
    b
    c

    if a:
        b
    elif c:
        d
    else:
        e
    =>
    b
    |
    if a:
        b
    else:
        d

    def f():
        if a:  # why
            s = '''x
            y'''
            return s
        return 1
    =>
    def f():
        s = '''x
            y'''
        return s
        return 1

    if n := f():
        print(n)
    =>

    while a:
        pass
    =>
    """
    if not isinstance(node, cst.If):
        edits = keep(source, node, node.body)
    elif is_elif(node, source):
        start, end = source.span(node)
        last = source.span(node.body).end
        edits = {Span(start, source.outer(node.test).end): "else"}
        if last < end:
            edits[Span(last, end)] = ""
    else:
        edits = hoist(source, node, node.body)
    if not unbinds(source, edits):
        yield edits
