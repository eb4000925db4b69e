"""Is a mutant still Python, is it changed, is it new? Judged on the smallest piece of the program that decides it.

Most changes put a name, number or string in the place of an expression, and of these it is certain that they are
valid and change the tree: see ``atoms``. All others are compiled.

Compiling a whole file for each of its mutants costs hundreds of parses. But a change inside one statement leaves
all others as they are, so it is enough to compile that statement. Such a piece is a *cell*. From small to large
there are

1. an expression that is one element or argument of a long statement,
2. a simple statement, or the header of a compound one,
3. a compound statement,
4. a *region*: a statement of the module, or of a class of the module: a whole function or method, mostly,
5. the whole text.

A text of one short line is one cell, the whole text: to look for smaller ones would take longer than to compile it.

A cell whose original does not compile in its wrapper says nothing, and the next larger one is asked; so is it
where a smaller cell refuses. What a small cell cannot see (``global`` and ``nonlocal``, ``__future__`` imports,
``return`` with a value in an asynchronous generator) goes to a larger one at once.

*Changed* and *new* mean: another AST. Different names or constants of the compiled code prove different trees, and
so does different byte code where the edits move no lines, at a fraction of the cost of building the trees; only
where that proves nothing are the trees themselves compared. Changes that no one cell has judged are compared in
``siblings``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from astmut.atoms import Atoms
from astmut.cell import (
    DUPLICATE,
    INVALID,
    NEEDS_WRAPPER,
    UNCHANGED,
    UNCOMPILABLE_SOURCE,
    UNENCODABLE,
    Cell,
)
from astmut.cells import INDENT, Cells, whole_cell
from astmut.model import Edit, Span, hull
from astmut.siblings import Change, Siblings
from astmut.source import BOM, LINE_END, Source

LONG_STATEMENT = 300  # bytes; longer ones are judged by element or argument
SHORT_LINE = 120  # characters; a text of one line, no longer, is compiled as a whole for each mutant

_UNIVERSAL = {"utf-8", "utf-8-sig"}

# With one of these in it, the new text of an element could be two, or be something else inside brackets.
_NOT_ALONE = re.compile(r"[,:*]|(?<![=!<>])=(?!=)|\b(?:for|lambda)\b")
_BRACKET = re.compile(r"[()\[\]{}]")
# What may not stand everywhere, or may end or divide a statement.
_RISK = re.compile(r"[;#\\]|:=|\b(?:await|async|yield|return|break|continue|import|global|nonlocal)\b")
_DIVIDES = re.compile(r"[;\n\r]")
_WORD = re.compile(r"[^\W\d]\w*")
_GLOBAL = re.compile(r"\bglobal\b")  # behind a use of its name, in another region perhaps, it is an error


class Checker:
    """Judges the mutants of one source, and remembers them: no two of those it accepts have the same tree."""

    def __init__(self, source: Source) -> None:
        """Look at nothing yet."""
        self.source = source
        self._may_lack = source.coding not in _UNIVERSAL
        self._short_line = whole_cell(source) if _is_short_line(source.text.value) else None
        self._combined: dict[tuple[Span, ...], list[list[tuple[Cell, str]]]] = {}

    @cached_property
    def cells(self) -> Cells:
        """Where the cells of the source are."""
        return Cells(self.source)

    @cached_property
    def _atoms(self) -> Atoms:
        return Atoms(self.source)

    @cached_property
    def _siblings(self) -> Siblings:
        return Siblings(self.cells)

    def verdict(self, edits: Sequence[Edit], at: int = -1) -> str:
        """Return why the mutant made by ``edits`` is refused, or nothing.

        ``edits`` are disjoint and in order; ``at`` is the number of the node that they come from, if there is one.
        """
        outright = self._outright(edits)
        if outright is not None:
            return outright
        region = self.cells.region(edits[0].span.start, edits[-1].span.end)
        if region is not None and (places := self._certain(edits, at, region)):
            return DUPLICATE if self._siblings.have(Change(region, edits, None, places)) else ""
        reason = INVALID
        for cell in self._cells_around(edits, at):
            if cell.original is None:
                continue
            reason = cell.verdict(edits)
            if not reason and self._siblings.have(Change(self._holder(region, cell, edits), edits, cell, ())):
                reason = DUPLICATE
            if reason in {"", DUPLICATE}:
                return reason
        return reason

    def combined(self, edits: Sequence[Edit]) -> str:
        """Return why a mutant with edits all over the text is refused, or nothing.

        Each region is judged by itself; two such mutants are equal where they change the same regions into equal
        trees.
        """
        outright = self._outright(edits)
        if outright is not None:
            return outright
        changed: list[tuple[Cell, str]] = []
        for cell, inside in self._by_region(edits):
            program = cell.program(inside)
            got = cell.compiled(program)
            if got is None:
                return INVALID
            if not cell.unchanged(program, got, inside):
                changed.append((cell, program))
        if not changed:
            return UNCHANGED
        siblings = self._combined.setdefault(tuple(cell.span for cell, _ in changed), [])
        if any(_same(changed, other) for other in siblings):
            return DUPLICATE
        siblings.append(changed)
        return ""

    def _holder(self, region: Cell | None, cell: Cell, edits: Sequence[Edit]) -> Cell:
        """Return what holds a change: the whole text too where it may make two statements of one, or none."""
        whole = self.cells.whole
        if region is None or (cell is whole and not region.begins_well(edits)):
            return whole
        if cell.role == "" and any(_DIVIDES.search(new) for _, new in edits):
            brought = _DIVIDES.findall("".join(new for _, new in edits))
            removed = _DIVIDES.findall(" ".join(self.source.text.cut(*span) for span, _ in edits))
            if len(brought) > len(removed):
                return whole
        return region

    def _outright(self, edits: Sequence[Edit]) -> str | None:
        """Return the verdict where no cell need be looked for, None where one must be.

        That is so where the source does not compile, or its file's encoding lacks a character, and for a short line.
        """
        if self.source.defect:
            return UNCOMPILABLE_SOURCE
        if self._may_lack:
            try:
                self.source.encode("".join(new for _, new in edits))
            except UnicodeEncodeError:
                return UNENCODABLE
        return None if self._short_line is None else self._short_line.verdict(edits)

    def _certain(self, edits: Sequence[Edit], at: int, region: Cell) -> tuple[Span, ...]:
        """Return the expressions that become atoms, where that is all that ``edits`` do."""
        if edits[0].span.start < self.cells.future_end or self.cells.declared_in(region):
            return ()
        return self._atoms.places(edits, at)

    def _cells_around(self, edits: Sequence[Edit], at: int) -> Iterator[Cell]:
        """Yield the cells that hold all of ``edits`` and may judge them, from small to large."""
        cells, span = self.cells, hull(edits)
        start, end = span
        region = cells.region(start, end)
        if region is None or self._reaches_out(region, edits):
            unit = cells.unit(start, end) if region is None else None
            if unit is not None and not self._too_small(unit, edits):
                yield unit  # the header of a class
            yield cells.whole
            return
        unit = cells.unit(start, end)
        if unit is not None and not self._too_small(unit, edits):
            if unit.end - unit.start > LONG_STATEMENT:
                cell = cells.element(span, unit, LONG_STATEMENT)
                if cell is not None and not self._too_small(cell, edits) and self._stays_one(cell, edits):
                    yield cell
            yield unit
        if at >= 0:
            cell = cells.compound(span, at)
            if cell is not None and not self._too_small(cell, edits):
                yield cell
        yield region
        if region.original is None or end == region.end:
            yield cells.whole

    def _reaches_out(self, region: Cell, edits: Sequence[Edit]) -> bool:
        """Whether edits of a region may matter to, or depend on, the text outside."""
        cells = self.cells
        if edits[0].span.start < cells.future_end or not (region.begins_well(edits) and region.ends_well(edits)):
            return True
        if any("__future__" in new for _, new in edits) or self._brings_in(edits, _GLOBAL):
            return True
        return self._says(cells.declared_on_top, region, edits)

    def _too_small(self, cell: Cell, edits: Sequence[Edit]) -> bool:
        """Whether a cell below a region cannot judge ``edits``, by what they or its surroundings are."""
        if edits[0].span.start == cell.start and _begins_otherwise(cell, edits):
            return True
        if not cell.ends_well(edits) or (cell.role and cell.may_end_in_comment(edits)):
            return True
        if cell.role == "handler" and any("*" in new for _, new in edits):
            return True  # `except` and `except*` do not mix
        if self._needs_another_wrapper(cell, edits):
            return True
        return self._says(self.cells.declared_around(cell.start, cell.end), cell, edits)

    def _needs_another_wrapper(self, cell: Cell, edits: Sequence[Edit]) -> bool:
        """Whether edits bring in what a cell's wrapper may allow and its surroundings may not, or the other way."""
        if cell.bare:
            return any(new and NEEDS_WRAPPER.search(new) for _, new in edits)
        if cell.suffix == "\n" and any(LINE_END.search(new) for _, new in edits):
            return True  # a wrapper of one line
        if self._brings_in(edits, _RISK) or any(INDENT in new for _, new in edits):  # a line like the wrapper's own
            return True
        return cell.prefix.startswith("async") and _returns_or_yields(cell, edits)

    def _brings_in(self, edits: Sequence[Edit], what: re.Pattern[str]) -> bool:
        """Whether edits bring in something of a kind: a word that they do not take away as well, or any sign."""
        for _, new in edits:
            if new and (found := set(what.findall(new))):
                if not all(each.isalpha() for each in found):
                    return True
                removed = " ".join(self.source.text.cut(*span) for span, _ in edits)
                if found - set(what.findall(removed)):
                    return True
        return False

    def _stays_one(self, cell: Cell, edits: Sequence[Edit]) -> bool:
        """Whether an element with ``edits`` is still one, with all that follows it outside of its brackets.

        A cell is an element in parentheses. Text that is one between two others in square brackets as well closes
        neither, and so has the brackets that it needs.
        """
        new = "".join(new for _, new in edits)
        removed = "".join(self.source.text.cut(*span) for span, _ in edits)
        if _NOT_ALONE.search(new) is None and _BRACKET.search(new) is None and _BRACKET.search(removed) is None:
            return True
        text = f"[0, {self.source.text.splice(edits, cell.start, cell.end)}\n, 0]"
        try:
            tree = compile(text, "<element>", "eval", cell.flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        display = tree.body
        between = display.elts[1:-1] if isinstance(display, ast.List) else []
        return len(between) == 1 and not isinstance(between[0], (ast.Starred, ast.NamedExpr))

    def _says(self, declared: set[str], cell: Cell, edits: Sequence[Edit]) -> bool:
        """Whether a cell, or its change, names one of the declared names."""
        if not declared:
            return False
        return not declared.isdisjoint(_WORD.findall(cell.program() + " ".join(new for _, new in edits)))

    def _by_region(self, edits: Sequence[Edit]) -> list[tuple[Cell, list[Edit]]]:
        """Share out edits over the regions (or class headers) that hold them; to the whole text if one has none."""
        cells = self.cells
        shares: dict[Span, tuple[Cell, list[Edit]]] = {}
        for edit in edits:
            cell = cells.region(*edit.span) or cells.unit(*edit.span)
            if cell is None or cell.original is None:
                return [(cells.whole, list(edits))]
            shares.setdefault(cell.span, (cell, []))[1].append(edit)
        for cell, inside in shares.values():
            small = cell is not cells.region(cell.start, cell.end)
            if self._reaches_out(cell, inside) or (small and self._too_small(cell, inside)):
                return [(cells.whole, list(edits))]
        return list(shares.values())


def _is_short_line(text: str) -> bool:
    """Whether a text is one short line, with or without a line end."""
    return len(text) <= SHORT_LINE and LINE_END.search(text.removeprefix(BOM).strip()) is None


def _begins_otherwise(cell: Cell, edits: Sequence[Edit]) -> bool:
    """Whether edits at a cell's start leave a blank there, or make a compound statement, which not all places allow."""
    return not cell.begins_well(edits) or any(":" in new for _, new in edits)


def _returns_or_yields(cell: Cell, edits: Sequence[Edit]) -> bool:
    """Whether ``return`` or ``yield`` is part of a cell or its change: what they may be depends on the function."""
    text = cell.program(edits) + cell.text.cut(cell.start, cell.end)
    return "return" in text or "yield" in text


def _same(one: list[tuple[Cell, str]], other: list[tuple[Cell, str]]) -> bool:
    return all(cell.same_tree(a, b) for (cell, a), (_, b) in zip(one, other, strict=True))
