"""Files to read, and files to write without harm: walking folders, replacing one file, filling a new folder."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path, PurePath
from typing import IO

from astmut.formats import placed

INDEX = "mutants.jsonl"
_SUFFIX = ".py"
_SKIPPED = "__pycache__"


def walk(paths: Iterable[str], complain: Callable[[OSError], None]) -> Iterator[str]:
    """Yield the files that ``paths`` name, each once: a file whatever its suffix, of a folder all its ``*.py``.

    Folders are walked in sorted order, without hidden ones, ``__pycache__`` and symbolic links to folders. A file
    reached by two ways is taken where it comes first. What cannot be read is told to ``complain``.
    """
    seen: set[str] = set()
    for path in paths:
        if path == "-":  # standard input, which is nobody's file
            if path not in seen:
                seen.add(path)
                yield path
            continue
        for name in _below(path, complain) if is_folder(path) else [path]:
            real = os.path.realpath(name)
            if real not in seen:
                seen.add(real)
                normal = os.path.normpath(name) if name else name
                yield name if normal == "-" else normal  # which would mean standard input


def is_folder(path: str) -> bool:
    """Say whether a path leads to a folder; one that cannot be looked at (a name too long, say) is none."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a name too long


def is_file(path: str) -> bool:
    """Say whether a path leads to an ordinary file."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def is_special(path: str) -> bool:
    """Say whether a path leads to a pipe or device, which may be open to this process only."""
    return os.path.exists(path) and not is_file(path)  # noqa: PTH110 - as above


def _below(folder: str, complain: Callable[[OSError], None]) -> Iterator[str]:
    for root, folders, names in os.walk(folder, onerror=complain):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != _SKIPPED)
        for name in sorted(names):
            path = os.path.join(root, name)  # noqa: PTH118 - Path drops nothing here but costs ten times as much
            if name.endswith(_SUFFIX) and is_file(path):  # no pipes, no dead links
                yield path


def replace(path: str, before: bytes, after: bytes) -> None:
    """Write ``after`` in the place of a file's content, wholly or not at all, with its permissions kept.

    A symbolic link stays one: the file behind it is written. Raises ``OSError`` where that cannot be done, or
    where the file no longer holds ``before``; it names the file.
    """
    target = Path(path).resolve(strict=True)
    if not os.access(target, os.W_OK):  # replacing needs the folder's permission only, but a lock is a lock
        raise PermissionError(errno.EACCES, "not writable", path)
    try:
        handle, name = tempfile.mkstemp(prefix=_hidden(target), dir=target.parent)
    except OSError as error:
        raise OSError(error.errno, f"no file can be made beside it: {error.strerror}", path) from None
    temporary = Path(name)
    try:
        _fill(handle, temporary, after, target.stat())
        _demand(target, before, path)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def check(path: Path) -> None:
    """See, before long work, that ``write`` can write a file: nothing is left behind. Raises ``OSError``."""
    if is_special(str(path)):  # of a pipe that is open, what it resolves to has no file
        return
    target = path.resolve()
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "not writable", str(path))
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def write(path: Path, data: bytes) -> None:
    """Write a file wholly or not at all: what was there stays until then. A pipe or a device takes the bytes as ever.

    A symbolic link stays one, and permissions are kept. Raises ``OSError``, which names the file.
    """
    if is_special(str(path)):
        path.write_bytes(data)
        return
    target = path.resolve()
    temporary = target.with_name(f"{_hidden(target)}{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:  # with the permissions that a new file has
            _put(file, data)
        if target.exists():
            _as_before(temporary, target.stat())
        temporary.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _hidden(path: Path) -> str:
    """Return how the name of a file begins that is to take another's place; with its end, at most 255 bytes."""
    return f".{path.name[:50]}."


def _fill(handle: int, path: Path, data: bytes, like: os.stat_result) -> None:
    """Write a new file to the disk, with the permissions and the owner of another."""
    with os.fdopen(handle, "wb") as file:
        _put(file, data)
    _as_before(path, like)


def _as_before(path: Path, like: os.stat_result) -> None:
    """Give a file the permissions and the owner of the one whose place it takes."""
    if sys.platform != "win32" and os.geteuid() == 0:
        os.chown(path, like.st_uid, like.st_gid)
    path.chmod(stat.S_IMODE(like.st_mode))  # last: a new owner takes the set-user-id bits away


def _put(file: IO[bytes], data: bytes) -> None:
    """Write all of a file, and see that it is on the disk."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _demand(target: Path, content: bytes, path: str) -> None:
    if target.read_bytes() != content:
        raise OSError(errno.EAGAIN, "changed while it was being read", path)


class Folder:
    """A new folder of mutants: ``NAME/ID-RULE.py`` for each mutant of ``NAME.py``, and an index of them all.

    Nothing in it is written twice.
    """

    def __init__(self, path: str) -> None:
        """Make the folder. Raises ``OSError`` where it holds anything already: nothing is ever overwritten."""
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        if any(self.path.iterdir()):
            raise FileExistsError(errno.EEXIST, "the output folder is not empty", path)
        self._index = (self.path / INDEX).open("xb")

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def add(self, name: str, data: bytes, line: bytes) -> None:
        """Write one mutant and its line of the index."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
        self._index.write(line)


def folders(paths: Iterable[str]) -> list[str]:
    """Return the folder, inside the output folder, for the mutants of each file, no two the same.

    Where ``a`` and ``a.py``, or a file and the index, would share one, the later gets a number. Names that differ by
    case alone count as the same, since some file systems hold them for that.
    """
    taken = {INDEX}
    found = []
    for path in paths:
        first, *rest = mirrored(path).split("/")
        if rest and first.casefold() == INDEX:
            first += "-2"  # the index is no folder
        name = "/".join([first, *rest])
        numbered = (f"{name}-{number}" if number > 1 else name for number in count(1))
        free = next(each for each in numbered if each.casefold() not in taken)
        taken.add(free.casefold())
        found.append(free)
    return found


def mirrored(path: str) -> str:
    """Return the folder, inside the output folder, for the mutants of a file: its path below the current folder.

    A file elsewhere keeps its whole path, without the root.
    """
    inside = PurePath(placed(path))
    named = inside.suffix == _SUFFIX and inside.stem.strip(".")  # of `...py` is left what leads out of the folder
    return (inside.with_suffix("") if named else inside).as_posix()
