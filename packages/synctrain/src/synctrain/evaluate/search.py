"""An index over the functions of a source tree: made once, saved to a folder, asked in plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from synctrain.evaluate.ranking import Vectors, rank
from synctrain.evaluate.retrieval import Once
from synctrain.files import write
from synctrain.types import DataError, Embed, Similarity

_FORMAT = 2
_VECTORS, _ENTRIES, _INDEX = "vectors.safetensors", "entries.jsonl", "index.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A function: where it stands and what it says."""

    path: str
    name: str  # qualified: Class.method
    first: int  # line, from 1
    last: int  # line, inclusive
    code: str
    lines: tuple[int, ...]  # for each line of the code the one of the file: a docstring is cut out


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer to a question."""

    entry: Entry
    score: float  # by the index's similarity: larger is closer

    def excerpt(self, lines: int = 8) -> list[tuple[int, str]]:
        """Return the first so many lines of the code with their numbers in the file."""
        return list(zip(self.entry.lines, self.entry.code.split("\n"), strict=True))[:lines]


class Index:
    """Functions and their vectors."""

    def __init__(
        self, entries: Sequence[Entry], vectors: Tensor, embed: Embed, *, model: str, similarity: Similarity = "cos"
    ) -> None:
        """Hold entries and their vectors, (entries, d) float32; `build` and `load` make both.

        Raises:
            ValueError: not one vector an entry.
        """
        if vectors.ndim != 2 or len(vectors) != len(entries):  # noqa: PLR2004 (n, d)
            raise ValueError(f"vectors of shape {tuple(vectors.shape)} for {len(entries)} functions")
        self.entries, self.vectors, self.embed = tuple(entries), vectors, embed
        self.model, self.similarity = model, similarity

    @classmethod
    def build(cls, entries: Sequence[Entry], embed: Embed, *, model: str, similarity: Similarity = "cos") -> Index:
        """Embed functions. Equal code is embedded once.

        Args:
            entries: The functions.
            embed: The model.
            model: What names the model, its path and a hash of its weights, say: `load` refuses another one's index.
            similarity: How vectors are compared.

        Raises:
            DataError: there is no function.
        """
        if not entries:
            raise DataError("there is no function to search in")
        vectors = Once(embed)([entry.code for entry in entries], "code")
        return cls(entries, vectors, embed, model=model, similarity=similarity)

    def search(self, query: str, k: int = 5) -> list[Hit]:
        """Return the k functions that answer a question best, best first; equal ones in the order of the index."""
        none = torch.zeros(0, dtype=torch.int64)
        scores = Vectors(self.embed([query], "query"), self.vectors, self.similarity)
        best = rank(scores, none, none, k=k)
        found = zip(best.top[0].tolist(), best.scores[0].tolist(), strict=True)
        return [Hit(self.entries[number], score) for number, score in found]

    def save(self, folder: Path) -> None:
        """Write the index into a folder, which is made. No moment of it leaves a folder that loads as something else.

        Raises:
            OSError: it cannot be written.
        """
        lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in self.entries).encode()
        parts = {_VECTORS: save({"vectors": self.vectors.contiguous()}), _ENTRIES: lines}
        about = {
            "format": _FORMAT,
            "model": self.model,
            "similarity": self.similarity,
            "sha256": _hashes(parts),
        }
        parts[_INDEX] = json.dumps(about, indent=2).encode()  # last: it says what the others must be
        for name, data in parts.items():
            write(folder / name, data)

    @classmethod
    def load(cls, folder: Path, embed: Embed, *, model: str) -> Index:
        """Read an index that `save` wrote.

        Args:
            folder: Where it lies.
            embed: The model that it was made with.
            model: Its name, as given to `build`.

        Raises:
            DataError: it is no index, it is damaged, or another model made it.
        """
        try:
            about = json.loads((folder / _INDEX).read_bytes())
            parts = {name: (folder / name).read_bytes() for name in (_VECTORS, _ENTRIES)}
            wrong = _objection(about, model, parts)
            rows = [] if wrong else [json.loads(line) for line in parts[_ENTRIES].splitlines()]
            kept = [{field.name: row[field.name] for field in fields(Entry)} for row in rows]
            entries = [Entry(**row | {"lines": tuple(row["lines"])}) for row in kept]
            vectors = torch.empty(0, 0) if wrong else load(parts[_VECTORS])["vectors"]
            index = cls(entries, vectors, embed, model=model, similarity=about["similarity"])
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise DataError(f"{folder}: not an index that can be read: {error}") from error
        if wrong:
            raise DataError(f"{folder}: {wrong}; build it again")
        return index


def _objection(about: Mapping[str, object], model: str, parts: Mapping[str, bytes]) -> str:
    """Return why files may not be read as an index of this model, or nothing."""
    if about["format"] != _FORMAT:
        return f"an index of format {about['format']}, where this release reads {_FORMAT}"
    if about["model"] != model:
        return f"made by the model {about['model']}, not {model}"
    if about["sha256"] != _hashes(parts):
        return "the files do not belong together, or one is damaged"
    return ""


def _hashes(parts: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {name: sha256(data).hexdigest() for name, data in parts.items()}
