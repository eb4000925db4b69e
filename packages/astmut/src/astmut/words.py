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
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from astmut.model import WORD, Edit, Text
from astmut.source import normal

# How many words there are, and the sum of their hashes; None where that is not known.
Balance: TypeAlias = tuple[int, int] | None

_OFTEN_MET = 80  # characters: the words of longer texts are not kept
_SHORT_NUMBER = 19  # digits
_QUOTES_NEST = sys.version_info >= (3, 12)

_STRING = r"""(?s:'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_OPERATOR = r"->|:=|<>|\*\*=?|//=?|>>=?|<<=?|[-+*/%@&|^<>=!]=|[-+*/%@&|^<>~\[{]"
# Strings with their prefixes and comments match without a group, so that they are no words; the first group is of
# numbers, the second of names and keywords, the third of operators and brackets that the tree has as many of.
_WORD_OR_NOT = re.compile(
    rf"[bBrRuUfFtT]{{0,2}}{_STRING}"
    r"|\#[^\n\r]*"
    r"|(0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d[\d_]*)?[jJ]?)|(\w+)"
    rf"|({_OPERATOR})"
)
_ONE_OPERATOR = re.compile(_OPERATOR)
_FSTRING = re.compile(r"""[fFtT][rR]?["']""")
# Strings, comments with their line end and joined lines; and what may be the beginning of one.
_COMPLETE = re.compile(rf"{_STRING}|\#[^\n\r]*[\n\r]|\\[\n\r]")
_MAY_RUN_ON = re.compile(r"""['"#\\]""")
# `else: if a: b` is the tree of `elif a: b`.
_BRANCHES = frozenset({"if", "elif", "else"})
# Characters: of operators, before and behind strings, and beside which a word, number or operator may go on.
_OPERATES = frozenset("-+*/%@&|^<>=!~:")
_QUOTES = frozenset("'\"")
_OPEN_ENDED = WORD | _OPERATES | {"."}


def words(program: str) -> list[tuple[int, str]] | None:
    """Return the names, keywords and numbers of a program in their order, each with its offset.

    Programs of one tree have the same, since all that can be written in several ways is left out or brought into
    one form. Different trees may have the same: this is a first look, never a proof. None where the program, which may
    be any piece of one, cannot be read.
    """
    if _QUOTES_NEST and _FSTRING.search(program):
        return _tokenized(program)
    found = []
    for match in _WORD_OR_NOT.finditer(program):
        number, name, operator = match.groups()
        if name:
            if name not in _BRANCHES:
                found.append((match.start(), normal(name)))
        elif number:
            found.append((match.start(), _value(number)))
        elif operator:
            found.append((match.start(), operator))
    return found


def _tokenized(program: str) -> list[tuple[int, str]] | None:
    """Return the words of a program with f-strings, in which quotes may stand inside the same quotes."""
    found = []
    lines = io.StringIO(f"({program}", newline="")  # in brackets no indentation is wrong
    starts = [-1]
    for line in lines:
        starts.append(starts[-1] + len(line))
    lines.seek(0)
    inside = 0
    try:
        for token in tokenize.generate_tokens(lines.readline):
            kind = tokenize.tok_name[token.type]
            inside += kind.endswith("STRING_START") - kind.endswith("STRING_END")
            if inside or kind not in _READ or token.string in _BRANCHES:
                continue
            if kind != "OP" or _ONE_OPERATOR.fullmatch(token.string):
                found.append((starts[token.start[0] - 1] + token.start[1], _READ[kind](token.string)))
    except (tokenize.TokenError, SyntaxError) as error:
        if "EOF in multi-line" not in str(error):  # that bracket is never closed
            return None
    return found


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


class Sequence61:
    """The words of a text with a hash of each stretch, so that a change of a few costs no more than those few."""

    __slots__ = ("at", "powers", "sums")

    MODULUS = (1 << 61) - 1
    BASE = 1_000_003

    def __init__(self, found: list[tuple[int, str]]) -> None:
        """Hash all words of a text."""
        self.at = [at for at, _ in found]
        self.sums = [0]
        self.powers = [1]
        for _, word in found:
            self.sums.append((self.sums[-1] * self.BASE + hash(word)) % self.MODULUS)
            self.powers.append(self.powers[-1] * self.BASE % self.MODULUS)

    def changed(self, start: int, end: int, new: list[tuple[int, str]]) -> tuple[int, int]:
        """Return length and hash of the words with those between two offsets replaced by ``new``."""
        before, behind = bisect_left(self.at, start), bisect_left(self.at, end)
        rest = len(self.at) - behind
        total = self.sums[before]
        for _, word in new:
            total = (total * self.BASE + hash(word)) % self.MODULUS
        tail = self.sums[-1] - self.sums[behind] * self.powers[rest]
        return before + len(new) + rest, (total * self.powers[rest] + tail) % self.MODULUS


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


def balance(text: Text, edits: Sequence[Edit]) -> Balance:
    """Return what changes of one tree have in common: words brought in less those taken away, None if not known."""
    length = len(text)
    count = total = 0
    behind = -1  # the last edit and the words that it cuts
    for edit in edits:
        whole = of_whole_words(text, edit, 0, length)
        if whole is None or whole[0] <= behind:
            return None  # an edit in the prefix of a string, or two in one word
        _, behind, old, new = whole
        removed, brought = tally(old), tally(new)
        if removed is None or brought is None:
            return None
        count += brought[0] - removed[0]
        total += brought[1] - removed[1]
    return count, total


def of_whole_words(text: Text, edit: Edit, first: int, last: int) -> tuple[int, int, str, str] | None:
    """Return an edit between two byte offsets, widened by the rest of the words that it cuts: where it is, old and new.

    None where it may put a prefix before a string, or take one away.
    """
    (start, end), new = edit
    bytewise, old = text.bytewise, text.cut(start, end)
    before, behind = bytewise[start - 1 : start], bytewise[end : end + 1]
    if _cuts(before, old, new, behind):
        begin, stop = _widened(bytewise, start, end, first, last)
        head, tail = text.cut(begin, start), text.cut(end, stop)
        start, end, old, new = begin, stop, head + old + tail, head + new + tail
        before, behind = bytewise[start - 1 : start], bytewise[end : end + 1]
    if behind in _QUOTES and ((old or before)[-1:] in WORD or (new or before)[-1:] in WORD):
        return None
    return start, end, old, new


def _cuts(before: str, old: str, new: str, behind: str) -> bool:
    """Whether an edit, between two characters, may begin or end within a word or operator, before or after it."""
    if before in _OPEN_ENDED and (_join(before, old or behind) or _join(before, new or behind)):
        return True
    return behind in _OPEN_ENDED and (_join((old or before)[-1:], behind) or _join((new or before)[-1:], behind))


def _join(left: str, right: str) -> bool:
    """Whether a character and the one behind it, the first of a text, may be in one word, number or operator."""
    if right[:1] in _OPERATES:
        return left in _OPERATES or left in {"e", "E"}  # 1e-5
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
