"""Exact ranks of the relevant documents and the first k, block by block, in memory that does not grow with q x n.

Scores are float32. Of two documents with equal scores, the one that stands first in the corpus ranks first. Every
measure of this package, BM25's too, is taken under that rule, so numbers do not depend on a library's sort.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from synctrain.types import Similarity

CELLS = 2**21
"""Scores held at once unless told otherwise; with what is made of them about 150 MiB (at least one query's row)."""

_COLUMNS = 8192  # documents that are made float64 at once
_PAIRS = 16_384  # pairs of vectors compared at once
_NEAR = 1e-6  # a squared distance below this share of the squared norms has lost too many digits to cancellation
_LOW = 2**32 - 1
_MAGNITUDE = 2**31 - 1


class Scores(Protocol):
    """Scores of queries against documents, made a few rows at a time."""

    queries: int
    documents: int

    def rows(self, first: int, last: int) -> Tensor:
        """Return the scores of the queries first..last-1 against all documents, (last - first, documents) float32."""
        ...


class Ranking(NamedTuple):
    """Where the relevant documents stand. Its four tensors are on the CPU."""

    query: Tensor  # (p,) int64: the query that each relevant document belongs to, in the order given
    rank: Tensor  # (p,) int64: from 1
    top: Tensor  # (q, k) int64: the first documents of each query
    scores: Tensor  # (q, k) float32: their scores


class Vectors:
    """Scores of embeddings. Sums run in float64 and end as float32, so a score does not depend on its block.

    With ``cos``, a vector of length 0 scores 0 against everything. ``neg_l2`` is minus the Euclidean distance.
    """

    def __init__(
        self, queries: Tensor, documents: Tensor, similarity: Similarity, device: torch.device | str = "cpu"
    ) -> None:
        """Take queries (q, d) and documents (n, d), and the device to compare them on.

        Raises:
            ValueError: the shapes do not fit, or a number is infinite or not a number.
        """
        if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:  # noqa: PLR2004 (q, d)
            shapes = f"{tuple(queries.shape)} and {tuple(documents.shape)}"
            raise ValueError(f"queries and documents must be (q, d) and (n, d), not {shapes}")
        for name, vectors in (("queries", queries), ("documents", documents)):
            if not bool(torch.isfinite(vectors).all()):
                raise ValueError(f"the vectors of the {name} hold infinite numbers or NaN: the model is broken")
        # Apple's GPUs have no float64.
        self.device = torch.device("cpu") if torch.device(device).type == "mps" else torch.device(device)
        self.similarity = similarity
        self.queries, self.documents = len(queries), len(documents)
        self._queries, self._documents = queries.to(self.device), documents.to(self.device)

    def rows(self, first: int, last: int) -> Tensor:
        """Return the scores of the queries first..last-1, (last - first, documents) float32, on the device."""
        left = _ready(self._queries[first:last], self.similarity)
        scores = torch.empty(len(left), self.documents, device=self.device)
        for start in range(0, self.documents, _COLUMNS):
            right = _ready(self._documents[start : start + _COLUMNS], self.similarity)
            scores[:, start : start + _COLUMNS] = (
                _distances(left, right) if self.similarity == "neg_l2" else left @ right.T
            )
        return scores


def rank(scores: Scores, query: Tensor, document: Tensor, k: int = 10, cells: int = CELLS) -> Ranking:
    """Rank the relevant documents of each query, exactly.

    Args:
        scores: What scores q queries against n documents.
        query: (p,) int64, a query's number for each relevant document.
        document: (p,) int64, the relevant document's number.
        k: How many of the first documents to return; at most n.
        cells: Scores held at once. The result is the same for any value.

    Returns:
        The rank of each of the p documents, and the first k documents of each of the q queries.

    Raises:
        ValueError: numbers out of range, or a score that is not a number.
    """
    if len(query) != len(document):
        raise ValueError(f"{len(query)} queries for {len(document)} relevant documents")
    for name, numbers, count in (("query", query, scores.queries), ("document", document, scores.documents)):
        if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
            raise ValueError(f"a {name} number is not within 0..{count - 1}")
    k = min(k, scores.documents)
    ranks = torch.zeros(len(query), dtype=torch.int64)
    top = torch.empty(scores.queries, k, dtype=torch.int64)
    best = torch.empty(scores.queries, k)
    order, position = torch.sort(query, stable=True)
    step = max(1, cells // max(1, scores.documents))
    for first in range(0, scores.queries, step):
        last = min(first + step, scores.queries)
        keys = _keys(scores.rows(first, last))
        top[first:last], best[first:last] = _documents_and_scores(keys.topk(k, dim=1).values)
        start, end = torch.searchsorted(order, torch.tensor([first, last])).tolist()
        for some in torch.split(position[start:end], last - first):
            rows, columns = (query[some] - first).to(keys.device), document[some].to(keys.device)
            above = keys[rows] > keys[rows, columns].unsqueeze(1)
            ranks[some] = above.sum(1).cpu() + 1
    return Ranking(query, ranks, top, best)


def pair_scores(left: Tensor, right: Tensor, similarity: Similarity) -> Tensor:
    """Return the score of each row of ``left`` (p, d) with the same row of ``right`` (p, d): (p,) float32."""
    scores = torch.empty(len(left), device=left.device)
    for start in range(0, len(left), _PAIRS):
        one, two = (_ready(side[start : start + _PAIRS], similarity) for side in (left, right))
        scores[start : start + _PAIRS] = -(one - two).norm(dim=1) if similarity == "neg_l2" else (one * two).sum(1)
    return scores


def pair_sizes(left: Tensor, right: Tensor, similarity: Similarity) -> Tensor:
    """Return what the rounding of each score of ``pair_scores`` is measured by: (p,) float64.

    That is 1 for the cosine, and grows with the vectors' lengths otherwise, so that a model whose vectors are all
    twice as long is measured alike.
    """
    if similarity == "cos":
        return torch.ones(len(left), dtype=torch.float64, device=left.device)
    one, two = left.double().norm(dim=1), right.double().norm(dim=1)
    return one * two if similarity == "dot" else torch.maximum(one, two)


def _ready(vectors: Tensor, similarity: Similarity) -> Tensor:
    """Return vectors in float64, of length 1 where the cosine is asked for."""
    wide = vectors.double()
    if similarity != "cos":
        return wide
    length = wide.norm(dim=1, keepdim=True)
    return wide / torch.where(length > 0, length, 1.0)


def _distances(left: Tensor, right: Tensor) -> Tensor:
    """Return minus the distances (q, n). By the binomial formula where that is exact enough, else by differences."""
    norms = left.square().sum(1, keepdim=True) + right.square().sum(1)
    squared = norms - 2 * (left @ right.T)
    for some in torch.split((squared < _NEAR * norms).nonzero(), _PAIRS):
        row, column = some.unbind(1)
        squared[row, column] = (left[row] - right[column]).square().sum(1)
    return -squared.sqrt()


def _keys(scores: Tensor) -> Tensor:
    """Return whole numbers that sort as (score, then place in the corpus): all of a row differ."""
    if bool(scores.isnan().any()):
        raise ValueError("a score is not a number: the vectors are too large or the model is broken")
    # Positive floats sort as their bits, negative ones backward. Adding 0 turns -0 into 0, with which it ties.
    bits = (scores.float() + 0.0).contiguous().view(torch.int32)
    bits ^= (bits >> 31) & _MAGNITUDE
    keys = bits.long()
    keys <<= 32
    keys += _LOW - torch.arange(scores.shape[1], device=scores.device)
    return keys


def _documents_and_scores(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return what keys were made of: the documents' numbers and their float32 scores, on the CPU."""
    bits = (keys >> 32).to(torch.int32)
    bits ^= (bits >> 31) & _MAGNITUDE
    return (_LOW - (keys & _LOW)).cpu(), bits.view(torch.float32).cpu()
