"""Pairs in parts to train on and to hold out, nothing of one in the other; held-out pairs as retrieval sets."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from synctrain.data.compare import fingerprint, normalised_query
from synctrain.data.rows import Skipped
from synctrain.types import DataError, Pair, RetrievalSet

_Marks: TypeAlias = "tuple[tuple[str, str | bytes], ...]"


@dataclass(frozen=True, slots=True)
class Split:
    """Pairs in three parts, each in the order in which they came."""

    train: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    leaks: Skipped  # how many pairs had a twin in a part held out further: removed, but for a split by pair


def split(
    pairs: Sequence[Pair],
    *,
    validation: float = 0.1,
    test: float = 0.0,
    by: Literal["intent", "pair"] | Callable[[Pair], str] = "intent",
    seed: int = 0,
) -> Split:
    """Split pairs so that those that belong together stay together, and no part tells another's answers.

    Groups are shuffled and given to test, then to validation, as long as they fit. Then a pair of train that shares
    its intent, its query, its code, or its code but for formatting and comments with one of validation or test is
    removed, and one of validation that does so with one of test. What each part holds depends on the seed and on which
    pairs there are, not on their order. The time is linear, but for sorting the groups' names.

    Args:
        pairs: What to split; ids must be unique.
        validation: The share of the pairs to hold out for choosing a model, at least 0. It is a bound: the part is as
            large as whole groups allow, and smaller by its leaks.
        test: The share to hold out for the end, likewise.
        by: What belongs together: equal intents, or equal results of a function, such as a pair's module. ``pair``
            splits at random, as the paper did: twins are counted then, but stay.
        seed: Equal seeds give equal splits.

    Raises:
        DataError: An id comes twice, there are fewer groups than parts, or nothing is left to train on.
        ValueError: The shares are negative or sum to 1 or more.
    """
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(f"shares of {validation} for validation and {test} for test leave nothing to train on")
    twice = [name for name, count in Counter(pair.id for pair in pairs).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} ids come more than once, {twice[0]!r} among them: was a file named twice?")
    part = _parts(_groups(pairs, by), {"test": test, "validation": validation}, seed)
    parts: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    for number, pair in enumerate(pairs):
        parts[part.get(number, "train")].append(pair)
    leaks = Skipped()
    known: set[tuple[str, str | bytes]] = set()
    for name in ("test", "validation", "train"):
        kept = []
        for pair in parts[name]:
            marks = _marks(pair)
            leak = next((why for why, value in marks if (why, value) in known), "")
            if leak:
                leaks[f"{name} pairs of {leak}"] += 1
            if not leak or by == "pair":
                kept.append((pair, marks))
        parts[name] = [pair for pair, _ in kept]
        for _, marks in kept:  # only now: twins within one part are no leaks
            known.update(marks)
    if not parts["train"]:
        raise DataError(f"nothing is left to train on: {leaks}")
    return Split(parts["train"], parts["validation"], parts["test"], leaks)


def without_leaks(train: Iterable[Pair], tests: Iterable[RetrievalSet]) -> tuple[list[Pair], Skipped]:
    """Return the pairs whose query is no test query and whose code is no test document, and the counts of the others.

    Code is compared as text and without its formatting, comments and docstrings, queries without their case and the
    mark at their end. All documents count, relevant or not. Not found: paraphrases, renamed variables.
    """
    queries: set[str] = set()
    documents: set[str | bytes] = set()
    for one in tests:
        queries.update(map(normalised_query, one.queries.values()))
        for text in one.documents.values():
            documents.update((text, fingerprint(text)))
    kept, leaks = [], Skipped()
    for pair in train:
        if normalised_query(pair.query) in queries:
            leaks["pairs with a test query"] += 1
        elif pair.code in documents:
            leaks["pairs with the code of a test document"] += 1
        elif fingerprint(pair.code) in documents:
            leaks["pairs with the code of a test document, formatting aside"] += 1
        else:
            kept.append(pair)
    return kept, leaks


def retrieval_of(pairs: Sequence[Pair], name: str) -> RetrievalSet:
    """Return pairs as a retrieval set: each distinct query asks, each distinct code is a document.

    To a query, all documents are relevant that stand in a pair with its intent. Queries and documents have the id of
    the first pair that they come from.

    Raises:
        DataError: There are no pairs.
    """
    if not pairs:
        raise DataError(f"{name}: no pairs to make a retrieval set of")
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    answers: defaultdict[str, set[str]] = defaultdict(set)
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        answers[pair.intent].add(documents.setdefault(pair.code, pair.id))
        asked[queries.setdefault(pair.query, pair.id)].add(pair.intent)
    return RetrievalSet(
        name=name,
        queries={key: text for text, key in queries.items()},
        documents={key: text for text, key in documents.items()},
        relevant={key: frozenset().union(*(answers[intent] for intent in asked[key])) for key in queries.values()},
    )


def _groups(pairs: Sequence[Pair], by: Literal["intent", "pair"] | Callable[[Pair], str]) -> list[list[int]]:
    """Return the numbers of the pairs that belong together, in an order that does not depend on theirs."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        key = pair.intent if by == "intent" else pair.id if by == "pair" else by(pair)
        groups[key].append(number)
    return [groups[key] for key in sorted(groups)]


def _parts(groups: list[list[int]], shares: dict[str, float], seed: int) -> dict[int, str]:
    """Return the part of each pair that is held out, by its number."""
    shares = {name: share for name, share in shares.items() if share}
    if len(groups) <= len(shares):
        raise DataError(f"{len(groups)} groups of pairs cannot be split into {len(shares) + 1} parts")
    total = sum(map(len, groups))
    random.Random(seed).shuffle(groups)
    part: dict[int, str] = {}
    for name, share in shares.items():
        room, left = share * total, []
        for group in groups:
            if len(group) <= room:
                room -= len(group)
                part.update(dict.fromkeys(group, name))
            else:
                left.append(group)
        if len(left) == len(groups):  # all are larger than the share: better the smallest than none
            smallest = min(range(len(groups)), key=lambda number: len(groups[number]))
            part.update(dict.fromkeys(left.pop(smallest), name))
        groups = left
    return part


def _marks(pair: Pair) -> _Marks:
    """Return by what a pair may be known again, with the name of each, the plainest first."""
    return (
        ("an intent held out", pair.intent),
        ("a query held out", normalised_query(pair.query)),
        ("code held out", pair.code),
        ("code held out, formatting aside", fingerprint(pair.code)),
    )
