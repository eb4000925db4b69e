"""Other code of the same intent, which CodeRetriever's unimodal part sets beside each positive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class Partners:
    """For each pair a partner: other code that answers the same question, or the code itself where there is none."""

    def __init__(self, intent: Numbers, twin: Numbers) -> None:
        """Take for each pair a number of its intent, and one that is equal for equal code."""
        self.intent, self.twin = intent, twin
        order = np.argsort(intent, kind="stable")
        bounds = np.flatnonzero(np.diff(intent[order])) + 1
        self._members = {int(intent[group[0]]): group for group in np.split(order, bounds) if len(group)}

    def draw(self, pairs: Numbers, generator: np.random.Generator) -> Numbers:
        """Return the number of a partner for each of these pairs, (n,), evenly among those that it has.

        One random number is drawn a pair, whether it has a choice or not.
        """
        drawn: Numbers = pairs.copy()
        for place, (pair, chance) in enumerate(zip(pairs.tolist(), generator.random(len(pairs)), strict=True)):
            group = self._members[int(self.intent[pair])]
            others = group[self.twin[group] != self.twin[pair]]
            if len(others):
                drawn[place] = others[int(chance * len(others))]
        return drawn
