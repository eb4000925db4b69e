"""What a node stands in, asked by rules that must not apply everywhere."""

from __future__ import annotations

from typing import Any

import libcst as cst

from astmut.source import Source

_HOLDS_TARGETS = (cst.Element, cst.StarredElement, cst.List, cst.Tuple)


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
    return isinstance(name, (cst.Name, cst.Attribute)) and source.code(name).split(".")[-1] == "Literal"


def is_decorator(node: cst.CSTNode, source: Source) -> bool:
    """Whether a call is what a decorator applies, by itself or as the beginning of a chain of calls."""
    above: Any = source.parent(node)
    while type(above) is cst.Attribute or (type(above) is cst.Call and above.func is node):
        node, above = above, source.parent(above)
    return type(above) is cst.Decorator


def is_docstring(node: cst.CSTNode, source: Source) -> bool:
    """Whether a string is the first statement of a module, class or function."""
    above = source.parent(node)
    if type(above) is not cst.Expr:
        return False
    line = source.parent(above)
    if not isinstance(line, (cst.SimpleStatementLine, cst.SimpleStatementSuite)) or line.body[0] is not above:
        return False
    suite = line if isinstance(line, cst.SimpleStatementSuite) else source.parent(line)
    if isinstance(suite, (cst.Module, cst.IndentedBlock)) and suite.body[0] is not line:
        return False
    return suite is source.module or isinstance(source.parent(suite), (cst.FunctionDef, cst.ClassDef))  # type: ignore[arg-type]


def is_elif(node: cst.If, source: Source) -> bool:
    """Whether an ``if`` is written as the ``elif`` of another."""
    above: Any = source.parent(node)
    return type(above) is cst.If and above.orelse is node


def is_target(node: cst.CSTNode, source: Source) -> bool:
    """Whether a display stands where names are bound or deleted, by itself or in another one."""
    for above in source.ancestors(node):
        if not isinstance(above, _HOLDS_TARGETS):
            return isinstance(above, (cst.AssignTarget, cst.Del, cst.AsName)) or (
                isinstance(above, (cst.For, cst.CompFor)) and above.target is node
            )
        node = above
    return False
