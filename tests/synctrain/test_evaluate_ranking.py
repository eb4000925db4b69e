"""Exact ranks: the same for any block, ties by place in the corpus, checked against a sort in plain Python."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from synctrain.evaluate.ranking import Ranking, Vectors, pair_scores, rank
from synctrain.types import Similarity

SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]


class Table:
    """Scores that are given."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores
        self.queries, self.documents = scores.shape

    def rows(self, first: int, last: int) -> Tensor:
        return self.scores[first:last]


def naive(scores: Tensor) -> list[list[int]]:
    """Documents of each query, best first, by Python's stable sort."""
    return [sorted(range(len(row)), key=lambda place: -row[place]) for row in scores.tolist()]


def check(ranking: Ranking, scores: Tensor, query: Tensor, document: Tensor) -> None:
    order = naive(scores)
    wanted = [order[one].index(other) + 1 for one, other in zip(query.tolist(), document.tolist(), strict=True)]
    assert ranking.rank.tolist() == wanted
    k = ranking.top.shape[1]
    assert ranking.top.tolist() == [row[:k] for row in order]
    assert ranking.scores.equal(scores.cpu().gather(1, ranking.top))


def everything(queries: int, documents: int) -> tuple[Tensor, Tensor]:
    """Every document of every query, in an order of no use."""
    query, document = torch.cartesian_prod(torch.arange(queries), torch.arange(documents)).unbind(1)
    shuffled = torch.randperm(len(query), generator=torch.Generator().manual_seed(1))
    return query[shuffled], document[shuffled]


@given(st.lists(st.lists(st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1e-30, 3.0]), min_size=5, max_size=5), min_size=1))
def test_ranks_and_first_k_are_those_of_a_stable_sort(rows: list[list[float]]) -> None:
    scores = torch.tensor(rows)
    query, document = everything(*scores.shape)
    for cells in (1, 7, 10_000):
        check(rank(Table(scores), query, document, k=3, cells=cells), scores, query, document)


def test_a_tie_goes_to_the_document_that_stands_first() -> None:
    """Scores 1, 2, 2, 1: the second document ranks 1, the third 2, the first 3, the fourth 4."""
    ranking = rank(Table(torch.tensor([[1.0, 2.0, 2.0, 1.0]])), torch.zeros(4, dtype=torch.int64), torch.arange(4))
    assert ranking.rank.tolist() == [3, 1, 2, 4]
    assert ranking.top.tolist() == [[1, 2, 0, 3]]
    assert ranking.scores.tolist() == [[2, 2, 1, 1]]


def test_minus_zero_ties_with_zero_and_infinity_has_a_rank() -> None:
    ranking = rank(
        Table(torch.tensor([[-0.0, 0.0, -math.inf, math.inf]])), torch.zeros(4, dtype=torch.int64), torch.arange(4)
    )
    assert ranking.rank.tolist() == [2, 3, 4, 1]


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("device", DEVICES)
def test_real_vectors_rank_the_same_for_any_block(similarity: Similarity, device: str) -> None:
    """Also with a copy of every document in the corpus, so that each score is there twice."""
    chance = torch.Generator().manual_seed(0)
    queries, documents = torch.randn(13, 48, generator=chance), torch.randn(70, 48, generator=chance)
    documents = torch.cat([documents, documents[torch.randperm(70, generator=chance)], queries[:5]])
    query, document = everything(13, len(documents))
    whole = rank(Vectors(queries, documents, similarity, device), query, document, k=20)
    check(whole, Vectors(queries, documents, similarity, device).rows(0, 13).cpu(), query, document)
    for cells in (1, 400, 1_000):
        part = rank(Vectors(queries, documents, similarity, device), query, document, k=20, cells=cells)
        assert all(one.equal(other) for one, other in zip(part, whole, strict=True))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_scores_are_those_of_a_loop(similarity: Similarity) -> None:
    chance = torch.Generator().manual_seed(0)
    queries, documents = torch.randn(6, 5, generator=chance), torch.randn(9, 5, generator=chance)
    documents[3], documents[4], documents[5] = queries[2], queries[2] + 1e-6, 0

    def score(one: list[float], other: list[float]) -> float:
        if similarity == "neg_l2":
            return -math.dist(one, other)
        dot = sum(x * y for x, y in zip(one, other, strict=True))
        lengths = math.hypot(*one) * math.hypot(*other)
        return dot if similarity == "dot" else dot / lengths if lengths else 0.0

    wanted = torch.tensor([[score(one, other) for other in documents.tolist()] for one in queries.tolist()])
    found = Vectors(queries, documents, similarity).rows(0, 6)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=3e-7, atol=1e-12)
    pairs = pair_scores(queries.repeat_interleave(9, 0), documents.repeat(6, 1), similarity)
    torch.testing.assert_close(pairs.view(6, 9), wanted, rtol=3e-7, atol=1e-12)


def test_near_vectors_far_from_the_origin_keep_their_distance() -> None:
    """|q - d| is 2^-10 and 2^-11; q.q is 4e6, so the usual formula in float32 has an error of about 0.5."""
    query = torch.full((1, 4), 1000.0)
    near, nearer = query.clone(), query.clone()
    near[0, 0] += 2**-10
    nearer[0, 1] -= 2**-11
    scores = Vectors(query, torch.cat([near, nearer, query]), "neg_l2").rows(0, 1)
    assert scores.tolist() == [[-(2**-10), -(2**-11), 0]]


@given(st.permutations(range(12)))
def test_the_order_of_documents_without_ties_changes_nothing(order: list[int]) -> None:
    chance = torch.Generator().manual_seed(3)
    queries, documents = torch.randn(4, 8, generator=chance), torch.randn(12, 8, generator=chance)
    query, document = everything(4, 12)
    place = torch.empty(12, dtype=torch.int64)
    place[torch.tensor(order)] = torch.arange(12)
    before = rank(Vectors(queries, documents, "dot"), query, document)
    after = rank(Vectors(queries, documents[order], "dot"), query, place[document])
    assert before.rank.equal(after.rank)
    assert before.scores.equal(after.scores)


def test_memory_is_bounded_by_rows_and_pairs() -> None:
    """No more rows at once than the cells allow, even when one query has every document as relevant."""
    asked = []

    class Watched(Table):
        def rows(self, first: int, last: int) -> Tensor:
            asked.append(last - first)
            return super().rows(first, last)

    scores = torch.randn(10, 100, generator=torch.Generator().manual_seed(0))
    query, document = torch.full((100,), 4), torch.arange(100)
    check(rank(Watched(scores), query, document, cells=300), scores, query, document)
    assert asked == [3, 3, 3, 1]


def test_what_cannot_be_ranked_is_refused() -> None:
    good, none = torch.ones(2, 3), torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        Vectors(good, torch.ones(2, 4), "dot")
    with pytest.raises(ValueError, match="documents hold infinite numbers or NaN"):
        Vectors(good, torch.full((2, 3), math.nan), "dot")
    with pytest.raises(ValueError, match="not a number"):
        rank(Table(torch.tensor([[math.nan]])), none, none)
    with pytest.raises(ValueError, match=r"document number is not within 0\.\.2"):
        rank(Table(good), torch.tensor([0]), torch.tensor([3]))
    with pytest.raises(ValueError, match="1 queries for 0"):
        rank(Table(good), torch.tensor([0]), none)


def test_no_relevant_document_still_gives_the_first_k() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    ranking = rank(Table(torch.tensor([[0.0, 1.0]])), none, none, k=5)
    assert ranking.rank.tolist() == []
    assert ranking.top.tolist() == [[1, 0]]
