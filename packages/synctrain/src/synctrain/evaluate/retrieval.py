"""A model, or anything else that scores, measured on retrieval sets; means over sets; a fast check for training."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from synctrain.evaluate.metrics import CONVENTIONS, NAMES, Convention, per_query, summary
from synctrain.evaluate.ranking import Scores, Vectors, rank
from synctrain.types import DataError, Embed, Kind, RetrievalSet, Similarity

Averages = dict[str, dict[Convention, dict[str, float]]]
"""By ``id``, ``ood`` and ``total``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One retrieval set, measured. Measures are shares, 0 to 1."""

    name: str
    queries: int  # that have a relevant document: the others are not measured
    documents: int
    relevant: int  # (query, document) pairs
    measures: Mapping[Convention, Mapping[str, float]]
    reciprocal_ranks: Mapping[str, float]  # by query id, for paired tests


@dataclass(frozen=True, slots=True)
class Results:
    """What a model scored, one row a set."""

    rows: tuple[Row, ...]

    def __getitem__(self, name: str) -> Row:
        """Return the row of a set."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def record(self) -> dict[str, object]:
        """Return all of it as JSON holds it."""
        return {row.name: asdict(row) for row in self.rows}

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Results:
        """Return results out of the records of their rows. Raises ``TypeError`` for what is no row."""
        return cls(tuple(_row(row) for row in rows))


def _row(record: Mapping[str, Any]) -> Row:
    """Return the row of a record. Raises ``TypeError`` for what is none, or lacks a measure."""
    row = Row(**record)
    named: list[Any] = [row.measures, row.reciprocal_ranks]
    if isinstance(row.measures, Mapping):
        named += [row.measures.get(convention) for convention in CONVENTIONS]
    if not (isinstance(row.name, str) and all(isinstance(one, Mapping) for one in named)):
        raise TypeError("a row without its measures")
    values = [row.measures[convention].get(name) for convention in CONVENTIONS for name in NAMES[convention]]
    if not all(isinstance(value, (int, float)) for value in (*values, *row.reciprocal_ranks.values())):
        raise TypeError(f"{row.name}: a measure that is no number")
    return row


class Once:
    """An `Embed` that asks another one for each text only once, and keeps the vectors."""

    def __init__(self, embed: Embed) -> None:
        """Wrap ``embed``."""
        self.embed = embed
        self._place: dict[tuple[Kind, str], tuple[int, int]] = {}
        self._known: list[Tensor] = []

    def __call__(self, texts: Sequence[str], kind: Kind) -> Tensor:
        """Return the vectors of texts, (n, d) float32.

        Raises:
            ValueError: the model did not give one vector a text.
        """
        new = [text for text in dict.fromkeys(texts) if (kind, text) not in self._place]
        if new:
            vectors = self.embed(new, kind).float().cpu()
            if vectors.ndim != 2 or len(vectors) != len(new):  # noqa: PLR2004 (n, d)
                raise ValueError(f"the model gave vectors of shape {tuple(vectors.shape)} for {len(new)} texts")
            self._place.update(((kind, text), (len(self._known), place)) for place, text in enumerate(new))
            self._known.append(vectors)
        if not texts:
            raise ValueError("there are no texts to embed")
        # One gather for each earlier call that some of these texts came with.
        call, place = torch.tensor([self._place[kind, text] for text in texts]).unbind(1)
        result = torch.empty(len(texts), self._known[int(call[0])].shape[1])
        for one in sorted(set(call.tolist())):
            here = call == one
            result[here] = self._known[one][place[here]]
        return result


def measure(one: RetrievalSet, scores: Scores) -> Row:
    """Measure given scores on a set.

    Args:
        one: The set; query i and document j of ``scores`` are the i-th and j-th of its mappings.
        scores: What scores them.

    Returns:
        The row of the set.

    Raises:
        DataError: a relevant document or a judged query is not in the set, or no query has a relevant document.
    """
    query, document = relevant(one)
    ranking = rank(scores, query, document, k=1)
    names = list(one.queries)
    judged = [names[number] for number in sorted(set(query.tolist()))]
    reciprocal = per_query(query, ranking.rank)["mrr"].tolist()
    return Row(
        one.name,
        len(judged),
        len(one.documents),
        len(query),
        summary(query, ranking.rank),
        dict(zip(judged, reciprocal, strict=True)),
    )


def evaluate(
    embed: Embed,
    sets: Sequence[RetrievalSet],
    similarity: Similarity = "cos",
    device: torch.device | str = "cpu",
) -> Results:
    """Measure a model on retrieval sets. Each text is embedded once, also when several sets share it.

    Args:
        embed: The model.
        sets: What to measure it on. Queries without a relevant document are left out of the measures.
        similarity: How vectors are compared; the one that the model was trained with.
        device: Where they are compared.

    Returns:
        One row a set, in the order given.

    Raises:
        DataError: a set cannot be measured, as in `measure`; two sets have one name.
        ValueError: the vectors are unusable.
    """
    if len({one.name for one in sets}) < len(sets):
        raise DataError(f"two sets have one name: {', '.join(one.name for one in sets)}")
    for one in sets:
        relevant(one)  # a broken set is named before the model works for minutes
    once = Once(embed)
    return Results(tuple(measure(one, compare(once, one, similarity, device)) for one in sets))


def compare(embed: Embed, one: RetrievalSet, similarity: Similarity, device: torch.device | str) -> Vectors:
    """Return the scores of a set's queries against its documents under a model."""
    queries, documents = list(one.queries.values()), list(one.documents.values())
    return Vectors(embed(queries, "query"), embed(documents, "code"), similarity, device)


def averages(results: Results, in_domain: Collection[str] = ()) -> Averages:
    """Return the means over sets, as the paper does (section 5, Tables 2 and 12): each set counts the same.

    Args:
        results: The rows.
        in_domain: Names of the sets that the model was trained for; the rest are out of domain.

    Returns:
        Every measure under ``id``, ``ood`` and ``total`` (all sets); a group without a set is left out.
    """
    groups = {
        "id": [row for row in results.rows if row.name in in_domain],
        "ood": [row for row in results.rows if row.name not in in_domain],
        "total": list(results.rows),
    }
    return {
        group: {
            convention: {
                name: sum(row.measures[convention][name] for row in rows) / len(rows)
                for name in rows[0].measures[convention]
            }
            for convention in CONVENTIONS
        }
        for group, rows in groups.items()
        if rows
    }


class Validation:
    """A retrieval set made ready to be measured again and again while a model trains."""

    deciding: tuple[str, ...] = ("recall@5", "mrr")
    """The measures by which the best model is kept: recall@5 (paper, section 4; there over pairs, here over queries),
    and between equals, of which small sets have many, MRR."""

    def __init__(self, one: RetrievalSet, similarity: Similarity = "cos", device: torch.device | str = "cpu") -> None:
        """Look the set up once.

        Raises:
            DataError: the set cannot be measured, as in `measure`.
        """
        self.similarity, self.device = similarity, device
        self._query, self._document = relevant(one)
        self._queries, self._query_row = _unique(one.queries)
        self._documents, self._document_row = _unique(one.documents)

    def __call__(self, embed: Embed) -> dict[str, float]:
        """Return the standard measures of the model as it is now."""
        queries = embed(self._queries, "query")[self._query_row]
        documents = embed(self._documents, "code")[self._document_row]
        scores = Vectors(queries, documents, self.similarity, self.device)
        return summary(self._query, rank(scores, self._query, self._document, k=1).rank)["standard"]


def relevant(one: RetrievalSet) -> tuple[Tensor, Tensor]:
    """Return a set's judgements as numbers: (p,) queries, ascending, and (p,) documents, int64.

    Raises:
        DataError: an id is not in the set, or nothing is relevant to anything.
    """
    queries = {name: number for number, name in enumerate(one.queries)}
    documents = {name: number for number, name in enumerate(one.documents)}
    found = []
    for query, names in one.relevant.items():
        if names and query not in queries:
            raise DataError(f"{one.name}: the judgements name a query {query!r} that is not there")
        for document in names:
            if document not in documents:
                raise DataError(
                    f"{one.name}: the judgements of {query!r} name a document {document!r} that is not there"
                )
            found.append((queries[query], documents[document]))
    if not found:
        raise DataError(f"{one.name}: no query has a relevant document")
    query_of, document_of = torch.tensor(sorted(found)).unbind(1)
    return query_of.contiguous(), document_of.contiguous()


def _unique(texts: Mapping[str, str]) -> tuple[list[str], Tensor]:
    """Return the different texts, and for each of the mapping's texts which of them it is, (n,) int64."""
    places = {text: number for number, text in enumerate(dict.fromkeys(texts.values()))}
    return list(places), torch.tensor([places[text] for text in texts.values()])
