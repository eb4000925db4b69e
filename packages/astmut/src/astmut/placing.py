"""Where an edit may stand, what keeps its text apart from the words around it, and what a rule did wrong."""

from __future__ import annotations

import libcst as cst

from astmut.model import WORD, Span
from astmut.rulebook import RuleError
from astmut.source import Source

# Nodes that are one token, and bytes that no character of utf-8 begins with.
_TOKENS: frozenset[type[cst.CSTNode]] = frozenset({
    cst.SimpleString, cst.FormattedStringText, cst.TemplatedStringText, cst.Integer, cst.Float, cst.Imaginary, cst.Name,
})  # fmt: skip
TEXTS = _TOKENS | {cst.FormattedString, cst.TemplatedString, cst.ConcatenatedString}
_IN_CHARACTER = frozenset(bytes((byte,)) for byte in range(0x80, 0xC0))

_QUOTE = frozenset("'\"")
JOINING = WORD | {"{"}

_FAULTS: dict[type[Exception], str] = {
    IndexError: "there are no edits in what it gave",
    KeyError: "it names a node that is not in the source",
    UnicodeError: "it cuts a character of the text",  # a ValueError, so before that
    ValueError: "its edits overlap, or are not in the text",
    AttributeError: "it gave no mapping from nodes or spans to texts",
    TypeError: "it gave no mapping from nodes or spans to texts",
}


def fault_of(error: Exception) -> str:
    """Return what a rule did wrong, by what its edits led to."""
    return next(fault for kind, fault in _FAULTS.items() if isinstance(error, kind))


def rule_error(rule: str, source: Source, start: int, fault: str) -> RuleError:
    """Return the error of a rule at the node that begins at byte ``start``."""
    return RuleError(f"rule {rule!r}, line {source.text.position(start).line}: {fault}")


def see_place(source: Source, span: Span) -> None:
    """Raise ``ValueError`` for a span that is not in a program, and ``UnicodeError`` for one that cuts a character."""
    data = source.text.data
    if not source.origin <= span.start <= span.end <= len(source.text):
        raise ValueError
    if data is not None and any(data[at : at + 1] in _IN_CHARACTER for at in span):
        raise UnicodeError


def token_of(source: Source, node: cst.CSTNode, place: Span) -> Span | None:
    """Return the span of the token, in a node that is one or is a string of several, that a place is a part of."""
    nodes, starts, ends = source.nodes, source.starts, source.ends
    number = source.number(node)
    while number < len(nodes) and starts[number] <= place.start:
        if type(nodes[number]) in _TOKENS and place.end <= ends[number]:
            return Span(starts[number], ends[number])
        number += 1
    return None


def outside(token: Span | None, place: Span, before: str, behind: str) -> tuple[str, str]:
    """Return the characters before and behind a place without those of the token that it is a part of."""
    if token is None:
        return before, behind
    return "" if token.start < place.start else before, "" if place.end < token.end else behind


def spaced(before: str, behind: str, new: str, *, inserted: bool) -> str:
    """Return ``new`` with a blank before or behind it where it would run into a word that ends or begins there.

    ``1if"a"else 2`` with 3 for the string must become ``1if 3 else 2``; two braces in a row would be an escape
    in an f-string.
    """
    if not new:
        joins = before in WORD and (behind in WORD or behind in _QUOTE)
        return " " if (joins or before == "{" == behind) and not inserted else ""
    first, last = new[0], new[-1]
    if before in WORD:
        if first in WORD or first in _QUOTE or first > "\x7f":
            new = f" {new}"
    elif before == "{" == first:
        new = f" {new}"
    if behind in WORD and (last in WORD or last > "\x7f"):
        new = f"{new} "
    return new
