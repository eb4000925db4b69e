"""What each scope of a source binds and reads, and where.

It is careful rather than complete. A binding counts from the end of its statement to the end of the block that it
stands in, a loop's variable in the loop's body, a caught exception in its handler: then every path to the use has
passed the binding. Names that are deleted, declared nonlocal, bound by a walrus, that Python would mangle in a class,
or that name a module, function or class are no variables, or none that is reliably bound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import libcst as cst

from astmut.model import new_tuple
from astmut.source import Source
from astmut.surroundings import is_target, suite_span


class Binding(NamedTuple):
    """A stretch of text in which a name is surely bound."""

    start: int
    end: int
    name: str


Use = tuple[cst.Name, int, str]  # a name that is read, where it begins, and the name
Stretch = tuple[int, int]


@dataclass(slots=True, eq=False)
class Scope:
    """A module, class, function or lambda with what it binds and reads.

    ``unfit`` names are no variables, or not reliably bound; ``withheld`` ones are variables that are never offered.
    Names ``caught`` by handlers are bound there and nowhere else, since a handler deletes its name at its end. In the
    ``gaps`` of a name, bindings that began before do not hold. ``body`` is where a function's or lambda's parameters
    hold.
    """

    start: int
    parent: Scope | None
    body: Stretch = (0, 0)
    is_class: bool = False
    bindings: list[Binding] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    unfit: set[str] = field(default_factory=set)
    outward: set[str] = field(default_factory=set)
    inward: set[str] = field(default_factory=set)  # declared nonlocal
    deleted: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    caught: dict[str, list[Stretch]] = field(default_factory=dict)
    gaps: dict[str, list[Stretch]] = field(default_factory=dict)
    comprehensions: list[tuple[Stretch, bool]] = field(default_factory=list)  # their own parts; whether they run later
    uses: list[Use] = field(default_factory=list)

    def settle(self, *, mangled: bool) -> None:
        """Keep the bindings that hold, in order, once all of the text is known; ``mangled`` ones may be among them."""
        barred = self.unfit | self.withheld if self.withheld else self.unfit
        if mangled:
            barred = barred.union([name for name in self.names if name[:2] == "__" and name[-2:] != "__"])
        found = [binding for binding in self.bindings if binding[2] not in barred]
        if self.caught:
            found = [binding for binding in found if binding[2] not in self.caught]
            caught = [
                (name, each) for name, stretches in self.caught.items() if name not in barred for each in stretches
            ]
            found += [Binding(start, end, name) for name, (start, end) in caught]
            later = [stretch for stretch, runs_later in self.comprehensions if runs_later]
            for name in self.caught:
                self.gaps.setdefault(name, []).extend(later)
        if self.is_class and self.comprehensions:
            self._hide_from_comprehensions()
        found.sort()
        self.bindings = found

    def _hide_from_comprehensions(self) -> None:
        """Hide what a class binds from the comprehensions in it, but not the variables of one from those inside it."""
        outermost: list[Stretch] = []
        for (start, end), _ in sorted(self.comprehensions):
            if not outermost or end > outermost[-1][1]:
                outermost.append((start, end))
        for name in self.names:
            self.gaps[name] = [*self.gaps.get(name, ()), *outermost]

    def hides(self, name: str, start: int, at: int) -> bool:
        """Say whether a binding that begins at ``start`` does not hold at a byte."""
        return any(start < gap <= at < end for gap, end in self.gaps.get(name, ()))

    def stretches(self, name: str) -> list[Stretch]:
        """Return where a variable of this scope is surely bound, but for its gaps."""
        return [(start, end) for start, end, bound in self.bindings if bound == name]

    def nearest(self, at: int, but: str, shadowed: AbstractSet[str]) -> str | None:
        """Return the variable that was bound last before a byte, and still is when a function made there runs."""
        for number in range(bisect_right(self.bindings, (at, 1 << 61)) - 1, -1, -1):
            start, end, name = self.bindings[number]
            if end > at and name != but and name not in shadowed and name not in self.caught:
                if name in self.gaps and self.hides(name, start, at):
                    continue
                return name
        return None


class Scopes:
    """The scopes of one source by the identity of their nodes, and the names of its type parameters."""

    def __init__(self, source: Source) -> None:
        """Find all bindings and uses in one walk."""
        self.module = Scope(0, None)
        self.by_node: dict[int, Scope] = {id(source.module): self.module}
        self.type_parameters: set[str] = set()
        _Walk(source, self).run()


_Role = Callable[["_Walk", cst.Name, Any], None]


class _Walk:
    """The walk over names, statements and blocks that fills the scopes."""

    def __init__(self, source: Source, into: Scopes) -> None:
        self.source, self.into = source, into
        size = len(source.text) + 1
        self.scopes: list[tuple[int, Scope]] = [(size, into.module)]
        self.blocks: list[int] = [size]
        self.statement_end = 0

    def run(self) -> None:  # noqa: C901, PLR0912, PLR0915 - one loop over all names; calls would double its time
        """Walk them once, in the order of the text."""
        source = self.source
        starts, ends, parents, nodes = source.starts, source.ends, source.parents, source.nodes
        scopes, blocks = self.scopes, self.blocks
        name, attribute, arg, call = cst.Name, cst.Attribute, cst.Arg, cst.Call
        roles = _ROLES.get
        end, read = scopes[-1][0], scopes[-1][1].uses.append
        passed = imported = 0  # behind an annotation or type alias; behind an import
        for i in source.of_types(_WALKED):
            node = nodes[i]
            kind = type(node)
            if kind is name:
                above: Any = nodes[parents[i]]
                above_kind = type(above)
                # The parents that half of all names have are handled here, for speed.
                if above_kind is attribute:
                    if above.attr is node:
                        continue
                    role: _Role | None = None if starts[i] >= imported else _spoiled
                elif above_kind is arg:
                    if above.keyword is node:
                        continue
                    role = None
                elif above_kind is call:
                    continue
                else:
                    role = roles(above_kind)
                start = starts[i]
                if start < passed:
                    continue
                if start >= end:
                    while start >= scopes[-1][0]:
                        scopes.pop()
                    end, read = scopes[-1][0], scopes[-1][1].uses.append
                if role is None:
                    read((node, start, node.value))  # type: ignore[attr-defined,arg-type]
                    continue
                while start >= blocks[-1]:
                    blocks.pop()
                role(self, node, above)  # type: ignore[arg-type]
            elif kind in _SMALL:
                self.statement_end = ends[i]
                if kind in _IMPORTS:
                    imported = ends[i]
            elif kind in _TYPES:
                passed = max(passed, ends[i])
                if kind is cst.TypeAlias:
                    self._alias(starts[i], node)
            else:
                if kind in _SUITES:
                    self._enter(i, nodes[parents[i]])
                else:
                    self._open(i, node)
                end, read = scopes[-1][0], scopes[-1][1].uses.append

    def _alias(self, start: int, node: Any) -> None:
        """Note the name of a type alias; the names in it are not walked."""
        while start >= self.scopes[-1][0]:
            self.scopes.pop()
        self.spoil(node.name.value)

    def _open(self, i: int, node: Any) -> None:
        """Make the scope of a function or lambda; a lambda's begins here, a function's at its block."""
        start, end = self.source.starts[i], self.source.ends[i]
        while start >= self.scopes[-1][0]:
            self.scopes.pop()
        around = self.scopes[-1][1]
        is_lambda = type(node) is cst.Lambda
        body = self.source.span(node.body) if is_lambda else suite_span(node.body, self.source)
        scope = self.into.by_node[id(node)] = Scope(start, around, body)
        if is_lambda:
            self.scopes.append((end, scope))
            self.scopes.append((body.start, around))  # defaults are read where it is made

    def _enter(self, i: int, owner: cst.CSTNode) -> None:
        """Enter a block, and the scope of the function or class whose it is."""
        start, end = self.source.starts[i], self.source.ends[i]
        while start >= self.blocks[-1]:
            self.blocks.pop()
        self.blocks.append(end)
        while start >= self.scopes[-1][0]:
            self.scopes.pop()
        if type(owner) is cst.FunctionDef:
            self.scopes.append((end, self.into.by_node[id(owner)]))
        elif type(owner) is cst.ClassDef:
            scope = self.into.by_node[id(owner)] = Scope(start, self.scopes[-1][1], is_class=True)
            self.scopes.append((end, scope))

    @property
    def scope(self) -> Scope:
        """The scope that the walk is in."""
        return self.scopes[-1][1]

    def bind(self, name: str, start: int, end: int, scope: Scope | None = None) -> None:
        """Note that ``name`` is bound between two bytes."""
        scope = scope or self.scope
        scope.names.add(name)
        if start < end:
            scope.bindings.append(new_tuple(Binding, (start, end, name)))

    def spoil(self, name: str) -> None:
        """Note that ``name`` is no variable here, or not reliably bound."""
        self.scope.names.add(name)
        self.scope.unfit.add(name)


def _read(walk: _Walk, node: cst.Name, _above: Any) -> None:
    walk.scope.uses.append((node, walk.source.span(node).start, node.value))


def _ignored(_walk: _Walk, _node: cst.Name, _above: Any) -> None:
    """Names that are neither read nor bound: attributes, keywords, callees."""


def _spoiled(walk: _Walk, node: cst.Name, _above: Any) -> None:
    walk.spoil(node.value)


def _unless(field_name: str, otherwise: _Role = _ignored) -> _Role:
    """Return a role: what stands in one field of the parent is ``otherwise``, the rest is read."""

    def role(walk: _Walk, node: cst.Name, above: Any) -> None:
        (otherwise if getattr(above, field_name) is node else _read)(walk, node, above)

    return role


def _deleted(walk: _Walk, node: cst.Name, _above: Any) -> None:
    walk.spoil(node.value)
    walk.scope.deleted.add(node.value)


def _type_parameter(walk: _Walk, node: cst.Name, above: Any) -> None:
    if above.name is node:
        walk.into.type_parameters.add(node.value)


def _parameter(walk: _Walk, node: cst.Name, above: Any) -> None:
    if above.name is not node:
        _read(walk, node, above)
        return
    source = walk.source
    owner: Any = source.parent(source.parent(above))  # type: ignore[arg-type]  # around it are all parameters
    scope = walk.into.by_node[id(owner)]
    start, end = scope.body
    walk.bind(node.value, start, max(end, start + 1), scope)


def _assigned(walk: _Walk, node: cst.Name, _above: Any) -> None:
    walk.bind(node.value, walk.statement_end, walk.blocks[-1])


def _annotated(walk: _Walk, node: cst.Name, above: Any) -> None:
    if above.target is not node:
        _read(walk, node, above)
    elif above.value is None:
        walk.scope.names.add(node.value)
    else:
        _assigned(walk, node, above)


def _augmented(walk: _Walk, node: cst.Name, above: Any) -> None:
    if above.target is not node:
        _read(walk, node, above)
    else:
        walk.scope.names.add(node.value)


def _looped(walk: _Walk, node: cst.Name, loop: Any) -> None:
    walk.bind(node.value, *suite_span(loop.body, walk.source))


def _comprehended(walk: _Walk, node: cst.Name, loop: cst.CompFor) -> None:
    """Bind a comprehension's variable in what it collects, and behind its own iterable."""
    source = walk.source
    whole: Any = next(a for a in source.ancestors(loop) if type(a) is not cst.CompFor)
    start, end = source.span(whole)
    own = source.outer(loop.iter).end
    walk.bind(node.value, start, source.span(whole.for_in).start)
    walk.bind(node.value, own, end)
    scope = walk.scope
    if whole.for_in is not loop:  # until then it is a name of the comprehension that has no value
        scope.gaps.setdefault(node.value, []).append((source.outer(whole.for_in.iter).end, own))
    later = type(whole) is cst.GeneratorExp
    if later or scope.is_class:  # all but the first iterable runs in a scope of its own
        first = source.outer(whole.for_in.iter)
        scope.comprehensions += (((start, first.start), later), ((first.end, end), later))


def _in_display(walk: _Walk, node: cst.Name, above: Any) -> None:
    """Bind or read a name in a tuple or list, by what the outermost display is."""
    if not is_target(node, walk.source):
        _read(walk, node, above)
        return
    for outer in walk.source.ancestors(node):
        role = _TARGETS.get(type(outer))
        if role is not None:
            role(walk, node, outer)
            return
        if type(outer) is cst.Del:
            break
    _deleted(walk, node, above)


def _named_as(walk: _Walk, node: cst.Name, above: Any) -> None:
    source = walk.source
    holder: Any = source.parent(above)
    if type(holder) is cst.WithItem:
        statement: Any = source.parent(holder)
        start, end = suite_span(statement.body, source)
        # The managers before it, and its own while it unpacks, may swallow an exception and go on behind the block.
        sure = statement.items[0] is holder and above.name is node
        walk.bind(node.value, start, walk.blocks[-1] if sure else end)
    elif type(holder) in _HANDLERS:
        scope, (start, end) = walk.scope, suite_span(holder.body, source)
        scope.names.add(node.value)
        caught = scope.caught.setdefault(node.value, [])
        if any(start < outer_end for _, outer_end in caught):
            scope.withheld.add(node.value)  # deleted in the midst of the outer handler
        caught.append((start, end))
    else:
        walk.spoil(node.value)  # an imported module, most often


def _in_loop(role: _Role) -> _Role:
    def either(walk: _Walk, node: cst.Name, above: Any) -> None:
        (role if above.target is node else _read)(walk, node, above)

    return either


def _captured(walk: _Walk, node: cst.Name, _above: Any) -> None:
    case: Any = next(a for a in walk.source.ancestors(node) if type(a) is cst.MatchCase)
    walk.bind(node.value, *suite_span(case.body, walk.source))


def _outward(walk: _Walk, node: cst.Name, above: Any) -> None:
    if type(walk.source.parent(above)) is cst.Global:
        walk.scope.outward.add(node.value)
    else:
        walk.scope.inward.add(node.value)
        walk.spoil(node.value)


_SMALL: set[type[cst.CSTNode]] = {
    cst.Assign, cst.AnnAssign, cst.AugAssign, cst.Expr, cst.Return, cst.Raise, cst.Assert, cst.Del, cst.Import,
    cst.ImportFrom, cst.Global, cst.Nonlocal, cst.Pass, cst.Break, cst.Continue,
}  # fmt: skip
_TARGETS: dict[type[cst.CSTNode], _Role] = {
    cst.AssignTarget: _assigned, cst.For: _looped, cst.CompFor: _comprehended, cst.AsName: _named_as,
}  # fmt: skip
_SUITES: set[type[cst.CSTNode]] = {cst.IndentedBlock, cst.SimpleStatementSuite}
_IMPORTS = {cst.Import, cst.ImportFrom}
_TYPES: set[type[cst.CSTNode]] = {cst.Annotation, cst.TypeAlias}
_HANDLERS = {cst.ExceptHandler, cst.ExceptStarHandler}
_WALKED: tuple[type[cst.CSTNode], ...] = (*_SMALL, *_SUITES, *_TYPES, cst.FunctionDef, cst.Lambda, cst.Name)
_ROLES: dict[type[cst.CSTNode], _Role] = {
    cst.Decorator: _ignored,
    cst.Param: _parameter,
    cst.FunctionDef: _spoiled,
    cst.ClassDef: _spoiled,
    cst.ImportAlias: _spoiled,
    cst.ImportFrom: _ignored,
    cst.AsName: _named_as,
    cst.NameItem: _outward,
    cst.NamedExpr: _unless("target", _spoiled),
    cst.AssignTarget: _assigned,
    cst.AnnAssign: _annotated,
    cst.AugAssign: _augmented,
    cst.For: _in_loop(_looped),
    cst.CompFor: _in_loop(_comprehended),
    cst.Element: _in_display,
    cst.StarredElement: _in_display,
    cst.Del: _deleted,
    cst.MatchAs: _captured,
    cst.MatchStar: _captured,
    cst.MatchMapping: _captured,
    cst.MatchOrElement: _ignored,
    cst.MatchClass: _ignored,
    cst.MatchKeywordElement: _ignored,
    cst.MatchValue: _ignored,
    cst.MatchSingleton: _ignored,
    cst.TypeVar: _type_parameter,
    cst.TypeVarTuple: _type_parameter,
    cst.ParamSpec: _type_parameter,
}
