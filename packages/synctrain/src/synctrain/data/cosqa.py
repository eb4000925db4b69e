"""CoSQA as published by CodeXGLUE: web queries with functions, each judged to answer (label 1) or not (0)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from synctrain.data.compare import normalised_query
from synctrain.data.rows import Outcome, Row
from synctrain.types import Pair


def knows(fields: AbstractSet[str]) -> bool:
    """Say whether rows with these fields are CoSQA's."""
    return {"doc", "code", "label"} <= fields


def pair(row: Row) -> Outcome:
    """Return the pair of a row that was judged to answer."""
    label = row.name("label")
    if label not in {"0", "1"}:
        raise row.error(f"'label' is {label!r}, neither 0 nor 1")
    if label == "0":
        return "judged not to answer (label 0)"
    query = row.text("doc")
    return Pair(row.name("idx") or row.id, query, row.text("code"), normalised_query(query))
