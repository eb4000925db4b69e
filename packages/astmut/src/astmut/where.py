"""Which part of a source is asked for: lines, a function by name, and what ``# astmut: skip`` leaves out."""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import index

import libcst as cst
from rapidfuzz import process

from astmut.model import Edit, Span
from astmut.source import Source
from astmut.surroundings import statement_span, suite_span

# Other tools' remarks may stand before it in the same comment; what is quoted is talk of it.
_SKIP = re.compile(r"""[#,;]\s*astmut:\s*skip(?P<file>-file)?(?![\w`'"-])""")
_OPEN, _CLOSED = frozenset("([{"), frozenset(")]}")
_PARTS = (cst.Else, cst.ExceptHandler, cst.ExceptStarHandler, cst.Finally, cst.MatchCase)
_STATEMENTS = (cst.BaseCompoundStatement, cst.SimpleStatementLine, *_PARTS)

LINES = "lines are pairs of first and last line, such as [(1, 2)], not {!r}"


class UnknownFunctionError(LookupError):
    """A source has no function or class of this qualified name; the message suggests the nearest that it has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which nodes and changes are wanted: ``inside`` all of some sets of spans, and not in those that are skipped."""

    inside: Sequence[Sequence[Span]]
    skipped: Sequence[Span]

    def node(self, start: int) -> bool:
        """Whether a node that begins at a byte is wanted."""
        return all(_holds(spans, start) for spans in self.inside) and not _holds(self.skipped, start)

    def change(self, edits: Iterable[Edit]) -> bool:
        """Whether edits write nothing into what is skipped, wherever their node begins; to delete all of it is fine."""
        return not any(new and _holds(self.skipped, span.start) for span, new in edits)


def _holds(spans: Iterable[Span], at: int) -> bool:
    return any(start <= at < end for start, end in spans)


def wanted(source: Source, lines: Iterable[tuple[int, int]] = (), function: str | None = None) -> Wanted | None:
    """Return a test of nodes and of what changes them, None where every one is wanted.

    A node is wanted where it begins: in one of ``lines`` (first and last line, from 1), in ``function`` (a
    qualified name such as ``Class.method``; a class means all of it), and not under a skip comment.
    Raises ``UnknownFunctionError`` where there is no such function.
    """
    tests: list[list[Span]] = []
    if ranges := list(lines):
        tests.append(sorted(_line_spans(source, ranges)))
    if function is not None:
        tests.append(function_spans(source, function))
    skipped = skipped_spans(source)
    return Wanted(tests, skipped) if tests or skipped else None


def _line_spans(source: Source, ranges: Iterable[tuple[int, int]]) -> Iterator[Span]:
    starts = [*source.text.line_starts(), len(source.text) + 1]
    last = len(starts) - 1
    for pair in ranges:
        try:
            a, b = pair
            first, behind = max(index(a), 1) - 1, min(index(b), last)
        except (TypeError, ValueError):
            raise TypeError(LINES.format(pair)) from None
        if first < behind:
            yield Span(starts[first], starts[behind])


def function_spans(source: Source, name: str) -> list[Span]:
    """Return the spans of all functions or classes with this qualified name, decorators included."""
    if not isinstance(name, str):
        raise TypeError(f"function is a qualified name, such as 'Class.method', not {name!r}")
    wanted_name = name.replace("<locals>.", "")
    known: dict[str, list[Span]] = {}
    for node in source.nodes:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            outer = [a.name.value for a in source.ancestors(node) if isinstance(a, (cst.FunctionDef, cst.ClassDef))]
            known.setdefault(".".join([*reversed(outer), node.name.value]), []).append(statement_span(node, source))
    if wanted_name not in known:
        near = process.extractOne(wanted_name, list(known), score_cutoff=60)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownFunctionError(f"no function or class named {name!r}{hint}")
    return known[wanted_name]


def skipped_spans(source: Source) -> list[Span]:
    """Return what skip comments leave out.

    ``# astmut: skip`` behind a statement means that statement; behind the header of a compound statement all of
    it; behind ``else``, ``except``, ``finally`` or ``case`` that block; on a line of its own the statement or block
    that follows, in the middle of a statement that one. ``# astmut: skip-file`` means the whole text.
    """
    if _SKIP.search(source.text.value) is None:
        return []
    spans: list[Span] = []
    for line, alone, comment in _comments(source.text.value):
        if (match := _SKIP.search(comment)) is None:
            continue
        if match["file"]:
            return [Span(0, len(source.text) + 1)]
        spans += _skipped_by(source, line, alone=alone)
    return spans


def _comments(text: str) -> Iterator[tuple[int, bool, str]]:
    """Yield the line of each comment, whether it is alone there and inside no brackets, and its text.

    A ``#`` in a string is none.
    """
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text.removeprefix("\ufeff"), newline="").readline):
            if token.type == tokenize.OP:
                depth += (token.string in _OPEN) - (token.string in _CLOSED)
            elif token.type == tokenize.COMMENT:
                yield token.start[0], not depth and not token.line[: token.start[1]].strip(), token.string
    except (tokenize.TokenError, SyntaxError):  # the tokenizer is stricter than the compiler in odd corners
        return


def _skipped_by(source: Source, line: int, *, alone: bool) -> Iterator[Span]:
    """Yield the outermost statement, or block of one, that a skip comment on ``line`` speaks of."""
    lines = source.text.line_starts()
    following: Span | None = None
    for at, node in enumerate(source.nodes):
        if not isinstance(node, _STATEMENTS):
            continue
        span = statement_span(node, source)
        first = bisect_right(lines, span.start)
        if alone:
            if bisect_right(lines, source.starts[at]) > line:  # between a decorator and its function, too
                following = span
                break
            continue
        if first <= line <= max(first, _last_line_of_header(source, at, lines)):
            yield span
            return
    if following is not None:
        yield following


def _last_line_of_header(source: Source, at: int, lines: list[int]) -> int:
    """Return the line before the first line of a statement's block, the last line of a statement without one."""
    node = source.nodes[at]
    if isinstance(node, cst.Match):
        return bisect_right(lines, source.span(node.cases[0]).start) - 1
    body = getattr(node, "body", None)
    if isinstance(body, cst.IndentedBlock):
        return bisect_right(lines, suite_span(body, source).start - 1) - 1
    if isinstance(body, cst.SimpleStatementSuite):
        return bisect_right(lines, source.span(body.body[-1]).end)
    return bisect_right(lines, source.ends[at])
