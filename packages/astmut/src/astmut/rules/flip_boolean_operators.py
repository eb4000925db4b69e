"""And and or (SYNC rule 7)."""

from typing import TypeGuard

import libcst as cst

from astmut.layout import wrap
from astmut.model import Span
from astmut.rulebook import Rewrites, rule
from astmut.source import Source

OPPOSITE: dict[type[cst.BaseBooleanOp], str] = {cst.And: "or", cst.Or: "and"}


@rule("flip-boolean-operators", "sync", "natural")
def flip_boolean_operators(node: cst.BooleanOperation, source: Source) -> Rewrites:
    """Turn ``and`` into ``or`` and back.

    A chain of one operator is one node of Python's tree, and changes as one. Parentheses are added where the
    operands would regroup, so that the tree is the original one with another operator.

    a and b           =>  a or b
    a or b or c       =>  a and b and c
    a or b and c      =>  a and (b and c)  |  a or (b or c)
    a and (b or c)    =>  a or (b or c)  |  a and (b and c)
    (a)and(b)         =>  (a)or(b)
    not a             =>
    a & b             =>
    """
    operator = type(node.operator)
    edits: dict[cst.CSTNode | Span, str] = {}
    above = source.parent(node)
    if type(above) is cst.BooleanOperation and not node.lpar:
        if type(above.operator) is not operator:
            edits.update(wrap(source, node))
        elif above.left is node:
            return
    link: cst.BaseExpression = node
    while type(link) is cst.BooleanOperation and type(link.operator) is operator:
        edits[link.operator] = OPPOSITE[operator]
        for operand in (link.left, link.right):
            if _groups(operand) and type(operand.operator) is not operator:
                edits.update(wrap(source, operand))
        if not _groups(link.left):
            break
        link = link.left
    yield edits


def _groups(operand: cst.BaseExpression) -> TypeGuard[cst.BooleanOperation]:
    """Whether an operand is an operation that only precedence groups."""
    return type(operand) is cst.BooleanOperation and not operand.lpar
