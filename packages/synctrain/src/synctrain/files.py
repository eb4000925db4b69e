"""Files written whole or not at all, and whether they can be: to be asked before the work, not behind it."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Write a file, and the folders above it. What was there before stays until the new one is complete.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:  # as any new file of this user is, where a temporary one would be for them alone
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # of a full disk, say
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def check_file(path: Path) -> None:
    """See that ``write`` can write a file. Nothing is left behind.

    Raises:
        OSError: it cannot; the message names it and says why.
    """
    check_folder(path.parent, path)
    try:
        kind = path.stat().st_mode
    except OSError:  # not there, or a link to nowhere, which would be replaced
        return
    if not stat.S_ISREG(kind):  # a device, say, which a file would stand in the place of
        raise OSError(f"{path}: cannot be written: {'a folder' if stat.S_ISDIR(kind) else 'no regular file'}")


def check_folder(folder: Path, wanted: Path | None = None) -> None:
    """See that files can be written into a folder, which need not be there yet. Nothing is made or left behind.

    Raises:
        OSError: they cannot; the message names what is ``wanted``, the folder unless said, and says why.
    """
    try:
        with tempfile.TemporaryFile(dir=_nearest(folder.absolute())):
            pass
    except OSError as error:
        raise OSError(f"{wanted or folder}: cannot be written: {error.strerror}") from None


def _nearest(path: Path) -> Path:
    """Return a path, or the nearest one above it that is there."""
    for place in (path, *path.parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return place
    return path
