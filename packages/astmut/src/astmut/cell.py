"""A piece of a source that compiles on its own in a wrapper, and the verdict on changes of it.

A change of a piece is compiled in place of the whole text, and remembered, so that the next one can be told from it.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from astmut.model import Edit, Span, hull
from astmut.source import LINE_END, Source, deeply
from astmut.trees import Outcome, dump, outcome
from astmut.words import Sequence61, may_run_on, of_whole_words, sequence_of

# Reasons to refuse a mutant.
UNCOMPILABLE_SOURCE = "source-does-not-compile"
INVALID = "invalid-syntax"
UNCHANGED = "same-tree"
DUPLICATE = "duplicate"
UNENCODABLE = "not-in-the-files-encoding"

# What a piece without a wrapper must not hold, and no change may bring into it.
NEEDS_WRAPPER = re.compile(r"[\n\r;#\\]|:=|\b(?:await|async|yield|return|break|continue|import|global|nonlocal)\b")
_ENDS_COMMENTS = re.compile(r"[\r\n'\"]")  # or begins one, where it was in a string
_SEMICOLON = re.compile(r"(?:[ \t\f]|\\(?:\r\n|\r|\n))*;")  # behind a statement, on its line
_NO_STATEMENT = frozenset({"", ";", "\r", "\n"})  # what stands before that where a statement has gone
_BLANK_OR_COMMENT = frozenset(" \t\f\n\r\v#\\")
# No parenthesis or comma, which a program may have more or fewer of with the same tree. Strings that stand side by side
# are one, but that one begins where its first begins, whatever is in them.
_ONE_TOKEN = re.compile(
    r"""\w+|[-+*/%@<>=!&|^~]+|is[ \t]+not|not[ \t]+in|[\[\]{}]|[bBrRuU]{0,2}(?:'[^'\\\n\r]*'|"[^"\\\n\r]*")"""
)


class Seen(NamedTuple):
    """An accepted mutant of a cell; ``edits`` are kept of pieces of several lines only."""

    program: str
    steps: tuple[Any, ...]
    moved: bool
    edits: Sequence[Edit]


class Cell:
    """A piece of the source in its wrapper, and the mutants seen in it.

    ``bare`` cells have no wrapper: they are one line, free of all that ``NEEDS_WRAPPER`` finds. ``role`` is empty
    where a cell is a compound statement or more, which others may stand around and inside. ``outermost`` is where the
    outermost element around an element begins.
    """

    __slots__ = (
        "_one_line",
        "_original",
        "_seen",
        "_sequence",
        "_signs",
        "_trees",
        "bare",
        "end",
        "flags",
        "outermost",
        "prefix",
        "role",
        "source",
        "start",
        "suffix",
        "text",
    )

    def __init__(self, source: Source, span: Span, prefix: str, suffix: str, *, bare: bool = False) -> None:
        """Nothing is compiled before the first question."""
        self.source, self.text, self.flags = source, source.text, source.flags
        (self.start, self.end), self.prefix, self.suffix = span, prefix, suffix
        self.bare, self.role, self.outermost = bare, "", -1
        self._original: Outcome | bool | None = False
        self._one_line: bool | None = None
        self._signs: bool | None = None  # whether it has a comment, or the sign of one in a string
        self._sequence: Sequence61 | bool | None = False
        self._seen: dict[tuple[Any, ...], list[Seen]] = {}
        self._trees: dict[str, bytes] | None = None

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
        """Whether the last line is still the cell's own, and what follows on it still follows a statement.

        A backslash at its end would take in the next line, or the end of the text, and a colon what the wrapper has
        there as a block; a semicolon may follow.
        """
        at, last = self.end, ""
        for (start, end), new in reversed(edits):
            if end < at or last:
                break
            at, last = start, new
        if at == self.end and not last:
            return True
        last = (last or self.text.cut(self.start, at)).rstrip(" \t\f")
        if last.rstrip().endswith(("\\", ":")):
            return False
        return last[-1:] not in _NO_STATEMENT or _SEMICOLON.match(self.text.bytewise, self.end) is None

    def may_end_in_comment(self, edits: Sequence[Edit]) -> bool:
        """Whether a comment may take in what follows on the last line, where edits touch a line end or quote."""
        if self._signs is None:
            self._signs = self.text.bytewise.find("#", self.start, self.end) >= 0
        if not self._signs or not any(_ENDS_COMMENTS.search(new + self.text.cut(*span)) for span, new in edits):
            return False
        return "#" in LINE_END.split(self.text.splice(edits, self.start, self.end))[-1]

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
        if self._trees is None:
            self._trees = {}
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
        """Whether the piece stands on one line, a line end behind it aside."""
        if self._one_line is None:
            self._one_line = self.bare or LINE_END.search(self.text.cut(self.start, self.end).rstrip()) is None
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

    def key(self, edits: Sequence[Edit] = ()) -> int | None:
        """Return what all programs of one tree that are made of this cell have in common, None where it is not known.

        It costs no more than the words of the changed stretch, once those of the cell are known.
        """
        if self._sequence is False:
            self._sequence = sequence_of(self.program())
        sequence = self._sequence
        if not isinstance(sequence, Sequence61):
            return None
        if not edits:
            return sequence.hash
        span = hull(edits)
        whole = of_whole_words(self.source, Edit(span, self.text.splice(edits, *span)), self.start, self.end)
        if whole is None or may_run_on(whole[2]) or may_run_on(whole[3]):
            return None
        start, _, old, new = whole
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
        return ""
