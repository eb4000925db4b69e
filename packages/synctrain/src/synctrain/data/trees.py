"""Python files on the disk: of a folder, of a package that is installed, of the standard library."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import os
import re
import sysconfig
import tokenize
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

from synctrain.data.rows import is_text
from synctrain.types import DataError

STDLIB = "stdlib"
LARGEST = 5_000_000  # bytes of a file: nobody wrote more by hand, and its syntax tree takes a hundred times as much
_SUFFIXES = {".py", ".pyw"}
_INSTALLED = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
_TESTS = {"test", "tests", "idle_test"}
_TEST_FILE = re.compile(r"(?:test_.*|.*_tests?|tests?|conftest)\.py")


class _Found(NamedTuple):
    file: Path
    base: Path  # where the names of its tree begin
    inside: tuple[str, ...]  # its path from the folder that was asked for; empty for a file that was


class Module(NamedTuple):
    """A Python file, and what it is called from where its tree begins."""

    file: Path
    path: str  # from the tree's root, with forward slashes: equal on every machine
    name: str  # dotted


def modules(
    targets: Sequence[str | Path], *, tests: bool = False, complain: Callable[[str], None] = lambda _: None
) -> Iterator[Module]:
    """Yield the Python files of the targets, each file once, those of a folder in sorted order. Imports none of them.

    A target is a file, a folder, ``stdlib``, or the name of what is installed: a module, also a dotted one, or a
    distribution. What is there as a path is taken as a path (but ``./stdlib`` for a folder of that name). Links to
    folders are not followed; hidden folders, virtual environments and installed packages inside a folder are left out.

    Args:
        targets: What to read.
        tests: Keep tests too: folders named ``test`` or ``tests``, files ``test_*.py``.
        complain: Gets a reason for each file left out.

    Raises:
        DataError: A target is neither a path nor installed, or holds no Python file.
    """
    seen: set[str] = set()
    check_targets(targets)
    for target in targets:
        for file, base, inside in _found(str(target)):
            path = file.relative_to(base).as_posix()
            real = os.path.realpath(file)
            if real in seen:
                complain("files named twice")
            elif not is_text(str(file)):
                complain("files whose names are not utf-8")
            elif not tests and _is_test(inside):
                complain("files of tests")
            else:
                yield Module(file, path, _dotted(path))
            seen.add(real)


def check_targets(targets: Sequence[str | Path]) -> None:
    """See that targets of ``modules`` are there and hold Python files, which takes no time. Raises ``DataError``."""
    for target in targets:
        if next(_found(str(target)), None) is None:
            raise DataError(f"{target}: no Python file in it")


def read_source(file: Path) -> str:
    """Return the text of a Python file, decoded as Python does: by its mark, its coding cookie, or as UTF-8.

    Raises:
        DataError: It cannot be read or decoded, or is larger than 5 MB.
    """
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise DataError(f"{file}: {size:,} bytes, more than {LARGEST:,}")
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from error
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, LookupError, UnicodeError) as error:
        raise DataError(f"{file}: cannot be decoded ({error})") from error


def _found(target: str) -> Iterator[_Found]:
    if target == STDLIB:
        folder = Path(sysconfig.get_path("stdlib"))
        yield from _below(folder, folder)
        return
    if _is_there(target):
        path = Path(target).absolute()
        if not path.is_dir() and not path.is_file():
            raise DataError(f"{target}: neither a file nor a folder")
        yield from _below(path, _base(path)) if path.is_dir() else [_Found(path, _base(path.parent), ())]
    elif _top(target):
        for path in _installed(target):
            base = path.parents[target.count(".")]
            if path.is_dir():
                yield from _below(path, base)
            elif path.suffix in _SUFFIXES:
                yield _Found(path, base, ())
    else:
        yield from _distributed(target)


def _is_there(target: str) -> bool:
    return os.path.exists(target)  # noqa: PTH110 - Path.exists raises for a name too long


def _base(folder: Path) -> Path:
    """Return the folder that the top of a folder's package lies in; of a folder that is no package, itself."""
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def _below(folder: Path, base: Path) -> Iterator[_Found]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _INSTALLED and not (here / name / "pyvenv.cfg").is_file()
        )
        for name in sorted(names):
            file = here / name
            if file.suffix in _SUFFIXES and file.is_file():  # no pipes, no dead links
                yield _Found(file, base, file.relative_to(folder).parts)


def _top(name: str) -> ModuleSpec | None:
    """Return where the first part of a dotted name would be imported from; finding the rest would import it."""
    top = name.partition(".")[0]
    try:
        return PathFinder.find_spec(top) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _installed(name: str) -> list[Path]:
    spec = _top(name)
    if not spec:
        return []
    found = [Path(place).absolute() for place in spec.submodule_search_locations or [spec.origin or ""]]
    for part in name.split(".")[1:]:
        found = [path for place in found for path in (place / part, place / f"{part}.py") if path.exists()]
    return sorted({path for path in found if path.exists()})


def _distributed(name: str) -> Iterator[_Found]:
    try:
        # Python 3.10 finds something for "": whatever is installed first.
        distribution = importlib.metadata.distribution(name or "\0")
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise DataError(f"{name}: no file or folder of this name, and nothing installed that is called so") from error
    base = Path(str(distribution.locate_file(""))).absolute()
    for listed in sorted(distribution.files or (), key=str):
        file = base / str(listed)
        if file.suffix in _SUFFIXES and ".." not in listed.parts and file.is_file():
            yield _Found(file, base, listed.parts)


def _is_test(inside: tuple[str, ...]) -> bool:
    return bool(inside) and (not _TESTS.isdisjoint(inside[:-1]) or bool(_TEST_FILE.fullmatch(inside[-1])))


def _dotted(path: str) -> str:
    return path.rpartition(".")[0].replace("/", ".").removesuffix(".__init__")
