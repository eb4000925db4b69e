"""Mined hard negatives: the nearest wrong answers under a model, against a plain sort, and what a step draws of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synctrain import build, encoders, inputs
from synctrain.draw import draw
from synctrain.evaluate.ranking import Vectors
from synctrain.nearest import nearest
from synctrain.negatives import any_of
from synctrain.objectives import all_pairs
from synctrain.types import Similarity

Runs = Any  # tests/synctrain/conftest.py, which no test imports
COORDINATES = st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0])
ROWS = st.lists(
    st.tuples(*[COORDINATES] * 4, st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=12
)  # two of the query, two of the code, intent, code
MEASURES: list[Similarity] = ["dot", "cos", "neg_l2"]


@pytest.mark.parametrize("similarity", MEASURES)
@given(ROWS, st.integers(1, 6))
def test_they_are_those_of_a_plain_sort(
    similarity: Similarity, rows: list[tuple[float, float, float, float, int, int]], k: int
) -> None:
    query, code = torch.tensor([row[:2] for row in rows]), torch.tensor([row[2:4] for row in rows])
    intent, twin = np.array([row[4] for row in rows]), np.array([row[5] for row in rows])
    found = nearest(Vectors(query, code, similarity), intent, twin, k)
    assert found.shape == (len(rows), k)
    scores = all_pairs(query.double(), code.double(), similarity)
    for row, chosen in enumerate(found.tolist()):
        wrong = [n for n in range(len(rows)) if intent[n] != intent[row] and twin[n] != twin[row]]
        there = [n for n in chosen if n >= 0]
        assert chosen == there + [-1] * (k - len(there))
        assert len(set(there)) == len(there) == min(k, len(wrong))
        assert set(there) <= set(wrong)
        left = [n for n in wrong if n not in there]
        order = [float(scores[row, n]) for n in there]
        assert all(later <= earlier + 1e-6 for earlier, later in pairwise(order))
        assert all(float(scores[row, n]) <= min(order) + 1e-6 for n in left)


def test_of_equal_scores_the_first_pair_is_taken() -> None:
    number = np.arange(5)
    found = nearest(Vectors(torch.ones(5, 2), torch.ones(5, 2), "cos"), number, number, 2)
    assert found.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]


def test_any_of_a_row_is_drawn_alike_often_and_none_twice() -> None:
    numbers = np.array([[4, 7, 9, 2], [5, -1, 3, -1], [-1, -1, -1, -1]])
    generator = np.random.default_rng(0)
    drawn = np.stack([any_of(numbers, 3, generator) for _ in range(2_000)])
    first = drawn[:, 0]
    assert all(len(set(one)) == 3 for one in first.tolist())
    assert all(abs((first == number).any(axis=1).mean() - 0.75) < 0.05 for number in (4, 7, 9, 2))
    assert {tuple(one) for one in drawn[:, 1].tolist()} == {(5, 3, -1), (3, 5, -1)}
    assert (drawn[:, 2] == -1).all()
    assert any_of(numbers[:, :0], 2, generator).tolist() == [[-1, -1]] * 3


MINED = ("negatives.source=nearest", "negatives.nearest=3", "negatives.soft=2", "negatives.per_row=2")
SOFT = ("curriculum.kind=fixed", "curriculum.soft=1.0")


def test_a_step_draws_from_the_nearest_of_each_pair_anew(runs: Runs) -> None:
    config = runs.config(*MINED, *SOFT)
    parts = runs.parts(config)
    material = parts.material
    assert material.nearest.shape == (len(material.query), 3)
    pairs = np.arange(len(material.query))
    near = [set(material.code[[n for n in row if n >= 0]].tolist()) for row in material.nearest.tolist()]
    seen: list[set[int]] = [set() for _ in pairs]
    for seed in range(30):
        drawn = draw(parts, config, pairs, np.zeros_like(pairs), np.random.default_rng(seed))
        assert not drawn.hard.any()
        for row, text in zip(drawn.row.tolist(), drawn.text.tolist(), strict=True):
            seen[row].add(text)
    assert seen == near
    plain = runs.parts(runs.config(*SOFT)).material
    assert plain.nearest.shape == (len(plain.query), 0)


def test_they_are_nearer_than_others_to_the_model_that_training_begins_with(runs: Runs) -> None:
    config = runs.config(*MINED, *SOFT)
    parts, sets = runs.parts(config), inputs.read_sets(config, print)
    query = parts.embed([pair.query for pair in sets.train], "query")
    code = parts.embed([pair.code for pair in sets.train], "code")
    scores = all_pairs(query, code, build.similarity_of(config))
    scores[torch.from_numpy(parts.material.same(np.arange(len(query))))] = float("-inf")
    wanted = scores.topk(3, dim=1).values
    found = scores.gather(1, torch.from_numpy(parts.material.nearest))
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_run_is_the_same_each_time_and_another_one_than_without(runs: Runs, tmp_path: Path) -> None:
    one, same = (runs.fit(tmp_path / name, *MINED) for name in ("one", "same"))
    assert one == same
    assert one != runs.fit(tmp_path / "other", *MINED[2:])


def test_a_model_whose_scores_are_no_numbers_is_named(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        encoders, "embedder", lambda _encoder, **_: lambda texts, _kind: torch.full((len(texts), 2), float("nan"))
    )
    config = runs.config(*MINED)
    sets = inputs.read_sets(config, print)
    with pytest.raises(encoders.ModelError, match=r"bow: the vectors of the queries hold infinite numbers or NaN"):
        build.build(config, sets, print)
