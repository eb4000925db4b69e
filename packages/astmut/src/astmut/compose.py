"""The changes of many sites at once, as rewriting a tree from the root downwards makes them (SYNC, algorithm 1)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from astmut.model import Edit, Site, Span
from astmut.placing import TEXTS, fault_of, outside, rule_error, see_place, spaced, token_of
from astmut.rulebook import Edits, Replacement
from astmut.source import Source

Wish: TypeAlias = tuple[Site, int, Edits]  # a site, its node's number, and what its rule wants with all sites changed


class Wanting(NamedTuple):
    """An edit before its text is known: the replacement may hold nodes, whose text may change in turn."""

    start: int
    end: int
    new: Replacement
    site: int
    token: Span | None  # of which it is a part


def compose(source: Source, wishes: Sequence[Wish]) -> tuple[tuple[Edit, ...], tuple[Site, ...]]:
    """Return the edits that make the changes of many sites at once, and the sites that had a part in them.

    Deletions join. Otherwise the outermost change wins, and what lies inside it vanishes, except in the nodes that
    its replacement keeps: those are rendered with their own changes made. That is what rewriting a tree from the
    root downwards does.
    """
    changes = (change for number, wish in enumerate(wishes) for change in _changes(source, number, wish))
    unique = {(c.start, c.end, c.new): c for c in changes}
    ordered = sorted(unique.values(), key=lambda c: (c.start, c.start != c.end, -c.end, c.site))
    used: set[int] = set()
    edits = tuple(_compose(source, ordered, ordered, used))
    return edits, tuple(wishes[number][0] for number in sorted(used))


def _changes(source: Source, number: int, wish: Wish) -> Iterator[Wanting]:
    """Yield what a rule wants at one site. Raises ``RuleError`` for what is not in the text, or cuts a character."""
    site, at, edits = wish
    node = source.nodes[at]
    for key, new in edits.items():
        try:
            place = source.place(key)
            see_place(source, place)
        except (KeyError, ValueError) as error:
            raise rule_error(site.rule, source, site.span.start, fault_of(error)) from error
        yield Wanting(*place, new, number, token_of(source, node, place) if type(node) in TEXTS else None)


def _compose(
    source: Source, ordered: Sequence[Wanting], everything: Sequence[Wanting], used: set[int]
) -> Iterator[Edit]:
    at = 0
    while at < len(ordered):
        change = ordered[at]
        start, end = change.start, change.end
        used.add(change.site)
        at += 1
        while at < len(ordered) and ordered[at].start < end:
            if change.new == "" == ordered[at].new:
                end = max(end, ordered[at].end)
                used.add(ordered[at].site)
            at += 1
        if isinstance(change.new, str):
            new = change.new
        else:
            new = "".join(
                part if isinstance(part, str) else _rendered(source, source.outer(part), everything, used)
                for part in change.new
            )
        place = Span(start, end)
        before, behind = source.text.bytewise[start - 1 : start], source.text.bytewise[end : end + 1]
        before, behind = outside(change.token, place, before, behind)
        yield Edit(place, spaced(before, behind, new, inserted=start == end))


def _start(change: Wanting) -> int:
    return change.start


def _rendered(source: Source, span: Span, everything: Sequence[Wanting], used: set[int]) -> str:
    """Return the text of a span with those changes made that lie in it (but not one of the whole span)."""
    first = bisect_left(everything, span.start, key=_start)
    last = bisect_left(everything, span.end, first, key=_start)
    inside = [c for c in everything[first:last] if c.end <= span.end and (c.start, c.end) != span]
    return source.text.splice(_compose(source, inside, everything, used), *span)
