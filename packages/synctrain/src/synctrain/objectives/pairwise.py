"""Right pair or wrong pair: binary cross-entropy of sigmoid(query . code), SYNC's Eq. 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import softplus

from synctrain.objectives.distance import aligned, check_similarity
from synctrain.types import Embedded, Loss, Similarity


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Mean of -log sigmoid(s) over the positives and -log sigmoid(-s) over the negatives, all weighed alike.

    The simple baselines (n-BOW, CNN, RNN) are trained with it, s being the dot product.

    Parts: ``positive`` and ``negative``, the mean over each kind, 0 where there is none.
    """

    partners: ClassVar[bool] = False

    similarity: Similarity = "dot"

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an unknown similarity."""
        check_similarity(self.similarity)

    def __call__(self, embedded: Embedded) -> Loss:
        """Return the loss of a batch."""
        positive = softplus(-aligned(embedded.query, embedded.positive, self.similarity))
        negative = softplus(aligned(embedded.query[embedded.row], embedded.negative, self.similarity))
        parts = {
            "positive": positive.detach().mean(),
            "negative": negative.detach().sum() / max(1, len(negative)),
        }
        return Loss(torch.cat([positive, negative]).mean(), parts)
