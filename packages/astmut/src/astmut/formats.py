"""How mutants and sites are written: unified diffs, JSON lines, whole sources, one line of text."""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_right
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from astmut.model import Edit, Mutant, Position, Site, Span, Text, hull

CONTEXT = 3  # lines around a change, as diff and git have it

# Above so many pairs of lines a reprinted text is shown as one block: finding the smallest difference is quadratic.
MATCHABLE = 4_000_000

UTF8 = "utf-8"
UTF8_WITH_MARK = "utf-8-sig"
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_RESET = b"\x1b[0m"
_COLOURS = {b"#": b"\x1b[2m", b"@": b"\x1b[36m", b"-": b"\x1b[31m", b"+": b"\x1b[32m"}
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_UNSAFE = re.compile(rb'[\x00-\x1f"\\\x7f]')
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_SHOWN = 60  # characters of each side in the one-line form of a site


class LineChange(NamedTuple):
    """Replace the lines from ``first`` up to, not including, ``last`` (counted from 0) by ``new``."""

    first: int
    last: int
    new: list[bytes]


class Lines:
    """A text as patch sees it: bytes, of utf-8 mostly, in lines that end at a line feed and nowhere else.

    Made once for a source; the diff of a mutant then costs as much as its edits, not as the file.
    """

    __slots__ = ("data", "mark", "starts")

    def __init__(self, text: Text, *, mark: bool = False, coding: str = UTF8) -> None:
        """Find the line feeds of ``text``; ``mark`` says that its file begins with a byte order mark."""
        self.mark = BOM_UTF8 if mark else b""
        self.data = text.value.encode(coding) if text.data is None or coding != UTF8 else text.data
        self.starts = [match.start() for match in _LINE.finditer(self.data)]

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.starts)

    def __getitem__(self, line: int) -> bytes:
        """Return a line with its line feed, if it has one."""
        return self.mark * (line == 0) + self.data[self.starts[line] : self.start(line + 1)]

    def start(self, line: int) -> int:
        """Return the offset of a line's first byte; the end of the text for a line behind the last."""
        return self.starts[line] if line < len(self.starts) else len(self.data)

    def number(self, offset: int) -> int:
        """Return the line that holds the byte at ``offset``; behind a last line feed, the line that would follow."""
        if offset >= len(self.data):
            return len(self.starts) - (bool(self.data) and not self.data.endswith(b"\n"))
        return bisect_right(self.starts, offset) - 1

    def changes(self, edits: Sequence[Edit]) -> list[LineChange]:
        """Return the lines that ``edits`` (in order, disjoint) change, without those that stay the same."""
        groups: list[tuple[int, int, list[Edit]]] = []
        for edit in edits:
            first, last = self._reach(edit)
            if groups and first <= groups[-1][1]:
                start, end, together = groups[-1]
                together.append(edit)
                groups[-1] = (start, max(end, last), together)
            else:
                groups.append((first, last, [edit]))
        changes = (self._change(*group) for group in groups)
        return [change for change in changes if change.first < change.last or change.new]

    def _reach(self, edit: Edit) -> tuple[int, int]:
        """Return the first line that an edit touches and the first behind it that it does not."""
        (start, end), text = edit
        first, last = self.number(start), self.number(end)
        whole = end == self.start(last) and (text.endswith("\n") or (not text and start == self.start(first)))
        return first, last if whole else max(first, min(last + 1, len(self)))

    def _change(self, first: int, last: int, edits: list[Edit]) -> LineChange:
        parts: list[bytes] = []
        at, end = self.start(first), self.start(last)
        for span, text in edits:
            parts += (self.data[at : span.start], text.encode())
            at = span.end
        parts.append(self.data[at:end])
        return self.trimmed(LineChange(first, last, _LINE.findall(self.mark * (first == 0) + b"".join(parts))))

    def trimmed(self, change: LineChange) -> LineChange:
        """Return a change without the lines at its ends that it replaces by the same."""
        first, last, new = change
        head, size = 0, len(new)
        while first < last and head < size and self[first] == new[head]:
            first, head = first + 1, head + 1
        while first < last and head < size and self[last - 1] == new[size - 1]:
            last, size = last - 1, size - 1
        return LineChange(first, last, new[head:size])

    def rewritten(self, text: str) -> list[LineChange]:
        """Return the changes that turn all of the text into another, of which no edits are known."""
        first, last, new = self.trimmed(LineChange(0, len(self), _LINE.findall(self.mark + text.encode())))
        if (last - first) * len(new) > MATCHABLE:
            return [LineChange(first, last, new)]
        old = [self[line] for line in range(first, last)]
        codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        return [LineChange(first + a, first + b, new[c:d]) for kind, a, b, c, d in codes if kind != "equal"]


def hunks(lines: Lines, changes: Sequence[LineChange]) -> Iterator[bytes]:
    """Yield the lines of a unified diff behind its file headers, each ending with a line feed."""
    shift, at = 0, 0
    while at < len(changes):
        until = at + 1
        while until < len(changes) and changes[until].first - changes[until - 1].last <= 2 * CONTEXT:
            until += 1
        together = changes[at:until]
        start, end = max(together[0].first - CONTEXT, 0), min(together[-1].last + CONTEXT, len(lines))
        grown = sum(len(new) - (last - first) for first, last, new in together)
        old, new = _range(start, end - start), _range(start + shift, end - start + grown)
        yield f"@@ -{old} +{new} @@\n".encode()
        for change in together:
            yield from (_marked(b" ", lines[line]) for line in range(start, change.first))
            yield from (_marked(b"-", lines[line]) for line in range(change.first, change.last))
            yield from (_marked(b"+", line) for line in change.new)
            start = change.last
        yield from (_marked(b" ", lines[line]) for line in range(start, end))
        shift, at = shift + grown, until


def _range(start: int, size: int) -> str:
    """Return a range of lines as diff writes it: a range of none is named by the line before it."""
    return f"{start + 1}" if size == 1 else f"{start + bool(size)},{size}"


def _marked(mark: bytes, line: bytes) -> bytes:
    return mark + line if line.endswith(b"\n") else mark + line + _NO_NEWLINE


def diff(lines: Lines, mutant: Mutant, path: str, *, coding: str = UTF8, colour: bool = False) -> bytes:
    """Return a mutant as a unified diff that ``patch -p1`` and ``git apply`` take.

    ``lines`` are those of the mutant's source. A comment line with rule, id and place comes first. The bytes are in
    ``coding``, the file's own: a patch is made of the bytes that it looks for.
    """
    reprinted = mutant.reprinted
    if reprinted is not None and coding not in {UTF8, UTF8_WITH_MARK}:
        # The cookie is lost, so what is printed is utf-8; and so must the lines become that look the same.
        lines, coding = Lines(mutant.origin, coding=coding), UTF8
    changes = lines.changes(mutant.edits) if reprinted is None else lines.rewritten(reprinted)
    name = placed(path)
    head = [f"# {title(mutant, path)}\n".encode(), _header("---", f"a/{name}"), _header("+++", f"b/{name}")]
    parts = [*head, *(_coded(line, coding) for line in hunks(lines, changes))]
    return b"".join(map(_coloured, parts) if colour else parts)


def _coded(line: bytes, coding: str) -> bytes:
    if coding in {UTF8, UTF8_WITH_MARK} or line.isascii():
        return line
    return line.decode().encode(coding)


def _coloured(line: bytes) -> bytes:
    colour = _COLOURS.get(line[:1], b"")
    if line.startswith((b"--- ", b"+++ ")):
        colour = b"\x1b[1m"
    body = line.partition(b"\n")[0].rstrip(b"\r")
    return colour + body + _RESET + line[len(body) :] if colour else line


def title(mutant: Mutant, path: str) -> str:
    """Return a mutant's name for people: rule, id and place of the first of its sites."""
    line, column = mutant.sites[0].start
    more = f" and {len(mutant.sites) - 1} more" if len(mutant.sites) > 1 else ""
    return f"{mutant.rule} {mutant.id} {quoted(path)}:{line}:{column}{more}"


def placed(path: str) -> str:
    """Return a path below the current folder, or for one elsewhere the whole of it without its root."""
    if not os.path.isabs(path) and not path.startswith(os.pardir):  # noqa: PTH117 - as they come out of a walk
        return path
    full = PurePath(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links and lose the user's names
    here = Path.cwd()
    return full.relative_to(here if full.is_relative_to(here) else full.anchor).as_posix()


def _header(mark: str, path: str) -> bytes:
    # Behind a name with blanks a tab says where it ends.
    name = quoted(path)
    return f"{mark} {name}{chr(9) if ' ' in name and name == path else ''}\n".encode()


def quoted(path: str) -> str:
    """Return a path as git writes it: in quotes and escaped where it holds bytes that would break a line."""
    raw = path.encode(UTF8, "surrogateescape")
    try:
        readable = raw.decode()
    except UnicodeDecodeError:
        readable = ""
    if readable and not _UNSAFE.search(raw):
        return readable
    return '"' + "".join(_escaped(byte) for byte in raw) + '"'


def _escaped(byte: int) -> str:
    if byte in _ESCAPES:
        return f"\\{_ESCAPES[byte]}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"  # noqa: PLR2004 - the printable characters of ASCII


def source(mutant: Mutant, coding: str = UTF8) -> bytes:
    """Return the whole text of a mutant as the bytes of a file.

    A reprinted text has lost its coding cookie, so it is utf-8. Raises ``UnicodeEncodeError`` where a rule wrote
    what the file's coding cannot hold.
    """
    if mutant.reprinted is not None and coding != UTF8_WITH_MARK:
        coding = UTF8
    return mutant.text.encode(coding)


def json_line(row: dict[str, Any]) -> bytes:
    """Return a row as one line of ASCII."""
    return json.dumps(row).encode() + b"\n"


def mutant_row(mutant: Mutant, path: str, *, with_text: bool = False) -> dict[str, Any]:
    """Return all of a mutant as plain values: spans are utf-8 bytes of the text, lines and columns count from 1."""
    row: dict[str, Any] = {
        "path": path,
        "id": mutant.id,
        "rule": mutant.rule,
        "groups": list(mutant.groups),
        "tags": list(mutant.tags),
        "sites": [_site(site) for site in mutant.sites],
        "edits": _edits(mutant.edits),
        "inverse": _edits(mutant.inverse),
        "source_sha256": mutant.origin.digest,
    }
    if with_text:
        row["text"] = mutant.text
    return row


def site_row(site: Site, path: str) -> dict[str, Any]:
    """Return all of a site as plain values, as in ``mutant_row``."""
    return {"path": path, "rule": site.rule, "tags": list(site.tags), **_site(site)}


def _site(site: Site) -> dict[str, Any]:
    return {
        "span": list(site.span),
        "start": _position(site.start),
        "end": _position(site.end),
        "choice": site.choice,
        "edits": _edits(site.edits),
    }


def _position(position: Position) -> dict[str, int]:
    return position._asdict()


def _edits(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    return [{"span": list(span), "text": text} for span, text in edits]


def site_line(site: Site, path: str) -> bytes:
    """Return a site as one line of utf-8: ``path:line:column: rule  old -> new``."""
    span = hull(site.edits)
    if not all(edit.text and edit.span.start < edit.span.end for edit in site.edits):
        # An insertion or a deletion alone says little; show the node that it happens to.
        span = Span(min(span.start, site.span.start), max(span.end, site.span.end))
    parts: list[str] = []
    at = span.start
    for (start, end), text in site.edits:
        parts += (site.origin.cut(at, start), text)
        at = end
    parts.append(site.origin.cut(at, span.end))
    line, column = site.start
    old, new = _short(site.origin.cut(*span)), _short("".join(parts))
    return f"{quoted(path)}:{line}:{column}: {site.rule}  {old} -> {new}\n".encode()


def _short(code: str) -> str:
    """Return code on one line, with its middle left out where it is long."""
    if len(code) > _SHOWN:
        half = (_SHOWN - 5) // 2
        code = f"{code[:half]} ... {code[-half:]}"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in code)
