"""Where negatives come from: other pairs, mutants of the right code, and the choice among candidates."""

from __future__ import annotations

from synctrain.negatives.partner import Partners
from synctrain.negatives.sample import SCORED, Chosen, choose
from synctrain.negatives.soft import any_of, draw_soft, shuffle_soft
from synctrain.negatives.store import MutantStore, make_mutants
from synctrain.negatives.text import plain

__all__ = [
    "SCORED",
    "Chosen",
    "MutantStore",
    "Partners",
    "any_of",
    "choose",
    "draw_soft",
    "make_mutants",
    "plain",
    "shuffle_soft",
]
