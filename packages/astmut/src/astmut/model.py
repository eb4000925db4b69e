"""The nouns of a mutation, as frozen values: text, span, edit, site, mutant. No libcst here."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

NON_ASCII = "\ufffd"
# Makes a named tuple of all its fields in little more than half the time: spans come by the thousand.
new_tuple = tuple.__new__
TRIVIAL = "trivial"  # the tag of a change that hardly matters when the program runs
WORD = frozenset("_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") | {NON_ASCII}
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Span(NamedTuple):
    """A half-open range of utf-8 bytes in a text: ``start`` is in, ``end`` is not."""

    start: int
    end: int


class Position(NamedTuple):
    """Where a byte stands for a person: line from 1, column from 1 in characters."""

    line: int
    column: int


class Edit(NamedTuple):
    """Replace the bytes of ``span`` by ``text``. An empty span inserts, an empty text deletes."""

    span: Span
    text: str


class Text:
    """A decoded text that is cut and spliced by utf-8 byte offsets.

    ASCII texts (nearly all code) are sliced as strings, where byte and character offsets are the same;
    others go through their utf-8 bytes. Lines and digest are worked out when first asked for.
    """

    __slots__ = ("_bytewise", "_digest", "_lines", "data", "value")

    def __init__(self, value: str) -> None:
        """Raise ``UnicodeEncodeError`` where ``value`` holds lone surrogates, which no file can hold."""
        self.value = value
        self.data: bytes | None = None if value.isascii() else value.encode()
        self._bytewise: str | None = None
        self._lines: list[int] | None = None
        self._digest: str | None = None

    def __len__(self) -> int:
        """Return the length in utf-8 bytes."""
        return len(self.value if self.data is None else self.data)

    def __eq__(self, other: object) -> bool:
        """Compare by text."""
        return self.value == other.value if isinstance(other, Text) else NotImplemented

    def __hash__(self) -> int:
        """Hash as the text does."""
        return hash(self.value)

    def __reduce__(self) -> tuple[type[Text], tuple[str]]:
        """Travel to other processes as the text alone."""
        return Text, (self.value,)

    def cut(self, start: int, end: int) -> str:
        """Return the text between two byte offsets."""
        return self.value[start:end] if self.data is None else self.data[start:end].decode()

    @property
    def bytewise(self) -> str:
        """The text with one character a byte, ``NON_ASCII`` for each that is no ASCII: what stands at an offset.

        A byte order mark is three blanks: no word begins or ends with it.
        """
        if self._bytewise is None:
            bytewise = self.value if self.data is None else self.data.decode("ascii", "replace")
            self._bytewise = f"   {bytewise[3:]}" if self.value.startswith("\ufeff") else bytewise
        return self._bytewise

    def starts_with(self, prefix: str, at: int) -> bool:
        """Whether ``prefix`` stands at a byte offset."""
        return self.value.startswith(prefix, at) if self.data is None else self.data.startswith(prefix.encode(), at)

    def splice(self, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
        """Return the text between two byte offsets, all of it by default, with ``edits`` made.

        They must be disjoint, in order, and lie between the offsets.
        """
        data, at = self.data, start
        if data is None:
            value = self.value
            parts: list[str] = []
            for (first, last), text in edits:
                parts += (value[at:first], text)
                at = last
            parts.append(value[at:end])
            return "".join(parts)
        pieces: list[bytes] = []
        for (first, last), text in edits:
            pieces += (data[at:first], text.encode(errors="surrogatepass"))  # half a character Python refuses later
            at = last
        pieces.append(data[at:end])
        return b"".join(pieces).decode(errors="surrogatepass")

    def line_starts(self) -> list[int]:
        """Return the byte offset of each line's start; a line ends at LF, CR LF or CR."""
        if self._lines is None:
            data = self.value.encode() if self.data is None else self.data
            if b"\r" in data:
                self._lines = [0, *(m.end() for m in _LINE_END.finditer(data))]
            else:
                sizes = map(len, data.split(b"\n"))
                self._lines = [0, *accumulate(map((1).__add__, sizes))][:-1]
        return self._lines

    def position(self, offset: int) -> Position:
        """Return line and column of a byte offset. A byte order mark takes no column."""
        lines = self.line_starts()
        line = bisect_right(lines, offset)
        before = self.cut(lines[line - 1], offset)
        return Position(line, 1 + len(before) - before.startswith("\ufeff"))

    @property
    def digest(self) -> str:
        """The SHA-256 of the text's utf-8 bytes, in hexadecimal."""
        if self._digest is None:
            self._digest = hashlib.sha256(self.value.encode() if self.data is None else self.data).hexdigest()
        return self._digest


class Site(NamedTuple):
    """One place where one rule applies, in one way.

    ``span`` covers the node that the rule was asked about, ``edits`` are what it would change together (in order,
    disjoint). A rule with several ways to change a place gives one site for each, told apart by ``choice``: 0 is
    the rule's first and best. ``tags`` are remarks that a user may filter on, such as ``trivial``: the change hardly
    matters when the program runs.
    """

    rule: str
    span: Span
    edits: tuple[Edit, ...]
    choice: int = 0
    tags: tuple[str, ...] = ()
    origin: Text = Text("")

    def __repr__(self) -> str:
        """Leave out the text that the site is in."""
        return f"Site(rule={self.rule!r}, span={self.span}, edits={self.edits}, choice={self.choice}, tags={self.tags})"

    @property
    def start(self) -> Position:
        """Line and column of the first byte of ``span``."""
        return self.origin.position(self.span.start)

    @property
    def end(self) -> Position:
        """Line and column just behind the last byte of ``span``."""
        return self.origin.position(self.span.end)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed program: which rule made it, where, and the exact edits there and back.

    The mutant holds its edits and a reference to the original, not its own text: ``text`` is spliced when asked
    for and not kept, so that many thousand mutants of one file stay cheap.
    """

    rule: str
    groups: tuple[str, ...]
    sites: tuple[Site, ...]
    edits: tuple[Edit, ...]
    origin: Text = field(repr=False)
    reprinted: str | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The whole text of the mutant. Outside ``edits`` it is the source's, byte by byte."""
        return self.origin.splice(self.edits) if self.reprinted is None else self.reprinted

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits made from source, rule and edits alone: the same on every machine and run."""
        h = hashlib.sha256(f"{self.origin.digest} {self.rule} {self.reprinted is None:d}".encode())
        for (start, end), text in self.edits:
            h.update(f" {start} {end} {len(text)} {text}".encode())
        return h.hexdigest()[:16]

    @property
    def inverse(self) -> tuple[Edit, ...]:
        """The edits that turn ``text`` back into the source; their spans are bytes of the mutant."""
        if self.reprinted is not None:
            return (Edit(Span(0, len(Text(self.reprinted))), self.origin.value),)
        back, shift = [], 0
        for (start, end), text in self.edits:
            size = len(text) if text.isascii() else len(text.encode())
            back.append(Edit(Span(start + shift, start + shift + size), self.origin.cut(start, end)))
            shift += size - (end - start)
        return tuple(back)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of its sites, each once, sorted; ``trivial`` only where all sites are."""
        tags = {tag for site in self.sites for tag in site.tags}
        if not all(TRIVIAL in site.tags for site in self.sites):
            tags.discard(TRIVIAL)
        return tuple(sorted(tags))


def revert(mutant: Mutant) -> str:
    """Make a mutant's inverse edits in its text, which gives the source back to the byte.

    Raises ``TypeError`` for what is no mutant.
    """
    if not isinstance(mutant, Mutant):
        raise TypeError(f"mutant must be a Mutant, not {type(mutant).__name__}")
    return Text(mutant.text).splice(mutant.inverse)


def hull(edits: Sequence[Edit]) -> Span:
    """Return the smallest span that holds all of ``edits``, which must be in order and not empty."""
    return Span(edits[0].span.start, edits[-1].span.end)
