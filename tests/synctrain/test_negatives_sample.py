"""The choice among candidates: softmax(beta * score), uniform, by rule, top1."""

import json
from collections import Counter
from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synctrain.negatives import choose

SCORES = st.lists(st.lists(st.floats(-1e6, 1e6), max_size=6), max_size=8)


def test_softmax_by_hand() -> None:
    """Scores 0, 1, 2 with beta 1: shares 1 / (1 + e + e^2) = .0900, .2447, .6652."""
    generator = np.random.default_rng(0)
    seen = Counter(choose([[0.0, 1.0, 2.0]], 1, generator).picks[0] for _ in range(5_000))
    share = [exp(i) / (1 + exp(1) + exp(2)) for i in range(3)]
    assert [seen[i] / 5_000 for i in range(3)] == pytest.approx(share, abs=0.03)
    divergence = choose([[0.0, 1.0, 2.0]], 1, generator).divergence
    assert divergence == pytest.approx(sum(p * log(3 * p) for p in share))


def test_each_rule_is_as_likely_as_another() -> None:
    """Three candidates of rule 7 and one of rule 2: each of the three a sixth of the time, the one half of it."""
    generator = np.random.default_rng(0)
    rules, rows = [7, 2, 7, 7], 6_000
    chosen = choose([np.zeros(4)] * rows, 1, generator, sampling="by_rule", rules=[rules] * rows)
    seen = Counter(chosen.picks)
    assert [seen[i] / rows for i in range(4)] == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6], abs=0.02)
    assert chosen.divergence == pytest.approx(sum(p * log(4 * p) for p in (1 / 6, 1 / 2, 1 / 6, 1 / 6)))


@pytest.mark.parametrize("rules", [[], [[7, 2]], [[7, 2, 7], []]])
def test_rules_that_do_not_fit_the_candidates(rules: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="by_rule needs the rule of each candidate"):
        choose([np.zeros(3)], 1, np.random.default_rng(0), sampling="by_rule", rules=rules)


def test_the_divergence_is_a_mean_over_rows_with_candidates() -> None:
    chosen = choose([[0.0, 1e9], [], [3.0, 3.0]], 1, np.random.default_rng(0))
    assert chosen.picks[:2] == [1, -1]
    assert chosen.divergence == pytest.approx(log(2) / 2)


def test_one_candidate_is_it_and_none_is_none() -> None:
    assert choose([[-7.5], []], 0.01, np.random.default_rng(0)) == ([0, -1], 0.0)
    assert choose([], 0.01, np.random.default_rng(0)) == ([], 0.0)


@settings(deadline=None)
@given(SCORES, st.floats(-10, 1e3), st.integers(0, 9), st.sampled_from(["softmax", "uniform", "by_rule", "top1"]))
def test_any_scores(scores: list[list[float]], beta: float, seed: int, sampling: str) -> None:
    one, other = np.random.default_rng(seed), np.random.default_rng(seed)
    rules = [[int(score) % 3 for score in row] for row in scores]
    picks, divergence = choose(scores, beta, one, sampling=sampling, rules=rules)  # type: ignore[arg-type]
    assert len(picks) == len(scores)
    for row, pick in zip(scores, picks, strict=True):
        assert 0 <= pick < len(row) if row else pick == -1
        if sampling == "top1" and row:
            assert pick == row.index(max(row))
    assert 0 <= divergence <= log(6) + 1e-9
    if sampling == "uniform":
        assert divergence == 0
    other.random(len(scores))
    assert one.bit_generator.state == other.bit_generator.state


def test_uniform_is_beta_0() -> None:
    scores = [[1.0, 5.0, 2.0], [4.0, 4.0]] * 20
    uniform = choose(scores, 7, np.random.default_rng(1), sampling="uniform")
    assert uniform == choose(scores, 0, np.random.default_rng(1))
    assert set(uniform.picks) == {0, 1, 2}


def test_the_paper_s_beta_hardly_decides_between_near_candidates() -> None:
    """Section 0.8 of the specification: a gap of 100 in the dot product is .01 at UniXcoder's beta of 1e-4."""
    assert choose([[0.0, 100.0]], 1e-4, np.random.default_rng(0)).divergence < 2e-5


def test_tensors_and_a_generator_that_goes_through_json() -> None:
    generator, again = np.random.default_rng(3), np.random.default_rng()
    scores = [torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0])] * 10
    again.bit_generator.state = json.loads(json.dumps(generator.bit_generator.state))
    assert choose(scores, 1, generator) == choose(scores, 1, again)


@pytest.mark.parametrize(
    ("scores", "sampling", "message"),
    [
        ([[float("nan")]], "softmax", "not finite"),
        ([[1.0, float("inf")]], "top1", "not finite"),
        ([[[1.0]]], "softmax", "shape"),
        ([[1.0]], "best", "no sampling 'best'"),
    ],
)
def test_refusals(scores: list[list[float]], sampling: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(scores, 1, np.random.default_rng(0), sampling=sampling)  # type: ignore[arg-type]
