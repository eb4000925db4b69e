"""What imported names mean at a place: ``np.sqrt`` is ``numpy.sqrt`` where ``np`` is numpy and nothing else.

A name means what an import binds it to as long as nothing else binds it in the same scope: no assignment, parameter,
loop, function or class, and no second import of something different. ``global`` and ``nonlocal`` spoil a name for the
whole source. Relative imports bind names too; what they mean is not known. Names are compared in Python's normal form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import libcst as cst

from astmut.source import Source, normal
from astmut.surroundings import is_target

# Types are compared, not asked for by isinstance, which for the classes of libcst is a Python function.
_IMPORTS: frozenset[type[cst.CSTNode]] = frozenset({cst.Import, cst.ImportFrom})
_COMPREHENSIONS: frozenset[type[cst.CSTNode]] = frozenset({cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp})
_FUNCTIONS: frozenset[type[cst.CSTNode]] = frozenset({cst.FunctionDef, cst.Lambda})
_BLOCK_SCOPES: frozenset[type[cst.CSTNode]] = frozenset({cst.FunctionDef, cst.ClassDef})
_SCOPES = _FUNCTIONS | _BLOCK_SCOPES | _COMPREHENSIONS
_ELEMENTS = frozenset({cst.Element, cst.StarredElement})
# The field of a parent whose name is bound by it.
_BINDING_FIELD: dict[type[cst.CSTNode], str] = {
    cst.AssignTarget: "target", cst.AnnAssign: "target", cst.AugAssign: "target", cst.For: "target",
    cst.CompFor: "target", cst.NamedExpr: "target", cst.Del: "target", cst.Param: "name", cst.FunctionDef: "name",
    cst.ClassDef: "name", cst.AsName: "name", cst.NameItem: "name", cst.MatchAs: "name", cst.MatchStar: "name",
    cst.MatchMapping: "rest", cst.TypeAlias: "name", cst.TypeVar: "name", cst.TypeVarTuple: "name",
    cst.ParamSpec: "name",
}  # fmt: skip

# The field of a parent whose name is no variable: of an object, of a parameter, of a module.
_OTHER_FIELD: dict[type[cst.CSTNode], str] = {
    cst.Attribute: "attr", cst.Arg: "keyword", cst.MatchKeywordElement: "key", cst.ImportFrom: "module",
}  # fmt: skip

Scope = int  # the identity of the node whose scope it is; all nodes of a source live as long as the source


class Bound(NamedTuple):
    """A name that an import binds.

    ``meaning`` is the full name of what it is bound to, None where that is not known. ``modules`` are the modules
    that can be reached by it: what is written, and its full name. ``sure`` says that the import is a statement of
    the scope itself, not of a branch or a ``try`` in it, and that Python does not mangle its name in a class.
    """

    name: str
    meaning: str | None
    modules: tuple[tuple[str, str], ...]
    sure: bool
    start: int


class Imports:
    """The imports of one source. ``names`` are all names that any of them binds, ``stars`` the modules of ``*``."""

    def __init__(self, source: Source, others: Iterable[str] = ()) -> None:
        """Find the imports, and what else binds their names, or one of ``others``."""
        self.source = source
        self.names: set[str] = set()
        self.stars: list[str | None] = []
        self._bound: dict[Scope, list[Bound]] = {}
        self._taken: set[tuple[Scope, str]] = set()  # bound by something else than an import
        self._spoiled: set[str] = set()
        self._meanings: dict[tuple[str, tuple[Scope, ...]], str | None] = {}
        self._visible: dict[tuple[Scope, ...], tuple[Bound, ...]] = {}
        self._sights: dict[tuple[Bound, ...], tuple[Bound, ...]] = {}
        self._scopes: dict[int, tuple[Scope, ...]] = {}
        for at in source.of_types(_IMPORTS):
            self._add(source.nodes[at])
        tracked = self.names.union(others)
        if tracked:
            for name, scope in self._other_bindings(tracked):
                if scope is None:
                    self._spoiled.add(name)
                else:
                    self._taken.add((scope, name))
        self._binding = {*self._bound, *(scope for scope, _ in self._taken)}

    def _add(self, node: Any) -> None:
        """Note what an import binds."""
        source = self.source
        start = source.span(node).start
        line: Any = source.parent(node)
        block: Any = line if type(line) is cst.SimpleStatementSuite else source.parent(line)
        sure = block is source.module or type(source.parent(block)) in _BLOCK_SCOPES
        scope = self.scopes(node)[0]
        has_classes = bool(source.by_type.get(cst.ClassDef))
        bound = self._bound.setdefault(scope, [])
        origin: str | None = ""
        modules: list[tuple[str, str]]
        if type(node) is cst.ImportFrom:
            origin = None if node.relative else _dotted(node.module)
            if type(node.names) is cst.ImportStar:
                self.stars.append(origin)
                return
        for alias in node.names:
            full = _dotted(alias.name)
            asname = alias.asname
            if type(node) is cst.ImportFrom:
                name = normal(asname.name.value) if asname else full
                meaning = f"{origin}.{full}" if origin else None
                modules = [(name, meaning)] if meaning else []
            elif asname:
                name = normal(asname.name.value)
                meaning, modules = full, [(name, full)]
            else:
                name = meaning = full.partition(".")[0]
                parts = full.split(".")
                modules = [(each, each) for each in (".".join(parts[: at + 1]) for at in range(len(parts)))]
            self.names.add(name)
            mangled = has_classes and name.startswith("__") and not name.endswith("__")
            bound.append(Bound(name, meaning, tuple(modules), sure and not mangled, start))

    def _other_bindings(self, tracked: set[str]) -> Iterator[tuple[str, Scope | None]]:
        """Yield where names are bound by anything but imports; None where that may be anywhere."""
        source = self.source
        nodes, parents = source.nodes, source.parents
        fields = _BINDING_FIELD
        names: Any = source.by_type.get(cst.Name, ())
        if source.text.data is None:  # no call for each, since names are a quarter of all nodes
            names = [at for at in names if nodes[at].value in tracked]
        else:
            names = [at for at in names if normal(nodes[at].value) in tracked]
        for at in names:
            node: Any = nodes[at]
            name = normal(node.value)
            above: Any = nodes[parents[at]]
            kind = type(above)
            if kind in fields:
                if getattr(above, fields[kind]) is not node:
                    continue
            elif kind not in _ELEMENTS or not is_target(node, source):
                continue
            if kind is cst.AsName and type(source.parent(above)) is cst.ImportAlias:
                continue
            yield name, self._scope_of_binding(node, above)

    def _scope_of_binding(self, node: cst.CSTNode, above: Any) -> Scope | None:
        if type(above) is cst.NameItem:
            return None
        source = self.source
        if type(above) is cst.Param:
            return id(next(each for each in source.ancestors(above) if type(each) in _FUNCTIONS))
        if type(above) is cst.CompFor or type(above) in _ELEMENTS:
            for each in source.ancestors(node):
                if type(each) in _COMPREHENSIONS:
                    return id(each)
                if isinstance(each, cst.BaseSmallStatement | cst.BaseCompoundStatement):
                    break
        return next(scope for scope in self.scopes(above) if scope not in self._comprehensions)

    @cached_property
    def _comprehensions(self) -> set[Scope]:
        return {id(self.source.nodes[at]) for at in self.source.of_types(_COMPREHENSIONS)}

    def scopes(self, node: cst.CSTNode) -> tuple[Scope, ...]:
        """Return the scopes whose names can be seen at a node, from the innermost to the module's."""
        source = self.source
        nodes, parents = source.nodes, source.parents
        found: list[Scope] = []
        last: Any = None
        below: Any = node
        at = parents[source.number(node)]
        while at >= 0:
            above: Any = nodes[at]
            kind = type(above)
            if kind is cst.IndentedBlock and not found:
                return self._scopes_in(at)
            if kind in _SCOPES:
                if kind in _COMPREHENSIONS:  # all but the first iterable
                    inside = above.for_in is not below or below.iter is not last
                else:
                    inside = above.body is below
                if inside and not (kind is cst.ClassDef and found):
                    found.append(id(above))
            last, below, at = below, above, parents[at]
        found.append(id(source.module))
        return tuple(found)

    def _scopes_in(self, block: int) -> tuple[Scope, ...]:
        """Return the scopes seen from the statements of a block, which most nodes stand in directly."""
        scopes = self._scopes.get(block)
        if scopes is None:
            scopes = self._scopes[block] = self.scopes(self.source.nodes[block])
        return scopes

    def binds(self, name: str, scopes: Iterable[Scope]) -> bool:
        """Say whether a name is bound in some scopes, by whatever."""
        if name in self._spoiled:
            return True
        return any(
            (scope, name) in self._taken or any(bound.name == name for bound in self._bound.get(scope, ()))
            for scope in scopes
        )

    def is_variable(self, name: cst.Name) -> bool:
        """Say whether a name is a variable's, read or bound: no attribute, keyword, or part of a module's name."""
        above: Any = self.source.parent(name)
        if getattr(above, _OTHER_FIELD.get(type(above), ""), None) is name:
            return False
        holder = self._import_of(name)
        return holder is None or (type(holder) is cst.ImportAlias and holder.asname is None)

    def is_bound(self, name: cst.Name) -> bool:
        """Say whether a variable is bound where it is mentioned, not read."""
        above: Any = self.source.parent(name)
        kind = type(above)
        if kind in _BINDING_FIELD:
            return getattr(above, _BINDING_FIELD[kind]) is name
        return is_target(name, self.source) if kind in _ELEMENTS else self._import_of(name) is not None

    def owner(self, name: cst.Name) -> Scope | None:
        """Return the scope whose variable it is, one of those that are tracked; None where nothing here binds it."""
        above: Any = self.source.parent(name)
        if self.is_bound(name) and self._import_of(name) is None:
            return self._scope_of_binding(name, above)
        if normal(name.value) in self._spoiled:
            return None
        return next((scope for scope in self.scopes(name) if self.binds(normal(name.value), (scope,))), None)

    def _import_of(self, name: cst.CSTNode) -> Any:
        """Return the ``ImportAlias`` or ``ImportFrom`` whose dotted name a name belongs to, None for any other name."""
        above: Any = self.source.parent(name)
        while type(above) is cst.Attribute:
            above = self.source.parent(above)
        return above if type(above) in {cst.ImportAlias, cst.ImportFrom} else None

    def meaning(self, name: str, scopes: tuple[Scope, ...]) -> str | None:
        """Return the full name of what a name is bound to by an import, None where that is not sure."""
        return self._meaning(name, self._telling(scopes))

    def _telling(self, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
        """Return those of some scopes that bind a name; that spares most functions a question of their own."""
        return tuple([scope for scope in scopes if scope in self._binding])

    def _meaning(self, name: str, telling: tuple[Scope, ...]) -> str | None:
        key = (name, telling)
        if key not in self._meanings:
            self._meanings[key] = self._found_meaning(name, telling)
        return self._meanings[key]

    def _found_meaning(self, name: str, scopes: tuple[Scope, ...]) -> str | None:
        if name in self._spoiled:
            return None
        for scope in scopes:
            if (scope, name) in self._taken:
                return None
            meanings = {bound.meaning for bound in self._bound.get(scope, ()) if bound.name == name}
            if meanings:
                return meanings.pop() if len(meanings) == 1 else None
        return None

    def visible(self, node: cst.CSTNode, scopes: tuple[Scope, ...]) -> tuple[Bound, ...]:
        """Return what imports surely bind at a node, in the order of the text, outer scopes first.

        What is the same is one object.
        """
        # What runs in the import's own scope runs in the order of the text; a function runs later.
        own = next(scope for scope in scopes if scope not in self._comprehensions)
        telling = self._telling(scopes)
        anywhere = own not in self._bound  # then it does not matter where in its scope the node stands
        if anywhere and telling in self._visible:
            return self._visible[telling]
        at = self.source.span(node).start
        found: list[Bound] = []
        for scope in reversed(telling):
            for bound in self._bound.get(scope, ()):
                here = bound.sure and (bound.start < at or scope != own)
                if here and bound.meaning is not None and bound.meaning == self._meaning(bound.name, telling):
                    found.append(bound)
        sight = tuple(found)
        sight = self._sights.setdefault(sight, sight)
        if anywhere:
            self._visible[telling] = sight
        return sight

    @cached_property
    def all_bound(self) -> frozenset[str]:
        """All names that anything but a star import binds anywhere in the source."""
        names: list[Any] = [self.source.nodes[at] for at in self.source.of_types((cst.Name,))]
        everything = {normal(name.value) for name in names}
        return frozenset(self.names | {name for name, _ in self._other_bindings(everything)})


def imports(source: Source, others: frozenset[str] = frozenset()) -> Imports:
    """Return the imports of a source, worked out once for the same ``others``."""
    key = ("imports", others)
    found = source.memo.get(key)
    if found is None:
        found = source.memo[key] = Imports(source, others)
    return found  # type: ignore[return-value]


def is_builtin(name: cst.Name, source: Source, builtins: frozenset[str]) -> bool:
    """Whether a name is read as one of these builtins: nothing around it binds it, and no star import may."""
    if name.value not in builtins:
        return False
    found = imports(source, builtins)
    return not found.stars and not found.binds(name.value, found.scopes(name))


def path_of(node: cst.BaseExpression) -> list[str] | None:
    """Return the parts of a dotted name such as ``os.path.join``, None for anything else."""
    parts = []
    while type(node) is cst.Attribute:
        parts.append(normal(node.attr.value))
        node = node.value
    if type(node) is not cst.Name:
        return None
    parts.append(normal(node.value))
    return parts[::-1]


def _dotted(node: Any) -> str:
    return ".".join(path_of(node) or ())
