"""Mutants by `ast` alone: what anyone would write first, and what `mutate_speed.py` measures astmut beside.

One `ast.parse`; for each site `copy.deepcopy` of the tree, the change, `ast.unparse`. Nothing is checked, and the
author's formatting is lost. `five_kinds` has what every mutation tool has; `all_kinds` has about what the 17 rules
of `mutate_speed.RULES` have: the same kinds of changes, in nearly the same numbers.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SIGN: dict[type[ast.unaryop], type[ast.unaryop]] = {ast.UAdd: ast.USub, ast.USub: ast.UAdd}
Place = tuple[ast.AST, str, int | None]  # a place in a tree: node, field, index in the field
NOT_ENTERED = (ast.JoinedStr, getattr(ast, "pattern", ast.JoinedStr))
ANNOTATIONS = ("annotation", "returns")


@dataclass(frozen=True)
class Site:
    """A place in the tree and the new value, made from what stands there in the copy."""

    place: Place
    new: Callable[[Any], Any]


Kinds = Callable[[ast.AST, Place], Iterator[Site]]


def sites(tree: ast.AST, kinds: Kinds) -> list[Site]:
    """All sites of some kinds, none in f-strings, annotations and match patterns: as astmut has them."""
    found: list[Site] = []
    stack: list[tuple[ast.AST, Place]] = [(tree, (tree, "", None))]
    while stack:
        node, place = stack.pop()
        if isinstance(node, NOT_ENTERED):
            continue
        found.extend(kinds(node, place))
        if is_negative_number(node):
            continue  # the sign belongs to the number
        for field, value in ast.iter_fields(node):
            if field in ANNOTATIONS:
                continue
            if isinstance(value, ast.AST):
                stack.append((value, (node, field, None)))
            elif isinstance(value, list):
                stack.extend((v, (node, field, i)) for i, v in enumerate(value) if isinstance(v, ast.AST))
    return found


def five_kinds(node: ast.AST, place: Place) -> Iterator[Site]:
    """Comparators, and/or, booleans, numbers, unary operators; `place` is where the node itself hangs."""
    if isinstance(node, ast.Compare):
        for i in range(len(node.ops)):
            yield Site((node, "ops", i), lambda op: OPPOSITE[type(op)]())
    elif isinstance(node, ast.BoolOp):
        yield Site((node, "op", None), lambda op: ast.Or() if isinstance(op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, (ast.Not, ast.Invert)):
            yield Site(place, lambda unary: unary.operand)
        else:
            yield Site((node, "op", None), lambda op: SIGN[type(op)]())
        if is_negative_number(node):
            yield Site(place, lambda unary: ast.Constant(f"-{unary.operand.value}"))
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield Site((node, "value", None), lambda value: not value)
        elif isinstance(node.value, (int, float, complex)):
            yield Site((node, "value", None), str)


def is_negative_number(node: ast.AST) -> bool:
    """`-5`, which is a unary operator on a number to ast and one number to a reader."""
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and type(node.operand.value) in (int, float, complex)
    )


def all_kinds(bound: frozenset[str]) -> Kinds:
    """The five, and strings, lists and sets, calls, arguments, conditions, denominators, and the names `bound`."""

    def kinds(node: ast.AST, place: Place) -> Iterator[Site]:
        yield from five_kinds(node, place)
        further = FURTHER.get(type(node))
        if further is not None:
            yield from further(node, place)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in bound:
            for name in sorted(bound - {node.id}):
                yield Site((node, "id", None), partial(other_name, name))

    return kinds


def other_name(new: str, _: str) -> str:
    """Another name, whatever stood there."""
    return new


def of_call(call: ast.Call, place: Place) -> Iterator[Site]:
    """The call's function, or the end of its name; nothing; two neighbouring arguments the other way round."""
    yield Site(place, lambda copied: copied.func)
    if isinstance(call.func, ast.Attribute):
        yield Site(place, lambda copied: ast.Name(copied.func.attr))
    if not isinstance(place[0], ast.Expr):
        yield Site(place, lambda _: ast.Constant(None))
    for i in range(len(call.args) - 1):
        if not any(isinstance(one, ast.Starred) for one in call.args[i : i + 2]):
            yield Site((call, "args", None), partial(swapped, i))


def of_string(constant: ast.Constant, place: Place) -> Iterator[Site]:
    """A string, docstrings apart, as its length: a whole number, and one with a point."""
    if isinstance(constant.value, str) and not isinstance(place[0], ast.Expr):
        yield Site((constant, "value", None), len)
        yield Site((constant, "value", None), lambda value: float(len(value)))


def of_division(operation: ast.BinOp, _: Place) -> Iterator[Site]:
    """Nought for the denominator."""
    if isinstance(operation.op, (ast.Div, ast.FloorDiv, ast.Mod)):
        yield Site((operation, "right", None), lambda _: ast.Constant(0))


def of_display(display: ast.List | ast.Set, place: Place) -> Iterator[Site]:
    """A list, unless it is empty or assigned to, as a set, and the other way round."""
    if display.elts and not isinstance(getattr(display, "ctx", None), ast.Store):
        yield Site(place, exchanged)


def of_comprehension(_: ast.ListComp | ast.SetComp, place: Place) -> Iterator[Site]:
    """A list comprehension as one of a set, and the other way round."""
    yield Site(place, exchanged)


def of_condition(condition: ast.If | ast.IfExp, place: Place) -> Iterator[Site]:
    """Its body, and what stands behind `else`."""
    yield Site(place, partial(kept, "body"))
    if condition.orelse:
        yield Site(place, partial(kept, "orelse"))


FURTHER: dict[type[ast.AST], Callable[[Any, Place], Iterator[Site]]] = {
    ast.Call: of_call,
    ast.Constant: of_string,
    ast.BinOp: of_division,
    ast.List: of_display,
    ast.Set: of_display,
    ast.ListComp: of_comprehension,
    ast.SetComp: of_comprehension,
    ast.If: of_condition,
    ast.IfExp: of_condition,
}


def exchanged(node: ast.AST) -> ast.AST:
    """A list as a set, and the other way round."""
    if isinstance(node, ast.List):
        return ast.Set(node.elts)
    if isinstance(node, ast.Set):
        return ast.List(node.elts, ast.Load())
    other = ast.SetComp if isinstance(node, ast.ListComp) else ast.ListComp
    return other(node.elt, node.generators)  # type: ignore[attr-defined]


def kept(branch: str, node: ast.AST) -> Any:
    """One branch of a condition: a value, or the statements, which stand under an `if` that is always true."""
    part = getattr(node, branch)
    return ast.If(ast.Constant(value=True), part, []) if isinstance(part, list) else part


def swapped(i: int, values: list[ast.expr]) -> list[ast.expr]:
    """Two neighbours of a list in the other order."""
    return [*values[:i], values[i + 1], values[i], *values[i + 2 :]]


def names_bound(tree: ast.AST) -> frozenset[str]:
    """The names that a text binds anywhere, but for modules and functions."""
    nodes = list(ast.walk(tree))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return frozenset(stored | {node.arg for node in nodes if isinstance(node, ast.arg)})


def mutant(tree: ast.AST, site: Site) -> str:
    """Copy, change, print. The copy of a node is found through deepcopy's own memo, without a second walk."""
    memo: dict[int, Any] = {}
    mutated = copy.deepcopy(tree, memo)
    node, field, index = site.place
    target = memo[id(node)]
    if index is None:
        setattr(target, field, site.new(getattr(target, field)))
    else:
        values = getattr(target, field)
        values[index] = site.new(values[index])
    return ast.unparse(mutated)


def mutants_of_five_kinds(text: str) -> int:
    """Every mutant's text of the five kinds, unchecked; how many there are."""
    tree = ast.parse(text)
    return sum(len(mutant(tree, site)) > 0 for site in sites(tree, five_kinds))


def mutants_of_all_kinds(text: str) -> int:
    """Every mutant's text of all kinds, unchecked; how many there are."""
    tree = ast.parse(text)
    return sum(len(mutant(tree, site)) > 0 for site in sites(tree, all_kinds(names_bound(tree))))
