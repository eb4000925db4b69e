"""What a change does to names that ``:=`` binds: a mutant that cannot run past a name without a value finds no bug."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import libcst as cst

from astmut.imports import Imports, imports
from astmut.model import Span
from astmut.source import Key, Source, normal

_SCOPES = frozenset({cst.Module, cst.ClassDef, cst.FunctionDef, cst.Lambda})
_BEHIND_VALUE = frozenset({cst.Assign, cst.AnnAssign, cst.NamedExpr, cst.ClassDef})
_LOOPS = frozenset({cst.For, cst.CompFor})
_TARGETS = frozenset({cst.AssignTarget, cst.Tuple, cst.List, cst.Element, cst.StarredElement})
# What binds a name, and fails where it has no value before.
_NEEDS_VALUE = frozenset({cst.Del, cst.AugAssign})


def binds(source: Source, span: Span) -> bool:
    """Say whether a ``:=`` begins in a span."""
    walruses = source.by_type.get(cst.NamedExpr)
    if not walruses:
        return False
    at = bisect_left(walruses, span.start, key=source.starts.__getitem__)  # they are in the order of the text
    return at < len(walruses) and source.starts[walruses[at]] < span.end


def unbinds(source: Source, changed: Iterable[Key]) -> bool:
    """Say whether a ``:=`` stands in what is changed, and what is left reads its name before anything binds it.

    Before means in the order of the text, in the function or module whose name it is.
    """
    walruses = source.by_type.get(cst.NamedExpr)
    if not walruses:
        return False
    gone = [source.place(key) for key in changed]
    if not any(binds(source, span) for span in gone):
        return False

    def is_gone(number: int) -> bool:
        return any(start <= source.starts[number] < end for start, end in gone)

    return any(is_gone(number) and _reads_first(source, number, is_gone) for number in walruses)


def _reads_first(source: Source, walrus: int, is_gone: Any) -> bool:
    """Say whether the first mention that is left of a name is one that reads it."""
    target: Any = source.nodes[walrus]
    target = target.target
    names, mentions = _names(source)
    scope = names.owner(target)
    around = (
        above for above in source.ancestors(target) if id(above) == scope or (not scope and type(above) in _SCOPES)
    )
    start, end = source.span(next(around))
    left: list[tuple[int, bool]] = []  # where each takes place, and whether it reads the name
    for number in mentions[normal(target.value)]:
        if not start <= source.starts[number] < end or is_gone(number):
            continue
        node: Any = source.nodes[number]
        above: Any = source.parent(node)
        if type(above) is cst.AnnAssign and above.target is node and above.value is None:
            continue  # neither read nor given a value
        if scope is None or names.owner(node) in {scope, None}:
            if type(above) in _NEEDS_VALUE or not names.is_bound(node):
                left.append((source.starts[number], True))
            else:
                left.append((_bound_at(source, node), False))
    return bool(left) and min(left)[1]


def _bound_at(source: Source, node: cst.CSTNode) -> int:
    """Return the byte at which a name is bound: behind the value that it is bound to."""
    for above in source.ancestors(node):
        kind = type(above)
        if kind in _BEHIND_VALUE:
            return source.span(above).end
        if kind in _LOOPS:
            return source.outer(above.iter).end  # type: ignore[attr-defined]
        if kind is cst.FunctionDef:
            return source.span(above.body).start  # type: ignore[attr-defined]
        if kind not in _TARGETS:
            break
    return source.span(node).start


def _names(source: Source) -> tuple[Imports, dict[str, list[int]]]:
    """Return what binds the names that ``:=`` binds, and the numbers of their mentions in the order of the text."""
    found: Any = source.memo.get("walruses")
    if found is None:
        walruses: Any = [source.nodes[at] for at in source.by_type[cst.NamedExpr]]
        mentions: dict[str, list[int]] = {normal(each.target.value): [] for each in walruses}
        names = imports(source, frozenset(mentions))
        written: Any = source.by_type[cst.Name]
        ascii_only = source.text.data is None
        for number in written:
            node: Any = source.nodes[number]
            name = node.value if ascii_only else normal(node.value)
            if name in mentions and names.is_variable(node):
                mentions[name].append(number)
        found = source.memo["walruses"] = (names, mentions)
    return found  # type: ignore[no-any-return]
