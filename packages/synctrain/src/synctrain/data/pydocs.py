"""PyDocs as published: Python's library documentation as JSON, an array of pairs or a pair a line."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from synctrain.data.compare import normalised_query
from synctrain.data.rows import Outcome, Row
from synctrain.types import Pair


def knows(fields: AbstractSet[str]) -> bool:
    """Say whether rows with these fields are of PyDocs: CoNaLa's have more."""
    return {"intent", "snippet"} <= fields and fields.isdisjoint({"rewritten_intent", "prob"})


def pair(row: Row) -> Outcome:
    """Return the pair of a row. Its ``question_id``, where it has one, only counts rows: the intent is the query."""
    query = row.text("intent")
    return Pair(row.id, query, row.text("snippet"), normalised_query(query))
