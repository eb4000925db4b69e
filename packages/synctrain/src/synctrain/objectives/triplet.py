"""The triplet loss (SYNC, Eq. 1) and triplet accuracy (Eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from synctrain.objectives.distance import aligned, check_similarity
from synctrain.types import Embedded, Loss, Similarity


@dataclass(frozen=True, slots=True)
class Triplet:
    """Mean over all negatives of max(0, d(query, positive) - d(query, negative) + margin).

    d is the Euclidean distance by default, minus the similarity otherwise. Each negative meets the query and the
    positive of its row, so a row may have several negatives or none; without any the loss is 0 and still a function
    of the query.

    Parts: ``soft`` and ``hard``, the mean over negatives of that kind, 0 where there is none.
    """

    partners: ClassVar[bool] = False

    margin: float = 1.0
    similarity: Similarity = "neg_l2"

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a negative margin or an unknown similarity."""
        check_margin(self.margin)
        check_similarity(self.similarity)

    def __call__(self, embedded: Embedded) -> Loss:
        """Return the loss of a batch."""
        losses = (self.margin - _gap(embedded, self.similarity)).relu()
        hard = embedded.hard
        parts = {"soft": masked_mean(losses, ~hard).detach(), "hard": masked_mean(losses, hard).detach()}
        value = losses.mean() if len(losses) else 0 * embedded.query.sum()
        return Loss(value, parts)


def right(embedded: Embedded, similarity: Similarity, margin: float = 0.0) -> Tensor:
    """Return which triplets are right: the query is nearer to its positive than to the negative (SYNC, Eq. 2).

    Args:
        embedded: the batch.
        similarity: the measure.
        margin: by how much nearer, exclusive. 0 is the paper's definition, 1 its released code's.

    Returns:
        (n,) bool, one for each negative. A tie is not right.
    """
    with torch.no_grad():
        return _gap(embedded, similarity) > margin


def outcome(correct: Tensor, hard: Tensor) -> Tensor:
    """Return what a curriculum over (soft, hard) observes, as counts that processes can sum.

    Args:
        correct: (n,) bool, from ``right``.
        hard: (n,) bool, from the batch.

    Returns:
        (2, 2) int64: a row for soft and one for hard, right and seen in each. On the device; no synchronisation.
    """
    rows = [torch.stack([(correct & kind).sum(), kind.sum()]) for kind in (~hard, hard)]
    return torch.stack(rows)


def check_margin(margin: float) -> None:
    """Raise ``ValueError`` for a negative margin, or one that is no number."""
    if not margin >= 0:
        raise ValueError(f"a margin of {margin}: must not be negative")


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the values under a mask, 0 (with a gradient of 0) where there are none."""
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)


def _gap(embedded: Embedded, similarity: Similarity) -> Tensor:
    """Return how much nearer each negative's query is to the positive of its row, (n,)."""
    row = embedded.row
    to_positive = aligned(embedded.query, embedded.positive, similarity)
    return to_positive[row] - aligned(embedded.query[row], embedded.negative, similarity)
