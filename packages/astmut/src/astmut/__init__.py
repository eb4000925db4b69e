"""A general-purpose mutation engine for Python.

``mutate`` yields mutants of a program, ``sites`` finds the places where rules apply, ``revert`` undoes a mutant.
Every mutant is valid, changed, local to the byte and revertible::

    >>> import astmut
    >>> for mutant in astmut.mutate("if a < b: f(a)", rules=["flip-comparators"]):
    ...     print(mutant.text)
    if a >= b: f(a)

``RULES`` holds all rules by name, ``rule`` declares a new one, ``Rewrites`` is the type of what it gives, and ``keep``
helps with it.
``__version__`` is the version of the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time __getattr__ brings each name when it is first used
    from astmut.engine import Stats  # keeps --help fast
    from astmut.face import mutate, sites  # keeps --help fast
    from astmut.layout import keep  # keeps --help fast
    from astmut.model import Edit, Mutant, Position, Site, Span, Text, revert  # keeps --help fast
    from astmut.rulebook import (  # keeps --help fast
        RULES,
        Example,
        Rewrite,
        Rewrites,
        Rule,
        RuleError,
        UnknownOptionError,
        UnknownRuleError,
        choose,
        rule,
    )
    from astmut.source import ParseError, Program, Source  # keeps --help fast
    from astmut.where import UnknownFunctionError  # keeps --help fast

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "Edit",
    "Example",
    "Mutant",
    "ParseError",
    "Position",
    "Program",
    "Rewrite",
    "Rewrites",
    "Rule",
    "RuleError",
    "Site",
    "Source",
    "Span",
    "Stats",
    "Text",
    "UnknownFunctionError",
    "UnknownOptionError",
    "UnknownRuleError",
    "__version__",
    "choose",
    "keep",
    "mutate",
    "revert",
    "rule",
    "sites",
]

_HOMES = {
    "engine": ("Stats",),
    "face": ("mutate", "sites"),
    "layout": ("keep",),
    "model": ("Edit", "Mutant", "Position", "Site", "Span", "Text", "revert"),
    "rulebook": (
        "Example",
        "Rewrite",
        "Rewrites",
        "Rule",
        "RuleError",
        "UnknownOptionError",
        "UnknownRuleError",
        "rule",
    ),
    "source": ("ParseError", "Program", "Source"),
    "where": ("UnknownFunctionError",),
    # What depends on which rules there are comes only once they are registered.
    "face:rulebook": ("RULES", "choose"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is first asked for; libcst alone takes 0.2 s."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = [import_module(f"{__name__}.{part}") for part in home.split(":")][-1]
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return __all__
