"""Soft negatives: the code of other pairs, never of the same intent, never the same code."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from synctrain.negatives.text import plain
from synctrain.types import Pair

Indices = NDArray[np.int64]


def draw_soft(pairs: Sequence[Pair], k: int, seed: int, *, normalised: Callable[[str], Hashable] = plain) -> Indices:
    """Draw ``k`` different other pairs for each pair, evenly among those whose intent and code both differ.

    Time and memory are linear in the number of pairs, whatever their intents and codes: a draw goes to the pairs
    outside the intent (or outside the code, if that is the larger group), which lie together, and is repeated where
    the other one of the two is the same. The few groups where that would seldom succeed are listed.

    Args:
        pairs: the training pairs.
        k: how many negatives a pair.
        seed: the same seed gives the same negatives; another seed for each epoch gives fresh ones.
        normalised: code to what is equal for the same code, and best short.

    Returns:
        (pairs, k) int64, numbers of pairs. Rows with fewer than ``k`` eligible pairs hold them all, in random order,
        then -1: count these with ``(drawn < 0).sum()``.

    Raises:
        ValueError: ``k`` is negative.
    """
    if k < 0:
        raise ValueError(f"k = {k}: must not be negative")
    generator = np.random.default_rng(seed)
    drawn = np.full((len(pairs), k), -1, dtype=np.int64)
    if not drawn.size:
        return drawn
    intent = _numbers(pair.intent for pair in pairs)
    code = _numbers(normalised(pair.code) for pair in pairs)
    intents, codes = _Groups(intent), _Groups(code)
    both, cell = np.unique(intent * (code.max() + 1) + code, return_inverse=True)
    shared = np.bincount(cell, minlength=len(both))[cell]
    blocked = intents.size[intent] + codes.size[code] - shared
    wanted = np.minimum(k, len(pairs) - blocked)
    by_intent = intents.size[intent] >= codes.size[code]
    outside = len(pairs) - np.where(by_intent, intents.size[intent], codes.size[code])
    # At most a dozen cells are listed: in each, an intent and a code share out the half of all that is left.
    rare = 2 * (len(pairs) - blocked) < outside
    for number in np.unique(cell[rare]):
        rows = np.flatnonzero(cell == number)
        eligible = np.flatnonzero((intent != intent[rows[0]]) & (code != code[rows[0]]))
        _fill_from(eligible, rows, drawn, generator)
    common = np.flatnonzero(~rare)
    for column in range(k):
        left = common[wanted[common] > column]
        while left.size:
            mine = by_intent[left]
            pick = np.empty(len(left), dtype=np.int64)
            pick[mine] = intents.outside(intent[left[mine]], generator)
            pick[~mine] = codes.outside(code[left[~mine]], generator)
            bad = (intent[pick] == intent[left]) | (code[pick] == code[left])
            bad |= (drawn[left, :column] == pick[:, None]).any(axis=1)
            drawn[left[~bad], column] = pick[~bad]
            left = left[bad]
    return drawn


def shuffle_soft(same: NDArray[np.bool_], generator: np.random.Generator) -> Indices:
    """Give each row of a batch the positive of another row for a negative (the released code's in-batch option).

    Args:
        same: (b, b) bool, ``Embedded.same``: which positives answer which query. Never chosen.
        generator: source of chance.

    Returns:
        (b,) int64, evenly among the rows that may be chosen; -1 where there is none. Unlike the released permutation,
        in which one row in b keeps its own positive, two rows may get the same negative.
    """
    weights = np.where(same, -1.0, generator.random(same.shape))
    if not weights.size:
        return np.empty(len(same), dtype=np.int64)
    return np.where(weights.max(axis=1) < 0, -1, weights.argmax(axis=1))


def any_of(numbers: Indices, k: int, generator: np.random.Generator) -> Indices:
    """Draw ``k`` different ones out of each row, all alike likely.

    Args:
        numbers: (rows, n) int64, what may be drawn; below 0 where there is nothing.
        k: how many.
        generator: source of chance.

    Returns:
        (rows, k) int64; -1 where a row has no more.
    """
    order = np.argsort(np.where(numbers < 0, 2.0, generator.random(numbers.shape)), axis=1)[:, :k]
    drawn = np.take_along_axis(numbers, order, axis=1)
    return np.pad(drawn, ((0, 0), (0, k - drawn.shape[1])), constant_values=-1)


class _Groups:
    """Things by the number of their group, so that those outside a group can be drawn without a miss."""

    def __init__(self, group: Indices) -> None:
        self.order = np.argsort(group, kind="stable")
        self.size = np.bincount(group)
        self.start = np.cumsum(self.size) - self.size

    def outside(self, group: Indices, generator: np.random.Generator) -> Indices:
        """Return a random thing outside each of these groups, none of which may hold everything."""
        size, start = self.size[group], self.start[group]
        place = generator.integers(len(self.order) - size)
        return self.order[np.where(place >= start, place + size, place)]


def _fill_from(eligible: Indices, rows: Indices, drawn: Indices, generator: np.random.Generator) -> None:
    """Fill rows with different numbers out of ``eligible``, as many as there are."""
    k = drawn.shape[1]
    if eligible.size <= 2 * k:
        for row in rows:
            drawn[row, : min(k, eligible.size)] = generator.permutation(eligible)[:k]
        return
    for column in range(k):
        left = rows
        while left.size:
            pick = eligible[generator.integers(eligible.size, size=len(left))]
            bad = (drawn[left, :column] == pick[:, None]).any(axis=1)
            drawn[left[~bad], column] = pick[~bad]
            left = left[bad]


def _numbers(names: Iterable[Hashable]) -> Indices:
    """Return a number for each name, the same for equal names."""
    known: dict[Hashable, int] = {}
    return np.fromiter((known.setdefault(name, len(known)) for name in names), dtype=np.int64)
