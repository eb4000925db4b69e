"""For each training pair the code of other pairs that a model takes for the likeliest answers: mined hard negatives."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from synctrain.evaluate.ranking import Scores, rank
from synctrain.parts import Numbers


class _Wrong:
    """Scores of queries against the code of all pairs, with a query's right answers below everything else."""

    def __init__(self, scores: Scores, intent: Numbers, twin: Numbers) -> None:
        self.queries, self.documents = scores.queries, scores.documents
        self._scores, self._alike = scores, [torch.from_numpy(numbers) for numbers in (intent, twin)]

    def rows(self, first: int, last: int) -> Tensor:
        """Return the scores of the queries first..last-1, as ``Scores`` says."""
        scores = self._scores.rows(first, last)
        for alike in self._alike:
            scores.masked_fill_((alike[first:last, None] == alike).to(scores.device), float("-inf"))
        return scores


def nearest(scores: Scores, intent: Numbers, twin: Numbers, k: int) -> Numbers:
    """Return whose code scores highest for each pair's query, of all that is no right answer to it.

    Mined with the model that training begins with, that is the first round of ANCE (Xiong et al., ICLR 2021). Time
    grows with the square of the pairs, memory does not.

    Args:
        scores: of each pair's query against each pair's code, none of them infinite.
        intent: (pairs,), equal for pairs that answer one question.
        twin: (pairs,), equal for pairs with the same code.
        k: how many.

    Returns:
        (pairs, k) int64, numbers of pairs, the nearest first; of equal scores the first pair. Rows with fewer other
        pairs hold them all, then -1.

    Raises:
        ValueError: a score that is not a number.
    """
    none = torch.zeros(0, dtype=torch.int64)
    found = rank(_Wrong(scores, intent, twin), none, none, k)
    top = torch.where(torch.isneginf(found.scores), -1, found.top).numpy()
    return np.pad(top, ((0, 0), (0, k - top.shape[1])), constant_values=-1)
