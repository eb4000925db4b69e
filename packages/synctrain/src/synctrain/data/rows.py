"""Files of JSON rows, plain or gzip, and what is wrong with them in one sentence each."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple, TypeAlias

from synctrain.types import DataError, Pair

JSON_LINES = (".jsonl", ".jsonl.gz")  # how the names of files with an object a line end
LONGEST = 1_000_000  # characters of a query or of code: more is a dump, not an example

_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


class Skipped(Counter[str]):
    """What was left out, counted by reason."""

    def __str__(self) -> str:
        """Return the reasons with their counts, the most frequent first; "nothing" where nothing was left out."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.most_common()) or "nothing"


class Row(NamedTuple):
    """One row of a file: ``number`` counts lines, or the items of a JSON array, from 1."""

    file: str
    number: int
    values: Mapping[str, object]

    @property
    def id(self) -> str:
        """What to call a row that brings no id: the name of its file without suffixes, and its number."""
        return f"{Path(self.file).name.split('.')[0]}-{self.number}"

    def error(self, cause: str) -> DataError:
        """Return the error that says what is wrong with this row."""
        return DataError(f"{self.file}, row {self.number}: {cause}")

    def text(self, *names: str) -> str:
        """Return the first of the named fields that is there and not null, or "" where all that are there are null.

        Raises:
            DataError: None of the fields is there, or the one to use is no text.
        """
        there = [name for name in names if name in self.values]
        if not there:
            raise self.error(f"no field {' or '.join(map(repr, names))}")
        for name in there:
            value = self.values[name]
            if isinstance(value, str):
                return value
            if value is not None:
                raise self.error(f"{name!r} is {kind_of(value)}, not text")
        return ""

    def name(self, field: str) -> str:
        """Return a field that may be text or a whole number, as text; "" where it is not there or null.

        Raises:
            DataError: It is something else.
        """
        value = self.values.get(field)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise self.error(f"{field!r} is {kind_of(value)}, neither text nor a whole number")
        return str(value)

    def words(self, *names: str) -> str:
        """Return the first of the named fields that is there, a list of texts, as one text with blanks between.

        Returns "" where none is there.

        Raises:
            DataError: It is no list of texts.
        """
        for name in names:
            value = self.values.get(name)
            if value is not None:
                if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
                    raise self.error(f"{name!r} is no list of texts")
                return " ".join(value)
        return ""


Outcome: TypeAlias = "Pair | str"  # what a reader makes of a row: a pair, or the reason why there is none


def kind_of(value: object) -> str:
    """Return what JSON calls a value."""
    return _KINDS.get(type(value), "null" if value is None else "text")


def is_text(text: str) -> bool:
    """Say whether a text can be written as UTF-8: JSON can spell halves of characters, which cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a ``.json`` file (an array of objects) or ``.jsonl`` file (an object a line), gzip or not.

    Blank lines are no rows, but they count as lines.

    Raises:
        DataError: The file cannot be read, ends too early, holds no row, or a row is no UTF-8, no JSON, no object.
    """
    is_array = path.name.removesuffix(".gz").endswith(".json")
    number = 0
    for number, value in _items(path) if is_array else _lines(path):
        if not isinstance(value, dict):
            raise DataError(f"{path}, row {number}: {kind_of(value)}, not an object")
        yield Row(str(path), number, value)
    if not number:
        raise DataError(f"{path}: no rows")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbers, from 1, and texts of a file's lines that are not blank, gzip or not.

    Raises:
        DataError: The file cannot be read, ends too early, or a line is not UTF-8.
    """
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                text = _decoded(path, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, number)
                if text.strip():
                    yield number, text
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error, number) from error


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _unreadable(path: Path, error: Exception, row: int) -> DataError:
    where = f"{path}, after row {row}" if row else str(path)
    if isinstance(error, EOFError):
        return DataError(f"{where}: the gzip data is cut off")
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return DataError(f"{where}: broken gzip data ({error})")
    return DataError(f"{where}: {getattr(error, 'strerror', None) or error}")


def _decoded(path: Path, data: bytes, row: int, word: str = "row") -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        row += data.count(b"\n", 0, error.start)
        raise DataError(f"{path}, {word} {row}: not UTF-8 (byte 0x{data[error.start]:02x})") from error


def _lines(path: Path) -> Iterator[tuple[int, object]]:
    for number, text in lines(path):
        if number == 1 and text.lstrip().startswith("["):
            raise DataError(f"{path}, row 1: an array, not an object a line; the name of an array must end in .json")
        try:
            value = json.loads(text.rstrip())  # so that no complaint is of a second line
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, row {number}: broken JSON ({error})") from error
        yield number, value


def _items(path: Path) -> Iterable[tuple[int, object]]:
    try:
        with _opened(path) as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error, 0) from error
    text = _decoded(path, data.removeprefix(b"\xef\xbb\xbf"), 1, "line")
    if not text.strip():
        return []
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}{_broken_at(text)}: broken JSON ({error}){_hint(text)}") from error
    if not isinstance(items, list):
        raise DataError(f"{path}: {kind_of(items)}, not an array of objects")
    return enumerate(items, 1)


def _broken_at(text: str) -> str:
    """Return which item of a broken array is at fault: ", row 3", ", after row 2", or "" where it is none of them."""
    decoder, at, number = json.JSONDecoder(), len(text) - len(text.lstrip()), 0
    if text[at] != "[":
        return ""
    while not number or text[at : at + 1] == ",":
        number += 1
        try:
            at = _past_blanks(text, decoder.raw_decode(text, _past_blanks(text, at + 1))[1])
        except (ValueError, RecursionError):
            return f", row {number}"
    return f", after row {number}"


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _hint(text: str) -> str:
    """Return what to say where a file of JSON lines is named like one array."""
    first, *rest = text.lstrip().split("\n", 1)
    is_lines = bool(rest and rest[0].strip()) and first.startswith("{") and first.rstrip().endswith("}")
    return "; the name of a file with an object a line must end in .jsonl or .jsonl.gz" if is_lines else ""
