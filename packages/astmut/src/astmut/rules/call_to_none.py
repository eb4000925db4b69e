"""Calls that give nothing (the reference code's rule 17)."""

import libcst as cst

from astmut.rulebook import Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_decorator
from astmut.walrus import unbinds


@rule("call-to-none", "extra")
def call_to_none(node: cst.Call, source: Source) -> Rewrites:
    """Turn a call into ``None``.

    A call that is a statement leaves nothing to go wrong but its missing effect, and is tagged ``trivial``.
    Not decorators, and not where a name that is read loses the ``:=`` that binds it.

    y = f(x)          =>  y = None
    y = f(g(x)) + 1   =>  y = None + 1  |  y = f(None) + 1
    f(x).y = 1        =>  None.y = 1
    f((n := 1)) + n   =>
    x = f             =>

    @cache(1)
    def f(): pass
    =>
    """
    if is_decorator(node, source) or unbinds(source, (node,)):
        return ()
    edits = {node: "None"}
    return (Rewrite(edits, ("trivial",)) if type(source.parent(node)) is cst.Expr else edits,)
