"""In-batch contrast with mutants as further negatives: InfoNCE, and DISCO (Eq. 4) where the scope is ``own``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from synctrain.objectives.distance import aligned, all_pairs, check_similarity
from synctrain.types import Embedded, Loss, Similarity

Scope: TypeAlias = Literal["own", "all"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """Cross-entropy of each query over the batch's positives and the drawn negatives, its own positive being right.

    Attributes:
        temperature: similarities are divided by it.
        similarity: the measure. ``neg_l2`` with temperature 1 is that of SYNC's released baselines.
        scope: whose hard negatives a query is shown: its ``own`` (DISCO, Eq. 4) or those of ``all`` rows (its released
            code). Soft negatives are always shown to their own row alone: for another they may be the answer.
        mask_same: leave out the positives of other rows that answer this query too (``Embedded.same``).
        symmetric: mean with the cross-entropy of each positive over the batch's queries.
        hard: weight of one term more, the mean over the hard negatives of log(1 + exp((s(q, n) - s(q, c)) / t)), where
            q is the query, c its code, n the negative and t is ``hard_temperature``: RankNet's pairwise logistic loss
            (Burges et al., ICML 2005).
        hard_temperature: of that term.

    Parts: ``code``, query to code; with ``symmetric`` also ``query``, code to query; with ``hard`` also ``hard``, that
    term before it is weighed, 0 in a batch without hard negatives.
    """

    partners: ClassVar[bool] = False

    temperature: float = 0.05
    similarity: Similarity = "cos"
    scope: Scope = "own"
    mask_same: bool = True
    symmetric: bool = False
    hard: float = 0.0
    hard_temperature: float = 0.02

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a temperature not positive, a weight below 0, an unknown similarity or scope."""
        check_temperature(self.temperature)
        check_temperature(self.hard_temperature)
        if not self.hard >= 0:
            raise ValueError(f"hard = {self.hard}: a weight must not be negative")
        check_similarity(self.similarity)
        if self.scope not in get_args(Scope):
            raise ValueError(f"no scope {self.scope!r}; there are: {', '.join(get_args(Scope))}")

    def __call__(self, embedded: Embedded) -> Loss:
        """Return the loss of a batch."""
        rows = torch.arange(len(embedded.query), device=embedded.query.device)
        in_batch = self._logits(embedded.query, embedded.positive)
        blocked = others(embedded.same) if self.mask_same else torch.zeros_like(embedded.same)
        drawn = self._logits(embedded.query, embedded.negative)
        hidden = embedded.row[None, :] != rows[:, None]
        if self.scope == "all":
            hidden &= ~embedded.hard[None, :]
        logits = torch.cat([hide(in_batch, blocked), hide(drawn, hidden)], dim=1)
        code = cross_entropy(logits, rows)
        value, parts = code, {"code": code.detach()}
        if self.symmetric:
            query = cross_entropy(hide(in_batch, blocked).T, rows)
            value, parts = (code + query) / 2, {**parts, "query": query.detach()}
        if self.hard:
            hard = self._told_apart(embedded)
            value, parts = value + self.hard * hard, {**parts, "hard": hard.detach()}
        return Loss(value, parts)

    def _told_apart(self, embedded: Embedded) -> Tensor:
        row, negative = embedded.row[embedded.hard], embedded.negative[embedded.hard]
        right = aligned(embedded.query[row], embedded.positive[row], self.similarity)
        wrong = aligned(embedded.query[row], negative, self.similarity)
        return softplus((wrong - right) / self.hard_temperature).sum() / max(1, len(row))

    def _logits(self, one: Tensor, other: Tensor) -> Tensor:
        return all_pairs(one, other, self.similarity) / self.temperature


def check_temperature(temperature: float) -> None:
    """Raise ``ValueError`` for a temperature that is not positive."""
    if not temperature > 0:
        raise ValueError(f"a temperature of {temperature}: must be positive")


def others(same: Tensor) -> Tensor:
    """Return ``same`` without its diagonal: the answers to a row's query in other rows, (b, b) bool."""
    return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def hide(logits: Tensor, mask: Tensor) -> Tensor:
    """Return logits that give what is under the mask no probability."""
    return logits.masked_fill(mask, float("-inf"))
