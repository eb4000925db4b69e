"""Which rows each step trains on: a function of seed and step alone, so that nothing of it needs to be saved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOOK = 50  # batches among which rows are sorted by length


@dataclass(frozen=True)
class Order:
    """A seeded order of ``rows`` rows in global batches of ``size``, a new one each epoch.

    The rows behind the last whole batch of an epoch are left out of that epoch. Where there are fewer rows than a
    batch, a batch is all of them. ``lengths`` (rows,) asks for batches of similar length.
    """

    rows: int
    size: int
    seed: int
    lengths: NDArray[np.int64] | None = None

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return max(1, self.rows // self.size)

    def batch(self, number: int, part: int = 0, parts: int = 1) -> NDArray[np.int64]:
        """Return the rows of batch ``number`` (from 0, over all epochs) that are one process' part of it."""
        epoch, at = divmod(number, self.steps)
        return self._epoch(epoch)[at * self.size : (at + 1) * self.size][part::parts]

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        cached = self.__dict__.get("_cached")
        if cached is None or cached[0] != epoch:
            cached = (epoch, self._shuffled(epoch))
            object.__setattr__(self, "_cached", cached)
        return cached[1]

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, 0x0D, epoch))
        order = generator.permutation(self.rows)
        if self.lengths is None:
            return order
        order = order[: self.steps * self.size]
        for first in range(0, len(order), LOOK * self.size):
            piece = order[first : first + LOOK * self.size]
            order[first : first + LOOK * self.size] = piece[np.argsort(self.lengths[piece], kind="stable")]
        batches = [order[first : first + self.size] for first in range(0, len(order), self.size)]
        return np.concatenate([batches[i] for i in generator.permutation(len(batches))])
