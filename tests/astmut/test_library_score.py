"""The score of two functions, and the same for all pairs at once."""

import doctest
import random
from collections.abc import Sequence

import numpy as np
import pytest
from rapidfuzz import fuzz

from astmut.library import ranking, signature
from astmut.library import score as scores
from astmut.library.index import Index, opened
from astmut.library.ranking import Ranking
from astmut.library.score import score
from astmut.library.signature import KINDS, Parameter, Signature

INDEX = opened()


def sample(index: Index, count: int, seed: int) -> list[str]:
    names = sorted(index.places)
    return random.Random(seed).sample(names, min(count, len(names)))


def naive(index: Index, row: int, k: int) -> list[tuple[int, float]]:
    """What the issue says, one pair at a time."""
    mine = index.signature(row)
    others = [(at, index.signature(at)) for at in range(len(index))]
    found = [(score(mine, one).total, at) for at, one in others if one.definition != mine.definition]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return [(at, total) for total, at in found[:k]]


@pytest.mark.parametrize("module", [scores, signature])
def test_the_examples_in_the_docstrings_are_true(module: object) -> None:
    done = doctest.testmod(module)  # type: ignore[arg-type]
    assert done.attempted
    assert not done.failed


def test_the_name_score_is_token_sort_ratio_to_the_last_bit() -> None:
    names = sorted({name.rpartition(".")[2] for name in sample(INDEX, 150, 1)})
    for a in names:
        for b in names:
            assert scores.name_score(a, b) == fuzz.token_sort_ratio(a.replace("_", " "), b.replace("_", " ")) / 100


@pytest.mark.parametrize("name", sample(INDEX, 12, 2))
def test_the_ranking_is_that_of_a_naive_loop(name: str) -> None:
    row = INDEX.find(name)
    expected = naive(INDEX, row, 25)
    found = INDEX.nearest(name, 25)
    assert [INDEX.find(one.signature.qualified_name) for one in found] == [at for at, _ in expected]
    assert [one.score.total for one in found] == [total for _, total in expected]


def test_the_whole_table_agrees_with_single_questions() -> None:
    rows, totals = INDEX.table(10)
    assert rows.shape == totals.shape == (len(INDEX), 10)
    for name in sample(INDEX, 60, 3):
        row = INDEX.find(name)
        nearest = INDEX.nearest(name)
        assert rows[row].tolist() == [INDEX.find(one.signature.qualified_name) for one in nearest]
        assert totals[row].tolist() == [one.score.total for one in nearest]


def made(count: int, seed: int) -> list[Signature]:
    """Few names and shapes, so that there are many ties."""
    chance = random.Random(seed)
    types = ["", "int", "str"]

    def parameters() -> tuple[Parameter, ...]:
        size = chance.randrange(4)
        return tuple(Parameter("abc"[i], chance.choice(KINDS), chance.choice([None, "0", "..."])) for i in range(size))

    return [
        Signature(
            f"m{i:03}.{chance.choice(['f', 'g_f', 'f_g', 'load'])}",
            parameters(),
            chance.choice(types),
            f"d{chance.randrange(count // 2)}",
        )
        for i in range(count)
    ]


def ranked(signatures: Sequence[Signature]) -> Ranking:
    return Ranking(
        [s.name for s in signatures],
        [s.returns for s in signatures],
        [s.parameters for s in signatures],
        [s.definition for s in signatures],
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40, 700])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_ties_go_to_the_first_name(count: int, k: int) -> None:
    signatures = made(max(count, 2), count)[:count]
    rows, totals = ranked(signatures).table(k)
    for at in range(0, count, max(1, count // 15)):
        mine = signatures[at]
        pairs = [(-score(mine, one).total, i) for i, one in enumerate(signatures) if one.definition != mine.definition]
        expected = sorted(pairs)[:k]
        assert rows[at].tolist() == [i for _, i in expected] + [-1] * (k - len(expected))
        assert totals[at][: len(expected)].tolist() == [-total for total, _ in expected]


def test_a_tie_is_a_tie_however_its_parts_are_rounded() -> None:
    """3/4 + 2/3 is 1/4 + 1 + 1/6, and is not where a machine adds: one sum ends in 5, the other in 7."""
    mine = INDEX["resource.prlimit"]
    one, other = (score(mine, INDEX[name]) for name in ("resource.setrlimit", "scipy.linalg.bandwidth"))
    assert one.name + one.returns + one.parameters != other.name + other.returns + other.parameters
    assert one.total == other.total
    nearest = [each.signature.qualified_name for each in INDEX.nearest("resource.prlimit", 20)]
    assert nearest.index("resource.setrlimit") < nearest.index("scipy.linalg.bandwidth")


def test_best_finds_what_sorting_finds() -> None:
    chance = np.random.default_rng(5)
    for width in (1, 2, 9, 33, 100, 1000):
        values = chance.integers(0, 12, (20, width)).astype(float)
        for k in {1, min(3, width), min(10, width), width}:
            columns, found = ranking.best(values, k)
            order = np.argsort(-values, axis=1, kind="stable")[:, :k]
            assert (columns == order).all()
            assert (found == np.take_along_axis(values, order, 1)).all()


def test_every_part_is_from_0_to_1() -> None:
    for part in INDEX.ranking.parts(np.arange(0, len(INDEX), 97)):
        assert part.min() >= 0
        assert part.max() <= 1
