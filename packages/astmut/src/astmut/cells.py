"""Where the pieces of a source are that compile on their own, each in its wrapper.

The wrapper repeats what surrounds a piece and matters to the compiler: the kind of function, a loop, a class. It is
left out where neither the piece nor a change of it has a word that depends on it, which makes compiling a third
cheaper.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

import libcst as cst

from astmut.cell import NEEDS_WRAPPER, Cell
from astmut.model import Span
from astmut.source import Source
from astmut.surroundings import is_target

# A wrapped statement stands at a column that no line of a real file starts at, and `pass` follows in the same
# column: a line that slips out of its brackets cannot pass for a statement of its own.
INDENT = " " * 37
_SUFFIX = f"\n{INDENT}pass\n"
_SCOPES = {"": "if 1:\n", "class": "class _:\n", "def": "def _():\n", "async": "async def _():\n"}
_ONE_LINE = {"": "", "class": "", "def": "def _(): ", "async": "async def _(): "}

_ONE_LINE_WILL_DO = re.compile(r"\b(?:await|yield|return)\b")
_KEYWORDS_OF_HEADER = re.compile(r"(?:async\s+)?(?:if|elif|while|for|with|def|class)\b")

_HEADERS = (cst.If, cst.While, cst.For, cst.With, cst.FunctionDef, cst.ClassDef)
_HANDLERS = (cst.ExceptHandler, cst.ExceptStarHandler)
_DISPLAYS = {cst.List, cst.Tuple}
_NOT_INTO = {cst.FormattedString, cst.TemplatedString}
_HOLDERS = {cst.Element, cst.DictElement, cst.Arg}


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
        self.whole = whole_cell(source)
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
            cell = self._region_cells[at] = Cell(self.source, span, prefix, suffix)
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
        text = self.source.text.cut(*best)
        if ":=" in text:
            return None  # which names it may bind, only the statement knows
        if NEEDS_WRAPPER.search(text) is None:
            cell = self._other(best, "(", ")\n", bare=True)
        else:
            record = self._units[bisect_right(self._unit_starts, unit.start) - 1]
            cell = self._other(best, f"{_wrapper(record)}(", f"){_SUFFIX}")
        cell.role = "element"
        while outer[at] >= 0:
            at = outer[at]
        cell.outermost = starts[at]
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
            if type(holder) in _HOLDERS and source.starts[above] >= unit.start and self._holds(above, node):
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

    def _holds(self, number: int, node: cst.CSTNode) -> bool:
        """Whether ``node`` is a value of element or argument ``number`` between brackets: not its keyword or comma."""
        holder: Any = self.source.nodes[number]
        around = self.source.nodes[self.source.parents[number]]
        if type(around) is cst.Tuple and not around.lpar:
            return False  # its line ends need the brackets that a cell would give it
        return getattr(holder, "value", None) is node or getattr(holder, "key", None) is node

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
            cell = self._other_cells[span] = Cell(self.source, span, prefix, suffix, bare=bare)
        return cell

    def _made(self, start: int, unit: Unit) -> Cell:
        """Return the cell of a unit in the smallest wrapper that will do."""
        source = self.source
        end, role, scope, _, _ = unit
        piece = source.text.cut(start, end)
        bare = NEEDS_WRAPPER.search(piece) is None and not role.startswith("async")
        prefix = "" if bare else _wrapper(unit)
        if role == "small":
            suffix = "\n" if bare else _SUFFIX
            if not bare and NEEDS_WRAPPER.search(_ONE_LINE_WILL_DO.sub("", piece)) is None:
                prefix, suffix = _ONE_LINE[scope], "\n"
        elif role == "decorator":
            prefix, suffix = f"{prefix}@", "\ndef _(): pass\n" if bare else f"\n{INDENT}def _(): pass{_SUFFIX}"
        elif role == "match":
            bare, prefix = False, f"{_wrapper(unit)}match "
            suffix = f":\n{INDENT} case _: pass{_SUFFIX}"
        elif role.startswith("handler"):
            name = " as _" if role == "handler with a name" else ""
            prefix = "try: pass\nexcept " if bare else f"{prefix}try: pass\n{INDENT}except "
            suffix = f"{name}: pass\n" if bare else f"{name}: pass{_SUFFIX}"
        else:
            prefix += role
            suffix = " pass\n" if bare else f" pass{_SUFFIX}"
        cell = Cell(source, Span(start, end), prefix, suffix, bare=bare)
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


def whole_cell(source: Source) -> Cell:
    """Return the cell that is all of a source."""
    return Cell(source, Span(source.origin, len(source.text)), "", "")


def _wrapper(unit: Unit) -> str:
    """Return the full wrapper of a unit: its scope, a loop if it is in one, and the column it stands at."""
    return _SCOPES[unit.scope] + (" while 1:\n" if unit.loop else "") + INDENT


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
