"""DNS: each query against the nearest wrong answer of its batch, under the current vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from synctrain.objectives.distance import all_pairs, check_similarity
from synctrain.objectives.triplet import check_margin, masked_mean
from synctrain.types import Embedded, Loss, Similarity


@dataclass(frozen=True, slots=True)
class Hardest:
    """Triplet loss with the nearest positive of another row as the negative, one for each query.

    Positives that answer the query too (``Embedded.same``: its own, of the same intent, of the same code) are never
    chosen. The mean is over rows that have another answer to choose; without any the loss is 0. Drawn negatives are
    not looked at, and no second forward pass is needed. SYNC's released code computes this choice and drops it.

    Attributes:
        margin: of the triplet loss.
        similarity: the measure of the loss.
        chosen_by: the measure of the choice, ``similarity`` by default; the released code meant ``dot``.

    Parts: ``found``, the share of rows with a negative.
    """

    partners: ClassVar[bool] = False

    margin: float = 1.0
    similarity: Similarity = "neg_l2"
    chosen_by: Similarity | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a negative margin or an unknown similarity."""
        check_margin(self.margin)
        check_similarity(self.similarity)
        check_similarity(self.chosen_by or self.similarity)

    def __call__(self, embedded: Embedded) -> Loss:
        """Return the loss of a batch."""
        near = all_pairs(embedded.query, embedded.positive, self.similarity)
        if self.chosen_by is None or self.chosen_by == self.similarity:
            column, found = _best(near.detach(), embedded.same)
        else:
            column, found = nearest(embedded, self.chosen_by)
        gap = near.diagonal() - near.gather(1, column[:, None]).squeeze(1)
        value = masked_mean((self.margin - gap).relu(), found)
        return Loss(value, {"found": found.float().mean()})


def nearest(embedded: Embedded, similarity: Similarity) -> tuple[Tensor, Tensor]:
    """Return for each query the row whose positive is nearest without answering the query.

    Args:
        embedded: the batch.
        similarity: the measure.

    Returns:
        (b,) int64, that row (the first of equals), and (b,) bool, whether there is one: where all positives answer the
        query the row is 0 and means nothing.
    """
    with torch.no_grad():
        return _best(all_pairs(embedded.query, embedded.positive, similarity), embedded.same)


def _best(near: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    return near.masked_fill(same, float("-inf")).argmax(dim=1), ~same.all(dim=1)
