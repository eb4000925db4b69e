"""What a run is made of, between those who build it and the loop that uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from synctrain.types import Curriculum, Embed, Objective, Ragged

Numbers = NDArray[np.int64]


class Store(Protocol):
    """Texts as token ids, by number."""

    lengths: Numbers

    def gather(self, numbers: Sequence[int] | Numbers) -> Ragged:
        """Return the texts of these numbers, in this order."""
        ...


class Validate(Protocol):
    """How a model is measured while it trains."""

    deciding: tuple[str, ...]

    def __call__(self, embed: Embed) -> dict[str, float]:
        """Return the measures by name; the first one in ``deciding`` that differs says which model is better."""
        ...


class Pool(NamedTuple):
    """The mutants of each pair as numbers of texts: pair i has ``text[first[i] : first[i + 1]]``."""

    first: Numbers
    text: Numbers
    rule: Numbers  # which rule made each, equal where it is the same

    def of(self, pair: int) -> Numbers:
        """Return the mutants of a pair."""
        return self.text[self.places(pair)]

    def places(self, pair: int) -> Numbers:
        """Return where in ``text`` and ``rule`` the mutants of a pair are."""
        return np.arange(self.first[pair], self.first[pair + 1])


@dataclass(frozen=True)
class Material:
    """The training pairs as numbers: everything that a step looks up."""

    ids: Sequence[str]
    query: Numbers  # (pairs,) number of the text in the store
    code: Numbers  # (pairs,)
    intent: Numbers  # (pairs,) equal for pairs that answer one question
    twin: Numbers  # (pairs,) equal for pairs with the same code, formatting aside
    soft: Numbers  # (pairs, k) numbers of pairs, -1 where there is none
    pool: Pool
    nearest: Numbers  # (pairs, n) the same, the nearest first; n is 0 where none are drawn from them

    def same(self, pairs: Numbers) -> NDArray[np.bool_]:
        """Return whose code answers whose query, of the same intent or the same code: (n, n), true at i == j."""
        intent, twin = self.intent[pairs], self.twin[pairs]
        answers: NDArray[np.bool_] = (intent[:, None] == intent[None, :]) | (twin[:, None] == twin[None, :])
        return answers

    def same_partner(self, pairs: Numbers, partners: Numbers) -> NDArray[np.bool_]:
        """Return whose partner is no wrong answer to whose code, (n, n), true at i == j.

        The partner of j is none to i where both pairs answer one question, and where it is the code of i, or of the
        partner of i, formatting aside: code of one text may answer several questions.
        """
        mine, theirs = self.twin[pairs], self.twin[partners]
        equal: NDArray[np.bool_] = (mine[:, None] == theirs[None, :]) | (theirs[:, None] == theirs[None, :])
        return self.same(pairs) | equal


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    encoder: nn.Module
    store: Store
    material: Material
    curriculum: Curriculum
    objective: Objective
    validate: Validate | None
    embed: Embed
    data: str  # a hash of all texts that it is trained and measured on
