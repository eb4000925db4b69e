"""How near vectors are: dot product, cosine, negative Euclidean distance; for all pairs, or row by row.

Larger is nearer. Half precision is computed in float32, double stays double. Where two vectors coincide (or one is
zero, for the cosine) the gradient is finite: the distance's is 0 there, where autograd's own is NaN.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from synctrain.types import Similarity

SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)


def all_pairs(one: Tensor, other: Tensor, similarity: Similarity) -> Tensor:
    """Return how near each vector is to each.

    Args:
        one: (a, d).
        other: (b, d).
        similarity: the measure.

    Returns:
        (a, b), float32 or float64.
    """
    check_similarity(similarity)
    with torch.autocast(one.device.type, enabled=False):
        one, other = _wide(one), _wide(other)
        if similarity == "neg_l2":
            # The fast way, over a matrix product, loses near points to cancellation: they are what counts here.
            return -torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
        if similarity == "cos":
            one, other = _unit(one), _unit(other)
        return one @ other.T


def aligned(one: Tensor, other: Tensor, similarity: Similarity) -> Tensor:
    """Return how near each vector is to its counterpart.

    Args:
        one: (n, d).
        other: (n, d).
        similarity: the measure.

    Returns:
        (n,), float32 or float64.
    """
    check_similarity(similarity)
    with torch.autocast(one.device.type, enabled=False):
        one, other = _wide(one), _wide(other)
        if similarity == "neg_l2":
            return -_root((one - other).square().sum(-1))
        if similarity == "cos":
            one, other = _unit(one), _unit(other)
        return (one * other).sum(-1)


def check_similarity(similarity: str) -> None:
    """Raise ``ValueError`` for a measure that does not exist."""
    if similarity not in SIMILARITIES:
        raise ValueError(f"no similarity {similarity!r}; there are: {', '.join(SIMILARITIES)}")


def _wide(vectors: Tensor) -> Tensor:
    return vectors.float() if vectors.dtype in {torch.float16, torch.bfloat16} else vectors


def _root(squares: Tensor) -> Tensor:
    """Return square roots, with gradient 0 where the square is 0."""
    zero = squares == 0
    return squares.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


def _unit(vectors: Tensor) -> Tensor:
    """Return vectors of length 1; a zero vector stays zero."""
    length = _root(vectors.square().sum(-1, keepdim=True))
    return vectors / length.masked_fill(length == 0, 1)
