"""Texts as token ids, worked out once and kept in a memory-mapped file: no tokenizer runs while a model trains."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from synctrain.encoders.graph import places
from synctrain.types import Kind, Ragged

_log = logging.getLogger(__name__)

CHUNK = 4_096  # texts tokenized at a time
IDS, OFFSETS, ABOUT = "ids.npy", "offsets.npy", "about.json"


class TokenStore:
    """Each different text once, as int32 ids one behind the other, with the offset where each begins.

    ``number`` says where a text stands; ``gather`` hands out any of them as a ``Ragged``; ``lengths`` are the places
    that each takes up in a model's input.
    """

    def __init__(self, numbers: dict[tuple[Kind, str], int], ids: np.ndarray, offsets: np.ndarray) -> None:
        """Take the arrays as they are; use ``open`` to make them."""
        self._numbers, self._ids, self._offsets = numbers, ids, offsets
        self.lengths = places(ids, offsets)

    @classmethod
    def open(
        cls,
        folder: Path,
        tokenize: Callable[[Sequence[str], Kind], list[list[int]]],
        fingerprint: str,
        texts: Iterable[tuple[Kind, str]],
    ) -> TokenStore:
        """Return the store of ``texts``, read from ``folder`` where it is there, else made and written there.

        Its name is a hash of the tokenizer's ``fingerprint`` and of all texts; one that is damaged is made anew.
        """
        numbers: dict[tuple[Kind, str], int] = {}
        key = hashlib.blake2b(fingerprint.encode(), digest_size=16)
        for kind, text in texts:
            if (kind, text) not in numbers:
                numbers[kind, text] = len(numbers)
                data = text.encode("utf-8", "surrogatepass")
                key.update(f"{kind} {len(data)} ".encode())
                key.update(data)
        place = folder / f"tokens-{key.hexdigest()}"
        found = _read(place, len(numbers))
        if found is None:
            ids, offsets = _tokenized(list(numbers), tokenize)
            try:
                _write(place, ids, offsets)
            except OSError as error:
                _log.warning("%s cannot be kept (%s): the texts will be tokenized again next time", place, error)
            found = _read(place, len(numbers)) or (ids, offsets)
        return cls(numbers, *found)

    def __len__(self) -> int:
        """Return how many different texts there are."""
        return len(self._numbers)

    def number(self, kind: Kind, text: str) -> int:
        """Return the number of a text. Raises ``KeyError`` for one that is not in the store."""
        return self._numbers[kind, text]

    def alike(self, one: int, other: int) -> bool:
        """Say whether a model reads two texts alike: one is cut off where they begin to differ, say."""
        (a, b), (c, d) = self._offsets[one : one + 2].tolist(), self._offsets[other : other + 2].tolist()
        return b - a == d - c and np.array_equal(self._ids[a:b], self._ids[c:d])

    def gather(self, numbers: Sequence[int] | np.ndarray) -> Ragged:
        """Return the texts of these numbers, in this order."""
        chosen = np.asarray(numbers, dtype=np.int64)
        lengths = self._offsets[chosen + 1] - self._offsets[chosen]
        parts = [self._ids[self._offsets[n] : self._offsets[n + 1]] for n in chosen]
        ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return Ragged(torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(lengths.astype(np.int64)))


def _tokenized(
    texts: list[tuple[Kind, str]], tokenize: Callable[[Sequence[str], Kind], list[list[int]]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of all texts in a row, int32, and the offsets, int64, one more than texts."""
    pieces: list[np.ndarray] = []
    lengths = np.zeros(len(texts) + 1, np.int64)
    for first in range(0, len(texts), CHUNK):
        batch = texts[first : first + CHUNK]
        for kind in dict.fromkeys(kind for kind, _ in batch):
            where = [i for i, (other, _) in enumerate(batch) if other == kind]
            rows = tokenize([batch[i][1] for i in where], kind)
            for i, row in zip(where, rows, strict=True):
                lengths[first + i + 1] = len(row)
                batch[i] = (kind, np.asarray(row, np.int32))  # type: ignore[assignment]
        pieces += [row for _, row in batch]  # type: ignore[misc]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int32), np.cumsum(lengths)


def _digest(ids: np.ndarray, offsets: np.ndarray) -> str:
    return hashlib.blake2b(ids.tobytes() + offsets.tobytes(), digest_size=16).hexdigest()


def _write(place: Path, ids: np.ndarray, offsets: np.ndarray) -> None:
    """Write a store so that it is there whole or not at all; another process may be at it too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="tokens-") as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        np.save(new / IDS, ids, allow_pickle=False)
        np.save(new / OFFSETS, offsets, allow_pickle=False)
        about = {"texts": len(offsets) - 1, "tokens": len(ids), "digest": _digest(ids, offsets)}
        (new / ABOUT).write_text(json.dumps(about), "utf-8")
        if place.exists():
            place.replace(Path(scratch) / "old")
        try:
            new.replace(place)
        except OSError:
            if not place.exists():  # otherwise the other process was first, with the same content
                raise


def _read(place: Path, count: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the arrays of a store, memory-mapped; None where there is none, or a damaged one."""
    try:
        about = json.loads((place / ABOUT).read_text("utf-8"))
        ids = np.load(place / IDS, mmap_mode="r", allow_pickle=False)
        offsets = np.load(place / OFFSETS, allow_pickle=False)
        good = len(offsets) == count + 1 and about["digest"] == _digest(ids, offsets)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return (ids, offsets) if good else None
