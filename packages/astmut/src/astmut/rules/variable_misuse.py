"""One variable for another (DISCO for Python)."""

from collections.abc import Iterator
from itertools import combinations

import libcst as cst

from astmut.model import new_tuple
from astmut.rulebook import Edits, Rewrite, Rewrites, rule
from astmut.scope import Scope, Use
from astmut.source import Source
from astmut.variables import variables

PAIRS_FROM = 4  # of the most used variables
NOT_ALL: Edits = {}


def _used(source: Source) -> Iterator[cst.CSTNode]:
    """Yield the names that have a replacement, and what may have an exchange."""
    found = variables(source)
    for scope in found.scopes.values():
        yield from (node for node, _, _ in scope.uses if id(node) in found.replacement)
    yield from map(source.nodes.__getitem__, source.of_types((cst.FunctionDef, cst.Module)))


@rule("variable-misuse", "disco", among=_used)
def variable_misuse(node: cst.Name | cst.FunctionDef | cst.Module, source: Source) -> Rewrites:
    """Use a variable where another one was meant.

    The other variable is one that every path to that place has bound, and that no statement of the file deletes, as
    far as the text shows (``exec`` and ``globals()`` are not followed); of those, the one bound last. A name that the
    file reads and binds nowhere counts as bound from the beginning. Names of functions, classes, modules, builtins
    and callees are left alone. Each function, and the module, also gives the exchange of all uses of two of its
    variables (tagged ``paper``; appendix C.5), which is what the rule does where all sites change at once. Their
    bindings stay: to exchange those too would only rename.

    def f(a, b): return a + 1          =>  def f(a, b): return b + 1
    for x in y: print(x)               =>  for x in y: print(y)
    sorted(d, key=lambda k: d[k])      =>  sorted(d, key=lambda k: k[k])  |  sorted(d, key=lambda k: d[d])
    [i for i in f(rows) if i]          =>  [rows for i in f(rows) if i]  |  [i for i in f(rows) if rows]
    np.sum(x)                          =>
    f(a)                               =>
    def f(a: a) -> a: pass             =>
    x = x.y = 1                        =>
    def f(a): import b.c               =>

    def f(a, b):
        return a - b
    =>
    def f(a, b):
        return b - a
    |
    def f(a, b):
        return b - b
    |
    def f(a, b):
        return a - a

    def f(a):
        if a:
            b = 1
        return a
    =>
    """
    found = variables(source)
    if type(node) is cst.Name:
        other = found.replacement.get(id(node))
        return () if other is None else (new_tuple(Rewrite, ({node: other}, (), NOT_ALL)),)
    exchange = _exchange(found.scopes[id(node)])
    return () if exchange is None else (Rewrite(exchange, ("paper",), exchange),)


def _exchange(scope: Scope) -> Edits | None:
    """Return the edits that exchange the uses of two variables of a scope, where either is bound."""
    uses: dict[str, list[Use]] = {}
    for use in scope.uses:
        if use[2] in scope.names:
            uses.setdefault(use[2], []).append(use)
    most = sorted(uses, key=lambda name: len(uses[name]), reverse=True)[:PAIRS_FROM]
    for a, b in combinations(most, 2):
        first = _bound_uses(scope, uses[a], b)
        if first and (second := _bound_uses(scope, uses[b], a)):
            return dict.fromkeys(first, b) | dict.fromkeys(second, a)
    return None


def _bound_uses(scope: Scope, uses: list[Use], other: str) -> list[cst.Name]:
    """Return those uses of one variable at which another one is bound."""
    stretches = scope.stretches(other)
    return [
        node
        for node, at, _ in uses
        if any(start <= at < end and not scope.hides(other, start, at) for start, end in stretches)
    ]
