"""Curricula that look at no accuracy: fixed shares, and the decay of the released code's ``exp``."""

import json
from collections.abc import Callable

import pytest

from synctrain.curriculum import Decay, Fixed
from synctrain.types import Curriculum


def test_fixed_stays() -> None:
    curriculum: Curriculum = Fixed({"soft": 0.75, "hard": 0.25})
    assert curriculum.tasks == ("soft", "hard")
    for _ in range(3):
        assert curriculum.shares() == (0.75, 0.25)
        curriculum.observe([(0, 3), (1, 1)])


def test_the_control_warms_up_like_sync() -> None:
    curriculum = Fixed({"soft": 0.75, "hard": 0.25}, warmup=2)
    shares = []
    for _ in range(4):
        shares.append(curriculum.shares())
        curriculum.observe([(1, 1), (0, 0)])
    assert shares == [(1, 0), (1, 0), (0.75, 0.25), (0.75, 0.25)]


def test_the_report_is_of_the_step_that_was() -> None:
    curriculum = Fixed({"soft": 0.5, "hard": 0.5}, warmup=1)
    assert curriculum.report() == {}
    curriculum.observe([(3, 4), (0, 0)])
    assert curriculum.report() == {"share/soft": 1, "share/hard": 0, "accuracy/soft": 0.75}
    curriculum.observe([(1, 4), (2, 2)])
    assert curriculum.report() == {"share/soft": 0.5, "share/hard": 0.5, "accuracy/soft": 0.25, "accuracy/hard": 1}


@pytest.mark.parametrize("shares", [{"soft": 0.5, "hard": 0.4}, {"soft": 1.5, "hard": -0.5}, {"soft": float("nan")}])
def test_shares_must_be_shares(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        Fixed(shares)


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="needs tasks"):
        Fixed({})
    with pytest.raises(ValueError, match="warm-up of -1"):
        Fixed({"soft": 1}, warmup=-1)
    with pytest.raises(ValueError, match="half-life of 0"):
        Decay(0)
    with pytest.raises(ValueError, match="two tasks"):
        Decay(1, tasks=("a", "b", "c"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not the state"):
        Fixed({"soft": 1}).load_state_dict({"tasks": ["hard"], "step": 1, "last": {}})


def test_decay_halves() -> None:
    curriculum: Curriculum = Decay(2)
    shares = []
    for _ in range(5):
        shares.append(curriculum.shares()[0])
        curriculum.observe([(0, 0), (0, 0)])
    assert shares == pytest.approx([1, 0.5**0.5, 0.5, 0.5**1.5, 0.25])


@pytest.mark.parametrize("make", [lambda: Fixed({"soft": 0.5, "hard": 0.5}, warmup=3), lambda: Decay(3)])
def test_state_goes_through_json(make: Callable[[], Curriculum]) -> None:
    one, other = make(), make()
    for _ in range(2):
        one.observe([(1, 2), (0, 0)])
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for _ in range(3):
        assert other.shares() == one.shares()
        assert other.report() == one.report()
        one.observe([(1, 1), (1, 1)])
        other.observe([(1, 1), (1, 1)])
