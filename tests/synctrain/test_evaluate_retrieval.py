"""Models on retrieval sets, means over sets, and the check during training."""

import json
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from synctrain.evaluate.retrieval import Once, Validation, averages, evaluate
from synctrain.types import DataError, Kind, RetrievalSet


class Letters:
    """A model that counts letters, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Kind, str]] = []

    def __call__(self, texts: Sequence[str], kind: Kind) -> Tensor:
        self.asked += [(kind, text) for text in texts]
        return torch.tensor([[float(text.count(letter)) for letter in "abcd"] for text in texts])


SMALL = RetrievalSet(
    "small",
    {"q1": "a", "q2": "b", "q3": "c", "q4": "d"},
    {"d1": "ab", "d2": "b", "d3": "ab", "d4": "cc"},
    {"q1": frozenset({"d3"}), "q2": frozenset({"d2", "d1"}), "q3": frozenset({"d4"}), "q4": frozenset()},
)
OTHER = RetrievalSet("other", {"q": "a"}, {"d1": "b", "d2": "ab"}, {"q": frozenset({"d2"})})


def test_rows_by_hand() -> None:
    """By cosine. q1: d1 and d3 tie at .71, and d1 stands first, so d3 has rank 2. q2: d2 (1), then d1 before d3: ranks
    1 and 2. q3: rank 1. q4 has no relevant document and is not measured.

    MRR (1/2 + 1 + 1) / 3; LRAP the same, for q2's two documents stand first.
    """
    row = evaluate(Letters(), [SMALL])["small"]
    assert (row.queries, row.documents, row.relevant) == (3, 4, 4)
    assert row.reciprocal_ranks == {"q1": 0.5, "q2": 1, "q3": 1}
    assert row.measures["standard"]["mrr"] == pytest.approx(2.5 / 3)
    assert row.measures["paper_compat"]["lrap"] == pytest.approx(2.5 / 3)
    assert row.measures["standard"]["recall@5"] == 1


@pytest.mark.parametrize(("similarity", "wanted"), [("cos", 1.0), ("dot", 0.5), ("neg_l2", 1.0)])
def test_the_similarity_is_the_one_asked_for(similarity: str, wanted: float) -> None:
    """Against "a": "ab" has dot 1, "aaab" dot 3 but cosine .95 > .71... so the relevant "a" wins all but the dot."""
    one = RetrievalSet("s", {"q": "a"}, {"d1": "aaab", "d2": "a"}, {"q": frozenset({"d2"})})
    found = evaluate(Letters(), [one], similarity)["s"]  # type: ignore[arg-type]
    assert found.measures["standard"]["mrr"] == wanted


def test_each_text_is_embedded_once_over_all_sets() -> None:
    model = Letters()
    evaluate(model, [SMALL, OTHER])
    assert sorted(model.asked) == sorted(set(model.asked))
    assert set(model.asked) == {
        *(("query", text) for text in "abcd"),
        *(("code", text) for text in ("ab", "b", "cc")),
    }


def test_once_returns_what_the_model_returns() -> None:
    model, once = Letters(), Once(Letters())
    for texts in (["a", "b", "a"], ["c", "b"], ["c", "ab", "a", "d"]):
        assert once(texts, "code").equal(model(texts, "code"))
    assert once(["a"], "query").equal(model(["a"], "query"))


def test_once_refuses_a_model_that_loses_texts() -> None:
    once = Once(lambda texts, _: torch.ones(len(texts) + 1, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 2\) for 1 texts"):
        once(["a"], "code")


def test_averages() -> None:
    """MRR of small is .8333, of other 1, of last (its copy) 1: ID .8333, OOD 1, Total .9444."""
    last = RetrievalSet("last", OTHER.queries, OTHER.documents, OTHER.relevant)
    results = evaluate(Letters(), [SMALL, OTHER, last])
    means = averages(results, {"small", "unknown"})
    assert {group: values["standard"]["mrr"] for group, values in means.items()} == pytest.approx(
        {"id": 2.5 / 3, "ood": 1, "total": 8.5 / 9}
    )
    assert set(averages(results)) == {"ood", "total"}
    assert set(averages(results, {"small", "other", "last"})) == {"id", "total"}


def test_json_holds_all_of_it() -> None:
    results = evaluate(Letters(), [SMALL])
    record = json.loads(json.dumps(results.record()))
    assert record["small"]["measures"]["standard"] == results["small"].measures["standard"]
    assert record["small"]["reciprocal_ranks"]["q1"] == 0.5
    with pytest.raises(KeyError):
        results["missing"]


@pytest.mark.parametrize(
    ("relevant", "message"),
    [
        ({"q": frozenset({"d9"})}, "'q' name a document 'd9'"),
        ({"q9": frozenset({"d1"})}, "name a query 'q9'"),
        ({"q": frozenset()}, "no query has a relevant document"),
    ],
)
def test_a_broken_set_is_named_before_the_model_works(relevant: dict[str, frozenset[str]], message: str) -> None:
    model = Letters()
    broken = RetrievalSet("broken", OTHER.queries, OTHER.documents, relevant)
    with pytest.raises(DataError, match=f"^broken: .*{message}"):
        evaluate(model, [SMALL, broken])
    with pytest.raises(DataError, match=f"^broken: .*{message}"):
        Validation(broken)
    assert not model.asked


def test_two_sets_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="one name: small, small"):
        evaluate(Letters(), [SMALL, SMALL])


def test_validation_measures_the_same_and_asks_for_each_text_once() -> None:
    model, check = Letters(), Validation(SMALL)
    assert check(model) == evaluate(Letters(), [SMALL])["small"].measures["standard"]
    assert len(model.asked) == 4 + 3
    assert check(model) == check(lambda texts, kind: 2 * model(texts, kind))
    assert set(check.deciding) <= check(model).keys()
