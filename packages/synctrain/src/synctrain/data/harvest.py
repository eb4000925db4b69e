"""Pairs out of any Python tree: what a function's docstring says, and the function without it. Nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from synctrain.data.compare import fingerprint, normalised_query
from synctrain.data.docstrings import is_english, summary, words
from synctrain.data.functions import Function, functions
from synctrain.data.rows import Skipped, is_text
from synctrain.data.trees import Module, modules, read_source
from synctrain.types import DataError, Pair

_HEAD = 1000  # characters at the beginning of a file where a generator leaves its name
_GENERATED = re.compile(
    r"@generated|\bauto(?:matically)?[- ]?generated|\bdo not edit\b|^#.*\bgenerated (?:by|from|with|using)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a query and code may be to be kept; both ends belong to the range."""

    words: tuple[int, int] = (3, 60)  # of the query
    lines: tuple[int, int] = (2, 150)  # of the code, blank ones not counted
    characters: tuple[int, int] = (40, 8000)  # of the code


@dataclass(frozen=True, slots=True)
class Harvested:
    """A pair, and where it was found."""

    pair: Pair
    path: str  # from the root of its tree, with forward slashes
    module: str  # dotted
    name: str  # qualified, as in __qualname__
    first: int  # line, from 1
    last: int

    def fields(self) -> dict[str, object]:
        """Return where it was found, as JSON holds it."""
        return {
            "path": self.path,
            "module": self.module,
            "name": self.name,
            "first_line": self.first,
            "last_line": self.last,
        }


@dataclass(slots=True)
class Harvest:
    """What was found, and what was left out by reason."""

    found: list[Harvested] = field(default_factory=list)
    files: int = 0  # read, with those that gave nothing
    functions: int = 0  # seen, with those that were left out
    skipped: Skipped = field(default_factory=Skipped)

    @property
    def pairs(self) -> list[Pair]:
        """The pairs, in the order of targets, paths and lines."""
        return [one.pair for one in self.found]

    @property
    def modules(self) -> dict[str, str]:
        """The module of each pair by its id: what to split by, for a held-out part of unseen modules."""
        return {one.pair.id: one.module for one in self.found}

    @property
    def extra(self) -> dict[str, dict[str, object]]:
        """Where each pair was found by its id, as ``write_pairs`` takes it."""
        return {one.pair.id: one.fields() for one in self.found}

    @property
    def counts(self) -> Mapping[str, int]:
        """Files, functions and pairs, and then the reasons for what was left out, the most frequent first."""
        totals = {"files": self.files, "functions": self.functions, "pairs": len(self.found)}
        return totals | dict(self.skipped.most_common())


def harvest(targets: Sequence[str | Path], *, limits: Limits | None = None, tests: bool = False) -> Harvest:
    """Return docstring-to-function pairs of Python trees, which are read only: nothing is imported or run.

    The query is the docstring's first sentence without markup, the code is the function's own text without its
    docstring, the intent is the normalised query. Equal trees give equal pairs with equal ids, on any machine. Left
    out and counted are: files of tests, generated ones, and those that cannot be read or parsed; functions without a
    docstring, with an empty body, with names such as ``__len__``, and setters; queries that are too short, too long
    or not English; code outside the limits; and code that was there before, formatting and comments aside. The time is
    linear in the text.

    Args:
        targets: Files, folders, names of what is installed, or ``stdlib``, as for ``modules``.
        limits: Which lengths to keep.
        tests: Keep tests too.

    Raises:
        DataError: A target is neither a path nor installed, or holds no Python file.
    """
    harvested, limits = Harvest(), limits or Limits()
    seen: set[bytes] = set()
    for module in modules(targets, tests=tests, complain=lambda reason: harvested.skipped.update([reason])):
        for function in _functions(module, harvested):
            harvested.functions += 1
            query = summary(function.docstring)
            reason = _unfit(function) or _unfit_query(query, limits) or _unfit_code(function.code, limits)
            if not reason:
                mark = fingerprint(function.code)
                reason = "functions of the same code as another" if mark in seen else ""
                seen.add(mark)
            if reason:
                harvested.skipped[reason] += 1
            else:
                harvested.found.append(_harvested(function, module, query))
    return harvested


def _functions(module: Module, harvested: Harvest) -> Iterator[Function]:
    harvested.files += 1
    try:
        text = read_source(module.file)
    except DataError:
        harvested.skipped["files that cannot be read"] += 1
        return
    if _GENERATED.search(text[:_HEAD]):
        harvested.skipped["files that a program wrote"] += 1
        return
    try:
        yield from functions(text, module.path)
    except DataError:
        harvested.skipped["files that do not parse"] += 1


def _harvested(function: Function, module: Module, query: str) -> Harvested:
    marks = f"{module.path}\0{function.name}\0{query}\0{function.code}".encode()
    identity = f"py-{blake2b(marks, digest_size=8).hexdigest()}"
    pair = Pair(identity, query, function.code, normalised_query(query))
    return Harvested(pair, module.path, module.name, function.name, function.first, function.last)


def _unfit(function: Function) -> str:
    if not function.docstring:
        return "functions without a docstring"
    if function.is_magic:
        return "functions with names such as __len__"
    if function.accessor:
        return "setters and deleters"
    return "functions that do nothing" if function.stub else ""


def _unfit_query(query: str, limits: Limits) -> str:
    few, many = limits.words
    count = len(words(query))
    if count < few:
        return f"docstrings of fewer than {few} words"
    if count > many:
        return f"docstrings of more than {many} words"
    return "" if is_english(query) and is_text(query) else "docstrings that are not English"


def _unfit_code(code: str, limits: Limits) -> str:
    count = sum(bool(line.strip()) for line in code.splitlines())
    if count < limits.lines[0] or len(code) < limits.characters[0]:
        return "functions that are too short"
    if count > limits.lines[1] or len(code) > limits.characters[1]:
        return "functions that are too long"
    return "" if is_text(code) else "functions that are not Unicode"
