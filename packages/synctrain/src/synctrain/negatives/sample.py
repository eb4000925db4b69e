"""One candidate for each hard row: by its score, softmax(beta * score), or by chance alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

Sampling: TypeAlias = Literal["softmax", "uniform", "by_rule", "top1"]
SCORED: tuple[Sampling, ...] = ("softmax", "top1")  # the ways that look at scores


class Chosen(NamedTuple):
    """A choice for each row.

    Attributes:
        picks: the candidate of each row, -1 where the row has none: it falls back to a soft negative.
        divergence: mean over rows with candidates of KL(p || uniform) in nats, 0 without any. Near 0 the scores
            decide nothing and ``uniform`` would do, for free.
    """

    picks: list[int]
    divergence: float


def choose(
    scores: Sequence[ArrayLike],
    beta: float,
    generator: np.random.Generator,
    *,
    sampling: Sampling = "softmax",
    rules: Sequence[ArrayLike] = (),
) -> Chosen:
    """Choose a candidate for each row (SYNC, section 3.2).

    Exactly one random number is drawn for each row, whatever its candidates and the way of sampling, so that runs stay
    comparable.

    Args:
        scores: for each row the scores of its candidates, 1-D, on the CPU; rows may be empty. Only their number
            matters to the ways that are not ``SCORED``.
        beta: inverse temperature; 0 is uniform.
        generator: source of chance; its ``bit_generator.state`` is plain numbers, which a checkpoint holds as JSON.
        sampling: ``softmax`` of beta * score; ``uniform``; ``by_rule``, each rule that made any as likely as another,
            and within a rule each candidate; ``top1``, the highest score (the first of equals).
        rules: for ``by_rule``, for each row the numbers of the rules that made its candidates.

    Raises:
        ValueError: an unknown way of sampling, scores that are not 1-D, a score that is not finite, or for ``by_rule``
            rules that are not one a candidate.
    """
    if sampling not in get_args(Sampling):
        raise ValueError(f"no sampling {sampling!r}; there are: {', '.join(get_args(Sampling))}")
    picks: list[int] = []
    divergences: list[float] = []
    for number, (row, chance) in enumerate(zip(scores, generator.random(len(scores)), strict=True)):
        values = np.asarray(row, dtype=np.float64)
        if values.ndim != 1:
            raise ValueError(f"scores of shape {values.shape}: a row has one score a candidate")
        if not np.isfinite(values).all():
            raise ValueError("a candidate's score is not finite: the model's vectors are broken")
        if not values.size:
            picks.append(-1)
            continue
        if sampling == "top1":
            picks.append(int(values.argmax()))
            divergences.append(log(values.size))
            continue
        if sampling == "by_rule":
            if len(rules) != len(scores) or np.shape(rules[number]) != values.shape:
                raise ValueError("by_rule needs the rule of each candidate, row by row")
            _, rule, counts = np.unique(np.asarray(rules[number]), return_inverse=True, return_counts=True)
            weights = 1 / counts[rule]
        else:
            logits = beta * values if sampling == "softmax" else np.zeros_like(values)
            weights = np.exp(logits - logits.max())
        share = weights / weights.sum()
        # The last bound is left out: rounding must not leave a gap below 1 that leads past the end.
        picks.append(int(np.searchsorted(np.cumsum(share)[:-1], chance, side="right")))
        seen = share[share > 0]
        divergences.append(max(0.0, float((seen * np.log(seen * values.size)).sum())))
    return Chosen(picks, sum(divergences) / len(divergences) if divergences else 0.0)
