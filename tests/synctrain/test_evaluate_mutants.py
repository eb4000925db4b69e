"""Code against its own mutants, counted by hand."""

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from synctrain.evaluate import mutants as module
from synctrain.evaluate.mutants import Share, accuracy, difficulty, evaluate, hardest, with_mutants
from synctrain.types import Candidate, DataError, Kind, Pair, RetrievalSet, Similarity


def numbers(texts: Sequence[str], _: Kind) -> Tensor:
    """A model: the text is its own vector. By minus the distance, the nearer number wins."""
    return torch.tensor([[float(text)] for text in texts])


# q1 = 0 wants 1 and 4; q2 = 10 wants 9.
SET = RetrievalSet(
    "set",
    {"q1": "0", "q2": "10"},
    {"a": "1", "b": "4", "c": "9"},
    {"q1": frozenset({"a", "b"}), "q2": frozenset({"c"})},
)
MUTANTS = {
    "a": [Candidate("2", "far"), Candidate("-1", "tie"), Candidate("4", "far")],  # the last is another right answer
    "b": [Candidate("3", "near"), Candidate("5", "far")],
    "c": [Candidate("9.5", "near"), Candidate("2", "far")],
}


def test_accuracy_by_hand() -> None:
    """a (distance 1) against 2: right; against -1: a tie, not right; 4 is dropped. b (4) against 3: wrong; 5: right.
    c (1) against 9.5: wrong; against 2: right. No pair beats all of its mutants.
    """
    found = accuracy(numbers, SET, MUTANTS, "neg_l2")
    assert found.overall == (3, 6)
    assert found.rules == {"far": (3, 3), "near": (0, 2), "tie": (0, 1)}
    assert found.complete == (0, 3)
    assert (found.dropped, found.equal) == (1, 1)
    assert found.overall.value == 0.5
    assert accuracy(numbers, SET, {"a": [Candidate("2", "far")]}, "neg_l2").complete == (1, 1)


def test_a_tie_is_a_tie_however_it_is_rounded() -> None:
    """A model that is blind to order sums the same vectors in another order: what differs then is no preference."""
    one = RetrievalSet("set", {"q": "0"}, {"a": "1"}, {"q": frozenset({"a"})})
    mutants = {"a": [Candidate("1.0000004", "rounded"), Candidate("1.01", "farther")]}
    found = accuracy(numbers, one, mutants, "neg_l2")
    assert found.rules == {"farther": (1, 1), "rounded": (0, 1)}
    assert found.complete == (0, 1)
    assert found.equal == 1


@pytest.mark.parametrize("similarity", ["cos", "dot", "neg_l2"])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_the_size_of_vectors_decides_nothing(similarity: Similarity, scale: float) -> None:
    """Of forty mutants twenty differ from their code by rounding, in proportion to the vectors' lengths."""
    chance = torch.Generator().manual_seed(0)
    vectors = {name: torch.randn(8, generator=chance) for name in ("q", "a")}
    for number in range(40):
        noise = torch.randn(8, generator=chance) * (1e-7 if number % 2 else 1)
        vectors[f"m{number}"] = vectors["a"] + noise
    one = RetrievalSet("set", {"q": "q"}, {"a": "a"}, {"q": frozenset({"a"})})
    mutants = {"a": [Candidate(f"m{number}", ("far", "near")[number % 2]) for number in range(40)]}

    def embed(texts: Sequence[str], _kind: Kind) -> Tensor:
        return scale * torch.stack([vectors[text] for text in texts])

    found = accuracy(embed, one, mutants, similarity)
    assert found.equal == 20
    assert found.rules["near"] == (0, 20)
    assert 0 < found.rules["far"].right < 20


def test_retrieval_among_mutants_by_hand() -> None:
    """Distances from 0: 1 (a), 1 (its mutant -1, which stands before it), 2, 3, 4 (b), ...: a has rank 2, b rank 5.
    From 10: 9.5, then 9 (c): rank 2. MRR (1/2 + 1/2) / 2. Mutants in the corpus: 2, -1, 3, 5, 9.5.
    """
    found = evaluate(numbers, SET, MUTANTS, "neg_l2")
    assert found.added == 5
    assert found.row.documents == 8
    assert found.row.measures["standard"]["mrr"] == 0.5
    assert found.row.measures["paper_compat"]["lrap"] == pytest.approx(((1 / 2 + 2 / 5) / 2 + 1 / 2) / 2)
    assert found.accuracy == accuracy(numbers, SET, MUTANTS, "neg_l2")


def test_the_corpus_with_mutants() -> None:
    found = with_mutants(SET, MUTANTS)
    assert list(found.documents.values()) == ["2", "-1", "3", "5", "9.5", "1", "4", "9"]
    assert list(found.documents)[:2] == ["a~far~0", "a~tie~1"]
    assert (found.queries, found.relevant) == (SET.queries, SET.relevant)
    with pytest.raises(DataError, match="mutants in it already"):
        with_mutants(found, {"a": [Candidate("77", "far")]})


def test_without_mutants_the_set_is_as_it_was() -> None:
    assert with_mutants(SET, {}) == SET
    with pytest.raises(DataError, match=r"^set: there is no mutant to tell"):
        accuracy(numbers, SET, {"a": []}, "neg_l2")


def test_mutants_of_nothing_are_refused() -> None:
    for function in (with_mutants, lambda one, given: accuracy(numbers, one, given)):
        with pytest.raises(DataError, match="mutants of 'z', which is not a document"):
            function(SET, {"z": [Candidate("1", "far")]})


PAIRS = [Pair("p1", "0", "1", "i"), Pair("p2", "0", "4", "i"), Pair("p3", "10", "9", "j")]


def test_difficulty_on_pairs_is_accuracy_on_a_set() -> None:
    found = difficulty(numbers, PAIRS, [MUTANTS["a"], MUTANTS["b"], MUTANTS["c"]], "neg_l2")
    assert found == accuracy(numbers, SET, MUTANTS, "neg_l2")
    with pytest.raises(ValueError, match="1 sequences of candidates for 3 pairs"):
        difficulty(numbers, PAIRS, [[]])


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = accuracy(numbers, SET, MUTANTS, "neg_l2")
    for size in (1, 2, 5):
        monkeypatch.setattr(module, "_AT_ONCE", size)
        assert accuracy(numbers, SET, MUTANTS, "neg_l2") == whole


def test_hardest() -> None:
    rules = {"easy": Share(9, 10), "b": Share(1, 2), "a": Share(5, 10), "rare": Share(0, 1), "none": Share(0, 0)}
    assert hardest(rules, 2) == ("rare", "a")
    assert hardest(rules) == ("rare", "a", "b", "easy")
    assert hardest(rules, at_least=3) == ("a", "easy")
    assert math.isnan(rules["none"].value)


@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from("xyz")), min_size=1, max_size=20))
def test_rules_sum_to_the_whole(made: list[tuple[int, str]]) -> None:
    candidates = [Candidate(f"{number}.0", rule) for number, rule in made]  # "1.0" is not the text "1"
    found = difficulty(numbers, [Pair("p", "0", "1", "i")], [candidates], "neg_l2")
    assert found.overall.total == len(made) == sum(share.total for share in found.rules.values())
    assert found.overall.right == sum(abs(number) > 1 for number, _ in made)
    assert found.complete == (int(found.overall.right == len(made)), 1)
