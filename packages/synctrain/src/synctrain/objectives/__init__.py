"""Losses over the vectors of a batch, each a frozen dataclass that never sees a model.

Where an option names a ``Similarity``, larger means nearer: ``dot``, ``cos``, or ``neg_l2``, the negative distance.
"""

from __future__ import annotations

from synctrain.objectives.contrast import Contrast
from synctrain.objectives.distance import aligned, all_pairs
from synctrain.objectives.hardest import Hardest, nearest
from synctrain.objectives.pairwise import Pairwise
from synctrain.objectives.retriever import Retriever
from synctrain.objectives.triplet import Triplet, outcome, right

__all__ = [
    "Contrast",
    "Hardest",
    "Pairwise",
    "Retriever",
    "Triplet",
    "aligned",
    "all_pairs",
    "nearest",
    "outcome",
    "right",
]
