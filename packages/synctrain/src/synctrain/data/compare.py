"""When two texts count as one: code without its formatting, comments and docstrings; queries without their case."""

from __future__ import annotations

import ast
import textwrap
import warnings
from hashlib import blake2b

_FAILURES = (SyntaxError, ValueError, RecursionError, MemoryError)  # all that ast.parse has for bad text
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Fields that say nothing about what the code does: how a name is used follows from its place, u"" is "".
_IDLE = {"ctx", "kind", "type_ignores", "type_comment"}


def parsed(text: str) -> ast.Module:
    """Return the syntax tree of Python text, without a word about its doubtful escapes. Nothing is ever run.

    Raises:
        SyntaxError: The text is no Python of the running version, or nests too deeply for its parser.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except SyntaxError:
            raise
        except _FAILURES as error:
            raise SyntaxError(str(error) or type(error).__name__) from error


def normalised(code: str) -> str:
    """Return a text that is equal for code that differs in formatting, comments and docstrings only.

    Code that does not parse, even after its common indentation is taken away, gives its words with one blank
    between. The text is for comparing under one version of Python, not for reading. The time is linear.
    """
    try:
        tree = parsed(textwrap.dedent(code) if code[:1].isspace() else code)
    except SyntaxError:
        return " ".join(code.split())
    words: list[str] = []
    todo: list[object] = [tree]
    while todo:  # no recursion: a sum of a thousand terms is a tree of a thousand floors
        thing = todo.pop()
        if isinstance(thing, ast.AST):
            words.append(type(thing).__name__)
            fields = [getattr(thing, name, None) for name in thing._fields if name not in _IDLE]
            if isinstance(thing, _DOCUMENTED) and docstring(thing) is not None:
                fields[thing._fields.index("body")] = thing.body[1:]
            todo.extend(reversed(fields))
        elif isinstance(thing, list):
            words.append(f"[{len(thing)}")
            todo.extend(reversed(thing))
        else:
            words.append(repr(thing))
    return " ".join(words)


def docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.Expr | None:
    """Return the statement that is a function's or class's docstring."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first
    return None


def fingerprint(code: str) -> bytes:
    """Return 16 bytes that stand for ``normalised(code)``, so that a hundred thousand of them fit in memory."""
    return blake2b(normalised(code).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def normalised_query(query: str) -> str:
    """Return a query in lower case, with one blank between words and without the mark at its end."""
    words = " ".join(query.casefold().split())
    return words.rstrip(" .?!:;,") or words
