"""Analogies by hand, with their controls, and the ceiling when answers repeat."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from synctrain.evaluate.analogy import Analogy, combine, evaluate, released_ceiling
from synctrain.types import DataError, Kind


def points(texts: Sequence[str], _: Kind) -> Tensor:
    """A model: the text is its own vector, "x y"."""
    return torch.tensor([[float(part) for part in text.split()] for text in texts])


# Rule "right" adds (3, 0), rule "up" adds (0, 3).
GIVEN = [
    Analogy("0 0", "3 0", "0 1", "3 1", "right"),
    Analogy("0 1", "3 1", "0 0", "3 0", "right"),
    Analogy("0 0", "0 3", "1 0", "1 3", "up"),
    Analogy("1 0", "1 3", "0 0", "0 3", "up"),
]


def test_a_model_that_knows_the_rules_beats_every_control() -> None:
    """c + b - a is d each time. From c alone, "3 1", "3 0", "1 3" and "0 3" lie at distance, from (0, 1): 3, 3.16, 2.24,
    2 (rank 3); from (0, 0): 3.16, 3, 3.16, 3, so "3 0" is first, and "0 3", which ties with it, second; from (1, 0):
    2.24, 2, 3, 3.16 (rank 3). MRR (1/3 + 1 + 1/3 + 1/2) / 4.
    """
    found = evaluate(points, GIVEN, "neg_l2")
    assert (found["analogy"].mrr, found["analogy"].first, found["analogy"].first5) == (1, 1, 1)
    assert found["analogy"].first5_by_rule == {"right": 1, "up": 1}
    assert found["source"].mrr == pytest.approx((1 / 3 + 1 + 1 / 3 + 1 / 2) / 4)
    assert found["source"].first == 0.25
    assert found["among_sources"].first == 1
    assert found["other_rule"].first < 0.5
    assert evaluate(points, GIVEN, "neg_l2") == found


def test_where_a_mutation_moves_nothing_the_source_is_in_the_way() -> None:
    """A model under which b is a: c + b - a is c, and d is second to it."""
    given = [Analogy("0 5", "0 5", "0 0", "0 2", "r"), Analogy("0 5", "0 5", "9 0", "9 2", "r")]
    found = evaluate(points, given, "neg_l2")
    assert found["analogy"] == found["source"]
    assert found["source"].first == 1
    assert (found["among_sources"].first, found["among_sources"].mrr) == (0, 0.5)
    assert "other_rule" not in found


def test_answers_that_repeat_do_not_lower_the_ceiling() -> None:
    """Eight analogies with one d: as the released test counts, at most five of the eight could be right."""
    given = [Analogy(f"{n} 0", f"{n} 3", "0 0", "0 3", "up") for n in range(8)]
    assert evaluate(points, given, "neg_l2")["analogy"].first5 == 1


def test_no_analogy_is_refused() -> None:
    with pytest.raises(DataError, match="no analogy"):
        evaluate(points, [])


def test_snippets_are_combined_two_by_two() -> None:
    """Four snippets are six pairs; of 100, which are 4,950 pairs, 200 are drawn (paper, appendix D.4)."""
    mutated = [(f"{n} 0", f"{n} 3") for n in range(4)]
    found = combine("up", mutated)
    assert len({frozenset((one.a, one.c)) for one in found}) == len(found) == 6
    assert all((one.a, one.b) in mutated and (one.c, one.d) in mutated and one.rule == "up" for one in found)
    many = [(f"{n} 0", f"{n} 3") for n in range(150)]
    drawn = combine("up", many)
    assert (len(drawn), len({text for one in drawn for text in (one.a, one.c)}) <= 100) == (200, True)
    assert combine("up", many) == drawn
    assert combine("up", many, seed=1) != drawn
    assert combine("up", mutated[:1]) == combine("up", []) == []


def test_the_released_ceiling_counts_at_most_five_of_equal_answers() -> None:
    """Eight equal d and two others: 5 + 1 + 1 of 10."""
    given = [Analogy(f"{n} 0", f"{n} 3", "0 0", f"{max(0, n - 7)} 3", "up") for n in range(10)]
    assert released_ceiling(given) == 0.7
    assert released_ceiling(GIVEN) == 1
