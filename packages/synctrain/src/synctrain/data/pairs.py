"""Pairs to train on, from a file or folder of any of the known formats, or from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from synctrain.data import codesearchnet, conala, cosqa, huggingface, pydocs, uniform
from synctrain.data.rows import JSON_LINES, LONGEST, Outcome, Row, Skipped, is_text, rows
from synctrain.types import DataError, Pair


class _Format(NamedTuple):
    knows: Callable[[AbstractSet[str]], bool]
    pair: Callable[[Row], Outcome]


_FORMATS = (
    _Format(uniform.knows, uniform.pair),
    _Format(conala.knows, conala.pair),
    _Format(pydocs.knows, pydocs.pair),
    _Format(cosqa.knows, cosqa.pair),
    _Format(codesearchnet.knows, codesearchnet.pair),
)
_SUFFIXES = (*JSON_LINES, ".json", ".json.gz")


def read_pairs(path: str | Path, *, top: int | None = None, skipped: Skipped | None = None) -> list[Pair]:
    """Return the pairs of a file, of a folder, or of ``hf:NAME[@CONFIG][:SPLIT]``, in the order of their rows.

    The format is told by the fields of the first row: the layout of ``write_pairs``, CoNaLa (curated or mined),
    PyDocs, CoSQA or CodeSearchNet. Of a folder, ``pairs.jsonl`` or ``pairs.jsonl.gz`` is read; a folder without
    any file ``pairs*`` may hold the parts of a CodeSearchNet split.

    Args:
        path: What to read.
        top: Only so many rows, the most probable first: for CoNaLa's mined pairs.
        skipped: Where to count the rows that are left out: those with a blank query or blank code, with more than a
            million characters in either, or with text that is not Unicode; and CoSQA's that were judged not to answer.

    Raises:
        DataError: There is nothing to read, a row is broken or lacks a field, an id comes twice, or all rows had to be
            left out. The message names the file, the row and the cause.
    """
    skipped = Skipped() if skipped is None else skipped
    if top is not None and top < 1:
        raise ValueError(f"top must be at least 1, not {top}")
    if str(path).startswith(huggingface.PREFIX):
        source = huggingface.rows(str(path))
    else:
        source = chain.from_iterable(map(rows, _files(Path(path))))
    before = skipped.copy()
    pairs = list(_pairs(source, top, skipped))
    if not pairs:
        raise DataError(f"{path}: no usable rows: {Skipped(skipped - before)}")
    return pairs


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if path.name.endswith(_SUFFIXES) or not path.is_file():
            return [path]
        raise DataError(f"{path}: not one of {', '.join(_SUFFIXES)}")
    for name in ("pairs.jsonl", "pairs.jsonl.gz"):
        if (path / name).is_file():
            return [path / name]
    files = sorted(file for file in path.iterdir() if file.name.endswith(_SUFFIXES) and file.is_file())
    parts = [file for file in files if file.name.endswith(JSON_LINES)]
    if parts and parts == files and all(codesearchnet.knows(next(rows(file)).values.keys()) for file in parts):
        return parts
    # Not all of what a folder holds is to train on: negatives and test sets lie beside the pairs.
    hint = f"; name one of its files: {', '.join(file.name for file in files)}" if files else ""
    raise DataError(f"{path}: no pairs.jsonl or pairs.jsonl.gz in this folder{hint}")


def _format(row: Row) -> _Format:
    for one in _FORMATS:
        if one.knows(row.values.keys()):
            return one
    fields = ", ".join(row.values) or "none"
    raise row.error(f"fields of no known format: {fields} (query and code are needed)")


def _pairs(source: Iterator[Row], top: int | None, skipped: Skipped) -> Iterator[Pair]:
    first = next(source)  # there is one: an empty source is an error of its own
    form = _format(first)
    found: Iterable[Row] = chain([first], source)
    if top is not None:
        found = conala.best(found, top)
    seen: set[str] = set()
    for row in found:
        outcome = form.pair(row)
        reason = outcome if isinstance(outcome, str) else _reason(outcome)
        if reason:
            skipped[reason] += 1
        elif not isinstance(outcome, str):
            if outcome.id in seen:
                raise row.error(f"the id {outcome.id!r} is not new")
            seen.add(outcome.id)
            yield outcome


def _reason(pair: Pair) -> str:
    """Return why a pair is of no use, or ""."""
    for name, text in (("query", pair.query), ("code", pair.code)):
        if not text.strip():
            return f"without {name}"
        if len(text) > LONGEST:
            return f"with a {name} of more than {LONGEST:,} characters".replace("a code", "code")
        if not is_text(text):
            return f"with a {name} that is not Unicode".replace("a code", "code")
    return ""
