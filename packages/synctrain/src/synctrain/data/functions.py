"""The functions of a Python text, each as its own text without its docstring. Read, never imported or run."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from synctrain.data import compare
from synctrain.types import DataError

_Def: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
_BREAK = re.compile("\r\n?|\n")  # what Python takes for the end of a line, and nothing else
_FED = re.compile(r"\A[ \t\f]*\f")
_TEXTS = tuple(getattr(ast, name) for name in ("JoinedStr", "TemplateStr") if hasattr(ast, name))
_PARTS = ("body", "handlers", "orelse", "finalbody", "cases")  # where a statement holds statements, in their order
_ACCESSORS = {"setter", "deleter", "getter"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method as it stands in a file."""

    path: str  # as given to `functions`
    name: str  # qualified, as in __qualname__: Class.method, outer.<locals>.inner
    first: int  # the line of the first decorator or of `def`, from 1
    last: int  # the last line of the body
    code: str  # those lines, decorators and comments included, moved to the left margin, the docstring cut out
    lines: tuple[int, ...]  # for each line of the code the one of the file, from 1
    docstring: str  # without its indentation; "" where there is none
    stub: bool  # does nothing: `pass`, `...` or `raise NotImplementedError` besides the docstring
    accessor: bool  # the setter, deleter or second getter of a property

    @property
    def is_magic(self) -> bool:
        """Whether Python calls the function itself: ``__init__``, ``__len__``."""
        name = self.name.rpartition(".")[2]
        return name.startswith("__") and name.endswith("__")


def functions(text: str, path: str) -> Iterator[Function]:
    """Yield all functions of a Python text in their order, outer ones before inner ones, with docstring or without.

    Nothing of a function's text changes but its indentation and its docstring; the lines inside a string of several
    lines keep theirs. A function of nothing but a docstring gets ``pass``. The time is linear in the text, times the
    depth of functions inside functions.

    Args:
        text: The whole file.
        path: What to call it.

    Raises:
        DataError: The text is no Python of the running version; the message names the path, the line and the cause.
    """
    lines = _BREAK.split(text.removeprefix("\ufeff"))
    try:
        tree = compare.parsed("\n".join(lines))
    except SyntaxError as error:
        raise DataError(f"{path}, line {error.lineno or 1}: does not parse ({error.msg})") from error
    fixed = _fixed(tree, lines)
    todo: list[tuple[ast.AST, str]] = [(node, "") for node in reversed(tree.body)]
    while todo:
        node, prefix = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _function(node, prefix, path, lines, fixed)
            prefix += f"{node.name}.<locals>."
        elif isinstance(node, ast.ClassDef):
            prefix += f"{node.name}."
        inner = [child for part in _PARTS for child in getattr(node, part, ())]
        todo.extend((child, prefix) for child in reversed(inner))


def _fixed(tree: ast.Module, lines: Sequence[str]) -> set[int]:
    """Return the lines, from 1, that begin inside a string, so that their indentation is part of its value."""
    fixed: set[int] = set()
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 1)
        if first == last:
            continue  # nothing in it goes over lines
        if isinstance(node, _TEXTS) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            # Strings of one line each, one below the other, are one node as well.
            if re.search(r'"""|\'\'\'|\\\n', "\n".join(lines[first - 1 : last])):
                fixed.update(range(first + 1, last + 1))
        else:
            todo.extend(ast.iter_child_nodes(node))
    return fixed


def _function(node: _Def, prefix: str, path: str, lines: Sequence[str], fixed: set[int]) -> Function:
    first, last = _first(node, lines), node.end_lineno or node.lineno
    margin = lines[node.lineno - 1]
    margin = _unfed(margin[: len(margin) - len(margin.lstrip())])
    body = dict(zip(range(first, last + 1), lines[first - 1 : last], strict=True))
    note = compare.docstring(node)
    if note:
        _cut(note, body, fixed, alone=len(node.body) == 1)
    code = "\n".join(line if number in fixed else _moved(line, margin) for number, line in body.items())
    text = note.value.value if note and isinstance(note.value, ast.Constant) else ""
    return Function(
        path=path,
        name=prefix + node.name,
        first=first,
        last=last,
        code=code,
        lines=tuple(body),
        docstring=inspect.cleandoc(text) if isinstance(text, str) else "",
        stub=all(map(_is_idle, node.body[1:] if note else node.body)),
        accessor=any(isinstance(item, ast.Attribute) and item.attr in _ACCESSORS for item in node.decorator_list),
    )


def _first(node: _Def, lines: Sequence[str]) -> int:
    if not node.decorator_list:
        return node.lineno
    first = node.decorator_list[0].lineno
    while first > 1 and not lines[first - 1].lstrip().startswith("@"):  # `@(`, and the decorator on the next line
        first -= 1
    return first


def _moved(line: str, margin: str) -> str:
    """Take the margin away from a line; of a comment or continued line that stands further left, what there is."""
    line = _unfed(line)
    if line.startswith(margin):
        return line[len(margin) :]
    return line.lstrip() if line[: len(margin)].isspace() or not line[:1].strip() else line


def _unfed(line: str) -> str:
    """Take away what stands before a form feed in the indentation of a line: behind it, it is counted anew."""
    return _FED.sub("", line)


def _cut(note: ast.Expr, body: dict[int, str], fixed: set[int], *, alone: bool) -> None:
    """Take a docstring out of the lines of its function."""
    start, end = note.lineno, note.end_lineno or note.lineno
    head = body[start][: _characters(body[start], note.col_offset)]
    tail = body[end][_characters(body[end], note.end_col_offset or 0) :].strip().removeprefix(";").strip()
    for number in range(start + 1, end + 1):
        del body[number]
    if alone:
        body[start] = f"{head}pass  {tail}".rstrip()
    elif tail or head.strip():  # a comment or more code on its line
        body[start] = head + tail
    else:
        del body[start]
        while not body[end + 1].strip() and end + 1 not in fixed:  # the body goes on, so this ends
            del body[end + 1]
            end += 1


def _characters(line: str, offset: int) -> int:
    """Return how many characters the first ``offset`` bytes of a line hold: ast counts in UTF-8."""
    return offset if line.isascii() else len(line.encode()[:offset].decode())


def _is_idle(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
