"""What the names of packages mean, read from sources and stubs. Nothing of them is imported or run.

typeshed_client reads a module's names: it knows the standard library's stubs, which of their branches hold for a
version of Python, and star imports. Here its names are followed to the functions that they mean. A file that cannot be
read costs its own names, and is reported.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from typeshed_client import finder, parser

from astmut.warned import quiet

LARGEST_FILE = 8 * 1024 * 1024

Function = ast.FunctionDef | ast.AsyncFunctionDef
_UNREADABLE = (SyntaxError, ValueError, OSError, RecursionError, MemoryError, parser.InvalidStub)


class Found(NamedTuple):
    """A function at its definition: the module and name there, its nodes, and whether ``self`` is filled already."""

    module: str
    name: str
    nodes: tuple[Function, ...]
    bound: bool = False


class Class(NamedTuple):
    """A class at its definition, which a variable may be an instance of."""

    module: str
    name: str
    names: parser.NameDict


class Hindrance(NamedTuple):
    """Why modules cannot be imported: a module that they need, or are, what is wrong with it, and where."""

    module: str
    trouble: str
    cause: str = ""

    def reason(self, of: str) -> str:
        """Say why ``of`` is left out."""
        return self.cause or self.trouble if of == self.module else f"needs {self.module}, which {self.trouble}"


@dataclass(slots=True)
class Report:
    """What was read, by which Python and reader, and which modules were left out, with why."""

    packages: dict[str, str] = field(default_factory=dict)
    built_with: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, module: str, reason: str) -> None:
        """Note that a module is left out, once for one reason."""
        if (module, reason) not in self.skipped:
            self.skipped.append((module, reason))


class Reader:
    """The modules of one search path, as they are for one version of Python, read when asked for and once."""

    def __init__(
        self, paths: Sequence[Path], python: tuple[int, int], platform: str, report: Report, *, stubs: bool = True
    ) -> None:
        """Look for modules in the standard library, and in folders where Python would look: stubs first, or sources."""
        self.report, self.stubs = report, stubs
        self.paths = list(paths)
        self.context = finder.get_search_context(
            search_path=self.paths, version=python, platform=platform, allow_py_files=True
        )
        self._modules: dict[str, Module] = {}
        self._hindrances: dict[str, Hindrance | None] = {}
        self._needs: dict[str, list[str] | Hindrance] = {}
        self._asked: set[tuple[str, str]] = set()

    def module(self, name: str) -> Module:
        """Return a module; one that is not there has no names."""
        found = self._modules.get(name)
        if found is None:
            # It is empty while it is read, so that modules that import each other come to an end.
            found = self._modules[name] = Module(name)
            path = self.path(name)
            if path is not None:
                try:
                    self._read(found, path)
                except _UNREADABLE as error:
                    self.report.skip(name, _cause(error, path))
        return found

    def path(self, name: str) -> Path | None:
        """Return the file to read a module from: its stub, or its source."""
        if not self._is_of_this_version(name):
            return None
        path: Path | None = finder.get_stub_file_name(finder.ModulePath(tuple(name.split("."))), self.context)
        if path is None and "." not in name:
            alone = (folder / f"{name}{suffix}" for folder in self.paths for suffix in (".pyi", ".py"))
            path = next((file for file in alone if file.is_file()), None)
        if path is not None and not self.stubs and path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        return path

    def _is_of_this_version(self, name: str) -> bool:
        """Say whether the standard library has a module in this version; True for modules of others."""
        known = finder.get_typeshed_versions(self.context.typeshed)
        parts = name.split(".")
        spans = (known.get(".".join(parts[: at + 1])) for at in range(len(parts)))
        python = self.context.version
        return all(span is None or span.min <= python <= (span.max or python) for span in spans)

    def _read(self, module: Module, path: Path) -> None:
        tree = _parsed(path)
        module.is_package = path.stem == "__init__"
        module.is_stub = path.suffix == ".pyi"
        gone = set(_bound_otherwise(tree))
        for node in ast.walk(tree):
            for block in (getattr(node, name, ()) for name in ("body", "orelse", "finalbody")):
                if isinstance(block, list):
                    self._spell_stars_out(block, module)
        if not module.is_stub and not _is_lazy(tree):
            _leave_out_what_may_lack(tree)
        for node in _at_top(tree):
            _spell_all_out(node)
        names = parser.parse_ast(
            tree,
            self.context,
            finder.ModulePath(tuple(module.name.split("."))),
            is_init=module.is_package,
            file_path=path,
        )
        module.names = {name: info for name, info in names.items() if name not in gone}

    def _spell_stars_out(self, block: list[ast.stmt], module: Module) -> None:
        """Replace star imports by the names that they bring: typeshed_client would follow them in circles."""
        for at, node in enumerate(block):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                other = self.module(absolute(node, module.name, is_package=module.is_package))
                node.names = [ast.alias(name, name) for name in other.brought_by_star()]
                if not node.names:
                    block[at] = ast.Pass()

    def resolve(self, module: str, name: str) -> Found | Class | str | None:
        """Return the function, class or module (its name) that a name of a module means, None for all else."""
        if (module, name) in self._asked:  # ``y = y.z``: names that explain each other in a circle
            return None
        self._asked.add((module, name))
        try:
            return self._resolve(module, name)
        finally:
            self._asked.discard((module, name))

    def _resolve(  # noqa: C901, PLR0911 - one answer for each thing that a name can be
        self, module: str, name: str
    ) -> Found | Class | str | None:
        for _ in range(50):  # names may be handed on in circles
            info = self.module(module).names.get(name)
            if info is None:
                inner = f"{module}.{name}"
                return inner if self.path(inner) is not None else None
            node = self._one(info, stub=self.module(module).is_stub)
            if isinstance(node, parser.ImportedName):
                source = ".".join(node.module_name)
                if node.name is None:
                    return source
                if (source, node.name) == (module, name):  # ``from . import name`` in the package itself
                    return f"{module}.{name}" if self.path(f"{module}.{name}") is not None else None
                if self.path(source) is None:
                    return None
                module, name = source, node.name
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id != name:
                name = node.value.id
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
                return self._attribute(module, node.value)
            elif isinstance(node, ast.AnnAssign) and (node.value is not None or self.module(module).is_stub):
                return self._called(module, name, node.annotation)
            elif isinstance(node, ast.ClassDef):
                return Class(module, name, info.child_nodes or {})
            elif isinstance(node, Function):
                functions = _functions(info)
                return Found(module, name, functions) if _exists(functions[0]) else None
            else:
                return None
        return None

    def origin(self, module: str, name: str) -> tuple[str, bool]:
        """Return the full name under which the value of a name is made, and whether the making of it is to be seen."""
        for _ in range(50):
            info = self.module(module).names.get(name)
            if info is None:  # a file in C brings it
                return f"{module}.{name}", False
            node = self._one(info, stub=self.module(module).is_stub)
            value = node.value if isinstance(node, ast.Assign) else None
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "_add_docstr":
                value = value.args[0]  # torch names functions in C anew so, and the call gives them back
            if isinstance(node, parser.ImportedName) and node.name is not None:
                module, name = ".".join(node.module_name), node.name
            elif isinstance(value, ast.Name) and value.id != name:
                name = value.id
            elif isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
                holder = self.resolve(module, value.value.id)
                if not isinstance(holder, str):
                    break
                module, name = holder, value.attr
            else:
                break
        return f"{module}.{name}", True

    def _one(self, info: Any, *, stub: bool) -> Any:
        """Return what decides of all that a name is bound to: the first in a stub, the last in a source."""
        if isinstance(info.ast, parser.OverloadedName):
            return info.ast.definitions[0 if stub else -1]
        return info.ast

    def _attribute(self, module: str, node: ast.Attribute) -> Found | Class | str | None:
        """Return what ``json.dumps``, or ``_inst.random`` of a variable ``_inst: Random``, means in a module."""
        if not isinstance(node.value, ast.Name):
            return None
        info = self.module(module).names.get(node.value.id)
        holder: Found | Class | str | None
        if info is not None and isinstance(info.ast, ast.AnnAssign):
            holder = self._class_of(module, info.ast.annotation)
            if isinstance(holder, Class):
                return self._method(holder, node.attr, (module, f"{node.value.id}.{node.attr}"))
            return None
        holder = self.resolve(module, node.value.id)
        return self.resolve(holder, node.attr) if isinstance(holder, str) else None

    def _called(self, module: str, name: str, annotation: ast.expr) -> Found | None:
        """Return what a call of a variable runs: ``__call__`` of its class, as numpy's ufuncs have it."""
        found = self._class_of(module, annotation)
        return self._method(found, "__call__", (module, name)) if isinstance(found, Class) else None

    def _class_of(self, module: str, annotation: ast.expr) -> Class | None:
        if isinstance(annotation, ast.Subscript):
            inside = ast.unparse(annotation.value).rpartition(".")[2] == "Final"
            annotation = annotation.slice if inside else annotation.value
        if isinstance(annotation, ast.Attribute):
            found = self._attribute(module, annotation)
        else:
            found = self.resolve(module, annotation.id) if isinstance(annotation, ast.Name) else None
        return found if isinstance(found, Class) else None

    def _method(
        self, of: Class, method: str, definition: tuple[str, str], below: tuple[tuple[str, str], ...] = ()
    ) -> Found | None:
        """Return a method of a class, or of those that it is derived from; ``below`` are those derived from it."""
        below = (*below, (of.module, of.name))
        info = of.names.get(method)
        if info is not None:
            functions = _functions(info)
            return Found(*definition, functions, bound=True) if functions else None
        node = self.module(of.module).names[of.name].ast
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            found = self._class_of(of.module, base)
            if found is None or (found.module, found.name) in below:
                continue
            if inherited := self._method(found, method, definition, below):
                return inherited
        return None

    def public(self, name: str) -> Iterator[str]:
        """Yield the names of a module that are meant for its users.

        Those are the names in ``__all__``. Where there is none, or one that is computed, they are what the module
        defines, what a stub exports, and what an ``__init__`` or a star imports from the package itself.
        """
        module = self.module(name)
        listed = module.listed
        package = name.partition(".")[0]
        for each, info in module.names.items():
            if each.startswith("_"):
                continue
            if listed is not None:
                wanted = each in listed
            elif isinstance(info.ast, parser.ImportedName):
                inside = info.ast.module_name[0] == package
                wanted = module.hands_on(each) and (module.is_stub or inside)
                wanted = wanted or (module.is_package and not module.is_stub and inside)
            else:
                wanted = True
            if wanted:
                yield each

    def hindrance(self, name: str) -> Hindrance | None:
        """Return what keeps a module from being imported, None where it and all that it needs seem to be there."""
        known = self._hindrances
        if name not in known:
            before = len(known)
            known[name] = None  # where modules import each other
            found = self._find_hindrance(name)
            if found is not None:  # what was thought to be there meanwhile may need this one
                for each in list(known)[before:]:
                    if known[each] is None:
                        del known[each]
            known[name] = found
        return known[name]

    def _find_hindrance(self, name: str) -> Hindrance | None:
        top = name.partition(".")[0]
        if top in finder.get_typeshed_versions(self.context.typeshed) or top in sys.stdlib_module_names:
            return None
        if "." in name and (above := self.hindrance(name.rpartition(".")[0])) is not None:
            return above
        if name not in self._needs:
            self._needs[name] = self._needed_by(name)
        needs = self._needs[name]
        if isinstance(needs, Hindrance):
            return needs
        return next((found for each in needs if (found := self.hindrance(each)) is not None), None)

    def _needed_by(self, name: str) -> list[str] | Hindrance:
        """Return the modules that a module imports at once, or what is wrong with it itself."""
        spec = self._spec(name)
        if spec is None:
            stub = self.path(name)
            found = "" if stub is None else f": there is only its stub, {stub.name}"
            return Hindrance(name, f"is not there{found}")
        if spec.origin is None or not spec.origin.endswith(".py"):
            return []
        try:
            body = _parsed(Path(spec.origin)).body
        except _UNREADABLE as error:
            return Hindrance(name, "cannot be read", _cause(error, Path(spec.origin)))
        is_package = spec.submodule_search_locations is not None
        needed: list[str] = []
        for node in body:
            if isinstance(node, ast.Import):
                needed += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                needed.append(absolute(node, name, is_package=is_package))
        if any(isinstance(node, ast.Raise) for node in body):
            return Hindrance(name, "raises an error when it is imported")
        return [each for each in needed if each != "__future__"]

    def _spec(self, name: str) -> ModuleSpec | None:
        """Return where Python would find a module; of one in a file of C, where that file is."""
        places = [str(folder) for folder in self.paths]
        spec = None
        for part in name.split("."):
            spec = PathFinder.find_spec(part, places)
            if spec is None:
                return None
            places = list(spec.submodule_search_locations or ())
            if not places:
                break
        return spec


@dataclass(slots=True)
class Module:
    """The names of a module, as typeshed_client gives them."""

    name: str
    names: parser.NameDict = field(default_factory=dict)
    is_package: bool = False
    is_stub: bool = False

    @property
    def listed(self) -> frozenset[str] | None:
        """The names in ``__all__``, None where there is none or it is computed."""
        info = self.names.get("__all__")
        if info is None:
            return None
        try:
            return frozenset(parser.get_dunder_all_from_info(info) or ())
        except parser.InvalidStub:
            return None

    def brought_by_star(self) -> list[str]:
        """Return the names that a star import of this module brings.

        Where ``__all__`` is computed or missing, what the module itself imports by name is none of them.
        """
        listed = self.listed
        if listed is not None:
            return [name for name in self.names if name in listed]
        return [name for name in self.names if not name.startswith("_") and self.hands_on(name)]

    def hands_on(self, name: str) -> bool:
        """Say whether a name is the module's own, or imported in order to hand it on."""
        info = self.names[name]
        if self.is_stub or not isinstance(info.ast, parser.ImportedName):
            return info.is_exported
        return info.is_exported and info.ast.name == name


def _parsed(path: Path) -> ast.Module:
    """Return the tree of a file. Raises one of ``_UNREADABLE``."""
    if not path.is_file():
        raise OSError("not an ordinary file")
    if path.stat().st_size > LARGEST_FILE:
        raise OSError(f"larger than {LARGEST_FILE // 1024 // 1024} MiB")
    data = path.read_bytes()
    with quiet():  # about escapes
        return ast.parse(data)


def _cause(error: Exception, path: Path) -> str:
    """Return why a file cannot be read, with its name and row."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{path}:{error.lineno}: {error.msg}"
    if isinstance(error, RecursionError | MemoryError):
        return f"{path}: nested too deeply, or too large for the memory"
    return f"{path}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"


def _spell_all_out(node: ast.stmt) -> None:
    """Write what an ``__all__`` gains as one list where it is a sum of lists, which typeshed_client does not read."""
    match node:
        case ast.Assign(targets=[ast.Name("__all__")]) | ast.AugAssign(target=ast.Name("__all__")):
            node.value = _joined(node.value)
        case ast.Expr(ast.Call(ast.Attribute(ast.Name("__all__"), "extend"), [_]) as call):
            call.args = [_joined(call.args[0])]


def _joined(value: ast.expr) -> ast.expr:
    if isinstance(value, ast.Name) and value.id == "__all__":
        return ast.List([], ast.Load())  # what it holds already is counted already
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _joined(value.left), _joined(value.right)
        if isinstance(left, ast.List | ast.Tuple) and isinstance(right, ast.List | ast.Tuple):
            return ast.List([*left.elts, *right.elts], ast.Load())
    return value


def _at_top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a module that are in no function or class."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, (*_SCOPES, ast.expr)):
            waiting.extend(ast.iter_child_nodes(node))


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_NAMES = (*_SCOPES, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _bound_otherwise(tree: ast.Module) -> Iterator[str]:
    """Yield what a module deletes, or binds by a loop, ``with``, pattern, handler or walrus.

    What is unpacked (``f, g = map(traced, (f, g))``) is a function as before, mostly.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _OWN_NAMES):
            continue
        below: list[ast.AST] = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            below = [node.value] if node.value else []
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        waiting += below


def _is_lazy(tree: ast.Module) -> bool:
    """Whether a module may bring names in other ways than by statements."""
    return any(getattr(node, "name", getattr(node, "id", "")) in {"__getattr__", "globals"} for node in ast.walk(tree))


def _leave_out_what_may_lack(tree: ast.Module) -> None:
    """Make ``if TYPE_CHECKING`` false, as it is where a module runs, and ``if HAS_NUMPY``, as it is without numpy."""
    handlers = (each for node in _at_top(tree) if isinstance(node, ast.Try) for each in node.handlers)
    false = {"TYPE_CHECKING"}
    for node in (each for handler in handlers if _is_for_imports(handler) for each in handler.body):
        match node:
            case ast.Assign(targets=[ast.Name(flag)], value=ast.Constant(value=False)):
                false.add(flag)
    for node in _at_top(tree):
        if isinstance(node, ast.If) and getattr(node.test, "attr", getattr(node.test, "id", "")) in false:
            node.test = ast.Constant(value=False)


def _is_for_imports(handler: ast.ExceptHandler) -> bool:
    """Whether an error that a failed import raises is caught by its name."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id in {"ImportError", "ModuleNotFoundError"} for each in caught)


def absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """Return the full name of the module that an import takes names from.

    >>> absolute(ast.parse("from ..b import c").body[0], "p.q.r", is_package=False)
    'p.b'
    """
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    above = parts[: len(parts) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _functions(info: parser.NameInfo) -> tuple[Function, ...]:
    """Return the definitions of a function: its overloads in a stub, or what follows the overloads in a source."""
    nodes = info.ast.definitions if isinstance(info.ast, parser.OverloadedName) else [info.ast]
    functions = [node for node in nodes if isinstance(node, Function)]
    written_out = [node for node in functions if "overload" not in decorators(node)]
    return tuple(written_out[-1:] or functions)


def decorators(node: Function) -> set[str]:
    """Return the names of a function's decorators, the last part of dotted ones."""
    return {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}


def _exists(node: Function) -> bool:
    return "type_check_only" not in decorators(node)
