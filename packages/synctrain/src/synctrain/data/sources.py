"""Several files of pairs as one: ids and question ids of one file have nothing to do with those of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from synctrain.data import huggingface
from synctrain.data.compare import normalised_query
from synctrain.types import DataError, Pair


class Source(NamedTuple):
    """Where pairs come from: names that differ from those of the other sources."""

    file: str  # ids are unique within it
    folder: str  # question ids mean the same in all files of one folder


def sources(names: Sequence[str]) -> dict[str, Source]:
    """Return the source of each name, as ``read_pairs`` takes it; where there is only one, nothing needs telling apart.

    Raises:
        DataError: A source is named twice.
    """
    known: dict[Path, str] = {}
    for name in names:
        place = _place(name)
        if place in known:
            raise DataError(f"{name}: named twice{'' if known[place] == name else f', as {known[place]} too'}")
        known[place] = name
    if len(known) < 2:  # noqa: PLR2004 - several
        return {}
    folders = [place if place.is_dir() else place.parent for place in known]
    files = apart([(place.name, place.parent.parts) for place in known])
    homes = apart([(folder.name, folder.parent.parts) for folder in folders])
    return {name: Source(*found) for name, *found in zip(known.values(), files, homes, strict=True)}


def qualified(pairs: list[Pair], source: Source | None) -> list[Pair]:
    """Return pairs by ids and intents that say their source; an intent that is the query means the same everywhere.

    Where nothing needs telling apart, there is no source, and the pairs are as they were.
    """
    if source is None:
        return pairs
    return [
        Pair(
            f"{source.file}:{one.id}",
            one.query,
            one.code,
            one.intent if one.intent == normalised_query(one.query) else f"{source.folder}:{one.intent}",
        )
        for one in pairs
    ]


def apart(names: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return names that differ: (name, names of the folders above it), with as many of these as it takes.

    What is equal in both stays equal.

    >>> apart([("test", ("data", "a")), ("test", ("data", "b")), ("dev", ("data", "a"))])
    ['a/test', 'b/test', 'dev']
    """
    told = {one: one[0] for one in names}
    for depth in range(1, max((len(above) for _, above in names), default=0) + 1):
        count = Counter(told.values())
        told = {one: "/".join((*one[1][-depth:], one[0])) if count[name] > 1 else name for one, name in told.items()}
    return [told[one] for one in names]


def _place(name: str) -> Path:
    """Return what a name leads to: equal for two ways of naming one file."""
    if name.startswith(huggingface.PREFIX):
        return Path(name)
    place = Path(name).resolve()
    inside = (place / file for file in ("pairs.jsonl", "pairs.jsonl.gz"))  # what read_pairs takes of a folder
    return next((file for file in inside if file.is_file()), place)
