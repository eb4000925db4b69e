"""When two texts are the same code, where nobody says better."""

from __future__ import annotations


def plain(code: str) -> str:
    """Return code with every run of white space made one blank: a rough form for comparisons, not Python."""
    return " ".join(code.split())
