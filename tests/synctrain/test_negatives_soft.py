"""Soft negatives: never of the same intent or the same code, even where little else is there; linear."""

import tracemalloc
from collections import Counter
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctrain.negatives import draw_soft, plain, shuffle_soft
from synctrain.types import Pair


def pairs_of(*rows: tuple[str, str]) -> list[Pair]:
    return [Pair(str(number), f"query {number}", code, intent) for number, (intent, code) in enumerate(rows)]


def eligible(pairs: list[Pair], i: int) -> set[int]:
    mine = pairs[i]
    return {j for j, other in enumerate(pairs) if other.intent != mine.intent and plain(other.code) != plain(mine.code)}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("aaaaabcde"), st.sampled_from(["f()", "f( )", "f(\n)", "g", "h", "i", "j"]))),
    st.integers(0, 6),
    st.integers(0, 3),
)
def test_every_row_holds_different_eligible_pairs_as_many_as_there_are(
    rows: list[tuple[str, str]], k: int, seed: int
) -> None:
    pairs = pairs_of(*rows)
    drawn = draw_soft(pairs, k, seed)
    assert drawn.shape == (len(pairs), k)
    assert drawn.dtype == np.int64
    for i, row in enumerate(drawn.tolist()):
        some = eligible(pairs, i)
        size = min(k, len(some))
        assert len(set(row[:size])) == size
        assert set(row[:size]) <= some
        assert row[size:] == [-1] * (k - size)


def test_the_seed_decides() -> None:
    pairs = pairs_of(*((f"q{i}", f"f({i})") for i in range(50)))
    assert (draw_soft(pairs, 3, 1) == draw_soft(pairs, 3, 1)).all()
    assert (draw_soft(pairs, 3, 1) != draw_soft(pairs, 3, 2)).any()


def test_what_is_the_same_code_can_be_said() -> None:
    pairs = pairs_of(("a", "X"), ("b", "x"), ("c", "y"))
    assert draw_soft(pairs, 2, 0, normalised=str.lower)[:2].tolist() == [[2, -1], [2, -1]]


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "f"), *((f"q{i}", f"g{i}") for i in range(9))],
        [*(("a", f"f{i}") for i in range(10)), *((f"q{i}", f"g{i}") for i in range(3)), ("b", "f0"), ("c", "f0")],
        [*((f"q{i}", "f") for i in range(10)), *((f"q{i}", f"g{i}") for i in range(4))],
        [*(("a", "f") for _ in range(3)), *(("a", "g") for _ in range(3)), *(("b", "f") for _ in range(9)), ("b", "h")],
    ],
)
def test_every_eligible_pair_is_as_likely(rows: list[tuple[str, str]]) -> None:
    pairs = pairs_of(*rows)
    seen = [Counter[int]() for _ in pairs]
    for seed in range(600):
        for row, drawn in zip(seen, draw_soft(pairs, 2, seed).tolist(), strict=True):
            row.update(drawn)
    for i, row in enumerate(seen):
        some = eligible(pairs, i)
        for j in some:
            expected = 600 * min(2, len(some)) / len(some)
            assert abs(row[j] - expected) < 6 * expected**0.5


def worlds(size: int) -> dict[str, list[Pair]]:
    return {
        "all different": pairs_of(*((f"q{i}", f"f({i})") for i in range(size))),
        "one intent but for three": pairs_of(*(("a" if i > 2 else f"q{i}", f"f({i})") for i in range(size))),
        "one code but for three": pairs_of(*((f"q{i}", "f" if i > 2 else f"g{i}") for i in range(size))),
        "an intent and a code share out all": pairs_of(*((f"q{i % 2 and i}", f"f{i % 2 or i}") for i in range(size))),
    }


def test_time_and_memory_are_linear_whatever_the_intents_and_codes() -> None:
    cost: dict[str, list[float]] = {}
    for size in (2_500, 10_000):
        for name, pairs in worlds(size).items():
            tracemalloc.start()
            start = process_time()
            drawn = draw_soft(pairs, 3, 0)
            seconds, peak = process_time() - start, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert drawn.shape == (size, 3)
            assert peak < 2_000 * size
            cost.setdefault(name, []).append(seconds)
    for small, large in cost.values():
        assert large < 16 * max(small, 0.02)  # a quadratic one would be at 16 and more; noise and caches leave room


def test_refusals_and_nothing() -> None:
    with pytest.raises(ValueError, match="k = -1"):
        draw_soft([], -1, 0)
    assert draw_soft([], 3, 0).shape == (0, 3)
    assert draw_soft(pairs_of(("a", "f")), 3, 0).tolist() == [[-1, -1, -1]]
    assert draw_soft(pairs_of(("a", "f"), ("b", "g")), 0, 0).shape == (2, 0)


def test_in_batch_no_row_gets_an_answer() -> None:
    same = np.eye(6, dtype=bool)
    same[0, 1] = same[1, 0] = True
    same[5] = True
    seen = np.zeros((6, 6), dtype=int)
    generator = np.random.default_rng(0)
    for _ in range(600):
        for row, column in enumerate(shuffle_soft(same, generator).tolist()):
            if row == 5:
                assert column == -1
            else:
                seen[row, column] += 1
    assert not seen[same].any()
    assert (seen[0, 2:] > 100).all()
    assert shuffle_soft(np.zeros((0, 0), dtype=bool), generator).shape == (0,)
