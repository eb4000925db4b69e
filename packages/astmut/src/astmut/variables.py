"""Which variables are bound at a place: what a misused variable could be mistaken for.

Those are the ones that ``scope`` finds, and names that a text uses and never binds, as snippets do. Such a name is
taken for a variable from elsewhere, unless it is a builtin, begins with two underscores, is written like a class
(``CapWords``), is called, is raised or caught, is a type parameter, is declared global, is bound by a class, or
commonly names a module.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable
from typing import Any

import libcst as cst

from astmut.scope import Binding, Scope, Scopes
from astmut.source import Source, normal

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

_MANGLED = re.compile(r"__(?<!\w__)(?!\w*__\b)\w")  # begins with what can be searched for, not with a boundary
_CLASS = re.compile(r"_*[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")  # CapWords; X, N and X_train are variables
_EXCEPTIONS = (cst.Raise, cst.ExceptHandler, cst.ExceptStarHandler)
_FROM_ELSEWHERE = -(1 << 60)  # binds before everything else


class Variables:
    """The variables of one source.

    ``replacement`` gives, by the identity of each name that reads a variable, the variable that it is most easily
    mistaken for: of those bound there, the one bound last, of the innermost scope that has one.
    """

    def __init__(self, source: Source) -> None:
        """Find all bindings and uses; uses that no scope binds become bindings of the module."""
        found = Scopes(source)
        self.module, self.scopes, self.type_parameters = found.module, found.by_node, found.type_parameters
        ascii_only = source.text.data is None
        if not ascii_only:
            self._normalize(source)
        self._withhold()
        mangled = not ascii_only or _MANGLED.search(source.text.value) is not None
        for scope in self.scopes.values():
            scope.settle(mangled=mangled)
        self._adopt(_exceptions(source))
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

    def _adopt(self, exceptions: set[str]) -> None:
        """Take names that are used and bound nowhere for variables from elsewhere."""
        free: dict[str, int] = {}
        unsure = self.type_parameters | exceptions  # and names that something binds, but not for all of the text
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
    try:
        return source.memo["variables"]  # type: ignore[return-value]  # asked for each name
    except KeyError:
        found = source.memo["variables"] = Variables(source)
        return found


def _exceptions(source: Source) -> set[str]:
    """Return the names of the exceptions that a source raises or catches."""
    nodes: list[Any] = [source.nodes[at] for at in source.of_types(_EXCEPTIONS)]
    found = [node.exc if type(node) is cst.Raise else node.type for node in nodes]
    for caught in list(found):
        if type(caught) is cst.Tuple:
            found += [element.value for element in caught.elements]
    return {normal(each.value) for each in found if type(each) is cst.Name}


def _may_be_variable(name: str) -> bool:
    if name in BUILTINS or name in MODULE_NAMES or name.startswith("__"):
        return False
    return _CLASS.fullmatch(name) is None
