"""The signatures of packages, made of what their sources and stubs say.

Of all functions that ``reader`` finds, those are kept that a user would call, under the names that a user would write.
"""

from __future__ import annotations

import ast
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import ClassVar

from typeshed_client import finder

from astmut.library.reader import Found, Reader, Report, decorators
from astmut.library.signature import (
    KEYWORD_ONLY,
    POSITIONAL,
    POSITIONAL_ONLY,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Parameter,
    Signature,
)

STANDARD_LIBRARY = "python"
VERSIONS = ((3, 10), (3, 11), (3, 12), (3, 13))  # what the standard library has in all of these
PLATFORM = "linux"
# Modules that are no library for a program: they do something when imported, or are programs and tests themselves.
NOT_FOR_USERS = frozenset(
    {"__main__", "antigravity", "conftest", "distutils", "externals", "idlelib", "lib2to3", "test", "tests", "this"}
)
# What its authors call private under a public name, or what only some builds of Python have.
NOT_FOR_ALL = frozenset(
    {
        "dbm.gnu",
        "dbm.ndbm",
        "matplotlib.backends",
        "pandas.core",
        "pandas.io.formats",
        "sys.gettotalrefcount",
        "torch.fx.experimental",
    }
    | {"genericpath", "ntpath", "posixpath", "typing_extensions"}  # the first three are os.path
)
# What stubs or branches say, and is not there or no function in fact; found by tests/astmut/test_library_exists.py.
NOT_TRUE = frozenset(
    {
        "scipy.ndimage.delegate_xp",
        "scipy.signal.delegate_xp",
        "scipy.signal.get_default_capabilities",
        "torch.DisableTorchFunction",
        "torch.DisableTorchFunctionSubclass",
        "torch.backends.python_native.flags_frozen",
        "torch.gather_traceback",
        "torch.get_num_thread",
        "torch.symbolize_tracebacks",
        "torch.unique_dim",
    }
)


class BuildError(Exception):
    """An index cannot be made of what was asked for."""


def build(
    packages: Sequence[str], paths: Sequence[Path], *, missing_ok: bool = False
) -> tuple[list[Signature], Report]:
    """Return the signatures of packages that are found in folders, and a report.

    ``python`` is the standard library: what all supported versions have in common, signed as in the newest.
    Raises ``BuildError`` for a package that is not there, unless ``missing_ok``, and for what is no name.
    """
    python = ".".join(map(str, sys.version_info[:2]))
    report = Report(built_with={"python": python, "typeshed-client": version("typeshed-client")})
    quiet = logging.getLogger("typeshed_client")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)  # it remarks on odd files; the report says what could not be read
    try:
        found: dict[str, Signature] = {}
        for package in sorted(set(packages)):
            if not package.isidentifier():
                raise BuildError(f"{package!r} is no name of a package: give the name that is imported")
            if package == STANDARD_LIBRARY:
                report.packages[package] = "-".join(f"{a}.{b}" for a, b in (VERSIONS[0], VERSIONS[-1]))
                found.update(_standard_library(report))
            else:
                reader = Reader(paths, sys.version_info[:2], sys.platform, report)
                modules = list(_modules(package, paths))
                if not modules and missing_ok:
                    continue
                if not modules:
                    raise BuildError(_not_found(package))
                report.packages[package] = _version(package)
                found.update(_identified(_of_modules(reader, modules), paths))
    finally:
        quiet.setLevel(level)
    return _folded(found, report.packages), report


def _not_found(package: str) -> str:
    """Return what is wrong with a package that no folder holds."""
    if package in sys.stdlib_module_names:
        return f"{package!r} is a part of the standard library: give {STANDARD_LIBRARY}, which is all of it"
    return f"there is no package {package!r} in the folders where Python would look"


def _identified(found: dict[str, Signature], paths: Sequence[Path]) -> dict[str, Signature]:
    """Return signatures with the definitions that the sources show.

    A stub may declare a function anew where it is only imported, and may write ``nansum = sum`` because the types are
    the same. Where the sources end at a file in C, the stub is believed, and names that end at the same name there are
    one function.
    """
    sources = Reader(paths, sys.version_info[:2], sys.platform, Report(), stubs=False)
    identified = {}
    ends: dict[str, str] = {}  # what is the same function, each name pointing to one that is nearer to the end

    def end(of: str) -> str:
        while of in ends:
            of = ends[of]
        return of

    for name, signature in found.items():
        module, _, last = name.rpartition(".")
        origin, seen = sources.origin(module, last)
        identified[name] = replace(signature, definition=origin) if seen else signature
        if not seen and end(origin) != end(signature.definition):
            ends[end(origin)] = end(signature.definition)
    return {name: replace(signature, definition=end(signature.definition)) for name, signature in identified.items()}


def _standard_library(report: Report) -> dict[str, Signature]:
    by_version = []
    for python in VERSIONS:
        reader = Reader((), python, PLATFORM, Report())
        names = sorted(name for name, _ in finder.get_all_stub_files(reader.context) if _for_users(name))
        by_version.append(_of_modules(reader, [name for name in names if reader.path(name) is not None]))
        report.skipped += [each for each in reader.report.skipped if each not in report.skipped]
    shared = set.intersection(*map(set, by_version))
    return {name: signature for name, signature in by_version[-1].items() if name in shared}


def _for_users(name: str) -> bool:
    """Say whether a module or function is meant for users, by its name."""
    parts = name.split(".")
    if name in NOT_TRUE or any(part.startswith("_") or part in NOT_FOR_USERS for part in parts):
        return False
    return not any(".".join(parts[: at + 1]) in NOT_FOR_ALL for at in range(len(parts)))


def _modules(package: str, paths: Iterable[Path]) -> Iterator[str]:
    """Yield the modules of the first package of a name; links to folders are not followed."""
    for folder in paths:
        if any((folder / f"{package}{suffix}").is_file() for suffix in (".py", ".pyi")):
            yield package
            return
        top = folder / package
        if not top.is_dir():
            continue
        modules = set()
        for here, folders, files in os.walk(top):
            parts = [package, *Path(here).relative_to(top).parts]
            folders[:] = [name for name in folders if name.isidentifier() and _for_users(name)]
            for file in files:
                stem = Path(file).stem
                if Path(file).suffix in {".py", ".pyi"} and stem.isidentifier():
                    module = ".".join(parts if stem == "__init__" else [*parts, stem])
                    if _for_users(module):
                        modules.add(module)
        if modules:
            yield from sorted(modules)
            return


def _version(package: str) -> str:
    for distribution in packages_distributions().get(package, [package]):
        try:
            return version(distribution)
        except PackageNotFoundError:  # noqa: PERF203 - two at most
            continue
    return ""


def _of_modules(reader: Reader, modules: Iterable[str]) -> dict[str, Signature]:
    """Return the signatures of all functions that users of some modules see, by full name."""
    found = {}
    for module in modules:
        if (hindrance := reader.hindrance(module)) is not None:
            reader.report.skip(module, hindrance.reason(module))
            continue
        for name in reader.public(module):
            function = reader.resolve(module, name)
            full = f"{module}.{name}"
            if isinstance(function, Found) and _for_users(full):
                found[full] = Signature(
                    full, _parameters(function), _returns(function), f"{function.module}.{function.name}"
                )
    return found


def _folded(found: dict[str, Signature], packages: dict[str, str]) -> list[Signature]:
    """Return one signature for all paths to a function that end in the same name, the shortest path first."""
    paths: dict[tuple[str, str], list[str]] = {}
    for name, signature in found.items():
        paths.setdefault((signature.definition, signature.name), []).append(name)
    folded = []
    for names in paths.values():
        names.sort(key=lambda name: (name.count("."), name))
        first = found[names[0]]
        package = first.definition.partition(".")[0]
        package = names[0].partition(".")[0] if package not in packages else package
        package = package if package in packages else STANDARD_LIBRARY
        folded.append(replace(first, aliases=tuple(names[1:]), package=package, version=packages.get(package, "")))
    return sorted(folded, key=lambda signature: signature.qualified_name)


def _parameters(found: Found) -> tuple[Parameter, ...]:
    """Return the parameters of a function, of the first where it is overloaded."""
    node = found.nodes[0]
    arguments = node.args
    ordered = [(arg, POSITIONAL_ONLY) for arg in arguments.posonlyargs] + [(arg, POSITIONAL) for arg in arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(ordered) - len(arguments.defaults))
    defaults += arguments.defaults
    parameters = [
        Parameter(arg.arg, kind, _written(default)) for (arg, kind), default in zip(ordered, defaults, strict=True)
    ]
    if found.bound and "staticmethod" not in decorators(node):
        del parameters[:1]
    if arguments.vararg is not None:
        parameters.append(Parameter(arguments.vararg.arg, VAR_POSITIONAL))
    parameters += [
        Parameter(arg.arg, KEYWORD_ONLY, _written(default))
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg is not None:
        parameters.append(Parameter(arguments.kwarg.arg, VAR_KEYWORD))
    return tuple(_before_3_8(parameters))


def _before_3_8(parameters: Iterable[Parameter]) -> Iterator[Parameter]:
    """Yield parameters; stubs of old mark those that are positional only by two underscores."""
    for each in parameters:
        if each.kind == POSITIONAL and each.name.startswith("__") and not each.name.endswith("__"):
            yield Parameter(each.name[2:], POSITIONAL_ONLY, each.default)
        else:
            yield each


def _written(node: ast.expr | None) -> str | None:
    return None if node is None else ast.unparse(node)


class _Normal(ast.NodeTransformer):
    """One way to write a type: the last part of dotted names, small letters for lists, ``X | None`` for Optional."""

    BUILTIN: ClassVar = {
        "List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "FrozenSet": "frozenset", "Type": "type",
    }  # fmt: skip

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self.visit_Name(ast.Name(node.attr))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self.BUILTIN.get(node.id, node.id))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str):
            return node
        try:
            inner: ast.expr = self.visit(ast.parse(node.value.strip(), mode="eval").body)
        except (SyntaxError, ValueError):
            return node
        return inner

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        value = self.visit(node.value)
        name = value.id if isinstance(value, ast.Name) else ""
        if name in {"Literal", "Annotated"}:
            return ast.Subscript(value, node.slice, ast.Load())
        inner = self.visit(node.slice)
        if name == "Optional":
            return ast.BinOp(inner, ast.BitOr(), ast.Constant(None))
        if name == "Union" and isinstance(inner, ast.Tuple):
            union = inner.elts[0]
            for each in inner.elts[1:]:
                union = ast.BinOp(union, ast.BitOr(), each)
            return union
        return ast.Subscript(value, inner, ast.Load())


def _returns(found: Found) -> str:
    """Return the type that a function returns, in one way of writing; empty where nothing is said."""
    annotation = found.nodes[0].returns
    if annotation is None:
        return ""
    return ast.unparse(ast.fix_missing_locations(_Normal().visit(annotation)))
