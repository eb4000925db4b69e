"""Retrieval sets in BEIR's layout: a corpus, queries, and judgements of which documents answer which query."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from synctrain.data.rows import JSON_LINES, Row, Skipped, is_text, lines, rows
from synctrain.data.sources import apart
from synctrain.types import DataError, RetrievalSet

DEFAULT = "test"
_COLUMNS = 3


def read_retrieval(path: str | Path, split: str | None = None, *, skipped: Skipped | None = None) -> RetrievalSet:
    """Return the retrieval set in a folder: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``, gzip or not.

    A split's queries are in ``queries_SPLIT.jsonl`` where that is there, else in ``queries.jsonl``. Only queries with
    a relevant document are kept; documents are kept all, for they are what a query has to be told from.

    Args:
        path: The folder; or ``FOLDER/SPLIT``, where that is no folder itself.
        split: Which judgements; without, those that the path says, else ``test`` where there are such, else the only
            ones.
        skipped: Where to count the queries and judgements that are left out.

    Returns:
        The set, named after its folder; of another split than ``test``, ``FOLDER/SPLIT``.

    Raises:
        DataError: A file is missing or broken, an id comes twice, a judgement names an id that is not there, or no
            query has a relevant document. The message names the file, the row and the cause.
    """
    skipped = Skipped() if skipped is None else skipped
    folder = retrieval_folder(path)
    split, qrels = _qrels(folder, split or (Path(path).name if folder != Path(path) else None))
    documents_file = _file(folder, "corpus")
    queries_file = _file(folder, f"queries_{split}", "queries")
    documents, queries = _texts(documents_file), _texts(queries_file)
    relevant: dict[str, set[str]] = {}
    for number, query, document, score in _judgements(qrels, queries):
        for one, known, file in ((query, queries, queries_file), (document, documents, documents_file)):
            if one not in known:
                raise DataError(f"{qrels}, row {number}: no {one!r} in {file.name}")
        if score > 1:
            skipped["grades above 1, which count as 1"] += 1
        if score <= 0:
            skipped["judgements of not relevant"] += 1
        elif document in relevant.setdefault(query, set()):
            skipped["judgements given twice"] += 1
        else:
            relevant[query].add(document)
    kept = {key: text for key, text in queries.items() if relevant.get(key) and text.strip()}
    if not kept:
        raise DataError(f"{qrels}: no query has a relevant document")
    without = sum(not relevant.get(key) for key in queries)
    skipped += Skipped({"queries without a relevant document": without})
    skipped += Skipped({"queries without text": len(queries) - without - len(kept)})
    name = folder.resolve().name
    return RetrievalSet(
        name=name if split == DEFAULT else f"{name}/{split}",
        queries=kept,
        documents=documents,
        relevant={key: frozenset(relevant[key]) for key in kept},
    )


def read_retrievals(paths: Sequence[str | Path], *, skipped: Skipped | None = None) -> list[RetrievalSet]:
    """Return several sets by names that differ: those of one name are called after the folders above them, too.

    Raises:
        DataError: As for ``read_retrieval``; or a set is named twice.
    """
    sets = [read_retrieval(path, skipped=skipped) for path in paths]
    folders = [retrieval_folder(path).resolve() for path in paths]
    for path, count in Counter(zip(folders, (one.name for one in sets), strict=True)).items():
        if count > 1:
            raise DataError(f"{path[0]}: the set {path[1]!r} is named twice")
    names = apart([(one.name, folder.parent.parts[1:]) for one, folder in zip(sets, folders, strict=True)])
    return [replace(one, name=name) for name, one in zip(names, sets, strict=True)]


def retrieval_folder(path: str | Path) -> Path:
    """Return the folder of a set: the path, or FOLDER of ``FOLDER/SPLIT`` where FOLDER has such judgements."""
    place = Path(path)
    is_split = not place.exists() and place.name in _splits(place.parent)
    return place.parent if is_split else place


def fewer(one: RetrievalSet, most: int) -> RetrievalSet:
    """Return a set with at most so many documents: all relevant ones, and of the others those of the smallest hashes.

    The choice depends on ids alone, so it is the same everywhere; other documents than ``most`` may only be added.
    """
    needed = {name for names in one.relevant.values() for name in names}
    others = sorted(one.documents.keys() - needed, key=lambda name: blake2b(name.encode()).digest())
    kept = needed.union(others[: max(0, most - len(needed))])
    return replace(one, documents={name: text for name, text in one.documents.items() if name in kept})


def digest(one: RetrievalSet) -> str:
    """Return a hash of all that a set holds: equal for sets that measure the same."""
    told = [list(one.queries.items()), list(one.documents.items())]
    judged = [[query, sorted(names)] for query, names in one.relevant.items()]
    return blake2b(json.dumps([*told, judged]).encode(), digest_size=16).hexdigest()


def _splits(folder: Path) -> dict[str, Path]:
    """Return the files of judgements by the names of their splits; of one that is there twice, the plain one."""
    files = {suffix: sorted(folder.glob(f"qrels/*{suffix}")) for suffix in (".tsv.gz", ".tsv")}
    return {file.name.removesuffix(suffix): file for suffix, found in files.items() for file in found}


def _qrels(folder: Path, split: str | None) -> tuple[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    there = _splits(folder)
    if split is None:
        split = next(iter(there)) if len(there) == 1 else DEFAULT
    if split not in there:
        known = f"is {', '.join(sorted(there))}" if there else "are none"
        raise DataError(f"{folder}: no qrels/{split}.tsv; there {known}")
    return split, there[split]


def _file(folder: Path, *names: str) -> Path:
    for name in names:
        for suffix in JSON_LINES:
            if (folder / (name + suffix)).is_file():
                return folder / (name + suffix)
    raise DataError(f"{folder}: no {names[-1]}.jsonl or {names[-1]}.jsonl.gz")


def _texts(file: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for row in rows(file):
        key = row.name("_id")
        if not key:
            raise row.error("no '_id'")
        if key in texts:
            raise row.error(f"the _id {key!r} is not new")
        texts[key] = _text(row)
    return texts


def _text(row: Row) -> str:
    title, text = row.text("title") if "title" in row.values else "", row.text("text")
    if not is_text(title + text):
        raise row.error("text that is not Unicode")
    return f"{title} {text}" if title else text


def _judgements(file: Path, queries: Container[str]) -> Iterator[tuple[int, str, str, float]]:
    for number, line in lines(file):
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) != _COLUMNS:
            raise DataError(f"{file}, row {number}: {len(cells)} columns, not query-id, corpus-id and score")
        query, document, score = cells
        try:
            value = float(score)
        except ValueError:
            value = math.nan
        if not math.isnan(value):
            yield number, query, document, value
        elif number > 1 or query in queries:  # the first line may be the header
            raise DataError(f"{file}, row {number}: the score {score!r} is no number")
