"""Whether one model is better than another, or chance: a paired randomisation test over queries.

scipy's permutation_test is not used: its two-sided p doubles the smaller tail, smoothing included, which is not the p
that retrieval work reports, and nothing else here needs scipy. A test compares the two on enumerated cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_AT_ONCE = 2**22  # signs drawn at once
_SLACK = 1e-9  # sums that differ by rounding are equal


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of ours - theirs over the queries, and how likely so large a one is when they are exchangeable."""

    mean: float
    p: float
    queries: int
    exact: bool  # all assignments were tried, not a sample


def compare(
    ours: Mapping[str, float], theirs: Mapping[str, float], assignments: int = 10_000, seed: int = 0
) -> Difference:
    """Test the difference of two models on the same queries (Fisher's randomisation test, two-sided).

    Where the models are alike, each query's difference is as likely to have the other sign. Of all ways to give signs,
    p is the share whose mean is at least as far from 0 as the one seen: exactly, where there are at most
    ``assignments`` ways (queries without a difference do not count as ways), else (r + 1) / (n + 1) with r of n seeded
    draws, so never 0.

    Args:
        ours: A measure by query id, such as `retrieval.Row.reciprocal_ranks`.
        theirs: The same measure of the other model.
        assignments: How many ways to try.
        seed: Of the draws.

    Raises:
        ValueError: the queries differ, or there are none.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"not the same queries: {len(ours.keys() ^ theirs.keys())} have a value on one side only")
    if not ours:
        raise ValueError("there are no queries to compare on")
    # By id: the result must not depend on the order of a mapping.
    every = torch.tensor([ours[name] - theirs[name] for name in sorted(ours)], dtype=torch.float64)
    values = every[every != 0]
    mean = float(every.mean())
    exact = 2 ** len(values) <= assignments
    far = float(values.sum().abs()) - _SLACK * float(values.abs().sum())
    if exact:
        numbers = torch.arange(2 ** len(values)).unsqueeze(1)
        p = _as_far((numbers >> torch.arange(len(values))) & 1, values, far) / len(numbers)
        return Difference(mean, p, len(every), exact)
    draw = torch.Generator().manual_seed(seed)
    step, hits = max(1, _AT_ONCE // len(values)), 0
    for start in range(0, assignments, step):
        size = (min(step, assignments - start), len(values))
        hits += _as_far(torch.randint(2, size, generator=draw, dtype=torch.int8), values, far)
    return Difference(mean, (hits + 1) / (assignments + 1), len(every), exact)


def _as_far(bits: Tensor, values: Tensor, far: float) -> int:
    """Count the rows of 0 and 1, as signs, (n, queries), under which the values' sum is at least so far from 0."""
    return int((((2 * bits.double() - 1) @ values).abs() >= far).sum())
