"""Which variables are bound at a place: what a misused variable could be mistaken for.

The analysis is careful rather than complete. A binding counts from the end of its statement to the end of the
block that it stands in, a loop's variable in the loop's body, a caught exception in its handler: then every path to
the use has passed the binding. Names that are deleted, declared nonlocal, bound by a walrus, that Python would
mangle in a class, or that name a module, function or class are no candidates. A name that a text uses and never
binds, as snippets do, is taken for a variable from elsewhere, unless it is a builtin, begins with two underscores,
is called, is a type parameter, is declared global, is bound by a class, or commonly names a module.
"""

from __future__ import annotations

import builtins
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import libcst as cst

from astmut.source import Source, normal
from astmut.surroundings import is_target

# Names that snippets use without importing them, and that are modules there. Written out, because
# `sys.stdlib_module_names` differs between versions and mutants must not.
# fmt: off
MODULE_NAMES = frozenset({
    "argparse", "array", "ast", "asyncio", "base64", "bisect", "calendar", "cgi", "codecs", "collections",
    "concurrent", "configparser", "contextlib", "copy", "csv", "ctypes", "cv2", "datetime", "decimal",
    "difflib", "django", "dt", "email", "flask", "fractions", "functools", "gc", "getopt", "getpass", "glob",
    "gzip", "hashlib", "heapq", "html", "http", "importlib", "inspect", "io", "itertools", "json", "keras",
    "linecache", "locale", "logging", "lxml", "math", "matplotlib", "mechanize", "mimetypes", "mpl",
    "multiprocessing", "nltk", "nn", "np", "numpy", "operator", "os", "pandas", "pathlib", "pd", "pickle", "pl",
    "platform", "plt", "pprint", "pylab", "queue", "random", "re", "requests", "scipy", "select", "selenium",
    "shlex", "shutil", "signal", "sklearn", "sm", "sns", "socket", "sp", "sqlite3", "ssl", "stat", "statistics",
    "string", "struct", "subprocess", "sympy", "sys", "tarfile", "tempfile", "tensorflow", "textwrap", "tf",
    "threading", "time", "timeit", "tk", "tkinter", "tokenize", "torch", "traceback", "types", "typing",
    "unicodedata", "unittest", "urllib", "urllib2", "urlparse", "uuid", "warnings", "weakref", "webbrowser",
    "xml", "yaml", "zipfile", "zlib"
})
# fmt: on
# Builtins of every supported version; those that only some versions have are added.
BUILTINS = frozenset(dir(builtins)) | {
    "aiter",
    "anext",
    "BaseExceptionGroup",
    "ExceptionGroup",
    "EncodingWarning",
    "PythonFinalizationError",
    "unicode",
    "xrange",
    "raw_input",
    "basestring",
    "long",
    "unichr",
    "reduce",
    "cmp",
    "file",
}  # fmt: skip

_MANGLED = re.compile(r"\b__(?!\w*__\b)\w")
_FROM_ELSEWHERE = -(1 << 60)  # binds before everything else
_new = tuple.__new__  # a third of what a call of the named tuple costs


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
    ``gaps`` of a name, bindings that began before do not hold.
    """

    start: int
    parent: Scope | None
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


class Variables:
    """The variables of one source, found in one pass.

    ``replacement`` gives, by the identity of each name that reads a variable, the variable that it is most easily
    mistaken for: of those bound there, the one bound last, of the innermost scope that has one.
    """

    def __init__(self, source: Source) -> None:
        """Find all bindings and uses; uses that no scope binds become bindings of the module."""
        self.module = Scope(0, None)
        self.scopes: dict[int, Scope] = {id(source.module): self.module}
        self.type_parameters: set[str] = set()
        _Pass(source, self).run()
        ascii_only = source.text.data is None
        if not ascii_only:
            self._normalize(source)
        self._withhold()
        mangled = not ascii_only or _MANGLED.search(source.text.value) is not None
        for scope in self.scopes.values():
            scope.settle(mangled=mangled)
        self._adopt()
        self.replacement: dict[int, str] = {}
        for scope in self.scopes.values():
            self._replace(scope)

    def _normalize(self, source: Source) -> None:
        """Give names the form in which Python compares them."""
        names: Any = (source.nodes[at] for at in source.of_types((cst.Name,)))
        odd = {node.value: normal(node.value) for node in names if node.value != normal(node.value)}
        if not odd:
            return

        def named(names: Iterable[str]) -> set[str]:
            return {odd.get(name, name) for name in names}

        self.type_parameters = named(self.type_parameters)
        for scope in self.scopes.values():
            scope.bindings = [Binding(start, end, odd.get(name, name)) for start, end, name in scope.bindings]
            scope.uses = [(node, at, odd.get(name, name)) for node, at, name in scope.uses]
            scope.names, scope.unfit, scope.withheld = named(scope.names), named(scope.unfit), named(scope.withheld)
            scope.outward, scope.inward = named(scope.outward), named(scope.inward)
            scope.deleted = named(scope.deleted)
            for name in scope.caught.keys() & odd.keys():
                scope.caught.setdefault(odd[name], []).extend(scope.caught.pop(name))
            for name in scope.gaps.keys() & odd.keys():
                scope.gaps.setdefault(odd[name], []).extend(scope.gaps.pop(name))

    def _withhold(self) -> None:
        """Withhold the variables that another scope deletes, by itself or at the end of a handler."""
        deleted_globals: set[str] = set()
        for scope in self.scopes.values():
            if not scope.outward and not scope.inward:
                continue
            deleted = scope.deleted | scope.caught.keys()
            deleted_globals |= deleted & scope.outward
            above = scope.parent
            while above is not None:
                above.withheld |= deleted & scope.inward
                above = above.parent
        if deleted_globals:
            self.module.withheld |= deleted_globals
            for scope in self.scopes.values():
                scope.withheld |= deleted_globals & scope.outward

    def _adopt(self) -> None:
        """Take names that are used and bound nowhere for variables from elsewhere."""
        free: dict[str, int] = {}
        unsure = set(self.type_parameters)  # names that something binds, but not for all of the text
        for scope in self.scopes.values():
            if scope.outward:
                unsure |= scope.outward
            if scope.is_class:
                unsure |= scope.names
        for scope in self.scopes.values():
            first = {name: at for _, at, name in reversed(scope.uses)}  # they are in the order of the text
            for name, at in first.items():
                if self.owner(scope, name) is None and name not in unsure and _may_be_variable(name):
                    free[name] = min(at, free.get(name, at))
        adopted = [Binding(_FROM_ELSEWHERE + at, 1 << 60, name) for name, at in free.items()]
        self.module.bindings = sorted(adopted) + self.module.bindings
        self.module.names.update(free)

    def _replace(self, scope: Scope) -> None:
        """Keep those uses of a scope that read variables, and find a replacement for each."""
        variables = {name for name in {name for _, _, name in scope.uses} if self.home(scope, name) is not None}
        scope.uses = [use for use in scope.uses if use[2] in variables]
        bindings, passed, count, gaps = scope.bindings, 0, len(scope.bindings), scope.gaps
        outer: dict[str, str | None] = {}
        other: str | None
        for node, at, name in scope.uses:  # in the order of the text, so that one finger follows
            while passed < count and bindings[passed][0] <= at:
                passed += 1
            for number in range(passed - 1, -1, -1):
                start, end, other = bindings[number]
                if end > at and other != name and not (other in gaps and scope.hides(other, start, at)):
                    break
            else:
                if name not in outer:
                    outer[name] = self._outer_nearest(scope, name)
                other = outer[name]
            if other is not None:
                self.replacement[id(node)] = other

    def _outer_nearest(self, scope: Scope, name: str) -> str | None:
        """Return the variable of the scopes around that was bound last where ``scope`` begins."""
        shadowed = set(scope.names)
        at, here = scope.start, scope.parent
        while here is not None:
            if not here.is_class:
                if (found := here.nearest(at, name, shadowed)) is not None:
                    return found
                shadowed |= here.names
            at, here = here.start, here.parent
        return None

    def owner(self, scope: Scope, name: str) -> Scope | None:
        """Return the scope whose name it is, None where no scope binds it."""
        at: Scope | None = self.module if name in scope.outward else scope
        while at is not None:
            if name in at.names and (at is scope or not at.is_class):
                return at
            at = at.parent
        return None

    def home(self, scope: Scope, name: str) -> Scope | None:
        """Return the scope whose variable it is, None where it is no variable."""
        owner = self.owner(scope, name)
        return None if owner is None or name in owner.unfit else owner


def variables(source: Source) -> Variables:
    """Return the variables of a source, worked out once."""
    found = source.memo.get("variables")
    if found is None:
        found = source.memo["variables"] = Variables(source)
    return found  # type: ignore[return-value]


def _may_be_variable(name: str) -> bool:
    return name not in BUILTINS and name not in MODULE_NAMES and not name.startswith("__")


_Role = Callable[["_Pass", cst.Name, Any], None]


class _Pass:
    """The walk over names, statements and blocks that fills the scopes."""

    def __init__(self, source: Source, into: Variables) -> None:
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
        scope = self.into.scopes[id(node)] = Scope(start, around)
        if type(node) is cst.Lambda:
            self.scopes.append((end, scope))
            self.scopes.append((self.source.span(node.body).start, around))  # defaults are read where it is made

    def _enter(self, i: int, owner: cst.CSTNode) -> None:
        """Enter a block, and the scope of the function or class whose it is."""
        start, end = self.source.starts[i], self.source.ends[i]
        while start >= self.blocks[-1]:
            self.blocks.pop()
        self.blocks.append(end)
        while start >= self.scopes[-1][0]:
            self.scopes.pop()
        if type(owner) is cst.FunctionDef:
            self.scopes.append((end, self.into.scopes[id(owner)]))
        elif type(owner) is cst.ClassDef:
            scope = self.into.scopes[id(owner)] = Scope(start, self.scopes[-1][1], is_class=True)
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
            scope.bindings.append(_new(Binding, (start, end, name)))

    def spoil(self, name: str) -> None:
        """Note that ``name`` is no variable here, or not reliably bound."""
        self.scope.names.add(name)
        self.scope.unfit.add(name)


def _read(walk: _Pass, node: cst.Name, _above: Any) -> None:
    walk.scope.uses.append((node, walk.source.span(node).start, node.value))


def _ignored(_walk: _Pass, _node: cst.Name, _above: Any) -> None:
    """Names that are neither read nor bound: attributes, keywords, callees."""


def _spoiled(walk: _Pass, node: cst.Name, _above: Any) -> None:
    walk.spoil(node.value)


def _unless(field_name: str, otherwise: _Role = _ignored) -> _Role:
    """Return a role: what stands in one field of the parent is ``otherwise``, the rest is read."""

    def role(walk: _Pass, node: cst.Name, above: Any) -> None:
        (otherwise if getattr(above, field_name) is node else _read)(walk, node, above)

    return role


def _deleted(walk: _Pass, node: cst.Name, _above: Any) -> None:
    walk.spoil(node.value)
    walk.scope.deleted.add(node.value)


def _type_parameter(walk: _Pass, node: cst.Name, above: Any) -> None:
    if above.name is node:
        walk.into.type_parameters.add(node.value)


def _parameter(walk: _Pass, node: cst.Name, above: Any) -> None:
    if above.name is not node:
        _read(walk, node, above)
        return
    source = walk.source
    owner: Any = source.parent(source.parent(above))  # type: ignore[arg-type]  # around it are all parameters
    start, end = source.span(owner.body)
    walk.bind(node.value, start, max(end, start + 1), walk.into.scopes[id(owner)])


def _assigned(walk: _Pass, node: cst.Name, _above: Any) -> None:
    walk.bind(node.value, walk.statement_end, walk.blocks[-1])


def _annotated(walk: _Pass, node: cst.Name, above: Any) -> None:
    if above.target is not node:
        _read(walk, node, above)
    elif above.value is None:
        walk.scope.names.add(node.value)
    else:
        _assigned(walk, node, above)


def _augmented(walk: _Pass, node: cst.Name, above: Any) -> None:
    if above.target is not node:
        _read(walk, node, above)
    else:
        walk.scope.names.add(node.value)


def _looped(walk: _Pass, node: cst.Name, loop: Any) -> None:
    walk.bind(node.value, *walk.source.span(loop.body))


def _comprehended(walk: _Pass, node: cst.Name, loop: cst.CompFor) -> None:
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


def _in_display(walk: _Pass, node: cst.Name, above: Any) -> None:
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


def _named_as(walk: _Pass, node: cst.Name, above: Any) -> None:
    source = walk.source
    holder: Any = source.parent(above)
    if type(holder) is cst.WithItem:
        statement: Any = source.parent(holder)
        start, end = source.span(statement.body)
        # The managers before it, and its own while it unpacks, may swallow an exception and go on behind the block.
        sure = statement.items[0] is holder and above.name is node
        walk.bind(node.value, start, walk.blocks[-1] if sure else end)
    elif type(holder) in _HANDLERS:
        scope, (start, end) = walk.scope, source.span(holder.body)
        scope.names.add(node.value)
        caught = scope.caught.setdefault(node.value, [])
        if any(start < outer_end for _, outer_end in caught):
            scope.withheld.add(node.value)  # deleted in the midst of the outer handler
        caught.append((start, end))
    else:
        walk.spoil(node.value)  # an imported module, most often


def _in_loop(role: _Role) -> _Role:
    def either(walk: _Pass, node: cst.Name, above: Any) -> None:
        (role if above.target is node else _read)(walk, node, above)

    return either


def _captured(walk: _Pass, node: cst.Name, _above: Any) -> None:
    case: Any = next(a for a in walk.source.ancestors(node) if type(a) is cst.MatchCase)
    walk.bind(node.value, *walk.source.span(case.body))


def _outward(walk: _Pass, node: cst.Name, above: Any) -> None:
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
