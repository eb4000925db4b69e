"""Which library function could stand in the place of another one, and how it is written there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import libcst as cst

from astmut.imports import Bound, Imports, Scope, imports, path_of
from astmut.library.index import Index, opened
from astmut.source import Source, normal

if TYPE_CHECKING:
    from astmut.library.ranking import Places  # keeps --help fast

Reach: TypeAlias = Literal["in-scope", "paper"]
REACHES: tuple[Reach, ...] = ("in-scope", "paper")

# What names stand for in snippets that import nothing; modules of the standard library stand for themselves.
ALIASES = {
    "np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot", "mpl": "matplotlib", "sp": "scipy",
    "nn": "torch.nn", "F": "torch.nn.functional", "pylab": "matplotlib.pyplot",
}  # fmt: skip
THEMSELVES = frozenset({
    "ast", "asyncio", "base64", "bisect", "calendar", "codecs", "collections", "contextlib", "copy",
    "csv", "ctypes", "decimal", "difflib", "fnmatch", "functools", "gc", "getpass", "glob", "gzip",
    "hashlib", "heapq", "html", "importlib", "inspect", "io", "itertools", "json", "locale", "logging", "math",
    "matplotlib", "mimetypes", "multiprocessing", "numpy", "operator", "os", "pandas", "pickle", "platform",
    "pprint", "random", "re", "requests", "scipy", "secrets", "select", "shlex", "shutil", "signal", "sklearn",
    "socket", "sqlite3", "ssl", "stat", "statistics", "string", "struct", "subprocess", "sys", "tarfile",
    "tempfile", "textwrap", "threading", "time", "timeit", "tokenize", "torch", "traceback", "types", "typing",
    "unicodedata", "urllib", "uuid", "warnings", "weakref", "webbrowser", "xml", "zipfile", "zlib",
})  # fmt: skip
CONVENTIONS = frozenset({*ALIASES, *THEMSELVES})


class Substitute(NamedTuple):
    """A function to call instead: its full name, how it is written, and whether only the last name changes."""

    qualified_name: str
    text: str
    last_only: bool


Written: TypeAlias = tuple[str, Mapping[int, str]]  # what stands before functions' names, and these by row


class Reachable(NamedTuple):
    """The functions that can be called at a place: ways to write them, the best first, and the rows of all."""

    ways: Sequence[Written]
    rows: Places

    def text(self, row: int) -> str:
        """Return how the function of a row is written."""
        before, name = next((before, names[row]) for before, names in self.ways if row in names)
        return f"{before}.{name}" if before else name


class Substitutes:
    """The substitutes in one source. Places with the same imports and the same callee share their answer."""

    def __init__(self, source: Source, reach: Reach, k: int, index: Index) -> None:
        """Find the imports; the functions of the index are read when a call leads to one of its modules."""
        self.source, self.k, self.index = source, k, index
        self.paper = reach == "paper"
        self.imports: Imports = imports(source, CONVENTIONS if self.paper else frozenset())
        self.stars = self._stars()
        self._found: dict[object, tuple[Substitute, ...]] = {}
        self._reachable: dict[object, Reachable] = {}

    def _stars(self) -> tuple[str, ...]:
        """Return the modules of star imports, the last first; none where one is not known to the index."""
        stars = self.imports.stars
        known = tuple(star for star in reversed(stars) if star is not None and star in self.index.modules)
        return known if len(known) == len(stars) else ()

    def of(self, called: cst.BaseExpression) -> tuple[Substitute, ...]:
        """Return the substitutes for what a call calls, the nearest first."""
        found = self.imports
        root = called
        while type(root) is cst.Attribute:
            root = root.value
        if type(root) is not cst.Name:
            return ()
        name = normal(root.value)
        dotted = root is not called
        if name not in found.names and not (self.paper and name in CONVENTIONS) and (dotted or not self.stars):
            return ()
        path = path_of(called)
        if path is None:
            return ()
        scopes = found.scopes(called)
        full = self._full_name(path, scopes)
        if full is None or full.rpartition(".")[0] not in self.index.modules:
            return ()
        row = self.index.places.get(full)
        if row is None:
            return ()
        if self.paper:
            key: object = (row, path[-1])
        else:
            visible = found.visible(called, scopes)
            key = (row, *path, id(visible))
        if key not in self._found:
            self._found[key] = self._any(row, path[-1]) if self.paper else self._in_scope(row, full, path, visible)
        return self._found[key]

    def _full_name(self, path: list[str], scopes: tuple[Scope, ...]) -> str | None:
        """Return the full name of a callee."""
        root, *rest = path
        found = self.imports
        meaning = found.meaning(root, scopes)
        if meaning is None and not found.binds(root, scopes):
            if self.paper and rest and (root in CONVENTIONS):
                meaning = ALIASES.get(root, root)
            elif not rest and root not in found.all_bound:
                module = next((star for star in self.stars if f"{star}.{root}" in self.index), None)
                meaning = f"{module}.{root}" if module else None
        return None if meaning is None else ".".join([meaning, *rest])

    def _any(self, row: int, last: str) -> tuple[Substitute, ...]:
        """Return the nearest of all functions that have another last name, each last name once."""
        taken = {last}
        found = []
        rows = self.index.rows
        for other in self.index.ranking.order(row):
            full = rows[other][0]
            name = full.rpartition(".")[2]
            if name not in taken:
                taken.add(name)
                found.append(Substitute(full, name, last_only=True))
                if len(found) == self.k:
                    break
        return tuple(found)

    def _in_scope(self, row: int, full: str, path: list[str], visible: tuple[Bound, ...]) -> tuple[Substitute, ...]:
        """Return the nearest of the functions that can be called here."""
        prefix = ".".join(path[:-1])
        key = (prefix, id(visible))
        reachable = self._reachable.get(key)
        if reachable is None:
            reachable = self._dotted(prefix, full.rpartition(".")[0], visible) if prefix else self._bare(visible)
            self._reachable[key] = reachable
        found = []
        rows, definitions = self.index.rows, set()
        for other in self.index.ranking.nearest_of(reachable.rows, row):
            name, _, definition, _, _, _ = rows[other]
            if definition in definitions:
                continue  # numpy.abs, where numpy.absolute is chosen already
            definitions.add(definition)
            text = reachable.text(other)
            before, _, last = text.rpartition(".")
            last_only = before == prefix
            found.append(Substitute(name, last if last_only else text, last_only))
            if len(found) == self.k:
                break
        return tuple(found)

    def _dotted(self, prefix: str, module: str, visible: tuple[Bound, ...]) -> Reachable:
        """Return what can be written with a dot: members of the callee's own module, and of those imported."""
        index = self.index
        pairs = [(prefix, module), *(pair for bound in visible for pair in bound.modules)]
        # After `from .spawn import spawn` in its package, a module's name is the function's.
        modules = [pair for pair in pairs if pair[1] in index.members and pair[1] not in index.places]
        ways = [(written, index.members[full]) for written, full in modules]
        return Reachable(ways, index.ranking.joined([index.member_rows[full] for _, full in modules]))

    def _bare(self, visible: tuple[Bound, ...]) -> Reachable:
        """Return what can be written without a dot: functions imported by name, or by a star."""
        places = self.index.places
        texts = {places[bound.meaning]: bound.name for bound in visible if bound.meaning in places}
        taken = self.imports.all_bound if self.stars else ()
        hidden: set[str] = set(taken)
        for star in self.stars:
            for row, name in self.index.members[star].items():
                if name not in hidden:
                    texts.setdefault(row, name)
            hidden.update(self.index.members[star].values())
        return Reachable([("", texts)], self.index.ranking.places(texts))


def substitutes(source: Source, reach: str, k: int, index: str | None) -> Substitutes:
    """Return the substitutes in a source, with what was worked out for other places.

    Raises ``ValueError``, or ``TypeError`` for an option that is nothing of its kind.
    """
    key = ("substitutes", reach, k, index)
    found = source.memo.get(key)
    if found is None:
        if reach not in REACHES:
            raise ValueError(f"no library {reach!r}; there are: {', '.join(REACHES)}")
        if not isinstance(k, int):
            raise TypeError(f"alternatives must be a whole number, not {k!r}")
        if not isinstance(index, str | PathLike | None):
            raise TypeError(f"index must be the path of a file, not {index!r}")
        if k < 1:
            raise ValueError(f"alternatives={k} asks for none: give 1 or more")
        found = source.memo[key] = Substitutes(source, reach, k, opened(index))
    return found  # type: ignore[return-value]
