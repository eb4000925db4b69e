"""Calls without the call (SYNC rule 8)."""

import libcst as cst

from astmut.layout import keep
from astmut.rulebook import Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_decorator, is_raised
from astmut.walrus import unbinds


@rule("call-to-name", "sync")
def call_to_name(node: cst.Call, source: Source) -> Rewrites:
    """Turn a call into the function that it calls.

    The second alternative of a method call drops the receiver as well, as the paper's code does; it is tagged
    ``last-name``. What leaves a statement of one bare name is tagged ``trivial``, and so is an exception's class that
    is raised, which Python calls itself. Not decorators, not ``super()``, not where a name that is read loses the
    ``:=`` that binds it.

    y = f(x)            =>  y = f
    y = f(x for x in z) =>  y = f
    y = a.b(z)          =>  y = a.b  |  y = b
    y = f(x)(z)         =>  y = f(x)  |  y = f(z)
    f(x)                =>  f
    raise E()           =>  raise E
    f(g(*a, **b))       =>  f  |  f(g)
    super().run         =>
    f(n := 1) + n       =>
    f                   =>

    @cache(1)
    def f(): pass
    =>

    async def f():
        return await g()
    =>
    async def f():
        return await g
    """
    called = node.func
    method, name = type(called) is cst.Attribute, type(called) is cst.Name
    if is_decorator(node, source) or (name and called.value == "super"):  # type: ignore[attr-defined]
        return
    statement = type(source.parent(node)) is cst.Expr
    edits = keep(source, node, called)
    if not unbinds(source, edits):
        trivial = (statement and name) or (not node.args and is_raised(node, source))
        yield Rewrite(edits, ("trivial",)) if trivial else edits
    if method and not unbinds(source, edits := keep(source, node, called.attr)):  # type: ignore[attr-defined]
        yield Rewrite(edits, ("last-name", "trivial") if statement else ("last-name",))
