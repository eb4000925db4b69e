"""An index of library functions: a file of signatures, read when it is first needed, and the nearest of each."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from rapidfuzz import fuzz, process

from astmut.library.score import Score, score
from astmut.library.signature import KINDS, Parameter, Signature

if TYPE_CHECKING:
    import numpy as np  # keeps --help fast
    from numpy.typing import NDArray  # keeps --help fast

    from astmut.library.ranking import Places, Ranking  # keeps --help fast

COMMITTED = Path(__file__).with_name("signatures.jsonl.gz")
MANIFEST = COMMITTED.with_name("manifest.json")
FORMAT, FORMAT_VERSION = "astmut-index", 1
_COLUMNS = 6  # of a row: name, aliases, definition, parameters, return type, package
_NAMES = re.compile(r"(?:[^\W\d]\w*(?:\.[^\W\d]\w*)*\n)*")
_GZIP = b"\x1f\x8b"
# A recursion error comes of JSON that nests deeply.
_BROKEN = (
    EOFError, zlib.error, gzip.BadGzipFile, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError,
)  # fmt: skip


class IndexFileError(ValueError):
    """A file is no index, or a broken one."""


class UnknownSignatureError(LookupError):
    """An index has no function of this name; the message suggests one that it has."""


class Neighbour(NamedTuple):
    """A function that is near to another one, and how near."""

    signature: Signature
    score: Score


class Index:
    """Signatures by qualified name. Only the first line of its file is read before it is used.

    A function that several paths lead to (``os.path.join`` and ``posixpath.join``) is one row, found by all of them;
    rows are in the order of the qualified names.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the index in a file. Raises ``IndexFileError`` where that is none, ``OSError`` where it is not there."""
        self.path = Path(path)
        try:
            with _opened(self.path) as file:
                self.header: dict[str, Any] = json.loads(file.readline())
            if self.header["format"] != FORMAT:
                raise ValueError
            version = self.header["format_version"]
            self.packages: Mapping[str, str] = dict(self.header["packages"])
            self.modules: Mapping[str, int] = dict(self.header["modules"])
        except _BROKEN:
            raise IndexFileError(f"{self.path} is no index of signatures") from None
        if version != FORMAT_VERSION:
            raise IndexFileError(f"{self.path} is an index of another version ({version}): build it anew")

    @classmethod
    def from_file(cls, path: str | Path) -> Index:
        """Return the index in a file."""
        return cls(path)

    @cached_property
    def rows(self) -> list[list[Any]]:
        """The functions as they stand in the file."""
        try:
            with _opened(self.path) as file:
                _, *lines, end = file.read().split(b"\n")
            rows: list[list[Any]] = json.loads(b"[%s]" % b",".join(lines))
            names = "".join(f"{name}\n" for row in rows for name in (row[0], *row[1]))
            if end or len(rows) != self.header["functions"] or not _NAMES.fullmatch(names):
                raise ValueError
            if not all(len(row) == _COLUMNS and type(row[3]) is list for row in rows):
                raise ValueError
            if self.path != COMMITTED and not all(map(_is_sound, rows)):  # a look at each parameter takes 20 ms
                raise ValueError
        except _BROKEN:
            raise IndexFileError(f"{self.path} is broken: build it anew") from None
        return rows

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each qualified name, aliases included."""
        return {name: at for at, row in enumerate(self.rows) for name in (row[0], *row[1])}

    @cached_property
    def members(self) -> dict[str, dict[int, str]]:
        """The functions of each module: row and name."""
        found: dict[str, dict[int, str]] = {}
        for name, at in self.places.items():
            module, _, last = name.rpartition(".")
            found.setdefault(module, {})[at] = last
        return found

    @cached_property
    def member_rows(self) -> dict[str, Places]:
        """The rows of each module's functions, as the ranking takes them."""
        return {module: self.ranking.places(names) for module, names in self.members.items()}

    @cached_property
    def ranking(self) -> Ranking:
        """The scores of all pairs, which take a tenth of a second to prepare."""
        from astmut.library.ranking import Ranking  # keeps --help fast, and runs that need no scores

        rows = self.rows
        return Ranking(
            [row[0].rpartition(".")[2] for row in rows],
            [row[4] for row in rows],
            [tuple(Parameter(*each) for each in row[3]) for row in rows],
            [row[2] for row in rows],
        )

    def __len__(self) -> int:
        return int(self.header["functions"])

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def find(self, name: str) -> int:
        """Return the row of a qualified name. Raises ``UnknownSignatureError``."""
        row = self.places.get(name)
        if row is None:
            known = self.places
            last = name.rpartition(".")[2]
            same = [each for each in known if each.endswith(f".{last}")]
            near = process.extractOne(name, same or list(known), scorer=fuzz.ratio, score_cutoff=40)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UnknownSignatureError(f"no function named {name!r} in the index{hint}")
        return row

    def signature(self, row: int) -> Signature:
        """Return the function of a row."""
        name, aliases, definition, parameters, returns, package = self.rows[row]
        return Signature(
            name,
            tuple(Parameter(each, KINDS[kind], default) for each, kind, default in parameters),
            returns,
            definition,
            tuple(aliases),
            package,
            self.packages.get(package, ""),
        )

    def __getitem__(self, name: str) -> Signature:
        return self.signature(self.find(name))

    def nearest(self, name: str, k: int = 10) -> list[Neighbour]:
        """Return the ``k`` functions nearest to one, best first; of equals, the first by qualified name.

        What is the same function under another name is left out.
        """
        row = self.find(name)
        mine = self.signature(row)
        others = self.ranking.order(row)[:k].tolist()
        return [Neighbour(other, score(mine, other)) for other in map(self.signature, others)]

    def table(self, k: int = 10) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return for every row the rows of the ``k`` nearest, best first, and their scores."""
        return self.ranking.table(k)


@lru_cache
def opened(path: str | None = None) -> Index:
    """Return the index in a file, or the committed one; once a process."""
    return Index(COMMITTED if path is None else path)


def _is_sound(row: list[Any]) -> bool:
    """Whether all of a row but its names, which are looked at before, is what ``write`` would put there."""
    _, aliases, definition, parameters, returns, package = row
    return (
        type(aliases) is list
        and all(type(text) is str for text in (definition, returns, package))
        and all(
            type(name) is str
            and type(kind) is int
            and 0 <= kind < len(KINDS)
            and (default is None or type(default) is str)
            for name, kind, default in parameters
        )
    )


def packed(
    signatures: Sequence[Signature], packages: Mapping[str, str], built_with: Mapping[str, str]
) -> tuple[dict[str, Any], bytes]:
    """Return an index's first line and the whole as it lies in a file: the same bytes for the same signatures."""
    modules: dict[str, int] = {}
    for signature in signatures:
        for name in (signature.qualified_name, *signature.aliases):
            module = name.rpartition(".")[0]
            modules[module] = modules.get(module, 0) + 1
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "functions": len(signatures),
        "with_return_type": sum(bool(signature.returns) for signature in signatures),
        "built_with": dict(built_with),
        "packages": dict(sorted(packages.items())),
        "functions_of_packages": _counts(signature.package for signature in signatures),
        "modules": dict(sorted(modules.items())),
    }
    lines = [head, *(_row(signature) for signature in signatures)]
    text = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
    return head, _compressed(text.encode())


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _row(signature: Signature) -> list[Any]:
    parameters = [[p.name, KINDS.index(p.kind), p.default] for p in signature.parameters]
    of = signature
    return [of.qualified_name, list(of.aliases), of.definition, parameters, of.returns, of.package]


def _compressed(data: bytes) -> bytes:
    """Return data as gzip does, without a time and a name, which would differ from run to run."""
    return gzip.compress(data, compresslevel=9, mtime=0)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file of lines, compressed or not."""
    with path.open("rb") as file:
        start = file.read(len(_GZIP))
        file.seek(0)
        if start == _GZIP:
            with gzip.open(file) as lines:
                yield lines
        else:
            yield file
