"""What a model knows of the rules: which of them it tells from code worst, and whether a rule is a direction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from synctrain import encoders
from synctrain.evaluate import analogy, mutants
from synctrain.evaluate.analogy import Analogy, Found, Question
from synctrain.evaluate.retrieval import Once
from synctrain.measure import read_mutated
from synctrain.negatives.mutants import Mode
from synctrain.types import DataError, Embed, Progress, Say, Similarity, nothing

DISTANCES: tuple[Similarity, ...] = ("cos", "neg_l2")  # the paper reports both
_SHOWN: Mapping[Similarity, str] = {"cos": "cosine", "neg_l2": "distance", "dot": "dot"}
_ASKED: Mapping[Question, str] = {
    "analogy": "c + b - a",
    "source": "control: c alone",
    "other_rule": "control: a, b of another rule",
    "among_sources": "c + b - a, every c stands among the d",
}


@dataclass(frozen=True)
class Difficulty:
    """How often a model tells code from its mutants, by rule, and the rules that it tells least often."""

    similarity: Similarity
    separation: mutants.Separation
    hardest: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        rules = {name: share._asdict() for name, share in self.separation.rules.items()}
        whole = {name: getattr(self.separation, name)._asdict() for name in ("overall", "complete")}
        counts = {"dropped": self.separation.dropped, "equal": self.separation.equal}
        return {"similarity": self.similarity, **whole, **counts, "rules": rules, "hardest": list(self.hardest)}

    def settings(self) -> str:
        """Return the rules as lines of a file of settings.

        Raises ``DataError`` where none is selected: of such settings a run would make no mutants at all.
        """
        if not self.hardest:
            most = max(share.total for share in self.separation.rules.values())
            raise DataError(f"no rule is selected: none has as many triplets as asked for, {most:,} at most")
        return f"negatives.rules = {json.dumps(self.hardest)}\nnegatives.groups = []"

    def table(self) -> Table:
        """Lay it out: a row a rule, the hardest first, and all of them together; in percent."""
        laid = _table("triplet separation accuracy", "rule", "triplets", "accuracy")
        shares = sorted(self.separation.rules.items(), key=lambda one: (one[1].value, one[0]))
        for name, share in [*shares, ("all", self.separation.overall)]:
            laid.add_row(Text(name), f"{share.total:,}", _percent(share.value))
        return laid


def difficulty(
    model: str,
    files: Sequence[str],
    *,
    rules: Sequence[str] = (),
    groups: Sequence[str] = (),
    mode: Mode = "together",
    top: int = 12,
    at_least: int = 10,
    similarity: Similarity | None = None,
    max_length: int | None = None,
    say: Say = nothing,
    progress: Progress | None = None,
) -> Difficulty:
    """Measure how often a model tells pairs' code from its mutants, by rule (specification, "rule difficulty").

    Args:
        model: what loads it.
        files: pairs, as of ``data.train``.
        rules: of the mutants.
        groups: of rules; all rules where neither is given.
        mode: one mutant a rule with all its places changed, or one a place.
        top: how many rules to select, the hardest (paper: 12).
        at_least: rules with fewer triplets say too little to be selected.
        similarity: how vectors are compared; None is what the model was trained for.
        max_length: tokens of a text, at most; None is what the model was trained with.
        say: what is told to the user.
        progress: called with (done, all) while mutants are made.

    Raises:
        ConfigError, DataError, ModelError: an unknown rule, file or model; there is no mutant.
    """
    embed = _embed(model, max_length)  # before the mutants are made
    pairs, made = read_mutated(files, rules, groups, mode=mode, say=say, progress=progress)
    by = similarity or encoders.similarity_of(model)
    candidates = [made.candidates(number) for number in range(len(pairs))]
    found = mutants.difficulty(embed, pairs, candidates, by)
    if found.equal:
        say(f"the model sees no difference between code and {found.equal:,} of its {found.overall.total:,} mutants")
    return Difficulty(by, found, mutants.hardest(found.rules, top, at_least))


@dataclass(frozen=True)
class Analogies:
    """How a model answers analogies, by distance and question.

    Attributes:
        given: how many analogies by rule.
        released_ceiling: the share that the first five could hold if equal d stood apart, as in the released code.
            Here equal d are one, and the ceiling is 1.
        found: the answers.
    """

    given: Mapping[str, int]
    released_ceiling: float
    found: Mapping[Similarity, Mapping[Question, Found]]

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON holds it."""
        answers = {by: {asked: asdict(one) for asked, one in found.items()} for by, found in self.found.items()}
        ceilings = {"ceiling": 1.0, "released_ceiling": self.released_ceiling}
        return {"analogies": dict(self.given), **ceilings, "found": answers}

    def tables(self) -> tuple[Table, Table]:
        """Lay it out in percent: a row a question, with its ceiling; and a row a rule, with d among the first five."""
        by_question = _table(f"{sum(self.given.values()):,} analogies: a is to b as c is to d", "question")
        by_rule = _table("d among the first five, by rule", "rule", "analogies")
        for by in self.found:
            for name in ("MRR", "first", "first 5"):
                by_question.add_column(f"{_SHOWN[by]}\n{name}", justify="right", no_wrap=True)
            for asked in ("c + b - a", "c alone"):
                by_rule.add_column(f"{_SHOWN[by]}\n{asked}", justify="right", no_wrap=True)
        for question, title in _ASKED.items():
            answers = [found[question] for found in self.found.values() if question in found]
            if answers:
                cells = [_percent(value) for one in answers for value in (one.mrr, one.first, one.first5)]
                by_question.add_row(Text(title), *cells)
        by_question.add_row(Text("ceiling"), *[_percent(1.0)] * 3 * len(self.found))
        ceiling = ["-", "-", _percent(self.released_ceiling)]
        by_question.add_row(Text("ceiling if equal d stood apart"), *ceiling * len(self.found))
        for rule, count in self.given.items():
            shares = [found[asked].first5_by_rule[rule] for found in self.found.values() for asked in _BESIDE]
            by_rule.add_row(Text(rule), f"{count:,}", *map(_percent, shares))
        return by_question, by_rule


_BESIDE: tuple[Question, ...] = ("analogy", "source")


def analogies(
    model: str,
    files: Sequence[str],
    *,
    rules: Sequence[str] = (),
    groups: Sequence[str] = ("sync",),
    longer_than: int = 30,
    snippets: int = 100,
    combinations: int = 200,
    seed: int = 42,
    max_length: int | None = None,
    say: Say = nothing,
    progress: Progress | None = None,
) -> Analogies:
    """Ask a model analogies of code (paper, appendix D.4): a and b, c and d are code and its mutant by one rule.

    Args:
        model: what loads it.
        files: pairs, as of ``data.train``; their queries play no part.
        rules: of the mutants, one each of a snippet, with all its places changed.
        groups: of rules.
        longer_than: shorter code, in characters, is left out.
        snippets: of each rule, at most, drawn by ``seed``.
        combinations: pairs of these for each rule, at most, drawn by ``seed``.
        seed: of both draws, and of the pairing with other rules.
        max_length: tokens of a text, at most; None is what the model was trained with.
        say: what is told to the user.
        progress: called with (done, all) while mutants are made.

    Raises:
        ConfigError, DataError, ModelError: an unknown rule, file or model; no rule applies to two snippets.
    """
    embed = Once(_embed(model, max_length))  # before the mutants are made
    pairs, made = read_mutated(files, rules, groups, mode="together", say=say, progress=progress)
    mutated: dict[str, dict[str, str]] = defaultdict(dict)
    for number, pair in enumerate(pairs):
        if len(pair.code) > longer_than:
            for one in made.candidates(number):
                mutated[one.rule].setdefault(pair.code, one.code)
    given: list[Analogy] = []
    counts: dict[str, int] = {}
    for rule in made.rules:
        own = analogy.combine(rule, list(mutated[rule].items()), snippets, combinations, seed)
        given += own
        if own:
            counts[rule] = len(own)
    if missing := [rule for rule in made.rules if rule not in counts]:
        say(f"fewer than two snippets of more than {longer_than} characters: {', '.join(missing)}")
    if not given:
        raise DataError(f"{', '.join(files)}: no rule applies to two snippets of more than {longer_than} characters")
    found = {by: analogy.evaluate(embed, given, by, seed=seed) for by in DISTANCES}
    return Analogies(counts, analogy.released_ceiling(given), found)


def _embed(model: str, max_length: int | None) -> Embed:
    return encoders.opened(model, max_length=max_length)


def _table(title: str, first: str, *others: str) -> Table:
    """Return a table without rows, whose first column is text and whose others are numbers."""
    laid = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    laid.add_column(first, no_wrap=True)
    for name in others:
        laid.add_column(name, justify="right", no_wrap=True)
    return laid


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
