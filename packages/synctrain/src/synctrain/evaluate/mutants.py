"""Whether a model tells code from its own mutants: accuracy by rule, retrieval among mutants, the hardest rules.

The caller brings the mutants, made by any rules. A re-formatted twin that means the same is the control for surface
cues: its accuracy should be about that of a coin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from synctrain.evaluate.ranking import pair_scores, pair_sizes
from synctrain.evaluate.retrieval import Once, Row, compare, measure
from synctrain.evaluate.twin import reformatted
from synctrain.types import Candidate, DataError, Embed, Pair, RetrievalSet, Similarity

Mutants = Mapping[str, Sequence[Candidate]]
"""The mutants of documents, by document id."""

_EQUAL = 1e-5  # scores that differ by less of their size do so by rounding: sums in other company, in another order
_AT_ONCE = 4_096  # triplets whose texts are embedded together


class Share(NamedTuple):
    """How many of how many."""

    right: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN of nothing."""
        return self.right / self.total if self.total else float("nan")


class Control(NamedTuple):
    """How often code outscores its re-formatted twin, and how often the two score alike.

    They do for a model that is blind to white space.
    """

    right: int
    equal: int
    total: int

    @property
    def value(self) -> float:
        """The share in which code is preferred, 0 to 1, a tie counting half; NaN of nothing."""
        return (self.right + self.equal / 2) / self.total if self.total else float("nan")


@dataclass(frozen=True, slots=True)
class Separation:
    """How often the right code outscores its mutants for its query; a tie, up to rounding, is not right."""

    overall: Share  # over triplets (query, code, mutant)
    complete: Share  # over pairs (query, code) that have a mutant: right if the code outscores all of its mutants
    rules: Mapping[str, Share]  # over the triplets of a rule, by name
    dropped: int  # mutants that are the code itself or another right answer, which were not counted
    equal: int = 0  # triplets that tie: the model sees no difference, since it reads no further, say


@dataclass(frozen=True, slots=True)
class Among:
    """A retrieval set, measured with mutants beside its documents."""

    row: Row
    accuracy: Separation
    added: int  # mutants that were put into the corpus
    twin: Control  # of code and itself re-formatted, over (query, code) pairs


class _Case(NamedTuple):
    """A query, its code, the mutants of that code, and all code that is right for the query."""

    query: str
    code: str
    mutants: Sequence[Candidate]
    right: frozenset[str]


def evaluate(
    embed: Embed,
    one: RetrievalSet,
    mutants: Mutants,
    similarity: Similarity = "cos",
    device: torch.device | str = "cpu",
) -> Among:
    """Measure retrieval among mutants, and mutant accuracy.

    Args:
        embed: The model; each text is embedded once.
        one: The retrieval set.
        mutants: Of its documents. Documents that are relevant to no query should have none.
        similarity: How vectors are compared.
        device: Where they are compared.

    Returns:
        The measures of the enlarged set and the accuracy.

    Raises:
        DataError: the set cannot be measured, mutants belong to no document, or no query has any.
    """
    enlarged = with_mutants(one, mutants)
    once = Once(embed)
    row = measure(enlarged, compare(once, enlarged, similarity, device))
    added = len(enlarged.documents) - len(one.documents)
    return Among(row, accuracy(once, one, mutants, similarity), added, control(once, one, similarity))


def control(embed: Embed, one: RetrievalSet, similarity: Similarity = "cos") -> Control:
    """Measure how often relevant documents outscore a re-formatted twin that means the same.

    A model that goes by what code does, and knows no better, is right as often as a coin; one that prefers the look of
    the code that people write, or of its training data, shows it here. Documents without a twin do not count.
    """
    wanted = sorted({name for names in one.relevant.values() for name in names})
    twins = {name: other for name in wanted if (other := reformatted(one.documents[name])) is not None}
    cases = [
        (text, one.documents[name], twins[name])
        for query, text in one.queries.items()
        for name in sorted(one.relevant.get(query, ()))
        if name in twins
    ]
    if not cases:
        return Control(0, 0, 0)
    queries, codes, others = zip(*cases, strict=True)
    ahead = _ahead(embed(queries, "query"), embed(codes, "code"), embed(others, "code"), similarity)
    return Control(int((ahead > 0).sum()), int((ahead == 0).sum()), len(cases))


def with_mutants(one: RetrievalSet, mutants: Mutants) -> RetrievalSet:
    """Return the set with mutants in its corpus.

    They stand before the documents, so that code which ties with its mutant loses to it. A mutant whose text is a
    document's or an earlier mutant's is left out.

    Raises:
        DataError: mutants belong to no document.
    """
    _check(one, mutants)
    seen, added = set(one.documents.values()), {}
    for name, candidates in mutants.items():
        for number, candidate in enumerate(candidates):
            if candidate.code not in seen:
                seen.add(candidate.code)
                added[f"{name}~{candidate.rule}~{number}"] = candidate.code
    if added.keys() & one.documents.keys():
        raise DataError(f"{one.name}: the corpus has mutants in it already")
    return RetrievalSet(one.name, one.queries, added | dict(one.documents), one.relevant)


def accuracy(embed: Embed, one: RetrievalSet, mutants: Mutants, similarity: Similarity = "cos") -> Separation:
    """Measure how often relevant documents outscore their own mutants, for each query that they are relevant to.

    Raises:
        DataError: mutants belong to no document, or no relevant document has any.
    """
    _check(one, mutants)

    def cases() -> Iterator[_Case]:
        for query, text in one.queries.items():
            names = sorted(one.relevant.get(query, ()))
            right = frozenset(one.documents[name] for name in names)
            for name in names:
                yield _Case(text, one.documents[name], mutants.get(name, ()), right)

    return _separation(embed, cases(), similarity, one.name)


def difficulty(
    embed: Embed, pairs: Sequence[Pair], candidates: Sequence[Sequence[Candidate]], similarity: Similarity = "cos"
) -> Separation:
    """Measure how well a model separates training pairs from their mutants, by rule.

    The released code skips pairs with a single mutant (models/score_hard_negs.py); here they count. Texts are embedded
    some thousand triplets at a time, so the vectors held do not grow in number with the pairs.

    Args:
        embed: The model.
        pairs: Queries and code.
        candidates: The mutants of each pair.
        similarity: How vectors are compared.

    Raises:
        ValueError: not one sequence of candidates a pair.
        DataError: there is no mutant.
    """
    if len(pairs) != len(candidates):
        raise ValueError(f"{len(candidates)} sequences of candidates for {len(pairs)} pairs")
    answers: dict[str, set[str]] = {}
    for pair in pairs:
        answers.setdefault(pair.intent, set()).add(pair.code)
    right = {intent: frozenset(codes) for intent, codes in answers.items()}
    cases = (_Case(pair.query, pair.code, own, right[pair.intent]) for pair, own in zip(pairs, candidates, strict=True))
    return _separation(embed, cases, similarity, "pairs")


def hardest(rules: Mapping[str, Share], k: int = 12, at_least: int = 1) -> tuple[str, ...]:
    """Return the k rules whose mutants a model tells from the code least often, hardest first.

    Args:
        rules: `Separation.rules`.
        k: How many (paper, appendix: its ``top-12`` group).
        at_least: Rules with fewer triplets say too little and are left out.

    Returns:
        Names of rules; equal ones by name.
    """
    able = [name for name, share in rules.items() if share.total >= max(1, at_least)]
    return tuple(sorted(able, key=lambda name: (rules[name].value, name))[:k])


def _separation(embed: Embed, cases: Iterable[_Case], similarity: Similarity, where: str) -> Separation:
    """Count right triplets."""
    dropped = equal = 0

    def triplets() -> Iterator[tuple[int, _Case, Candidate]]:
        nonlocal dropped
        for number, case in enumerate(cases):
            for mutant in case.mutants:
                if mutant.code in case.right:
                    dropped += 1
                else:
                    yield number, case, mutant

    rules: dict[str, Share] = {}
    complete: dict[int, bool] = {}
    stream = triplets()
    while some := list(islice(stream, _AT_ONCE)):
        query = embed([case.query for _, case, _ in some], "query")
        texts = [text for _, case, mutant in some for text in (case.code, mutant.code)]
        code, mutated = embed(texts, "code").view(len(some), 2, -1).unbind(1)
        ahead = _ahead(query, code, mutated, similarity)
        equal += int((ahead == 0).sum())
        for (number, _, mutant), good in zip(some, (ahead > 0).tolist(), strict=True):
            before = rules.get(mutant.rule, Share(0, 0))
            rules[mutant.rule] = Share(before.right + good, before.total + 1)
            complete[number] = complete.get(number, True) and good
    if not rules:
        raise DataError(f"{where}: there is no mutant to tell from the code")
    overall = Share(*(sum(numbers) for numbers in zip(*rules.values(), strict=True)))
    all_of_them = Share(sum(complete.values()), len(complete))
    return Separation(overall, all_of_them, dict(sorted(rules.items())), dropped, equal)


def _ahead(query: Tensor, code: Tensor, other: Tensor, similarity: Similarity) -> Tensor:
    """Return by how much the first code of each row outscores the second for its query, 0 where only by rounding."""
    ahead = pair_scores(query, code, similarity) - pair_scores(query, other, similarity)
    size = torch.maximum(pair_sizes(query, code, similarity), pair_sizes(query, other, similarity))
    return torch.where(ahead.abs() <= _EQUAL * size, 0.0, ahead)


def _check(one: RetrievalSet, mutants: Mutants) -> None:
    """Refuse mutants of documents that are not there."""
    if unknown := mutants.keys() - one.documents.keys():
        raise DataError(f"{one.name}: there are mutants of {min(unknown)!r}, which is not a document")
