"""Without which tokens a text cannot hold a node of some type: what spares a text the parse.

Python's own parser is far faster than libcst's. Where it has accepted a text, and the text lacks the tokens that
every node of a rule's types is written with, the rule has no site there, and libcst need not be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import libcst as cst


def words(*keywords: str) -> str:
    """Return the expression for some keywords. A number may run into one: ``0xfor 1`` is ``0xf or 1``."""
    return rf"\b(?:\d\w*)?(?:{'|'.join(keywords)})\b"


_NUMBER, _STRING, _OPERATOR = r"(?<!\w)\.?\d", r"""["']""", r"[-+*/%|&^@<>]"
_COMPARISON = rf"[<>]|[=!]=|{words('in', 'is')}"

# A regular expression for each type, which is found in every text that holds such a node.
TOKENS: dict[type[cst.CSTNode], str] = {
    cst.Integer: _NUMBER, cst.Float: _NUMBER, cst.Imaginary: _NUMBER,
    cst.SimpleString: _STRING, cst.ConcatenatedString: _STRING, cst.FormattedString: _STRING,
    cst.Comparison: _COMPARISON, cst.ComparisonTarget: _COMPARISON,
    cst.BooleanOperation: words("and", "or"), cst.UnaryOperation: rf"[-+~]|{words('not')}",
    cst.BinaryOperation: _OPERATOR, cst.Assign: "=", cst.AugAssign: f"{_OPERATOR}=", cst.AnnAssign: ":",
    cst.Call: r"\(", cst.Tuple: r",|\(", cst.Subscript: r"\[", cst.Attribute: r"\.",
    cst.List: r"\[", cst.ListComp: r"\[", cst.Set: r"\{", cst.SetComp: r"\{", cst.Dict: r"\{", cst.DictComp: r"\{",
    cst.If: words("if", "elif"), cst.IfExp: words("if"), cst.CompIf: words("if"),
    cst.For: words("for"), cst.CompFor: words("for"), cst.While: words("while"), cst.Try: words("try"),
    cst.ExceptHandler: words("except"), cst.With: words("with"), cst.Match: words("match"),
    cst.Lambda: words("lambda"), cst.FunctionDef: words("def"), cst.ClassDef: words("class"),
    cst.Return: words("return"), cst.Raise: words("raise"), cst.Assert: words("assert"), cst.Del: words("del"),
    cst.Await: words("await"), cst.Yield: words("yield"), cst.Break: words("break"), cst.Continue: words("continue"),
}  # fmt: skip


def tokens_of(types: Iterable[type[cst.CSTNode]]) -> str | None:
    """Return what is found in each text that holds a node of one of these types; None where there is no telling."""
    expressions = [TOKENS.get(kind) for kind in types]
    return "|".join(dict.fromkeys(filter(None, expressions))) if all(expressions) else None


SHORT = 4_096  # characters; longer texts have about everything outside of their strings, too

WITH_EXPRESSIONS = r"(?:[fFtT][rR]?|[rR][fFtT])"  # the prefixes of strings that hold expressions
# Read from the left, a quote opens a string. In one with expressions the next quote may be one of theirs.
_QUOTED = re.compile(
    rf"""(?<!\w)(?P<expressions>{WITH_EXPRESSIONS})["']|\#[^\r\n]*"""
    r"""|"{3}(?:\\[\s\S]|[^\\])*?"{3}|'{3}(?:\\[\s\S]|[^\\])*?'{3}"""
    r"""|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'"""
)
_LOOP = re.compile(r"\bfor\b([\s\S]*?)\bin\b")


def bare(text: str) -> str:
    """Return a text that Python parses without what its strings hold, its comments, and the ``in`` of its loops."""
    for quoted in _QUOTED.finditer(text):
        if quoted["expressions"]:
            return text
    return _LOOP.sub(r"for\1", _QUOTED.sub(_emptied, text))


def _emptied(quoted: re.Match[str]) -> str:
    return "" if quoted[0][0] == "#" else '""'
