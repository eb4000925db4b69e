"""Measures of retrieval from the ranks of the relevant documents, in two conventions. All are shares, 0 to 1.

``standard``: MRR by the first relevant document, nDCG over the whole list and cut at 10, recall averaged over queries.
``paper_compat``: what the paper's released code prints under the same names. Its MRR is sklearn's label ranking
average precision (LRAP): equal to MRR for one relevant document, and for more mostly below it (ranks 1 and 9: 0.61
against 1), though not always (ranks 2 and 3: 0.58 against 0.5). Its recall counts (query, document) pairs together. The
paper counts a document twice that its labels name twice; here a document is relevant or not. sklearn breaks ties
against the relevant document in LRAP and averages over them in nDCG; here they are broken before, by the place in the
corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

Convention: TypeAlias = Literal["standard", "paper_compat"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
NAMES: Mapping[Convention, tuple[str, ...]] = {
    "standard": ("mrr", "ndcg", "ndcg@10", "recall@5", "recall@10"),
    "paper_compat": ("lrap", "ndcg", "recall@5", "recall@10"),
}


def per_query(query: Tensor, rank: Tensor) -> dict[str, Tensor]:
    """Measure each query by itself.

    With ranks r_1 < ... < r_m of a query's m relevant documents: ``mrr`` is 1 / r_1; ``ndcg`` the sum of
    1 / log2(1 + r_i) over the sum of 1 / log2(1 + i); ``ndcg@10`` the same with only i and r_i up to 10; ``recall@k``
    the share of the r_i up to k; ``lrap`` the mean of i / r_i.

    Args:
        query: (p,) int64, a query's number for each relevant document. Numbers may be missing.
        rank: (p,) int64, the rank of that document, from 1.

    Returns:
        One (queries,) float64 tensor a measure, for the queries that have a relevant document, by ascending number.
    """
    by_rank = torch.argsort(rank, stable=True)
    order = by_rank[torch.argsort(query[by_rank], stable=True)]
    rank = rank[order].double()
    _, row, size = torch.unique_consecutive(query[order], return_inverse=True, return_counts=True)
    start = size.cumsum(0) - size
    place = (torch.arange(len(rank)) - start[row] + 1).double()  # i: the how manieth relevant document this is

    def total(values: Tensor) -> Tensor:
        return torch.zeros(len(size), dtype=torch.float64).index_add_(0, row, values)

    gain, ideal = 1 / torch.log2(1 + rank), 1 / torch.log2(1 + place)
    count = size.double()
    return {
        "mrr": 1 / rank[start],
        "ndcg": total(gain) / total(ideal),
        "ndcg@10": total(gain * (rank <= 10)) / total(ideal * (place <= 10)),  # noqa: PLR2004 the cut
        "recall@5": total((rank <= 5).double()) / count,  # noqa: PLR2004 the cut
        "recall@10": total((rank <= 10).double()) / count,  # noqa: PLR2004 the cut
        "lrap": total(place / rank) / count,
    }


def summary(query: Tensor, rank: Tensor) -> dict[Convention, dict[str, float]]:
    """Measure a ranking in both conventions.

    Args:
        query: (p,) int64, as in `per_query`.
        rank: (p,) int64, as in `per_query`.

    Returns:
        The measures that `NAMES` lists, by convention.

    Raises:
        ValueError: there is no relevant document.
    """
    if not len(rank):
        raise ValueError("nothing to measure: no query has a relevant document")
    means = {name: float(values.mean()) for name, values in per_query(query, rank).items()}
    micro = {f"recall@{k}": float((rank <= k).double().mean()) for k in (5, 10)}
    return {
        "standard": {name: means[name] for name in NAMES["standard"]},
        "paper_compat": {name: (means | micro)[name] for name in NAMES["paper_compat"]},
    }
