"""Results come in order, whatever the number of processes, and the death of one costs one item."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from astmut import corpus
from astmut.corpus import Died


def spell(word: str) -> Iterator[str]:
    """Work for a process; what the word says may happen to it."""
    yield word
    if word == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit":
        os._exit(7)
    if word == "raise":
        raise ValueError("no such word")
    if word == "memory":
        raise MemoryError
    yield from word


def outcome(words: list[str], jobs: int) -> list[tuple[str, object]]:
    return list(corpus.run(spell, words, jobs))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_are_in_the_order_of_the_items(jobs: int) -> None:
    words = [f"word{number}" for number in range(40)]
    assert outcome(words, jobs) == [(word, result) for word in words for result in (word, *word)]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("killed", "its process was ended by SIGKILL"),
        ("exit", "its process ended with status 7"),
        ("raise", "internal error, please report it: ValueError: no such word (test_corpus.py:"),
        ("memory", "out of memory"),
    ],
)
def test_a_death_costs_one_item(word: str, reason: str, jobs: int) -> None:
    results = outcome(["a", word, "b", word, "c"], jobs)
    deaths = [(item, result.reason) for item, result in results if isinstance(result, Died)]
    assert [item for item, _ in deaths] == [word, word]
    assert all(said.startswith(reason) for _, said in deaths)
    others = [(item, result) for item, result in results if item != word]
    assert others == [(item, item) for item in "abc" for _ in range(2)]


def test_no_items_start_no_process() -> None:
    assert outcome([], 3) == []


def large(_: int) -> Iterator[bytes]:
    for _ in range(32):
        yield bytes(1024 * 1024)


def test_results_that_wait_are_bounded() -> None:
    pool = corpus._Pool(large, range(8), 4)
    try:
        most = count = 0
        for _ in pool.results():
            count += 1
            most = max(most, pool.waiting)
            if count < 8:
                time.sleep(0.02)  # a slow reader
        assert count == 8 * 32
        assert most < corpus.WAITING_BYTES + 8 * 1024 * 1024
    finally:
        pool.stop()


def first_then_wait(folder: str) -> Iterator[str]:
    yield "first"
    time.sleep(0.1)  # the packet of the first result is due
    yield "second"
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def test_results_come_before_the_item_is_done_and_closing_ends_the_process(tmp_path: Path) -> None:
    results = corpus.run(first_then_wait, [str(tmp_path)], 1)
    assert next(results) == (str(tmp_path), "first")
    while not (marks := list(tmp_path.iterdir())):
        time.sleep(0.01)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(marks[0].name), 0)


def endless() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"word{number}"


def test_items_are_taken_as_they_are_needed() -> None:
    results = corpus.run(spell, endless(), 2)
    assert [next(results)[1] for _ in range(7)] == ["word1", *"word1", "word2"]
    results.close()
