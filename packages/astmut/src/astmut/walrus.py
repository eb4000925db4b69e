"""What a change does to names that ``:=`` binds: a mutant that cannot run past a name without a value finds no bug."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import libcst as cst

from astmut.model import Span
from astmut.source import Key, Source
from astmut.surroundings import is_target

_SCOPES = frozenset({cst.Module, cst.ClassDef, cst.FunctionDef, cst.Lambda})
_DISPLAYS = frozenset({cst.Element, cst.StarredElement})
# What binds every name that is its child, and what binds the one in a field.
_BIND = frozenset({cst.AssignTarget, cst.AsName, cst.ImportAlias, cst.NameItem, cst.MatchAs, cst.MatchStar})
_FIELDS: dict[type[cst.CSTNode], str] = {
    cst.NamedExpr: "target", cst.AnnAssign: "target", cst.For: "target", cst.CompFor: "target", cst.Param: "name",
    cst.FunctionDef: "name", cst.ClassDef: "name",
}  # fmt: skip
_OTHERS: dict[type[cst.CSTNode], str] = {cst.Attribute: "attr", cst.Arg: "keyword", cst.MatchKeywordElement: "key"}


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
    node: Any = source.nodes[walrus]
    start, end = source.span(next(above for above in source.ancestors(node) if type(above) in _SCOPES))
    for number in _mentions(source).get(node.target.value, ()):
        if start <= source.starts[number] < end and not is_gone(number):
            return not _is_bound(source, source.nodes[number])
    return False


def _mentions(source: Source) -> dict[str, list[int]]:
    """Return the numbers of the names that are variables, by name, in the order of the text."""
    found: Any = source.memo.get("mentions")
    if found is None:
        found = source.memo["mentions"] = {}
        for number in source.of_types((cst.Name,)):
            node: Any = source.nodes[number]
            above = source.nodes[source.parents[number]]
            if getattr(above, _OTHERS.get(type(above), ""), None) is not node:
                found.setdefault(node.value, []).append(number)
    return found  # type: ignore[no-any-return]


def _is_bound(source: Source, node: cst.CSTNode) -> bool:
    """Say whether a mention of a name binds it."""
    above: Any = source.parent(node)
    kind = type(above)
    if kind in _DISPLAYS:
        return is_target(node, source)
    return kind in _BIND or (kind in _FIELDS and getattr(above, _FIELDS[kind]) is node)
