"""Changes that need no compiler: a word, number or string in the place of a whole expression.

Where a program compiles, it still does when names that are read become other names, a string becomes a number, a
number a string, or a call a name: either may stand wherever the other does. And the tree is another one. Most mutants
of most files are of this kind.

That holds of plain words, numbers and strings only, and not in f-strings, patterns and imports, nor beside another
string, nor where names are declared ``global`` or ``nonlocal``. What is not certain here may well be valid; that is
for the compiler to say.
"""

from __future__ import annotations

import keyword
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import chain

import libcst as cst

from astmut.model import WORD, Edit, Span
from astmut.source import Source, normal
from astmut.surroundings import is_target

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_NUMBER = re.compile(r"(?:0|[1-9]\d{0,15})(?:\.\d{1,16})?", re.ASCII)
_STRING = re.compile(r""""[-+.\w]*"|'[-+.\w]*'""", re.ASCII)
# What may stand in the place of an expression, by the expression's type.
_ATOMS: dict[type[cst.CSTNode], re.Pattern[str]] = {
    cst.Name: _NAME,
    cst.Call: _DOTTED,
    cst.SimpleString: _NUMBER,
    **dict.fromkeys((cst.Integer, cst.Float, cst.Imaginary, cst.UnaryOperation), _STRING),
}
_CONSTANTS = frozenset({"True", "False", "None"})
_KEYWORDS = frozenset(chain(keyword.kwlist, keyword.softkwlist))
_JOINING = WORD | {"'", '"'}

_UNSURE = tuple(
    getattr(cst, name)
    for name in (
        *("FormattedString", "TemplatedString", "MatchPattern"),
        *("Import", "ImportFrom", "LazyImport", "LazyImportFrom"),
    )
    if hasattr(cst, name)
)
# Where a name is read: in any field of these nodes, or in the one that is said.
_READING: dict[type[cst.CSTNode], str] = {
    **dict.fromkeys((cst.Assert, cst.Await, cst.BinaryOperation, cst.BooleanOperation, cst.Call, cst.Comparison), ""),
    **dict.fromkeys((cst.ComparisonTarget, cst.CompIf, cst.DictComp, cst.DictElement, cst.Expr, cst.From, cst.If), ""),
    **dict.fromkeys((cst.GeneratorExp, cst.IfExp, cst.Index, cst.ListComp, cst.Raise, cst.Return, cst.SetComp), ""),
    **dict.fromkeys((cst.Slice, cst.StarredDictElement, cst.Subscript, cst.UnaryOperation, cst.While, cst.Yield), ""),
    **dict.fromkeys((cst.AnnAssign, cst.Arg, cst.Assign, cst.Attribute, cst.AugAssign, cst.NamedExpr), "value"),
    **dict.fromkeys((cst.CompFor, cst.For), "iter"),
    cst.Lambda: "body",
    cst.Param: "default",
    cst.WithItem: "item",
}


class Atoms:
    """Says of changes of one source, which has to compile, whether they are certain."""

    def __init__(self, source: Source) -> None:
        """Look at nothing yet."""
        self.source = source

    def places(self, edits: Sequence[Edit], at: int) -> tuple[Span, ...]:
        """Return the expressions that become atoms, none where it is not certain what ``edits`` do.

        ``at`` is the number of the node that they come from. Two sets of places never give one tree: a place that only
        one of them has is changed by that one only, or is a call (or operation) still after the other.
        """
        source = self.source
        if at >= 0 and type(source.nodes[at]) in _ATOMS:
            whole = Span(source.starts[at], source.ends[at])
            if whole.start <= edits[0].span.start and edits[-1].span.end <= whole.end:
                return (whole,) if self._is_certain(at, source.text.splice(edits, *whole)) else self._names(edits)
        return self._names(edits)

    def _names(self, edits: Sequence[Edit]) -> tuple[Span, ...]:
        """Return the names that become others, none where anything else is changed."""
        source, starts = self.source, self._name_starts
        names = source.by_type.get(cst.Name, [])
        for (start, end), new in edits:
            if _NAME.fullmatch(new) is None:
                return ()
            found = bisect_left(starts, start)
            if found == len(starts) or starts[found] != start or source.ends[names[found]] != end:
                return ()
            if not self._is_certain(names[found], new):
                return ()
        return tuple([span for span, _ in edits])

    def _is_certain(self, at: int, new: str) -> bool:
        """Whether ``new`` in the place of node number ``at`` surely gives another program that compiles."""
        source = self.source
        node, start, end = source.nodes[at], source.starts[at], source.ends[at]
        kind, bytewise = type(node), source.text.bytewise
        if _ATOMS[kind].fullmatch(new) is None or self._in_unsure(start):
            return False
        before, behind = bytewise[start - 1 : start], bytewise[end : end + 1]
        if before in _JOINING or behind in _JOINING:
            return False
        if kind is cst.SimpleString:
            return behind != "." and type(source.parent(node)) is not cst.ConcatenatedString
        if kind is cst.Name:
            return _is_value(new) and normal(source.code(node)) != new and self._is_read(node)
        return kind is not cst.Call or _is_value(new)

    def _is_read(self, name: cst.CSTNode) -> bool:
        """Whether a name is read: neither bound, deleted, nor part of something else."""
        above = self.source.parent(name)
        kind = type(above)
        if kind is cst.Element:
            return not is_target(name, self.source)
        field = _READING.get(kind)  # type: ignore[arg-type]
        return field is not None and (not field or getattr(above, field) is name)

    def _in_unsure(self, start: int) -> bool:
        """Whether byte ``start`` is in an f-string, a pattern or an import."""
        starts, ends = self._unsure
        at = bisect_right(starts, start) - 1
        return at >= 0 and start < ends[at]

    @cached_property
    def _unsure(self) -> tuple[list[int], list[int]]:
        """Starts and ends of the outermost f-strings, patterns and imports."""
        source = self.source
        starts: list[int] = []
        ends: list[int] = []
        for at in source.of_types(filter(_is_unsure, source.by_type)):
            if not ends or source.starts[at] >= ends[-1]:
                starts.append(source.starts[at])
                ends.append(source.ends[at])
        return starts, ends

    @cached_property
    def _name_starts(self) -> list[int]:
        """Where the names of the source start, in order."""
        return [self.source.starts[at] for at in self.source.by_type.get(cst.Name, ())]


@cache
def _is_unsure(kind: type[cst.CSTNode]) -> bool:
    """Whether nothing is certain in nodes of a type; kept, since each question costs ten Python calls."""
    return issubclass(kind, _UNSURE)


def _is_value(dotted: str) -> bool:
    """Whether words with dots between them are an expression: no keywords, but a constant by itself."""
    return dotted in _CONSTANTS or _KEYWORDS.isdisjoint(dotted.split("."))
