"""libcst's nodes, made faster and without validation while a thread has a text parsed.

libcst's native parser calls the ``__init__`` of its class for every node. Dataclasses wrote it: frozen ones set each
field by its name, through ``object.__setattr__``, and then validate, for people who build trees by hand. Both are a
good part of a parse, and neither is needed: the slots of a class can be filled directly, Python has parsed the text
already, and what libcst prints is compared with it. For all others, and for other threads meanwhile, nodes are made
as before, in the same steps.

Nor does validation know all of Python: it refuses ``return(a if b else c)`` and ``await f()or a``.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from _thread import get_ident
from collections.abc import Callable
from types import FunctionType, MemberDescriptorType
from typing import Any

import libcst as cst

WORTH = 40_000  # characters whose parse saves what it takes to prepare libcst's classes

_Init = Callable[..., None]
_parsing: set[int] = set()  # threads that have a text parsed
_parsed = 0  # characters, in all of this process
if hasattr(os, "register_at_fork"):  # other threads are not there in the child, where new ones may have their numbers
    os.register_at_fork(after_in_child=_parsing.clear)


def parsed_quickly(text: str) -> cst.Module:
    """Return what ``libcst.parse_module`` does, in less time once a process has parsed ``WORTH`` characters.

    What libcst parses and its validation refuses is returned all the same.
    """
    global _parsed  # noqa: PLW0603 - a count; that threads may lose some does not matter
    _parsed += len(text)
    if _parsed < WORTH:
        try:
            return cst.parse_module(text)
        except (cst.ParserSyntaxError, RecursionError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - validation does not only raise its own error: TypeError for `not(lambda: a)`
            _parsed = WORTH
    _prepare()
    thread = get_ident()
    try:
        _parsing.add(thread)
        return cst.parse_module(text)
    finally:
        _parsing.discard(thread)


@functools.cache
def _prepare() -> None:
    """Exchange the ``__init__`` of libcst's classes, once in a process.

    To exchange them for each parse would not do: Python 3.13 never again caches a class that was changed a thousand
    times, and its attributes are slow from then on.
    """
    for kind in vars(cst).values():
        if isinstance(kind, type) and issubclass(kind, cst.CSTNode) and _is_plain(kind):
            kind.__init__ = _init(kind)  # type: ignore[method-assign]


def _is_plain(kind: type[cst.CSTNode]) -> bool:
    """Say whether nodes of a class are made as those of libcst are: fields are slots, set from what is given."""
    init, fields = vars(kind).get("__init__"), dataclasses.fields(kind)
    return (
        isinstance(init, FunctionType)
        and init.__kwdefaults__ is None
        and init.__code__.co_varnames[: init.__code__.co_argcount] == ("self", *(field.name for field in fields))
        and all(isinstance(getattr(kind, field.name), MemberDescriptorType) for field in fields)
        and kind.__post_init__ is cst.CSTNode.__post_init__
    )


def _init(kind: Any) -> _Init:
    """Return the ``__init__`` of a class, with both ways and the signature that it had."""
    fields = dataclasses.fields(kind)
    anew = tuple(field.default_factory is not dataclasses.MISSING for field in fields)
    maker = _compiled(tuple(field.name for field in fields), anew)
    init = maker([getattr(kind, field.name).__set__ for field in fields], [field.default_factory for field in fields])
    return functools.update_wrapper(init, kind.__init__, ("__defaults__", *functools.WRAPPER_ASSIGNMENTS), ())


@functools.cache
def _compiled(names: tuple[str, ...], anew: tuple[bool, ...]) -> Callable[[list[Any], list[Any]], _Init]:
    """Return what makes an ``__init__`` with these arguments, of what sets each field and what makes its default.

    ``anew`` says which defaults are made for each node; where such an argument is not given it is dataclasses' mark.
    """
    values = [f"make[{i}]() if {name} is UNGIVEN else {name}" if anew[i] else name for i, name in enumerate(names)]
    setters = "".join(f"set_{name}, " for name in names)
    source = f"""
def maker(setters, make):
    {setters and f"{setters} = setters"}
    def __init__(self, {", ".join(names)}):
        if parsing and get_ident() in parsing:
            {"; ".join(f"set_{name}(self, {value})" for name, value in zip(names, values, strict=True)) or "pass"}
        else:
            {"; ".join(f"set_(self, '{name}', {value})" for name, value in zip(names, values, strict=True)) or "pass"}
            self.__post_init__()
    return __init__
"""
    namespace: dict[str, Any] = {
        "UNGIVEN": dataclasses._HAS_DEFAULT_FACTORY,  # type: ignore[attr-defined]  # noqa: SLF001
        "get_ident": get_ident,
        "parsing": _parsing,
        "set_": object.__setattr__,
    }
    exec(compile(source, "<astmut.nodes>", "exec"), namespace)  # noqa: S102 - source is the text above
    return namespace["maker"]  # type: ignore[no-any-return]
