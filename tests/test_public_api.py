"""The public face of both packages, compared with public_api.txt.

After a change on purpose, write the file anew with `UPDATE_PUBLIC_API=1 nox -s tests-3.11 -- -k public_api`.
"""

import importlib
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SNAPSHOT = Path(__file__).with_name("public_api.txt")
PACKAGES = ("astmut", "synctrain")


def shape(thing: object) -> str:
    """What a caller sees: a signature, `property`, or the type of a value."""
    if isinstance(thing, classmethod | staticmethod):
        return f"{type(thing).__name__} {shape(thing.__func__)}"
    if inspect.isclass(thing) or inspect.isroutine(thing):
        kind = "class" if inspect.isclass(thing) else ""
        try:
            text = str(inspect.signature(thing))
        except (TypeError, ValueError):  # a class written in C
            text = "(...)"
        return kind + re.sub(r" at 0x[0-9a-f]+", "", text)
    if isinstance(thing, property) or inspect.isdatadescriptor(thing):
        return ": property"
    return f": {type(thing).__name__}"


def face(package: str) -> Iterator[str]:
    """One line for each public name of a package and for each public member of its classes."""
    module = importlib.import_module(package)
    for name in sorted(module.__all__):
        thing = getattr(module, name)
        yield f"{package}.{name}{shape(thing)}"
        if inspect.isclass(thing):
            for member, value in sorted(vars(thing).items()):
                if not member.startswith("_"):
                    yield f"{package}.{name}.{member}{shape(value)}"


def is_documented(package: str, name: str) -> bool:
    """A function or class says what it is; a value is named in the package's own docstring."""
    module = importlib.import_module(package)
    thing = getattr(module, name)
    if inspect.isclass(thing) or inspect.isroutine(thing):
        # A dataclass or named tuple without a docstring gets its signature for one.
        return bool(thing.__doc__) and not re.match(rf"{name}\(", thing.__doc__ or "")
    return f"`{name}`" in (module.__doc__ or "")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not is_documented(package, name)] == []


def test_the_face_is_the_one_on_record() -> None:
    now = "".join(f"{line}\n" for package in PACKAGES for line in face(package))
    if os.environ.get("UPDATE_PUBLIC_API"):
        SNAPSHOT.write_text(now, "utf-8")
    assert now == SNAPSHOT.read_text("utf-8"), "the public face changed: on purpose? Then see this file's first lines"
