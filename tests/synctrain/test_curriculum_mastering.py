"""The mastering rate: numbers by hand, a plain re-computation, and properties of any history."""

import json
from itertools import pairwise
from math import exp, isclose
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctrain.curriculum import DISTRIBUTIONS, MasteringRate, boltzmann, greedy_max, greedy_prop, mixed, prop, sync
from synctrain.types import Curriculum

# A step's (right, seen) of a task; nothing of it in one step out of a few.
COUNTS = st.integers(0, 12).flatmap(lambda seen: st.tuples(st.integers(0, seen), st.just(seen)))
HISTORY = st.lists(st.tuples(COUNTS, COUNTS), max_size=60)
WINDOWS = st.sampled_from(["observed", "legacy"])
SLOPES = st.sampled_from(["absolute", "legacy_signed", "none"])
ROUNDING = 1e-9


def observed(curriculum: MasteringRate, *history: tuple[tuple[int, int], ...]) -> MasteringRate:
    for outcome in history:
        curriculum.observe(outcome)
    return curriculum


def test_it_is_a_curriculum() -> None:
    curriculum: Curriculum = sync()
    assert curriculum.tasks == ("soft", "hard")


def test_before_anything_is_seen() -> None:
    """No task is mastered: attention is (.5 * 1 + .5 * 0) * (1 - 0) = .5 for soft, 0^2 * .5 = 0 for hard.

    softmax(.5, 0) = e^.5 / (e^.5 + 1) = .62246; .2 * .62246 + .8 * .8 = .76449.
    """
    curriculum = sync()
    assert curriculum.attention() == (0.5, 0.0)
    assert curriculum.shares() == pytest.approx((0.76449, 0.23551), abs=1e-5)


def test_numbers_by_hand() -> None:
    """Soft .5, .7, .9 and hard .1, .2, .3 at steps 1, 2, 3.

    M = (.7, .2). Slopes .2 and .1 a step, over the larger: 1 and .5.
    a_soft = (.5 * 1 + .5 * .3) * (1 - .2) = .65 * .8 = .52
    a_hard = .7^2 * (.5 * .5 + .5 * .8) = .49 * .65 = .3185
    """
    curriculum = observed(sync(), ((5, 10), (1, 10)), ((7, 10), (2, 10)), ((9, 10), (3, 10)))
    assert curriculum.mastery() == pytest.approx((0.7, 0.2))
    assert curriculum.slopes() == pytest.approx((1, 0.5))
    assert curriculum.attention() == pytest.approx((0.52, 0.3185))
    soft = exp(0.52) / (exp(0.52) + exp(0.3185))
    assert curriculum.shares() == pytest.approx((0.2 * soft + 0.64, 1 - 0.2 * soft - 0.64))


def test_a_step_without_the_task_is_skipped_and_the_slope_knows_when_it_was() -> None:
    """Hard is seen at steps 1 and 5 only: M is the mean of the two, its slope (.9 - .1) / 4 = .2, soft's .1."""
    steps = [((1, 10), (1, 10)), ((2, 10), (0, 0)), ((3, 10), (0, 0)), ((4, 10), (0, 0)), ((5, 10), (9, 10))]
    curriculum = observed(sync(), *steps)
    assert curriculum.mastery() == pytest.approx((0.3, 0.5))
    assert curriculum.slopes() == pytest.approx((0.5, 1))


def test_legacy_begins_with_zeros_and_counts_a_missing_task_as_zero() -> None:
    curriculum = observed(sync(window="legacy"), ((10, 10), (10, 10)), ((10, 10), (0, 0)))
    assert curriculum.mastery() == pytest.approx((2 / 20, 1 / 20))


def test_legacy_slope_is_the_one_over_1_to_20() -> None:
    """As in the released code: x = 1..20 over the zero-filled buffer; signed, divided by the larger."""
    soft, hard = [0.2, 0.9, 0.4, 0.6], [0.5, 0.0, 0.3, 0.1]
    steps = [((round(10 * one), 10), (round(10 * two), 10)) for one, two in zip(soft, hard, strict=True)]
    curriculum = observed(sync(window="legacy", slope="legacy_signed"), *steps)
    slopes = []
    for values in (soft, hard):
        buffer = [0.0] * 16 + values
        mean = sum(buffer) / 20
        slopes.append(
            sum((x - 10.5) * (y - mean) for x, y in enumerate(buffer, 1)) / sum((x - 10.5) ** 2 for x in range(1, 21))
        )
    assert curriculum.slopes() == pytest.approx([slope / max(slopes) for slope in slopes])


def test_legacy_slopes_that_all_fall_are_divided_by_the_least_negative() -> None:
    curriculum = sync(slope="legacy_signed")
    observed(curriculum, ((9, 10), (9, 10)), ((1, 10), (8, 10)))
    assert curriculum.slopes() == pytest.approx((8, 1))
    assert 0.64 <= curriculum.shares()[0] <= 0.84


def test_falling_is_learning_too_by_default() -> None:
    curriculum = observed(sync(), ((9, 10), (9, 10)), ((1, 10), (8, 10)))
    assert curriculum.slopes() == pytest.approx((1, 1 / 8))


@pytest.mark.parametrize("accuracy", [(1, 3), (1, 10), (7, 10), (2, 2), (0, 5)])
def test_a_plateau_has_no_slope(accuracy: tuple[int, int]) -> None:
    assert observed(sync(), *[(accuracy, accuracy)] * 37).slopes() == (0, 0)


def test_without_the_slope() -> None:
    curriculum = observed(sync(slope="none"), ((5, 10), (1, 10)), ((7, 10), (2, 10)))
    assert curriculum.slopes() == (0, 0)
    assert curriculum.attention() == pytest.approx((0.5 * 0.4 * 0.85, 0.36 * 0.5 * 0.85))


def test_warm_up_is_soft_only_and_accuracies_count_meanwhile() -> None:
    curriculum = sync(warmup=3)
    for _ in range(3):
        assert curriculum.shares() == (1, 0)
        curriculum.observe([(8, 10), (0, 0)])
    assert curriculum.mastery() == pytest.approx((0.8, 0))
    assert 0.64 <= curriculum.shares()[0] <= 0.84


def test_warm_up_shares_out_over_all_roots() -> None:
    curriculum = MasteringRate("abc", [("a", "c"), ("b", "c")], warmup=1)
    assert curriculum.shares() == (0.5, 0.5, 0)


def test_the_window_forgets() -> None:
    curriculum = observed(sync(k=2), ((0, 1), (0, 1)), ((1, 1), (1, 1)), ((1, 1), (0, 1)))
    assert curriculum.mastery() == (1, 0.5)


def test_min_over_all_ancestors_and_direct_successors() -> None:
    """A -> b -> c, a -> d, with M = .9, .4, .6, .2, no slopes, delta 1, p = 1.

    a: 1 * .1 * (1 - min(.4, .2)) = .08; b: .9 * .6 * (1 - .6) = .216
    c: min(.9, .4) * .4 * 1 = .16; d: .9 * .8 * 1 = .72
    """
    curriculum = MasteringRate("abcd", [("a", "b"), ("b", "c"), ("a", "d")], p=1, delta=1, distribution=prop)
    curriculum.observe([(9, 10), (4, 10), (6, 10), (2, 10)])
    assert curriculum.attention() == pytest.approx((0.08, 0.216, 0.16, 0.72))
    assert curriculum.shares() == pytest.approx([one / 1.176 for one in (0.08, 0.216, 0.16, 0.72)])


def test_bounds_scale_and_adapt() -> None:
    curriculum = MasteringRate(["one"], k=2, bounds={"one": (0.2, 0.6)}, adapt=True)
    observed(curriculum, ((4, 10),))
    assert curriculum.mastery() == pytest.approx((0.5,))
    observed(curriculum, ((10, 10),))  # the full window's mean .7 is the new maximum
    assert curriculum.mastery() == pytest.approx((1,))
    observed(curriculum, ((2, 10),))  # mean .6, in (.2, .7)
    assert curriculum.mastery() == pytest.approx((0.8,))
    stays = observed(MasteringRate(["one"], k=2, bounds={"one": (0.2, 0.6)}), ((10, 10),), ((10, 10),), ((4, 10),))
    assert stays.mastery() == pytest.approx((1,))


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ([("a", "a")], ["a -> a"]),
        ([("a", "b"), ("b", "a")], ["a -> b -> a", "b -> a -> b"]),
        (
            [("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")],
            ["b -> c -> d -> b", "c -> d -> b -> c", "d -> b -> c -> d"],
        ),
    ],
)
def test_a_cycle_is_named(edges: list[tuple[str, str]], cycle: list[str]) -> None:
    with pytest.raises(ValueError, match="the tasks form a cycle") as caught:
        MasteringRate("abcd", edges)
    assert str(caught.value).split(": ")[1] in cycle


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=9))
def test_any_graph_is_taken_or_a_true_cycle_of_it_named(edges: list[tuple[str, str]]) -> None:
    try:
        curriculum = MasteringRate("abcdef", edges)
    except ValueError as error:
        cycle = str(error).split(": ")[1].split(" -> ")
        assert len(cycle) > 1
        assert cycle[0] == cycle[-1]
        assert set(pairwise(cycle)) <= set(edges)
    else:
        assert isclose(sum(curriculum.shares()), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k = 0"),
        ({"p": -1}, "p = -1"),
        ({"delta": 1.1}, "delta = 1.1"),
        ({"epsilon": -0.1}, "epsilon = -0.1"),
        ({"warmup": -1}, "warmup = -1"),
        ({"window": "new"}, "no window 'new'"),
        ({"slope": "steep"}, "no slope 'steep'"),
        ({"bias": (0.5, 0.4)}, "bias"),
        ({"bias": (1.0,)}, "bias"),
        ({"bounds": {"c": (0, 1)}}, "bounds"),
        ({"bounds": {"a": (1, 0)}}, "bounds"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MasteringRate("ab", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("tasks", [[], ["a", "a"]])
def test_tasks_need_names(tasks: list[str]) -> None:
    with pytest.raises(ValueError, match="tasks with different names"):
        MasteringRate(tasks)


def test_an_edge_needs_both_tasks() -> None:
    with pytest.raises(ValueError, match="b -> c leads to no task; there are: a, b"):
        MasteringRate("ab", [("b", "c")])


@pytest.mark.parametrize("outcome", [[(1, 1)], [(1, 1)] * 3, [(2, 1), (0, 0)], [(-1, 1), (0, 0)]])
def test_counts_that_cannot_be(outcome: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="right, seen"):
        sync().observe(outcome)


@settings(deadline=None)
@given(HISTORY, WINDOWS, SLOPES, st.sampled_from(sorted(DISTRIBUTIONS)), st.integers(0, 5))
def test_shares_are_shares_within_what_epsilon_allows(
    history: list[tuple[tuple[int, int], ...]], window: str, slope: str, distribution: str, warmup: int
) -> None:
    curriculum = sync(
        window=window,  # type: ignore[arg-type]
        slope=slope,  # type: ignore[arg-type]
        distribution=DISTRIBUTIONS[distribution],
        warmup=warmup,
    )
    for step, outcome in enumerate(history):
        shares = curriculum.shares()
        assert isclose(sum(shares), 1)
        assert all(0 <= share <= 1 for share in shares)
        if step < warmup:
            assert shares == (1, 0)
        else:
            assert 0.64 - ROUNDING <= shares[0] <= 0.84 + ROUNDING
            if distribution == "softmax" and slope != "legacy_signed":
                assert 0.694 - 1e-3 <= shares[0] <= 0.786 + 1e-3
        curriculum.observe(outcome)
        report = curriculum.report()
        assert report["share/soft"] == shares[0]
        assert ("accuracy/hard" in report) == bool(outcome[1][1])
        assert {"mastery/soft", "mastery/hard", "slope/soft", "slope/hard"} <= report.keys()


@settings(deadline=None)
@given(HISTORY, HISTORY, WINDOWS, SLOPES)
def test_state_goes_through_json_and_has_the_same_future(
    past: list[tuple[tuple[int, int], ...]], future: list[tuple[tuple[int, int], ...]], window: str, slope: str
) -> None:
    def fresh() -> MasteringRate:
        return MasteringRate(
            ("soft", "hard"),
            [("soft", "hard")],
            k=7,
            window=window,  # type: ignore[arg-type]
            slope=slope,  # type: ignore[arg-type]
            warmup=4,
            bounds={"hard": (0.3, 0.5)},
            adapt=True,
        )

    one, other = observed(fresh(), *past), fresh()
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert other.report() == one.report()
    assert other.shares() == one.shares()
    for outcome in future:
        one.observe(outcome)
        other.observe(outcome)
        assert other.shares() == one.shares()
        assert other.report() == one.report()
        assert other.state_dict() == one.state_dict()


@settings(deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=20), st.randoms())
def test_mastery_forgets_the_order_within_the_window(
    history: list[tuple[tuple[int, int], ...]], random: Random
) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert observed(sync(), *shuffled).mastery() == pytest.approx(observed(sync(), *history).mastery())


@settings(deadline=None)
@given(HISTORY, COUNTS)
def test_a_step_without_a_task_leaves_that_task_alone(
    history: list[tuple[tuple[int, int], ...]], soft: tuple[int, int]
) -> None:
    curriculum = observed(sync(), *history)
    before = curriculum.mastery()[1]
    curriculum.observe([soft, (0, 0)])
    assert curriculum.mastery()[1] == before


@pytest.mark.parametrize(
    "state",
    [{}, {"tasks": ["soft", "other"], "step": 1, "last": {}}, {"tasks": ["soft", "hard"], "step": 1, "last": {}}],
)
def test_a_foreign_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the state"):
        sync().load_state_dict(state)


def test_distributions_by_hand() -> None:
    assert prop([1, 3]) == (0.25, 0.75)
    assert prop([-1, 3]) == (0, 1)
    assert prop([0, 0, 0, 0]) == (0.25,) * 4
    assert prop([-1, -2]) == (0.5, 0.5)
    assert greedy_prop([1, 3]) == pytest.approx((0.9 * 0.25 + 0.05, 0.9 * 0.75 + 0.05))
    assert greedy_max([1, 3, 3], 0.3) == pytest.approx((0.1, 0.8, 0.1))
    assert boltzmann([0.5, 0.5]) == (0.5, 0.5)
    assert boltzmann([0.5, 0.6]) == pytest.approx((0, 1))
    assert mixed((1, 0), (0.8, 0.2), 0.8) == pytest.approx((0.84, 0.16))


@settings(deadline=None)
@given(
    st.sampled_from(sorted(DISTRIBUTIONS)),
    st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=6),
)
def test_every_distribution_is_one(name: str, attention: list[float]) -> None:
    shares = DISTRIBUTIONS[name](attention)
    assert len(shares) == len(attention)
    assert isclose(sum(shares), 1)
    assert all(0 <= share <= 1 for share in shares)
