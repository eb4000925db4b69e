"""The control for surface cues: the same program, written otherwise.

A model that tells code from its mutants by how they look, not by what they do, prefers code to such a twin as well.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Callable

RULE = "(re-formatted)"
_BROKEN = (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError, IndentationError)


def reformatted(code: str) -> str | None:
    """Return a text with the same syntax tree: as ``ast.unparse`` prints it, else without blanks that may go.

    None where the code does not parse, or neither way changes more than white space at its ends.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of doubtful escapes, which are nobody's here
        try:
            tree = ast.parse(code)
            known = ast.dump(tree)
        except _BROKEN:
            return None
        ways: tuple[Callable[[], str], ...] = (lambda: ast.unparse(tree), lambda: _tight(code))
        return next((other for way in ways if (other := _same(way, code, known)) is not None), None)


def _same(way: Callable[[], str], code: str, known: str) -> str | None:
    """Return what a way of writing gives, where it is another text with the same tree."""
    try:
        other = way()
        return other if other.strip() != code.strip() and ast.dump(ast.parse(other)) == known else None
    except _BROKEN:
        return None


def _tight(code: str) -> str:
    """Return code without the blanks between two tokens of a line that are told apart without them."""
    lines = io.StringIO(code).readlines()
    cuts: list[tuple[int, int, int]] = []
    before: tokenize.TokenInfo | None = None
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type in {tokenize.INDENT, tokenize.DEDENT}:
            continue  # they have no text of their own between two tokens
        if before is not None and before.end[0] == token.start[0] and before.string and token.string:
            gap = lines[token.start[0] - 1][before.end[1] : token.start[1]]
            if gap and not gap.strip(" ") and token.type != tokenize.COMMENT and not _joins(before, token):
                cuts.append((token.start[0] - 1, before.end[1], token.start[1]))
        before = token
    for line, start, end in reversed(cuts):
        lines[line] = lines[line][:start] + lines[line][end:]
    return "".join(lines)


def _joins(left: tokenize.TokenInfo, right: tokenize.TokenInfo) -> bool:
    """Say whether two tokens would become others without a blank between them."""
    words = {tokenize.NAME, tokenize.NUMBER, tokenize.STRING}
    return (left.type in words and right.type in words) or left.type == right.type == tokenize.OP
