"""CoNaLa as published: the curated sets as JSON arrays, the mined set as lines with a probability each."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from synctrain.data.compare import normalised_query
from synctrain.data.rows import Outcome, Row
from synctrain.types import Pair


def knows(fields: AbstractSet[str]) -> bool:
    """Say whether rows with these fields are CoNaLa's, curated or mined."""
    return {"intent", "snippet"} <= fields and not fields.isdisjoint({"rewritten_intent", "prob"})


def pair(row: Row) -> Outcome:
    """Return the pair of a row; its query is the rewritten intent where there is one, else the question's title."""
    query = row.text("rewritten_intent", "intent")
    if not query.strip():
        query = row.text("intent")
    return Pair(
        row.name("id") or row.id, query, row.text("snippet"), row.name("question_id") or normalised_query(query)
    )


def best(rows: Iterable[Row], top: int) -> list[Row]:
    """Return the ``top`` most probable rows, the most probable first; equally probable ones by id, then by row.

    The whole set is never in memory, only as many rows as are kept.

    Raises:
        DataError: A row has no probability.
    """
    return heapq.nsmallest(top, rows, key=lambda row: (-_probability(row), row.name("id"), row.number))


def _probability(row: Row) -> float:
    value = row.values.get("prob")
    # Written so that NaN, which JSON in Python can hold, is refused too.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return value
    raise row.error(f"'prob' is {value!r}, not a probability: the best rows cannot be chosen")
