"""What a node stands in, asked by rules that must not apply everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from astmut.model import Span
from astmut.source import Source

# Types are compared, not asked for by isinstance, which for the classes of libcst is a Python function.
_HOLDS_TARGETS = frozenset({cst.Element, cst.StarredElement, cst.List, cst.Tuple})
_BINDS = frozenset({cst.AssignTarget, cst.Del, cst.AsName})
_LOOPS = frozenset({cst.For, cst.CompFor})
_LINES = frozenset({cst.SimpleStatementLine, cst.SimpleStatementSuite})
_BODIES = frozenset({cst.Module, cst.IndentedBlock})
_HAVE_DOCSTRINGS = frozenset({cst.FunctionDef, cst.ClassDef})
_NAMES = frozenset({cst.Name, cst.Attribute})


def in_literal_type(node: cst.CSTNode, source: Source) -> bool:
    """Whether a constant is an argument of ``Literal[...]``, where it stands for a type."""
    above = source.parent(node)
    if type(above) is cst.UnaryOperation:
        above = source.parent(above)
    if type(above) is not cst.Index:
        return False
    element = source.parent(above)
    subscript = None if element is None else source.parent(element)
    name = getattr(subscript, "value", None)
    return type(name) in _NAMES and source.code(name).split(".")[-1] == "Literal"  # type: ignore[arg-type]


def is_decorator(call: cst.Call, source: Source) -> bool:
    """Whether a call is what a decorator applies, by itself or as the beginning of a chain of calls."""
    applied = source.memo.get("decorators")
    if applied is None:
        applied = source.memo["decorators"] = set(_applied_by_decorators(source))
    return id(call) in applied  # type: ignore[operator]


def _applied_by_decorators(source: Source) -> Iterator[int]:
    """Yield the identities of the expressions that decorators apply, and of what their chains begin with."""
    for number in source.of_types((cst.Decorator,)):
        decorator: Any = source.nodes[number]
        expression = decorator.decorator
        while True:
            yield id(expression)
            if type(expression) is cst.Attribute:
                expression = expression.value
            elif type(expression) is cst.Call:
                expression = expression.func
            else:
                break


def is_docstring(node: cst.CSTNode, source: Source) -> bool:
    """Whether a string is the first statement of a module, class or function."""
    above = source.parent(node)
    if type(above) is not cst.Expr:
        return False
    line: Any = source.parent(above)
    if type(line) not in _LINES or line.body[0] is not above:
        return False
    suite: Any = line if type(line) is cst.SimpleStatementSuite else source.parent(line)
    if type(suite) in _BODIES and suite.body[0] is not line:
        return False
    return suite is source.module or type(source.parent(suite)) in _HAVE_DOCSTRINGS


def is_raised(node: cst.CSTNode, source: Source) -> bool:
    """Whether an expression is the exception, or the cause of the one, that ``raise`` raises."""
    above = source.parent(node)
    if type(above) is cst.From:
        above = source.parent(above)
    return type(above) is cst.Raise


def is_zero(node: cst.CSTNode) -> bool:
    """Whether a number is zero, however it is written."""
    return isinstance(node, cst.Integer | cst.Float | cst.Imaginary) and node.evaluated_value == 0


def statement_span(node: cst.CSTNode, source: Source) -> Span:
    """Return the bytes of a statement from its first decorator on, which libcst's own span leaves out."""
    start, end = source.span(node)
    decorators = getattr(node, "decorators", None)
    return Span(source.span(decorators[0]).start, end) if decorators else Span(start, end)


def suite_span(suite: cst.BaseSuite, source: Source) -> Span:
    """Return the bytes of the statements of a suite, the decorators of the first one included."""
    start, end = source.span(suite)
    return Span(min(start, statement_span(suite.body[0], source).start), end)


def operands(operation: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """Yield an expression and, where it is a binary operation, the operands of it and of those in it."""
    stack = [operation]
    while stack:
        each = stack.pop()
        yield each
        if type(each) is cst.BinaryOperation:
            stack += (each.left, each.right)


def is_elif(node: cst.If, source: Source) -> bool:
    """Whether an ``if`` is written as the ``elif`` of another."""
    above: Any = source.parent(node)
    return type(above) is cst.If and above.orelse is node


def is_target(node: cst.CSTNode, source: Source) -> bool:
    """Whether a display stands where names are bound or deleted, by itself or in another one."""
    above: Any
    for above in source.ancestors(node):
        kind = type(above)
        if kind not in _HOLDS_TARGETS:
            return kind in _BINDS or (kind in _LOOPS and above.target is node)
        node = above
    return False
