"""The score of ``score.py`` for all pairs of an index at once, with arrays; the numbers are the same to the last bit.

Three observations make it fast. Words sorted once and ``cdist`` with ``ratio`` give what ``token_sort_ratio`` gives.
Many functions have the same name, and many more the same kinds and defaults, so that both are compared for the
different ones only. The rest is picking numbers from tables, some hundred functions at a time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.process import cdist

from astmut.library.score import DIGITS
from astmut.library.signature import Parameter

Rows: TypeAlias = NDArray[np.intp]
Scores: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int32]
T = TypeVar("T", bound=Hashable)

CHUNK = 256  # functions whose scores are held at a time; with 10,000 others that is 20 MB an array
KEPT = 512  # orders that are remembered, and ranks, of 40 KB each with 10,000 functions
HEAP = 32
FEW = 32  # so many of the nearest are named at a time
OUT = -1.0  # below every score: the function itself, and what is the same function


class Ranking:
    """What functions are compared by, as numbers. A row is the place of a function in the index."""

    def __init__(
        self,
        names: Sequence[str],
        returns: Sequence[str],
        parameters: Sequence[tuple[Parameter, ...]],
        definitions: Sequence[str],
    ) -> None:
        """Number what is different in each column."""
        self.size = len(names)
        self._names, self._name = _numbered([" ".join(sorted(name.replace("_", " ").split())) for name in names])
        _, self._returns = _numbered(returns)
        self._unknown = np.array([not each for each in returns], dtype=bool)
        shapes, self._shape = _numbered([tuple(p[1:] for p in each) for each in parameters])
        self._kinds = _padded([[p[0] for p in shape] for shape in shapes])
        self._defaults = _padded([["=" if p[1] is None else f"={p[1]}" for p in shape] for shape in shapes])
        self._lengths = np.array([len(shape) for shape in shapes], dtype=np.int64)
        _, self._definition = _numbered(definitions)
        self._orders: dict[int, Places] = {}
        self._ranks: dict[int, Places] = {}

    def parts(self, rows: Rows) -> tuple[Scores, Scores, Scores]:
        """Return name, return and parameter scores of some rows (down) with all (across)."""
        names, at = np.unique(self._name[rows], return_inverse=True)
        ratios = cdist([self._names[n] for n in names], self._names, scorer=fuzz.ratio, dtype=np.float64, workers=1)
        ratios /= 100
        by_name = np.take(ratios[at], self._name, axis=1)
        by_return = self._returns[rows, None] == self._returns[None, :]
        by_return &= ~self._unknown[None, :]
        shapes, at = np.unique(self._shape[rows], return_inverse=True)
        by_shape = np.take(self._of_shapes(shapes)[at], self._shape, axis=1)
        return by_name, by_return.astype(np.float64), by_shape

    def _of_shapes(self, shapes: Rows) -> Scores:
        """Return the parameter scores of some shapes with all."""
        most = 2 * np.maximum(self._lengths[shapes, None], self._lengths[None, :])
        points = np.zeros(most.shape, dtype=np.int32)
        longest = int(self._lengths[shapes].max(initial=0))
        for column in (self._kinds, self._defaults):
            for at in range(longest):
                mine = column[at][shapes]
                points += (mine[:, None] == column[at][None, :]) & (mine[:, None] >= 0)
        none = most == 0
        result: Scores = np.where(none, 1.0, points / np.where(none, 1, most))
        return result

    def scores(self, rows: Rows) -> Scores:
        """Return the whole scores of some rows with all; ``OUT`` for what is the same function."""
        name, returned, shape = self.parts(rows)
        name += returned
        name += shape
        np.round(name, DIGITS, out=name)
        name[self._definition[rows, None] == self._definition[None, :]] = OUT
        return name

    def order(self, row: int) -> Places:
        """Return all rows but those of the same function, the nearest first; of equals the lower row first."""
        known = self._orders.get(row)
        if known is None:
            if len(self._orders) >= KEPT:
                self._orders.clear()
                self._ranks.clear()
            scores = self.scores(np.array([row]))[0]
            order = np.argsort(-scores, kind="stable")
            known = self._orders[row] = order[scores[order] != OUT].astype(np.int32)
        return known

    def places(self, rows: Iterable[int]) -> Places:
        """Return rows as ``nearest_of`` takes them."""
        return np.fromiter(rows, dtype=np.int32)

    def joined(self, parts: Sequence[Places]) -> Places:
        """Return the rows of several parts as one."""
        return np.concatenate(parts) if parts else self.places(())

    def nearest_of(self, some: Places, row: int) -> Iterator[int]:
        """Yield some rows, the nearest to one first, without those of the same function; what is given twice, twice."""
        order, ranks = self.order(row), self._ranks.get(row)
        if ranks is None:
            ranks = np.full(self.size, self.size, dtype=np.int32)
            ranks[order] = np.arange(len(order), dtype=np.int32)
            self._ranks[row] = ranks
        mine = ranks[some]
        mine.sort()
        end = int(mine.searchsorted(len(order)))
        for first in range(0, end, FEW):
            yield from order[mine[first : min(first + FEW, end)]].tolist()

    def table(self, k: int) -> tuple[Rows, Scores]:
        """Return for every row the ``k`` nearest, best first, and their scores; of equals the lower row first.

        Where there are fewer than ``k``, the rest is -1 with the score ``OUT``.
        """
        width = min(k, self.size)
        found = np.full((self.size, k), -1, dtype=np.intp)
        scores = np.full((self.size, k), OUT)
        for first in range(0, self.size, CHUNK):
            rows = np.arange(first, min(first + CHUNK, self.size))
            found[rows, :width], scores[rows, :width] = best(self.scores(rows), width)
        found[scores == OUT] = -1
        return found, scores


def best(scores: Scores, k: int) -> tuple[Rows, Scores]:
    """Return the columns of the ``k`` largest scores of each row, and the scores; of equals the first columns."""
    # The k-th best of the best of k or more heaps of columns is at most the k-th best of all: so few columns remain.
    heaps = len(scores[0]) // max(1, min(HEAP, len(scores[0]) // k))
    width = len(scores[0]) // heaps
    tops = scores[:, : heaps * width].reshape(len(scores), width, heaps).max(axis=1)
    floor = np.partition(tops, heaps - k, axis=1)[:, heaps - k]
    rows, columns = np.nonzero(scores >= floor[:, None])
    values = scores[rows, columns]
    order = np.lexsort((columns, -values, rows))
    begins = np.searchsorted(rows, np.arange(len(scores)))
    chosen = order[begins[:, None] + np.arange(k)[None, :]]
    return columns[chosen], values[chosen]


def _numbered(values: Sequence[T]) -> tuple[list[T], NDArray[Any]]:
    """Return the different values, and for each its number among them."""
    numbers: dict[T, int] = {}
    where = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), np.array(where, dtype=np.int32)


def _padded(lists: Sequence[Sequence[str]]) -> NDArray[np.int32]:
    """Return what stands at each place (down) of each list (across) as numbers, -1 where a list has ended."""
    numbers: dict[str, int] = {}
    table = np.full((max(map(len, lists), default=0), len(lists)), -1, dtype=np.int32)
    for column, values in enumerate(lists):
        for row, value in enumerate(values):
            table[row, column] = numbers.setdefault(value, len(numbers))
    return table
