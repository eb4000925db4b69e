"""The words of a text: names, keywords, numbers and operators. Programs of one tree have the same.

They are read from any piece of a program by regular expressions, without a parser, and tell most changes apart before
a tree is built. What can be written in several ways is left out, or brought into one form.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from astmut.model import WORD, Edit, Span, Text
from astmut.source import LINE_END, Source, normal
from astmut.tokens import WITH_EXPRESSIONS

# How many words there are, and the sum of their hashes; None where that is not known.
Balance: TypeAlias = tuple[int, int] | None
# A word or string of a program: its offset, which of these it is, and its text, the word's in one form. A break is a
# comma or colon, no part of what counts: strings on both sides of it are two.
Piece: TypeAlias = tuple[int, int, str]
WORD_OR_NUMBER, STRING, FSTRING, BREAK = range(4)

_OFTEN_MET = 80  # characters: the words of longer texts are not kept
_SHORT_NUMBER = 19  # digits
_QUOTES_NEST = sys.version_info >= (3, 12)
_STRINGS = frozenset({STRING, FSTRING})

_ESCAPED = r"\\(?:\r\n|.)"
_STRING = (
    rf"""(?s:'{{3}}(?:\\.|[^\\])*?'{{3}}|"{{3}}(?:\\.|[^\\])*?"{{3}}"""
    rf"""|'(?:{_ESCAPED}|[^'\\\n])*'|"(?:{_ESCAPED}|[^"\\\n])*")"""
)
_OPERATOR = r"->|:=|<>|\*\*=?|//=?|>>=?|<<=?|[-+*/%@&|^<>=!]=|[-+*/%@&|^<>~{]"
# Strings with their prefixes and comments match without a group, so that they are no words; the first group is of
# numbers, the second of names and keywords, the third of operators and braces that the tree has as many of (a pattern
# may be written in brackets or parentheses), the fourth of commas and colons but those before a closing bracket. There,
# a comment has to reach the end of its line: if "##" could be two of them, a line of them would be read in 2**n ways.
_WORD_OR_NOT = re.compile(
    rf"[bBrRuUfFtT]{{0,2}}{_STRING}"
    r"|\#[^\n\r]*"
    r"|(0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d[\d_]*)?[jJ]?)|([\w\x80-\U0010ffff]+)"
    rf"|({_OPERATOR})|([,:](?!(?:\s|\#[^\n\r]*(?![^\n\r]))*[)\]}}]))"
)
_ONE_OPERATOR = re.compile(_OPERATOR)
_FSTRING = re.compile(rf"""{WITH_EXPRESSIONS}["']""")
# Strings, comments with their line end and joined lines; and what may be the beginning of one.
_COMPLETE = re.compile(rf"{_STRING}|\#[^\n\r]*[\n\r]|\\[\n\r]")
_MAY_RUN_ON = re.compile(r"""['"#\\]""")
# `else: if a: b` is the tree of `elif a: b`.
_BRANCHES = frozenset({"if", "elif", "else"})
# Characters: of operators, before and behind strings, and beside which a word, number or operator may go on.
_OPERATES = frozenset("-+*/%@&|^<>=!~:")
_QUOTES = frozenset("'\"")
_EXPONENTS = frozenset("eEjJ")
_EXPONENT = re.compile(r"\d\.[eEjJ]")
_BREAKS, _CLOSING = frozenset(",:"), frozenset(")]}")
_LINE_ENDS = frozenset("\r\n")
_TRIPLE = frozenset({"'''", '"""'})
_TWO_TRIPLE = 5  # characters, at least one less than two triple quotes are
_OPEN_ENDED = WORD | _OPERATES | {"."}


def words(program: str) -> list[tuple[int, str]] | None:
    """Return the names, keywords and numbers of a program in their order, each with its offset.

    Programs of one tree have the same, since all that can be written in several ways is left out or brought into
    one form. Different trees may have the same: this is a first look, never a proof. None where the program, which may
    be any piece of one, cannot be read.
    """
    found = pieces(program)
    return None if found is None else [(at, text) for at, kind, text in found if kind == WORD_OR_NUMBER]


def pieces(program: str) -> list[Piece] | None:
    """Return the words and strings of a program in their order, None where it cannot be read."""
    if _QUOTES_NEST and _FSTRING.search(program):
        return _tokenized(program)
    found: list[Piece] = []
    for match in _WORD_OR_NOT.finditer(program):
        number, name, operator, between = match.groups()
        if name:
            if name not in _BRANCHES:
                found.append((match.start(), WORD_OR_NUMBER, normal(name)))
        elif number:
            found.append((match.start(), WORD_OR_NUMBER, _value(number)))
        elif operator:
            found.append((match.start(), WORD_OR_NUMBER, operator))
        elif between:
            found.append((match.start(), BREAK, between))
        elif (text := match[0])[0] != "#":
            found.append((match.start(), FSTRING if _FSTRING.match(text) else STRING, text))
    return found


def _tokenized(program: str) -> list[Piece] | None:
    """Return the pieces of a program with f-strings, in which quotes may stand inside the same quotes."""
    found: list[Piece] = []
    try:
        for at, kind, text in _tokens(program):
            if kind == "FSTRING":
                found.append((at, FSTRING, text))
            elif kind == "STRING":
                found.append((at, STRING, text))
            elif text in _BREAKS:
                found.append((at, BREAK, text))
            elif text in _CLOSING:
                if found and found[-1][1] == BREAK:
                    found.pop()
            elif kind in _READ and text not in _BRANCHES and (kind != "OP" or _ONE_OPERATOR.fullmatch(text)):
                found.append((at, WORD_OR_NUMBER, _READ[kind](text)))
    except (tokenize.TokenError, SyntaxError) as error:
        if "EOF in multi-line" not in str(error):  # that bracket is never closed
            return None
    return found


def _tokens(program: str) -> Iterator[tuple[int, str, str]]:
    """Yield offset, kind and text of each token; a whole f-string is one, ``FSTRING``, whose text is left out."""
    lines = io.StringIO(f"({program}", newline="")  # in brackets no indentation is wrong
    starts = [-1]
    for line in lines:
        starts.append(starts[-1] + len(line))
    lines.seek(0)
    inside = 0
    for token in tokenize.generate_tokens(lines.readline):
        kind = tokenize.tok_name[token.type]
        at = starts[token.start[0] - 1] + token.start[1]
        if kind.endswith("STRING_END"):
            inside -= 1
            continue
        if not inside:
            yield (at, "FSTRING", "") if kind.endswith("STRING_START") else (at, kind, token.string)
        inside += kind.endswith("STRING_START")


def _value(number: str) -> str:
    """Return a number as Python reads it, or what stands for it."""
    if len(number) < _SHORT_NUMBER and number.isdecimal() and number[0] != "0":
        return number
    try:
        value = ast.literal_eval(number)
    except (SyntaxError, ValueError):  # a piece of a number
        return number
    return str(value) if type(value) is int and value < 10**_SHORT_NUMBER else f"{type(value).__name__} {hash(value)}"


_READ: dict[str, Callable[[str], str]] = {"NAME": normal, "NUMBER": _value, "OP": str}


def sequence_of(program: str) -> Sequence61 | None:
    """Return the pieces of a program as a sequence, None where they cannot be read."""
    found = pieces(program)
    if found is None:
        return None
    try:
        return Sequence61(found)
    except ValueError:
        return None


class Sequence61:
    """The words and strings of a text with a hash of each stretch: a change of a few costs no more than those few.

    Strings count by what they say, character by character, so that ``"a" "b"`` is ``"ab"``. Those with an f-string
    among them and no word, comma or colon between do not count, for its fields are not read.
    """

    __slots__ = ("_at", "_behind", "_kinds", "_muted", "_sums")

    MODULUS = (1 << 61) - 1
    BASE = 1_000_003

    def __init__(self, found: list[Piece]) -> None:
        """Hash all pieces of a text. Raises ``ValueError`` for a string that cannot be read."""
        self._at = array("Q", [at for at, _, _ in found])
        self._kinds = bytes([kind for _, kind, _ in found])
        # Those that do not count, by their number. The text of others is not needed again.
        muted = _beside_fstrings(found)
        self._muted = {number: piece for number, piece in enumerate(found) if muted[number]}
        terms = self._terms(found)
        sums, behind = [0], [1]  # of the first n pieces; the factor of all but the first n
        for factor, summand in terms:
            sums.append((sums[-1] * factor + summand) % self.MODULUS)
        for factor, _ in reversed(terms):
            behind.append(behind[-1] * factor % self.MODULUS)
        self._sums, self._behind = array("Q", sums), array("Q", reversed(behind))

    @property
    def hash(self) -> int:
        """The hash of the text."""
        return self._sums[-1]

    def changed(self, start: int, end: int, text: str) -> int | None:
        """Return the hash with a text in the place of what is between two offsets, None where it is not known.

        The offsets must not be inside a piece.
        """
        new = pieces(text)
        if new is None:
            return None
        first, last = bisect_left(self._at, start), bisect_left(self._at, end)
        if self._muted or any(kind == FSTRING for _, kind, _ in new):
            widened = self._between_words(first, last, new)
            if widened is None:
                return None
            first, last, new = widened
        try:
            terms = self._terms(new)
        except ValueError:
            return None
        total = self._sums[first]
        for factor, summand in terms:
            total = (total * factor + summand) % self.MODULUS
        rest = self._behind[last]
        return (total * rest + self._sums[-1] - self._sums[last] * rest) % self.MODULUS

    def _between_words(self, first: int, last: int, new: list[Piece]) -> tuple[int, int, list[Piece]] | None:
        """Return a change widened to the next words or breaks where an f-string matters to the strings beside it.

        None where strings that count now would not count then.
        """
        kinds, muted, start, end = self._kinds, self._muted, first, last
        while start and kinds[start - 1] in _STRINGS:
            start -= 1
        while end < len(kinds) and kinds[end] in _STRINGS:
            end += 1
        around = [*range(start, first), *range(last, end)]
        if all(number in muted for number in around):
            head, tail = (map(muted.__getitem__, span) for span in (range(start, first), range(last, end)))
            return start, end, [*head, *new, *tail]
        if any(number in muted for number in around) or any(kind == FSTRING for _, kind, _ in new):
            return None
        return first, last, new

    def _terms(self, found: list[Piece]) -> list[tuple[int, int]]:
        """Return factor and summand of each piece."""
        base = self.BASE
        if not any(kind for _, kind, _ in found):  # words alone
            return [(base, hash(text)) for _, _, text in found]
        return [
            (base, hash(text)) if kind == WORD_OR_NUMBER else (1, 0) if mute or kind == BREAK else _string_term(text)
            for (_, kind, text), mute in zip(found, _beside_fstrings(found), strict=True)
        ]


@lru_cache(4096)
def _string_term(literal: str) -> tuple[int, int]:
    """Return factor and summand of a string."""
    said = _said(literal)
    return pow(256, len(said), Sequence61.MODULUS), int.from_bytes(said, "big") % Sequence61.MODULUS


def _beside_fstrings(found: list[Piece]) -> list[bool]:
    """Return for each piece whether it is an f-string, or a string with no word or break between it and one."""
    mute: list[bool] = []
    run = 0  # strings since the last word
    fstrings = False
    for _, kind, _ in found:
        if kind not in _STRINGS:
            mute += [fstrings] * run
            mute.append(False)
            run, fstrings = 0, False
        else:
            run += 1
            fstrings |= kind == FSTRING
    return mute + [fstrings] * run


def _said(literal: str) -> bytes:
    """Return what a string says, as bytes. Raises ``ValueError`` where that cannot be read."""
    if literal[0] in _QUOTES and "\\" not in literal and "\r" not in literal:
        size = 3 if literal[:3] in _TRIPLE and len(literal) > _TWO_TRIPLE else 1
        return literal[size:-size].encode("utf-8", "surrogatepass")
    try:
        value: str | bytes = ast.literal_eval(literal)
    except SyntaxError as error:
        raise ValueError(literal) from error
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def tally(text: str) -> Balance:
    """Return how many words a text has and the sum of their hashes, None where it may run on into what follows it."""
    return _tally(text) if len(text) < _OFTEN_MET else _tally.__wrapped__(text)


def may_run_on(text: str) -> bool:
    """Whether a piece of a program may take in what follows it, as the beginning of a string or comment would."""
    return _MAY_RUN_ON.search(text) is not None and _MAY_RUN_ON.search(_COMPLETE.sub("", text)) is not None


@lru_cache(4096)
def _tally(text: str) -> Balance:
    if may_run_on(text):
        return None
    found = words(text)
    return None if found is None else (len(found), sum([hash(word) for _, word in found]))


def balance(source: Source, edits: Sequence[Edit]) -> Balance:
    """Return what changes of one tree have in common: words brought in less those taken away, None if not known."""
    length = len(source.text)
    count = total = 0
    behind = -1  # the last edit and the words that it cuts
    for edit in edits if len(edits) == 1 else _of_whole_strings(source, edits):
        whole = of_whole_words(source, edit, 0, length)
        if whole is None or whole[0] <= behind:
            return None  # an edit in the prefix of a string, or two in one word
        _, behind, old, new = whole
        removed, brought = tally(old), tally(new)
        if removed is None or brought is None:
            return None
        count += brought[0] - removed[0]
        total += brought[1] - removed[1]
    return count, total


def _of_whole_strings(source: Source, edits: Sequence[Edit]) -> Sequence[Edit]:
    """Return edits with those in one string as one edit of all of it."""
    spans = [_around_strings(source, edit.span) for edit in edits]
    if spans == [edit.span for edit in edits]:
        return edits
    wider: list[Span] = []
    groups: list[list[Edit]] = []
    for edit, span in zip(edits, spans, strict=True):
        if wider and span.start < wider[-1].end:
            wider[-1] = Span(wider[-1].start, max(wider[-1].end, span.end))
            groups[-1].append(edit)
        else:
            wider.append(span)
            groups.append([edit])
    return [Edit(span, source.text.splice(inside, *span)) for span, inside in zip(wider, groups, strict=True)]


def _around_strings(source: Source, span: Span) -> Span:
    """Return a span with the rest of the strings that it cuts."""
    (start, end), (starts, ends) = span, source.strings
    begin, stop = start, end
    at = bisect_right(starts, start)
    if at and start < ends[at - 1]:
        begin, stop = starts[at - 1], max(end, ends[at - 1])
    if at < len(starts) and starts[at] < end:
        at = bisect_left(starts, end, at) - 1
        stop = max(end, ends[at])
    return span if (begin, stop) == (start, end) else Span(begin, stop)


def of_whole_words(source: Source, edit: Edit, first: int, last: int) -> tuple[int, int, str, str] | None:
    """Return an edit between two byte offsets, widened by the rest of what it cuts: where it is, old and new.

    None where it begins in a comment, or may put a prefix before a string, or take one away.
    """
    (start, end), new = edit
    text = source.text
    bytewise, old = text.bytewise, text.cut(start, end)
    starts, ends = _unread(source)
    at = bisect_right(starts, start)
    inside = at and start < ends[at - 1]
    if inside and bytewise[starts[at - 1]] == "#":
        if not _at_line_end(bytewise, edit):
            return None
        first = start  # what stands before it is no code
    if inside or (at < len(starts) and starts[at] < end):
        begin, stop = _around_strings(source, edit.span)
        if (begin, stop) != (start, end):
            start, end, old, new = _with_the_rest(text, edit, begin, stop)
    before, behind = bytewise[start - 1 : start], bytewise[end : end + 1]
    if (before == "." or behind in _EXPONENTS) and _halves_number(
        bytewise[max(0, start - 2) : start], old, new, behind
    ):
        return None
    if _cuts(before, old, new, behind):
        begin, stop = _widened(bytewise, start, end, first, last)
        start, end, old, new = _with_the_rest(text, Edit(Span(start, end), new), begin, stop)
        before, behind = bytewise[start - 1 : start], bytewise[end : end + 1]
    if behind in _QUOTES and ((old or before)[-1:] in WORD or (new or before)[-1:] in WORD):
        return None
    if before in WORD and ((old or behind)[:1] in _QUOTES or (new or behind)[:1] in _QUOTES):
        return None
    return start, end, old, new


def _unread(source: Source) -> tuple[list[int], list[int]]:
    """Return starts and ends of the outermost strings and of the comments of a source, in order.

    A comment is taken to end behind its line end, so that what stands before that is inside.
    """
    known: Any = source.memo.get("unread")
    if known is not None:
        return known  # type: ignore[no-any-return]  # asked for each edit
    starts, ends = source.strings
    spans = list(zip(starts, ends, strict=True))
    bytewise = source.text.bytewise
    at = bytewise.find("#")
    while at >= 0:
        string = bisect_right(starts, at) - 1
        if string >= 0 and at < ends[string]:
            behind = ends[string]
        else:
            line_end = LINE_END.search(bytewise, at)
            behind = line_end.end() if line_end else len(bytewise) + 1
            spans.append((at, behind))
        at = bytewise.find("#", behind)
    spans.sort()
    found = [start for start, _ in spans], [end for _, end in spans]
    source.memo["unread"] = found
    return found


def _at_line_end(bytewise: str, edit: Edit) -> bool:
    """Whether a line ends where an edit begins, before and after."""
    (start, end), new = edit
    return {bytewise[start : start + 1], (new or bytewise[end : end + 1])[:1]} <= _LINE_ENDS


def _with_the_rest(text: Text, edit: Edit, begin: int, stop: int) -> tuple[int, int, str, str]:
    """Return an edit of all that is between two byte offsets around it: where it is, old and new."""
    (start, end), new = edit
    head, tail = text.cut(begin, start), text.cut(end, stop)
    return begin, stop, text.cut(begin, stop), head + new + tail


def _halves_number(head: str, old: str, new: str, behind: str) -> bool:
    """Whether an edit, between two texts, may begin or end before an exponent that follows a point, as in ``1.e5``."""
    for part in (old, new):
        middle = part if len(part) <= len("1.e") else f"{part[:1]} {part[-2:]}"
        if _EXPONENT.search(head + middle + behind):
            return True
    return False


def _cuts(before: str, old: str, new: str, behind: str) -> bool:
    """Whether an edit, between two characters, may begin or end within a word or operator, before or after it."""
    if before in _OPEN_ENDED and (_join(before, old or behind) or _join(before, new or behind)):
        return True
    return behind in _OPEN_ENDED and (_join((old or before)[-1:], behind) or _join((new or before)[-1:], behind))


def _join(left: str, right: str) -> bool:
    """Whether a character and the one behind it, the first of a text, may be in one word, number or operator."""
    if right[:1] in _OPERATES:
        return left in _OPERATES or (left in {"e", "E"} and right[:1] in {"+", "-"})  # 1e-5
    if left in _OPERATES or "." in {left, right[:1]}:
        return left.isdigit() or right[:1].isdigit()  # 1.5
    return (left in WORD or left > "\x7f") and (right[:1] in WORD or right[:1] > "\x7f")


def _widened(bytewise: str, start: int, end: int, first: int, last: int) -> tuple[int, int]:
    """Return a span with the rest of the words, numbers and operators that it cuts, within ``first`` and ``last``."""
    while start > first and bytewise[start - 1] in _OPEN_ENDED:
        start -= 1
    while end < last and bytewise[end] in _OPEN_ENDED:
        end += 1
    return start, end
