"""What is known of a library function without running it: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

POSITIONAL_ONLY, POSITIONAL, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = KINDS = (
    "positional-only",
    "positional",
    "var-positional",
    "keyword-only",
    "var-keyword",
)


class Parameter(NamedTuple):
    """One parameter: its name, its kind (one of ``KINDS``), and its default as it is written, None for none.

    A stub may say ``...``: there is a default, and which one is not known.
    """

    name: str
    kind: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A function under the name that users call it by.

    ``definition`` is where it is written: two names of one function (``numpy.abs`` and ``numpy.absolute``) have it
    in common. ``aliases`` are further paths to it that end in the same name. ``returns`` is empty where nothing is
    said. ``package`` is the package, ``python`` for the standard library, and ``version`` what was read of it.
    """

    qualified_name: str
    parameters: tuple[Parameter, ...] = ()
    returns: str = ""
    definition: str = ""
    aliases: tuple[str, ...] = ()
    package: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        """The last part of the qualified name."""
        return self.qualified_name.rpartition(".")[2]

    @property
    def module(self) -> str:
        """The qualified name without its last part."""
        return self.qualified_name.rpartition(".")[0]

    def __str__(self) -> str:
        """Return the signature as Python writes it.

        >>> print(Signature("m.f", (Parameter("a", "positional-only"), Parameter("k", "keyword-only", "1")), "int"))
        m.f(a, /, *, k=1) -> int
        """
        arrow = f" -> {self.returns}" if self.returns else ""
        return f"{self.qualified_name}({', '.join(_written(self.parameters))}){arrow}"


def _written(parameters: tuple[Parameter, ...]) -> list[str]:
    """Return the parameters, and the marks between them."""
    parts: list[str] = []
    before = ""
    for name, kind, default in parameters:
        if before == POSITIONAL_ONLY != kind:
            parts.append("/")
        if kind == KEYWORD_ONLY and before not in {KEYWORD_ONLY, VAR_POSITIONAL}:
            parts.append("*")
        star = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(kind, "")
        parts.append(f"{star}{name}" if default is None else f"{star}{name}={default}")
        before = kind
    return [*parts, "/"] if before == POSITIONAL_ONLY else parts
