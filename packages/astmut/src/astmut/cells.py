"""Pieces of a source that compile on their own in a wrapper, and where they are.

The wrapper repeats what surrounds a piece and matters to the compiler: the kind of function, a loop, a class. It is
left out where neither the piece nor a change of it has a word that depends on it, which makes compiling a third
cheaper.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import sys
import tokenize
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

import libcst as cst

from astmut.model import WORD, Edit, Span, Text, hull
from astmut.source import Source, deeply, normal
from astmut.surroundings import is_target

# How many words there are, and the sum of their hashes; None where that is not known.
Balance: TypeAlias = tuple[int, int] | None

# Reasons to refuse a mutant.
UNCOMPILABLE_SOURCE = "source-does-not-compile"
INVALID = "invalid-syntax"
UNCHANGED = "same-tree"
DUPLICATE = "duplicate"
UNENCODABLE = "not-in-the-files-encoding"

# A wrapped statement stands at a column that no line of a real file starts at, and `pass` follows in the same
# column: a line that slips out of its brackets cannot pass for a statement of its own.
INDENT = " " * 37
SUFFIX = f"\n{INDENT}pass\n"
_SCOPES = {"": "if 1:\n", "class": "class _:\n", "def": "def _():\n", "async": "async def _():\n"}
_ONE_LINE = {"": "", "class": "", "def": "def _(): ", "async": "async def _(): "}

# What a piece without a wrapper must not hold, and no change may bring into it.
NEEDS_WRAPPER = re.compile(r"[\n\r;#\\]|:=|\b(?:await|async|yield|return|break|continue|import|global|nonlocal)\b")
_ONE_LINE_WILL_DO = re.compile(r"\b(?:await|yield|return)\b")
_KEYWORDS_OF_HEADER = re.compile(r"(?:async\s+)?(?:if|elif|while|for|with|def|class)\b")
_BLANK_OR_COMMENT = frozenset(" \t\f\n\r\v#\\")
LINE_END = re.compile(r"[\r\n]")
# No parenthesis or comma, which a program may have more or fewer of with the same tree. Strings that stand side by side
# are one, but that one begins where its first begins, whatever is in them.
_ONE_TOKEN = re.compile(
    r"""\w+|[-+*/%@<>=!&|^~]+|is[ \t]+not|not[ \t]+in|[\[\]{}]|[bBrRuU]{0,2}(?:'[^'\\\n\r]*'|"[^"\\\n\r]*")"""
)
_FSTRING = re.compile(r"""[fFtT][rR]?["']""")

_HEADERS = (cst.If, cst.While, cst.For, cst.With, cst.FunctionDef, cst.ClassDef)
_HANDLERS = (cst.ExceptHandler, cst.ExceptStarHandler)
_DISPLAYS = {cst.List, cst.Tuple}
_NOT_INTO = {cst.FormattedString, cst.TemplatedString}
_HOLDERS = {cst.Element, cst.DictElement, cst.Arg}


# Strings with their prefixes and comments match without a group, so that they are no words; the first group is of
# numbers, the second of names and keywords, the third of operators and brackets that the tree has as many of.
_OPERATOR = r"->|:=|<>|\*\*=?|//=?|>>=?|<<=?|[-+*/%@&|^<>=!]=|[-+*/%@&|^<>~\[{]"
_WORD_OR_NOT = re.compile(
    r"""[bBrRuUfFtT]{0,2}(?s:'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|\#[^\n\r]*"""
    r"""|(0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d[\d_]*)?[jJ]?)|(\w+)"""
    rf"""|({_OPERATOR})"""
)
# Strings, comments with their line end and joined lines; and what may be the beginning of one.
_COMPLETE = re.compile(
    r"""(?s:'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|\#[^\n\r]*[\n\r]|\\[\n\r]"""
)
_MAY_RUN_ON = re.compile(r"""['"#\\]""")
# `else: if a: b` is the tree of `elif a: b`.
_BRANCHES = frozenset({"if", "elif", "else"})
_ONE_OPERATOR = re.compile(_OPERATOR)
_SHORT_NUMBER = 19  # digits
_OPERATES = frozenset("-+*/%@&|^<>=!~:")
_QUOTES = frozenset("'\"")
_OPEN_ENDED = WORD | _OPERATES | {"."}
_OFTEN_MET = 80  # characters: the words of longer texts are not kept
_QUOTES_NEST = sys.version_info >= (3, 12)


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


def tally(text: str) -> Balance:
    """Return how many words a text has and the sum of their hashes, None where it may run on into what follows it."""
    return _tally(text) if len(text) < _OFTEN_MET else _tally.__wrapped__(text)


@lru_cache(4096)
def _tally(text: str) -> Balance:
    if _MAY_RUN_ON.search(text) and _MAY_RUN_ON.search(_COMPLETE.sub("", text)):
        return None
    found = words(text)
    return None if found is None else (len(found), sum([hash(word) for _, word in found]))


def balance(text: Text, edits: Sequence[Edit]) -> Balance:
    """Return what changes of one tree have in common: words brought in less those taken away, None if not known."""
    bytewise = text.bytewise
    count = total = 0
    behind = -1  # the last edit and the words that it cuts
    for (start, end), new in edits:
        first, last, old = start, end, text.cut(start, end)
        if _cuts(bytewise[start - 1 : start], old, new, bytewise[end : end + 1]):
            first, last = _widened(bytewise, start, end, 0, len(bytewise))
            head, tail = text.cut(first, start), text.cut(end, last)
            old, new = head + old + tail, head + new + tail  # noqa: PLW2901
        if first <= behind or _prefixes(bytewise[first - 1 : first], old, new, bytewise[last : last + 1]):
            return None  # two edits in one word, or one in the prefix of a string
        behind = last
        removed, brought = tally(old), tally(new)
        if removed is None or brought is None:
            return None
        count += brought[0] - removed[0]
        total += brought[1] - removed[1]
    return count, total


def _cuts(before: str, old: str, new: str, behind: str) -> bool:
    """Whether an edit, between two characters, may begin or end within a word or operator, before or after it."""
    if before in _OPEN_ENDED and (_join(before, old or behind) or _join(before, new or behind)):
        return True
    return behind in _OPEN_ENDED and (_join((old or before)[-1:], behind) or _join((new or before)[-1:], behind))


def _prefixes(before: str, old: str, new: str, behind: str) -> bool:
    """Whether an edit, between two characters, may put a prefix before a string, or take one away."""
    return behind in _QUOTES and ((old or before)[-1:] in WORD or (new or before)[-1:] in WORD)


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


class Outcome(NamedTuple):
    """What compiling a program gave.

    ``outline`` depends on the tree alone, ``steps`` (the byte code) on tree and lines; neither depends on columns.
    """

    outline: tuple[Any, ...]
    steps: tuple[Any, ...]


def outcome(code: CodeType) -> Outcome:
    """Take from a code object what tells trees apart."""
    consts: list[Any] = []
    steps: list[Any] = [code.co_code]
    for const in code.co_consts:
        kind = type(const)
        if kind is CodeType:
            inner = outcome(const)
            steps.append(inner.steps)
            if inner.outline not in consts:  # equal functions are one constant where they stand on one line
                consts.append(inner.outline)
        elif kind is int and "__firstlineno__" in code.co_names:  # the body of a class, which knows its line since 3.13
            steps.append(const)
        else:
            consts += (kind, _equal_to_itself(const) if kind in _MAY_HOLD_NAN else const)
    outline = (
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        tuple(consts),
    )
    return Outcome(outline, tuple(steps))


_MAY_HOLD_NAN = {float, complex, tuple, frozenset}


def _equal_to_itself(const: object) -> object:
    """Return a constant with its numbers as text: a NaN, which folding may leave, is not equal to itself."""
    if isinstance(const, (float, complex)):
        return repr(const)
    if isinstance(const, tuple):
        return tuple(map(_equal_to_itself, const))
    if isinstance(const, frozenset):
        return frozenset(map(_equal_to_itself, const))
    return const


def dump(tree: ast.AST) -> str:
    """Return a text that two trees have in common where they are equal, positions aside.

    As ``ast.dump``, but without recursion: on Python 3.12 no stack is deep enough for that on a long ``elif`` ladder.
    """
    lines: list[str] = []
    left: list[Any] = [tree]
    while left:
        one = left.pop()
        if isinstance(one, ast.AST):
            lines.append(type(one).__name__)
            left += [getattr(one, name, None) for name in reversed(one._fields)]
        elif isinstance(one, list):
            lines.append(str(len(one)))
            left += reversed(one)
        else:
            lines.append(f"={one!r}")
    return "\n".join(lines)


class Seen(NamedTuple):
    """An accepted mutant of a cell; ``edits`` are kept of pieces of several lines only."""

    program: str
    steps: tuple[Any, ...]
    moved: bool
    edits: Sequence[Edit]


class Cell:
    """A piece of the source in its wrapper, and the mutants seen in it.

    ``bare`` cells have no wrapper: they are one line, free of all that ``NEEDS_WRAPPER`` finds. ``role`` is empty
    where a cell is a compound statement or more, which others may stand around and inside.
    """

    __slots__ = (
        "_one_line",
        "_original",
        "_programs",
        "_seen",
        "_sequence",
        "_trees",
        "bare",
        "end",
        "flags",
        "prefix",
        "role",
        "start",
        "suffix",
        "text",
    )

    def __init__(self, text: Text, span: Span, prefix: str, suffix: str, flags: int, *, bare: bool = False) -> None:
        """Nothing is compiled before the first question."""
        self.text, (self.start, self.end), self.prefix, self.suffix, self.flags = text, span, prefix, suffix, flags
        self.bare, self.role = bare, ""
        self._original: Outcome | bool | None = False
        self._one_line: bool | None = None
        self._sequence: Sequence61 | bool | None = False
        self._seen: dict[tuple[Any, ...], list[Seen]] = {}
        self._trees: dict[str, bytes] = {}
        self._programs: set[str] = set()

    @property
    def span(self) -> Span:
        """The bytes of the source that the cell covers."""
        return Span(self.start, self.end)

    def begins_well(self, edits: Sequence[Edit]) -> bool:
        """Whether something still begins where the cell began: if not, its line may be in another block, or none."""
        at = self.start
        for (start, end), new in edits:
            if start > at:
                return True
            if new:
                return new[0] not in _BLANK_OR_COMMENT
            at = end
        return at < self.end and self.text.cut(at, self.end)[0] not in _BLANK_OR_COMMENT

    def ends_well(self, edits: Sequence[Edit]) -> bool:
        """Whether the last line is still the cell's own: a backslash at its end would take in the next one."""
        at = self.end
        for (start, end), new in reversed(edits):
            if end < at:
                break
            if new:
                return not new.endswith("\\")
            at = start
        return self.text.bytewise[at - 1 : at] != "\\"

    def program(self, edits: Sequence[Edit] = ()) -> str:
        """Return the cell in its wrapper, with ``edits`` made, which all lie inside it."""
        return self.prefix + self.text.splice(edits, self.start, self.end) + self.suffix

    def compiled(self, program: str) -> Outcome | None:
        """Return what compiling a program gives, None where Python refuses it."""
        try:
            return outcome(compile(program, "<mutant>", "exec", self.flags, dont_inherit=True, optimize=0))
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return None

    @property
    def original(self) -> Outcome | None:
        """What compiling the unchanged cell gives, None where it does not compile alone."""
        if self._original is False:
            self._original = self.compiled(self.program())
        return self._original  # type: ignore[return-value]

    def tree(self, program: str) -> bytes:
        """Return a digest of the AST of a program, without positions."""
        digest = self._trees.get(program)
        if digest is None:
            try:
                found = self._dump(program)
            except RecursionError:
                found = deeply(lambda: self._dump(program))
            digest = self._trees[program] = hashlib.sha256(found.encode("utf-8", "surrogatepass")).digest()
        return digest

    def _dump(self, program: str) -> str:
        tree: ast.AST = compile(program, "<tree>", "exec", self.flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        return dump(tree)

    def same_tree(self, one: str, other: str) -> bool:
        """Whether two programs, made of this cell, have the same AST."""
        return one == other or self.tree(one) == self.tree(other)

    @property
    def one_line(self) -> bool:
        """Whether the piece stands on one line."""
        if self._one_line is None:
            self._one_line = self.bare or LINE_END.search(self.text.cut(self.start, self.end)) is None
        return self._one_line

    def moves(self, edits: Sequence[Edit]) -> bool:
        r"""Whether equal trees of this cell with ``edits``, and with others, may have nodes on different lines.

        So they may where edits bring in or take away line ends, and in a piece of several lines where they do not put
        one token in the place of one: ``not (\n not a)`` becomes ``not a`` in two ways.
        """
        if self.one_line:
            return not self.bare and any(LINE_END.search(new) for _, new in edits)
        return any(
            _ONE_TOKEN.fullmatch(new) is None or _ONE_TOKEN.fullmatch(self.text.cut(*span)) is None
            for span, new in edits
        )

    def key(self, edits: Sequence[Edit] = ()) -> tuple[int, int] | None:
        """Return what all programs of one tree that are made of this cell have in common, None where it is not known.

        It costs no more than the words of the changed stretch, once those of the cell are known.
        """
        if self._sequence is False:
            found = words(self.program())
            self._sequence = None if found is None else Sequence61(found)
        sequence = self._sequence
        if not isinstance(sequence, Sequence61):
            return None
        if not edits:
            return len(sequence.at), sequence.sums[-1]
        (start, end), bytewise = hull(edits), self.text.bytewise
        piece, old = self.text.splice(edits, start, end), self.text.cut(start, end)
        if _cuts(bytewise[start - 1 : start], old, piece, bytewise[end : end + 1]):
            start, end = _widened(bytewise, start, end, self.start, self.end)
            piece, old = self.text.splice(edits, start, end), self.text.cut(start, end)
        new = words(piece)
        if new is None or _prefixes(bytewise[start - 1 : start], old, piece, bytewise[end : end + 1]):
            return None
        at = len(self.prefix) + len(self.text.cut(self.start, start))
        return sequence.changed(at, at + len(old), new)

    def unchanged(self, program: str, got: Outcome, edits: Sequence[Edit]) -> bool:
        """Whether a program, made of this cell by ``edits``, has the tree of the original."""
        original = self.original
        if original is None or got.outline != original.outline:
            return False
        if got.steps != original.steps and not (self.moves(edits) and self._may_be_alike(edits, ())):
            return False
        return self.same_tree(program, self.program())

    def _may_be_alike(self, one: Sequence[Edit], other: Sequence[Edit]) -> bool:
        """Whether two changes may give one tree: a cheap look at the words, where lines keep code from telling."""
        if self.one_line:
            return True  # rare, and its trees are small
        keys = {self.key(one), self.key(other)}
        return len(keys) == 1 or None in keys

    def verdict(self, edits: Sequence[Edit]) -> str:
        """Return why the cell with ``edits`` is refused, or nothing; what is accepted is remembered."""
        program = self.program(edits)
        if program in self._programs:
            return DUPLICATE
        got = self.compiled(program)
        if got is None:
            return INVALID
        if self.unchanged(program, got, edits):
            return UNCHANGED
        outline, steps = got
        moved = self.moves(edits)
        twins = self._seen.setdefault(outline, [])
        for other in twins:
            alike = steps == other.steps or ((moved or other.moved) and self._may_be_alike(edits, other.edits))
            if alike and self.same_tree(program, other.program):
                return DUPLICATE
        twins.append(Seen(program, steps, moved, () if self.one_line else edits))
        self._programs.add(program)
        return ""


class Unit(NamedTuple):
    """A simple statement or a header, before a cell is made of it: where it ends, what it is, what it stands in.

    ``role`` is ``small``, ``decorator``, ``match``, ``handler``, or the keyword of a header; ``at`` is the number
    of its first node.
    """

    end: int
    role: str
    scope: str
    loop: bool
    at: int


class Cells:
    """Where the cells of a source are: found in one walk over the statements, made when asked for."""

    def __init__(self, source: Source) -> None:
        """Find units, compound statements and regions; no cell is made yet."""
        self.source = source
        self.whole = Cell(source.text, Span(source.origin, len(source.text)), "", "", source.flags)
        # Before this byte stands a `__future__` import, and so everything must.
        self.future_end = 0
        # Names that `global` or `nonlocal` statements declare, with where they stand; and those declared so
        # outside any function, which concern the whole text.
        self.declared: list[tuple[int, str]] = []
        self.declared_on_top: set[str] = set()
        self._unit_starts: list[int] = []
        self._units: list[Unit] = []
        self._unit_cells: dict[int, Cell] = {}
        self._region_starts: list[int] = []
        self._region_ends: list[int] = []
        self._region_cells: dict[int, Cell] = {}
        self._compounds: dict[int, tuple[str, bool]] = {}
        self._elements: dict[int, tuple[list[int], list[int], list[int]]] = {}
        self._other_cells: dict[Span, Cell] = {}
        self._declared_in: dict[int, set[str]] = {}
        self._walk()

    def unit_number(self, start: int, end: int) -> int:
        """Return the number of the statement or header that holds two byte offsets, -1 if there is none."""
        at = bisect_right(self._unit_starts, start) - 1
        return -1 if at < 0 or end > self._units[at].end else at

    def unit(self, start: int, end: int) -> Cell | None:
        """Return the statement or header that holds two byte offsets."""
        at = self.unit_number(start, end)
        if at < 0:
            return None
        cell = self._unit_cells.get(at)
        if cell is None:
            cell = self._unit_cells[at] = self._made(self._unit_starts[at], self._units[at])
        return cell

    def region(self, start: int, end: int) -> Cell | None:
        """Return the statement of the module, or of a class of the module, that holds two byte offsets."""
        at = bisect_right(self._region_starts, start) - 1
        if at < 0 or end > self._region_ends[at]:
            return None
        cell = self._region_cells.get(at)
        if cell is None:
            begin = self._region_starts[at]
            indent = self._indent(begin)
            prefix, suffix = "", "\n"
            if indent and not indent.strip(" \t\f"):
                prefix, suffix = f"class _:\n{indent}", f"\n{indent}pass\n"
            span = Span(begin, self._region_ends[at])
            cell = self._region_cells[at] = Cell(self.source.text, span, prefix, suffix, self.source.flags)
        return cell

    def compound(self, span: Span, at: int) -> Cell | None:
        """Return the smallest compound statement around node number ``at`` that holds ``span``."""
        source = self.source
        while at >= 0:
            if at in self._compounds and source.ends[at] >= span.end and self._begin(at) <= span.start:
                break
            at = source.parents[at]
        else:
            return None
        start = self._begin(at)
        indent = self._indent(start)
        if not indent or indent.strip(" \t"):
            return None
        scope, loop = self._compounds[at]
        prefix = _SCOPES[scope] + (" while 1:\n" if loop else "") + indent
        return self._other(Span(start, source.ends[at]), prefix, f"\n{indent}pass\n")

    def element(self, span: Span, unit: Cell, longest: int) -> Cell | None:
        """Return the largest element or argument of ``unit`` that holds ``span`` and is no longer than ``longest``.

        The smallest of all where all are longer, None where there is none. It depends on ``span`` alone, so that
        equal changes that come from different rules meet in one cell.
        """
        elements = self._elements.get(unit.start)
        if elements is None:
            elements = self._elements[unit.start] = self._elements_of(unit)
        starts, ends, outer = elements
        at = bisect_right(starts, span.start) - 1
        while at >= 0 and ends[at] < span.end:
            at = outer[at]
        if at < 0:
            return None
        while outer[at] >= 0 and ends[outer[at]] - starts[outer[at]] <= longest:
            at = outer[at]
        best = Span(starts[at], ends[at])
        if NEEDS_WRAPPER.search(self.source.text.cut(*best)) is None:
            cell = self._other(best, "(", ")\n", bare=True)
        else:
            record = self._units[bisect_right(self._unit_starts, unit.start) - 1]
            cell = self._other(best, f"{_wrapper(record)}(", f"\n){SUFFIX}")
        cell.role = "element"
        return cell

    def _elements_of(self, unit: Cell) -> tuple[list[int], list[int], list[int]]:
        """Return starts and ends of a unit's elements and arguments, and the number of the one around each."""
        source = self.source
        found: list[tuple[int, int]] = []
        passed = -1  # behind an f-string, or a display that is assigned to
        first_node = self._units[bisect_right(self._unit_starts, unit.start) - 1].at
        for number in range(first_node, len(source.nodes)):
            node, start, above = source.nodes[number], source.starts[number], source.parents[number]
            if start >= unit.end:
                break
            if start < max(unit.start, passed):
                continue
            kind = type(node)
            if kind in _NOT_INTO or (kind in _DISPLAYS and is_target(node, source)):
                passed = source.span(node).end
                continue
            holder: Any = source.nodes[above]
            if type(holder) in _HOLDERS and source.starts[above] >= unit.start and _holds(holder, node):
                first, last = source.outer(node)
                if (first, last) != (unit.start, unit.end):
                    found.append((first, -last))
        found.sort()
        starts: list[int] = []
        ends: list[int] = []
        outer: list[int] = []
        open_ones: list[int] = []
        for first, last in found:
            while open_ones and ends[open_ones[-1]] <= first:
                open_ones.pop()
            outer.append(open_ones[-1] if open_ones else -1)
            open_ones.append(len(starts))
            starts.append(first)
            ends.append(-last)
        return starts, ends, outer

    def declared_around(self, start: int, end: int) -> set[str]:
        """Return the names that are declared global or nonlocal in the region of two byte offsets, or on top."""
        region = self.region(start, end) if self.declared else None
        return self.declared_on_top if region is None else self.declared_in(region)

    def declared_in(self, region: Cell) -> set[str]:
        """Return the names that are declared global or nonlocal in a region, or on top."""
        if not self.declared:
            return self.declared_on_top
        names = self._declared_in.get(region.start)
        if names is None:
            first, last = bisect_left(self.declared, (region.start, "")), bisect_left(self.declared, (region.end, ""))
            names = self.declared_on_top.union(name for _, name in self.declared[first:last])
            self._declared_in[region.start] = names
        return names

    def _other(self, span: Span, prefix: str, suffix: str, *, bare: bool = False) -> Cell:
        """Return the cell of an element or compound statement, the same one each time."""
        cell = self._other_cells.get(span)
        if cell is None:
            cell = self._other_cells[span] = Cell(self.source.text, span, prefix, suffix, self.source.flags, bare=bare)
        return cell

    def _made(self, start: int, unit: Unit) -> Cell:
        """Return the cell of a unit in the smallest wrapper that will do."""
        source = self.source
        end, role, scope, _, _ = unit
        piece = source.text.cut(start, end)
        bare = NEEDS_WRAPPER.search(piece) is None and not role.startswith("async")
        prefix = "" if bare else _wrapper(unit)
        if role == "small":
            suffix = "\n" if bare else SUFFIX
            if not bare and NEEDS_WRAPPER.search(_ONE_LINE_WILL_DO.sub("", piece)) is None:
                prefix, suffix = _ONE_LINE[scope], "\n"
        elif role == "decorator":
            prefix, suffix = f"{prefix}@", "\ndef _(): pass\n" if bare else f"\n{INDENT}def _(): pass{SUFFIX}"
        elif role == "match":
            bare, prefix = False, f"{_wrapper(unit)}match "
            suffix = f":\n{INDENT} case _: pass{SUFFIX}"
        elif role.startswith("handler"):
            name = " as _" if role == "handler with a name" else ""
            prefix = "try: pass\nexcept " if bare else f"{prefix}try: pass\n{INDENT}except "
            suffix = f"{name}: pass\n" if bare else f"{name}: pass{SUFFIX}"
        else:
            prefix += role
            suffix = " pass\n" if bare else f" pass{SUFFIX}"
        cell = Cell(source.text, Span(start, end), prefix, suffix, source.flags, bare=bare)
        cell.role = role.split()[0]
        return cell

    def _walk(self) -> None:
        """Walk the statements once and note where units, compound statements and regions are."""
        source = self.source
        nodes, starts, ends = source.nodes, source.starts, source.ends
        # What a statement stands in: the block's end, the scope's kind, in a loop, only classes around.
        around: list[tuple[int, str, bool, bool]] = [(len(source.text) + 1, "", False, True)]
        for i, node in enumerate(nodes):
            role = _ROLES[type(node)]
            if not role:
                continue
            start = starts[i]
            while start >= around[-1][0]:
                around.pop()
            _, scope, loop, peeled = around[-1]
            if role == "block":
                around.append(self._inside(i, scope, loop=loop, peeled=peeled))
                continue
            if role in {"small", "decorator"}:
                self._note_piece(i, node, Unit(ends[i], role, scope, loop, i))
                continue
            if role != "handler":
                self._note_statement(i, node, (scope, loop), peeled=peeled)
            if role in _WITH_HEADER:
                self._note_header(i, node, Unit(0, role, scope, loop, i))

    def _inside(self, i: int, scope: str, *, loop: bool, peeled: bool) -> tuple[int, str, bool, bool]:
        """Return what the statements of block number ``i`` stand in."""
        source = self.source
        block, owner = source.nodes[i], source.nodes[source.parents[i]]
        end = source.ends[i] + 1
        if isinstance(owner, cst.FunctionDef):
            return end, "async" if owner.asynchronous else "def", False, False
        if isinstance(owner, cst.ClassDef):
            return end, "class", False, peeled and isinstance(block, cst.IndentedBlock)
        return end, scope, loop or isinstance(owner, (cst.For, cst.While)), False

    def _note(self, start: int, unit: Unit) -> None:
        self._unit_starts.append(start)
        self._units.append(unit)

    def _note_piece(self, i: int, node: cst.CSTNode, unit: Unit) -> None:
        """Note a simple statement, or what a decorator applies."""
        source = self.source
        if isinstance(node, cst.Decorator):
            start, end = source.outer(node.decorator)
            self._note(start, unit._replace(end=end))
            return
        self._note(source.starts[i], unit)
        if type(node) in _DECLARING:
            self._note_declaration(i, node, unit.scope)

    def _note_declaration(self, i: int, node: Any, scope: str) -> None:
        """Note the names of a ``global`` or ``nonlocal`` statement, or where a ``__future__`` import ends."""
        source = self.source
        if isinstance(node, cst.ImportFrom):
            if isinstance(node.module, cst.Name) and node.module.value == "__future__":
                self.future_end = source.ends[i]
            return
        names = [item.name.value for item in node.names]
        self.declared += [(source.starts[i], name) for name in names]
        if scope in {"", "class"}:
            self.declared_on_top.update(names)

    def _note_header(self, i: int, node: Any, unit: Unit) -> None:
        """Note a compound statement's header: from its keyword to the colon before its block."""
        source = self.source
        start = source.starts[i]
        if unit.role != "header":
            # What it takes apart, or catches; the rest concerns what follows as well.
            subject = node.subject if unit.role == "match" else node.type
            if unit.role == "handler" and node.name is not None:
                unit = unit._replace(role="handler with a name")
            if subject is not None:
                start, end = source.outer(subject)
                self._note(start, unit._replace(end=end))
            return
        first = node.body.body[0] if isinstance(node.body, cst.IndentedBlock) else node.body
        head = source.text.cut(start, self._begin(source.number(first)))
        keywords = _KEYWORDS_OF_HEADER.match(head)
        if keywords is None:
            return
        # The keyword decides what may stand in the block: it is part of the wrapper, and not to be changed here.
        word = keywords[0].removeprefix("el")
        self._note(start + len(keywords[0]), unit._replace(end=start + len(_until_colon(head).encode()), role=word))

    def _note_statement(self, i: int, node: cst.CSTNode, around: tuple[str, bool], *, peeled: bool) -> None:
        """Note a region: a statement of the module, or of a class of it, unless it is such a class; or a compound."""
        above = self.source.nodes[self.source.parents[i]]
        if not peeled:
            # A simple statement is a unit already, and an `elif` is no statement.
            if not isinstance(node, cst.SimpleStatementLine) and not isinstance(above, cst.If):
                self._compounds[i] = around
            return
        if not isinstance(above, (cst.Module, cst.IndentedBlock)):
            return
        if isinstance(node, cst.ClassDef) and isinstance(node.body, cst.IndentedBlock):
            return
        self._region_starts.append(self._begin(i))
        self._region_ends.append(self.source.ends[i])

    def _begin(self, i: int) -> int:
        """Return where statement number ``i`` begins: at its first decorator, if it has any."""
        start = self.source.starts[i]
        decorators = getattr(self.source.nodes[i], "decorators", ())
        return min(start, self.source.span(decorators[0]).start) if decorators else start

    def _indent(self, start: int) -> str:
        """Return what stands before byte ``start`` on its line."""
        text = self.source.text
        lines = text.line_starts()
        return text.cut(lines[bisect_right(lines, start) - 1], start).lstrip("\ufeff")


def _wrapper(unit: Unit) -> str:
    """Return the full wrapper of a unit: its scope, a loop if it is in one, and the column it stands at."""
    return _SCOPES[unit.scope] + (" while 1:\n" if unit.loop else "") + INDENT


def _holds(holder: Any, node: cst.CSTNode) -> bool:
    """Whether ``node`` is a value of an element or argument: not its keyword, star or comma."""
    return getattr(holder, "value", None) is node or getattr(holder, "key", None) is node


def _until_colon(head: str) -> str:
    """Return a header up to its colon, without the blanks and comments that follow it."""
    head = head.rstrip()
    while not head.endswith(":") and "#" in head:
        head = head[: head.rindex("#")].rstrip()
    return head


_ROLE_TYPES: tuple[tuple[str, tuple[type[cst.CSTNode], ...]], ...] = (
    ("block", (cst.IndentedBlock, cst.SimpleStatementSuite)),
    ("header", _HEADERS),
    ("handler", _HANDLERS),
    ("match", (cst.Match,)),
    ("decorator", (cst.Decorator,)),
    ("small", (cst.BaseSmallStatement,)),
    ("compound", (cst.BaseCompoundStatement,)),
    ("line", (cst.SimpleStatementLine,)),
)


class _Roles(dict[type[cst.CSTNode], str]):
    """What nodes of a type are to the walk, nothing where they are nothing; filled when met."""

    def __missing__(self, kind: type[cst.CSTNode]) -> str:
        self[kind] = role = next((role for role, types in _ROLE_TYPES if issubclass(kind, types)), "")
        return role


_ROLES = _Roles()
_WITH_HEADER = {"header", "handler", "match"}
_DECLARING = {cst.ImportFrom, cst.Global, cst.Nonlocal}
