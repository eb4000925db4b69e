"""No part of a split tells the answers of another, and what counts as the same code is formatting-blind."""

import ast
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from synctrain.data import (
    Skipped,
    normalised,
    normalised_query,
    read_pairs,
    read_retrieval,
    retrieval_of,
    split,
    without_leaks,
)
from synctrain.types import DataError, Pair, RetrievalSet


def pair(number: int, query: str = "", code: str = "", intent: str = "") -> Pair:
    query = query or f"query {number}"
    return Pair(f"p{number}", query, code or f"f({number})", intent or normalised_query(query))


def marks(pairs: Iterable[Pair]) -> set[tuple[str, str]]:
    """All by which a pair may be known again, by the plainest means."""
    return {
        mark
        for one in pairs
        for mark in (
            ("intent", one.intent),
            ("query", normalised_query(one.query)),
            ("code", one.code),
            ("normalised", normalised(one.code)),
        )
    }


SAME = [
    ("f(a,b)", "f(a, b)  # sum"),
    ("x = 'a'", 'x = "a"'),
    ("x = u'a' 'b'", "x = 'ab'"),
    ("def f():\n    'Doc.'\n    return 1", "def f():\n  return (1)\n\n"),
    ("    def f(self):\n        return 1", "def f(self): return 1"),
    ("class A:\n    '''Doc.'''\n    def f(self):\n        '''Doc.'''\n        pass", "class A:\n    def f(self): pass"),
    ("async def f():\n    'Doc.'\n    await g()", "async def f(): await g()"),
    ("print 'a'   # no Python 3", "print   'a' # no\n Python 3"),
    ("x = '\\d'", "x = '\\\\d'"),
]
DIFFERENT = [
    ("f(a, b)", "f(b, a)"),
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 'a'", "x = b'a'"),
    ("'hello'", "'world'"),
    ("def f():\n    'Doc.'", "def g():\n    'Doc.'"),
    ("def f(a, *, b): pass", "def f(a, b): pass"),
    ("[a, [b]]", "[[a], b]"),
    ("f(x)(y)", "f(x, y)"),
    ("a < b < c", "(a < b) < c"),
    ("def f(): x", "async def f(): x"),
    ("print 'a'", "print 'A'"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_code_is_the_same_but_for_formatting_comments_and_docstrings(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_code_that_does_something_else_is_different(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(
    "code",
    ["", "\0", "(" * 9999, "-" * 99999 + "1", "a" + ".b" * 5000, " + ".join("a" * 5000), "\ud800", "if x:\n" * 200],
)
def test_any_text_can_be_compared(code: str) -> None:
    assert normalised(code) == normalised(code + "\n")


def test_on_real_code_comparing_agrees_with_the_trees_themselves(shared_data: Path) -> None:
    texts = [one.code for one in read_pairs(shared_data / "conala")]
    trees = {}
    for text in texts:
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        trees[text] = trees[ast.unparse(tree)] = ast.dump(tree)
    assert len(trees) > 2500  # many are not formatted as `unparse` has it
    assert len({normalised(text) for text in trees}) == len(set(trees.values())) < 2400


def test_queries_are_the_same_but_for_case_blanks_and_the_mark_at_their_end() -> None:
    assert normalised_query("  Close the\n FILE. ") == normalised_query("close the file") == "close the file"
    assert normalised_query("close a file?") != normalised_query("close the file?")
    assert normalised_query("?") == "?"


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["add", "Add.", "sub", "mul", "div", "mod"]),
        st.sampled_from(["a+b", "a + b", "a  -  b", "a - b", "a*b", "a/b", "a%b", "print a"]),
        st.sampled_from(["", "", "1", "2", "3"]),
    ),
    min_size=6,
    max_size=40,
).map(lambda rows: [pair(number, *row) for number, row in enumerate(rows)])


@given(PAIRS, st.floats(0.0, 0.5), st.floats(0.0, 0.4), st.sampled_from(["intent", "module"]), st.integers())
@example([pair(number) for number in range(20)], 0.1, 0.1, "intent", 0)
def test_no_part_knows_another(pairs: list[Pair], validation: float, test: float, by: str, seed: int) -> None:
    def module(one: Pair) -> str:
        return one.id[-1]

    try:
        found = split(pairs, validation=validation, test=test, by="intent" if by == "intent" else module, seed=seed)
    except DataError:  # too few groups, or each of them leaks
        reject()
    parts = (found.train, found.validation, found.test)
    assert not marks(found.train) & marks(found.validation + found.test)
    assert not marks(found.validation) & marks(found.test)
    kept = {one.id for part in parts for one in part}
    assert len(kept) == sum(map(len, parts)) == len(pairs) - found.leaks.total()
    for part in parts:  # in the order in which they came
        assert [one for one in pairs if one in part] == part
    assert validation or not found.validation
    assert test or not found.test


def test_each_leak_is_counted_by_its_kind() -> None:
    held = pair(0, "add", "f(a,  b)", "i")
    leaking = [pair(1, "ADD.", "g()", "j"), pair(2, "x", "f(a,  b)", "k"), pair(3, "y", "f(a, b)", "l")]
    others = [pair(number) for number in range(4, 40)]
    for seed in range(200):
        found = split([held, *leaking, *others], validation=0.05, seed=seed)
        if held in found.validation and not set(leaking) & set(found.validation):
            break
    assert found.leaks == {
        "train pairs of a query held out": 1,
        "train pairs of code held out": 1,
        "train pairs of code held out, formatting aside": 1,
    }
    assert not set(leaking) & set(found.train)
    assert len(found.validation) == 2


def test_a_split_is_the_same_for_a_seed_and_any_order() -> None:
    pairs = [pair(number, intent=str(number // 3)) for number in range(300)]
    one = split(pairs, validation=0.2, test=0.1, seed=3)
    other = split(pairs[::-1], validation=0.2, test=0.1, seed=3)
    assert one.train == other.train[::-1]
    assert (len(one.train), len(one.validation), len(one.test)) == (210, 60, 30)
    assert split(pairs, validation=0.2, test=0.1, seed=4).train != one.train


def test_groups_larger_than_a_share_still_fill_each_part() -> None:
    found = split([pair(number, intent=str(number % 3)) for number in range(9)], validation=0.1, test=0.1)
    assert (len(found.train), len(found.validation), len(found.test)) == (3, 3, 3)


def test_a_split_by_pair_keeps_twins_and_counts_them() -> None:
    pairs = [pair(number, "same", "f()") for number in range(10)]
    found = split(pairs, validation=0.2, by="pair")
    assert (len(found.train), len(found.validation)) == (8, 2)
    assert found.leaks == Skipped({"train pairs of an intent held out": 8})


def test_what_cannot_be_split_says_so() -> None:
    pairs = [pair(number, "same", intent="i") for number in range(10)]
    with pytest.raises(DataError, match=r"^1 groups of pairs cannot be split into 2 parts$"):
        split(pairs)
    with pytest.raises(DataError, match=r"^0 groups of pairs cannot be split into 1 parts$"):
        split([], validation=0)
    twins = [pair(number, code="f()") for number in range(10)]
    with pytest.raises(DataError, match=r"^nothing is left to train on: 9 train pairs of code held out$"):
        split(twins)
    with pytest.raises(DataError, match=r"^1 ids come more than once, 'p0' among them: was a file named twice\?$"):
        split([pairs[0], pairs[0]])
    for shares in ((-0.1, 0.0), (0.5, 0.5)):
        with pytest.raises(ValueError, match="nothing to train on"):
            split(pairs, validation=shares[0], test=shares[1])


def test_held_out_pairs_become_a_retrieval_set() -> None:
    pairs = [
        pair(0, "add", "a + b", "1"),
        pair(1, "sum up", "sum([a, b])", "1"),
        pair(2, "add", "a + b", "1"),
        pair(3, "subtract", "a - b", "2"),
        pair(4, "add", "a | b", "3"),
        pair(5, "minus", "a - b", "4"),
    ]
    assert retrieval_of(pairs, "own") == RetrievalSet(
        name="own",
        queries={"p0": "add", "p1": "sum up", "p3": "subtract", "p5": "minus"},
        documents={"p0": "a + b", "p1": "sum([a, b])", "p3": "a - b", "p4": "a | b"},
        relevant={
            "p0": frozenset({"p0", "p1", "p4"}),
            "p1": frozenset({"p0", "p1"}),
            "p3": frozenset({"p3"}),
            "p5": frozenset({"p3"}),
        },
    )
    with pytest.raises(DataError, match="own: no pairs"):
        retrieval_of([], "own")


def test_pairs_that_a_test_set_knows_are_dropped_and_counted() -> None:
    known = RetrievalSet("t", {"q": "Add two."}, {"d": "f(a, b)", "e": "g( )"}, {"q": frozenset("d")})
    train = [pair(0, "add TWO"), pair(1, code="f(a, b)"), pair(2, code="f(a,b)"), pair(3, code="g()"), pair(4)]
    kept, leaks = without_leaks(train, [known])
    assert kept == [train[4]]
    assert leaks == {
        "pairs with a test query": 1,
        "pairs with the code of a test document": 1,
        "pairs with the code of a test document, formatting aside": 2,
    }


def test_the_published_training_pairs_do_not_leak(shared_data: Path) -> None:
    tests = [read_retrieval(shared_data / name) for name in ("conala", "pydocs", "docstrings")]
    for name in ("conala", "pydocs"):
        pairs = read_pairs(shared_data / name)
        assert without_leaks(pairs, tests) == (pairs, Skipped())
    # As published, CoSQA's training functions are documents of its own test too.
    kept, leaks = without_leaks(read_pairs(shared_data / "cosqa"), [read_retrieval(shared_data / "cosqa")])
    assert not kept
    assert leaks == {"pairs with the code of a test document": 194}


def test_a_real_set_splits_without_leaks(shared_data: Path) -> None:
    pairs = read_pairs(shared_data / "conala")
    found = split(pairs, validation=0.1, test=0.1)
    assert not marks(found.train) & marks(found.validation + found.test)
    assert 0 < found.leaks.total() < 20
    assert len(found.train) + len(found.validation) + len(found.test) + found.leaks.total() == len(pairs)
    held = retrieval_of(found.test, "held")
    assert set(held.documents.values()) == {one.code for one in found.test}


def test_the_time_of_a_split_is_linear() -> None:
    def seconds(size: int) -> float:
        pairs = [pair(number, code=f"f(x[{number}], {number % 7})") for number in range(size)]
        start = time.process_time()
        found = split(pairs, validation=0.1, test=0.1)
        assert len(found.train) == size * 8 // 10
        return time.process_time() - start

    seconds(500)
    assert seconds(16_000) < 4 * 8 * seconds(2000)  # quadratic would be 64 times
