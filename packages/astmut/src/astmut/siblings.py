"""Accepted changes of one source, side by side: no two of them may give one tree.

Two changes that one cell has judged are compared there. All others give one tree only where they bring in and take
away the same words (see ``balance``), and their places tell most of those apart: a change of one statement is none of
another statement, one of an element none of an element beside it, and atoms in two places are two trees. Only changes
of compound statements and of more, *large* ones, may be equal wherever they are: ``if a: if a: b`` becomes ``if a: b``
in two ways; those of more than one region may be equal to any other. What is left is compared as trees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from astmut.cell import Cell
from astmut.cells import Cells
from astmut.model import Edit, Span
from astmut.words import Balance, balance

ATOMS, ELEMENT, UNIT, LARGE = range(4)
# The kinds that a change within a statement or header is compared with there.
_COMPARED = {ATOMS: (ELEMENT, UNIT), ELEMENT: (ATOMS, UNIT), UNIT: (ATOMS, ELEMENT)}


class Change:
    """An accepted change: the cell that judged it, or else the places of the atoms that it puts in.

    ``region`` is the one that holds it, or the whole text where none does.
    """

    __slots__ = ("_position", "balance", "cell", "edits", "kind", "places", "region")

    def __init__(self, region: Cell, edits: Sequence[Edit], cell: Cell | None, places: tuple[Span, ...]) -> None:
        """Work out what kind of change it is, and its balance."""
        self.region, self.edits, self.cell, self.places = region, edits, cell, places
        self.balance = balance(region.source, edits)
        self._position: int | bool | None = False
        if cell is None:
            self.kind = ATOMS
        elif cell.role == "" or cell.span == region.span:
            self.kind = LARGE
        else:
            self.kind = ELEMENT if cell.role == "element" else UNIT

    def position(self, cell: Cell) -> int | None:
        """What all programs of one tree that are made of a cell have in common: words and strings in their order."""
        if cell is not self.region:
            return cell.key(self.edits)
        if self._position is False:
            self._position = cell.key(self.edits)
        return self._position


Changes: TypeAlias = list[Change]


class Siblings:
    """The accepted changes of one source."""

    def __init__(self, cells: Cells) -> None:
        """There are none yet."""
        self.cells = cells
        self._regions: dict[int, dict[Balance, Changes]] = {}
        # The same changes by what they can be told apart with, so that none is compared with hundreds.
        self._large: dict[tuple[int, Balance], Changes] = {}
        self._smaller: dict[tuple[int, int, Balance], Changes] = {}
        self._elements: dict[tuple[int, Balance], Changes] = {}
        self._placed: dict[tuple[Span, ...], Changes] = {}
        # Large ones that no region holds.
        self._largest: dict[Balance, Changes] = {}

    def have(self, one: Change) -> bool:
        """Whether there is one with the same tree; the change is remembered if not."""
        place = one.region.start if one.region is not self.cells.whole else -1
        known = self._regions.get(place)
        if known is None:
            known = self._regions[place] = {}
        unit = self.cells.unit_number(one.edits[0].span.start, one.edits[-1].span.end)
        if any(self._same_tree(one, other) for other in self._alike(one, known, unit)):
            return True
        known.setdefault(one.balance, []).append(one)
        if one.kind != LARGE:
            self._smaller.setdefault((one.kind, unit, one.balance), []).append(one)
            if one.kind == ELEMENT and one.cell is not None:
                self._elements.setdefault((one.cell.outermost, one.balance), []).append(one)
        elif place < 0:
            self._largest.setdefault(one.balance, []).append(one)
        else:
            self._large.setdefault((place, one.balance), []).append(one)
        if one.places:
            self._placed.setdefault(one.places, []).append(one)
        return False

    def _alike(self, one: Change, known: dict[Balance, Changes], unit: int) -> Iterable[Change]:
        """Return those that could have the same tree, of the region and of those that no region holds."""
        key = one.balance
        if one.kind == LARGE and one.region is self.cells.whole:
            if key is None:
                return _all(ones for some in self._regions.values() for ones in some.values())
            return _all(ones for some in self._regions.values() for ones in (some.get(key), some.get(None)))
        if key is None:
            return _all([*known.values(), *self._largest.values()])
        found: list[Changes | None] = [self._largest.get(key), self._largest.get(None)] if self._largest else []
        if one.kind == LARGE or None in known:
            found += known.get(key), known.get(None)
        else:
            found += [self._smaller.get((kind, unit, key)) for kind in _COMPARED[one.kind]]
            if one.kind == ELEMENT and one.cell is not None:
                found.append(self._elements.get((one.cell.outermost, key)))
            found += self._large.get((one.region.start, key)), self._placed.get(one.places)
        return _all(found)

    def _same_tree(self, one: Change, other: Change) -> bool:
        """Whether two changes give one tree."""
        if _apart(one, other) or _apart(other, one):
            return False
        whole = self.cells.whole
        judge = one.region if one.region is other.region else whole
        words = {one.position(judge), other.position(judge)}
        if len(words) > 1 and None not in words:
            return False
        if judge.original is None or whole in (one.cell, other.cell):
            judge = whole
        try:
            return judge.same_tree(judge.program(one.edits), judge.program(other.edits))
        except SyntaxError:  # one of them does not stand in a region by itself
            return whole.same_tree(whole.program(one.edits), whole.program(other.edits))


def _all(found: Iterable[Changes | None]) -> list[Change]:
    return [other for some in found if some for other in some]


def _apart(one: Change, other: Change) -> bool:
    """Whether two changes surely have two trees, or were compared by the cell that judged both."""
    if one.balance != other.balance and None not in (one.balance, other.balance):
        return True
    if one.cell is other.cell:
        return one.cell is not None or one.places != other.places
    if one.kind not in {ELEMENT, UNIT} or one.cell is None:
        return False
    if other.kind == ATOMS:
        return other.places[0].start < one.cell.start or other.places[-1].end > one.cell.end
    if one.kind == ELEMENT and other.cell is not None and other.kind == ELEMENT:  # one may be inside the other
        return one.cell.end <= other.cell.start or other.cell.end <= one.cell.start
    return one.kind == other.kind
