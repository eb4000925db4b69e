"""How often each task is trained on. Pure Python; a curriculum hears counts and never sees a batch."""

from __future__ import annotations

from synctrain.curriculum.decay import Decay
from synctrain.curriculum.distribution import (
    DISTRIBUTIONS,
    Distribution,
    boltzmann,
    greedy_max,
    greedy_prop,
    mixed,
    prop,
    softmax,
)
from synctrain.curriculum.fixed import Fixed
from synctrain.curriculum.mastering import MasteringRate, sync

__all__ = [
    "DISTRIBUTIONS",
    "Decay",
    "Distribution",
    "Fixed",
    "MasteringRate",
    "boltzmann",
    "greedy_max",
    "greedy_prop",
    "mixed",
    "prop",
    "softmax",
    "sync",
]
