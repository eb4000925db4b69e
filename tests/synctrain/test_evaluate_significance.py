"""The randomisation test on cases that can be counted by hand, and beside scipy's."""

import numpy as np
import pytest

from synctrain.evaluate.significance import compare


def test_three_queries_all_better() -> None:
    """Differences 1, 1, 1: of 8 ways to give signs, + + + and - - - are as far from 0: p = 2/8."""
    found = compare({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 0.0, "b": 0.0, "c": 0.0})
    assert (found.mean, found.p, found.queries, found.exact) == (1.0, 0.25, 3, True)


def test_differences_of_zero_count_for_the_mean_only() -> None:
    """Differences 3, -1, 0, sum 2: of 4 ways, sums 4, 2, -2, -4: all as far, p = 1. Mean 2/3."""
    found = compare({"a": 3.0, "b": 0.0, "c": 5.0}, {"a": 0.0, "b": 1.0, "c": 5.0})
    assert found.p == 1
    assert found.mean == pytest.approx(2 / 3)


def test_equal_models() -> None:
    found = compare({"a": 0.5, "b": 0.1}, {"b": 0.1, "a": 0.5})
    assert (found.mean, found.p) == (0, 1)


def test_rounding_does_not_split_equal_sums() -> None:
    """.1 + .2 and .3 differ in their last bit: signs + + - and - - + of (.1, .2, .3) sum to 0 as well as the seen one."""
    found = compare({"a": 0.1, "b": 0.2, "c": 0.0}, {"a": 0.0, "b": 0.0, "c": 0.3})
    assert found.p == 1


def sample(shift: float, size: int) -> tuple[dict[str, float], dict[str, float]]:
    chance = np.random.default_rng(0)
    ours, theirs = chance.random(size) + shift, chance.random(size)
    names = [f"q{number}" for number in range(size)]
    return dict(zip(names, ours.tolist(), strict=True)), dict(zip(names, theirs.tolist(), strict=True))


def test_drawn_p_is_smoothed_seeded_and_free_of_the_order() -> None:
    ours, theirs = sample(5.0, 40)
    assert compare(ours, theirs, assignments=99).p == 1 / 100
    ours, theirs = sample(0.05, 40)
    found = compare(ours, theirs)
    assert not found.exact
    assert found == compare(ours, theirs)
    assert found == compare(dict(reversed(ours.items())), theirs)
    assert found.p != compare(ours, theirs, seed=1).p
    assert found.p == compare(theirs, ours).p
    assert found.mean == -compare(theirs, ours).mean


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.2])
def test_agrees_with_scipy(shift: float) -> None:
    """Exactly where both try all 2^12 ways; the drawn p within four standard errors of the exact one."""
    stats = pytest.importorskip("scipy.stats")
    ours, theirs = sample(shift, 12)
    test = stats.permutation_test(
        (list(ours.values()), list(theirs.values())),
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    found = compare(ours, theirs)
    assert found.exact
    assert found.p == pytest.approx(test.pvalue, abs=1e-12)
    assert found.mean == pytest.approx(test.statistic)
    drawn = compare(ours, theirs, assignments=4_000)
    assert not drawn.exact
    assert drawn.p == pytest.approx(found.p, abs=4 * (found.p * (1 - found.p) / 4_000) ** 0.5)


def test_other_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="2 have a value on one side only"):
        compare({"a": 1.0, "b": 1.0}, {"a": 1.0, "c": 1.0})
    with pytest.raises(ValueError, match="no queries"):
        compare({}, {})
