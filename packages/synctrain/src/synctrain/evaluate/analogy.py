"""Analogies of code (paper, appendix D.4): a is to its mutant b as c is to its mutant d, so d should be near c + b - a.

Equal candidates are one here. The released code keeps up to eight copies of a d, so that even a perfect model finds
only 96.5 % of its test in the first five; here the ceiling is 1. Its candidates are the d alone, so the plain neighbour
of c is a strong answer, which the paper does not report: it is a control here, with two more.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from synctrain.evaluate.ranking import Vectors, rank
from synctrain.evaluate.retrieval import Once
from synctrain.types import DataError, Embed, Similarity

Question: TypeAlias = Literal["analogy", "source", "other_rule", "among_sources"]
"""``analogy``: c + b - a among the d. ``source``: c alone. ``other_rule``: c + b - a with a and b of another rule.
``among_sources``: c + b - a, where every c is a candidate too."""


@dataclass(frozen=True, slots=True)
class Analogy:
    """Two snippets, a and c, and what one rule makes of them, b and d."""

    a: str
    b: str
    c: str
    d: str
    rule: str


@dataclass(frozen=True, slots=True)
class Found:
    """How the answers to one question stand, as shares from 0 to 1."""

    mrr: float
    first: float  # d is the first
    first5: float  # d is among the first five
    first5_by_rule: Mapping[str, float]


def combine(
    rule: str, mutated: Sequence[tuple[str, str]], snippets: int = 100, combinations: int = 200, seed: int = 42
) -> list[Analogy]:
    """Return analogies of one rule: pairs of snippets, so many of all that there are (paper: 200 of C(100, 2)).

    Args:
        rule: Its name.
        mutated: Different snippets, each with what the rule makes of it.
        snippets: How many of them to take, at most, drawn by ``seed``.
        combinations: How many pairs, at most, drawn by ``seed``.
        seed: Of both draws, which other rules have no part in.
    """
    draw = random.Random(f"{seed} {rule}")
    chosen = draw.sample(mutated, min(snippets, len(mutated)))
    pairs = list(itertools.combinations(chosen, 2))
    drawn = draw.sample(pairs, min(combinations, len(pairs)))
    return [Analogy(a, b, c, d, rule) for (a, b), (c, d) in drawn]


def released_ceiling(given: Sequence[Analogy]) -> float:
    """Return the share that the first five can hold where equal d stand apart: of eight that are equal, five."""
    copies = Counter(one.d for one in given)
    return sum(min(5, count) for count in copies.values()) / len(given)


def evaluate(
    embed: Embed,
    given: Sequence[Analogy],
    similarity: Similarity = "cos",
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[Question, Found]:
    """Ask a model for d, and the controls: a model knows the rule only as far as ``analogy`` is above all of them.

    Args:
        embed: The model.
        given: The analogies.
        similarity: How vectors are compared. The paper reports cosine and Euclidean distance.
        device: Where they are compared.
        seed: Of the pairing with other rules.

    Returns:
        The answers by question; ``other_rule`` is there if the analogies are of several rules.

    Raises:
        DataError: there is no analogy.
    """
    if not given:
        raise DataError("there is no analogy")
    once = Once(embed)
    a, b, c = (once([getattr(one, name) for one in given], "code") for name in "abc")
    answers = list(dict.fromkeys(one.d for one in given))
    larger = list(dict.fromkeys([*(one.c for one in given), *answers]))

    def ask(vectors: Tensor, candidates: list[str]) -> Found:
        scores = Vectors(vectors, once(candidates, "code"), similarity, device)
        place = {text: number for number, text in enumerate(candidates)}
        wanted = torch.tensor([place[one.d] for one in given])
        return _found(rank(scores, torch.arange(len(given)), wanted, k=1).rank, [one.rule for one in given])

    found: dict[Question, Found] = {
        "analogy": ask(c + b - a, answers),
        "source": ask(c, answers),
        "among_sources": ask(c + b - a, larger),
    }
    if len({one.rule for one in given}) > 1:
        other = _of_another_rule(given, seed)
        found["other_rule"] = ask(c + (b - a)[other], answers)
    return found


def _of_another_rule(given: Sequence[Analogy], seed: int) -> Tensor:
    """Return for each analogy the number of one of another rule, (n,) int64."""
    draw = torch.Generator().manual_seed(seed)
    others = {
        rule: torch.tensor([number for number, one in enumerate(given) if one.rule != rule])
        for rule in {one.rule for one in given}
    }
    share = torch.rand(len(given), generator=draw, dtype=torch.float64).tolist()
    picks = [int(others[one.rule][int(part * len(others[one.rule]))]) for one, part in zip(given, share, strict=True)]
    return torch.tensor(picks)


def _found(ranks: Tensor, rules: Sequence[str]) -> Found:
    """Sum up ranks (n,), of analogies of these rules."""
    hit = (ranks <= 5).double()  # noqa: PLR2004 the paper's cut
    by_rule = {rule: float(hit[torch.tensor([one == rule for one in rules])].mean()) for rule in sorted(set(rules))}
    return Found(float((1 / ranks.double()).mean()), float((ranks == 1).double().mean()), float(hit.mean()), by_rule)
