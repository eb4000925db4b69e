"""The layout that all the data sets beside this repository share: an object a line with id, query and code."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from synctrain.data.compare import normalised_query
from synctrain.data.rows import JSON_LINES, Outcome, Row
from synctrain.files import check_file
from synctrain.types import DataError, Pair

_OWN = {"id", "query", "code", "question_id"}


def knows(fields: AbstractSet[str]) -> bool:
    """Say whether rows with these fields are of this layout."""
    return {"query", "code"} <= fields


def pair(row: Row) -> Outcome:
    """Return the pair of a row. Its intent is its ``question_id`` where there is one, else its query, normalised."""
    query = row.text("query")
    return Pair(row.name("id") or row.id, query, row.text("code"), row.name("question_id") or normalised_query(query))


def pairs_target(path: str | Path) -> Path:
    """Return a path that ``write_pairs`` can write to.

    Raises ``DataError`` for a name that ``read_pairs`` refuses, and ``OSError`` where it cannot be written.
    """
    target = Path(path)
    if not target.name.endswith(JSON_LINES):
        raise DataError(f"{target}: pairs are an object a line; the file's name must end in {' or '.join(JSON_LINES)}")
    check_file(target)
    return target


def write_pairs(
    path: str | Path, pairs: Iterable[Pair], extra: Mapping[str, Mapping[str, object]] | None = None
) -> int:
    """Write pairs so that ``read_pairs`` gives them back; gzip, the same bytes each time, where the name ends in .gz.

    The file appears whole or not at all: a failure leaves what was there before.

    Args:
        path: The file, ``.jsonl`` or ``.jsonl.gz``, replaced where it is there already. Its folder is made where it is
            missing.
        pairs: What to write, in this order.
        extra: More fields by pair id, such as where the code comes from.

    Returns:
        The number of pairs written.

    Raises:
        DataError: An id comes twice, an extra field has a name that the layout itself uses, or the file has one by
            which it would not be read.
        OSError: The file cannot be written.
    """
    target = pairs_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    seen: set[str] = set()
    try:
        with temporary.open("wb") as raw:
            # Neither time nor name in the archive, or equal content would give unequal files.
            file = gzip.GzipFile("", "wb", 6, raw, mtime=0) if target.suffix == ".gz" else raw
            with file:
                for one in pairs:
                    if one.id in seen:
                        raise DataError(f"{target}: two pairs have the id {one.id!r}")
                    seen.add(one.id)
                    row = _row(one, (extra or {}).get(one.id, {}))
                    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
                if file is not raw:
                    file.close()
                raw.flush()
                os.fsync(raw.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return len(seen)


def _row(one: Pair, extra: Mapping[str, object]) -> dict[str, object]:
    row: dict[str, object] = {"id": one.id, "query": one.query, "code": one.code}
    if one.intent != normalised_query(one.query):
        row["question_id"] = one.intent
    if taken := _OWN & extra.keys():
        raise DataError(f"the extra fields of the pair {one.id!r} may not be named {', '.join(sorted(taken))}")
    return row | dict(extra)
