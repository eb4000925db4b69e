"""The order of rows: every row once an epoch, by seed and number alone, in different parts for different processes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synctrain.order import LOOK, Order

SIZES = st.tuples(st.integers(1, 200), st.integers(1, 30)).filter(lambda both: both[1] <= both[0])


@settings(deadline=None)
@given(SIZES, st.integers(0, 5), st.booleans())
def test_an_epoch_has_no_row_twice(sizes: tuple[int, int], seed: int, by_length: bool) -> None:
    rows, size = sizes
    lengths = np.arange(rows)[::-1] % 17 if by_length else None
    order = Order(rows, size, seed, lengths)
    for epoch in range(2):
        batches = [order.batch(epoch * order.steps + i) for i in range(order.steps)]
        assert all(len(batch) == size for batch in batches)
        seen = np.concatenate(batches)
        assert len(set(seen.tolist())) == len(seen) == rows // size * size
        assert 0 <= seen.min() <= seen.max() < rows


@settings(deadline=None)
@given(SIZES, st.integers(1, 4), st.integers(0, 9))
def test_processes_share_a_batch_out(sizes: tuple[int, int], parts: int, number: int) -> None:
    order = Order(*sizes, seed=1)
    shares = [order.batch(number, part, parts).tolist() for part in range(parts)]
    together = [row for share in shares for row in share]
    assert sorted(together) == sorted(order.batch(number).tolist())
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_batch_is_a_function_of_seed_and_number() -> None:
    order = Order(100, 8, seed=4)
    forward = [order.batch(number).tolist() for number in range(40)]
    backward = [Order(100, 8, seed=4).batch(number).tolist() for number in reversed(range(40))][::-1]
    assert forward == backward
    assert forward != [Order(100, 8, seed=5).batch(number).tolist() for number in range(40)]
    assert sorted(forward[0]) != sorted(forward[12])  # another epoch, another order


def test_the_rows_left_out_change_from_epoch_to_epoch() -> None:
    order = Order(10, 4, seed=0)
    left = [set(range(10)) - {row for i in (0, 1) for row in order.batch(2 * epoch + i).tolist()} for epoch in range(6)]
    assert all(len(one) == 2 for one in left)
    assert len({tuple(sorted(one)) for one in left}) > 1


def test_by_length_batches_hold_similar_lengths_in_a_random_order() -> None:
    """Among 50 batches all rows are sorted, so 48 of 50 batches span the 20 different lengths by one or two."""
    lengths = np.random.default_rng(0).integers(1, 21, 8 * LOOK)
    order = Order(8 * LOOK, 8, seed=2, lengths=lengths)
    spans = [np.ptp(lengths[order.batch(number)]) for number in range(LOOK)]
    means = [lengths[order.batch(number)].mean() for number in range(LOOK)]
    assert max(spans) <= 2
    assert sorted(means) != means
    plain = Order(8 * LOOK, 8, seed=2)
    assert min(np.ptp(lengths[plain.batch(number)]) for number in range(LOOK)) > 4
