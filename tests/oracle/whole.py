"""What tests hold the engine's word against: whole texts, compiled and parsed by Python alone."""

from __future__ import annotations

import ast
import warnings


def tree(text: str) -> str | None:
    """The whole text's tree without positions; None where Python does not compile it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "<whole>", "exec", dont_inherit=True, optimize=0)
            return ast.dump(ast.parse(text))
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return None
