"""What is done with one file, in whichever process: read it, mutate it, render the results as bytes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from astmut import formats
from astmut.engine import Mode, Stats
from astmut.face import mutate, sites
from astmut.model import Mutant
from astmut.rulebook import RuleError
from astmut.source import ParseError, Program
from astmut.where import UnknownFunctionError

Ranges: TypeAlias = tuple[tuple[int, int], ...]
Form: TypeAlias = Literal["diff", "source", "jsonl", "file", "replacement"]

STDIN = "<stdin>"


class Item(NamedTuple):
    """One file to work on; ``data`` where it is read already, ``changed`` where only some lines are asked for.

    Lines that changed are counted as git does, by line feeds alone. ``folder`` is where in the output folder its
    mutants go.
    """

    path: str
    data: bytes | None = None
    changed: Ranges | None = None
    folder: str = ""


class Printed(NamedTuple):
    """Bytes for standard output."""

    data: bytes


class ToFile(NamedTuple):
    """A mutant for the output folder: the file's name, its content, its line of the index."""

    name: str
    data: bytes
    line: bytes


class Replacement(NamedTuple):
    """What a file held and what it is to hold."""

    before: bytes
    after: bytes


class Counted(NamedTuple):
    """What became of the sites of a file; its last result."""

    stats: Stats


class Noted(NamedTuple):
    """A remark for the user that is no error."""

    message: str


class Failed(NamedTuple):
    """An error that costs this file only, ``path:line: reason``."""

    message: str


class NoFunction(NamedTuple):
    """This file has no function of the wanted name: an error only where no other file has one."""

    message: str


Row: TypeAlias = Printed | ToFile | Replacement | Counted | Noted | Failed | NoFunction


@dataclass(frozen=True, slots=True)
class Where:
    """Which rules with which options, and which part of a file."""

    rules: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    lines: Ranges = ()
    function: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mutating:
    """The work of ``astmut mutate``: a file's mutants in one form, then its counts."""

    where: Where
    mode: Mode = "each"
    seed: int = 0
    count: int | None = None
    id: str | None = None
    unparse: bool = False
    form: Form = "diff"
    colour: bool = False
    terminal: bool = False
    titles: bool = False
    with_text: bool = False

    def __call__(self, item: Item) -> Iterator[Row]:
        """Yield the results for one file."""
        data, source = yield from _opened(item, compiled=True)
        if source is None:
            return
        stats = Stats()
        yield from _with_faults(self._results(data, source, item, stats), item)
        yield Counted(stats)

    def _results(self, data: bytes, source: Program, item: Item, stats: Stats) -> Iterator[Row]:
        if source.defect:
            message = f"Python parses this but does not compile it: {source.defect}; it gets no mutants"
            yield Noted(f"{formats.quoted(item.path)}: {message}")
        lines = wanted_lines(source, self.where.lines, item.changed)
        if lines is not None:
            yield from self._rendered(self._mutants(source, lines, stats), data, source, item)

    def _mutants(self, source: Program, lines: Ranges, stats: Stats) -> Iterator[Mutant]:
        yield from mutate(  # which finds the sites at once: here that waits for the first mutant to be asked for
            source,
            rules=self.where.rules,
            groups=self.where.groups,
            without=self.where.without,
            mode=self.mode,
            seed=self.seed,
            count=self.count,
            lines=lines,
            function=self.where.function,
            options=self.where.options,
            unparse=self.unparse,
            stats=stats,
        )

    def _rendered(self, mutants: Iterable[Mutant], data: bytes, source: Program, item: Item) -> Iterator[Row]:
        """Yield the mutants in the wanted form; on a terminal, that is in utf-8, whatever the file's coding."""
        path = item.path
        lines = formats.Lines(source.text, mark=source.coding == formats.UTF8_WITH_MARK)
        coding = formats.UTF8 if self.terminal and self.form in {"diff", "source"} else source.coding
        for mutant in mutants:
            if self.id is not None and mutant.id != self.id:
                continue
            if self.form == "diff":
                yield Printed(formats.diff(lines, mutant, path, coding=coding, colour=self.colour))
            elif self.form == "jsonl":
                yield Printed(formats.json_line(formats.mutant_row(mutant, path, with_text=self.with_text)))
            elif self.form == "source":
                text = formats.source(mutant, coding)
                yield Printed(_titled(mutant, path, text) if self.titles else text)
            elif self.form == "replacement":
                yield Replacement(data, formats.source(mutant, coding))
            else:
                name = f"{item.folder}/{mutant.id}-{mutant.rule}.py"
                row = {**formats.mutant_row(mutant, path, with_text=self.with_text), "file": name}
                yield ToFile(name, formats.source(mutant, coding), formats.json_line(row))


@dataclass(frozen=True, slots=True)
class Listing:
    """The work of ``astmut sites``: the places in a file where rules apply."""

    where: Where
    form: Literal["text", "jsonl"] = "text"

    def __call__(self, item: Item) -> Iterator[Row]:
        """Yield the results for one file."""
        _, source = yield from _opened(item)
        if source is None:
            return
        lines = wanted_lines(source, self.where.lines, item.changed)
        if lines is not None:
            yield from _with_faults(self._listed(source, lines, item), item)

    def _listed(self, source: Program, lines: Ranges, item: Item) -> Iterator[Row]:
        where = self.where
        found = sites(
            source,
            rules=where.rules,
            groups=where.groups,
            without=where.without,
            lines=lines,
            function=where.function,
            options=where.options,
        )
        for site in found:
            if self.form == "jsonl":
                yield Printed(formats.json_line(formats.site_row(site, item.path)))
            else:
                yield Printed(formats.site_line(site, item.path))


def _opened(item: Item, *, compiled: bool = False) -> Generator[Row, None, tuple[bytes, Program | None]]:
    """Return the bytes of a file and its program, None where they cannot be had, which is said.

    ``compiled`` says that it will be asked for its defect: then to compile it at once takes less.
    """
    try:
        data = Path(item.path).read_bytes() if item.data is None else item.data
        return data, Program(data, compiled=compiled)
    except OSError as error:
        yield Failed(f"{formats.quoted(item.path)}: {error.strerror or error}")
    except ParseError as error:
        yield _unparsed(item, error)
    return b"", None


def _with_faults(rows: Iterator[Row], item: Item) -> Iterator[Row]:
    """Yield the results for one file; what ends them before their time is the last one."""
    try:
        yield from rows
    except UnknownFunctionError as error:
        yield NoFunction(f"{formats.quoted(item.path)}: {error}")
    except RuleError as error:
        yield Failed(f"{formats.quoted(item.path)}: {error}")
    except ParseError as error:
        yield _unparsed(item, error)


def _unparsed(item: Item, error: ParseError) -> Failed:
    line = f":{error.line}" if error.line is not None else ""
    return Failed(f"{formats.quoted(item.path)}{line}: {' '.join(error.reason.split())}")


def _titled(mutant: Mutant, path: str, text: bytes) -> bytes:
    """Return a text behind a comment that names the mutant, and with a line end, so that the next can follow."""
    end = b"" if not text or text.endswith((b"\n", b"\r")) else b"\n"
    return b"# astmut: " + formats.title(mutant, path).encode() + b"\n" + text + end


def wanted_lines(source: Program, lines: Ranges, changed: Ranges | None) -> Ranges | None:
    """Return the lines that are both asked for and changed; ``()`` where all are wanted, None where none is."""
    if changed is None:
        return lines
    text, fed = source.text, formats.Lines(source.text)
    here = [(text.position(fed.start(a - 1)).line, text.position(max(fed.start(b) - 1, 0)).line) for a, b in changed]
    if lines:
        here = [(max(a, c), min(b, d)) for a, b in here for c, d in lines if max(a, c) <= min(b, d)]
    return tuple(here) or None
