"""Data sets of the Hugging Face Hub by name: ``hf:NAME``, ``hf:NAME:SPLIT`` or ``hf:NAME@CONFIG:SPLIT``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synctrain.data.rows import Row
from synctrain.types import DataError

PREFIX = "hf:"
_NAME = re.compile(r"hf:(?P<name>[^:@]+)(?:@(?P<config>[^:@]+))?(?::(?P<split>[^:@]+))?")


def rows(target: str) -> Iterator[Row]:
    """Yield the rows of a data set, of its split ``train`` where none is named; none of its own code is run.

    Raises:
        DataError: The name cannot be read, `datasets` is not installed, or the data set cannot be had.
    """
    match = _NAME.fullmatch(target)
    if not match:
        raise DataError(f"{target}: not of the form hf:NAME, hf:NAME:SPLIT or hf:NAME@CONFIG:SPLIT")
    try:
        import datasets  # keeps --help fast
    except ImportError as error:
        raise DataError(f"{target}: the package `datasets` is not installed (pip install datasets)") from error
    try:
        found = datasets.load_dataset(match["name"], match["config"], split=match["split"] or "train")
    except Exception as error:  # it raises what its many parts do, httpx and fsspec among them
        cause = ": ".join(_line(one) for one in (error, error.__cause__) if one)
        raise DataError(f"{target}: cannot be had, offline or not there ({cause})") from error
    number = 0
    for number, values in enumerate(found, 1):
        yield Row(target, number, values)
    if not number:
        raise DataError(f"{target}: no rows")


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
