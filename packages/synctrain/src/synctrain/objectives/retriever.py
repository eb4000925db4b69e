"""CodeRetriever as SYNC compares with it (Eq. 3): query to code, and code to other code of the same intent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from synctrain.objectives.contrast import check_temperature, hide, others
from synctrain.objectives.distance import all_pairs, check_similarity
from synctrain.objectives.triplet import check_margin, masked_mean
from synctrain.types import Embedded, Loss, Similarity

Form: TypeAlias = Literal["contrast", "triplet"]


@dataclass(frozen=True, slots=True)
class Retriever:
    """Bimodal (query, positive) and unimodal (positive, partner) contrast over the batch, added up.

    The partner of a row is other code of the same intent, or, where there is none, the same code encoded under
    another dropout mask (``Embedded.partner``). Drawn negatives are not looked at.

    Attributes:
        bimodal: weight of query to code; 0 leaves it out.
        unimodal: weight of code to code; 0 leaves it out, and no partner is needed then.
        form: ``contrast``, cross-entropy over the batch (Eq. 3), or ``triplet``, the mean of max(0, margin - gap) over
            all wrong answers of the batch.
        similarity: the measure.
        temperature: of ``contrast``.
        margin: of ``triplet``.
        mask_same: leave out answers in other rows that answer this row too (``Embedded.same``), and other rows'
            partners that do, or that are the code or the partner of this row (``Embedded.same_partner``); the released
            code counts them as wrong.

    Parts: ``bimodal`` and ``unimodal``, before their weights, each where its weight is not 0.
    """

    bimodal: float = 1.0
    unimodal: float = 1.0
    form: Form = "contrast"
    similarity: Similarity = "neg_l2"
    temperature: float = 1.0
    margin: float = 1.0
    mask_same: bool = True

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for weights without any effect, or an option out of its range."""
        if not (self.bimodal >= 0 and self.unimodal >= 0 and self.bimodal + self.unimodal > 0):
            raise ValueError(f"weights {self.bimodal} and {self.unimodal}: must not be negative, and not both 0")
        if self.form not in get_args(Form):
            raise ValueError(f"no form {self.form!r}; there are: {', '.join(get_args(Form))}")
        check_similarity(self.similarity)
        check_temperature(self.temperature)
        check_margin(self.margin)

    @property
    def partners(self) -> bool:
        """Whether a batch needs partners."""
        return self.unimodal > 0

    def __call__(self, embedded: Embedded) -> Loss:
        """Return the loss of a batch.

        Raises:
            ValueError: the unimodal part has weight, and the batch has no partners.
        """
        parts: dict[str, Tensor] = {}
        if self.bimodal:
            parts["bimodal"] = self._part(embedded.query, embedded.positive, embedded.same)
        if self.unimodal:
            if embedded.partner is None:
                raise ValueError("CodeRetriever's unimodal loss needs a partner for each row; the batch has none")
            same = embedded.same if embedded.same_partner is None else embedded.same_partner
            parts["unimodal"] = self._part(embedded.positive, embedded.partner, same)
        weights = {"bimodal": self.bimodal, "unimodal": self.unimodal}
        value = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return Loss(value, {name: part.detach() for name, part in parts.items()})

    def _part(self, one: Tensor, other: Tensor, same: Tensor) -> Tensor:
        near = all_pairs(one, other, self.similarity)
        mine = torch.eye(len(near), dtype=torch.bool, device=near.device)
        blocked = others(same) if self.mask_same else torch.zeros_like(same)
        if self.form == "contrast":
            return cross_entropy(hide(near / self.temperature, blocked), torch.arange(len(near), device=near.device))
        gap = near.diagonal()[:, None] - near
        return masked_mean((self.margin - gap).relu(), ~(mine | blocked))
