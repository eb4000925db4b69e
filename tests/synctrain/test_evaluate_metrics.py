"""Measures by hand, and against ir-measures and scikit-learn."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from synctrain.evaluate.metrics import CONVENTIONS, NAMES, per_query, summary
from synctrain.evaluate.ranking import rank


class Table:
    def __init__(self, scores: Tensor) -> None:
        self.scores = scores
        self.queries, self.documents = scores.shape

    def rows(self, first: int, last: int) -> Tensor:
        return self.scores[first:last]


def test_worked_by_hand() -> None:
    """Query 0 has relevant documents at ranks 2 and 7, query 3 one at rank 12.

    MRR: (1/2 + 1/12) / 2 = 0.291667.
    nDCG of query 0: (1/log2 3 + 1/log2 8) / (1/log2 2 + 1/log2 3) = (0.630930 + 0.333333) / 1.630930 = 0.591236;
    of query 3: 1/log2 13 = 0.270238; mean 0.430737. At 10: the same, and 0; mean 0.295618.
    Recall at 5: 1/2 and 0, so 0.25 over queries, 1/3 over pairs; at 10: 1 and 0, so 0.5 and 2/3.
    LRAP: query 0 (1/2 + 2/7) / 2 = 0.392857, query 3 1/12 = 0.083333; mean 0.238095.
    """
    found = summary(torch.tensor([3, 0, 0]), torch.tensor([12, 7, 2]))
    assert found["standard"] == pytest.approx(
        {"mrr": 7 / 24, "ndcg": 0.430737, "ndcg@10": 0.295618, "recall@5": 0.25, "recall@10": 0.5}, abs=1e-6
    )
    assert found["paper_compat"] == pytest.approx(
        {"lrap": 0.238095, "ndcg": 0.430737, "recall@5": 1 / 3, "recall@10": 2 / 3}, abs=1e-6
    )


def test_more_relevant_documents_than_the_cut() -> None:
    """Twelve relevant documents at ranks 1 to 12: perfect, yet recall at 5 is 5/12 and at 10 is 10/12."""
    one = {name: float(value) for name, value in per_query(torch.zeros(12), torch.arange(1, 13)).items()}
    assert one == pytest.approx(
        {"mrr": 1, "ndcg": 1, "ndcg@10": 1, "lrap": 1, "recall@5": 5 / 12, "recall@10": 10 / 12}, abs=1e-12
    )


def test_lrap_may_be_below_or_above_mrr() -> None:
    """Ranks 1 and 9: (1 + 2/9) / 2 = 0.611 against 1. Ranks 2 and 3: (1/2 + 2/3) / 2 = 0.583 against 0.5."""
    found = per_query(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 9, 2, 3]))
    assert found["lrap"].tolist() == pytest.approx([11 / 18, 7 / 12])
    assert found["mrr"].tolist() == [1, 0.5]


def test_nothing_to_measure_is_refused() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match="no query has a relevant document"):
        summary(none, none)


RANKS = st.lists(st.sets(st.integers(1, 40), min_size=1, max_size=15), min_size=1, max_size=6)


def flat(ranks: list[set[int]]) -> tuple[Tensor, Tensor]:
    pairs = [(query, place) for query, places in enumerate(ranks) for place in places]
    query, place = torch.tensor(pairs).unbind(1)
    return query, place


@given(RANKS, st.randoms(use_true_random=False))
def test_shares_in_any_order(ranks: list[set[int]], chance: object) -> None:
    """Within 0 and 1, LRAP equal to MRR for one relevant document, and the order of the pairs says nothing."""
    query, place = flat(ranks)
    found = summary(query, place)
    assert {convention: tuple(values) for convention, values in found.items()} == dict(NAMES)
    assert all(0 <= value <= 1 + 1e-12 for values in found.values() for value in values.values())
    values = per_query(query, place)
    single = torch.tensor([len(places) == 1 for places in ranks])
    assert values["lrap"][single].equal(values["mrr"][single])
    order = list(range(len(query)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    other = summary(query[order], place[order])
    assert all(other[one] == pytest.approx(found[one], abs=1e-12) for one in CONVENTIONS)


@given(RANKS)
def test_moving_every_document_up_makes_nothing_worse(ranks: list[set[int]]) -> None:
    query, place = flat(ranks)
    before, after = summary(query, place + 1), summary(query, place)
    assert all(after[one][name] >= before[one][name] for one in CONVENTIONS for name in NAMES[one])


def random_ranking(*, ties: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (30, 60), and relevant documents: one to twelve a query."""
    chance = torch.Generator().manual_seed(5)
    scores = torch.randn(30, 60, generator=chance)
    if ties:
        scores = scores.mul(2).round()
    chosen = [torch.randperm(60, generator=chance)[: 1 + number % 12] for number in range(30)]
    query = torch.cat([torch.full((len(one),), number) for number, one in enumerate(chosen)])
    return scores, query, torch.cat(chosen)


def as_run(scores: Tensor) -> dict[str, dict[str, float]]:
    """The full ranking under our rule, as scores without ties: libraries break ties each in a way of their own."""
    none = torch.zeros(0, dtype=torch.int64)
    top = rank(Table(scores), none, none, k=scores.shape[1]).top.tolist()
    return {
        f"q{number}": {f"d{document}": float(len(row) - place) for place, document in enumerate(row)}
        for number, row in enumerate(top)
    }


def as_judgements(query: Tensor, document: Tensor) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for one, other in zip(query.tolist(), document.tolist(), strict=True):
        judged.setdefault(f"q{one}", {})[f"d{other}"] = 1
    return judged


@pytest.mark.parametrize("ties", [False, True])
def test_agrees_with_ir_measures(ties: bool) -> None:
    library = pytest.importorskip("ir_measures")
    scores, query, document = random_ranking(ties=ties)
    ranks = rank(Table(scores), query, document).rank
    names = {
        "mrr": library.RR,
        "ndcg": library.nDCG,
        "ndcg@10": library.nDCG @ 10,
        "recall@5": library.R @ 5,
        "recall@10": library.R @ 10,
        "lrap": library.AP,
    }
    theirs = library.calc_aggregate(list(names.values()), as_judgements(query, document), as_run(scores))
    means = {name: float(values.mean()) for name, values in per_query(query, ranks).items()}
    assert means == pytest.approx({name: theirs[measure] for name, measure in names.items()}, abs=1e-6)


def test_compat_agrees_with_scikit_learn_where_nothing_ties() -> None:
    library = pytest.importorskip("sklearn.metrics")
    scores, query, document = random_ranking(ties=False)
    truth = torch.zeros(scores.shape, dtype=torch.int64)
    truth[query, document] = 1
    found = summary(query, rank(Table(scores), query, document).rank)["paper_compat"]
    assert found["lrap"] == pytest.approx(library.label_ranking_average_precision_score(truth, scores), abs=1e-6)
    assert found["ndcg"] == pytest.approx(library.ndcg_score(truth, scores), abs=1e-6)
    first = scores.topk(5, dim=1).indices
    hits = sum(int(truth[number, row].sum()) for number, row in enumerate(first))
    assert found["recall@5"] == pytest.approx(hits / len(query))


def test_a_tie_is_resolved_before_it_is_measured() -> None:
    """All scores equal, the relevant document first or last in the corpus of 4: MRR 1 or 1/4, nDCG 1 or 1/log2 5."""
    scores = Table(torch.zeros(1, 4))
    for place, reciprocal, gain in ((0, 1, 1), (3, 0.25, 1 / math.log2(5))):
        query, document = torch.tensor([0]), torch.tensor([place])
        found = summary(query, rank(scores, query, document).rank)["standard"]
        assert found["mrr"] == reciprocal
        assert found["ndcg"] == pytest.approx(gain)
